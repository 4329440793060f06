//! Children whose starts are noted with their times.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_supervisor::{ChildSpec, ServiceActor, Spec};
use tokio::time::Instant;

use crate::support::{Journal, Probe, exact, now};

/// When the incarnations of a child were started.
#[derive(Clone, Default)]
pub struct Starts(Arc<Mutex<Vec<Instant>>>);

impl Starts {
    pub fn note(&self) {
        self.0.lock().expect("no panic while noting").push(now());
    }

    pub fn count(&self) -> usize {
        self.0.lock().expect("no panic while noting").len()
    }

    /// How much time lies between each start and the next one.
    pub fn gaps(&self) -> Vec<Duration> {
        let starts = self.0.lock().expect("no panic while noting");
        starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// How long after this time each start was.
    pub fn since(&self, origin: Instant) -> Vec<Duration> {
        let starts = self.0.lock().expect("no panic while noting");
        starts.iter().map(|start| start.saturating_duration_since(origin)).collect()
    }

    /// A spec of a service that fails as soon as it is called.
    pub fn of_failing(&self, name: &str) -> ChildSpec<ServiceActor> {
        let starts = self.clone();
        ChildSpec::service(name, move |_| {
            starts.note();
            async { Err::<(), _>("told to fail") }
        })
    }

    /// A spec of a probe.
    pub fn of_probe(&self, name: &str, journal: &Journal) -> ChildSpec<Probe> {
        let (starts, mut make) = (self.clone(), Probe::maker(name, journal));
        ChildSpec::actor(name, move |_| {
            starts.note();
            make()
        })
    }
}

/// A spec that bears any number of failures.
pub fn patient() -> Spec {
    exact().failure_threshold(1e9)
}
