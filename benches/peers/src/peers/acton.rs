//! acton-reactive, without `catch-handler-panics`, since with it a panic ends nothing and nothing is restarted. It
//! runs on the Tokio runtime on which it is faster.
//!
//! An actor's mailbox and handle end with it, so whoever wants to reach the next one waits for its handle.

use std::time::Instant;

use acton_reactive::prelude::*;

use super::ours::Fate;
use crate::{
    jobs::{BATCH, DEPTH, Job, LEAVES, ROUNDS, WIDTH, draw},
    meter::{Gate, Memory, Outcome, faster_runtime, latencies, median, nanos, rate, rounds},
};

/// Each restart waits for a timer, which takes a millisecond or more, so there are no more than this.
const RESTARTS: usize = 2_000;

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    faster_runtime(job).block_on(async {
        let done = match job {
            Job::RestartStop => restarts(n.min(RESTARTS), Fate::Stop).await,
            Job::RestartPanic => restarts(n.min(RESTARTS), Fate::Panic).await,
            Job::Answer => answers(n.min(RESTARTS)).await,
            Job::Messages => messages(n).await,
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n).await,
            Job::StormStop => storm(n, Fate::Stop).await,
            Job::StormPanic => storm(n, Fate::Panic).await,
            Job::Remove => remove(n).await,
            Job::Churn => churn(n).await,
            Job::Nested => nested().await,
            Job::Flat => flat().await,
            Job::Backoff => {
                return Err("its delays are tasks of their own, and grow only after restarts");
            }
            Job::StopReverse => return Err("has no order in which it stops"),
            Job::Pause => return Err("does not pause"),
        };
        done.unwrap_or(Err("an actor could not be started or reached"))
    })
}

type Tried = anyhow::Result<Outcome>;

#[derive(Debug, Default)]
struct Worker {
    sum: u64,
}

#[derive(Clone, Debug)]
struct Number(u64);

#[derive(Clone, Debug)]
struct Ask(u64);

#[derive(Clone, Debug)]
struct Sum(#[allow(dead_code, reason = "nobody reads what was asked for")] u64);

impl Request for Ask {
    type Response = Sum;
}

#[derive(Clone, Debug)]
struct Panic;

#[derive(Clone, Debug)]
struct Report;

/// What a worker does with its messages.
fn worker(actor: &mut ManagedActor<Idle, Worker>) {
    actor.mutate_on_sync::<Number>(|actor, told| {
        actor.model.sum = actor.model.sum.wrapping_add(told.message().0);
    });
    actor.mutate_on::<Ask>(|actor, told| {
        actor.model.sum = actor.model.sum.wrapping_add(told.message().0);
        let (answer, to) = (Sum(actor.model.sum), told.reply_envelope());
        Reply::pending(async move { to.send(answer).await })
    });
    actor.mutate_on_sync::<Panic>(|_, _| panic!("as it was told"));
}

/// And with one that somebody counts.
fn reporter(actor: &mut ManagedActor<Idle, Worker>) {
    worker(actor);
    actor.mutate_on_sync::<Report>(|_, _| Gate::arrive());
    actor.after_start(|_| async { Gate::arrive() });
}

/// Reports its start.
fn idler(actor: &mut ManagedActor<Idle, Worker>) {
    actor.after_start(|_| async { Gate::arrive() });
}

/// Ends as soon as it has started, as long as more ends are expected.
fn mayfly(fate: Fate) -> impl Fn(&mut ManagedActor<Idle, Worker>) + Send + Sync + 'static {
    move |actor| {
        actor.after_start(move |actor| {
            let me = actor.handle().clone();
            async move {
                match (Gate::more(), fate) {
                    (false, _) => {}
                    (true, Fate::Stop) => me.send(SystemSignal::Terminate).await,
                    (true, Fate::Panic) => panic!("as it was told"),
                }
            }
        });
    }
}

/// A supervisor: any actor may be one.
struct Root {
    runtime: ActorRuntime,
    handle: ActorHandle,
}

impl Root {
    async fn start() -> Self {
        let mut runtime = ActonApp::launch_async().await;
        let handle = runtime.new_actor::<Worker>().start().await;
        Self { runtime, handle }
    }

    async fn supervise(
        &self,
        name: &str,
        blueprint: impl Fn(&mut ManagedActor<Idle, Worker>) + Send + Sync + 'static,
    ) -> anyhow::Result<SupervisedChild> {
        self.supervise_below(&self.handle, name, blueprint).await
    }

    async fn supervise_below(
        &self,
        parent: &ActorHandle,
        name: &str,
        blueprint: impl Fn(&mut ManagedActor<Idle, Worker>) + Send + Sync + 'static,
    ) -> anyhow::Result<SupervisedChild> {
        let config = ActorConfig::for_supervised_child(name, parent.clone(), None)?
            .with_restart_policy(RestartPolicy::Permanent)
            .with_restart_limiter(RestartLimiterConfig::disabled());
        Ok(parent.supervise_with(&self.runtime, config, blueprint).await?)
    }

