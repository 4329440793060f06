//! `actix::Supervisor`: it restarts an actor that has stopped, as the same value, and no actor that has panicked.

use std::time::Instant;

use actix::{Supervisor, prelude::*};

use super::ours::Number;
use crate::{
    jobs::{BATCH, Job},
    meter::{Gate, Memory, Outcome, median, nanos, rate},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    actix_rt::System::new().block_on(async {
        match job {
            Job::RestartStop => restarts(n).await,
            Job::Messages => messages(n).await,
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n).await,
            Job::StormStop => storm(n).await,
            Job::RestartPanic | Job::Answer | Job::StormPanic => {
                Err("a panic ends the actor, its mailbox and its supervisor")
            }
            Job::StopReverse => Err("supervises one actor, so there is no order"),
            Job::Remove | Job::Churn => Err("supervises one actor, whose addresses it dies with"),
            Job::Nested | Job::Flat => Err("supervises one actor"),
            Job::Pause | Job::Backoff => Err("neither pauses nor waits"),
        }
    })
}

struct Mayfly;

impl Actor for Mayfly {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if Gate::more() {
            ctx.stop();
        }
    }
}

impl Supervised for Mayfly {}

async fn restarts(n: usize) -> Outcome {
    Gate::expect(n);
    let begin = Instant::now();
    let mayfly = Supervisor::start(|_ctx| Mayfly);
    Gate::all().await;
    let restarts = rate(n, begin);
    drop(mayfly);
    Ok(vec![("restarts", restarts)])
}

/// Reports its start and its end, adds up, and stops as it is told.
struct Worker(u64);

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        Gate::arrive();
    }
}

impl Supervised for Worker {}

impl Drop for Worker {
    fn drop(&mut self) {
        Gate::arrive();
    }
}

impl Handler<Number> for Worker {
    type Result = u64;

    fn handle(&mut self, Number(number): Number, _ctx: &mut Self::Context) -> u64 {
        self.0 = self.0.wrapping_add(number);
        self.0
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum Told {
    Stop,
    Report,
}

impl Handler<Told> for Worker {
    type Result = ();

    fn handle(&mut self, told: Told, ctx: &mut Self::Context) {
        match told {
            Told::Stop => ctx.stop(),
            Told::Report => Gate::arrive(),
        }
    }
}

async fn messages(rounds: usize) -> Outcome {
    let worker = Supervisor::start(|_ctx| Worker(0));
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        for number in 1..BATCH {
            worker.do_send(Number(number as u64));
        }
        worker.send(Number(0)).await.map_err(|_| "it has ended")?;
        forget.push(nanos(begin) / BATCH as f64);

        let begin = Instant::now();
        for number in 0..BATCH {
            worker.send(Number(number as u64)).await.map_err(|_| "it has ended")?;
        }
        reply.push(nanos(begin) / BATCH as f64);
    }
    Ok(vec![("forget", median(&forget)), ("reply", median(&reply))])
}

async fn start(n: usize) -> Vec<Addr<Worker>> {
    Gate::expect(n);
    let mut workers = Vec::with_capacity(n);
    for _ in 0..n {
        workers.push(Supervisor::start(|_ctx| Worker(0)));
    }
    Gate::all().await;
    workers
}

async fn idle(n: usize) -> Outcome {
    let (before, begin) = (Memory::now(), Instant::now());
    let workers = start(n).await;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &workers);
    drop(workers);
    Ok([("add", add)].into_iter().chain(memory).collect())
}

async fn stop(n: usize) -> Outcome {
    let workers = start(n).await;
    Gate::expect(n);
    let begin = Instant::now();
    drop(workers);
    Gate::all().await;
    Ok(vec![("stop", nanos(begin))])
}

async fn storm(n: usize) -> Outcome {
    let workers = start(n).await;
    // Each starts again, and reports.
    Gate::expect(2 * n);
    let begin = Instant::now();
    for worker in &workers {
        worker.do_send(Told::Stop);
        worker.do_send(Told::Report);
    }
    Gate::all().await;
    Ok(vec![("back", nanos(begin))])
}
