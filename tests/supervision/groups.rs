//! What happens to a group in the middle of its restart, and with what else a supervisor knows.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildSpec, ChildState, Kill, Remove, Restart, RestartPolicy, Stop,
    Strategy, Supervisor, Terminate, WhileDown,
};

use crate::{
    strategies::Group,
    support::{
        Do, Journal, Probes, exact, now, paused, secs, settle, sleep, states, status, token,
    },
};

#[test]
fn a_stop_in_the_middle_of_a_group_restart_works_at_once() {
    paused(async {
        let journal = Journal::default();
        let slow = |name| Probes::slow(name, &journal, secs(60));
        let group = Group::with(
            exact().strategy(Strategy::OneForAll),
            vec![Probes::spec("a", &journal), slow("b"), Probes::spec("c", &journal)],
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
                Probes::spec("a", &journal),
                Probes::slow("b", &journal, secs(2)),
                Probes::spec("c", &journal),
                Probes::spec("d", &journal),
                Probes::spec("e", &journal),
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
            Probes::spec("a", &journal),
            Probes::spec("b", &journal).while_down(WhileDown::Reject),
            Probes::spec("c", &journal),
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
        let (first, leaf) = (Probes::spec("first", &journal), Probes::spec("leaf", &journal));
        let (first_addr, leaf_addr) = (first.addr(), leaf.addr());
        let nested = Supervisor::new("nested").child(leaf);
        let nested_addr = nested.addr();
        let root = Supervisor::with_spec("root", exact().strategy(Strategy::OneForAll))
            .unwrap()
            .child(first)
            .child(ChildSpec::supervisor(nested))
            .start();
        let added = Probes::spec("added", &journal);
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
            Probes::spec("a", &journal),
            Probes::spec("b", &journal).backoff(backoff),
            Probes::spec("c", &journal),
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
        let late = Probes::slow("late", &group.journal, secs(60)).restart(RestartPolicy::Temporary);
        let waits = actix_rt::spawn(group.root.send(AddAndWait(late)));
        // Only what takes part in the restart is swept: it is a member once the group has been started.
        settle().await;
        group.probes[0].do_send(Do::Panic);
        let answer = waits.await.unwrap().unwrap();
        assert!(matches!(answer, Err(AddError::Interrupted)), "{answer:?}");
    });
}
