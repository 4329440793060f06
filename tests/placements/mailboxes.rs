//! The mailbox and the address outlive each incarnation, wherever it runs.

use std::sync::{Arc, Mutex};

use actix::prelude::*;
use actix_supervisor::{AddAndWait, Kill, Restart, Resume, Stop, SupervisedContext, WhileDown};
use futures::future::join_all;

use crate::{
    place::{ask, each_elsewhere, each_placement, patient, puppet, root, stick},
    puppet::{life, tell},
    support::{exact, info, secs, status},
};

#[test]
fn every_message_but_those_in_hand_at_a_panic_is_handled_once_and_in_order() {
    each_placement(async |place| {
        let spec = puppet("child", &place).mailbox_capacity(0);
        let (addr, log) = (spec.addr(), Arc::new(Mutex::new(Vec::new())));
        let (root, _seen) = root(patient(), [spec]);
        let sent = (0..1000_u32).map(|number| {
            let log = Arc::clone(&log);
            addr.send(tell(move |_, _| {
                assert!(number % 10 != 9, "boom");
                log.lock().unwrap().push(number);
            }))
        });
        let answers = join_all(sent).await;
        for (number, answer) in answers.into_iter().enumerate() {
            let life_then = u32::try_from(number / 10).unwrap() + 1;
            let expected = if number % 10 == 9 { Err(MailboxError::Closed) } else { Ok(life_then) };
            assert_eq!(answer, expected, "{number}");
        }
        let handled: Vec<u32> = (0..1000).filter(|number| number % 10 != 9).collect();
        assert_eq!(*log.lock().unwrap(), handled);
        // The last panic may still be on its way.
        assert_eq!(addr.send(life()).await, Ok(101));
        assert_eq!(status(&root).await.restarts, 100);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn every_incarnation_has_the_address_that_everybody_has() {
    each_placement(async |place| {
        let spec = puppet("child", &place);
        let addr = spec.addr();
        let (root, seen) = root(patient(), []);
        let child = root.send(AddAndWait(spec)).await.unwrap().unwrap();
        let token = child.token();
        assert_eq!(child.addr(), addr);
        for _ in 0..3 {
            let (own, told) = ask(&addr, |_, ctx| (ctx.address(), ctx.child())).await;
            assert_eq!((own, told), (addr.clone(), Some(token)));
            assert_eq!(info(&root, "child").await.addr(), Some(addr.clone()));
            root.send(Restart(token)).await.unwrap().unwrap();
            seen.until("root/child: ChildReady").await;
            addr.do_send(tell(|_, ctx| ctx.fail("boom")));
            seen.until("root/child: ChildReady").await;
            root.send(Kill(token)).await.unwrap().unwrap();
            seen.until("root/child: ChildReady").await;
        }
        root.send(Stop).await.unwrap();
        assert!(!addr.connected());
        assert_eq!(addr.send(life()).await, Err(MailboxError::Closed));
    });
}

#[test]
fn what_is_sent_before_the_start_and_what_an_actor_sends_to_itself_comes_in_order() {
    each_placement(async |place| {
        let spec = puppet("child", &place);
        let (addr, log) = (spec.addr(), Arc::new(Mutex::new(Vec::new())));
        let noting = |number: u32| {
            let log = Arc::clone(&log);
            tell(move |_, _| log.lock().unwrap().push(number))
        };
        addr.do_send(noting(1));
        let last = noting(3);
        addr.do_send(tell(move |_, ctx| ctx.address().do_send(last)));
        addr.do_send(noting(2));
        let (root, _seen) = root(patient(), [spec]);
        // One for the first three, and one for what they have sent.
        for _ in 0..2 {
            assert_eq!(addr.send(life()).await, Ok(1));
        }
        assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn while_it_is_down_messages_wait_or_are_refused_as_its_spec_says() {
    each_placement(async |place| {
        for senders in [WhileDown::Queue, WhileDown::Reject] {
            let spec = puppet("child", &place).while_down(senders);
            let addr = spec.addr();
            // Nothing but a `Resume` ends this pause in time.
            let settings = exact().failure_threshold(0.0).failure_backoff(secs(100_000));
            let (root, seen) = root(settings, [spec]);
            let poisoned = addr.send(tell(|_, _| panic!("boom")));
            assert_eq!(poisoned.await, Err(MailboxError::Closed));
            seen.until("root: BackoffEntered").await;
            let behind = addr.send(life());
            match senders {
                WhileDown::Queue => {
                    root.send(Resume).await.unwrap();
                    assert_eq!(behind.await, Ok(2));
                }
                WhileDown::Reject => {
                    assert_eq!(behind.await, Err(MailboxError::Closed));
                    root.send(Resume).await.unwrap();
                    seen.until("root/child: ChildReady").await;
                    assert_eq!(addr.send(life()).await, Ok(2));
                }
            }
            root.send(Stop).await.unwrap();
        }
    });
}

#[test]
fn a_mailbox_has_its_capacity_in_every_incarnation() {
    each_elsewhere(async |place| {
        let spec = puppet("child", &place).mailbox_capacity(3);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        for lives in 1..=3 {
            let stuck = stick(&addr).await;
            let sender = addr.clone();
            let room = (0..100).position(|_| sender.try_send(life()).is_err());
            assert_eq!(room, Some(3));
            addr.do_send(tell(|_, _| panic!("boom")));
            stuck.release();
            assert_eq!(addr.send(life()).await, Ok(lives + 1));
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
