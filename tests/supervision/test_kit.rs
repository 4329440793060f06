//! The test kit, as far as no other test is about what it does.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, Health, RestartPolicy, Spec, Stop, StopReport, Subscribe, Supervisor, Tree,
    TreeNode,
    test_kit::{Chaos, Stubborn, real},
};
use futures::FutureExt;

use crate::support::{
    Do, Events, Journal, Probes, exact, now, paused, secs, settle, sleep, start, states, token,
};

/// No number of failures is too much for it.
fn patient() -> Spec {
    exact().failure_threshold(f64::MAX)
}

/// Two probes, and two more below a supervisor.
fn tree(journal: &Journal) -> Supervisor {
    let probe = |name| Probes::spec(name, journal);
    let below = Supervisor::with_spec("below", patient()).unwrap();
    let below = ChildSpec::supervisor(below.child(probe("c")).child(probe("d")));
    let root = Supervisor::with_spec("root", patient()).unwrap();
    root.child(probe("a")).child(probe("b")).child(below)
}

/// How many times something was restarted, by name.
fn restarts(tree: &TreeNode) -> Vec<(String, u64)> {
    let here = tree.children.iter().map(|child| (child.name.clone(), child.restarts));
    let below = tree.supervisors.iter().flat_map(restarts);
    here.chain(below).filter(|&(_, restarts)| restarts > 0).collect()
}

#[test]
fn chaos_does_the_same_with_the_same_seed_at_the_same_times() {
    let run = |seed| {
        paused(async move {
            let root = tree(&Journal::default()).start();
            let began = now();
            let killed = Chaos::seeded(seed).every(secs(3)).kill(&root, 40).await;
            assert_eq!(killed.len(), 40);
            (killed, now() - began)
        })
    };
    let (killed, time) = run(7);
    assert_eq!(run(7), (killed.clone(), time));
    assert_ne!(run(8), (killed.clone(), time));
    assert!(time > secs(60) && time < secs(240), "{time:?}");
    for name in ["a", "b", "c", "d"] {
        assert!(killed.iter().any(|path| path.last().unwrap() == name), "{name} in {killed:?}");
    }
    assert!(killed.iter().all(|path| path.last().unwrap() != "below"));
}

#[test]
fn chaos_spares_those_that_it_is_told_to_spare_and_everybody_is_back_in_the_end() {
    paused(async {
        let root = tree(&Journal::default()).start();
        let chaos = Chaos::seeded(1).spare(|path| path == ["root", "a"]);
        let chaos = chaos.spare(|path| path == ["root", "below", "c"]);
        let killed = chaos.kill(&root, 30).await;
        settle().await;
        let tree = root.send(Tree).await.unwrap();
        let restarts = restarts(&tree);
        let names: Vec<&str> = restarts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "d"]);
        assert_eq!(restarts.iter().map(|(_, restarts)| restarts).sum::<u64>(), 30);
        assert_eq!(killed.len(), 30);
        assert!(root.send(Health).await.unwrap().ready);
    });
}

#[test]
fn chaos_kills_supervisors_only_where_it_is_allowed_to() {
    paused(async {
        let root = tree(&Journal::default()).start();
        let only = |path: &[String]| path != ["root", "below"];
        let killed = Chaos::seeded(1).supervisors(true).spare(only).kill(&root, 3).await;
        assert_eq!(killed, vec![["root", "below"]; 3]);
        settle().await;
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn chaos_ends_with_its_tree() {
    paused(async {
        let root = start("root", patient());
        let once = Probes::spec("once", &Journal::default()).restart(RestartPolicy::Temporary);
        root.send(Add(once)).await.unwrap().unwrap();
        let drill = actix::spawn({
            let root = root.clone();
            async move { Chaos::seeded(1).every(secs(1)).kill(&root, 2).await }
        });
        sleep(secs(100)).await;
        assert_eq!(states(&root).await, [], "it was killed");
        root.send(Stop).await.unwrap();
        assert_eq!(drill.await.unwrap(), [["root", "once"]], "and nobody was left to kill");
    });
}

#[test]
fn a_drill_is_a_child_that_spares_itself_and_stops_in_order() {
    paused(async {
        let root = tree(&Journal::default());
        let drill = Chaos::seeded(3).every(secs(2)).service("chaos", root.addr());
        let root = root.child(drill).start();
        sleep(secs(200)).await;
        let restarts = restarts(&root.send(Tree).await.unwrap());
        assert!(restarts.iter().map(|(_, restarts)| restarts).sum::<u64>() > 50, "{restarts:?}");
        assert!(restarts.iter().all(|(name, _)| name != "chaos"), "{restarts:?}");
        assert_eq!(root.send(Stop).await, Ok(StopReport::default()));
    });
}

#[test]
fn events_are_waited_for_by_line_and_given_out_once() {
    paused(async {
        let (spec, events) = Events::hooked(patient());
        let probe = Probes::spec("probe", &Journal::default());
        let addr = probe.addr();
        let root = Supervisor::with_spec("root", spec).unwrap().child(probe).start();
        let also = Events::of(&root).await;
        root.send(Subscribe(also.clone().recipient())).await.unwrap();
        let waiting = actix::spawn({
            let events = events.clone();
            async move { events.until("root/probe: ChildRestarted").await }
        });
        settle().await;
        assert!(events.next().now_or_never().is_none(), "all there were are gone");
        addr.send(Do::Fail).await.unwrap();
        assert_eq!(waiting.await.unwrap().path, ["root", "probe"]);
        settle().await;
        assert_eq!(events.lines(), ["root/probe: ChildReady"]);
        assert!(!also.lines().is_empty());
    });
}

#[test]
fn a_probe_that_hangs_answers_nothing_more_and_can_be_stopped() {
    paused(async {
        let journal = Journal::default();
        let probe = Probes::spec("probe", &journal);
        let addr = probe.addr();
        let root = Supervisor::with_spec("root", patient()).unwrap().child(probe).start();
        assert_eq!(addr.send(Do::Hang).await, Ok(1));
        let answer = tokio::time::timeout(Duration::from_secs(1000), addr.send(Do::Note(1))).await;
        assert!(answer.is_err());
        let probe = token(&root, "probe").await;
        root.send(actix_supervisor::Kill(probe)).await.unwrap().unwrap();
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        assert_eq!(journal.count("probe: handled 1 in life 1"), 0);
    });
}

#[test]
fn a_stubborn_service_tells_of_its_calls_and_whether_one_is_running() {
    real(async {
        let (spec, mut service) = Stubborn::spec("stubborn");
        assert!(!service.was_called() && !service.is_running());
        let root = Supervisor::with_spec("root", patient()).unwrap().child(spec).start();
        service.called().await;
        assert!(!service.was_called() && service.is_running());
        service.release();
        let called_again = async {
            while !service.was_called() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(secs(60), called_again).await.expect("it is restarted");
        service.release();
        service.called().await;
        service.release();
        while service.is_running() {
            tokio::task::yield_now().await;
        }
        drop(root);
    });
}
