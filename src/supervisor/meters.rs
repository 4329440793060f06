//! Feature `metrics`: what is counted and timed, decision by decision. Nothing is done for a message.
//!
//! Gauges are moved by differences: where names are the same, or too many for labels of their own, they are sums.

mod labels;
mod names;

use std::collections::HashMap;

use metrics::SharedString;
use tokio::time::Instant;

pub(crate) use self::labels::Labels;
use super::shell::{Shell, now};
use crate::{
    child::panics,
    failure::Failure,
    info::{ChildCounts, SupervisorState},
    machine::{Action, Forced},
};

/// What a supervisor has told its gauges, and what it needs to know of its children's times.
pub(super) struct Meters {
    supervisor: SharedString,
    threshold: f64,
    counts: ChildCounts,
    reading: f64,
    is_paused: bool,
    children: HashMap<u64, Times>,
}

/// Since when a child is how it is.
struct Times {
    name: SharedString,
    started: Option<Instant>,
    ready: Option<Instant>,
    /// Its last incarnation has ended, and there was no ready one since.
    down: Option<Instant>,
    asked: Option<Instant>,
    /// The kind of its last failure, if that is what it is restarted for.
    reason: Option<&'static str>,
}

impl Meters {
    pub(super) fn new(supervisor: SharedString, threshold: f64) -> Self {
        let told = panics::catch(|| {
            names::describe();
            metrics::gauge!(names::THRESHOLD, "supervisor" => supervisor.clone())
                .increment(threshold);
        });
        // A recorder is the user's code (I5).
        let threshold = told.map_or(0.0, |()| threshold);
        let (counts, children) = (ChildCounts::default(), HashMap::new());
        Self { supervisor, threshold, counts, reading: 0.0, is_paused: false, children }
    }

    fn gauge(&self, name: &'static str, difference: f64) {
        if difference != 0.0 {
            metrics::gauge!(name, "supervisor" => self.supervisor.clone()).increment(difference);
        }
    }

    fn tell_counts(&mut self, counts: ChildCounts) {
        let by_state = |counts: &ChildCounts| {
            [
                ("starting", counts.starting),
                ("running", counts.running),
                ("backing_off", counts.backing_off),
                ("stopping", counts.stopping),
                ("terminated", counts.terminated),
            ]
        };
        let last = std::mem::replace(&mut self.counts, counts);
        for ((state, now), (_, last)) in by_state(&counts).into_iter().zip(by_state(&last)) {
            if now != last {
                let supervisor = self.supervisor.clone();
                metrics::gauge!(names::CHILDREN, "supervisor" => supervisor, "state" => state)
                    .increment(now as f64 - last as f64);
            }
        }
    }

    fn tell_reading(&mut self, reading: f64) {
        let last = std::mem::replace(&mut self.reading, reading);
        self.gauge(names::METER, reading - last);
    }

    fn tell_pause(&mut self, is_paused: bool) {
        let last = std::mem::replace(&mut self.is_paused, is_paused);
        self.gauge(names::PAUSED, f64::from(is_paused) - f64::from(last));
    }

    /// Counts something that a child has done.
    fn count(&self, name: &'static str, child: u64, reason: &'static str) {
        let Some(times) = self.children.get(&child) else { return };
        let (supervisor, child) = (self.supervisor.clone(), times.name.clone());
        metrics::counter!(
            name, "supervisor" => supervisor, "child" => child, "reason" => reason
        )
        .increment(1);
    }

    /// How long something of a child has taken.
    fn time(&self, name: &'static str, child: u64, since: Option<Instant>, now: Instant) {
        let (Some(times), Some(since)) = (self.children.get(&child), since) else { return };
        let (supervisor, child) = (self.supervisor.clone(), times.name.clone());
        metrics::histogram!(name, "supervisor" => supervisor, "child" => child)
            .record(now.saturating_duration_since(since));
    }

    fn started(&mut self, child: u64, name: SharedString, life: u64, now: Instant) {
        let times = self.children.entry(child).or_insert_with(|| Times::of(name));
        (times.started, times.ready, times.asked) = (Some(now), None, None);
        let reason = times.reason.take().unwrap_or("none");
        if life > 1 {
            self.count(names::RESTARTS, child, reason);
        }
    }

