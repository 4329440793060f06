//! In which order children stop, and how many there may be.

use std::{sync::mpsc, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildSpec, Remove, RemoveAndWait, Shutdown, ShutdownOrder, Spec,
    Stop, Supervisor, Terminate,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, now, paused, secs, settle, start, states, status,
    token,
};

/// A supervisor of this name with a hung child for each of these limits.
fn of_hung(name: &str, spec: Spec, journal: &Journal, limits: &[u64]) -> Supervisor {
    let supervisor = Supervisor::with_spec(name, spec).expect("a sensible spec");
    limits.iter().fold(supervisor, |supervisor, &limit| {
        let hung = Probes::hung(&format!("h{limit}"), journal);
        supervisor.child(hung.shutdown(Shutdown::Timeout(secs(limit))))
    })
}

async fn time_to_stop(root: &Addr<Supervisor>) -> Duration {
    settle().await;
    let asked_at = now();
    assert!(root.send(Stop).await.unwrap().is_clean());
    now() - asked_at
}

#[test]
fn a_concurrent_stop_takes_as_long_as_the_slowest_child() {
    for (order, seconds) in [(ShutdownOrder::Concurrent, 3), (ShutdownOrder::Reverse, 6)] {
        paused(async {
            let (journal, events) = (Journal::default(), Events::default());
            let settings = events.hook(exact().shutdown_order(order));
            let root = of_hung("root", settings, &journal, &[1, 3, 2]).start();
            assert_eq!(time_to_stop(&root).await, secs(seconds), "{order:?}");
            let dropped = journal.take().into_iter().filter(|entry| entry.contains("dropped"));
            let dropped: Vec<_> = dropped.collect();
            let timeouts = events.lines().into_iter().filter(|line| line.ends_with("StopTimeout"));
            let timeouts: Vec<_> = timeouts.collect();
            match order {
                ShutdownOrder::Concurrent => {
                    assert_eq!(dropped, ["h1: dropped", "h2: dropped", "h3: dropped"]);
                    assert_eq!(
                        timeouts,
                        ["h1", "h2", "h3"].map(|h| format!("root/{h}: StopTimeout"))
                    );
                }
                ShutdownOrder::Reverse => {
                    assert_eq!(dropped, ["h2: dropped", "h3: dropped", "h1: dropped"]);
                    assert_eq!(
                        timeouts,
                        ["h2", "h3", "h1"].map(|h| format!("root/{h}: StopTimeout"))
                    );
                }
            }
        });
    }
}

#[test]
fn a_concurrent_stop_asks_all_before_anyone_has_stopped() {
    paused(async {
        let journal = Journal::default();
        let root = Supervisor::with_spec("root", exact().shutdown_order(ShutdownOrder::Concurrent));
        let root = ["a", "b", "c"]
            .into_iter()
            .fold(root.unwrap(), |root, name| root.child(Probes::hung(name, &journal)));
        let root = root.start();
        settle().await;
        journal.take();
        root.do_send(Stop);
        settle().await;
        let mut asked = journal.take();
        asked.sort();
        assert_eq!(asked, ["a: stopping", "b: stopping", "c: stopping"]);
    });
}

#[test]
fn supervisors_below_a_concurrent_one_stop_side_by_side_too() {
    paused(async {
        let journal = Journal::default();
        let settings = || exact().shutdown_order(ShutdownOrder::Concurrent);
        let left = of_hung("left", settings(), &journal, &[4, 5]);
        let right = of_hung("right", exact(), &journal, &[3, 4]);
        let root = of_hung("root", settings(), &journal, &[6]);
        let root = root.child(ChildSpec::supervisor(left)).child(ChildSpec::supervisor(right));
        assert_eq!(time_to_stop(&root.start()).await, secs(7), "the right one goes one by one");
    });
}

#[test]
fn what_was_stopping_already_keeps_its_own_limit() {
    paused(async {
        let journal = Journal::default();
        let settings = exact().shutdown_order(ShutdownOrder::Concurrent);
        let root = of_hung("root", settings, &journal, &[10, 8]).start();
        let first = token(&root, "h10").await;
        root.do_send(Remove(first));
        crate::support::sleep(secs(5)).await;
        assert_eq!(time_to_stop(&root).await, secs(8));
    });
}

