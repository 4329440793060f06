//! kameo, with unbounded mailboxes; on the runtime on which it is faster.
//!
//! A child's mailbox and reference outlive its restarts, as here.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use kameo::{
    Actor,
    actor::{ActorRef, Spawn, WeakActorRef},
    error::SendError,
    mailbox::{self, MailboxReceiver, Signal},
    message::{Context, Message},
    supervision::RestartPolicy,
};

use super::ours::Fate;
use crate::{
    jobs::{BATCH, DEPTH, Job, LEAVES, ROUNDS, WIDTH, draw},
    meter::{Gate, Memory, Outcome, faster_runtime, latencies, median, nanos, rate, rounds},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    faster_runtime(job).block_on(async {
        match job {
            Job::RestartStop => restarts(n, Fate::Stop).await,
            Job::RestartPanic => restarts(n, Fate::Panic).await,
            Job::Answer => answers(n).await,
            Job::Messages => messages(n).await,
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n).await,
            Job::StormStop => storm(n, Fate::Stop).await,
            Job::StormPanic => storm(n, Fate::Panic).await,
            Job::Remove => remove(n).await,
            Job::Churn => churn(n).await,
            Job::Nested => tree(DEPTH, WIDTH).await,
            Job::Flat => tree(1, LEAVES).await,
            Job::StopReverse => Err("has no order in which it stops"),
            Job::Pause | Job::Backoff => Err("neither pauses nor waits"),
        }
    })
}

/// A supervisor: any actor may be one.
struct Root;

impl Actor for Root {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

fn root() -> ActorRef<Root> {
    Root::spawn_with_mailbox((), mailbox::unbounded())
}

async fn supervise<P: Actor, C: Actor>(
    parent: &ActorRef<P>,
    policy: RestartPolicy,
    args: impl Fn() -> C::Args + Send + Sync + 'static,
) -> ActorRef<C> {
    C::supervise_with(parent, args)
        .restart_policy(policy)
        .restart_limit(u32::MAX, Duration::from_secs(1))
        .spawn_with_mailbox(mailbox::unbounded())
        .await
}

/// Ends as soon as it is to take a message, as long as more ends are expected.
struct Mayfly(Fate);

impl Actor for Mayfly {
    type Args = Fate;
    type Error = Infallible;

    async fn on_start(fate: Fate, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(fate))
    }

    async fn next(
        &mut self,
        _: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, Infallible> {
        match (Gate::more(), self.0) {
            (false, _) => Ok(mailbox.recv().await),
            (true, Fate::Stop) => Ok(None),
            (true, Fate::Panic) => panic!("as it was told"),
        }
    }
}

async fn restarts(n: usize, fate: Fate) -> Outcome {
    Gate::expect(n);
    let begin = Instant::now();
    let root = root();
    let _mayfly = supervise::<_, Mayfly>(&root, RestartPolicy::Permanent, move || fate).await;
    Gate::all().await;
    Ok(vec![("restarts", rate(n, begin))])
}

/// It answers, adds up and fails, as it is told. Reports its start if it is to.
struct Worker {
    sum: u64,
}

impl Actor for Worker {
    type Args = bool;
    type Error = Infallible;

    async fn on_start(report: bool, _: ActorRef<Self>) -> Result<Self, Infallible> {
        if report {
            Gate::arrive();
        }
        Ok(Self { sum: 0 })
    }
}

struct Number(u64);

impl Message<Number> for Worker {
    type Reply = u64;

    async fn handle(&mut self, Number(number): Number, _: &mut Context<Self, u64>) -> u64 {
        self.sum = self.sum.wrapping_add(number);
        self.sum
    }
}

struct End(Fate);

impl Message<End> for Worker {
    type Reply = ();

    async fn handle(&mut self, End(fate): End, ctx: &mut Context<Self, ()>) {
        match fate {
            Fate::Stop => ctx.stop(),
            Fate::Panic => panic!("as it was told"),
        }
    }
}

struct Report;

impl Message<Report> for Worker {
    type Reply = ();

    async fn handle(&mut self, _: Report, _: &mut Context<Self, ()>) {
        Gate::arrive();
    }
}

/// Only what an unbounded mailbox cannot be is an error: closed.
fn closed<M, E>(_: SendError<M, E>) -> &'static str {
    "it has ended"
}

async fn answers(n: usize) -> Outcome {
    let root = root();
    let worker = supervise::<_, Worker>(&root, RestartPolicy::Permanent, || false).await;
    // What comes before its start is over is lost if one of it makes it panic.
    worker.ask(Number(1)).await.map_err(closed)?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begin = Instant::now();
        worker.tell(End(Fate::Panic)).try_send().map_err(closed)?;
        worker.ask(Number(1)).await.map_err(closed)?;
        times.push(nanos(begin));
    }
    latencies(&times)
}

