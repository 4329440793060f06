//! The pause that stops all restarts, its queue and its end.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, ChildState, Event, EventKind, Remove, RemoveAndWait, Resume, Spec, Stop,
    SupervisedContext, Supervisor, SupervisorState,
};

use crate::{
    puppet::{Puppet, life, tell},
    support::{
        Do, Events, Journal, Probes, exact, is_failure, list, now, paused, secs, settle, sleep,
        start, states, status,
    },
};

/// Lets it fail until restarts are paused.
async fn pause_by(addr: &Addr<Puppet>) {
    for _ in 0..6 {
        addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
    }
}

fn pauses(events: &[Event]) -> Vec<Duration> {
    let pause = |event: &Event| match event.kind {
        EventKind::BackoffEntered { pause } => Some(pause),
        _ => None,
    };
    events.iter().filter_map(pause).collect()
}

pub async fn is_paused(supervisor: &Addr<Supervisor>) -> bool {
    matches!(status(supervisor).await.state, SupervisorState::Paused { .. })
}

#[test]
fn a_pause_ends_at_its_time_and_five_failures_fit_again_after_it() {
    paused(async {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        for round in 0..3 {
            pause_by(&addr).await;
            let begin = now();
            let SupervisorState::Paused { until } = status(&root).await.state else { panic!() };
            assert_eq!(until - begin, secs(15));
            assert_eq!(addr.send(life()).await, Ok(round * 6 + 7));
            let took = now() - begin;
            assert!(took >= secs(15) && took < Duration::from_millis(15_010), "{took:?}");
            let status = status(&root).await;
            assert_eq!((status.failures, status.state), (0.0, SupervisorState::Running));
            assert_eq!(status.restarts, u64::from(round * 6 + 6));
        }
    });
}

#[test]
fn resume_ends_a_pause_now_and_changes_nothing_without_one() {
    paused(async {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        pause_by(&addr).await;
        let begin = now();
        root.send(Resume).await.unwrap();
        let resumed = status(&root).await;
        assert_eq!((resumed.failures, resumed.state), (0.0, SupervisorState::Running));
        assert_eq!(addr.send(life()).await, Ok(7));
        addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        root.send(Resume).await.unwrap();
        assert_eq!(status(&root).await.failures, 1.0);
        assert_eq!(addr.send(life()).await, Ok(8));
        assert_eq!(now(), begin);
    });
}

#[test]
fn failures_during_a_pause_wait_for_its_end_and_are_forgotten_then() {
    paused(async {
        let (events, bad) = (Events::default(), Puppet::spec("bad"));
        let others: [_; 8] = std::array::from_fn(|n| Puppet::spec(&format!("other {n}")));
        let (addr, addrs) = (bad.addr(), others.each_ref().map(ChildSpec::addr));
        let mut root = Supervisor::with_spec("root", events.hook(exact())).unwrap().child(bad);
        for other in others {
            root = root.child(other);
        }
        let root = root.start();
        pause_by(&addr).await;
        let begin = now();
        let until = status(&root).await.state;
        for other in &addrs {
            sleep(secs(1)).await;
            other.send(tell(|_, ctx| ctx.fail("boom"))).await.unwrap();
            settle().await;
            assert_eq!(status(&root).await.state, until);
        }
        assert_eq!(status(&root).await.children.backing_off, 9);
        for other in &addrs {
            assert_eq!(other.send(life()).await, Ok(2));
        }
        assert_eq!((now() - begin).as_secs(), 15);
        let status = status(&root).await;
        assert_eq!((status.failures, status.state), (0.0, SupervisorState::Running));
        let told = events.take();
        assert_eq!(pauses(&told).len(), 1);
        assert_eq!(told.iter().filter(|event| is_failure(event)).count(), 14);
    });
}

