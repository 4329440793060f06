//! Pools: several actors behind one address.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddError, Backoff, Child, ChildKind, ChildSpec, ChildState, InFlight, Resize, ResizeError,
    Restart, RestartPolicy, Stop, SupervisedContext, Supervisor, Tree,
};
use tokio::sync::oneshot;

use crate::support::{Events, exact, info, list, now, paused, secs, settle, sleep, start, states};

/// A member of a pool, with the number of its incarnation among all.
struct Worker {
    number: u32,
    holds: Vec<InFlight>,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

fn pool(members: usize) -> ChildSpec<Worker> {
    let made = AtomicU32::new(0);
    ChildSpec::pool("workers", members, move |_| {
        let number = made.fetch_add(1, Ordering::Relaxed) + 1;
        Worker { number, holds: Vec::new() }
    })
}

async fn root_with(spec: ChildSpec<Worker>) -> (Addr<Supervisor>, Child<Worker>) {
    let root = start("root", exact().failure_threshold(1_000.0));
    let child = root.send(Add(spec)).await.unwrap().unwrap();
    settle().await;
    (root, child)
}

/// Who handles this.
#[derive(Message)]
#[rtype(result = "u32")]
struct Who;

impl Handler<Who> for Worker {
    type Result = u32;

    fn handle(&mut self, Who: Who, _ctx: &mut Context<Self>) -> u32 {
        self.number
    }
}

/// Handles nothing else until the gate opens.
#[derive(Message)]
#[rtype(result = "u32")]
struct Busy(oneshot::Receiver<()>);

impl Handler<Busy> for Worker {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, Busy(gate): Busy, _ctx: &mut Context<Self>) -> Self::Result {
        let opened = fut::wrap_future::<_, Self>(gate);
        AtomicResponse::new(Box::pin(opened.map(|_, worker, _| worker.number)))
    }
}

/// Keeps this in hand, and goes on.
#[derive(Message)]
#[rtype(result = "u32")]
struct Hold;

impl Handler<Hold> for Worker {
    type Result = u32;

    fn handle(&mut self, Hold: Hold, ctx: &mut Context<Self>) -> u32 {
        self.holds.push(ctx.in_hand());
        self.number
    }
}

/// Lets go of all that it has in hand, after some time.
#[derive(Message)]
#[rtype(result = "()")]
struct Release;

impl Handler<Release> for Worker {
    type Result = ();

