//! Nested supervisors on other threads, and what becomes of their children when one goes down without order.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, Failure, Kill, Placement, Restart, Spec, Stop, Supervisor, Tree,
};
use futures::future::join_all;
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    place::{each_of_its_own, each_placement, failure, patient, puppet, stick, thread_of},
    puppet::{Puppet, life, tell},
    seen::Events,
    support::{secs, status, token},
};

/// A supervisor at this place, of a child at each place.
struct Nest {
    root: Addr<Supervisor>,
    sub: Addr<Supervisor>,
    seen: Events,
    children: Vec<Addr<Puppet>>,
    arbiter: Arbiter,
}

const NAMES: [&str; 4] = ["inline", "arbiter", "dedicated", "pool"];

impl Nest {
    fn at(place: &Placement) -> Self {
        Self::with(place, patient())
    }

    fn with(place: &Placement, settings: Spec) -> Self {
        let arbiter = Arbiter::new();
        let places = [
            Placement::Inline,
            Placement::Arbiter(arbiter.handle()),
            Placement::Dedicated,
            Placement::Pool,
        ];
        let specs = NAMES.into_iter().zip(&places).map(|(name, place)| puppet(name, place));
        let specs: Vec<_> = specs.map(|spec| spec.mailbox_capacity(0)).collect();
        let children = specs.iter().map(ChildSpec::addr).collect();
        let nested = Supervisor::with_spec("sub", settings).unwrap();
        let nested = specs.into_iter().fold(nested, Supervisor::child);
        let sub = nested.addr();
        let (spec, seen) = Events::hooked(patient());
        let nested = ChildSpec::supervisor(nested).placement(place.clone());
        let root = Supervisor::with_spec("root", spec).unwrap().child(nested).start();
        Self { root, sub, seen, children, arbiter }
    }

    /// Which incarnation of each child answers.
    async fn lives(&self) -> Vec<u32> {
        let answers = join_all(self.children.iter().map(|child| child.send(life()))).await;
        answers.into_iter().map(|answer| answer.expect("it comes back")).collect()
    }

    async fn stop(self) {
        let report = self.root.send(Stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert!(self.children.iter().all(|child| !child.connected()));
        self.arbiter.stop();
    }
}

#[test]
fn a_tree_across_threads_starts_answers_and_stops() {
    each_placement(async |place| {
        let nest = Nest::at(&place);
        assert_eq!(nest.lives().await, [1; 4]);
        let here = std::thread::current().id();
        let inline = thread_of(&nest.children[0]).await;
        assert_eq!(inline == here, matches!(place, Placement::Inline));
        let tree = nest.root.send(Tree).await.unwrap();
        let below = &tree.supervisors[0];
        let names: Vec<_> = below.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, NAMES);
        assert_eq!(below.status.children.running, 4);
        let child = nest.sub.send(Add(puppet("late", &place))).await.unwrap().unwrap();
        assert_eq!(child.addr().send(life()).await, Ok(1));
        nest.stop().await;
    });
}

#[test]
fn a_restart_and_a_kill_of_it_bring_each_declared_child_back_at_its_address() {
    each_placement(async |place| {
        let nest = Nest::at(&place);
        let sub = token(&nest.root, "sub").await;
        for lives in [1, 3, 5] {
            assert_eq!(nest.lives().await, [lives; 4]);
            nest.root.send(Restart(sub)).await.unwrap().unwrap();
            assert_eq!(nest.lives().await, [lives + 1; 4]);
            nest.root.send(Kill(sub)).await.unwrap().unwrap();
            let event = nest.seen.until("root/sub: ChildFailed").await;
            assert!(matches!(failure(&event), Failure::Killed), "{event}");
        }
        assert_eq!(nest.lives().await, [7; 4]);
        nest.stop().await;
    });
}

