//! The machine decides: what a supervisor does about its children, as a plain value.
//!
//! It has no clock, no actor, no error payload and nothing asynchronous. Time is an argument, what
//! happens comes in as an [`Input`] or a [`Request`], and what is to be done goes out as [`Action`]s, in
//! the order decided. The shell (`supervisor/`) carries them out. So every interleaving of failures,
//! pauses, requests and stops is an explicit state here, and can be tested in milliseconds.
//!
//! The invariants cited as *I1* to *I9* are those of `docs/design.md`.

mod children;
mod meter;
mod protocol;
mod requests;
mod stop;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::protocol::{
    Action, End, Forced, Input, Progress, Refusal, Request, Settings, Settled, StopCause, Terms,
    Wait,
};
use self::{
    children::{Child, Children, Slot, State, Then, Until},
    meter::Meter,
};
use crate::{
    info::{ChildCounts, ChildState, SupervisorState},
    policy::ExitClass,
};

/// How many timers one [`Input::Tick`] serves at most, so that a storm of restarts comes in slices.
const SLICE: usize = 128;

/// For a time that the clock cannot express: so far away that nobody will see it.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Running,
    Paused {
        until: Instant,
    },
    /// Children from `cursor` on have been dealt with.
    Stopping {
        cause: StopCause,
        cursor: u64,
    },
    Finished,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machine {
    settings: Settings,
    phase: Phase,
    meter: Meter,
    children: Children,
    rng: fastrand::Rng,
}

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            phase: Phase::Running,
            meter: Meter::new(settings.decay),
            children: Children::default(),
            rng: fastrand::Rng::with_seed(settings.seed),
            settings,
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Action>) {
        match input {
            Input::Add { child, terms, life, on_trial } => {
                self.children.insert(child, terms, life, on_trial);
                self.start(child, now, out);
            }
            Input::Ready { child, life } => self.ready(child, life, out),
            Input::Exited { child, life, exit } => self.exited(child, life, exit, now, out),
            Input::Resume => {
                if let Phase::Paused { .. } = self.phase {
                    self.leave_pause(now, out);
                }
            }
            Input::Stop => self.begin_stop(StopCause::Asked, now, out),
            Input::Kill => self.kill_all(now, out),
            Input::Tick => self.tick(now, out),
        }
    }

    /// When it wants to be told that time has passed. One that waits for nothing has none (I6).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let pause = match self.phase {
            Phase::Paused { until } => Some(until),
            Phase::Running | Phase::Stopping { .. } | Phase::Finished => None,
        };
        [pause, self.children.deadline()].into_iter().flatten().min()
    }

    pub(crate) fn state(&self) -> SupervisorState {
        match self.phase {
            Phase::Running => SupervisorState::Running,
            Phase::Paused { until } => SupervisorState::Paused { until },
            Phase::Stopping { .. } | Phase::Finished => SupervisorState::Stopping,
        }
    }

    /// The failure meter, decayed to now.
    pub(crate) fn failures(&self, now: Instant) -> f64 {
        self.meter.read(now)
    }

    pub(crate) fn threshold(&self) -> f64 {
        self.settings.threshold
    }

    pub(crate) fn counts(&self) -> ChildCounts {
        self.children.counts()
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.children.restarts()
    }

    /// The children that are listed, in start order, each with its state and its restarts.
    pub(crate) fn list(&self) -> impl Iterator<Item = (u64, ChildState, u64)> + '_ {
        let shown =
            |(&id, child): (&u64, &Child)| Some((id, child.state.shown()?, child.restarts()));
        self.children.iter().filter_map(shown)
    }

    fn start(&mut self, child: u64, now: Instant, out: &mut Vec<Action>) {
        let limit = self.children.get(child).and_then(|child| child.terms.start_timeout);
        let limit = limit.map(|limit| self.children.slot(after(now, limit)));
        let life = self.children.next_life(child, State::Starting { limit });
        out.push(Action::Start { child, life });
    }

    fn ready(&mut self, id: u64, life: u64, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        match child.state {
            State::Starting { .. } if child.life == life => {
                let on_trial = child.on_trial;
                self.children.end_trial(id);
                self.children.set(id, State::Running);
                out.push(Action::Ready { child: id });
                if on_trial {
                    out.push(Action::Settle {
                        child: id,
                        wait: Wait::Ready,
                        outcome: Settled::Done,
                    });
                }
            }
            // Of an earlier life (I3), or on its way to stop.
            State::Starting { .. }
            | State::Running
            | State::BackingOff { .. }
            | State::Stopping { .. }
            | State::Terminated => {}
        }
    }

    fn exited(&mut self, id: u64, life: u64, exit: ExitClass, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        if child.life != life || !child.state.is_up() {
            return; // I3
        }
        match child.state {
            State::Stopping { then, .. } => self.stopped(id, then, now, out),
            State::Starting { .. }
            | State::Running
            | State::BackingOff { .. }
            | State::Terminated => {
                self.ended_by_itself(id, exit, now, out);
            }
        }
        self.go_on_stopping(now, out);
    }

    /// An incarnation has ended that had been asked to stop, or was killed (I7).
    fn stopped(&mut self, child: u64, then: Then, now: Instant, out: &mut Vec<Action>) {
        match then {
            Then::Fail(_) => {}
            Then::Restart | Then::Terminate | Then::Forget | Then::Shutdown => {
                out.push(Action::Stopped { child });
            }
        }
        match then {
            Then::Restart => {
                self.start(child, now, out);
                out.push(Action::Settle { child, wait: Wait::Started, outcome: Settled::Done });
            }
            Then::Terminate => {
                self.children.set(child, State::Terminated);
                out.push(Action::Down { child });
            }
            Then::Forget => self.end(child, End::Removed, out),
            Then::Shutdown => self.children.remove(child),
            Then::Fail(forced) => self.failed(child, Some(forced), now, out),
        }
        out.push(Action::Settle { child, wait: Wait::Stopped, outcome: Settled::Done });
    }

    fn ended_by_itself(&mut self, id: u64, exit: ExitClass, now: Instant, out: &mut Vec<Action>) {
        if let Phase::Stopping { .. } = self.phase {
            // It would have been asked to stop in its turn; its end crossed that.
            match exit {
                ExitClass::Failed | ExitClass::TerminateTree => {
                    self.tell_failed(id, None, false, now, out)
                }
                ExitClass::Stopped | ExitClass::Finished => out.push(Action::Stopped { child: id }),
            }
            self.children.remove(id);
            return;
        }
        match exit {
            ExitClass::TerminateTree => {
                self.tell_failed(id, None, false, now, out);
                self.end(id, End::Failed, out);
                self.begin_stop(StopCause::TerminateTree { child: id }, now, out);
            }
            ExitClass::Failed => self.failed(id, None, now, out),
            ExitClass::Stopped if self.keeps(id, exit) => self.failed(id, None, now, out),
            ExitClass::Stopped => self.end(id, End::Stopped, out),
            ExitClass::Finished => self.end(id, End::Finished, out),
        }
    }

    /// Whether a child that ended in this way is wanted back.
    fn keeps(&self, id: u64, exit: ExitClass) -> bool {
        self.children
            .get(id)
            .is_some_and(|child| child.on_trial || child.terms.policy.restarts(exit))
    }

    /// A failure, which the child brought about or (`forced`) the supervisor itself.
    fn failed(&mut self, id: u64, forced: Option<Forced>, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        let is_wanted = !child.on_trial && child.terms.policy.restarts(ExitClass::Failed);
        match self.phase {
            Phase::Running | Phase::Paused { .. } if !is_wanted => {
                self.tell_failed(id, forced, false, now, out);
                self.end(id, End::Failed, out);
            }
            Phase::Running => {
                let failures = self.meter.raise(now);
                self.tell_failed(id, forced, true, now, out);
                if failures > self.settings.threshold {
                    self.enter_pause(now, out);
                    self.wait_for_pause(id, out);
                } else {
                    self.start(id, now, out);
                }
            }
            Phase::Paused { .. } => {
                self.tell_failed(id, forced, true, now, out);
                self.wait_for_pause(id, out);
            }
            // Nothing is restarted any more: its start took too long while everything stops.
            Phase::Stopping { .. } | Phase::Finished => {
                self.tell_failed(id, forced, false, now, out);
                self.children.remove(id);
            }
        }
    }

    fn tell_failed(
        &self,
        child: u64,
        forced: Option<Forced>,
        restarting: bool,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Failed { child, forced, failures: self.meter.read(now), restarting });
    }

    fn end(&mut self, child: u64, end: End, out: &mut Vec<Action>) {
        if self.children.get(child).is_some_and(|child| child.on_trial) {
            out.push(Action::Settle { child, wait: Wait::Ready, outcome: Settled::Failed });
        }
        self.children.remove(child);
        out.push(Action::Ended { child, end });
    }

    fn enter_pause(&mut self, now: Instant, out: &mut Vec<Action>) {
        let stretch = 1.0 + self.settings.jitter * self.rng.f64();
        let stretched = self.settings.pause.as_secs_f64() * stretch;
        let pause = Duration::try_from_secs_f64(stretched).unwrap_or(self.settings.pause);
        self.phase = Phase::Paused { until: after(now, pause) };
        out.push(Action::PauseEntered { pause });
    }

    fn wait_for_pause(&mut self, child: u64, out: &mut Vec<Action>) {
        let until = Until::PauseEnds(self.children.queue_end());
        self.children.set(child, State::BackingOff { until });
        out.push(Action::Down { child });
    }

    /// What waited becomes due, spread over the settings' time, in the order in which it failed.
    fn leave_pause(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.phase = Phase::Running;
        self.meter.reset();
        out.push(Action::PauseLeft);
        let waiting = self.children.queued();
        let step = self.settings.spread.as_secs_f64() / waiting.len().max(1) as f64;
        for (index, child) in waiting.into_iter().enumerate() {
            let wait = Duration::try_from_secs_f64(step * index as f64).unwrap_or(FAR);
            let due = self.children.slot(after(now, wait));
            self.children.set(child, State::BackingOff { until: Until::Due(due) });
        }
        self.serve_timers(now, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Paused { until } if until <= now => self.leave_pause(now, out),
            Phase::Paused { .. } | Phase::Running | Phase::Stopping { .. } | Phase::Finished => {
                self.serve_timers(now, out);
            }
        }
    }

    fn serve_timers(&mut self, now: Instant, out: &mut Vec<Action>) {
        for _ in 0..SLICE {
            let Some(id) = self.children.due(now) else { return };
            let Some(child) = self.children.get(id) else { return };
            match child.state {
                State::Starting { .. } => {
                    let limit = child.terms.start_timeout.unwrap_or_default();
                    self.kill(id, Then::Fail(Forced::StartTimeout(limit)), now, out);
                }
                State::BackingOff { .. } => match self.phase {
                    Phase::Paused { .. } => self.wait_for_pause(id, out),
                    Phase::Running | Phase::Stopping { .. } | Phase::Finished => {
                        self.start(id, now, out)
                    }
                },
                State::Stopping { then, .. } => {
                    self.give_up(id, then, out);
                    self.go_on_stopping(now, out);
                }
                State::Running | State::Terminated => return,
            }
        }
    }

    fn limit(&mut self, limit: Option<Duration>, now: Instant) -> Option<Slot> {
        limit.map(|limit| self.children.slot(after(now, limit)))
    }
}

fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + FAR)
}