    async fn add(&self, n: usize, first: usize) -> anyhow::Result<Vec<SupervisedChild>> {
        Gate::expect(n);
        let mut children = Vec::with_capacity(n);
        for number in first..first + n {
            children.push(self.supervise(&number.to_string(), idler).await?);
        }
        Gate::all().await;
        Ok(children)
    }
}

async fn restarts(n: usize, fate: Fate) -> Tried {
    let root = Root::start().await;
    Gate::expect(n);
    let begin = Instant::now();
    let _mayfly = root.supervise("mayfly", mayfly(fate)).await?;
    Gate::all().await;
    Ok(Ok(vec![("restarts", rate(n, begin))]))
}

async fn answers(n: usize) -> Tried {
    let root = Root::start().await;
    let mut child = root.supervise("worker", worker).await?;
    let (mut handle, mut generation) = (child.wait_running().await?, RestartGeneration::FIRST);
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begin = Instant::now();
        handle.send(Panic).await;
        generation = generation.next();
        handle = child.wait_generation(generation).await?;
        handle.ask(Ask(1)).await?;
        times.push(nanos(begin));
    }
    Ok(latencies(&times))
}

async fn messages(rounds: usize) -> Tried {
    let root = Root::start().await;
    let worker = root.supervise("worker", worker).await?.wait_running().await?;
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        for number in 1..BATCH {
            worker.send(Number(number as u64)).await;
        }
        worker.ask(Ask(0)).await?;
        forget.push(nanos(begin) / BATCH as f64);

        let begin = Instant::now();
        for number in 0..BATCH {
            worker.ask(Ask(number as u64)).await?;
        }
        reply.push(nanos(begin) / BATCH as f64);
    }
    Ok(Ok(vec![("forget", median(&forget)), ("reply", median(&reply))]))
}

async fn idle(n: usize) -> Tried {
    let (root, before, begin) = (Root::start().await, Memory::now(), Instant::now());
    let children = root.add(n, 0).await?;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &children);
    Ok(Ok([("add", add), ("answered", add)].into_iter().chain(memory).collect()))
}

async fn stop(n: usize) -> Tried {
    let root = Root::start().await;
    root.add(n, 0).await?;
    let begin = Instant::now();
    root.handle.stop().await?;
    Ok(Ok(vec![("stop", nanos(begin))]))
}

async fn storm(n: usize, fate: Fate) -> Tried {
    let root = Root::start().await;
    let mut children = Vec::with_capacity(n);
    Gate::expect(n);
    for number in 0..n {
        children.push(root.supervise(&number.to_string(), reporter).await?);
    }
    Gate::all().await;
    Gate::expect(n);
    let begin = Instant::now();
    for child in &children {
        let handle = child.current().ok_or_else(|| anyhow::anyhow!("a child is down"))?;
        match fate {
            Fate::Stop => handle.send(SystemSignal::Terminate).await,
            Fate::Panic => handle.send(Panic).await,
        }
    }
    Gate::all().await;
    Gate::expect(n);
    for child in &mut children {
        child.wait_generation(RestartGeneration::FIRST.next()).await?.send(Report).await;
    }
    Gate::all().await;
    Ok(Ok(vec![("back", nanos(begin))]))
}

async fn remove(n: usize) -> Tried {
    let root = Root::start().await;
    let mut children = root.add(n, 0).await?;
    let removed = draw(&mut children);
    let begin = Instant::now();
    for child in &removed {
        root.handle.unsupervise(child.ern()).await?;
    }
    Ok(Ok(vec![("remove", nanos(begin) / removed.len() as f64)]))
}

async fn churn(n: usize) -> Tried {
    let root = Root::start().await;
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        for child in root.add(n, 0).await? {
            root.handle.unsupervise(child.ern()).await?;
        }
        after.push(Memory::now());
    }
    Ok(rounds(&after))
}

/// What is below the node, which is supervised already.
async fn grow(root: &Root, node: &ActorHandle, depth: u32) -> anyhow::Result<()> {
    for number in 0..WIDTH {
        let name = number.to_string();
        if depth == 1 {
            root.supervise_below(node, &name, idler).await?;
        } else {
            let mut child = root.supervise_below(node, &name, |_| {}).await?;
            Box::pin(grow(root, &child.wait_running().await?, depth - 1)).await?;
        }
    }
    Ok(())
}

async fn nested() -> Tried {
    let root = Root::start().await;
    Gate::expect(LEAVES);
    let begin = Instant::now();
    grow(&root, &root.handle, DEPTH).await?;
    Gate::all().await;
    let start = nanos(begin);
    let begin = Instant::now();
    root.handle.stop().await?;
    Ok(Ok(vec![("start", start), ("stop", nanos(begin))]))
}

async fn flat() -> Tried {
    let (root, begin) = (Root::start().await, Instant::now());
    root.add(LEAVES, 0).await?;
    let start = nanos(begin);
    let begin = Instant::now();
    root.handle.stop().await?;
    Ok(Ok(vec![("start", start), ("stop", nanos(begin))]))
}
