//! Decisions by the reason of a failure.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    AddAndWait, AddError, ChildSpec, ChildState, Decision, EndReason, EventKind, Exit, Failure,
    Kill, Remove, Restart, RestartPolicy, Stop, Strategy, Supervisor, SupervisorState, Terminate,
};

use crate::{
    support::{
        Do, Events, Journal, Probe, Probes, exact, fragile, info, paused, secs, settle, sleep,
        start, states, status, token,
    },
    times::Starts,
};

/// A spec of a probe with a rule that notes what it is asked about.
fn asked(name: &str, journal: &Journal, answer: Decision) -> ChildSpec<Probe> {
    let noted = journal.clone();
    Probes::spec(name, journal).decide(move |failure| {
        noted.note(format!("asked: {failure}"));
        answer
    })
}

fn questions(journal: &Journal) -> Vec<String> {
    journal.take().into_iter().filter(|entry| entry.starts_with("asked")).collect()
}

#[test]
fn it_is_asked_once_about_each_failure_by_its_reason() {
    paused(async {
        let journal = Journal::default();
        let spec = asked("probe", &journal, Decision::Restart);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        for what in [Do::Panic, Do::Fail, Do::Stop, Do::Terminate] {
            addr.do_send(what);
            settle().await;
        }
        let probe = token(&root, "probe").await;
        assert_eq!(root.send(Kill(probe)).await.unwrap(), Ok(()));
        settle().await;
        assert_eq!(
            questions(&journal),
            [
                "asked: panicked: told to panic",
                "asked: told to fail",
                "asked: stopped by itself",
                "asked: stopped by itself",
                "asked: killed",
            ]
        );
        assert_eq!(addr.send(Do::Nothing).await, Ok(6));
    });
}

#[test]
fn it_sees_the_error_itself() {
    paused(async {
        let (events, starts) = (Events::default(), Starts::default());
        let (noted, mut kinds) = (
            starts.clone(),
            [ErrorKind::TimedOut, ErrorKind::TimedOut, ErrorKind::NotFound].into_iter(),
        );
        let spec = ChildSpec::service("x", move |_| {
            noted.note();
            let kind = kinds.next().expect("it has ended by then");
            async move { io::Result::<()>::Err(io::Error::from(kind)) }
        });
        let spec = spec.decide(|failure| match failure {
            Failure::Error(error) => match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(ErrorKind::TimedOut) => Decision::Restart,
                _ => Decision::End,
            },
            _ => Decision::Escalate,
        });
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap().child(spec).start();
        settle().await;
        assert_eq!(starts.count(), 3);
        assert_eq!(states(&root).await, []);
        let failures = status(&root).await.failures;
        assert!(failures > 1.9 && failures <= 2.0, "the last one is not counted: {failures}");
        let ended = events.take().into_iter().find_map(|event| match event.kind {
            EventKind::ChildEnded { reason: EndReason::Failed(Failure::Error(error)), .. } => {
                Some(error)
            }
            _ => None,
        });
        let ended = ended.expect("it tells why");
        assert_eq!(
            ended.downcast_ref::<io::Error>().map(io::Error::kind),
            Some(ErrorKind::NotFound)
        );
    });
}

#[test]
fn it_is_asked_about_a_start_that_took_too_long_and_about_a_factory() {
    paused(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let slow = Probes::slow("slow", &journal, secs(60)).start_timeout(secs(2));
        let slow = slow.decide(move |failure| {
            noted.note(format!("asked: {failure}"));
            Decision::End
        });
        let noted = journal.clone();
        let broken: ChildSpec<Probe> = ChildSpec::try_actor("broken", |_| Err("no settings"));
        let broken = broken.decide(move |failure| {
            noted.note(format!("asked: {failure}"));
            Decision::End
        });
        let root =
            Supervisor::with_spec("root", exact()).unwrap().child(slow).child(broken).start();
        sleep(secs(10)).await;
        assert_eq!(questions(&journal), ["asked: no settings", "asked: not ready within 2s"]);
        assert_eq!(states(&root).await, []);
    });
}

