//! Others on a thread that is found to be stuck move away.

use std::thread;

use actix::prelude::*;
use actix_supervisor::{EventKind, Failure, Placement, Replace, Stop, Supervisor};

use crate::{
    place::{LIMIT, failure, patient, puppet, root, stick, thread_of, watched},
    puppet::{Puppet, life, tell},
    seen::{Events, real},
    support::{is_failure, status, token},
};

/// `stuck` and `a` on one thread, `b` on the other, started in this order.
async fn pool() -> ([Addr<Puppet>; 3], Addr<Supervisor>, Events) {
    let specs = [
        watched("child", &Placement::Pool),
        puppet("b", &Placement::Pool),
        puppet("a", &Placement::Pool).mailbox_capacity(0),
    ];
    let [child, b, a] = specs.each_ref().map(|spec| spec.addr());
    let (root, seen) = root(patient().arbiters(2), specs);
    seen.until("root/a: ChildReady").await;
    assert_eq!(thread_of(&child).await, thread_of(&a).await);
    assert_ne!(thread_of(&child).await, thread_of(&b).await);
    ([child, a, b], root, seen)
}

/// Waits until the one that was stuck and its sibling have left the thread that was given up.
async fn both_come_back(seen: &Events) {
    for _ in 0..2 {
        loop {
            let event = seen.next().await;
            if matches!(event.kind, EventKind::ChildCameBack { .. }) {
                break;
            }
        }
    }
}

