//! A watchdog finds stuck threads, and the child goes on without them.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    task::Poll,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    AddAndWait, AddError, CancellationToken, ChildSpec, ChildState, EndReason, EventKind, Failure,
    OnLimit, Placement, RestartPolicy, Stop, Supervisor,
};
use futures::future::{Either, join_all, select};
use tokio::{
    sync::{Notify, mpsc::unbounded_channel},
    task::yield_now,
};

use crate::{
    place::{
        LIMIT, Stuck, ask, each_elsewhere, each_of_its_own, failure, patient, puppet, root, stick,
        thread_of, watched,
    },
    puppet::{OnDrop, Puppet, life, tell},
    seen::{Events, paths, real},
    support::{list, now, status},
};

/// Keeps the thread for this time.
fn work(time: Duration) {
    let (_open, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time);
}

/// Waits until the watchdog has found it.
async fn is_found(seen: &Events) {
    let event = seen.until("root/child: ChildFailed").await;
    assert!(matches!(failure(&event), Failure::Unresponsive(LIMIT)), "{event}");
}

/// Waits until the stuck thread has gone on.
async fn comes_back(seen: &Events) {
    let event = seen.until("root/child: ChildCameBack").await;
    assert!(matches!(event.kind, EventKind::ChildCameBack { .. }));
}