#[test]
fn a_restart_overrides_temporary_with_all_that_belongs_to_it() {
    paused(async {
        let journal = Journal::default();
        let spec = asked("probe", &journal, Decision::Restart).restart(RestartPolicy::Temporary);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", fragile()).unwrap().child(spec).start();
        addr.do_send(Do::Panic);
        settle().await;
        let paused = status(&root).await;
        assert!(matches!(paused.state, SupervisorState::Paused { .. }), "{paused:?}");
        assert!(paused.failures > 0.9);
        assert_eq!(states(&root).await, [("probe".to_owned(), ChildState::BackingOff)]);
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        // A stop is none of its business, and the policy says what follows.
        addr.do_send(Do::Stop);
        settle().await;
        assert_eq!(states(&root).await, []);
        assert_eq!(questions(&journal).len(), 1);
    });
}

#[test]
fn an_end_overrides_permanent_and_moves_no_meter() {
    for what in [Do::Panic, Do::Fail, Do::Stop] {
        paused(async {
            let (journal, events) = (Journal::default(), Events::default());
            let spec = asked("probe", &journal, Decision::End);
            let addr = spec.addr();
            let root = Supervisor::with_spec("root", events.hook(fragile())).unwrap();
            let root = root.child(spec).start();
            settle().await;
            events.take();
            addr.do_send(what);
            settle().await;
            assert_eq!(states(&root).await, []);
            assert!(!addr.connected());
            let after = status(&root).await;
            assert_eq!((after.failures, after.state), (0.0, SupervisorState::Running));
            let kinds = events.take();
            let [failed, ended] = &*kinds else { panic!("{kinds:?}") };
            assert!(matches!(failed.kind, EventKind::ChildFailed { restarting: false, .. }));
            let EventKind::ChildEnded { reason: EndReason::Failed(_), .. } = ended.kind else {
                panic!("{ended:?}")
            };
        });
    }
}

