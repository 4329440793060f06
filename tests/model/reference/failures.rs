//! What follows a failure.

use actix_supervisor::{Decision, OnLimit, RestartPolicy, StartFailure};

use super::{
    parts::{At, Cause, Happening, Mode, Wait, Why},
    world::World,
};
use crate::program::{Delays, Millis, Name, Terms};

impl World {
    pub fn failed(&mut self, name: Name, failure: String) {
        let kid = self.kid(name);
        let (parent, terms, on_trial) = (kid.parent, kid.terms, kid.on_trial);
        let never_ready = !kid.ever_ready;
        if self.is_stopping(parent) {
            self.tell_failure(name, &failure, false);
            return self.goes_with_its_supervisor(name);
        }
        // "If its first start fails it is not kept: `AddError::Start(Failure)`."
        if on_trial {
            self.tell_failure(name, &failure, false);
            self.answer(name, Wait::Stopped, "Ok");
            return self.ends(name, &format!("Failed: {failure}"));
        }
        let decision = terms.rule.map(|rule| match failure.starts_with("panicked") {
            true => rule.panic,
            false => rule.other,
        });
        let escalates_at_start =
            self.bosses[&parent].settings.start_failure == StartFailure::Escalate;
        let restarts = match decision {
            Some(Decision::Escalate) => return self.escalate(name, &failure),
            Some(Decision::End) => false,
            Some(Decision::Restart) | None if never_ready && escalates_at_start => {
                return self.escalate(name, &failure);
            }
            Some(Decision::Restart) => true,
            None => terms.policy != RestartPolicy::Temporary,
        };
        if restarts {
            self.is_to_restart(name, failure);
        } else {
            // "A failure for which the child is not restarted is an event and moves no meter."
            self.tell_failure(name, &failure, false);
            self.answer(name, Wait::Stopped, "Ok");
            self.ends_by_itself(name, &format!("Failed: {failure}"));
        }
    }

    fn is_to_restart(&mut self, name: Name, failure: String) {
        // "A child's failures in a row, none of them after a healthy `reset_after`, pick its step."
        self.forgets_its_failures_if_healthy(name);
        let kid = self.kid(name);
        kid.failures_in_row += 1;
        kid.last_delay = delay(&kid.terms, kid.failures_in_row);
        let (parent, delay, terms) = (kid.parent, kid.last_delay, kid.terms);
        let in_row = kid.failures_in_row;
        let settings = self.bosses[&parent].settings;
        // "At `give_up_after(n)` such failures the child has failed for good."
        if terms.give_up_after.is_some_and(|most| in_row >= most) {
            match settings.on_limit {
                OnLimit::Escalate => self.escalate(name, &failure),
                OnLimit::Backoff => {
                    self.tell_failure(name, &failure, false);
                    self.answer(name, Wait::Stopped, "Ok");
                    self.ends_by_itself(name, &format!("GaveUp: {failure}"));
                }
            }
            return;
        }
        // "While a supervisor is paused every failure waits in the queue: it neither moves the pause's end nor sends a
        // second `BackoffEntered`."
        let waits = self.bosses[&parent].mode != Mode::Running;
        if waits || self.count_failure(parent) <= settings.threshold {
            self.tell_failure(name, &failure, true);
        } else {
            let pauses = self.bosses[&parent].pauses_in_row;
            let gives_up = settings.give_up_after_pauses.is_some_and(|most| pauses >= most);
            if settings.on_limit == OnLimit::Escalate || gives_up {
                self.tell_failure(name, &failure, false);
                let meter = self.meter(parent);
                self.tell(parent, None, format!("LimitReached at {meter:.6}"));
                return self.fail_over(name, &failure);
            }
            self.tell_failure(name, &failure, true);
            let until = self.now + settings.pause;
            let boss = self.boss(parent);
            boss.mode = Mode::Paused { until };
            boss.pauses_in_row += 1;
            self.tell(parent, None, format!("BackoffEntered for {}", settings.pause));
            self.at(until, Happening::PauseEnds(parent, until));
        }
        self.its_group_goes_down(name);
        if delay == 0 {
            self.come_back(name);
        } else {
            let due = self.now + delay;
            self.kid(name).at = At::Down(Why::Due(due));
            self.at(due, Happening::Due(name, due));
        }
    }

