//! The limit with Actix: actors that keep their mailboxes, and are caught and made again, by hand. No policy, no count, no
//! events, no list: what is left is what an incarnation of an Actix actor costs. Those that are stopped are told by a message, and
//! only the end of their task is awaited.

mod tree;

use std::{
    cell::RefCell,
    iter,
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::Rc,
    task::{self, Poll},
    time::Instant,
};

use actix::{
    dev::{
        AsyncContextParts, ContextParts, EnvelopeProxy,
        channel::{AddressReceiver, channel},
    },
    prelude::*,
};
use futures::{FutureExt, Stream};
use tokio::task::{JoinHandle, spawn_local};

use super::ours::{
    Fate, Idle, Worker,
    lives::{Mayfly, fatal_to_next, in_turn},
    storm::{all_back, all_there},
};
use crate::{
    jobs::{Job, draw},
    meter::{Gate, Memory, Outcome, nanos, rate},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    actix_rt::System::new().block_on(async {
        match job {
            Job::RestartStop => restarts(n, Fate::Stop).await,
            Job::RestartPanic => restarts(n, Fate::Panic).await,
            Job::Answer => fatal_to_next(n, &keep(Worker::default)).await,
            Job::Messages => in_turn(n, &keep(Worker::default), &Worker::default().start()).await,
            Job::Idle(_) => idle(n).await,
            Job::StormStop => storm(n, Fate::Stop).await,
            Job::StormPanic => storm(n, Fate::Panic).await,
            Job::StopConcurrent => stop_at_once(n).await,
            Job::StopReverse => stop_in_reverse(n).await,
            Job::Remove => remove(n).await,
            Job::Churn => Err("they end as plain actors do"),
            Job::Nested => tree::nested().await,
            Job::Flat => tree::flat().await,
            Job::Pause | Job::Backoff => Err("neither pauses nor waits"),
        }
    })
}

/// A mailbox that outlives the actors that read it.
pub(super) type Mailbox<A> = Rc<RefCell<AddressReceiver<A>>>;

/// So many messages are handled before others have their turn.
const TURN: usize = 128;

/// So many are told to end in one go: what follows finds in the cache what it is about.
pub(super) const SLICE: usize = 16;

struct Pump<A: Actor<Context = Context<A>>>(Mailbox<A>);

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        let mut mailbox = self.0.borrow_mut();
        for _ in 0..TURN {
            if ctx.waiting() {
                return Poll::Pending;
            }
            match Pin::new(&mut *mailbox).poll_next(task) {
                Poll::Ready(Some(mut envelope)) => envelope.handle(actor, ctx),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(super) async fn live<A: Actor<Context = Context<A>>>(actor: A, mailbox: Mailbox<A>) {
    let mut ctx = Context::new();
    *ctx.parts() = ContextParts::new(mailbox.borrow().sender_producer());
    ctx.spawn(Pump(mailbox));
    let mut run = ctx.into_future(actor);
    let _panicked = AssertUnwindSafe(&mut run).catch_unwind().await;
    // Else it would be polled once more when it is dropped.
    run.ctx().terminate();
}

/// An actor, and a task that makes it again.
fn keep<A: Actor<Context = Context<A>>>(make: impl Fn() -> A + 'static) -> Addr<A> {
    let (addr, mailbox) = mailbox();
    spawn_local(async move {
        loop {
            let _ended = spawn_local(live(make(), Rc::clone(&mailbox))).await;
        }
    });
    addr
}

fn mailbox<A: Actor<Context = Context<A>>>() -> (Addr<A>, Mailbox<A>) {
    let (sender, receiver) = channel(16);
    (Addr::new(sender), Rc::new(RefCell::new(receiver)))
}

async fn restarts(n: usize, fate: Fate) -> Outcome {
    Gate::expect(n);
    let begin = Instant::now();
    let _mayfly = keep(move || Mayfly(fate));
    Gate::all().await;
    Ok(vec![("restarts", rate(n, begin))])
}

async fn idle(n: usize) -> Outcome {
    let (before, begin) = (Memory::now(), Instant::now());
    Gate::expect(n);
    let mut actors = Vec::with_capacity(n);
    actors.extend((0..n).map(|_| keep(|| Idle)));
    Gate::all().await;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &actors);
    Ok([("add", add)].into_iter().chain(memory).collect())
}

async fn storm(n: usize, fate: Fate) -> Outcome {
    let workers: Vec<_> = (0..n).map(|_| keep(Worker::default)).collect();
    all_there(workers.iter()).await;
    Ok(vec![("back", all_back(&workers, fate).await)])
}

/// An actor that ends when it is told to, and who waits for that.
struct Told {
    addr: Addr<Worker>,
    end: JoinHandle<()>,
}

impl Told {
    async fn start(n: usize) -> Vec<Self> {
        let all = iter::repeat_with(|| {
            let (addr, mailbox) = mailbox();
            Self { addr, end: spawn_local(live(Worker::default(), mailbox)) }
        });
        let all: Vec<_> = all.take(n).collect();
        all_there(all.iter().map(|one| &one.addr)).await;
        all
    }

    async fn ends(self) {
        self.addr.do_send(Fate::Stop);
        let _ended = self.end.await;
    }
}

async fn stop_at_once(n: usize) -> Outcome {
    let all = Told::start(n).await;
    let begin = Instant::now();
    let mut all = all.into_iter();
    loop {
        let slice: Vec<_> = all.by_ref().take(SLICE).collect();
        slice.iter().for_each(|one| one.addr.do_send(Fate::Stop));
        if slice.is_empty() {
            return Ok(vec![("stop", nanos(begin))]);
        }
        for one in slice {
            let _ended = one.end.await;
        }
    }
}

async fn stop_in_reverse(n: usize) -> Outcome {
    let all = Told::start(n).await;
    let begin = Instant::now();
    for one in all.into_iter().rev() {
        one.ends().await;
    }
    Ok(vec![("stop", nanos(begin))])
}

async fn remove(n: usize) -> Outcome {
    let mut all = Told::start(n).await;
    let removed = draw(&mut all);
    let (count, begin) = (removed.len(), Instant::now());
    for one in removed {
        one.ends().await;
    }
    Ok(vec![("remove", nanos(begin) / count as f64)])
}
