//! Many idle children: added, removed, and stopped.

use std::time::Instant;

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, ChildToken, RemoveAndWait, ShutdownOrder, Spec, Status, Stop, Supervisor,
};

use super::{Idle, supervisor};
use crate::{
    jobs::{Job, ROUNDS, draw},
    meter::{Gate, Memory, Outcome, nanos, rounds},
};

fn idler() -> Add<Idle> {
    Add(ChildSpec::actor("idle", |_ctx| Idle))
}

/// Adds so many, and waits until they have started. Nobody waits for each answer, only for one of a thousand, so
/// that the mailbox stays short.
async fn add(to: &Addr<Supervisor>, n: usize) -> Result<(), &'static str> {
    Gate::expect(n);
    for number in 0..n {
        to.do_send(idler());
        if number % 1_000 == 999 {
            to.send(Status).await.map_err(|_| "the supervisor has ended")?;
        }
    }
    Gate::all().await;
    Ok(())
}

/// Adds so many, one after the other, each when the one before has its token.
async fn add_answered(to: &Addr<Supervisor>, n: usize) -> Result<Vec<ChildToken>, &'static str> {
    Gate::expect(n);
    let mut tokens = Vec::with_capacity(n);
    for _ in 0..n {
        let child = to.send(idler()).await.map_err(|_| "the supervisor has ended")?;
        tokens.push(child.map_err(|_| "a child was refused")?.token());
    }
    Gate::all().await;
    Ok(tokens)
}

pub(super) async fn idle(n: usize) -> Outcome {
    let (root, before, begin) = (Supervisor::new("root").start(), Memory::now(), Instant::now());
    add(&root, n).await?;
    let add = nanos(begin) / n as f64;
    let nobody: Vec<()> = vec![(); n];
    let memory = Memory::now().since(before, &nobody);
    root.send(Stop).await.map_err(|_| "it did not stop")?;

    let (root, begin) = (Supervisor::new("root").start(), Instant::now());
    add_answered(&root, n).await?;
    let answered = nanos(begin) / n as f64;
    Ok([("add", add), ("answered", answered)].into_iter().chain(memory).collect())
}

pub(super) async fn stop(n: usize, job: Job) -> Outcome {
    let order = match job {
        Job::StopConcurrent => ShutdownOrder::Concurrent,
        _ => ShutdownOrder::Reverse,
    };
    let root = supervisor("root", Spec::default().shutdown_order(order)).start();
    add(&root, n).await?;
    let begin = Instant::now();
    let report = root.send(Stop).await.map_err(|_| "it did not stop")?;
    let time = nanos(begin);
    if report.is_clean() { Ok(vec![("stop", time)]) } else { Err("it left children behind") }
}

pub(super) async fn remove(n: usize) -> Outcome {
    let root = Supervisor::new("root").start();
    let tokens = draw(&mut add_answered(&root, n).await?);
    let begin = Instant::now();
    for &token in &tokens {
        let removed = root.send(RemoveAndWait { token, timeout: None }).await;
        removed.map_err(|_| "the supervisor has ended")?.map_err(|_| "it was not removed")?;
    }
    Ok(vec![("remove", nanos(begin) / tokens.len() as f64)])
}

pub(super) async fn churn(n: usize) -> Outcome {
    let root = Supervisor::new("root").start();
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        for token in add_answered(&root, n).await? {
            let removed = root.send(RemoveAndWait { token, timeout: None }).await;
            removed.map_err(|_| "the supervisor has ended")?.map_err(|_| "it was not removed")?;
        }
        after.push(Memory::now());
    }
    rounds(&after)
}
