//! Groups: OneForAll and RestForOne.

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, ChildState, Restart, RestartPolicy, Shutdown, Spec, Strategy, Supervisor, Terminate,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, info, paused, secs, settle, sleep, states, status,
    token,
};

/// A group of probes, started.
pub struct Group {
    pub root: Addr<Supervisor>,
    pub probes: Vec<Addr<Probe>>,
    pub journal: Journal,
    pub events: Events,
}

impl Group {
    pub fn of(strategy: Strategy, names: &[&str]) -> Self {
        let journal = Journal::default();
        let specs = names.iter().map(|name| Probes::spec(name, &journal)).collect();
        Self::with(exact().strategy(strategy), specs, journal)
    }

    pub fn with(spec: Spec, specs: Vec<ChildSpec<Probe>>, journal: Journal) -> Self {
        let events = Events::default();
        let probes = specs.iter().map(ChildSpec::addr).collect();
        let root = Supervisor::with_spec("root", events.hook(spec)).unwrap();
        let root = specs.into_iter().fold(root, Supervisor::child).start();
        Self { root, probes, journal, events }
    }

    /// Forgets what has happened so far.
    pub async fn begin(&self) {
        settle().await;
        self.journal.take();
        self.events.take();
    }

    /// What has happened, without the details of each stop and start.
    pub fn story(&self) -> Vec<String> {
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
            let slow = |name| Probes::slow(name, &journal, secs(2));
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
            Probes::spec("a", &journal),
            Probes::slow("b", &journal, secs(2)),
            Probes::spec("c", &journal),
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
            Probes::spec("a", &journal),
            Probes::spec("b", &journal),
            Probes::hung("c", &journal).shutdown(Shutdown::Timeout(secs(3))),
            Probes::spec("d", &journal),
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
            Probes::spec("a", &journal).restart(RestartPolicy::Temporary),
            Probes::spec("b", &journal).restart(RestartPolicy::Transient),
            Probes::spec("c", &journal),
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
            Probes::spec("a", &journal).restart(RestartPolicy::Temporary),
            Probes::spec("b", &journal).restart(RestartPolicy::Transient),
            Probes::spec("c", &journal),
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
