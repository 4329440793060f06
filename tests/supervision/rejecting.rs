//! Where `WhileDown::Reject` ends: what is in the mailbox at a start is the new incarnation's.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix::prelude::*;
use actix_supervisor::{
    Add, Backoff, ChildSpec, OnLimit, RemoveAndWait, Replace, Restart, Shutdown, Strategy,
    Supervisor, WhileDown,
};

use crate::{
    puppet::{OnDrop, Puppet, Tell, life, tell},
    support::{
        exact, fragile, info, now, paused, placed, secs, settle, sleep, start, status, token,
    },
};

fn boom() -> Tell {
    tell(|_, _| panic!("boom"))
}

#[test]
fn a_start_in_the_middle_of_a_rejection_leaves_the_other_messages_to_the_new_incarnation() {
    paused(async {
        let (dropped, at_start) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (so_far, noted, mut lives) = (Arc::clone(&dropped), Arc::clone(&at_start), 0);
        let spec = ChildSpec::actor("child", move |_| {
            lives += 1;
            noted.store(so_far.load(Ordering::Relaxed), Ordering::Relaxed);
            Puppet::new(lives)
        });
        let root = start("root", fragile());
        let spec = spec.while_down(WhileDown::Reject).mailbox_capacity(0);
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        child.addr().do_send(boom());
        settle().await;
        assert_eq!(status(&root).await.children.backing_off, 1);

        // More than are dropped in one go.
        let send = |_| {
            let dropped = Arc::clone(&dropped);
            let counted = OnDrop::new(move || {
                dropped.fetch_add(1, Ordering::Relaxed);
            });
            child.addr().send(tell(move |_, _| drop(counted)))
        };
        let answers: Vec<_> = (0..1000).map(send).collect();
        assert_eq!(root.send(Restart(child.token())).await.unwrap(), Ok(()));
        let rejected = at_start.load(Ordering::Relaxed);
        assert!((1..1000).contains(&rejected), "{rejected} are no beginning");
        for (number, answer) in answers.into_iter().enumerate() {
            let expected = if number < rejected { Err(MailboxError::Closed) } else { Ok(2) };
            assert_eq!(answer.await, expected, "{number}, {rejected} were rejected");
        }
    });
}

#[test]
fn a_member_of_a_group_that_is_down_for_no_time_at_all_loses_no_message_but_that_in_hand() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        paused(async {
            let spec = Puppet::spec("child").while_down(WhileDown::Reject);
            let addr = spec.addr();
            let root = Supervisor::with_spec("root", exact().strategy(strategy)).unwrap();
            let _root = root.child(spec).start();
            assert_eq!(addr.send(life()).await, Ok(1));
            let poisoned = addr.send(boom());
            let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
            assert_eq!(poisoned.await, Err(MailboxError::Closed));
            for behind in behind {
                assert_eq!(behind.await, Ok(2), "{strategy:?}");
            }
        });
    }
}

#[test]
fn a_pool_that_rejects_while_it_is_down_rejects_nothing_while_a_member_is_up() {
    paused(async {
        let mut made = 0;
        let spec = ChildSpec::pool("workers", 2, move |_| {
            made += 1;
            Puppet::new(made)
        });
        let spec = placed(spec).backoff(Backoff::constant(secs(5))).while_down(WhileDown::Reject);
        let root = start("root", exact().failure_threshold(1_000.0));
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        let pool = child.addr();
        settle().await;
        for up_again in [3, 5] {
            let waits = |_: &mut Puppet, ctx: &mut Context<Puppet>| {
                ctx.wait(fut::wrap_future(sleep(secs(1))));
            };
            assert!(pool.send(boom()).await.is_err());
            let one_is_down = now();
            pool.do_send(tell(waits));
            assert!(pool.send(life()).await.is_ok(), "the other one is up");
            assert_eq!((now() - one_is_down).as_secs(), 1);
            pool.send(boom()).await.unwrap_err();
            let both_are_down = now();
            assert_eq!(pool.send(life()).await, Err(MailboxError::Closed));
            assert_eq!(now(), both_are_down);
            sleep(secs(6)).await;
            assert!(pool.send(life()).await.unwrap() >= up_again);
        }
        for _ in 0..2 {
            pool.send(boom()).await.unwrap_err();
        }
        root.send(RemoveAndWait { token: child.token(), timeout: None }).await.unwrap().unwrap();
        assert!(!pool.connected(), "nobody rejects any more");
    });
}