#[test]
fn a_removed_child_in_the_queue_never_starts_and_the_others_do_in_the_order_of_their_failures() {
    paused(async {
        let journal = Journal::default();
        let names = ["a", "b", "c", "d"];
        let specs = names.map(|name| Probes::spec(name, &journal));
        let addrs = specs.each_ref().map(ChildSpec::addr);
        let mut root = Supervisor::with_spec("root", exact().failure_threshold(0.0)).unwrap();
        for spec in specs {
            root = root.child(spec);
        }
        let root = root.start();
        for index in [2, 0, 3, 1] {
            addrs[index].send(Do::Panic).await.unwrap_err();
        }
        let listed = list(&root).await;
        journal.take();
        let begin = now();
        let waited = RemoveAndWait { token: listed[0].token, timeout: None };
        assert_eq!(root.send(waited).await.unwrap(), Ok(()));
        assert_eq!(root.send(Remove(listed[3].token)).await.unwrap(), Ok(()));
        assert_eq!(now(), begin);
        assert!(!addrs[0].connected() && !addrs[3].connected());
        let waiting = |name: &str| (name.to_owned(), ChildState::BackingOff);
        assert_eq!(states(&root).await, [waiting("b"), waiting("c")]);
        sleep(secs(16)).await;
        let entries = journal.take();
        let made: Vec<_> = entries.iter().filter(|entry| entry.contains("made")).collect();
        assert_eq!(made, ["c: made 2", "b: made 2"]);
    });
}

#[test]
fn a_child_added_during_a_pause_starts_at_once_and_its_failure_waits() {
    paused(async {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        pause_by(&addr).await;
        let begin = now();
        let added = root.send(Add(Puppet::spec("added"))).await.unwrap().unwrap().addr();
        assert_eq!(added.send(life()).await, Ok(1));
        assert_eq!(now(), begin);
        added.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        assert_eq!(status(&root).await.children.backing_off, 2);
        assert_eq!(added.send(life()).await, Ok(2));
        assert_eq!((now() - begin).as_secs(), 15);
    });
}

#[test]
fn a_stop_during_a_pause_works_at_once() {
    paused(async {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        pause_by(&addr).await;
        let (begin, queued) = (now(), addr.send(life()));
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert_eq!(now(), begin);
        assert!(!addr.connected());
    });
}

#[test]
fn restarts_at_the_end_of_a_pause_are_spread_evenly() {
    paused(async {
        let settings = exact().failure_threshold(0.0).resume_spread(secs(4));
        let root = start("root", settings);
        let begin = now();
        let mut children = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let child = root.send(Add(Puppet::spec(name))).await.unwrap().unwrap().addr();
            child.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            children.push(child);
        }
        for (index, child) in children.iter().enumerate() {
            assert_eq!(child.send(life()).await, Ok(2));
            assert_eq!((now() - begin).as_secs(), 15 + index as u64);
        }
    });
}

#[test]
fn pauses_are_stretched_within_their_bounds_and_repeat_with_their_seed() {
    async fn pause_of(settings: Spec) -> Duration {
        let (events, spec) = (Events::default(), Puppet::spec("bad"));
        let addr = spec.addr();
        let settings = events.hook(settings.failure_threshold(0.0));
        let root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
        addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        assert!(is_paused(&root).await);
        pauses(&events.take())[0]
    }
    paused(async {
        let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
        for seed in 0..100 {
            let pause = pause_of(Spec::default().jitter_seed(seed)).await;
            assert_eq!(pause, pause_of(Spec::default().jitter_seed(seed)).await);
            assert!(pause >= secs(15) && pause < Duration::from_millis(22_500), "{pause:?}");
            (shortest, longest) = (shortest.min(pause), longest.max(pause));
        }
        assert!(longest - shortest > secs(6), "{shortest:?} to {longest:?}");
        assert_ne!(pause_of(Spec::default()).await, pause_of(Spec::default()).await);
    });
}

#[test]
fn the_meter_is_told_with_each_failure_and_the_pause_follows_the_one_that_exceeds_it() {
    paused(async {
        let (events, spec) = (Events::default(), Puppet::spec("bad"));
        let addr = spec.addr();
        let _root =
            Supervisor::with_spec("root", events.hook(exact())).unwrap().child(spec).start();
        pause_by(&addr).await;
        sleep(secs(16)).await;
        let told = events.take();
        let readings: Vec<_> = told
            .iter()
            .filter_map(|event| match event.kind {
                EventKind::ChildFailed { failures, threshold: 5.0, restarting: true, .. } => {
                    Some(failures)
                }
                _ => None,
            })
            .collect();
        assert_eq!(readings, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let at = told.iter().rposition(is_failure).unwrap();
        assert!(
            matches!(told[at + 1].kind, EventKind::BackoffEntered { pause } if pause == secs(15))
        );
        assert!(matches!(told[at + 2].kind, EventKind::BackoffLeft));
        assert!(matches!(told[at + 3].kind, EventKind::ChildRestarted { restarts: 6, .. }));
        assert_eq!(pauses(&told).len(), 1);
    });
}
