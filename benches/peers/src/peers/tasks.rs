//! task-supervisor. Its children are tasks without mailboxes: where a job needs one, the task reads from a channel
//! that outlives it. It runs on the Tokio runtime on which it is faster.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use task_supervisor::{
    CancellationToken, SupervisedTask, SupervisorBuilder, SupervisorHandle, SupervisorHandleError,
    TaskResult,
};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

use super::ours::Fate;
use crate::{
    jobs::{BATCH, Job, LEAVES, ROUNDS, draw},
    meter::{
        Gate, Memory, Outcome, cpu_while_idle, faster_runtime, latencies, median, nanos, rate,
        rounds,
    },
};

/// Each restart waits for a timer, which takes a millisecond or more, so there are no more than this.
const RESTARTS: usize = 2_000;

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    faster_runtime(job).block_on(async {
        match job {
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
            Job::Flat => flat().await,
            Job::Backoff => backoff(n).await,
            Job::Nested => Err("has no nested supervisors"),
            Job::StopReverse => Err("has no order in which it stops"),
            Job::Pause => Err("does not pause"),
        }
    })
}

/// A supervisor that never gives up; its delay before a restart is zero unless it is set.
fn root(delay: Duration) -> SupervisorHandle {
    SupervisorBuilder::new()
        .with_unlimited_restarts()
        .with_base_restart_delay(delay)
        .with_max_restart_delay(delay)
        .with_restart_jitter(0.0)
        .spawn()
}

/// A task whose `Ok` is no end to be restarted after: a stop is an error here.
fn end(fate: Fate) -> TaskResult {
    match fate {
        Fate::Stop => Err("it stops".into()),
        Fate::Panic => panic!("as it was told"),
    }
}

#[derive(Clone)]
struct Mayfly(Fate);

impl SupervisedTask for Mayfly {
    async fn run(self, _: CancellationToken) -> TaskResult {
        match Gate::more() {
            true => end(self.0),
            false => pending().await,
        }
    }
}

fn failed(_: SupervisorHandleError) -> &'static str {
    "the supervisor has ended, or knows no such task"
}

async fn restarts(n: usize, fate: Fate) -> Outcome {
    let root = root(Duration::ZERO);
    Gate::expect(n);
    let begin = Instant::now();
    root.add_task("mayfly", Mayfly(fate)).await.map_err(failed)?;
    Gate::all().await;
    Ok(vec![("restarts", rate(n, begin))])
}

enum Told {
    Number(u64),
    Answer(u64, oneshot::Sender<u64>),
    Report,
    End(Fate),
}

#[derive(Clone)]
struct Worker(Arc<Mutex<UnboundedReceiver<Told>>>);

impl SupervisedTask for Worker {
    async fn run(self, _: CancellationToken) -> TaskResult {
        let (mut mailbox, mut sum) = (self.0.lock().await, 0_u64);
        while let Some(told) = mailbox.recv().await {
            match told {
                Told::Number(number) => sum = sum.wrapping_add(number),
                Told::Answer(number, to) => {
                    sum = sum.wrapping_add(number);
                    let _gone = to.send(sum);
                }
                Told::Report => Gate::arrive(),
                Told::End(fate) => return end(fate),
            }
        }
        Ok(())
    }
}

async fn worker(
    root: &SupervisorHandle,
    name: &str,
) -> Result<UnboundedSender<Told>, &'static str> {
    let (sender, receiver) = unbounded_channel();
    let task = Worker(Arc::new(Mutex::new(receiver)));
    root.add_task(name, task).await.map_err(failed)?;
    Ok(sender)
}

fn tell(worker: &UnboundedSender<Told>, what: Told) -> Result<(), &'static str> {
    worker.send(what).map_err(|_| "it has ended")
}

async fn ask(worker: &UnboundedSender<Told>, number: u64) -> Result<u64, &'static str> {
    let (answer, answered) = oneshot::channel();
    tell(worker, Told::Answer(number, answer))?;
    answered.await.map_err(|_| "it did not answer")
}

async fn answers(n: usize) -> Outcome {
    let root = root(Duration::ZERO);
    let worker = worker(&root, "worker").await?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begin = Instant::now();
        tell(&worker, Told::End(Fate::Panic))?;
        ask(&worker, 1).await?;
        times.push(nanos(begin));
    }
    latencies(&times)
}

