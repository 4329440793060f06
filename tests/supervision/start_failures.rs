//! Starts that fail where that is a reason to fail; and ends of whole trees.

use std::{
    cell::RefCell,
    sync::{Mutex, mpsc},
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildSpec, ChildState, Decision, Failure, Join, RestartPolicy, Spec,
    StartFailure, Stop, Strategy, Supervisor, SupervisorState,
};

use crate::{
    puppet::{OnDrop, Puppet, life},
    support::{
        Do, Events, Journal, Probe, Probes, exact, fragile, info, paused, secs, settle, sleep,
        states, status,
    },
};

fn strict() -> Spec {
    exact().start_failure(StartFailure::Escalate)
}

fn supervisor(name: &str, spec: Spec) -> Supervisor {
    Supervisor::with_spec(name, spec).expect("a sensible spec")
}

fn broken() -> ChildSpec<Probe> {
    ChildSpec::try_actor("broken", |_| Err("no settings"))
}

/// Fails if this does not say that `broken` could not start for want of settings.
fn assert_names_the_cause(failure: &Failure, parent: &str) {
    let Failure::LimitReached { path, last, .. } = failure else { panic!("{failure:?}") };
    assert_eq!(path, &[parent, "broken"]);
    assert!(matches!(**last, Failure::Error(_)) && last.to_string() == "no settings");
}

/// What this root fails with.
async fn failure_of(root: Supervisor) -> Failure {
    let served = tokio::time::timeout(secs(3_600), root.serve()).await;
    served.expect("it ends").expect_err("it fails")
}

#[test]
fn who_asked_before_a_start_that_ends_it_at_once_hears_how_it_has_ended() {
    paused(async {
        let root = supervisor("root", strict()).child(broken());
        let addr = root.addr();
        let joins = [addr.send(Join), addr.send(Join)];
        let stop = addr.send(Stop);
        root.start();
        for join in joins {
            let ended = join.await.expect("an answer");
            assert_names_the_cause(&ended.expect_err("it fails"), "root");
        }
        assert!(stop.await.expect("a report").is_clean());
        assert_eq!(addr.send(Join).await.map(drop), Err(MailboxError::Closed));
    });
}

/// The starts and ends of probes.
fn story(journal: &Journal) -> Vec<String> {
    let told = |entry: &String| entry.contains("made") || entry.contains("dropped");
    journal.take().into_iter().filter(told).collect()
}

#[test]
fn a_child_that_cannot_start_ends_the_supervisor_and_those_that_were_started_stop() {
    paused(async {
        let journal = Journal::default();
        let (a, b) = (Probes::spec("a", &journal), Probes::spec("b", &journal));
        let root = supervisor("root", strict()).child(a).child(b).child(broken());
        assert_names_the_cause(&failure_of(root).await, "root");
        assert_eq!(story(&journal), ["a: made 1", "b: made 1", "b: dropped", "a: dropped"]);
    });
}

#[test]
fn in_a_group_those_behind_it_are_never_started() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        paused(async {
            let journal = Journal::default();
            let (a, c) = (Probes::spec("a", &journal), Probes::spec("c", &journal));
            let root = supervisor("root", strict().strategy(strategy));
            let root = root.child(a).child(broken()).child(c);
            assert_names_the_cause(&failure_of(root).await, "root");
            assert_eq!(story(&journal), ["a: made 1", "a: dropped"]);
        });
    }
}

#[test]
fn whatever_its_policy_a_child_that_cannot_start_is_a_reason_to_fail() {
    let policies = [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];
    for policy in policies {
        paused(async {
            let root = supervisor("root", strict()).child(broken().restart(policy));
            assert_names_the_cause(&failure_of(root).await, "root");
        });
    }
}

#[test]
fn a_rule_that_ends_the_child_has_the_last_word() {
    paused(async {
        let root = supervisor("root", strict()).child(broken().decide(|_| Decision::End)).start();
        settle().await;
        assert_eq!(states(&root).await, []);
        assert_eq!(status(&root).await.state, SupervisorState::Running);
    });
}

