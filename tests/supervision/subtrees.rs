//! Requests and stops that are about a supervisor below another one.

use actix::prelude::*;
use actix_supervisor::{
    Add, AddError, ChildSpec, ChildState, Failure, Join, Kill, List, Restart, RestartPolicy,
    Shutdown, Stop, Supervisor, SupervisorState, Terminate, Tree,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, failures, fragile, info, list, now, paused, secs,
    settle, sleep, status, token,
};

/// root/outer/inner/leaf.
struct Subtree {
    journal: Journal,
    events: Events,
    root: Addr<Supervisor>,
    outer: Addr<Supervisor>,
    inner: Addr<Supervisor>,
    leaf: Addr<Probe>,
}

/// `outer` is stopped in this way, and the leaf is this probe.
async fn subtree(
    shutdown: Shutdown,
    leaf: impl FnOnce(&str, &Journal) -> ChildSpec<Probe>,
) -> Subtree {
    let (journal, events) = (Journal::default(), Events::default());
    let spec = leaf("leaf", &journal);
    let leaf = spec.addr();
    let inner = Supervisor::with_spec("inner", exact()).unwrap().child(spec);
    let inner_addr = inner.addr();
    let outer = Supervisor::with_spec("outer", exact()).unwrap();
    let outer = outer.child(ChildSpec::supervisor(inner));
    let outer_addr = outer.addr();
    let root = Supervisor::with_spec("root", events.hook(exact()))
        .unwrap()
        .child(Probes::spec("first", &journal))
        .child(ChildSpec::supervisor(outer).shutdown(shutdown))
        .start();
    settle().await;
    journal.take();
    events.take();
    Subtree { journal, events, root, outer: outer_addr, inner: inner_addr, leaf }
}

fn endless(name: &str, journal: &Journal) -> ChildSpec<Probe> {
    Probes::hung(name, journal).shutdown(Shutdown::Infinite)
}

#[test]
fn a_terminated_supervisor_is_down_with_all_below_it_and_comes_back_with_a_restart() {
    paused(async {
        let Subtree { journal, root, outer, inner, leaf, .. } =
            subtree(Shutdown::Infinite, Probes::spec).await;
        let token = token(&root, "outer").await;
        assert_eq!(root.send(Terminate(token)).await, Ok(Ok(())));
        assert_eq!(journal.take(), ["leaf: stopping", "leaf: stopped", "leaf: dropped"]);
        assert_eq!(info(&root, "outer").await.state, ChildState::Terminated);
        assert!(root.send(Tree).await.unwrap().supervisors.is_empty());
        let waiting = (leaf.send(Do::Nothing), inner.send(List), outer.send(List));
        sleep(secs(3600)).await;
        assert!(journal.take().is_empty());
        assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
        assert_eq!(waiting.0.await, Ok(2));
        assert_eq!(waiting.1.await.unwrap().len(), 1);
        assert_eq!(waiting.2.await.unwrap().len(), 1);
    });
}

#[test]
fn a_removed_supervisor_takes_all_addresses_below_it_along() {
    paused(async {
        let Subtree { root, outer, inner, leaf, events, .. } =
            subtree(Shutdown::Infinite, endless).await;
        let added = inner.send(Add(Probes::slow("slow", &Journal::default(), secs(60)))).await;
        let added = added.unwrap().unwrap();
        let queued = added.addr().send(Do::Nothing);
        let token = token(&root, "outer").await;
        let removal = root.send(actix_supervisor::RemoveAndWait { token, timeout: None });
        settle().await;
        assert_eq!(list(&root).await.len(), 1);
        leaf.do_send(Do::Terminate);
        assert_eq!(removal.await, Ok(Ok(())));
        settle().await;
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert_eq!(leaf.send(Do::Nothing).await, Err(MailboxError::Closed));
        for supervisor in [outer, inner] {
            assert_eq!(supervisor.send(List).await.unwrap_err(), MailboxError::Closed);
        }
        assert!(events.lines().contains(&"root/outer: ChildEnded".to_owned()));
    });
}