#[test]
fn messages_before_its_first_start_are_kept_when_its_supervisor_fails_before_it() {
    paused(async {
        let first = Puppet::starting("first", |life, _| assert_ne!(life, 1, "boom"));
        let second = Puppet::spec("second").while_down(WhileDown::Reject);
        let addr = second.addr();
        let group = fragile().strategy(Strategy::RestForOne).on_limit(OnLimit::Escalate);
        let group = Supervisor::with_spec("group", group).unwrap().child(first).child(second);
        let group = ChildSpec::supervisor(group).backoff(Backoff::constant(secs(1)));
        let _root = Supervisor::new("root").child(group).start();
        settle().await;
        // The group is down, and its second child has never been up.
        assert_eq!(addr.send(life()).await, Ok(1));
    });
}

#[test]
fn one_that_has_yet_to_start_keeps_its_messages_when_one_that_rejects_takes_its_place() {
    paused(async {
        let slow = Puppet::starting("slow", |_, ctx| ctx.wait(fut::wrap_future(sleep(secs(9)))));
        let second = Puppet::spec("second");
        let addr = second.addr();
        let root = Supervisor::with_spec("root", exact().strategy(Strategy::RestForOne)).unwrap();
        let root = root.child(slow).child(second).start();
        let waiting = addr.send(life());
        let rejects = Puppet::spec("second").while_down(WhileDown::Reject);
        let second = token(&root, "second").await;
        assert_eq!(root.send(Replace(second, rejects)).await.unwrap(), Ok(()));
        assert_eq!(waiting.await, Ok(1));
    });
}

#[test]
fn one_that_was_up_before_its_supervisor_failed_rejects_from_its_replacement_on() {
    paused(async {
        let first = Puppet::starting("first", |life, ctx| {
            if life == 2 {
                ctx.wait(fut::wrap_future(sleep(secs(60))));
            }
        });
        let (first_addr, second) = (first.addr(), Puppet::spec("second"));
        let addr = second.addr();
        let group = fragile().strategy(Strategy::RestForOne).on_limit(OnLimit::Escalate);
        let group = Supervisor::with_spec("group", group).unwrap().child(first).child(second);
        let group_addr = group.addr();
        let _root = Supervisor::new("root").child(ChildSpec::supervisor(group)).start();
        assert_eq!(addr.send(life()).await, Ok(1));
        first_addr.send(boom()).await.unwrap_err();
        settle().await;

        // The group is up again, and its second child waits for the first one.
        let failed = info(&group_addr, "first").await.last_failure;
        assert_eq!(failed.unwrap().to_string(), "panicked: boom", "it is known from before");
        let waiting = addr.send(life());
        let rejects = Puppet::spec("second").while_down(WhileDown::Reject);
        let second = token(&group_addr, "second").await;
        assert_eq!(group_addr.send(Replace(second, rejects)).await.unwrap(), Ok(()));
        let replaced = now();
        assert_eq!(waiting.await, Err(MailboxError::Closed));
        assert!(now() - replaced < secs(1));
    });
}

#[test]
fn one_that_stops_for_its_replacement_rejects_nothing_while_it_does() {
    paused(async {
        let mut lives = 0;
        let stubborn = ChildSpec::actor("child", move |_| {
            lives += 1;
            let mut puppet = Puppet::new(lives);
            puppet.on_stopping = Box::new(|_| Running::Continue);
            puppet
        });
        let stubborn = placed(stubborn).shutdown(Shutdown::Timeout(secs(2)));
        let addr = stubborn.addr();
        let root = Supervisor::new("root").child(stubborn).start();
        assert_eq!(addr.send(life()).await, Ok(1));
        let child = token(&root, "child").await;
        let rejects = Puppet::spec("child").while_down(WhileDown::Reject);
        let replaced = root.send(Replace(child, rejects));
        let replaced = actix_rt::spawn(replaced);
        settle().await;
        let waiting = addr.send(life());
        assert_eq!(replaced.await.unwrap().unwrap(), Ok(()));
        assert_eq!(waiting.await, Ok(1), "of the new spec it is the first one");
    });
}
