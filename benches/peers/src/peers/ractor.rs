//! ractor with ractor-supervisor's `DynamicSupervisor`; for the tree its `Supervisor`. It runs on the Tokio
//! runtime on which it is faster.
//!
//! An actor's mailbox and reference end with it, so whoever wants to reach the next one is sent a new reference.

use std::{sync::OnceLock, time::Instant};

use ractor::{
    Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, call,
    concurrency::Duration,
};
use ractor_supervisor::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorMsg, DynamicSupervisorOptions, Restart, SpawnFn,
    Supervisor, SupervisorArguments, SupervisorOptions, SupervisorStrategy,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::ours::Fate;
use crate::{
    jobs::{BATCH, DEPTH, Job, LEAVES, ROUNDS, WIDTH, draw},
    meter::{Gate, Memory, Outcome, faster_runtime, latencies, median, nanos, rate, rounds},
};

/// Each restart takes ten milliseconds, so there are no more than this.
const RESTARTS: usize = 100;

type Root = ActorRef<DynamicSupervisorMsg>;

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    faster_runtime(job).block_on(async {
        let done = match job {
            Job::RestartStop => restarts(n.min(RESTARTS), Fate::Stop).await,
            Job::RestartPanic => restarts(n.min(RESTARTS), Fate::Panic).await,
            Job::Answer => answers(n.min(RESTARTS)).await,
            Job::Messages => messages(n).await,
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n).await,
            Job::StormStop | Job::StormPanic => {
                return Err(
                    "sleeps 10 ms before each restart, one after the other: more than 1,000 s",
                );
            }
            Job::Remove => remove(n).await,
            Job::Churn => churn(n).await,
            Job::Nested => nested().await,
            Job::Flat => flat().await,
            Job::Backoff => return Err("its supervisor would have to restart 100,000 first"),
            Job::StopReverse => return Err("has no order in which it stops"),
            Job::Pause => return Err("does not pause"),
        };
        done.unwrap_or(Err("an actor could not be reached"))
    })
}

type Tried = Result<Outcome, ActorProcessingErr>;

/// Where a new incarnation sends its reference.
static BORN: OnceLock<UnboundedSender<ActorRef<Told>>> = OnceLock::new();

enum Told {
    Number(u64),
    Answer(u64, RpcReplyPort<u64>),
    Panic,
}

#[derive(Clone, Copy)]
enum Kind {
    Mayfly(Fate),
    Worker,
    Idle,
}

/// What a child adds up. An idle one reports its end.
struct Sum(u64, Kind);

impl Drop for Sum {
    fn drop(&mut self) {
        if matches!(self.1, Kind::Idle) {
            Gate::arrive();
        }
    }
}

struct Child(Kind);

impl Actor for Child {
    type Msg = Told;
    type State = Sum;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Told>, (): ()) -> Result<Sum, ActorProcessingErr> {
        Ok(Sum(0, self.0))
    }

    async fn post_start(&self, me: ActorRef<Told>, _: &mut Sum) -> Result<(), ActorProcessingErr> {
        match self.0 {
            Kind::Mayfly(fate) => match (Gate::more(), fate) {
                (false, _) => {}
                (true, Fate::Stop) => me.stop(None),
                (true, Fate::Panic) => panic!("as it was told"),
            },
            Kind::Worker => {
                if let Some(born) = BORN.get() {
                    let _nobody_waits = born.send(me);
                }
            }
            Kind::Idle => Gate::arrive(),
        }
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Told>,
        told: Told,
        Sum(sum, _): &mut Sum,
    ) -> Result<(), ActorProcessingErr> {
        match told {
            Told::Number(number) => *sum = sum.wrapping_add(number),
            Told::Answer(number, to) => {
                *sum = sum.wrapping_add(number);
                let _gone = to.send(*sum);
            }
            Told::Panic => panic!("as it was told"),
        }
        Ok(())
    }
}

async fn spawn(kind: Kind, supervisor: ActorCell, id: String) -> Result<ActorCell, SpawnErr> {
    let (child, _) = DynamicSupervisor::spawn_linked(id, Child(kind), (), supervisor).await?;
    Ok(child.get_cell())
}

fn spec(id: String, kind: Kind) -> ChildSpec {
    ChildSpec {
        id,
        restart: Restart::Permanent,
        spawn_fn: SpawnFn::new(move |supervisor, id| spawn(kind, supervisor, id)),
        backoff_fn: None,
        reset_after: None,
    }
}

async fn root() -> Result<Root, SpawnErr> {
    let options = DynamicSupervisorOptions {
        max_children: None,
        max_restarts: usize::MAX,
        max_window: Duration::from_secs(1),
        reset_after: None,
    };
    Ok(DynamicSupervisor::spawn("root".to_owned(), options).await?.0)
}

async fn restarts(n: usize, fate: Fate) -> Tried {
    let root = root().await?;
    Gate::expect(n);
    let begin = Instant::now();
    let mayfly = spec("mayfly".to_owned(), Kind::Mayfly(fate));
    DynamicSupervisor::spawn_child(root, mayfly).await?;
    Gate::all().await;
    Ok(Ok(vec![("restarts", rate(n, begin))]))
}