    fn ready(&mut self, child: u64, now: Instant) {
        let Some(times) = self.children.get_mut(&child) else { return };
        let (started, down) = (times.started.take(), times.down.take());
        times.ready = Some(now);
        self.time(names::START, child, started, now);
        self.time(names::DOWN, child, down, now);
    }

    fn failed(&mut self, child: u64, kind: &'static str, now: Instant) {
        let Some(times) = self.children.get_mut(&child) else { return };
        let ready = times.ends(now);
        times.reason = Some(kind);
        self.count(names::FAILURES, child, kind);
        self.time(names::UPTIME, child, ready, now);
    }

    fn asked(&mut self, child: u64, now: Instant) {
        if let Some(times) = self.children.get_mut(&child) {
            times.asked.get_or_insert(now);
        }
    }

    fn stopped(&mut self, child: u64, now: Instant) {
        let Some(times) = self.children.get_mut(&child) else { return };
        let asked = times.asked;
        times.ends(now);
        self.time(names::STOP, child, asked, now);
    }
}

impl Times {
    fn of(name: SharedString) -> Self {
        Self { name, started: None, ready: None, down: None, asked: None, reason: None }
    }

    /// Its incarnation has ended; returns since when that was ready.
    fn ends(&mut self, now: Instant) -> Option<Instant> {
        self.down.get_or_insert(now);
        (self.started, self.asked, self.reason) = (None, None, None);
        self.ready.take()
    }
}

impl Drop for Meters {
    /// A supervisor that has ended has no children, and no meter.
    fn drop(&mut self) {
        let _ = panics::catch(|| {
            self.tell_counts(ChildCounts::default());
            self.tell_reading(0.0);
            self.tell_pause(false);
            self.gauge(names::THRESHOLD, -self.threshold);
        });
    }
}

impl Shell {
    /// What is to be counted of this, before it is carried out. A recorder is the user's code (I5).
    pub(super) fn measure(&mut self, action: &Action) {
        let _ = panics::catch(|| self.measure_it(action));
    }

    fn measure_it(&mut self, action: &Action) {
        match *action {
            Action::Start { child, life } => {
                let Some(entry) = self.children.get(child) else { return };
                let name = self.blueprint.bus.labels().of(&entry.child.name);
                self.meters.started(child, name, life, now());
            }
            Action::Ready { child } => self.meters.ready(child, now()),
            Action::Ask { child, .. } | Action::Kill { child, .. } => {
                self.meters.asked(child, now());
            }
            Action::Failed { child, forced, .. } => {
                let kind = self.kind_of_failure(child, forced);
                self.meters.failed(child, kind, now());
            }
            Action::Stopped { child } => self.meters.stopped(child, now()),
            Action::Ended { child, .. } => {
                self.meters.children.remove(&child);
            }
            Action::PauseEntered { .. } => {
                let supervisor = self.meters.supervisor.clone();
                metrics::counter!(names::PAUSES, "supervisor" => supervisor).increment(1);
            }
            Action::Probe { .. }
            | Action::Abandon { .. }
            | Action::Down { .. }
            | Action::Settle { .. }
            | Action::StopTimeout { .. }
            | Action::PauseLeft
            | Action::LimitReached { .. }
            | Action::Up
            | Action::StopBegun { .. }
            | Action::Released { .. }
            | Action::Finish { .. } => {}
        }
    }

    fn kind_of_failure(&self, child: u64, forced: Option<Forced>) -> &'static str {
        let ended_with = || self.ended_with(child).map(Failure::kind);
        match forced {
            Some(forced) => Failure::from(forced).kind(),
            None => ended_with().unwrap_or(Failure::Stopped.kind()),
        }
    }

    /// What there is after all actions. Told where it is not what was told last.
    pub(super) fn measure_states(&mut self) {
        let counts = self.machine.counts();
        let is_paused = matches!(self.machine.state(), SupervisorState::Paused { .. });
        let reading = self.machine.failures(now());
        let _ = panics::catch(|| {
            if counts != self.meters.counts {
                self.meters.tell_counts(counts);
            }
            self.meters.tell_pause(is_paused);
            self.meters.tell_reading(reading);
        });
    }
}