#[test]
fn a_concurrent_stop_reports_what_it_leaves_behind_and_waits_for_the_others() {
    paused(async {
        let journal = Journal::default();
        let (release, released) = mpsc::channel::<()>();
        let (calls, called) = mpsc::channel();
        let hung = ChildSpec::blocking("thread", move |_| {
            let _ = calls.send(());
            // Until the test is over.
            let _ = released.recv();
        });
        let nested = Supervisor::with_spec("nested", exact()).unwrap();
        let nested = nested.child(hung.shutdown(Shutdown::Timeout(secs(2))));
        let settings = exact().shutdown_order(ShutdownOrder::Concurrent);
        let root =
            of_hung("root", settings, &journal, &[1, 3]).child(ChildSpec::supervisor(nested));
        let root = root.start();
        settle().await;
        // The clock goes on without it: what has not been called cannot be left behind.
        called.recv().unwrap();
        let asked_at = now();
        let report = root.send(Stop).await.unwrap();
        assert_eq!(now() - asked_at, secs(3));
        let paths: Vec<_> = report.unstopped.into_iter().map(|left| left.path).collect();
        assert_eq!(paths, [["root", "nested", "thread"]]);
        drop(release);
    });
}

#[test]
fn no_more_children_than_allowed_are_taken_on() {
    paused(async {
        let journal = Journal::default();
        let root = Supervisor::with_spec("root", exact().max_children(2)).unwrap();
        let root = root.child(Probes::spec("a", &journal)).start();
        let b = root.send(Add(Probes::spec("b", &journal))).await.unwrap().unwrap();
        let c = Probes::spec("c", &journal);
        let c_addr = c.addr();
        let refused = root.send(Add(c)).await.unwrap().unwrap_err();
        assert!(matches!(refused, AddError::TooManyChildren { max: 2, .. }), "{refused:?}");
        assert_eq!(refused.to_string(), "the supervisor has 2 children, and may have no more");
        assert!(!c_addr.connected(), "nobody is to wait for it");
        let refused = root.send(AddAndWait(Probes::spec("c", &journal))).await.unwrap();
        assert!(matches!(refused, Err(AddError::TooManyChildren { .. })));
        assert_eq!(states(&root).await.len(), 2);

        let a = token(&root, "a").await;
        assert_eq!(root.send(Terminate(a)).await.unwrap(), Ok(()));
        let refused = root.send(Add(Probes::spec("c", &journal))).await.unwrap();
        assert!(refused.is_err(), "one that is down has its place");
        let token = b.token();
        let removed = root.send(RemoveAndWait { token, timeout: None }).await.unwrap();
        assert_eq!(removed, Ok(()));
        assert!(root.send(AddAndWait(Probes::spec("c", &journal))).await.unwrap().is_ok());
        let failed: ChildSpec<Probe> = ChildSpec::try_actor("d", |_| Err("no settings"));
        assert_eq!(root.send(Remove(a)).await.unwrap(), Ok(()));
        assert!(matches!(root.send(AddAndWait(failed)).await.unwrap(), Err(AddError::Start(_))));
        assert!(root.send(Add(Probes::spec("d", &journal))).await.unwrap().is_ok());
        assert_eq!(status(&root).await.children.total(), 2);
    });
}

#[test]
fn more_declared_children_than_allowed_are_refused() {
    let journal = Journal::default();
    let root = Supervisor::with_spec("root", exact().max_children(1)).unwrap();
    let root = root.child(Probes::spec("a", &journal));
    let error = root.try_child(Probes::spec("b", &journal)).unwrap_err();
    assert_eq!((error.field, &*error.value), ("max_children", "1"));
    assert_eq!(error.of, "supervisor \"root\"");
    let none = Supervisor::with_spec("root", exact().max_children(0)).unwrap();
    assert!(none.try_child(Probes::spec("a", &journal)).is_err(), "zero means zero");
}

#[test]
fn a_child_that_ends_makes_room() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact().max_children(1));
        let a = root.send(Add(Probes::spec("a", &journal))).await.unwrap().unwrap();
        a.addr().do_send(Do::Finish);
        settle().await;
        assert!(root.send(Add(Probes::spec("b", &journal))).await.unwrap().is_ok());
    });
}