    /// "`count = count * 0.5^(elapsed / decay) + 1` at each failure."
    fn count_failure(&mut self, supervisor: Name) -> f64 {
        let now = self.now;
        let boss = self.boss(supervisor);
        // "n pauses in a row, none followed by a quiet `failure_decay`."
        if boss.last_trouble.is_some_and(|last| now - last >= boss.settings.decay) {
            boss.pauses_in_row = 0;
        }
        boss.last_trouble = Some(now);
        boss.failures.push(now);
        self.meter(supervisor)
    }

    pub fn meter(&self, supervisor: Name) -> f64 {
        let boss = &self.bosses[&supervisor];
        let decay = boss.settings.decay as f64;
        let share = |at: Millis| 0.5_f64.powf((self.now - at) as f64 / decay);
        boss.failures.iter().fold(0.0, |sum, &at| sum + share(at))
    }

    pub fn forgets_its_failures_if_healthy(&mut self, name: Name) {
        let now = self.now;
        let kid = self.kid(name);
        // "Default: as long as the last delay, and at least 10 s."
        let reset_after = match (kid.terms.delays, kid.terms.reset_after) {
            (Delays::None, _) => 10_000,
            (_, Some(healthy)) => healthy,
            (_, None) => kid.last_delay.max(10_000),
        };
        if kid.ready_since.is_some_and(|since| now - since >= reset_after) {
            kid.failures_in_row = 0;
            kid.last_delay = 0;
        }
    }

    pub fn tell_failure(&mut self, name: Name, failure: &str, restarting: bool) {
        let kid = self.kid(name);
        kid.last_failure = Some(failure.to_owned());
        let parent = kid.parent;
        let meter = self.meter(parent);
        let restarting = if restarting { "restarting" } else { "for good" };
        self.tell(
            parent,
            Some(name),
            format!("ChildFailed at {meter:.6}, {restarting}: {failure}"),
        );
    }

    fn escalate(&mut self, name: Name, failure: &str) {
        self.tell_failure(name, failure, false);
        self.fail_over(name, failure);
    }

    /// "An escalation is `Failure::LimitReached` at each level: `last` leads down to the first failure."
    fn fail_over(&mut self, name: Name, failure: &str) {
        let parent = self.kids[&name].parent;
        let failure = format!("{parent} gave up over its child {name}: {failure}");
        self.stop_supervisor_over(parent, name, failure);
    }

    fn stop_supervisor_over(&mut self, parent: Name, name: Name, failure: String) {
        self.goes_with_its_supervisor(name);
        self.stop_supervisor(parent, Cause::Failed(failure));
    }

    /// It is down and its own time is over: it waits for the pause's end, for its turn in its group, or for nothing.
    pub fn come_back(&mut self, name: Name) {
        let parent = self.kids[&name].parent;
        let boss = self.boss(parent);
        if let Mode::Paused { .. } = boss.mode {
            boss.queue.push(name);
            self.kid(name).at = At::Down(Why::Pause);
        } else if boss.to_start.contains(&name) {
            self.kid(name).at = At::Down(Why::Turn);
        } else {
            self.start(name);
        }
    }

    /// "When it ends the meter is 0 and what waited is restarted", "spread evenly over this time".
    pub fn leave_pause(&mut self, supervisor: Name) {
        let now = self.now;
        let boss = self.boss(supervisor);
        boss.mode = Mode::Running;
        boss.failures.clear();
        boss.last_trouble = Some(now);
        let spread = boss.settings.spread;
        let queue = std::mem::take(&mut boss.queue);
        self.tell(supervisor, None, "BackoffLeft");
        for (index, &name) in (0..).zip(&queue) {
            if self.bosses[&supervisor].to_start.contains(&name) {
                self.kid(name).at = At::Down(Why::Turn);
            } else if index == 0 || spread == 0 {
                self.start(name);
            } else {
                let due = now + spread / queue.len() as u64 * index;
                self.kid(name).at = At::Down(Why::Due(due));
                self.at(due, Happening::Due(name, due));
            }
        }
        self.go_on(supervisor);
    }
}

fn delay(terms: &Terms, failures_in_row: u32) -> Millis {
    match terms.delays {
        Delays::None => 0,
        Delays::Constant(delay) => delay,
        Delays::Doubling { first, max } => {
            (1..failures_in_row).fold(first, |delay, _| (delay * 2).min(max)).min(max)
        }
        Delays::Steps(steps) => steps[(failures_in_row as usize).min(3) - 1],
    }
}
