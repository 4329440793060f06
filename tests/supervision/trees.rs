//! Supervisors below supervisors.

use actix::prelude::*;
use actix_supervisor::{
    Add, Child, ChildSpec, ChildState, Failure, Join, Kill, Remove, Restart, RestartPolicy, Spec,
    Stop, Subscribe, Supervisor, Terminate, Tree,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, failures, info, list, paused, secs, settle, sleep,
    status, token,
};

/// root/a/b/c, with a leaf at each level and one more beside `a`.
struct Tower {
    journal: Journal,
    events: Events,
    root: Addr<Supervisor>,
    supervisors: [Addr<Supervisor>; 3],
    leaves: [Addr<Probe>; 3],
    beside: Addr<Probe>,
}

fn plain(spec: Spec) -> Spec {
    spec
}

/// A supervisor with a leaf, and with the supervisor below it.
fn floor(
    name: &str,
    spec: Spec,
    journal: &Journal,
    below: Option<ChildSpec<Supervisor>>,
) -> (Supervisor, Addr<Probe>) {
    let leaf = Probes::spec(&format!("{name} leaf"), journal);
    let addr = leaf.addr();
    let supervisor = Supervisor::with_spec(name, spec).unwrap().child(leaf);
    match below {
        Some(below) => (supervisor.child(below), addr),
        None => (supervisor, addr),
    }
}

impl Tower {
    /// `policy` is that of `a`, `b_spec` what `b` makes of its settings.
    async fn start(policy: RestartPolicy, b_spec: fn(Spec) -> Spec) -> Self {
        let (journal, events) = (Journal::default(), Events::default());
        let (c, c_leaf) = floor("c", exact(), &journal, None);
        let c_addr = c.addr();
        let (b, b_leaf) = floor("b", b_spec(exact()), &journal, Some(ChildSpec::supervisor(c)));
        let b_addr = b.addr();
        let (a, a_leaf) = floor("a", exact(), &journal, Some(ChildSpec::supervisor(b)));
        let a_addr = a.addr();
        let beside = Probes::spec("beside", &journal);
        let beside_addr = beside.addr();
        let root = Supervisor::with_spec("root", events.hook(exact()))
            .unwrap()
            .child(ChildSpec::supervisor(a).restart(policy))
            .child(beside)
            .start();
        settle().await;
        journal.take();
        events.take();
        Self {
            journal,
            events,
            root,
            supervisors: [a_addr, b_addr, c_addr],
            leaves: [a_leaf, b_leaf, c_leaf],
            beside: beside_addr,
        }
    }

    /// Each leaf answers, at the address that it has always had, in this life.
    async fn answers(&self, life: u32) {
        for leaf in &self.leaves {
            assert_eq!(leaf.send(Do::Nothing).await, Ok(life));
        }
        assert_eq!(self.beside.send(Do::Nothing).await, Ok(1), "the other branch is untouched");
    }
}

#[test]
fn a_killed_subtree_is_gone_before_the_first_of_the_next_is_made_and_keeps_addresses_and_tokens() {
    paused(async {
        let tower = Tower::start(RestartPolicy::Permanent, plain).await;
        let [a, b, c] = &tower.supervisors;
        let tokens = (token(&tower.root, "a").await, token(c, "c leaf").await);
        let subscribed = Events::of(c).await;
        let added: Child<Probe> =
            b.send(Add(Probes::spec("added", &tower.journal))).await.unwrap().unwrap();
        settle().await;
        tower.journal.take();
        tower.events.take();
        subscribed.take();
        let joined = b.send(Join);
        assert_eq!(tower.root.send(Kill(tokens.0)).await, Ok(Ok(())));
        settle().await;
        assert!(matches!(joined.await.unwrap(), Err(Failure::Killed)));

        let journal = tower.journal.take();
        let made = journal.iter().position(|entry| entry.ends_with("made 2")).unwrap();
        let (old, new) = journal.split_at(made);
        let mut dropped: Vec<_> = old.iter().map(String::as_str).collect();
        dropped.sort_unstable();
        let gone = ["a leaf: dropped", "added: dropped", "b leaf: dropped", "c leaf: dropped"];
        assert_eq!(dropped, gone);
        assert_eq!(
            new.iter().filter(|entry| entry.contains("made")).collect::<Vec<_>>(),
            ["a leaf: made 2", "b leaf: made 2", "c leaf: made 2"]
        );
        tower.answers(2).await;
        assert_eq!((token(&tower.root, "a").await, token(c, "c leaf").await), tokens);
        assert_eq!(info(c, "c leaf").await.restarts, 1);
        assert_eq!(status(&tower.root).await.failures.round(), 1.0);
        assert_eq!(status(a).await.failures, 0.0);
        let lines = subscribed.lines();
        assert!(lines.contains(&"c: SupervisorStopped".to_owned()), "{lines:?}");
        assert!(lines.contains(&"c/c leaf: ChildRestarted".to_owned()), "{lines:?}");

        assert!(!list(b).await.iter().any(|child| child.name == "added"));
        assert_eq!(added.addr().send(Do::Nothing).await, Err(MailboxError::Closed));
        let found = b.send(Restart(added.token())).await.unwrap();
        assert_eq!(found, Err(actix_supervisor::ChildError::NotFound));
    });
}

