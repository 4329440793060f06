//! Plain Actix actors, which nobody supervises.

use std::time::Instant;

use actix::prelude::*;

use super::ours::{
    Idle, Worker,
    lives::{forgotten, replied},
};
use crate::{
    jobs::{Job, ROUNDS, draw},
    meter::{Gate, Memory, Outcome, median, nanos, rounds},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    actix_rt::System::new().block_on(async {
        match job {
            Job::Messages => messages(n).await,
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n).await,
            Job::StopReverse => Err("has no order in which it stops"),
            Job::Remove => remove(n).await,
            Job::Churn => churn(n).await,
            Job::RestartStop
            | Job::RestartPanic
            | Job::Answer
            | Job::StormStop
            | Job::StormPanic
            | Job::Pause
            | Job::Backoff => Err("restarts nothing"),
            Job::Nested | Job::Flat => Err("has no supervisors"),
        }
    })
}

async fn messages(rounds: usize) -> Outcome {
    let worker = Worker::default().start();
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        forget.push(forgotten(&worker).await);
        reply.push(replied(&worker).await);
    }
    Ok(vec![("forget", median(&forget)), ("reply", median(&reply))])
}

/// Reports its end too.
struct Mortal(Idle);

impl Actor for Mortal {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        Gate::arrive();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        Gate::arrive();
    }
}

async fn start(n: usize) -> Vec<Addr<Mortal>> {
    Gate::expect(n);
    let mut actors = Vec::with_capacity(n);
    for _ in 0..n {
        actors.push(Mortal(Idle).start());
    }
    Gate::all().await;
    actors
}

async fn idle(n: usize) -> Outcome {
    let (before, begin) = (Memory::now(), Instant::now());
    let actors = start(n).await;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &actors);
    drop(actors);
    Ok([("add", add)].into_iter().chain(memory).collect())
}

async fn stop(n: usize) -> Outcome {
    let actors = start(n).await;
    Gate::expect(n);
    let begin = Instant::now();
    drop(actors);
    Gate::all().await;
    Ok(vec![("stop", nanos(begin))])
}

async fn remove(n: usize) -> Outcome {
    let mut actors = start(n).await;
    let removed = draw(&mut actors);
    let (count, begin) = (removed.len(), Instant::now());
    for actor in removed {
        Gate::expect(1);
        drop(actor);
        Gate::all().await;
    }
    Ok(vec![("remove", nanos(begin) / count as f64)])
}

async fn churn(n: usize) -> Outcome {
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        let actors = start(n).await;
        Gate::expect(n);
        drop(actors);
        Gate::all().await;
        tokio::task::yield_now().await;
        after.push(Memory::now());
    }
    rounds(&after)
}