#[test]
fn a_panic_and_a_start_that_takes_too_long_are_failed_starts() {
    paused(async {
        let journal = Journal::default();
        let slow = Probes::slow("slow", &journal, secs(60)).start_timeout(secs(5));
        let failure = failure_of(supervisor("root", strict()).child(slow)).await;
        let Failure::LimitReached { last, .. } = failure else { panic!("{failure:?}") };
        assert!(matches!(*last, Failure::StartTimeout(limit) if limit == secs(5)));

        let panics: ChildSpec<Probe> = ChildSpec::actor("panics", |_| panic!("cannot be made"));
        let failure = failure_of(supervisor("root", strict()).child(panics)).await;
        let Failure::LimitReached { last, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(last.to_string(), "panicked: cannot be made");
    });
}

#[test]
fn a_blocking_service_that_was_called_and_has_failed_before_anybody_looked_was_ready() {
    thread_local! {
        static LAST: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
    }
    paused(async {
        let (ends, end) = mpsc::channel();
        let job = ChildSpec::blocking("job", move |_| {
            let ends = ends.clone();
            LAST.set(Some(OnDrop::new(move || {
                let _ = ends.send(());
            })));
            Err::<(), _>("broken")
        });
        let job = job.restart(RestartPolicy::Temporary);
        // Its first turn comes after the job's, and holds up everybody else's until that thread is over.
        let end = Mutex::new(end);
        let busy = Puppet::starting("busy", move |_, _| {
            end.lock().unwrap().recv_timeout(secs(60)).expect("the job's thread ends");
        });
        let (events, addr) = (Events::default(), busy.addr());
        let root = supervisor("root", events.hook(strict())).child(job).child(busy).start();
        assert_eq!(addr.send(life()).await, Ok(1));
        settle().await;
        let told = events.lines();
        let of_the_job: Vec<_> = told.iter().filter(|line| line.starts_with("root/job")).collect();
        let expected = ["ChildStarted", "ChildReady", "ChildFailed", "ChildEnded"];
        assert_eq!(of_the_job, expected.map(|kind| format!("root/job: {kind}")).each_ref());
        assert_eq!(states(&root).await, [("busy".to_owned(), ChildState::Running)]);
        assert_eq!(status(&root).await.state, SupervisorState::Running);
    });
}

#[test]
fn a_child_that_was_ready_once_fails_like_any_other() {
    paused(async {
        let journal = Journal::default();
        let (mut make, mut life) = (Probe::maker("probe", &journal), 0);
        let spec = ChildSpec::try_actor("probe", move |_| {
            life += 1;
            if life == 2 { Err("not this time") } else { Ok(make()) }
        });
        let addr = spec.addr();
        let root = supervisor("root", strict()).child(spec).start();
        assert_eq!(addr.send(Do::Nothing).await, Ok(1));
        addr.do_send(Do::Panic);
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        assert_eq!(info(&root, "probe").await.restarts, 2);
        assert_eq!(status(&root).await.failures, 2.0);
    });
}

#[test]
fn an_added_child_that_cannot_start_ends_the_supervisor_and_one_that_is_waited_for_does_not() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let root = supervisor("root", strict()).child(spec);
        let root_addr = root.addr();
        let served = actix_rt::spawn(root.serve());
        let added = root_addr.send(AddAndWait(broken())).await.unwrap();
        assert!(matches!(added, Err(AddError::Start(Failure::Error(_)))), "{added:?}");
        settle().await;
        assert_eq!(addr.send(Do::Nothing).await, Ok(1));
        assert_eq!(status(&root_addr).await.failures, 0.0);
        assert!(root_addr.send(Add(broken())).await.unwrap().is_ok());
        assert_names_the_cause(&served.await.unwrap().unwrap_err(), "root");
        assert_eq!(story(&journal), ["probe: made 1", "probe: dropped"]);
    });
}

#[test]
fn a_nested_supervisor_that_cannot_start_is_a_failure_to_its_parent() {
    paused(async {
        let journal = Journal::default();
        let (a, other) = (Probes::spec("a", &journal), Probes::spec("other", &journal));
        let (a_addr, other_addr) = (a.addr(), other.addr());
        let nested = supervisor("nested", strict()).child(a).child(broken());
        let root = supervisor("root", fragile()).child(other).child(ChildSpec::supervisor(nested));
        let root = root.start();
        settle().await;
        let nested = info(&root, "nested").await;
        assert_names_the_cause(&nested.last_failure.unwrap(), "nested");
        assert_eq!(nested.state, ChildState::BackingOff);
        assert_eq!(other_addr.send(Do::Nothing).await, Ok(1));
        assert!(a_addr.connected(), "it comes back with its supervisor");
    });
}

