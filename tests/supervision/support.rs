//! What the tests share besides the test kit: where their actors run, and specs.

use std::{env, panic::resume_unwind, time::Duration};

use actix::prelude::*;
pub use actix_supervisor::test_kit::{
    Do, Events, Journal, Probe, info, line, list, paused, settle, states, status, token,
};
use actix_supervisor::{ChildSpec, Event, EventKind, Failure, Placement, Spec, Supervisor};
use tokio::time::Instant;

/// Where probes and puppets run: inline, unless this variable is `arbiter`.
pub const PLACEMENT: &str = "SUPERVISOR_TEST_PLACEMENT";

/// Whether they run as they would on another thread: each start is a job of the arbiter, which is that of the test's own
/// thread, so that the clock stays paused.
pub fn is_elsewhere() -> bool {
    env::var_os(PLACEMENT).is_some_and(|place| place == "arbiter")
}

/// Puts a child where this run of the suite has them.
pub fn placed<A: Actor<Context = Context<A>>>(spec: ChildSpec<A>) -> ChildSpec<A> {
    match Arbiter::try_current() {
        Some(arbiter) if is_elsewhere() => spec.placement(Placement::Arbiter(arbiter)),
        Some(_) | None => spec,
    }
}

/// Specs of [`Probe`]s, placed.
pub struct Probes;

impl Probes {
    pub fn spec(name: &str, journal: &Journal) -> ChildSpec<Probe> {
        placed(Probe::spec(name, journal))
    }

    pub fn hung(name: &str, journal: &Journal) -> ChildSpec<Probe> {
        placed(Probe::hung(name, journal))
    }

    pub fn slow(name: &str, journal: &Journal, time: Duration) -> ChildSpec<Probe> {
        placed(Probe::slow(name, journal, time))
    }
}

/// A panic for which no hook is called: the backtraces of thousands take longer than all else.
pub fn boom() -> ! {
    resume_unwind(Box::new("boom"))
}

pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

#[expect(clippy::disallowed_methods, reason = "tests compare times")]
pub fn now() -> Instant {
    Instant::now()
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::ChildFailed { .. })
}

/// The failures that these events tell of.
pub fn failures(events: &[Event]) -> Vec<Failure> {
    let failure = |event: &Event| match &event.kind {
        EventKind::ChildFailed { failure, .. } => Some(failure.clone()),
        _ => None,
    };
    events.iter().filter_map(failure).collect()
}

/// A spec that pauses at the first failure.
pub fn fragile() -> Spec {
    exact().failure_threshold(0.0)
}

/// A spec that pauses for exactly 15 s.
pub fn exact() -> Spec {
    Spec::default().backoff_jitter(0.0)
}

/// A supervisor with this spec, started.
pub fn start(name: &str, spec: Spec) -> Addr<Supervisor> {
    Supervisor::with_spec(name, spec).expect("a sensible spec").start()
}
