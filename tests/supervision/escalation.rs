//! Supervisors that fail to the one above them.

use std::error::Error;

use actix::prelude::*;
use actix_supervisor::{
    Add, AddError, Backoff, ChildSpec, ChildState, Decision, EventKind, Failure, Join, OnLimit,
    RestartPolicy, Shutdown, Spec, Strategy, Supervisor, SupervisorState, WhileDown,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, failures, fragile, info, now, paused, secs, settle,
    sleep, states, status, token,
};

/// A spec that fails at the first failure.
fn strict() -> Spec {
    fragile().on_limit(OnLimit::Escalate)
}

fn supervisor(name: &str, spec: Spec) -> Supervisor {
    Supervisor::with_spec(name, spec).expect("a sensible spec")
}

/// A root with a probe and a supervisor that fails at the first failure of its only declared child, a probe.
struct Tree {
    root: Addr<Supervisor>,
    nested: Addr<Supervisor>,
    other: Addr<Probe>,
    leaf: Addr<Probe>,
    journal: Journal,
}

impl Tree {
    fn new(spec: Spec, set: impl FnOnce(ChildSpec<Supervisor>) -> ChildSpec<Supervisor>) -> Self {
        Self::with_leaf(spec, set, |leaf| leaf)
    }

    fn with_leaf(
        spec: Spec,
        set: impl FnOnce(ChildSpec<Supervisor>) -> ChildSpec<Supervisor>,
        set_leaf: impl FnOnce(ChildSpec<Probe>) -> ChildSpec<Probe>,
    ) -> Self {
        let journal = Journal::default();
        let other = Probes::spec("other", &journal);
        let leaf = set_leaf(Probes::spec("leaf", &journal));
        let (other_addr, leaf_addr) = (other.addr(), leaf.addr());
        let nested = supervisor("nested", strict()).child(leaf);
        let nested_addr = nested.addr();
        let root = supervisor("root", spec).child(other);
        let root = root.child(set(ChildSpec::supervisor(nested))).start();
        Self { root, nested: nested_addr, other: other_addr, leaf: leaf_addr, journal }
    }
}

#[test]
fn a_root_that_has_had_enough_stops_its_children_and_serve_says_why() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let specs = ["a", "b", "c"].map(|name| Probes::spec(name, &journal));
        let addrs = specs.each_ref().map(ChildSpec::addr);
        let root =
            specs.into_iter().fold(supervisor("root", events.hook(strict())), Supervisor::child);
        let addr = root.addr();
        let served = actix_rt::spawn(root.serve());
        let joined = addr.send(Join);
        settle().await;
        journal.take();
        events.take();
        addrs[1].do_send(Do::Panic);
        let failure = served.await.unwrap().unwrap_err();
        assert_eq!(
            journal.take(),
            [
                "b: dropped",
                "c: stopping",
                "c: stopped",
                "c: dropped",
                "a: stopping",
                "a: stopped",
                "a: dropped"
            ]
        );
        let Failure::LimitReached { path, failures, threshold, last, .. } = &failure else {
            panic!("{failure:?}")
        };
        assert_eq!(path, &["root", "b"]);
        assert_eq!((*failures, *threshold), (1.0, 0.0));
        assert!(matches!(**last, Failure::Panic(_)));
        assert_eq!(failure.to_string(), "root gave up over its child b: panicked: told to panic");
        assert!(matches!(joined.await.unwrap(), Err(Failure::LimitReached { .. })));
        assert!(addrs.iter().all(|addr| !addr.connected()) && !addr.connected());
        assert_eq!(
            events.lines(),
            [
                "root/b: ChildFailed",
                "root: LimitReached",
                "root/c: ChildStopped",
                "root/a: ChildStopped",
                "root: SupervisorStopped",
            ]
        );
    });
}

#[test]
fn with_a_threshold_of_five_the_sixth_failure_escalates() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let root = supervisor("root", events.hook(exact().on_limit(OnLimit::Escalate))).child(spec);
        let served = actix_rt::spawn(root.serve());
        for life in 1..=6 {
            assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            assert_eq!(addr.send(Do::Panic).await, Err(MailboxError::Closed));
        }
        assert!(matches!(served.await.unwrap(), Err(Failure::LimitReached { failures: 6.0, .. })));
        let events = events.take();
        assert_eq!(failures(&events).len(), 6);
        let reached = events.iter().filter_map(|event| match event.kind {
            EventKind::LimitReached { failures, threshold, .. } => Some((failures, threshold)),
            _ => None,
        });
        assert_eq!(reached.collect::<Vec<_>>(), [(6.0, 5.0)]);
        assert!(!events.iter().any(|event| matches!(event.kind, EventKind::BackoffEntered { .. })));
    });
}

