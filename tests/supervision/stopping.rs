//! How a supervisor stops.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, AddError, CancellationToken, ChildSpec, Event, EventKind, Failure, Join, Kill, List,
    Shutdown, Spec, Stop, Supervisor, SupervisorState, Terminate,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, boom, exact, fragile, line, now, paused, secs, settle,
    sleep, start, status, token,
};

/// A service that takes this long to stop.
fn slow_to_stop(
    name: &str,
    journal: &Journal,
    time: Duration,
) -> ChildSpec<actix_supervisor::ServiceActor> {
    let (label, journal) = (name.to_owned(), journal.clone());
    ChildSpec::service(name, move |stop: CancellationToken| {
        let (name, journal) = (label.clone(), journal.clone());
        async move {
            stop.cancelled().await;
            journal.note(format!("{name}: stopping"));
            sleep(time).await;
            journal.note(format!("{name}: stopped"));
        }
    })
}

/// How long a stop takes; it must be a clean one.
async fn time_to_stop(root: &Addr<Supervisor>) -> Duration {
    let begun = now();
    assert!(root.send(Stop).await.unwrap().is_clean());
    now() - begun
}

#[test]
fn children_stop_one_after_the_other_the_last_started_first() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let root = Supervisor::with_spec("root", events.hook(exact()))
            .unwrap()
            .child(Probes::spec("a", &journal))
            .child(slow_to_stop("b", &journal, secs(3)))
            .child(Probes::spec("c", &journal))
            .child(slow_to_stop("d", &journal, secs(2)))
            .start();
        settle().await;
        events.take();
        journal.take();
        assert_eq!(time_to_stop(&root).await, secs(5));
        assert_eq!(
            journal.take(),
            [
                "d: stopping",
                "d: stopped",
                "c: stopping",
                "c: stopped",
                "c: dropped",
                "b: stopping",
                "b: stopped",
                "a: stopping",
                "a: stopped",
                "a: dropped",
            ]
        );
        assert_eq!(
            events.lines(),
            [
                "root/d: ChildStopped",
                "root/c: ChildStopped",
                "root/b: ChildStopped",
                "root/a: ChildStopped",
                "root: SupervisorStopped",
            ]
        );
    });
}

#[test]
fn a_child_that_outlives_its_limit_is_dropped_and_an_event_says_so() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let root = Supervisor::with_spec("root", events.hook(exact()))
            .unwrap()
            .child(Probes::spec("first", &journal))
            .child(Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(3))))
            .start();
        settle().await;
        events.take();
        journal.take();
        assert_eq!(time_to_stop(&root).await.as_secs(), 3);
        assert_eq!(
            journal.take(),
            [
                "hung: stopping",
                "hung: dropped",
                "first: stopping",
                "first: stopped",
                "first: dropped"
            ]
        );
        let seen = events.take();
        assert!(matches!(seen[0].kind, EventKind::StopTimeout { left_behind: false, .. }));
        assert_eq!(line(&seen[1]), "root/hung: ChildStopped");
        assert!(matches!(seen[1].kind, EventKind::ChildStopped { failure: None, .. }));
    });
}

#[test]
fn each_hung_child_takes_no_more_than_its_own_limit() {
    paused(async {
        let journal = Journal::default();
        let spec = exact().shutdown_timeout(secs(7));
        let root = Supervisor::with_spec("root", spec)
            .unwrap()
            .child(Probes::hung("zero", &journal).shutdown(Shutdown::Timeout(Duration::ZERO)))
            .child(Probes::hung("default", &journal))
            .child(Probes::hung("two", &journal).shutdown(Shutdown::Timeout(secs(2))))
            .child(Probes::hung("killed", &journal).shutdown(Shutdown::Kill))
            .start();
        settle().await;
        assert_eq!(time_to_stop(&root).await.as_secs(), 9);
        for name in ["zero", "default", "two", "killed"] {
            assert_eq!(journal.count(&format!("{name}: dropped")), 1);
        }
    });
}

#[test]
fn the_default_limit_is_ten_seconds() {
    paused(async {
        let hung = Probes::hung("hung", &Journal::default());
        let root = Supervisor::new("root").child(hung).start();
        settle().await;
        assert_eq!(time_to_stop(&root).await.as_secs(), 10);
    });
}