#[test]
fn a_failed_start_goes_up_as_far_as_it_is_told_to() {
    paused(async {
        let nested = supervisor("nested", strict().strategy(Strategy::OneForAll)).child(broken());
        let root = supervisor("root", strict()).child(ChildSpec::supervisor(nested));
        let failure = failure_of(root).await;
        let Failure::LimitReached { path, last, .. } = &failure else { panic!("{failure:?}") };
        assert_eq!(path, &["root", "nested"]);
        assert_names_the_cause(last, "nested");
    });
}

#[test]
fn a_nested_supervisor_that_cannot_start_is_not_kept_by_add_and_wait() {
    paused(async {
        let journal = Journal::default();
        let root = supervisor("root", exact()).start();
        let a = Probes::spec("a", &journal);
        let a_addr = a.addr();
        let nested = supervisor("nested", strict().strategy(Strategy::OneForAll));
        let nested = ChildSpec::supervisor(nested.child(a).child(broken()));
        let added = root.send(AddAndWait(nested)).await.unwrap();
        let Err(AddError::Start(failure)) = added else { panic!("{added:?}") };
        assert_names_the_cause(&failure, "nested");
        assert_eq!(states(&root).await, []);
        assert!(!a_addr.connected());
        sleep(secs(60)).await;
        assert_eq!(story(&journal), ["a: made 1", "a: dropped"]);
    });
}

#[test]
fn the_end_of_the_tree_is_the_end_of_a_group() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        paused(async {
            let journal = Journal::default();
            let specs = ["a", "b", "c"].map(|name| Probes::spec(name, &journal));
            let b = specs[1].addr();
            let root = supervisor("root", exact().strategy(strategy));
            let root = specs.into_iter().fold(root, Supervisor::child);
            let served = actix_rt::spawn(root.serve());
            settle().await;
            story(&journal);
            b.do_send(Do::TerminateTree);
            let failure = served.await.unwrap().unwrap_err();
            assert!(matches!(failure, Failure::Error(_)), "{failure:?}");
            assert_eq!(failure.to_string(), "told to end it all");
            assert_eq!(story(&journal), ["b: dropped", "c: dropped", "a: dropped"]);
        });
    }
}

#[test]
fn the_end_of_the_tree_in_the_middle_of_a_groups_start_starts_nothing_more() {
    paused(async {
        let journal = Journal::default();
        let (a, c) = (Probes::spec("a", &journal), Probes::spec("c", &journal));
        let b = Probes::slow("b", &journal, secs(5));
        let a_addr = a.addr();
        let root = supervisor("root", exact().strategy(Strategy::OneForAll));
        let served = actix_rt::spawn(root.child(a).child(b).child(c).serve());
        sleep(secs(1)).await;
        a_addr.do_send(Do::TerminateTree);
        assert_eq!(served.await.unwrap().unwrap_err().to_string(), "told to end it all");
        assert_eq!(story(&journal), ["a: made 1", "b: made 1", "a: dropped", "b: dropped"]);
    });
}

#[test]
fn the_end_of_a_tree_that_does_not_propagate_leaves_the_group_above_alone() {
    paused(async {
        let journal = Journal::default();
        let (first, leaf) = (Probes::spec("first", &journal), Probes::spec("leaf", &journal));
        let (first_addr, leaf_addr) = (first.addr(), leaf.addr());
        let nested = exact().strategy(Strategy::OneForAll).propagate_termination(false);
        let nested = supervisor("nested", nested).child(leaf);
        let root = supervisor("root", exact().strategy(Strategy::OneForAll)).child(first);
        let root = root.child(ChildSpec::supervisor(nested)).start();
        settle().await;
        leaf_addr.do_send(Do::TerminateTree);
        settle().await;
        assert!(!leaf_addr.connected());
        assert_eq!(first_addr.send(Do::Nothing).await, Ok(1));
        assert_eq!(states(&root).await, [("first".to_owned(), ChildState::Running)]);
        assert_eq!(status(&root).await.failures, 0.0);
    });
}