    fn handle(&mut self, Release: Release, ctx: &mut Context<Self>) {
        ctx.run_later(secs(1), |worker, _| worker.holds.clear());
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Panic> for Worker {
    type Result = ();

    fn handle(&mut self, Panic: Panic, _ctx: &mut Context<Self>) {
        panic!("told to panic");
    }
}

#[test]
fn members_stand_behind_one_address_and_show_in_the_tree() {
    paused(async {
        let spec = pool(3);
        let addr = spec.addr();
        let (root, child) = root_with(spec).await;
        assert_eq!(child.addr(), addr);
        let workers = info(&root, "workers").await;
        assert_eq!((workers.kind, workers.state), (ChildKind::Supervisor, ChildState::Running));
        assert_eq!(workers.addr::<Worker>(), Some(addr));
        let tree = root.send(Tree).await.unwrap();
        let members: Vec<_> = tree.supervisors[0].children.iter().map(|it| &*it.name).collect();
        assert_eq!(members, ["workers-1", "workers-2", "workers-3"]);
        let supervisor = workers.addr::<Supervisor>().unwrap();
        let first = info(&supervisor, "workers-1").await;
        assert_eq!(first.kind, ChildKind::Actor);
        assert_eq!(first.addr::<Worker>(), workers.addr::<Worker>());
        assert_eq!(supervisor.send(Restart(first.token)).await.unwrap(), Ok(()));
    });
}

#[test]
fn an_idle_member_takes_the_next_message() {
    paused(async {
        let (_root, child) = root_with(pool(3)).await;
        let addr = child.addr();
        let (open_first, first) = oneshot::channel();
        let (open_second, second) = oneshot::channel();
        let busy = [addr.send(Busy(first)), addr.send(Busy(second))];
        // Two are busy: the third one answers all the rest.
        let mut answers = BTreeSet::new();
        for _ in 0..10 {
            answers.insert(addr.send(Who).await.unwrap());
        }
        assert_eq!(answers.len(), 1);
        open_first.send(()).unwrap();
        open_second.send(()).unwrap();
        for busy in busy {
            answers.insert(busy.await.unwrap());
        }
        assert_eq!(answers, BTreeSet::from([1, 2, 3]));
    });
}

#[test]
fn a_member_that_fails_is_replaced_alone_while_the_others_go_on_and_the_queue_is_kept() {
    paused(async {
        let (root, child) = root_with(pool(2).backoff(Backoff::constant(secs(5)))).await;
        let (addr, events) = (child.addr(), Events::of(&root).await);
        assert!(addr.send(Panic).await.is_err());
        for _ in 0..5 {
            assert_eq!(addr.send(Who).await.unwrap(), 2, "the other one");
        }
        assert!(addr.send(Panic).await.is_err());
        let asked = now();
        let waiting: Vec<_> = (0..4).map(|_| addr.send(Who)).collect();
        for answer in waiting {
            assert!(answer.await.unwrap() > 2);
        }
        assert_eq!(now() - asked, secs(5));
        let lines = events.lines();
        let failed = ["root/workers/workers-1: ChildFailed", "root/workers/workers-2: ChildFailed"];
        assert_eq!(
            lines.iter().filter(|line| line.ends_with("ChildFailed")).collect::<Vec<_>>(),
            failed.each_ref()
        );
    });
}

#[test]
fn a_call_that_finds_a_member_waiting_goes_to_another_one() {
    paused(async {
        /// From now on it waits for a long time, though it was idle when a message came.
        struct Waits;
        impl Message for Waits {
            type Result = ();
        }
        impl Handler<Waits> for Worker {
            type Result = ();

            fn handle(&mut self, Waits: Waits, ctx: &mut Context<Self>) {
                ctx.run_later(secs(1), |_, ctx| {
                    ctx.wait(fut::wrap_future::<_, Worker>(sleep(secs(60))));
                });
            }
        }
        let (_root, child) = root_with(pool(2)).await;
        let addr = child.addr();
        addr.send(Waits).await.unwrap();
        sleep(secs(2)).await;
        let asked = now();
        for _ in 0..4 {
            addr.send(Who).await.unwrap();
        }
        assert!(now() - asked < secs(1));
    });
}

#[test]
fn in_flight_bounds_what_one_member_has_in_hand() {
    paused(async {
        let (_root, child) = root_with(pool(2).in_flight(2)).await;
        let addr = child.addr();
        let mut by_member = [0; 2];
        for _ in 0..4 {
            by_member[addr.send(Hold).await.unwrap() as usize - 1] += 1;
        }
        assert_eq!(by_member, [2, 2]);
        let asked = now();
        let next = addr.send(Who);
        let next = actix_rt::spawn(next);
        sleep(secs(3)).await;
        assert!(!next.is_finished(), "all have enough in hand");
        assert_eq!(now() - asked, secs(3));
    });
}

#[test]
fn what_is_in_hand_is_finished_before_a_stop() {
    paused(async {
        let (root, child) = root_with(pool(1)).await;
        child.addr().send(Hold).await.unwrap();
        child.addr().send(Release).await.unwrap();
        let asked = now();
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!(now() - asked, secs(1));
    });
}

#[test]
fn a_pool_grows_and_shrinks_and_keeps_its_size_across_restarts() {
    paused(async {
        let (root, child) = root_with(pool(2)).await;
        let supervisor = info(&root, "workers").await.addr::<Supervisor>().unwrap();
        let size = async || list(&supervisor).await.len();
        assert_eq!(size().await, 2);
        assert_eq!(root.send(Resize(child.token(), 5)).await.unwrap(), Ok(()));
        assert_eq!(size().await, 5);
        root.send(Restart(child.token())).await.unwrap().unwrap();
        settle().await;
        assert_eq!(size().await, 5);
        assert_eq!(root.send(Resize(child.token(), 1)).await.unwrap(), Ok(()));
        settle().await;
        assert_eq!(states(&supervisor).await, [("workers-1".into(), ChildState::Running)]);
        root.send(Restart(child.token())).await.unwrap().unwrap();
        settle().await;
        assert_eq!(size().await, 1);
        child.addr().send(Who).await.unwrap();
    });
}

#[test]
fn who_has_to_go_finishes_what_it_has_in_hand_and_leaves_the_queue_to_the_others() {
    paused(async {
        let (root, child) = root_with(pool(2).drain(true)).await;
        let addr = child.addr();
        let (open, gate) = oneshot::channel();
        let (open_other, other) = oneshot::channel();
        let (by_first, by_second) = (addr.send(Busy(gate)), addr.send(Busy(other)));
        let queued: Vec<_> = (0..3).map(|_| actix_rt::spawn(addr.send(Who))).collect();
        root.send(Resize(child.token(), 1)).await.unwrap().unwrap();
        settle().await;
        open_other.send(()).unwrap();
        assert_eq!(by_second.await, Ok(2));
        settle().await;
        assert!(!queued.iter().any(|answer| answer.is_finished()), "they wait for the one left");
        open.send(()).unwrap();
        assert_eq!(by_first.await, Ok(1));
        for answer in queued {
            assert_eq!(answer.await.unwrap(), Ok(1));
        }
    });
}

#[test]
fn when_all_members_have_ended_so_has_the_pool() {
    paused(async {
        let (root, child) = root_with(pool(2).restart(RestartPolicy::Temporary)).await;
        let addr = child.addr();
        for _ in 0..2 {
            assert!(addr.send(Panic).await.is_err());
        }
        settle().await;
        assert!(list(&root).await.is_empty());
        assert!(!addr.connected());
        assert_eq!(addr.send(Who).await, Err(MailboxError::Closed));
    });
}

#[test]
fn nonsense_is_refused() {
    paused(async {
        let root = start("root", exact());
        let refused = root.send(Add(pool(0))).await.unwrap().unwrap_err();
        assert!(matches!(&refused, AddError::Spec(error) if error.field == "members"), "{refused}");
        let refused = root.send(Add(pool(1).in_flight(0))).await.unwrap().unwrap_err();
        assert!(matches!(&refused, AddError::Spec(error) if error.field == "in_flight"));
        let child = root.send(Add(pool(1))).await.unwrap().unwrap();
        let refused = root.send(Resize(child.token(), 0)).await.unwrap().unwrap_err();
        assert_eq!(
            refused.to_string(),
            r#"child "workers": members = 0 is not allowed; allowed: one or more"#
        );
        let single = ChildSpec::actor("single", |_| Worker { number: 0, holds: Vec::new() });
        let single = root.send(Add(single)).await.unwrap().unwrap();
        let refused = root.send(Resize(single.token(), 2)).await.unwrap().unwrap_err();
        assert!(matches!(refused, ResizeError::NotAPool { .. }), "{refused}");
    });
}

#[test]
fn a_member_is_a_supervised_actor_of_the_pools_address() {
    thread_local! {
        static SEEN: Cell<bool> = const { Cell::new(false) };
    }
    paused(async {
        let spec = ChildSpec::pool("workers", 1, |ctx: &mut Context<Worker>| {
            assert!(ctx.child().is_some());
            SEEN.set(true);
            Worker { number: 0, holds: Vec::new() }
        });
        let made = Arc::new(());
        let (_root, child) = root_with(spec).await;
        assert!(SEEN.get() && child.addr().connected());
        drop(made);
    });
}
