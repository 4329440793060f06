//! A child that waits for its restart: what it and its senders are told meanwhile.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Backoff, ChildState, Kill, Remove, RemoveAndWait, Restart, Stop, Supervisor, Terminate,
    WhileDown,
};

use crate::{
    backoff::Bench,
    support::{Do, Journal, Probes, exact, info, now, paused, secs, settle, sleep, states, token},
    times::patient,
};

#[test]
fn a_restart_on_request_ends_a_backoff_and_what_was_due_does_not_come_too() {
    paused(async {
        let bench = Bench::with(Backoff::constant(secs(30)));
        bench.fail().await;
        let (token, before) = (bench.info().await.token, now());
        assert_eq!(bench.root.send(Restart(token)).await.unwrap(), Ok(()));
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(2));
        assert_eq!(now(), before);
        sleep(secs(100)).await;
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(2));
        assert_eq!(bench.info().await.failures_in_row, 1);
    });
}

#[test]
fn stops_take_effect_at_once_in_a_backoff() {
    paused(async {
        let backoff = || Backoff::constant(secs(3_600));
        let bench = Bench::with(backoff());
        bench.fail().await;
        let (token, before) = (bench.info().await.token, now());
        let queued = bench.probe.send(Do::Nothing);
        assert_eq!(bench.root.send(Kill(token)).await.unwrap(), Ok(()));
        assert_eq!(bench.info().await.state, ChildState::BackingOff, "there is nothing to kill");
        assert_eq!(bench.root.send(Terminate(token)).await.unwrap(), Ok(()));
        assert_eq!(bench.info().await.state, ChildState::Terminated);
        assert_eq!(bench.info().await.next_start, None);
        assert_eq!(bench.root.send(Remove(token)).await.unwrap(), Ok(()));
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert_eq!(now(), before);

        let bench = Bench::with(backoff());
        bench.fail().await;
        let (token, before) = (bench.info().await.token, now());
        let removed = bench.root.send(RemoveAndWait { token, timeout: None }).await.unwrap();
        assert_eq!(removed, Ok(()));
        assert_eq!(states(&bench.root).await, []);
        assert_eq!(now(), before);

        let bench = Bench::with(backoff());
        bench.fail().await;
        let (queued, before) = (bench.probe.send(Do::Nothing), now());
        assert!(bench.root.send(Stop).await.unwrap().is_clean());
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert_eq!(now(), before);
        sleep(secs(10_000)).await;
        assert_eq!(bench.journal.count("probe: made 2"), 0);
    });
}

#[test]
fn the_sender_of_what_caused_the_failure_knows_at_once_and_the_others_are_answered_after_it() {
    paused(async {
        let bench = Bench::with(Backoff::constant(secs(30)));
        settle().await;
        bench.journal.take();
        let failed_at = now();
        let poisoned = bench.probe.send(Do::Panic);
        let behind: Vec<_> = (1..=2).map(|n| bench.probe.send(Do::Note(n))).collect();
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(now(), failed_at);
        settle().await;
        assert_eq!(bench.journal.take(), ["probe: dropped"], "at the failure, not after it");
        bench.probe.do_send(Do::Note(3));
        for answer in behind {
            assert_eq!(answer.await, Ok(2));
        }
        assert_eq!(now(), failed_at + secs(30));
        let handled = [1, 2, 3].map(|n| format!("probe: handled {n} in life 2"));
        assert_eq!(bench.journal.take()[2..], handled);
    });
}

#[test]
fn a_child_that_rejects_answers_nobody_late() {
    paused(async {
        let bench = Bench::new(patient(), |spec| {
            spec.backoff(Backoff::constant(secs(30))).while_down(WhileDown::Reject)
        });
        settle().await;
        let failed_at = now();
        let poisoned = bench.probe.send(Do::Panic);
        let behind = bench.probe.send(Do::Nothing);
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(behind.await, Err(MailboxError::Closed));
        assert_eq!(bench.probe.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert!(now() - failed_at < secs(1));
        sleep(secs(30)).await;
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(2));
    });
}

#[test]
fn other_children_go_on_while_one_backs_off() {
    paused(async {
        let journal = Journal::default();
        let (sick, well) = (Probes::spec("sick", &journal), Probes::spec("well", &journal));
        let (sick, well_addr) = (sick.backoff(Backoff::constant(secs(30))), well.addr());
        let root = Supervisor::with_spec("root", exact()).unwrap().child(sick).child(well).start();
        let sick = token(&root, "sick").await;
        assert_eq!(root.send(Kill(sick)).await.unwrap(), Ok(()));
        assert_eq!(well_addr.send(Do::Nothing).await, Ok(1));
        well_addr.do_send(Do::Panic);
        assert_eq!(well_addr.send(Do::Nothing).await, Ok(2), "it has no backoff");
        assert_eq!(info(&root, "sick").await.state, ChildState::BackingOff);
    });
}

#[test]
fn a_delay_that_no_clock_can_tell_is_a_very_long_one() {
    paused(async {
        let bench = Bench::with(Backoff::constant(Duration::MAX).jitter(1.0));
        let century = secs(100 * 365 * 24 * 60 * 60);
        assert!(bench.fail().await > century / 4);
        let token = bench.info().await.token;
        assert_eq!(bench.root.send(Restart(token)).await.unwrap(), Ok(()));
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(2));
        bench.fail().await;
        assert!(bench.root.send(Stop).await.unwrap().is_clean());
    });
}