async fn messages(rounds: usize) -> Outcome {
    let root = root(Duration::ZERO);
    let worker = worker(&root, "worker").await?;
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        for number in 1..BATCH {
            tell(&worker, Told::Number(number as u64))?;
        }
        ask(&worker, 0).await?;
        forget.push(nanos(begin) / BATCH as f64);

        let begin = Instant::now();
        for number in 0..BATCH {
            ask(&worker, number as u64).await?;
        }
        reply.push(nanos(begin) / BATCH as f64);
    }
    Ok(vec![("forget", median(&forget)), ("reply", median(&reply))])
}

async fn workers(
    root: &SupervisorHandle,
    n: usize,
) -> Result<Vec<UnboundedSender<Told>>, &'static str> {
    let mut workers = Vec::with_capacity(n);
    for number in 0..n {
        workers.push(worker(root, &number.to_string()).await?);
    }
    Ok(workers)
}

async fn storm(n: usize, fate: Fate) -> Outcome {
    let root = root(Duration::ZERO);
    let workers = workers(&root, n).await?;
    Gate::expect(n);
    let begin = Instant::now();
    for worker in &workers {
        tell(worker, Told::End(fate))?;
        tell(worker, Told::Report)?;
    }
    Gate::all().await;
    Ok(vec![("back", nanos(begin))])
}

async fn backoff(n: usize) -> Outcome {
    let root = root(Duration::from_secs(3600));
    for worker in workers(&root, n).await? {
        tell(&worker, Told::End(Fate::Panic))?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(vec![("cpu", cpu_while_idle().await)])
}

#[derive(Clone)]
struct Idle;

impl SupervisedTask for Idle {
    async fn run(self, stop: CancellationToken) -> TaskResult {
        Gate::arrive();
        stop.cancelled().await;
        Ok(())
    }
}

async fn add(to: &SupervisorHandle, n: usize, first: usize) -> Result<Vec<String>, &'static str> {
    Gate::expect(n);
    let mut names = Vec::with_capacity(n);
    for number in first..first + n {
        let name = number.to_string();
        to.add_task(&name, Idle).await.map_err(failed)?;
        names.push(name);
    }
    Gate::all().await;
    Ok(names)
}

async fn idle(n: usize) -> Outcome {
    let (root, before, begin) = (root(Duration::ZERO), Memory::now(), Instant::now());
    let names = add(&root, n, 0).await?;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &names);
    Ok([("add", add), ("answered", add)].into_iter().chain(memory).collect())
}

async fn stop(n: usize) -> Outcome {
    let root = root(Duration::ZERO);
    add(&root, n, 0).await?;
    let begin = Instant::now();
    root.shutdown().await.map_err(|_| "it did not stop")?;
    Ok(vec![("stop", nanos(begin))])
}

/// It keeps the names of those that were killed.
async fn remove(n: usize) -> Outcome {
    let root = root(Duration::ZERO);
    let names = draw(&mut add(&root, n, 0).await?);
    let begin = Instant::now();
    for name in &names {
        root.kill_task(name).await.map_err(failed)?;
    }
    Ok(vec![("remove", nanos(begin) / names.len() as f64)])
}

async fn churn(n: usize) -> Outcome {
    let root = root(Duration::ZERO);
    let mut after = Vec::new();
    for round in 0..ROUNDS {
        for name in add(&root, n, round * n).await? {
            root.kill_task(&name).await.map_err(failed)?;
        }
        after.push(Memory::now());
    }
    rounds(&after)
}

async fn flat() -> Outcome {
    let (root, begin) = (root(Duration::ZERO), Instant::now());
    add(&root, LEAVES, 0).await?;
    let start = nanos(begin);
    let begin = Instant::now();
    let statuses = root.task_statuses().await.map_err(failed)?;
    let tree = nanos(begin);
    drop(statuses);
    let begin = Instant::now();
    root.shutdown().await.map_err(|_| "it did not stop")?;
    Ok(vec![("start", start), ("tree", tree), ("stop", nanos(begin))])
}