#[test]
fn an_end_sweeps_no_group_down() {
    paused(async {
        let journal = Journal::default();
        let (a, b) = (Probes::spec("a", &journal), asked("b", &journal, Decision::End));
        let addrs = [a.addr(), b.addr()];
        let settings = exact().strategy(Strategy::OneForAll);
        let _root = Supervisor::with_spec("root", settings).unwrap().child(a).child(b).start();
        settle().await;
        addrs[1].do_send(Do::Panic);
        settle().await;
        assert!(!addrs[1].connected());
        assert_eq!(addrs[0].send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn an_end_in_a_pause_ends_at_once() {
    paused(async {
        let journal = Journal::default();
        let (a, b) = (Probes::spec("a", &journal), asked("b", &journal, Decision::End));
        let addrs = [a.addr(), b.addr()];
        let root = Supervisor::with_spec("root", fragile()).unwrap().child(a).child(b).start();
        addrs[0].do_send(Do::Panic);
        settle().await;
        addrs[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(states(&root).await, [("a".to_owned(), ChildState::BackingOff)]);
        assert!(!addrs[1].connected());
    });
}

#[test]
fn an_escalation_makes_the_supervisor_fail() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let (a, b) = (Probes::spec("a", &journal), Probes::spec("b", &journal));
        let b = b.decide(|_| Decision::Escalate);
        let addr = b.addr();
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap().child(a).child(b);
        addr.do_send(Do::Fail);
        let failure = root.serve().await.unwrap_err();
        let Failure::LimitReached { path, last, .. } = &failure else { panic!("{failure:?}") };
        assert_eq!(path, &["root", "b"]);
        assert_eq!(last.to_string(), "told to fail");
        assert_eq!(
            journal.take()[5..],
            ["b: dropped", "a: stopping", "a: stopped", "a: dropped"].map(String::from)
        );
        let lines = events.lines();
        assert_eq!(
            lines[lines.len() - 3..],
            ["root/b: ChildFailed", "root/a: ChildStopped", "root: SupervisorStopped"]
                .map(String::from)
        );
    });
}

#[test]
fn a_rule_that_panics_counts_as_a_restart() {
    for policy in [RestartPolicy::Permanent, RestartPolicy::Temporary] {
        paused(async {
            let journal = Journal::default();
            let spec = Probes::spec("probe", &journal).restart(policy);
            let spec = spec.decide(|_| panic!("cannot decide"));
            let addr = spec.addr();
            let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
            addr.do_send(Do::Fail);
            assert_eq!(addr.send(Do::Nothing).await, Ok(2), "{policy:?}");
            assert_eq!(status(&root).await.failures, 1.0);
            let last_failure = info(&root, "probe").await.last_failure;
            assert!(last_failure.is_some_and(|failure| failure.to_string() == "told to fail"));
        });
    }
}

#[test]
fn it_is_not_asked_about_stops_on_request() {
    paused(async {
        let journal = Journal::default();
        let spec = asked("probe", &journal, Decision::Escalate);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        let probe = token(&root, "probe").await;
        assert_eq!(root.send(Restart(probe)).await.unwrap(), Ok(()));
        assert_eq!(root.send(Terminate(probe)).await.unwrap(), Ok(()));
        assert_eq!(root.send(Restart(probe)).await.unwrap(), Ok(()));
        assert_eq!(addr.send(Do::RefuseToStop).await, Ok(3));
        // What it fails with on the way is not asked about either.
        assert_eq!(root.send(Remove(probe)).await.unwrap(), Ok(()));
        addr.do_send(Do::Panic);
        settle().await;
        assert!(!addr.connected());
        let more = asked("more", &journal, Decision::Escalate);
        assert!(root.send(AddAndWait(more)).await.unwrap().is_ok());
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!(questions(&journal), [] as [&str; 0]);
    });
}

#[test]
fn it_is_not_asked_about_ends_that_are_no_failures() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        for (what, policy) in [
            (Do::Finish, RestartPolicy::Permanent),
            (Do::Finish, RestartPolicy::Transient),
            (Do::Stop, RestartPolicy::Transient),
            (Do::Terminate, RestartPolicy::Transient),
            (Do::Stop, RestartPolicy::Temporary),
        ] {
            let spec = asked("probe", &journal, Decision::Restart).restart(policy);
            let child = root.send(AddAndWait(spec)).await.unwrap().unwrap();
            child.addr().do_send(what);
            settle().await;
            assert!(!child.addr().connected(), "{what:?} {policy:?}");
        }
        let noted = journal.clone();
        let done = ChildSpec::service("done", |_| async { Exit::DoNotRestart });
        let done = done.decide(move |failure| {
            noted.note(format!("asked: {failure}"));
            Decision::Restart
        });
        root.send(actix_supervisor::Add(done)).await.unwrap().unwrap();
        settle().await;
        assert_eq!(questions(&journal), [] as [&str; 0]);
        assert_eq!(states(&root).await, []);
        assert_eq!(status(&root).await.failures, 0.0);
    });
}

#[test]
fn a_failed_add_and_wait_only_answers_its_caller_whatever_the_rule_says() {
    for answer in [Decision::Restart, Decision::End, Decision::Escalate] {
        paused(async {
            let root = start("root", exact());
            let spec: ChildSpec<Probe> = ChildSpec::try_actor("x", |_| Err("no settings"));
            let added = root.send(AddAndWait(spec.decide(move |_| answer))).await.unwrap();
            assert!(matches!(added, Err(AddError::Start(Failure::Error(_)))), "{added:?}");
            sleep(Duration::from_secs(1)).await;
            assert_eq!(states(&root).await, []);
            assert_eq!(status(&root).await.failures, 0.0);
        });
    }
}