#[test]
fn shutdown_kill_drops_at_once_without_the_hooks() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let spec = Probes::spec("probe", &journal).shutdown(Shutdown::Kill);
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap().child(spec).start();
        settle().await;
        events.take();
        journal.take();
        assert_eq!(time_to_stop(&root).await, Duration::ZERO);
        assert_eq!(journal.take(), ["probe: dropped"]);
        assert_eq!(events.lines(), ["root/probe: ChildStopped", "root: SupervisorStopped"]);
    });
}

#[test]
fn shutdown_infinite_waits_and_a_child_that_stops_in_its_own_time_is_not_late() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let infinite = Probes::hung("infinite", &journal).shutdown(Shutdown::Infinite);
        let limited = Probes::hung("limited", &journal).shutdown(Shutdown::Timeout(secs(9)));
        let (infinite_addr, limited_addr) = (infinite.addr(), limited.addr());
        let root = Supervisor::with_spec("root", events.hook(exact()))
            .unwrap()
            .child(infinite)
            .child(limited)
            .start();
        settle().await;
        let stop = root.send(Stop);
        sleep(secs(8)).await;
        limited_addr.do_send(Do::Terminate);
        sleep(secs(1_000_000)).await;
        assert_eq!(status(&root).await.children.stopping, 1);
        infinite_addr.do_send(Do::Terminate);
        assert!(stop.await.unwrap().is_clean());
        assert!(!events.lines().iter().any(|line| line.ends_with("StopTimeout")));
        assert_eq!(journal.count("limited: stopped"), 1);
    });
}

#[test]
fn a_stop_in_a_restart_loop_works_at_once() {
    paused(async {
        let events = Events::default();
        let spec = exact().failure_threshold(f64::from(u32::MAX));
        let looping = ChildSpec::<Probe>::actor("looping", |_| boom());
        let root = Supervisor::with_spec("root", events.hook(spec)).unwrap().child(looping).start();
        while status(&root).await.restarts < 1000 {}
        assert_eq!(time_to_stop(&root).await, Duration::ZERO);
        let seen = events.take();
        let failed = |event: &&Event| matches!(event.kind, EventKind::ChildFailed { .. });
        let last = seen.iter().rfind(failed).unwrap();
        let EventKind::ChildFailed { failure, .. } = &last.kind else { unreachable!() };
        assert!(matches!(failure, Failure::Panic(_)));
    });
}

#[test]
fn every_stop_and_join_gets_the_same_answer() {
    paused(async {
        let hung = Probes::hung("hung", &Journal::default());
        let root = Supervisor::new("root").child(hung).start();
        let joined = root.send(Join);
        let first = root.send(Stop);
        sleep(secs(1)).await;
        let (begun, second, late) = (now(), root.send(Stop), root.send(Join));
        let report = first.await.unwrap();
        assert_eq!((now() - begun).as_secs(), 9, "the second stop has not begun it anew");
        assert_eq!(second.await.unwrap(), report);
        assert_eq!(joined.await.unwrap().unwrap(), report);
        assert_eq!(late.await.unwrap().unwrap(), report);
        assert_eq!(root.send(Join).await.unwrap_err(), MailboxError::Closed);
    });
}

#[test]
fn a_failure_that_crosses_a_stop_is_neither_restarted_nor_waited_for() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let (a, b) = (Probes::spec("a", &journal), Probes::hung("b", &journal));
        let (a_addr, b_addr) = (a.addr(), b.addr());
        let root = Supervisor::with_spec("root", events.hook(fragile()))
            .unwrap()
            .child(a)
            .child(b)
            .start();
        settle().await;
        events.take();
        let stop = root.send(Stop);
        settle().await;
        let begun = now();
        a_addr.send(Do::Panic).await.unwrap_err();
        settle().await;
        assert_eq!(status(&root).await.failures, 0.0);
        assert_eq!(status(&root).await.state, SupervisorState::Stopping);
        b_addr.send(Do::Panic).await.unwrap_err();
        assert!(stop.await.unwrap().is_clean());
        assert!(now() - begun < secs(1));
        let seen = events.take();
        let lines: Vec<_> = seen.iter().map(line).collect();
        assert_eq!(
            lines,
            ["root/a: ChildFailed", "root/b: ChildStopped", "root: SupervisorStopped"]
        );
        assert!(matches!(seen[0].kind, EventKind::ChildFailed { restarting: false, .. }));
        let EventKind::ChildStopped { failure, .. } = &seen[1].kind else { unreachable!() };
        assert!(matches!(failure, Some(Failure::Panic(_))), "{failure:?}");
        assert_eq!(journal.count("a: made 2") + journal.count("b: made 2"), 0);
    });
}