#[test]
fn the_next_incarnation_takes_over_what_a_stuck_handler_has_left_in_the_mailbox() {
    each_of_its_own(async |place| {
        let spec = watched("child", &place).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, seen) = root(patient(), [spec]);
        let before = thread_of(&addr).await;
        let (dropped, mut drops) = unbounded_channel();
        let held = OnDrop::new(move || {
            let _ = dropped.send(std::thread::current().id());
        });
        let (block, mut stuck) = Stuck::new();
        let in_hand = addr.send(tell(move |puppet, _| {
            puppet.holds.push(held);
            block();
        }));
        let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
        stuck.is_stuck().await;
        is_found(&seen).await;
        for behind in behind {
            assert_eq!(behind.await, Ok(2));
        }
        let (own, lives) = ask(&addr, |puppet, ctx| (ctx.address(), puppet.life)).await;
        assert_eq!((own, lives), (addr.clone(), 2));
        assert_ne!(thread_of(&addr).await, before);
        assert_eq!(status(&root).await.left_behind, 1);
        assert!(drops.try_recv().is_err());

        stuck.release();
        comes_back(&seen).await;
        assert_eq!(drops.try_recv(), Ok(before), "dropped on its own thread");
        assert_eq!(in_hand.await, Ok(1), "what it was at is done");
        let status = status(&root).await;
        assert_eq!((status.left_behind, status.restarts), (0, 1));
        assert_eq!(addr.send(life()).await, Ok(2));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn what_comes_back_handles_nothing_more() {
    each_of_its_own(async |place| {
        let spec = watched("child", &place).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, seen) = root(patient(), [spec]);
        let by_the_old_one = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&by_the_old_one);
        let counting = move |puppet: &mut Puppet| {
            if puppet.life == 1 {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let (block, mut stuck) = Stuck::new();
        let (in_timer, on_stop) = (counting.clone(), Arc::clone(&by_the_old_one));
        addr.do_send(tell(move |puppet, ctx| {
            puppet.on_stopped = Box::new(move || {
                on_stop.fetch_add(1, Ordering::SeqCst);
            });
            ctx.run_interval(Duration::from_millis(1), move |puppet, _| in_timer(puppet));
            ctx.address().do_send(tell(|_, _| {}));
            ctx.wait(async { block() }.into_actor(puppet));
        }));
        stuck.is_stuck().await;
        let by_timers = by_the_old_one.load(Ordering::SeqCst);
        is_found(&seen).await;
        // They are in the mailbox when it goes on.
        let pausing = stick(&addr).await;
        for _ in 0..100 {
            let counting = counting.clone();
            addr.do_send(tell(move |puppet, _| counting(puppet)));
        }
        stuck.release();
        comes_back(&seen).await;
        pausing.release();
        assert_eq!(addr.send(life()).await, Ok(2));
        assert_eq!(by_the_old_one.load(Ordering::SeqCst), by_timers);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn on_an_arbiter_of_the_applications_it_goes_on_when_that_does() {
    real(async {
        let arbiter = Arbiter::new();
        let place = Placement::Arbiter(arbiter.handle());
        let spec = watched("child", &place).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, seen) = root(patient(), [spec]);
        let before = thread_of(&addr).await;
        let stuck = stick(&addr).await;
        let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
        is_found(&seen).await;
        stuck.release();
        comes_back(&seen).await;
        let mut lives = Vec::new();
        for behind in behind {
            lives.push(behind.await.unwrap());
        }
        assert!(lives.is_sorted() && lives[0] >= 2, "{lives:?}");
        assert_eq!(thread_of(&addr).await, before);
        assert!(root.send(Stop).await.unwrap().is_clean());
        arbiter.stop();
    });
}

/// Watches a child on an arbiter that stays stuck, under a supervisor with this setting.
fn on_an_arbiter_that_stays_stuck(on_limit: OnLimit) {
    real(async {
        let arbiter = Arbiter::new();
        let spec = watched("child", &Placement::Arbiter(arbiter.handle()));
        let addr = spec.addr();
        let (spec_of_root, seen) = Events::hooked(patient().on_limit(on_limit));
        let root = Supervisor::with_spec("root", spec_of_root).unwrap().child(spec);
        let (root, ended) = (root.addr(), actix_rt::spawn(root.serve()));
        let stuck = stick(&addr).await;
        let behind = addr.send(life());
        for _ in 0..2 {
            is_found(&seen).await;
        }
        match on_limit {
            OnLimit::Backoff => {
                let event = seen.until("root/child: ChildEnded").await;
                let EventKind::ChildEnded { reason, .. } = &event.kind else { panic!() };
                assert!(matches!(reason, EndReason::Stranded(Failure::Unresponsive(LIMIT))));
                assert!(event.to_string().contains("nowhere to start it again"), "{event}");
                let status = status(&root).await;
                assert_eq!((status.left_behind, status.children.total()), (1, 0));
                assert_eq!(paths(&root.send(Stop).await.unwrap()), ["root/child"; 2]);
            }
            OnLimit::Escalate => match ended.await.unwrap() {
                Err(Failure::LimitReached { last, .. }) => {
                    assert!(matches!(*last, Failure::Unresponsive(LIMIT)), "{last}");
                }
                ended => panic!("{ended:?}"),
            },
        }
        assert_eq!(behind.await, Err(MailboxError::Closed));
        stuck.release();
        arbiter.stop();
    });
}

#[test]
fn on_an_arbiter_that_stays_stuck_it_is_started_once_more_and_has_then_failed_for_good() {
    on_an_arbiter_that_stays_stuck(OnLimit::Backoff);
}

#[test]
fn on_an_arbiter_that_stays_stuck_its_second_failure_escalates_if_it_is_to() {
    on_an_arbiter_that_stays_stuck(OnLimit::Escalate);
}

#[test]
fn a_start_that_is_stuck_is_found_in_started() {
    each_of_its_own(async |place| {
        let (block, mut stuck) = Stuck::each_time();
        let spec = Puppet::starting("child", move |life, _| {
            if life == 1 {
                block();
            }
        });
        let (addr, spec) = (spec.addr(), spec.placement(place.clone()).watchdog(LIMIT));
        let (root, seen) = root(patient(), [spec]);
        let early = addr.send(life());
        stuck.is_stuck().await;
        is_found(&seen).await;
        assert_eq!(early.await, Ok(2));
        stuck.release();
        comes_back(&seen).await;
        assert_eq!(addr.send(life()).await, Ok(2));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_factory_that_is_stuck_makes_nothing_until_it_has_returned() {
    each_of_its_own(async |place| {
        let (block, mut stuck) = Stuck::each_time();
        let (made, mut lives) = (Arc::new(AtomicU32::new(0)), 0);
        let count = Arc::clone(&made);
        let spec = ChildSpec::actor("child", move |_| {
            lives += 1;
            if lives == 1 {
                block();
            }
            count.fetch_add(1, Ordering::SeqCst);
            Puppet::new(lives)
        });
        let delay = actix_supervisor::Backoff::constant(Duration::from_millis(20));
        let (addr, spec) = (spec.addr(), spec.placement(place.clone()).watchdog(LIMIT));
        let (root, seen) = root(patient(), [spec.backoff(delay)]);
        let early = addr.send(life());
        stuck.is_stuck().await;
        is_found(&seen).await;
        let event = seen.until("root/child: ChildFailed").await;
        assert!(failure(&event).to_string().contains("still in its factory"), "{event}");
        assert_eq!(made.load(Ordering::SeqCst), 0);
        stuck.release();
        comes_back(&seen).await;
        assert_eq!(early.await, Ok(2));
        assert_eq!(made.load(Ordering::SeqCst), 2);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn without_a_backoff_starts_behind_a_stuck_factory_do_not_follow_each_other_at_once() {
    each_of_its_own(async |place| {
        let (block, mut stuck) = Stuck::each_time();
        let makes = AtomicU32::new(0);
        let spec = ChildSpec::actor("child", move |_| {
            if makes.fetch_add(1, Ordering::SeqCst) == 0 {
                block();
            }
            Puppet::new(makes.load(Ordering::SeqCst))
        });
        let (addr, spec) = (spec.addr(), spec.placement(place.clone()).watchdog(LIMIT));
        let (root, seen) = root(patient(), [spec]);
        stuck.is_stuck().await;
        is_found(&seen).await;
        let event = seen.until("root/child: ChildFailed").await;
        assert!(failure(&event).to_string().contains("still in its factory"), "{event}");
        let next = list(&root).await[0].next_start.expect("it waits");
        assert_eq!(list(&root).await[0].state, ChildState::BackingOff);
        let event = seen.until("root/child: ChildRestarted").await;
        assert!(matches!(event.kind, EventKind::ChildRestarted { restarts: 2, .. }), "{event}");
        assert!(now() >= next);
        stuck.release();
        comes_back(&seen).await;
        assert_eq!(addr.send(life()).await, Ok(2));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_first_start_that_is_stuck_is_told_to_who_waits_for_it() {
    each_elsewhere(async |place| {
        let (block, mut stuck) = Stuck::each_time();
        let spec = Puppet::starting("child", move |_, _| block()).placement(place.clone());
        let (root, seen) = root(patient(), []);
        let added = root.send(AddAndWait(spec.watchdog(LIMIT)));
        stuck.is_stuck().await;
        match added.await.unwrap() {
            Err(AddError::Start(Failure::Unresponsive(LIMIT))) => {}
            answer => panic!("{answer:?}"),
        }
        assert!(list(&root).await.is_empty());
        assert_eq!(status(&root).await.left_behind, 1);
        stuck.release();
        comes_back(&seen).await;
        assert_eq!(status(&root).await.left_behind, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_temporary_child_ends_when_its_thread_is_stuck() {
    each_elsewhere(async |place| {
        let spec = watched("child", &place).restart(RestartPolicy::Temporary);
        let addr = spec.addr();
        let (root, seen) = root(patient(), [spec]);
        let stuck = stick(&addr).await;
        let behind = addr.send(life());
        is_found(&seen).await;
        seen.until("root/child: ChildEnded").await;
        assert_eq!(behind.await, Err(MailboxError::Closed));
        assert_eq!(status(&root).await.left_behind, 1);
        let report = root.send(Stop).await.unwrap();
        assert_eq!(paths(&report), ["root/child"]);
        stuck.release();
    });
}

#[test]
fn a_service_whose_thread_is_stuck_is_called_again_elsewhere() {
    each_of_its_own(async |place| {
        let (block, mut stuck) = Stuck::each_time();
        let (called, mut calls) = unbounded_channel();
        let mut calls_so_far = 0;
        let service = ChildSpec::service("child", move |stop: CancellationToken| {
            calls_so_far += 1;
            let _ = called.send(std::thread::current().id());
            if calls_so_far == 1 {
                block();
            }
            async move { stop.cancelled().await }
        });
        let (spec, seen) = Events::hooked(patient());
        let service = service.placement(place.clone()).watchdog(LIMIT);
        let backoff = actix_supervisor::Backoff::constant(Duration::from_millis(20));
        let root = Supervisor::with_spec("root", spec).unwrap().child(service.backoff(backoff));
        let root = root.start();
        let first = calls.recv().await.unwrap();
        stuck.is_stuck().await;
        is_found(&seen).await;
        stuck.release();
        comes_back(&seen).await;
        assert_ne!(calls.recv().await.unwrap(), first);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

/// Has it answer nobody but the watchdog, for longer than the limit.
async fn keep_busy(addr: &Addr<Puppet>) {
    let busy = addr.send(tell(|puppet, ctx| {
        ctx.wait(async { tokio::time::sleep(LIMIT * 2).await }.into_actor(puppet));
    }));
    busy.await.unwrap();
}

#[test]
fn what_is_busy_but_answers_is_no_failure() {
    each_elsewhere(async |place| {
        let child = watched("child", &place);
        let addr = child.addr();
        let (root, seen) = root(patient(), [child]);
        seen.until("root/child: ChildReady").await;
        keep_busy(&addr).await;
        assert_eq!(addr.send(life()).await, Ok(1));
        assert_eq!(status(&root).await.restarts, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_supervisor_that_is_late_itself_takes_nobody_for_stuck() {
    real(async {
        let arbiter = Arbiter::new();
        let places = [Placement::Arbiter(arbiter.handle()), Placement::Dedicated, Placement::Pool];
        let children = places.each_ref().map(|place| watched("child", place));
        let (inline, addrs) = (Puppet::spec("inline"), children.each_ref().map(ChildSpec::addr));
        let inlines_addr = inline.addr();
        let (root, _seen) = root(patient(), children.into_iter().chain([inline]));
        for addr in &addrs {
            keep_busy(addr).await;
        }
        // Their supervisor does not look at any answer in this time.
        inlines_addr.send(tell(|_, _| work(LIMIT * 2))).await.unwrap();
        for addr in &addrs {
            assert_eq!(addr.send(life()).await, Ok(1));
        }
        assert_eq!(status(&root).await.restarts, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
        arbiter.stop();
    });
}

#[test]
fn a_backlog_of_short_work_that_takes_longer_than_the_limit_is_no_failure() {
    each_elsewhere(async |place| {
        let spec = watched("child", &place).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let busy = |_: &mut Puppet, ctx: &mut Context<Puppet>| {
            work(LIMIT / 8);
            // Has Actix poll the whole context again, in the same turn.
            ctx.run_later(LIMIT, |_, _| {});
        };
        let all: Vec<_> = (0..20).map(|_| addr.send(tell(busy))).collect();
        assert!(join_all(all).await.iter().all(|by| *by == Ok(1)));
        assert_eq!(status(&root).await.restarts, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

/// So many pieces of short work, each of which has its actor notify itself of the next.
#[derive(Message)]
#[rtype(result = "()")]
struct Pieces {
    left: u32,
    done: Arc<Notify>,
}

impl Handler<Pieces> for Puppet {
    type Result = ();

    fn handle(&mut self, Pieces { left, done }: Pieces, ctx: &mut Self::Context) {
        work(LIMIT / 8);
        if left == 0 {
            return done.notify_one();
        }
        ctx.notify(Pieces { left: left - 1, done });
    }
}

#[test]
fn work_of_which_an_actor_notifies_itself_piece_by_piece_is_no_failure() {
    each_elsewhere(async |place| {
        let spec = watched("child", &place);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let done = Arc::new(Notify::new());
        addr.do_send(Pieces { left: 14, done: Arc::clone(&done) });
        let is_restarted = async {
            while status(&root).await.restarts == 0 {
                yield_now().await;
            }
        };
        match select(pin!(done.notified()), pin!(is_restarted)).await {
            Either::Left(_) => assert!(root.send(Stop).await.unwrap().is_clean()),
            Either::Right(_) => panic!("it was taken for stuck"),
        }
    });
}

#[test]
fn a_backlog_of_short_work_holds_up_nobody_else_on_its_thread_for_long() {
    real(async {
        let specs = [puppet("busy", &Placement::Pool), watched("watched", &Placement::Pool)];
        let addrs = specs.each_ref().map(ChildSpec::addr);
        let specs = specs.map(|spec| spec.mailbox_capacity(0));
        let (root, _seen) = root(patient().arbiters(1), specs);
        let all: Vec<_> = (0..20).map(|_| addrs[0].send(tell(|_, _| work(LIMIT / 8)))).collect();
        let all = actix_rt::spawn(join_all(all));
        assert_eq!(addrs[1].send(life()).await, Ok(1));
        assert!(!all.is_finished(), "it did not wait for all of that");
        assert!(all.await.unwrap().iter().all(|by| *by == Ok(1)));
        assert_eq!(status(&root).await.restarts, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_thread_on_which_many_have_short_work_to_do_is_not_stuck() {
    real(async {
        let specs: Vec<_> = (0..12)
            .map(|index| Puppet::starting(&index.to_string(), |_, _| work(LIMIT / 10)))
            .map(|spec| spec.placement(Placement::Pool).watchdog(LIMIT).mailbox_capacity(0))
            .collect();
        let addrs: Vec<_> = specs.iter().map(ChildSpec::addr).collect();
        let (root, _seen) = root(patient().arbiters(1), specs);
        for addr in &addrs {
            assert_eq!(addr.send(life()).await, Ok(1), "all of them start");
        }
        let twice = addrs.iter().chain(&addrs);
        let all: Vec<_> = twice.map(|addr| addr.send(tell(|_, _| work(LIMIT / 20)))).collect();
        assert!(join_all(all).await.iter().all(|by| *by == Ok(1)));
        assert_eq!(status(&root).await.restarts, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn an_arbiter_that_has_much_to_do_for_another_supervisor_is_not_stuck() {
    real(async {
        let arbiter = Arbiter::new();
        let place = Placement::Arbiter(arbiter.handle());
        let busy: Vec<_> = (0..16).map(|index| puppet(&index.to_string(), &place)).collect();
        let addrs: Vec<_> = busy.iter().map(ChildSpec::addr).collect();
        let (others, _) = root(patient(), busy);
        let child = watched("child", &place);
        let addr = child.addr();
        let (root, _seen) = root(patient(), [child]);
        assert_eq!(addr.send(life()).await, Ok(1));
        let twice = addrs.iter().chain(&addrs);
        let all: Vec<_> = twice.map(|addr| addr.send(tell(|_, _| work(LIMIT / 12)))).collect();
        assert!(join_all(all).await.iter().all(|by| *by == Ok(1)));
        assert_eq!(addr.send(life()).await, Ok(1));
        assert_eq!(status(&root).await.restarts, 0);
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert!(others.send(Stop).await.unwrap().is_clean());
        arbiter.stop();
    });
}

#[test]
fn a_supervisor_that_is_late_looks_at_all_answers_before_it_gives_anybody_up() {
    real(async {
        let is_late = Arc::new(AtomicBool::new(false));
        let (started, all) = (Arc::new(AtomicU32::new(0)), 300);
        let specs: Vec<_> = (0..all)
            .map(|index| {
                let (is_late, started) = (Arc::clone(&is_late), Arc::clone(&started));
                let spec = Puppet::starting(&index.to_string(), move |_, _| {
                    while !is_late.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    started.fetch_add(1, Ordering::SeqCst);
                });
                spec.placement(Placement::Pool).watchdog(LIMIT)
            })
            .collect();
        let addrs: Vec<_> = specs.iter().map(ChildSpec::addr).collect();
        // It keeps its supervisor for longer than the limit, and until the others have answered.
        let late = Puppet::starting("late", move |_, _| {
            is_late.store(true, Ordering::SeqCst);
            work(LIMIT * 2);
            while started.load(Ordering::SeqCst) < all {
                std::thread::yield_now();
            }
        });
        let (root, _seen) = root(patient().arbiters(2), specs.into_iter().chain([late]));
        // And there are others on its thread that want their turn.
        let busy = || {
            futures::future::poll_fn(|task| {
                task.waker().wake_by_ref();
                Poll::<()>::Pending
            })
        };
        let busy: Vec<_> = (0..100).map(|_| actix_rt::spawn(busy())).collect();
        for addr in &addrs {
            assert_eq!(addr.send(life()).await, Ok(1));
        }
        assert_eq!(status(&root).await.restarts, 0);
        busy.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