#[test]
fn a_nested_supervisor_is_restarted_with_its_declared_children_at_their_addresses() {
    paused(async {
        let tree = Tree::new(exact(), |nested| nested);
        let added = Probes::spec("added", &tree.journal);
        let added = tree.nested.send(Add(added)).await.unwrap().unwrap();
        let leaf = token(&tree.nested, "leaf").await;
        tree.leaf.do_send(Do::Fail);
        tree.leaf.do_send(Do::Note(1));
        settle().await;
        assert_eq!(tree.leaf.send(Do::Nothing).await, Ok(2));
        assert_eq!(tree.other.send(Do::Nothing).await, Ok(1), "other branches are untouched");
        assert_eq!(tree.journal.count("leaf: handled 1 in life 2"), 1);
        assert!(!added.addr().connected());
        assert_eq!(states(&tree.nested).await, [("leaf".to_owned(), ChildState::Running)]);
        assert_eq!(token(&tree.nested, "leaf").await, leaf);
        assert_eq!(status(&tree.nested).await.failures, 0.0);
        let nested = info(&tree.root, "nested").await;
        assert_eq!((nested.restarts, nested.state), (1, ChildState::Running));
        let last_failure = nested.last_failure.unwrap();
        assert_eq!(last_failure.to_string(), "nested gave up over its child leaf: told to fail");
        let failures = status(&tree.root).await.failures;
        assert!(failures > 0.9 && failures <= 1.0, "one failure: {failures}");
    });
}