#[test]
fn failures_below_are_the_business_of_the_supervisor_that_they_happen_in() {
    each_placement(async |place| {
        let nest = Nest::at(&place);
        for (name, child) in NAMES.iter().zip(&nest.children) {
            child.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            nest.seen.until(&format!("root/sub/{name}: ChildFailed")).await;
        }
        assert_eq!(nest.lives().await, [2; 4]);
        assert_eq!(status(&nest.sub).await.restarts, 4);
        assert_eq!(status(&nest.root).await.restarts, 0);
        nest.stop().await;
    });
}

#[test]
fn when_its_arbiter_is_stopped_under_it_its_declared_children_come_back_once() {
    each_of_its_own(async |place| {
        let nest = Nest::at(&place);
        for lives in 1..=5 {
            assert_eq!(nest.lives().await, [lives; 4]);
            // The one that runs on the same thread does it.
            nest.children[0].do_send(tell(|_, _| {
                Arbiter::current().stop();
            }));
            let event = nest.seen.until("root/sub: ChildFailed").await;
            assert!(matches!(failure(&event), Failure::ArbiterStopped), "{event}");
        }
        assert_eq!(nest.lives().await, [6; 4]);
        assert_eq!(status(&nest.sub).await.children.running, 4);
        nest.stop().await;
    });
}

#[test]
fn on_a_stopped_arbiter_of_the_applications_it_has_failed_for_good_with_all_below() {
    crate::seen::real(async {
        let arbiter = Arbiter::new();
        let nest = Nest::at(&Placement::Arbiter(arbiter.handle()));
        assert_eq!(nest.lives().await, [1; 4]);
        arbiter.stop();
        let event = nest.seen.until("root/sub: ChildFailed").await;
        assert!(matches!(failure(&event), Failure::ArbiterStopped), "{event}");
        nest.seen.until("root/sub: ChildEnded").await;
        for child in &nest.children {
            assert_eq!(child.send(life()).await, Err(MailboxError::Closed));
        }
        nest.stop().await;
    });
}