#[test]
fn a_kill_that_crosses_a_stop_neither_restarts_nor_hangs() {
    paused(async {
        let (journal, spec) = (Journal::default(), Probes::hung("probe", &Journal::default()));
        let root = Supervisor::new("root").child(spec).child(Probes::spec("b", &journal)).start();
        let probe = token(&root, "probe").await;
        let (kill, stop) = (root.send(Kill(probe)), root.send(Stop));
        let begun = now();
        assert_eq!(kill.await, Ok(Ok(())));
        assert!(stop.await.unwrap().is_clean());
        assert_eq!(now(), begun);
    });
}

#[test]
fn whoever_waits_for_a_child_of_a_stopped_supervisor_is_told_that_it_is_gone() {
    paused(async {
        let journal = Journal::default();
        let failing = Probes::spec("failing", &journal);
        let slow = Probes::slow("slow", &journal, secs(60));
        let down = Probes::spec("down", &journal);
        let addrs = [failing.addr(), slow.addr(), down.addr()];
        let root = Supervisor::with_spec("root", fragile())
            .unwrap()
            .child(failing)
            .child(slow)
            .child(down)
            .start();
        let added = root.send(Add(Probes::slow("added", &journal, secs(60)))).await;
        let down = token(&root, "down").await;
        root.send(Terminate(down)).await.unwrap().unwrap();
        addrs[0].send(Do::Panic).await.unwrap_err();
        let mut waiting: Vec<_> = addrs.iter().map(|addr| addr.send(Do::Note(1))).collect();
        waiting.push(added.unwrap().unwrap().addr().send(Do::Note(1)));
        settle().await;
        assert_eq!(time_to_stop(&root).await, Duration::ZERO);
        for answer in waiting {
            assert_eq!(answer.await, Err(MailboxError::Closed));
        }
        for addr in addrs {
            assert_eq!(addr.send(Do::Nothing).await, Err(MailboxError::Closed));
            assert!(!addr.connected());
        }
    });
}

#[test]
fn a_supervisor_runs_when_nobody_holds_its_address_and_when_its_serve_is_dropped() {
    paused(async {
        let (journal, spec) = (Journal::default(), Probes::spec("started", &Journal::default()));
        let started = spec.addr();
        drop(Supervisor::new("root").child(spec).start());
        let spec = Probes::spec("served", &journal);
        let served = spec.addr();
        let serve = Supervisor::new("root").child(spec).serve();
        assert!(tokio::time::timeout(secs(1), serve).await.is_err());
        for addr in [started, served] {
            sleep(secs(100)).await;
            addr.send(Do::Panic).await.unwrap_err();
            sleep(secs(100)).await;
            assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        }
    });
}

#[test]
fn a_supervisor_without_children_runs_and_stops_at_once() {
    paused(async {
        let root = start("root", Spec::default());
        sleep(secs(1000)).await;
        assert_eq!(status(&root).await.state, SupervisorState::Running);
        assert_eq!(time_to_stop(&root).await, Duration::ZERO);
        assert!(!root.connected());
    });
}

#[test]
fn what_was_asked_before_the_end_is_answered_also_where_there_is_nothing_to_stop() {
    paused(async {
        let root = start("root", Spec::default());
        let stops = [root.send(Stop), root.send(Stop)];
        let late = Probes::spec("late", &Journal::default());
        let (join, add, list) = (root.send(Join), root.send(Add(late)), root.send(List));
        for stop in stops {
            assert!(stop.await.expect("a report").is_clean());
        }
        assert!(join.await.expect("an answer").expect("a good end").is_clean());
        assert!(matches!(add.await, Ok(Err(AddError::Stopping))));
        assert_eq!(list.await.expect("a list").len(), 0);
        assert_eq!(root.send(Stop).await.unwrap_err(), MailboxError::Closed);
    });
}
