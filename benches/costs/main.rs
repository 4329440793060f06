//! What supervision costs, next to what plain Actix and plain Tokio cost.
//!
//! `cargo bench` measures everything, `cargo bench -- restart` what has this in its name. Times are per
//! message, restart or child. The ratios are taken in turn, so that both sides see the same machine.

mod children;
mod messages;
mod ratio;
mod restarts;
mod sum;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use actix::SystemRunner;
use criterion::{Criterion, criterion_group, criterion_main};

use self::ratio::Ratio;

criterion_group!(times, messages::times, restarts::times, children::times);
criterion_group! {
    name = ratios;
    config = Criterion::default().with_measurement(Ratio);
    targets = messages::ratios, restarts::ratios, children::ratios
}
criterion_main!(times, ratios);

/// How long this takes.
#[expect(clippy::disallowed_methods, reason = "this is what a benchmark is for")]
fn time(system: &SystemRunner, run: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    system.block_on(run);
    start.elapsed()
}
