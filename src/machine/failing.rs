//! What follows a failure: who comes back, when, and when the supervisor has had enough.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Action, End, FAR, Forced, Machine, Phase, StopCause, after,
    child::{State, Until},
};
use crate::{
    backoff,
    policy::{AutoShutdown, Decision, ExitClass, OnLimit, StartFailure, Strategy},
};

impl Machine {
    /// A failure, which the child brought about or (`forced`) the supervisor itself.
    pub(super) fn failed(
        &mut self,
        id: u64,
        forced: Option<Forced>,
        exit: ExitClass,
        decision: Option<Decision>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(child) = self.children.get(id) else { return };
        if !self.restarts_anything() {
            // Its start took too long while everything stops.
            self.tell_failed(id, forced, false, now, out);
            return self.release(id, out);
        }
        let starts_in_vain = !child.proven && self.settings.start_failure == StartFailure::Escalate;
        let by_policy = match child.terms.policy.restarts(ExitClass::Failed) {
            _ if starts_in_vain => Decision::Escalate,
            true => Decision::Restart,
            false => Decision::End,
        };
        if child.on_trial {
            self.tell_failed(id, forced, false, now, out);
            return self.end(id, End::Failed, out);
        }
        match decision.unwrap_or(by_policy) {
            Decision::End => {
                self.tell_failed(id, forced, false, now, out);
                self.ended(id, End::Failed, now, out);
            }
            Decision::Restart if !starts_in_vain => {
                self.restart(id, forced, exit, now, out);
            }
            Decision::Restart | Decision::Escalate => self.escalate(id, forced, now, out),
        }
    }

    /// The child is to come back, unless it has failed too often or is stranded, or the supervisor has had enough.
    fn restart(
        &mut self,
        id: u64,
        forced: Option<Forced>,
        exit: ExitClass,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let rng = &mut self.rng;
        let noted = self.children.note_failure(id, |child| child.next_delay(exit, now, rng));
        let Some(child) = noted else { return };
        let (delay, has_given_up) = (child.last_delay(), child.has_given_up());
        let is_stranded = exit == ExitClass::Stranded;
        if is_stranded || has_given_up {
            return match self.settings.on_limit {
                OnLimit::Escalate => self.escalate(id, forced, now, out),
                OnLimit::Backoff => {
                    self.tell_failed(id, forced, false, now, out);
                    let end = if is_stranded { End::Stranded } else { End::GaveUp };
                    self.ended(id, end, now, out);
                }
            };
        }
        match self.phase {
            Phase::Running => {
                let failures = self.count_failure(now);
                let over = failures > self.settings.threshold;
                if over && self.had_enough() {
                    self.tell_failed(id, forced, false, now, out);
                    out.push(Action::LimitReached { failures });
                    return self.fail_over(id, now, out);
                }
                self.tell_failed(id, forced, true, now, out);
                if over {
                    self.enter_pause(now, out);
                }
            }
            Phase::Paused { .. }
            | Phase::Asking { .. }
            | Phase::Stopping { .. }
            | Phase::Finished => {
                self.tell_failed(id, forced, true, now, out);
            }
        }
        self.put_down(id, delay, now, out);
    }

    /// An incarnation has ended on request: if it was healthy until then, the next failure is the first one again.
    pub(super) fn note_health(&mut self, id: u64, now: Instant) {
        if self.children.get(id).is_some_and(|child| child.is_healthy(now)) {
            self.children.note_failure(id, |_| (0, Duration::ZERO));
        }
    }

    /// Counts a failure on the meter, and whether it follows a quiet time.
    fn count_failure(&mut self, now: Instant) -> f64 {
        if self.meter.quiet(now).is_none_or(|quiet| quiet >= self.settings.decay) {
            self.pauses = 0;
        }
        self.meter.raise(now)
    }

    /// Whether the limit is now a reason to fail, and not to pause.
    fn had_enough(&self) -> bool {
        let pauses_left =
            self.settings.give_up_after_pauses.is_none_or(|limit| self.pauses < limit);
        match self.settings.on_limit {
            OnLimit::Escalate => true,
            OnLimit::Backoff => !pauses_left,
        }
    }

    /// The child's failure is more than the supervisor bears.
    fn escalate(&mut self, id: u64, forced: Option<Forced>, now: Instant, out: &mut Vec<Action>) {
        self.tell_failed(id, forced, false, now, out);
        self.fail_over(id, now, out);
    }

    /// The supervisor fails over this child, which is not forgotten: if the supervisor is restarted, so is
    /// a declared child.
    fn fail_over(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        self.release(id, out);
        self.begin_stop(StopCause::Escalated { child: id }, now, out);
    }

    pub(super) fn tell_failed(
        &self,
        child: u64,
        forced: Option<Forced>,
        restarting: bool,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Failed { child, forced, failures: self.meter.read(now), restarting });
    }

    /// A child has ended by itself, for good.
    pub(super) fn ended(&mut self, id: u64, end: End, now: Instant, out: &mut Vec<Action>) {
        // One on trial that fails is no loss: it was never kept.
        let significant =
            self.children.get(id).is_some_and(|child| child.terms.significant && !child.on_trial);
        self.end(id, end, out);
        let enough = match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => significant,
            AutoShutdown::AllSignificant => significant && self.children.significant() == 0,
        };
        if enough {
            self.begin_stop(StopCause::Auto, now, out);
        }
    }

    /// A failed child waits for whatever it has to wait for (I8), or is started at once.
    fn put_down(&mut self, id: u64, delay: Duration, now: Instant, out: &mut Vec<Action>) {
        let alone = self.settings.strategy == Strategy::OneForOne;
        let paused = self.pause_ends().is_some();
        if delay.is_zero() && alone && !paused {
            return self.start(id, now, out);
        }
        let until = match (delay.is_zero(), paused) {
            (false, _) => Until::Due(self.children.slot(after(now, delay))),
            (true, true) => Until::PauseEnds(self.children.queue_end()),
            (true, false) => Until::Turn,
        };
        self.children.set(id, State::BackingOff { until });
        out.push(Action::Down { child: id });
        self.sweep(id);
    }

    fn enter_pause(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.pauses = self.pauses.saturating_add(1);
        let pause = backoff::stretch(self.settings.pause, self.settings.jitter, &mut self.rng);
        self.phase = Phase::Paused { until: after(now, pause) };
        out.push(Action::PauseEntered { pause });
    }

    /// What waited becomes due, spread over the settings' time, in the order in which it failed; in a group, by turns.
    pub(super) fn leave_pause(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.phase = Phase::Running;
        self.meter.reset(now);
        out.push(Action::PauseLeft);
        let waiting = self.children.queued();
        let step = self.settings.spread.as_secs_f64() / waiting.len().max(1) as f64;
        for (index, child) in waiting.into_iter().enumerate() {
            let until = match self.has_a_turn(child) {
                true => Until::Turn,
                false => {
                    let wait = Duration::try_from_secs_f64(step * index as f64).unwrap_or(FAR);
                    Until::Due(self.children.slot(after(now, wait)))
                }
            };
            self.children.set(child, State::BackingOff { until });
        }
        self.serve_timers(now, out);
    }

    /// The time of a child that was down has come.
    pub(super) fn is_due(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        let until = match (&self.phase, self.has_a_turn(id)) {
            (Phase::Paused { .. }, _) => Until::PauseEnds(self.children.queue_end()),
            (_, true) => Until::Turn,
            (_, false) => return self.start(id, now, out),
        };
        self.children.set(id, State::BackingOff { until });
    }
}