#[test]
fn a_stop_sent_to_a_nested_supervisor_is_a_normal_end_which_a_permanent_one_comes_back_from() {
    paused(async {
        let tower = Tower::start(RestartPolicy::Permanent, plain).await;
        let report = tower.supervisors[0].send(Stop).await.unwrap();
        assert!(report.is_clean());
        tower.answers(2).await;
        let failed = failures(&tower.events.take());
        assert!(matches!(failed[..], [Failure::Stopped]), "{failed:?}");
        assert_eq!(status(&tower.root).await.failures.round(), 1.0);
        assert_eq!(info(&tower.root, "a").await.restarts, 1);
    });
}

#[test]
fn a_stop_sent_to_a_transient_supervisor_ends_it_with_all_below() {
    paused(async {
        let tower = Tower::start(RestartPolicy::Transient, plain).await;
        assert!(tower.supervisors[0].send(Stop).await.unwrap().is_clean());
        settle().await;
        assert_eq!(list(&tower.root).await.len(), 1);
        for supervisor in &tower.supervisors {
            assert_eq!(supervisor.send(Stop).await.unwrap_err(), MailboxError::Closed);
        }
        for leaf in &tower.leaves {
            assert_eq!(leaf.send(Do::Nothing).await, Err(MailboxError::Closed));
        }
        assert_eq!(tower.beside.send(Do::Nothing).await, Ok(1));
        assert!(failures(&tower.events.take()).is_empty());
        assert_eq!(status(&tower.root).await.failures, 0.0);
    });
}

#[test]
fn a_restart_of_a_nested_supervisor_stops_in_order_at_every_level_and_keeps_what_waits() {
    paused(async {
        let tower = Tower::start(RestartPolicy::Permanent, plain).await;
        let a = token(&tower.root, "a").await;
        let restart = tower.root.send(Restart(a));
        let waiting = tower.leaves[2].send(Do::Nothing);
        assert_eq!(restart.await, Ok(Ok(())));
        let answer = waiting.await.unwrap();
        assert!(answer == 1 || answer == 2, "{answer}");
        tower.answers(2).await;
        let stopped: Vec<_> =
            tower.journal.take().into_iter().filter(|entry| entry.ends_with("stopped")).collect();
        assert_eq!(stopped, ["c leaf: stopped", "b leaf: stopped", "a leaf: stopped"]);
        assert!(failures(&tower.events.take()).is_empty());
    });
}

#[test]
fn of_the_declared_children_those_that_were_removed_or_have_ended_do_not_come_back() {
    paused(async {
        let journal = Journal::default();
        let names = ["removed", "finished", "ended", "terminated", "running"];
        let specs = names.map(|name| Probes::spec(name, &journal));
        let addrs = specs.each_ref().map(ChildSpec::addr);
        let mut sub = Supervisor::new("sub");
        let sub_addr = sub.addr();
        for spec in specs {
            sub = sub.child(spec.restart(RestartPolicy::Transient));
        }
        let root = Supervisor::new("root").child(ChildSpec::supervisor(sub)).start();
        settle().await;
        let tokens: Vec<_> = list(&sub_addr).await.iter().map(|child| child.token).collect();
        sub_addr.send(Remove(tokens[0])).await.unwrap().unwrap();
        addrs[1].send(Do::Finish).await.unwrap();
        addrs[2].send(Do::Stop).await.unwrap();
        sub_addr.send(Terminate(tokens[3])).await.unwrap().unwrap();
        let sub = token(&root, "sub").await;
        for life in 2..=3 {
            root.send(Kill(sub)).await.unwrap().unwrap();
            settle().await;
            let children = list(&sub_addr).await;
            let left: Vec<_> = children.iter().map(|child| (&*child.name, child.token)).collect();
            assert_eq!(left, [("terminated", tokens[3]), ("running", tokens[4])]);
            for addr in &addrs[3..] {
                assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            }
            for addr in &addrs[..3] {
                assert_eq!(addr.send(Do::Nothing).await, Err(MailboxError::Closed));
            }
        }
    });
}