/// Counts the handlers that run at the same time.
fn counting(running: &Arc<AtomicU32>, twice: &Arc<AtomicU32>) -> crate::puppet::Tell {
    let (running, twice) = (Arc::clone(running), Arc::clone(twice));
    tell(move |_, _| {
        if running.fetch_add(1, Ordering::SeqCst) > 0 {
            twice.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::yield_now();
        running.fetch_sub(1, Ordering::SeqCst);
    })
}

#[test]
fn no_message_is_lost_or_handled_twice_while_it_goes_down_without_order() {
    each_of_its_own(async |place| {
        let nest = Nest::at(&place);
        assert_eq!(nest.lives().await, [1; 4]);
        let handled = Arc::new(Mutex::new(vec![Vec::new(); 4]));
        for round in 0..10_u32 {
            let sent: Vec<_> = (0..400_u32)
                .map(|number| {
                    let index = (number % 4) as usize;
                    let handled = Arc::clone(&handled);
                    nest.children[index].send(tell(move |_, _| {
                        handled.lock().unwrap()[index].push(round * 400 + number);
                        if index == 0 && number == 200 {
                            Arbiter::current().stop();
                        }
                    }))
                })
                .collect();
            for answer in join_all(sent).await {
                answer.expect("none was in hand");
            }
        }
        for (index, handled) in handled.lock().unwrap().iter().enumerate() {
            let expected: Vec<_> = (0..4000).filter(|number| number % 4 == index as u32).collect();
            assert_eq!(*handled, expected, "{}", NAMES[index]);
        }
        nest.stop().await;
    });
}

#[test]
fn what_is_busy_when_its_supervisor_goes_down_has_ended_before_the_next_one_starts() {
    // Any of them, also when all of them are.
    for busy in [vec![1], vec![2], vec![3], vec![1, 2, 3]] {
        each_of_its_own(async |place| {
            // So long that nobody is given up.
            let nest = Nest::with(&place, patient().shutdown_timeout(secs(600)));
            assert_eq!(nest.lives().await, [1; 4]);
            let (log, mut release) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
            for &index in &busy {
                let (goes_on, may_go_on) = mpsc::channel::<()>();
                let (takes, mut taken) = unbounded_channel();
                let log = Arc::clone(&log);
                nest.children[index].do_send(tell(move |_, _| {
                    let _ = takes.send(());
                    // Until the next one has begun, or had the time to.
                    let _ = may_go_on.recv_timeout(Duration::from_millis(200));
                    log.lock().unwrap().push("in hand");
                }));
                taken.recv().await.unwrap();
                release.push(goes_on);
            }
            let behind = busy.iter().zip(release).map(|(&index, goes_on)| {
                let log = Arc::clone(&log);
                nest.children[index].send(tell(move |_, _| {
                    log.lock().unwrap().push("behind");
                    drop(goes_on);
                }))
            });
            let behind: Vec<_> = behind.collect();
            nest.children[0].do_send(tell(|_, _| {
                Arbiter::current().stop();
            }));
            for answer in join_all(behind).await {
                assert_eq!(answer, Ok(2));
            }
            let (before, after) = (vec!["in hand"; busy.len()], vec!["behind"; busy.len()]);
            assert_eq!(*log.lock().unwrap(), [before, after].concat());
            assert_eq!(nest.lives().await, [2; 4]);
            assert_eq!(status(&nest.root).await.left_behind, 0);
            nest.stop().await;
        });
    }
}

#[test]
fn below_a_supervisor_below_it_too() {
    each_of_its_own(async |place| {
        let leaf = puppet("leaf", &place);
        let (leafs_addr, stopper) = (leaf.addr(), Puppet::spec("stopper"));
        let stoppers_addr = stopper.addr();
        let lower = Supervisor::with_spec("lower", patient()).unwrap().child(leaf);
        let lower = ChildSpec::supervisor(lower).placement(place.clone());
        let sub = Supervisor::with_spec("sub", patient()).unwrap().child(lower).child(stopper);
        let sub = ChildSpec::supervisor(sub).placement(place.clone());
        let root = Supervisor::with_spec("root", patient()).unwrap().child(sub).start();
        assert_eq!(leafs_addr.send(life()).await, Ok(1));
        let (goes_on, may_go_on) = mpsc::channel::<()>();
        let (takes, mut taken) = unbounded_channel();
        let in_hand = leafs_addr.send(tell(move |_, _| {
            let _ = takes.send(());
            let waited = may_go_on.recv_timeout(Duration::from_millis(200));
            assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout), "it was not alone");
        }));
        taken.recv().await.unwrap();
        let behind = leafs_addr.send(tell(move |_, _| drop(goes_on)));
        stoppers_addr.do_send(tell(|_, _| {
            Arbiter::current().stop();
        }));
        assert_eq!(in_hand.await, Ok(1));
        assert_eq!(behind.await, Ok(2));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn one_that_is_stuck_when_its_supervisor_goes_down_takes_no_more_messages() {
    each_of_its_own(async |place| {
        let nest = Nest::at(&place);
        assert_eq!(nest.lives().await, [1; 4]);
        let (running, twice) = (Arc::default(), Arc::default());
        // The pool's thread and its own one are the old supervisor's.
        let stuck = [stick(&nest.children[2]).await, stick(&nest.children[3]).await];
        nest.children[0].do_send(tell(|_, _| {
            Arbiter::current().stop();
        }));
        nest.seen.until("root/sub: ChildFailed").await;
        assert_eq!(nest.lives().await, [2; 4]);
        assert_eq!(status(&nest.root).await.left_behind, 2);
        for _ in 0..200 {
            nest.children[2].do_send(counting(&running, &twice));
        }
        drop(stuck);
        for _ in 0..200 {
            assert_eq!(nest.children[2].send(counting(&running, &twice)).await, Ok(2));
        }
        assert_eq!(twice.load(Ordering::SeqCst), 0);
        assert_eq!(nest.lives().await, [2; 4]);
        while status(&nest.root).await.left_behind > 0 {
            tokio::task::yield_now().await;
        }
        nest.stop().await;
    });
}