#[test]
fn a_supervisor_that_stops_tells_so_at_every_level_and_refuses_requests() {
    paused(async {
        let Subtree { root, outer, inner, leaf, .. } = subtree(Shutdown::Infinite, endless).await;
        let stop = root.send(Stop);
        sleep(secs(1000)).await;
        let tree = root.send(Tree).await.unwrap();
        let (outer_node, inner_node) = (&tree.supervisors[0], &tree.supervisors[0].supervisors[0]);
        for node in [&tree, outer_node, inner_node] {
            assert_eq!(node.status.state, SupervisorState::Stopping);
            assert_eq!(node.status.children.stopping, 1);
        }
        for supervisor in [&root, &outer, &inner] {
            let refused = supervisor.send(Add(Probes::spec("late", &Journal::default()))).await;
            assert!(matches!(refused.unwrap(), Err(AddError::Stopping)));
        }
        let below = (inner.send(Stop), outer.send(Join));
        leaf.do_send(Do::Terminate);
        assert!(stop.await.unwrap().is_clean());
        assert!(below.0.await.unwrap().is_clean());
        assert!(below.1.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn a_supervisor_that_has_a_limit_of_its_own_is_killed_at_it_with_all_below() {
    paused(async {
        let Subtree { journal, root, inner, events, .. } =
            subtree(Shutdown::Timeout(secs(7)), endless).await;
        let (begun, joined) = (now(), inner.send(Join));
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!((now() - begun).as_secs(), 7);
        assert!(matches!(joined.await.unwrap(), Err(Failure::Killed)));
        let expected = [
            "leaf: stopping",
            "leaf: dropped",
            "first: stopping",
            "first: stopped",
            "first: dropped",
        ];
        assert_eq!(journal.take(), expected);
        let lines = events.lines();
        assert!(lines.contains(&"root/outer: StopTimeout".to_owned()), "{lines:?}");
    });
}

#[test]
fn a_supervisor_with_shutdown_kill_is_dropped_at_once_with_all_below() {
    paused(async {
        let Subtree { journal, root, .. } = subtree(Shutdown::Kill, endless).await;
        let (begun, outer) = (now(), token(&root, "outer").await);
        assert_eq!(root.send(Restart(outer)).await, Ok(Ok(())));
        settle().await;
        assert_eq!(journal.take(), ["leaf: dropped", "leaf: made 2", "leaf: started"]);
        assert!(now() - begun < secs(1));
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!(journal.take()[0], "leaf: dropped");
        assert!(now() - begun < secs(1));
    });
}

#[test]
fn a_kill_ends_a_supervisor_that_hangs_in_its_stop_and_everybody_gets_an_answer() {
    paused(async {
        let Subtree { journal, root, outer, inner, leaf, events } =
            subtree(Shutdown::Infinite, endless).await;
        let token = token(&root, "outer").await;
        let stops = (outer.send(Stop), inner.send(Stop));
        let joins = (outer.send(Join), inner.send(Join));
        sleep(secs(1000)).await;
        assert_eq!(root.send(Kill(token)).await, Ok(Ok(())));
        assert!(stops.0.await.unwrap().is_clean());
        assert!(stops.1.await.unwrap().is_clean());
        assert!(matches!(joins.0.await.unwrap(), Err(Failure::Killed)));
        assert!(matches!(joins.1.await.unwrap(), Err(Failure::Killed)));
        assert_eq!(leaf.send(Do::Nothing).await, Ok(2));
        assert_eq!(journal.count("leaf: dropped"), 1);
        let failed = failures(&events.take());
        assert!(matches!(failed[..], [Failure::Killed]), "{failed:?}");
    });
}

#[test]
fn a_stop_of_the_root_takes_over_from_a_restart_below() {
    paused(async {
        let Subtree { journal, root, outer, leaf, .. } = subtree(Shutdown::Infinite, endless).await;
        let (outer_token, inner_token) =
            (token(&root, "outer").await, token(&outer, "inner").await);
        let restarts = (root.send(Restart(outer_token)), outer.send(Restart(inner_token)));
        settle().await;
        let stop = root.send(Stop);
        settle().await;
        leaf.do_send(Do::Terminate);
        assert!(stop.await.unwrap().is_clean());
        assert_eq!(restarts.0.await, Ok(Err(actix_supervisor::ChildError::Stopping)));
        assert!(restarts.1.await.unwrap().is_err());
        assert_eq!(journal.count("leaf: made 2"), 0);
    });
}

#[test]
fn a_temporary_supervisor_that_is_killed_ends_with_all_below() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("leaf", &journal);
        let leaf = spec.addr();
        let sub = Supervisor::new("sub").child(spec);
        let root = Supervisor::with_spec("root", exact()).unwrap().start();
        let sub = ChildSpec::supervisor(sub).restart(RestartPolicy::Temporary);
        let sub = root.send(Add(sub)).await.unwrap().unwrap();
        assert_eq!(leaf.send(Do::Nothing).await, Ok(1));
        assert_eq!(root.send(Kill(sub.token())).await, Ok(Ok(())));
        assert!(list(&root).await.is_empty());
        assert_eq!(leaf.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(status(&root).await.failures, 0.0);
    });
}

#[test]
fn what_was_added_to_a_supervisor_that_is_restarted_has_ended_once_in_whatever_state_it_was() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let nested = Supervisor::with_spec("nested", fragile()).unwrap();
        let addr = nested.addr();
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap();
        let root = root.child(ChildSpec::supervisor(nested)).start();
        let up = addr.send(Add(Probes::spec("up", &journal))).await.unwrap().unwrap();
        let down = addr.send(Add(Probes::spec("down", &journal))).await.unwrap().unwrap();
        assert!(down.addr().send(Do::Panic).await.is_err());
        let nested = token(&root, "nested").await;
        assert_eq!(root.send(Restart(nested)).await.unwrap(), Ok(()));
        settle().await;
        assert!(!up.addr().connected() && !down.addr().connected());
        let lines = events.lines();
        for name in ["up", "down"] {
            let ended = format!("root/nested/{name}: ChildEnded");
            assert_eq!(lines.iter().filter(|line| **line == ended).count(), 1, "{lines:?}");
        }
    });
}

#[test]
fn what_stops_with_the_root_is_closed_at_once_and_not_when_all_of_the_tree_has_stopped() {
    paused(async {
        let journal = Journal::default();
        let hung = Probes::hung("hung", &journal);
        let leaf = Probes::spec("leaf", &journal);
        let addr = leaf.addr();
        let inner = ChildSpec::supervisor(Supervisor::new("inner").child(leaf));
        let outer = ChildSpec::supervisor(Supervisor::new("outer").child(hung).child(inner));
        let root = Supervisor::new("root").child(outer).start();
        settle().await;
        let stop = actix_rt::spawn(root.send(Stop));
        settle().await;
        assert!(!stop.is_finished(), "the hung one has its time");
        assert!(
            !addr.connected(),
            "and nobody has to wait that long to hear that the leaf is gone"
        );
        assert_eq!(addr.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert!(stop.await.unwrap().unwrap().is_clean());
    });
}