#[test]
fn terminate_tree_goes_up_through_all_levels_and_serve_returns_the_error() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let (c, leaf) = floor("c", exact(), &journal, None);
        let (b, _) = floor("b", exact(), &journal, Some(ChildSpec::supervisor(c)));
        let (root, _) =
            floor("root", events.hook(exact()), &journal, Some(ChildSpec::supervisor(b)));
        let (served, _) = tokio::join!(root.serve(), async {
            settle().await;
            events.take();
            leaf.do_send(Do::TerminateTree);
        });
        let Err(Failure::Error(error)) = served else { panic!("{served:?}") };
        assert_eq!(error.to_string(), "told to end it all");
        let failed = failures(&events.take());
        assert_eq!(failed.len(), 3, "one a level: {failed:?}");
        assert!(failed.iter().all(|failure| matches!(failure, Failure::Error(_))));
        for name in ["root", "b"] {
            assert_eq!(journal.count(&format!("{name} leaf: stopped")), 1, "in good order");
        }
        for name in ["root", "b", "c"] {
            assert_eq!(journal.count(&format!("{name} leaf: made 2")), 0);
            assert_eq!(journal.count(&format!("{name} leaf: dropped")), 1);
        }
    });
}

#[test]
fn terminate_tree_ends_at_a_supervisor_that_does_not_propagate_it_and_is_not_restarted() {
    paused(async {
        let tower =
            Tower::start(RestartPolicy::Permanent, |spec| spec.propagate_termination(false)).await;
        let [a, b, c] = &tower.supervisors;
        let joined = b.send(Join);
        tower.leaves[2].send(Do::TerminateTree).await.unwrap();
        sleep(secs(60)).await;
        assert!(matches!(joined.await.unwrap(), Err(Failure::Error(_))));
        assert_eq!(tower.leaves[0].send(Do::Nothing).await, Ok(1));
        assert_eq!(tower.beside.send(Do::Nothing).await, Ok(1));
        let left: Vec<_> = list(a).await.into_iter().map(|child| child.name).collect();
        assert_eq!(left, ["a leaf"]);
        for ended in [b, c] {
            assert_eq!(ended.send(Tree).await.unwrap_err(), MailboxError::Closed);
        }
        for leaf in &tower.leaves[1..] {
            assert_eq!(leaf.send(Do::Nothing).await, Err(MailboxError::Closed));
        }
        assert_eq!((status(a).await.failures, status(&tower.root).await.failures), (0.0, 0.0));
        let lines = tower.events.lines();
        assert!(lines.contains(&"root/a/b: ChildEnded".to_owned()), "{lines:?}");
        assert!(!lines.iter().any(|line| line.ends_with("ChildRestarted")), "{lines:?}");
    });
}

#[test]
fn failures_below_are_the_business_of_the_supervisor_that_they_happen_in() {
    paused(async {
        let tower = Tower::start(RestartPolicy::Permanent, plain).await;
        for _ in 0..6 {
            tower.leaves[1].send(Do::Panic).await.unwrap_err();
            settle().await;
        }
        let b = &tower.supervisors[1];
        assert_eq!(info(b, "b leaf").await.state, ChildState::BackingOff);
        assert_eq!(tower.leaves[2].send(Do::Nothing).await, Ok(1));
        assert_eq!(tower.leaves[0].send(Do::Nothing).await, Ok(1));
        assert_eq!(status(&tower.supervisors[0]).await.failures, 0.0);
        // A nested supervisor that comes back begins without its pause.
        b.send(Stop).await.unwrap();
        assert_eq!(tower.leaves[1].send(Do::Nothing).await, Ok(7));
        assert!(status(b).await.failures < 1.0);
    });
}

#[test]
fn what_was_sent_to_a_nested_supervisor_while_it_was_down_is_answered_when_it_is_back() {
    paused(async {
        let sub = Supervisor::new("sub");
        let addr = sub.addr();
        let events = Events::default();
        let root = Supervisor::with_spec("root", exact().failure_threshold(0.0))
            .unwrap()
            .child(ChildSpec::supervisor(sub))
            .start();
        let sub = token(&root, "sub").await;
        root.send(Kill(sub)).await.unwrap().unwrap();
        addr.do_send(Subscribe(events.recipient()));
        let added = addr.send(Add(Probes::spec("added", &Journal::default())));
        sleep(secs(14)).await;
        assert_eq!(info(&root, "sub").await.state, ChildState::BackingOff);
        assert_eq!(added.await.unwrap().unwrap().addr().send(Do::Nothing).await, Ok(1));
        settle().await;
        assert!(events.lines().contains(&"sub/added: ChildReady".to_owned()));
    });
}
