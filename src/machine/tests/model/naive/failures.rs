//! What follows a failure.

use std::time::Duration;

use super::{Mark, Mode, Naive};
use crate::{
    machine::{Action, End, Forced, StopCause},
    policy::{Decision, OnLimit, RestartPolicy, StartFailure, Strategy},
};

impl Naive {
    pub(super) fn failed(&mut self, id: u64, forced: Option<Forced>, decision: Option<Decision>) {
        if self.is_stopping() {
            self.tell_failed(id, forced, false);
            return self.release(id);
        }
        let fails_with_the_first = self.settings.start_failure == StartFailure::Escalate;
        let kid = self.kid(id);
        let starts_in_vain = !kid.ever_ready && fails_with_the_first;
        let comes_back = match (kid.on_trial, decision) {
            // "If its first start fails it is not kept"; "a failed `AddAndWait` only answers its caller".
            (true, _) => {
                self.tell_failed(id, forced, false);
                return self.ends(id, End::Failed);
            }
            // "For one failure, by its reason; overrides the policy."
            (false, Some(Decision::Escalate)) => return self.escalate(id, forced),
            (false, Some(Decision::End)) => false,
            // "A child that fails before it was ever ready: `Escalate`: the supervisor fails."
            (false, Some(Decision::Restart) | None) if starts_in_vain => {
                return self.escalate(id, forced);
            }
            (false, Some(Decision::Restart)) => true,
            (false, None) => kid.deal.policy != RestartPolicy::Temporary,
        };
        if comes_back {
            self.is_to_restart(id, forced);
        } else {
            // "A failure for which the child is not restarted is an event and moves no meter."
            self.tell_failed(id, forced, false);
            self.ends_by_itself(id, End::Failed);
        }
    }

    fn is_to_restart(&mut self, id: u64, forced: Option<Forced>) {
        let delay = self.count_in_row(id);
        let kid = self.kid(id);
        if kid.deal.give_up_after.is_some_and(|limit| kid.failures_in_row >= limit) {
            return match self.settings.on_limit {
                OnLimit::Escalate => self.escalate(id, forced),
                OnLimit::Backoff => {
                    self.tell_failed(id, forced, false);
                    self.ends_by_itself(id, End::GaveUp);
                }
            };
        }
        // "While a supervisor is paused every failure waits in the queue."
        if self.mode == Mode::Running {
            self.failures.push(self.now);
            self.marks.push(Mark::Failure(self.now));
            let failures = self.meter();
            if failures > self.settings.threshold {
                let pauses_left =
                    self.settings.give_up_after_pauses.is_none_or(|limit| self.pauses() < limit);
                if self.settings.on_limit == OnLimit::Escalate || !pauses_left {
                    self.tell_failed(id, forced, false);
                    self.told.push(Action::LimitReached { failures });
                    return self.fail_over(id);
                }
                self.tell_failed(id, forced, true);
                self.enter_pause();
            } else {
                self.tell_failed(id, forced, true);
            }
        } else {
            self.tell_failed(id, forced, true);
        }
        self.goes_down(id, delay);
    }

    /// "A child's failures in a row, none of them after a healthy `reset_after`, pick its step."
    fn count_in_row(&mut self, id: u64) -> Duration {
        self.forgets_if_healthy(id);
        let kid = self.kid(id);
        kid.failures_in_row += 1;
        kid.last_delay = kid.deal.delay(kid.failures_in_row);
        kid.last_delay
    }

    /// Whether its incarnation failed or was stopped on request: it was ready for long enough.
    pub(super) fn forgets_if_healthy(&mut self, id: u64) {
        let now = self.now;
        let kid = self.kid(id);
        let healthy = kid.deal.healthy_after(kid.last_delay);
        if kid.ready_since.is_some_and(|since| now - since >= healthy) {
            kid.failures_in_row = 0;
            kid.last_delay = Duration::ZERO;
        }
    }

    /// "A child's own backoff and the supervisor's pause both hold", and its siblings go down with it.
    fn goes_down(&mut self, id: u64, delay: Duration) {
        self.its_group_goes_down(id);
        if delay.is_zero() {
            self.come_back(id);
        } else {
            let order = self.next_timer();
            let now = self.now;
            self.kid(id).due = Some((now + delay, order));
        }
    }

    fn enter_pause(&mut self) {
        let pause = self.settings.pause;
        self.mode = Mode::Paused { until: self.now + pause };
        self.marks.push(Mark::PauseEntered);
        self.told.push(Action::PauseEntered { pause });
    }

    /// "When it ends the meter is 0 and what waited is restarted", "spread evenly over this time".
    pub(super) fn leave_pause(&mut self) {
        self.mode = Mode::Running;
        self.failures.clear();
        self.marks.push(Mark::PauseLeft(self.now));
        self.told.push(Action::PauseLeft);
        let waited = std::mem::take(&mut self.queue);
        let all = u32::try_from(waited.len()).expect("not that many");
        for (index, id) in (0..).zip(waited) {
            if self.to_start.contains(&id) {
                self.kid(id).waits_for_turn = true;
            } else {
                let at = self.now + self.settings.spread / all * index;
                let order = self.next_timer();
                self.kid(id).due = Some((at, order));
            }
        }
        self.serve_timers();
    }

    /// "`count = count * 0.5^(elapsed / decay) + 1` at each failure."
    pub(in super::super) fn meter(&self) -> f64 {
        let share = |&at: &Duration| {
            0.5_f64.powf((self.now - at).as_secs_f64() / self.settings.decay.as_secs_f64())
        };
        self.failures.iter().map(share).sum()
    }

    /// Pauses in a row, none of them followed by a quiet `failure_decay`.
    fn pauses(&self) -> u32 {
        let mut pauses = 0;
        let mut last = None;
        for &mark in &self.marks {
            match mark {
                Mark::Failure(at) => {
                    if last.is_some_and(|last| at - last >= self.settings.decay) {
                        pauses = 0;
                    }
                    last = Some(at);
                }
                Mark::PauseEntered => pauses += 1,
                Mark::PauseLeft(at) => last = Some(at),
            }
        }
        pauses
    }

    pub(super) fn tell_failed(&mut self, child: u64, forced: Option<Forced>, restarting: bool) {
        let failures = self.meter();
        self.told.push(Action::Failed { child, forced, failures, restarting });
    }

    /// "The supervisor fails."
    fn escalate(&mut self, id: u64, forced: Option<Forced>) {
        self.tell_failed(id, forced, false);
        self.fail_over(id);
    }

    fn fail_over(&mut self, id: u64) {
        self.release(id);
        self.begin_stop(StopCause::Escalated { child: id });
    }

    /// "The siblings of a group stop at the failure and all start when the failed one may." A failure during that
    /// merges into it: whoever has yet to stop or to start for it still has to.
    fn its_group_goes_down(&mut self, failed: u64) {
        let first = match self.settings.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => failed,
        };
        for list in [&mut self.to_stop, &mut self.to_start] {
            let first = list.first().map_or(first, |&earlier| earlier.min(first));
            *list = self.kids.iter().map(|kid| kid.id).filter(|&id| id >= first).collect();
        }
    }
}