#[test]
fn siblings_on_a_stuck_thread_of_the_pool_move_away_with_their_mailboxes_and_that_is_no_failure() {
    real(async {
        let ([child, a, b], root, seen) = pool().await;
        let (before, others) = (thread_of(&a).await, thread_of(&b).await);
        let stuck = stick(&child).await;
        let (queued, behind) = (child.send(life()), a.send(life()));
        let mut failed = Vec::new();
        loop {
            let event = seen.next().await;
            if is_failure(&event) {
                failed.push(event.path.join("/"));
            }
            if matches!(event.kind, EventKind::ChildReady { .. }) && event.path[1] == "a" {
                break;
            }
        }
        assert_eq!(failed, ["root/child"]);
        assert_eq!((queued.await, behind.await), (Ok(2), Ok(2)));
        let (child_now, a_now) = (thread_of(&child).await, thread_of(&a).await);
        assert!(child_now != before && a_now != before);
        assert_eq!(b.send(life()).await, Ok(1), "it was not concerned");
        assert_eq!(thread_of(&b).await, others);
        assert_eq!(status(&root).await.failures.ceil(), 1.0);

        stuck.release();
        both_come_back(&seen).await;
        assert_eq!(status(&root).await.left_behind, 0);
        assert_eq!((child.send(life()).await, a.send(life()).await), (Ok(2), Ok(2)));
        let report = root.send(Stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn nothing_is_started_on_a_thread_that_was_given_up() {
    real(async {
        let ([child, a, b], root, seen) = pool().await;
        let before = thread_of(&a).await;
        let stuck = stick(&child).await;
        seen.until("root/a: ChildRestarted").await;
        for addr in [&child, &a, &b].into_iter().cycle().take(12) {
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            assert_ne!(thread_of(addr).await, before);
        }
        let report = root.send(Stop).await.unwrap();
        let mut left: Vec<_> = crate::seen::paths(&report);
        left.sort();
        assert_eq!(left, ["root/a", "root/child"]);
        assert_eq!(report.threads, 1);
        stuck.release();
    });
}

#[test]
fn messages_to_the_sibling_are_handled_once_and_in_order_while_it_moves() {
    real(async {
        let ([child, a, _b], root, seen) = pool().await;
        let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let noting = |number: u32| {
            let log = std::sync::Arc::clone(&log);
            tell(move |_, _| log.lock().unwrap().push(number))
        };
        let stuck = stick(&child).await;
        let (told, messages) = (a.clone(), (0..3_000).map(noting).collect::<Vec<_>>());
        let sender = thread::spawn(move || {
            for message in messages {
                told.do_send(message);
                thread::yield_now();
            }
        });
        seen.until("root/a: ChildReady").await;
        stuck.release();
        tokio::task::spawn_blocking(move || sender.join().unwrap()).await.unwrap();
        assert_eq!(a.send(life()).await, Ok(2));
        assert_eq!(*log.lock().unwrap(), (0..3_000).collect::<Vec<_>>());
        both_come_back(&seen).await;
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_child_that_has_left_the_pool_for_an_arbiter_concerns_nobody_there_when_it_is_stuck() {
    real(async {
        let ([child, a, _b], root, seen) = pool().await;
        let (arbiter, before) = (Arbiter::new(), thread_of(&a).await);
        let token = token(&root, "child").await;
        let place = Placement::Arbiter(arbiter.handle());
        root.send(Replace(token, watched("child", &place))).await.unwrap().unwrap();
        assert_ne!(thread_of(&child).await, before);
        let stuck = stick(&child).await;
        seen.until("root/child: ChildFailed").await;
        stuck.release();
        seen.until("root/child: ChildCameBack").await;
        assert_eq!((a.send(life()).await, thread_of(&a).await), (Ok(1), before));
        assert!(root.send(Stop).await.unwrap().is_clean());
        arbiter.stop();
    });
}

#[test]
fn of_all_that_are_watched_on_a_stuck_thread_the_stuck_one_fails_and_one_thread_is_left_behind() {
    real(async {
        let names: Vec<_> = (0..20).map(|index| format!("child {index}")).collect();
        let specs: Vec<_> = names.iter().map(|name| watched(name, &Placement::Pool)).collect();
        let addrs: Vec<_> = specs.iter().map(|spec| spec.addr()).collect();
        let inline = Puppet::spec("inline");
        let inlines_addr = inline.addr();
        let (root, seen) = root(patient().arbiters(1), specs.into_iter().chain([inline]));
        for addr in &addrs {
            assert_eq!(addr.send(life()).await, Ok(1));
        }
        let stuck = stick(&addrs[7]).await;
        // The supervisor finds out about all of them at the same time.
        let held_up = inlines_addr.send(tell(|_, _| {
            let (_open, nothing) = std::sync::mpsc::channel::<()>();
            let _ = nothing.recv_timeout(LIMIT * 2);
        }));
        held_up.await.unwrap();
        let (mut failed, mut restarted) = (Vec::new(), 0);
        while restarted < addrs.len() {
            let event = seen.next().await;
            if is_failure(&event) {
                failed.push(event.path.join("/"));
            }
            restarted += usize::from(matches!(event.kind, EventKind::ChildRestarted { .. }));
        }
        for addr in &addrs {
            assert_eq!(addr.send(life()).await, Ok(2));
        }
        assert_eq!(failed, ["root/child 7"]);
        assert_eq!(status(&root).await.left_behind, 1, "they were on one thread");
        stuck.release();
        for _ in &addrs {
            while !matches!(seen.next().await.kind, EventKind::ChildCameBack { .. }) {}
        }
        assert_eq!(status(&root).await.left_behind, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn the_one_that_is_stuck_has_failed_whoever_on_its_thread_did_not_answer_first() {
    let limits = [Some(LIMIT * 100), None];
    for limit in limits {
        real(async {
            let stuck = puppet("stuck", &Placement::Pool);
            let stuck = match limit {
                Some(limit) => stuck.watchdog(limit),
                None => stuck,
            };
            let specs = [watched("a", &Placement::Pool), stuck, watched("b", &Placement::Pool)];
            let [a, stucks_addr, b] = specs.each_ref().map(|spec| spec.addr());
            let (root, seen) = root(patient().arbiters(1), specs);
            for addr in [&a, &stucks_addr, &b] {
                assert_eq!(addr.send(life()).await, Ok(1));
            }
            let stuck = stick(&stucks_addr).await;
            let event = loop {
                let event = seen.next().await;
                if is_failure(&event) {
                    break event;
                }
            };
            assert_eq!(event.path, ["root", "stuck"]);
            assert!(matches!(failure(&event), Failure::Unresponsive(LIMIT)), "{event}");
            for addr in [&a, &stucks_addr, &b] {
                assert_eq!(addr.send(life()).await, Ok(2));
            }
            assert_eq!(status(&root).await.failures.ceil(), 1.0);
            stuck.release();
            assert!(seen.lines().iter().all(|line| !line.contains("ChildFailed")));
            root.send(Stop).await.unwrap();
        });
    }
}