#[test]
fn a_parent_pauses_over_a_nested_supervisor_like_over_any_child() {
    paused(async {
        let tree = Tree::new(exact(), |nested| nested);
        for life in 1..=6 {
            assert_eq!(tree.leaf.send(Do::Nothing).await, Ok(life));
            assert_eq!(tree.leaf.send(Do::Panic).await, Err(MailboxError::Closed));
        }
        settle().await;
        assert!(matches!(status(&tree.root).await.state, SupervisorState::Paused { .. }));
        let failed_at = now();
        assert_eq!(tree.leaf.send(Do::Nothing).await, Ok(7), "its mailbox is kept");
        assert!(now() - failed_at > secs(14));
        assert_eq!(tree.other.send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn a_nested_supervisor_has_a_backoff_like_any_child() {
    paused(async {
        let tree = Tree::new(exact(), |nested| nested.backoff(Backoff::constant(secs(30))));
        let failed_at = now();
        assert_eq!(tree.leaf.send(Do::Panic).await, Err(MailboxError::Closed));
        assert_eq!(now(), failed_at);
        let kept = tree.leaf.send(Do::Nothing);
        settle().await;
        assert_eq!(info(&tree.root, "nested").await.state, ChildState::BackingOff);
        assert_eq!(kept.await, Ok(2));
        assert_eq!(now(), failed_at + secs(30));
    });
}

#[test]
fn a_child_that_rejects_does_so_while_its_supervisor_is_down_too() {
    paused(async {
        let backoff = |nested: ChildSpec<Supervisor>| nested.backoff(Backoff::constant(secs(30)));
        let tree = Tree::with_leaf(exact(), backoff, |leaf| leaf.while_down(WhileDown::Reject));
        settle().await;
        let failed_at = now();
        let (poisoned, queued) = (tree.leaf.send(Do::Panic), tree.leaf.send(Do::Nothing));
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert_eq!(tree.leaf.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert!(now() - failed_at < secs(1));
        sleep(secs(30)).await;
        settle().await;
        assert_eq!(tree.leaf.send(Do::Nothing).await, Ok(2));
    });
}

#[test]
fn a_nested_supervisor_takes_its_group_with_it() {
    paused(async {
        let tree = Tree::new(exact().strategy(Strategy::OneForAll), |nested| nested);
        assert_eq!(tree.leaf.send(Do::Panic).await, Err(MailboxError::Closed));
        assert_eq!(tree.leaf.send(Do::Nothing).await, Ok(2));
        assert_eq!(tree.other.send(Do::Nothing).await, Ok(2));
    });
}

#[test]
fn a_nested_supervisor_that_is_not_restarted_closes_all_below_it() {
    paused(async {
        let tree = Tree::new(exact(), |nested| nested.restart(RestartPolicy::Temporary));
        tree.leaf.do_send(Do::Panic);
        let queued = tree.leaf.send(Do::Nothing);
        assert_eq!(queued.await, Err(MailboxError::Closed));
        settle().await;
        assert!(!tree.leaf.connected() && !tree.nested.connected());
        assert_eq!(states(&tree.root).await, [("other".to_owned(), ChildState::Running)]);
        assert_eq!(status(&tree.root).await.failures, 0.0);
    });
}

#[test]
fn a_parents_rule_sees_what_its_supervisor_has_failed_of() {
    paused(async {
        let tree = Tree::new(exact(), |nested| {
            nested.decide(|failure| match failure {
                Failure::LimitReached { last, .. } if matches!(**last, Failure::Panic(_)) => {
                    Decision::End
                }
                _ => Decision::Restart,
            })
        });
        tree.leaf.do_send(Do::Fail);
        assert_eq!(tree.leaf.send(Do::Nothing).await, Ok(2));
        tree.leaf.do_send(Do::Panic);
        settle().await;
        assert!(!tree.leaf.connected());
        assert_eq!(tree.other.send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn the_first_failure_travels_up_with_the_path_to_it() {
    paused(async {
        let journal = Journal::default();
        let leaf = Probes::spec("leaf", &journal);
        let addr = leaf.addr();
        let low = ChildSpec::supervisor(supervisor("low", strict()).child(leaf));
        let mid = ChildSpec::supervisor(supervisor("mid", strict()).child(low));
        let served = actix_rt::spawn(supervisor("root", strict()).child(mid).serve());
        settle().await;
        addr.do_send(Do::Fail);
        let failure = served.await.unwrap().unwrap_err();
        let (mut names, mut at) = (Vec::new(), &failure);
        while let Failure::LimitReached { path, last, .. } = at {
            names.push(path.clone());
            at = last;
        }
        assert_eq!(names, [["root", "mid"], ["mid", "low"], ["low", "leaf"]]);
        assert!(matches!(at, Failure::Error(_)) && at.to_string() == "told to fail");
        assert_eq!(
            failure.to_string(),
            "root gave up over its child mid: mid gave up over its child low: \
             low gave up over its child leaf: told to fail"
        );
        let mut sources = Vec::new();
        let mut at: &dyn Error = &failure;
        while let Some(source) = at.source() {
            assert!(source.is::<Failure>(), "{source:?}");
            sources.push(source.to_string());
            at = source;
        }
        assert_eq!(sources.len(), 3);
        assert_eq!(sources[2], "told to fail");
    });
}

#[test]
fn while_it_escalates_everything_else_is_refused() {
    paused(async {
        let journal = Journal::default();
        let hung = Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(5)));
        let leaf = Probes::spec("leaf", &journal);
        let addr = leaf.addr();
        let root = supervisor("root", strict()).child(hung).child(leaf);
        let root_addr = root.addr();
        let served = actix_rt::spawn(root.serve());
        settle().await;
        let failed_at = now();
        addr.do_send(Do::Panic);
        addr.do_send(Do::Nothing);
        settle().await;
        let late = root_addr.send(Add(Probes::spec("late", &journal))).await.unwrap();
        assert!(matches!(late, Err(AddError::Stopping)));
        assert_eq!(status(&root_addr).await.state, SupervisorState::Stopping);
        assert!(served.await.unwrap().is_err());
        assert_eq!(now(), failed_at + secs(5), "the others are given their time");
        assert_eq!(journal.count("leaf: made 2") + journal.count("late: made 1"), 0);
    });
}

#[test]
fn those_above_see_each_step_of_it() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let leaf = Probes::spec("leaf", &journal);
        let addr = leaf.addr();
        let nested = ChildSpec::supervisor(supervisor("nested", strict()).child(leaf));
        let _root = supervisor("root", events.hook(exact())).child(nested).start();
        settle().await;
        events.take();
        addr.do_send(Do::Panic);
        settle().await;
        assert_eq!(
            events.lines(),
            [
                "root/nested/leaf: ChildFailed",
                "root/nested: LimitReached",
                "root/nested: SupervisorStopped",
                "root/nested: ChildFailed",
                "root/nested: ChildRestarted",
                "root/nested: SupervisorStarted",
                "root/nested/leaf: ChildRestarted",
                "root/nested: ChildReady",
                "root/nested/leaf: ChildReady",
            ]
        );
    });
}