async fn worker() -> Result<(ActorRef<Told>, UnboundedReceiver<ActorRef<Told>>), ActorProcessingErr>
{
    let (born, mut births) = unbounded_channel();
    BORN.get_or_init(|| born);
    DynamicSupervisor::spawn_child(root().await?, spec("worker".to_owned(), Kind::Worker)).await?;
    let first = births.recv().await.ok_or("it was never born")?;
    Ok((first, births))
}

async fn answers(n: usize) -> Tried {
    let (mut worker, mut births) = worker().await?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begin = Instant::now();
        worker.cast(Told::Panic)?;
        worker = births.recv().await.ok_or("it was never born again")?;
        call!(worker, |to| Told::Answer(1, to))?;
        times.push(nanos(begin));
    }
    Ok(latencies(&times))
}

async fn messages(rounds: usize) -> Tried {
    let (worker, _births) = worker().await?;
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        for number in 1..BATCH {
            worker.cast(Told::Number(number as u64))?;
        }
        call!(worker, |to| Told::Answer(0, to))?;
        forget.push(nanos(begin) / BATCH as f64);

        let begin = Instant::now();
        for number in 0..BATCH {
            call!(worker, |to| Told::Answer(number as u64, to))?;
        }
        reply.push(nanos(begin) / BATCH as f64);
    }
    Ok(Ok(vec![("forget", median(&forget)), ("reply", median(&reply))]))
}

async fn add(root: &Root, n: usize) -> Result<Vec<String>, ActorProcessingErr> {
    let mut ids = Vec::with_capacity(n);
    Gate::expect(n);
    for number in 0..n {
        let id = number.to_string();
        DynamicSupervisor::spawn_child(root.clone(), spec(id.clone(), Kind::Idle)).await?;
        ids.push(id);
    }
    Gate::all().await;
    Ok(ids)
}

async fn idle(n: usize) -> Tried {
    let (root, before, begin) = (root().await?, Memory::now(), Instant::now());
    let ids = add(&root, n).await?;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &ids);
    Ok(Ok([("add", add), ("answered", add)].into_iter().chain(memory).collect()))
}

async fn stop(n: usize) -> Tried {
    let root = root().await?;
    add(&root, n).await?;
    Gate::expect(n);
    let begin = Instant::now();
    root.stop(None);
    Gate::all().await;
    Ok(Ok(vec![("stop", nanos(begin))]))
}

/// The answer comes when the child was told to end; the next message waits until it has.
async fn terminate(root: &Root, id: String) -> Result<(), ActorProcessingErr> {
    Gate::expect(1);
    DynamicSupervisor::terminate_child(root.clone(), id).await?;
    Gate::all().await;
    Ok(())
}

async fn remove(n: usize) -> Tried {
    let root = root().await?;
    let ids = draw(&mut add(&root, n).await?);
    let (count, begin) = (ids.len(), Instant::now());
    for id in ids {
        terminate(&root, id).await?;
    }
    Ok(Ok(vec![("remove", nanos(begin) / count as f64)]))
}

async fn churn(n: usize) -> Tried {
    let root = root().await?;
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        for id in add(&root, n).await? {
            terminate(&root, id).await?;
        }
        after.push(Memory::now());
    }
    Ok(rounds(&after))
}

fn arguments(child_specs: Vec<ChildSpec>) -> SupervisorArguments {
    let options = SupervisorOptions {
        strategy: SupervisorStrategy::OneForOne,
        max_restarts: usize::MAX,
        max_window: Duration::from_secs(1),
        reset_after: None,
    };
    SupervisorArguments { child_specs, options }
}

/// The children of the node of this name.
fn children(name: &str, depth: u32) -> Vec<ChildSpec> {
    let child = |number| match depth {
        1 => spec(format!("{name}/{number}"), Kind::Idle),
        _ => node(format!("{name}/{number}"), depth - 1),
    };
    (0..WIDTH).map(child).collect()
}

fn node(id: String, depth: u32) -> ChildSpec {
    let start = move |supervisor, id: String| async move {
        let arguments = arguments(children(&id, depth));
        let (node, _) = Supervisor::spawn_linked(id, Supervisor, arguments, supervisor).await?;
        Ok(node.get_cell())
    };
    ChildSpec {
        id,
        restart: Restart::Permanent,
        spawn_fn: SpawnFn::new(start),
        backoff_fn: None,
        reset_after: None,
    }
}

async fn nested() -> Tried {
    tree(children("root", DEPTH)).await
}

async fn flat() -> Tried {
    tree((0..LEAVES).map(|number| spec(number.to_string(), Kind::Idle)).collect()).await
}

async fn tree(children: Vec<ChildSpec>) -> Tried {
    Gate::expect(LEAVES);
    let begin = Instant::now();
    let (root, _) = Supervisor::spawn("root".to_owned(), arguments(children)).await?;
    Gate::all().await;
    let start = nanos(begin);
    Gate::expect(LEAVES);
    let begin = Instant::now();
    root.stop(None);
    Gate::all().await;
    Ok(Ok(vec![("start", start), ("stop", nanos(begin))]))
}
