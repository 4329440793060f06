//! Groups: OneForAll and RestForOne.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildSpec, ChildState, Kill, Remove, Restart, RestartPolicy,
    Shutdown, Spec, Stop, Strategy, Supervisor, Terminate, WhileDown,
};

use crate::support::{
    Do, Events, Journal, Probe, exact, info, now, paused, secs, settle, sleep, states, status,
    token,
};

/// A group of probes, started.
struct Group {
    root: Addr<Supervisor>,
    probes: Vec<Addr<Probe>>,
    journal: Journal,
    events: Events,
}

impl Group {
    fn of(strategy: Strategy, names: &[&str]) -> Self {
        let journal = Journal::default();
        let specs = names.iter().map(|name| Probe::spec(name, &journal)).collect();
        Self::with(exact().strategy(strategy), specs, journal)
    }

    fn with(spec: Spec, specs: Vec<ChildSpec<Probe>>, journal: Journal) -> Self {
        let events = Events::default();
        let probes = specs.iter().map(ChildSpec::addr).collect();
        let root = Supervisor::with_spec("root", events.hook(spec)).unwrap();
        let root = specs.into_iter().fold(root, Supervisor::child).start();
        Self { root, probes, journal, events }
    }

    /// Forgets what has happened so far.
    async fn begin(&self) {
        settle().await;
        self.journal.take();
        self.events.take();
    }

    /// What has happened, without the details of each stop and start.
    fn story(&self) -> Vec<String> {
        let told = |entry: &String| entry.contains("made") || entry.contains("dropped");
        self.journal.take().into_iter().filter(told).collect()
    }
}

