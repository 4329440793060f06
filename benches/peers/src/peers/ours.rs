//! This crate.

pub(crate) mod lives;
mod many;
pub(crate) mod storm;
mod tree;

use actix::prelude::*;
use actix_supervisor::{Spec, Supervisor};

use crate::{
    jobs::Job,
    meter::{Gate, Outcome},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    actix_rt::System::new().block_on(async {
        match job {
            Job::RestartStop => lives::restarts(n, Fate::Stop).await,
            Job::RestartPanic => lives::restarts(n, Fate::Panic).await,
            Job::Answer => lives::answers(n).await,
            Job::Messages => lives::messages(n).await,
            Job::Idle(_) => many::idle(n).await,
            Job::StopConcurrent | Job::StopReverse => many::stop(n, job).await,
            Job::StormStop => storm::storm(n, Fate::Stop).await,
            Job::StormPanic => storm::storm(n, Fate::Panic).await,
            Job::Remove => many::remove(n).await,
            Job::Nested => tree::nested().await,
            Job::Flat => tree::flat().await,
            Job::Pause => storm::pause().await,
            Job::Backoff => storm::backoff(n).await,
            Job::Churn => many::churn(n).await,
        }
    })
}

/// How an incarnation ends.
#[derive(Clone, Copy, Message, PartialEq)]
#[rtype(result = "()")]
pub(crate) enum Fate {
    Stop,
    Panic,
}

/// It does nothing, and reports its start.
pub(crate) struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        Gate::arrive();
    }
}

/// It answers, adds up and fails, as it is told.
#[derive(Default)]
pub(crate) struct Worker(u64);

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
pub(crate) struct Number(pub(crate) u64);

impl Handler<Number> for Worker {
    type Result = u64;

    fn handle(&mut self, Number(number): Number, _ctx: &mut Self::Context) -> u64 {
        self.0 = self.0.wrapping_add(number);
        self.0
    }
}

impl Handler<Fate> for Worker {
    type Result = ();

    fn handle(&mut self, fate: Fate, ctx: &mut Self::Context) {
        match fate {
            Fate::Stop => ctx.stop(),
            Fate::Panic => panic!("as it was told"),
        }
    }
}

/// A sign of life that somebody counts.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Report;

impl Handler<Report> for Worker {
    type Result = ();

    fn handle(&mut self, _: Report, _ctx: &mut Self::Context) {
        Gate::arrive();
    }
}

/// Settings of a supervisor that never pauses.
pub(crate) fn tireless() -> Spec {
    Spec::default().failure_threshold(f64::MAX)
}

pub(crate) fn supervisor(name: &str, spec: Spec) -> Supervisor {
    Supervisor::with_spec(name, spec).expect("a sensible spec")
}