async fn messages(rounds: usize) -> Outcome {
    let root = root();
    let worker = supervise::<_, Worker>(&root, RestartPolicy::Permanent, || false).await;
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        for number in 1..BATCH {
            worker.tell(Number(number as u64)).try_send().map_err(closed)?;
        }
        worker.ask(Number(0)).await.map_err(closed)?;
        forget.push(nanos(begin) / BATCH as f64);

        let begin = Instant::now();
        for number in 0..BATCH {
            worker.ask(Number(number as u64)).await.map_err(closed)?;
        }
        reply.push(nanos(begin) / BATCH as f64);
    }
    Ok(vec![("forget", median(&forget)), ("reply", median(&reply))])
}

async fn add(to: &ActorRef<Root>, n: usize, policy: RestartPolicy) -> Vec<ActorRef<Worker>> {
    Gate::expect(n);
    let mut children = Vec::with_capacity(n);
    for _ in 0..n {
        children.push(supervise(to, policy, || true).await);
    }
    Gate::all().await;
    children
}

async fn idle(n: usize) -> Outcome {
    let (root, before, begin) = (root(), Memory::now(), Instant::now());
    let children = add(&root, n, RestartPolicy::Permanent).await;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &children);
    Ok([("add", add), ("answered", add)].into_iter().chain(memory).collect())
}

async fn stop(n: usize) -> Outcome {
    let root = root();
    let _children = add(&root, n, RestartPolicy::Permanent).await;
    let begin = Instant::now();
    root.stop_gracefully().await.map_err(|_| "it has ended")?;
    root.wait_for_shutdown().await;
    Ok(vec![("stop", nanos(begin))])
}

async fn storm(n: usize, fate: Fate) -> Outcome {
    let root = root();
    let mut children = Vec::with_capacity(n);
    for _ in 0..n {
        children.push(supervise::<_, Worker>(&root, RestartPolicy::Permanent, || false).await);
    }
    // As in `answers`, each has to have started.
    Gate::expect(n);
    for child in &children {
        child.tell(Report).try_send().map_err(closed)?;
    }
    Gate::all().await;
    Gate::expect(n);
    let begin = Instant::now();
    for child in &children {
        child.tell(End(fate)).try_send().map_err(closed)?;
        child.tell(Report).try_send().map_err(closed)?;
    }
    Gate::all().await;
    Ok(vec![("back", nanos(begin))])
}

/// A transient child that stops is not restarted. Its supervisor keeps its record.
async fn end(child: ActorRef<Worker>) -> Result<(), &'static str> {
    child.stop_gracefully().await.map_err(|_| "it has ended")?;
    child.wait_for_shutdown().await;
    Ok(())
}

async fn remove(n: usize) -> Outcome {
    let root = root();
    let mut children = add(&root, n, RestartPolicy::Transient).await;
    let removed = draw(&mut children);
    let (count, begin) = (removed.len(), Instant::now());
    for child in removed {
        end(child).await?;
    }
    Ok(vec![("remove", nanos(begin) / count as f64)])
}

async fn churn(n: usize) -> Outcome {
    let root = root();
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        for child in add(&root, n, RestartPolicy::Transient).await {
            end(child).await?;
        }
        after.push(Memory::now());
    }
    rounds(&after)
}

/// Starts its children, which are supervisors or, at the bottom, workers.
struct Node;

impl Actor for Node {
    type Args = (u32, usize);
    type Error = Infallible;

    async fn on_start(
        (depth, width): (u32, usize),
        me: ActorRef<Self>,
    ) -> Result<Self, Infallible> {
        for _ in 0..width {
            if depth == 1 {
                supervise::<_, Worker>(&me, RestartPolicy::Permanent, || true).await;
            } else {
                let below = move || (depth - 1, width);
                Box::pin(supervise::<_, Self>(&me, RestartPolicy::Permanent, below)).await;
            }
        }
        Ok(Self)
    }
}

async fn tree(depth: u32, width: usize) -> Outcome {
    Gate::expect(LEAVES);
    let begin = Instant::now();
    let root = Node::spawn_with_mailbox((depth, width), mailbox::unbounded());
    Gate::all().await;
    let start = nanos(begin);
    let begin = Instant::now();
    root.stop_gracefully().await.map_err(|_| "it has ended")?;
    root.wait_for_shutdown().await;
    Ok(vec![("start", start), ("stop", nanos(begin))])
}