#[test]
fn one_for_all_stops_the_siblings_in_reverse_order_and_starts_all_in_order() {
    paused(async {
        let group = Group::of(Strategy::OneForAll, &["a", "b", "c"]);
        group.begin().await;
        group.probes[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(
            group.journal.take(),
            [
                "b: dropped",
                "c: stopping",
                "c: stopped",
                "c: dropped",
                "a: stopping",
                "a: stopped",
                "a: dropped",
                "a: made 2",
                "a: started",
                "b: made 2",
                "b: started",
                "c: made 2",
                "c: started",
            ]
        );
        assert_eq!(
            group.events.lines(),
            [
                "root/b: ChildFailed",
                "root/c: ChildStopped",
                "root/a: ChildStopped",
                "root/a: ChildRestarted",
                "root/a: ChildReady",
                "root/b: ChildRestarted",
                "root/b: ChildReady",
                "root/c: ChildRestarted",
                "root/c: ChildReady",
            ]
        );
        assert!(status(&group.root).await.failures <= 1.0, "the stops count for nothing");
    });
}

#[test]
fn rest_for_one_restarts_the_failed_child_and_those_after_it() {
    paused(async {
        let group = Group::of(Strategy::RestForOne, &["a", "b", "c"]);
        group.begin().await;
        group.probes[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(group.story(), ["b: dropped", "c: dropped", "b: made 2", "c: made 2"]);
        group.probes[2].do_send(Do::Fail);
        settle().await;
        assert_eq!(group.story(), ["c: dropped", "c: made 3"]);
        assert_eq!(group.probes[0].send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn members_start_when_the_one_before_is_ready() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        paused(async {
            let journal = Journal::default();
            let slow = |name| Probe::slow(name, &journal, secs(2));
            let specs = vec![slow("a"), slow("b"), slow("c")];
            let group = Group::with(exact().strategy(strategy), specs, journal.clone());
            settle().await;
            assert_eq!(group.journal.take(), ["a: made 1", "a: started"]);
            let states = states(&group.root).await.into_iter().map(|(_, state)| state);
            assert_eq!(states.collect::<Vec<_>>(), [ChildState::Starting; 3]);
            sleep(secs(2)).await;
            settle().await;
            assert_eq!(group.journal.take(), ["b: made 1", "b: started"]);
            sleep(secs(2)).await;
            settle().await;
            assert_eq!(group.journal.take(), ["c: made 1", "c: started"]);
            sleep(secs(2)).await;
            assert_eq!(status(&group.root).await.children.running, 3);
        });
    }
}

#[test]
fn a_failure_during_the_start_of_a_group_merges_into_it_and_is_counted_once() {
    paused(async {
        let journal = Journal::default();
        let specs = vec![
            Probe::spec("a", &journal),
            Probe::slow("b", &journal, secs(2)),
            Probe::spec("c", &journal),
        ];
        let group = Group::with(exact().strategy(Strategy::OneForAll), specs, journal);
        sleep(secs(3)).await;
        group.begin().await;
        group.probes[2].do_send(Do::Panic);
        sleep(secs(1)).await;
        // `a` is up again, `b` is on its way, `c` waits for it.
        assert_eq!(group.probes[0].send(Do::Panic).await, Err(MailboxError::Closed));
        settle().await;
        assert_eq!(
            group.story(),
            [
                "c: dropped",
                "b: dropped",
                "a: dropped",
                "a: made 2",
                "b: made 2",
                "a: dropped",
                "b: dropped",
                "a: made 3",
                "b: made 3"
            ]
        );
        sleep(secs(2)).await;
        assert_eq!(group.story(), ["c: made 2"]);
        let now = status(&group.root).await;
        assert_eq!(now.children.running, 3);
        assert_eq!(group.events.lines().iter().filter(|line| line.contains("Failed")).count(), 2);
    });
}

#[test]
fn rest_for_one_widens_to_an_earlier_child_that_fails_meanwhile() {
    paused(async {
        let journal = Journal::default();
        let specs = vec![
            Probe::spec("a", &journal),
            Probe::spec("b", &journal),
            Probe::hung("c", &journal).shutdown(Shutdown::Timeout(secs(3))),
            Probe::spec("d", &journal),
        ];
        let group = Group::with(exact().strategy(Strategy::RestForOne), specs, journal);
        group.begin().await;
        group.probes[1].do_send(Do::Panic);
        sleep(secs(1)).await;
        group.probes[0].do_send(Do::Panic);
        settle().await;
        assert_eq!(group.story(), ["b: dropped", "d: dropped", "a: dropped"]);
        sleep(secs(3)).await;
        assert_eq!(
            group.story(),
            ["c: dropped", "a: made 2", "b: made 2", "c: made 2", "d: made 2"],
            "the hung one is dropped at its limit"
        );
        assert!(group.events.lines().contains(&"root/c: StopTimeout".to_owned()));
    });
}

#[test]
fn a_temporary_sibling_that_was_swept_down_does_not_come_back() {
    paused(async {
        let journal = Journal::default();
        let specs = vec![
            Probe::spec("a", &journal).restart(RestartPolicy::Temporary),
            Probe::spec("b", &journal).restart(RestartPolicy::Transient),
            Probe::spec("c", &journal),
        ];
        let group = Group::with(exact().strategy(Strategy::OneForAll), specs, journal);
        group.begin().await;
        group.probes[2].do_send(Do::Panic);
        settle().await;
        assert_eq!(
            group.story(),
            ["c: dropped", "b: dropped", "a: dropped", "b: made 2", "c: made 2"]
        );
        assert!(!group.probes[0].connected());
        assert!(group.events.lines().contains(&"root/a: ChildEnded".to_owned()));
    });
}

#[test]
fn a_temporary_or_normal_end_sweeps_nobody_down() {
    paused(async {
        let journal = Journal::default();
        let specs = vec![
            Probe::spec("a", &journal).restart(RestartPolicy::Temporary),
            Probe::spec("b", &journal).restart(RestartPolicy::Transient),
            Probe::spec("c", &journal),
        ];
        let group = Group::with(exact().strategy(Strategy::OneForAll), specs, journal);
        group.begin().await;
        group.probes[0].do_send(Do::Panic);
        group.probes[1].do_send(Do::Stop);
        settle().await;
        assert_eq!(group.story(), ["a: dropped", "b: dropped"]);
        assert_eq!(group.probes[2].send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn a_terminated_sibling_stays_down() {
    paused(async {
        let group = Group::of(Strategy::OneForAll, &["a", "b"]);
        let a = token(&group.root, "a").await;
        assert_eq!(group.root.send(Terminate(a)).await.unwrap(), Ok(()));
        group.begin().await;
        group.probes[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(group.story(), ["b: dropped", "b: made 2"]);
        assert_eq!(info(&group.root, "a").await.state, ChildState::Terminated);
        assert_eq!(group.root.send(Restart(a)).await.unwrap(), Ok(()));
        assert_eq!(group.probes[0].send(Do::Nothing).await, Ok(2));
    });
}

#[test]
fn a_stop_in_the_middle_of_a_group_restart_works_at_once() {
    paused(async {
        let journal = Journal::default();
        let slow = |name| Probe::slow(name, &journal, secs(60));
        let group = Group::with(
            exact().strategy(Strategy::OneForAll),
            vec![Probe::spec("a", &journal), slow("b"), Probe::spec("c", &journal)],
            journal.clone(),
        );
        group.begin().await;
        group.probes[0].do_send(Do::Panic);
        settle().await;
        let before = now();
        assert!(group.root.send(Stop).await.unwrap().is_clean());
        assert!(before.elapsed() < secs(1));
        assert_eq!(
            group.story(),
            ["a: dropped", "b: dropped", "a: made 2", "b: made 2", "b: dropped", "a: dropped"]
        );
    });
}

#[test]
fn requests_in_the_middle_of_a_group_restart_do_what_they_say() {
    paused(async {
        let journal = Journal::default();
        let group = Group::with(
            exact().strategy(Strategy::OneForAll),
            vec![
                Probe::spec("a", &journal),
                Probe::slow("b", &journal, secs(2)),
                Probe::spec("c", &journal),
                Probe::spec("d", &journal),
                Probe::spec("e", &journal),
            ],
            journal.clone(),
        );
        sleep(secs(3)).await;
        let [c, d, e] = [
            token(&group.root, "c").await,
            token(&group.root, "d").await,
            token(&group.root, "e").await,
        ];
        group.begin().await;
        group.probes[0].do_send(Do::Panic);
        sleep(secs(1)).await;
        // `a` is up, `b` is on its way, the others wait for it.
        assert_eq!(group.root.send(Remove(c)).await.unwrap(), Ok(()));
        assert_eq!(group.root.send(Terminate(d)).await.unwrap(), Ok(()));
        assert_eq!(group.root.send(Restart(e)).await.unwrap(), Ok(()));
        assert_eq!(group.probes[4].send(Do::Nothing).await, Ok(2));
        sleep(secs(2)).await;
        let states = states(&group.root).await.into_iter().map(|(_, state)| state);
        use ChildState::{Running, Terminated};
        assert_eq!(states.collect::<Vec<_>>(), [Running, Running, Terminated, Running]);
        assert_eq!(group.probes[4].send(Do::Nothing).await, Ok(2), "it was up in time");
        assert!(!group.probes[2].connected());
    });
}

#[test]
fn a_group_waits_for_the_pause_and_keeps_its_messages() {
    paused(async {
        let journal = Journal::default();
        let specs = vec![
            Probe::spec("a", &journal),
            Probe::spec("b", &journal).while_down(WhileDown::Reject),
            Probe::spec("c", &journal),
        ];
        let spec = exact().strategy(Strategy::OneForAll).failure_threshold(0.0);
        let group = Group::with(spec, specs, journal);
        group.begin().await;
        group.probes[2].do_send(Do::Panic);
        settle().await;
        let kept = group.probes[0].send(Do::Nothing);
        assert_eq!(group.probes[1].send(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(status(&group.root).await.children.backing_off, 3);
        sleep(secs(14)).await;
        assert_eq!(group.story(), ["c: dropped", "b: dropped", "a: dropped"]);
        sleep(secs(1)).await;
        assert_eq!(kept.await, Ok(2));
        assert_eq!(group.story(), ["a: made 2", "b: made 2", "c: made 2"]);
        assert_eq!(group.probes[1].send(Do::Nothing).await, Ok(2));
    });
}

#[test]
fn a_nested_supervisor_in_a_group_goes_and_comes_as_a_whole_at_its_addresses() {
    paused(async {
        let journal = Journal::default();
        let (first, leaf) = (Probe::spec("first", &journal), Probe::spec("leaf", &journal));
        let (first_addr, leaf_addr) = (first.addr(), leaf.addr());
        let nested = Supervisor::new("nested").child(leaf);
        let nested_addr = nested.addr();
        let root = Supervisor::with_spec("root", exact().strategy(Strategy::OneForAll))
            .unwrap()
            .child(first)
            .child(ChildSpec::supervisor(nested))
            .start();
        let added = Probe::spec("added", &journal);
        let added_addr = added.addr();
        nested_addr.send(Add(added)).await.unwrap().unwrap();
        journal.take();
        first_addr.do_send(Do::Panic);
        settle().await;
        let made: Vec<_> =
            journal.take().into_iter().filter(|entry| entry.contains("made")).collect();
        assert_eq!(made, ["first: made 2", "leaf: made 2"]);
        assert_eq!(leaf_addr.send(Do::Nothing).await, Ok(2));
        assert_eq!(status(&nested_addr).await.children.running, 1);
        assert!(!added_addr.connected());
        assert_eq!(status(&root).await.children.running, 2);
    });
}

#[test]
fn a_killed_member_takes_its_group_down() {
    paused(async {
        let group = Group::of(Strategy::OneForAll, &["a", "b"]);
        group.begin().await;
        let b = token(&group.root, "b").await;
        assert_eq!(group.root.send(Kill(b)).await.unwrap(), Ok(()));
        settle().await;
        assert_eq!(group.story(), ["b: dropped", "a: dropped", "a: made 2", "b: made 2"]);
        assert!(status(&group.root).await.failures <= 1.0);
    });
}

#[test]
fn the_group_restarts_when_its_failed_child_may() {
    paused(async {
        let journal = Journal::default();
        let backoff = actix_supervisor::Backoff::constant(Duration::from_secs(30));
        let specs = vec![
            Probe::spec("a", &journal),
            Probe::spec("b", &journal).backoff(backoff),
            Probe::spec("c", &journal),
        ];
        let group = Group::with(exact().strategy(Strategy::OneForAll), specs, journal);
        group.begin().await;
        group.probes[1].do_send(Do::Panic);
        sleep(secs(29)).await;
        assert_eq!(group.story(), ["b: dropped", "c: dropped", "a: dropped"]);
        sleep(secs(1)).await;
        settle().await;
        assert_eq!(group.story(), ["a: made 2", "b: made 2", "c: made 2"]);
    });
}

#[test]
fn who_waits_for_a_temporary_member_that_is_swept_down_is_told_that_it_was_interrupted() {
    paused(async {
        let group = Group::of(Strategy::OneForAll, &["a"]);
        group.begin().await;
        let late = Probe::slow("late", &group.journal, secs(60)).restart(RestartPolicy::Temporary);
        let waits = actix_rt::spawn(group.root.send(AddAndWait(late)));
        // Only what takes part in the restart is swept: it is a member once the group has been started.
        settle().await;
        group.probes[0].do_send(Do::Panic);
        let answer = waits.await.unwrap().unwrap();
        assert!(matches!(answer, Err(AddError::Interrupted)), "{answer:?}");
    });
}
