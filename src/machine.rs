//! The machine decides: what a supervisor does about its children, as a plain value.
//!
//! It has no clock, no actor, no error payload and nothing asynchronous. Time is an argument, what
//! happens comes in as an [`Input`] or a [`Request`], and what is to be done goes out as [`Action`]s, in
//! the order decided. The shell (`supervisor/`) carries them out. So every interleaving of failures,
//! pauses, requests and stops is an explicit state here, and can be tested in milliseconds.
//!
//! The invariants cited as *I1* to *I9* are those of `docs/design.md`.

mod child;
mod children;
mod failing;
mod group;
mod meter;
mod protocol;
mod requests;
mod standing;
mod stop;
#[cfg(any(test, machine_fuzz))]
mod tests;
mod view;
mod watch;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::protocol::{
    Action, Elsewhere, End, Forced, Input, Listed, Longest, Progress, Refusal, Request, Settings,
    Settled, Standing, StopCause, Terms, Wait,
};
#[cfg(machine_fuzz)]
pub(crate) use self::tests::fuzz;
use self::{
    child::{Child, Slot, State, Then},
    children::Children,
    group::Group,
    meter::Meter,
};
use crate::policy::{Decision, ExitClass, RestartPolicy};

/// How many timers one [`Input::Tick`] serves, at most: so that a storm comes in slices.
const SLICE: usize = 128;

/// For a time that the clock cannot express: so far away that nobody will see it.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Running,
    Paused {
        until: Instant,
    },
    /// All are asked to stop, whoever else has ended by then, in slices. Those from `from` on have yet to be asked.
    Asking {
        cause: StopCause,
        from: u64,
        since: Instant,
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
    group: Option<Group>,
    /// Whether what was declared has been started.
    up: bool,
    /// An orderly stop begins then, and until then all goes on.
    leaving: Option<Instant>,
    /// What it means for the readiness of the tree that it is in.
    standing: Standing,
    /// Whether all that has to be ready has ever been, at the same time.
    was_ready: bool,
    /// The first essential children that have failed for good.
    lost: Vec<u64>,
    /// How many pauses there were without a quiet time after one of them.
    pauses: u32,
    rng: fastrand::Rng,
}

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            phase: Phase::Running,
            meter: Meter::new(settings.decay),
            children: Children::default(),
            group: None,
            up: false,
            leaving: None,
            standing: Standing::Indifferent,
            was_ready: false,
            lost: Vec::new(),
            pauses: 0,
            rng: fastrand::Rng::with_seed(settings.seed),
            settings,
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Action>) {
        match input {
            Input::Declare { child, terms, life } => {
                self.children.insert(child, Child::new(terms, life, false));
            }
            Input::Start => self.start_declared(now, out),
            Input::Add { child, terms, on_trial } => {
                self.add(child, Child::new(terms, 0, on_trial), now, out);
            }
            Input::Retune { child, terms } => self.children.set_terms(child, terms),
            Input::Ready { child, life } => self.ready(child, life, now, out),
            Input::Exited { child, life, exit, decision } => {
                self.exited(child, life, exit, decision, now, out);
            }
            Input::Alive { child, life } => self.alive(child, life, now),
            Input::Stuck { child, life, over } => self.is_stuck(child, life, over, now, out),
            Input::Move { child, life } => self.move_away(child, life, out),
            Input::Resume => {
                if let Phase::Paused { .. } = self.phase {
                    self.leave_pause(now, out);
                }
            }
            Input::Standing { child, life, standing } => self.note_below(child, life, standing),
            Input::Stop => self.leave(now, out),
            Input::Kill => self.kill_all(now, out),
            Input::Tick => self.tick(now, out),
        }
        self.go_on(now, out);
    }

    /// Takes the next steps of what is going on: a stop, which begins where nobody is left, or the restart of a group.
    fn go_on(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.settings.needs_children && self.children.is_empty() {
            self.begin_stop(StopCause::Deserted, now, out);
        }
        self.go_on_stopping(now, out);
        self.go_on_with_group(now, out);
        self.note_standing();
    }

    fn restarts_anything(&self) -> bool {
        match self.phase {
            Phase::Running | Phase::Paused { .. } => true,
            Phase::Asking { .. } | Phase::Stopping { .. } | Phase::Finished => false,
        }
    }

    /// It is entered as one that starts, and never as one that waits for that.
    fn add(&mut self, id: u64, mut child: Child, now: Instant, out: &mut Vec<Action>) {
        let limit = self.limit(child.terms.start_timeout, now);
        let life = child.begin(limit);
        self.children.insert(id, child);
        self.watch(id, now);
        out.push(Action::Start { child: id, life });
    }

    fn start(&mut self, child: u64, now: Instant, out: &mut Vec<Action>) {
        let limit = self.children.get(child).and_then(|child| child.terms.start_timeout);
        let limit = self.limit(limit, now);
        let life = self.children.begin(child, limit);
        self.watch(child, now);
        out.push(Action::Start { child, life });
    }

    fn ready(&mut self, id: u64, life: u64, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        match child.state {
            State::Starting { .. } if child.life == life => {
                let on_trial = child.on_trial;
                self.children.set_ready(id, now);
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

    fn exited(
        &mut self,
        id: u64,
        life: u64,
        exit: ExitClass,
        decision: Option<Decision>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(child) = self.children.get(id) else { return };
        if child.life != life || !child.state.is_up() {
            return; // I3
        }
        match child.state {
            State::Stopping { then, limit, overdue, killed } => {
                if overdue && killed && limit.is_some() {
                    out.push(Action::StopTimeout { child: id, left_behind: false });
                }
                self.stopped(id, then, exit, decision, now, out);
            }
            State::Starting { .. }
            | State::Running
            | State::BackingOff { .. }
            | State::Terminated => {
                self.ended_by_itself(id, exit, decision, now, out);
            }
        }
    }

    /// An incarnation has ended that had been asked to stop, or was killed (I7).
    fn stopped(
        &mut self,
        child: u64,
        then: Then,
        exit: ExitClass,
        decision: Option<Decision>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        match then {
            Then::Fail(_) => {}
            Then::Restart | Then::Terminate | Then::Forget | Then::Regroup | Then::Shutdown => {
                out.push(Action::Stopped { child });
            }
        }
        match then {
            Then::Restart | Then::Terminate | Then::Regroup => self.note_health(child, now),
            Then::Forget | Then::Shutdown | Then::Fail(_) => {}
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
            Then::Regroup if self.is_temporary(child) => {
                self.supersede_trial(child, out);
                self.end(child, End::WithGroup, out);
            }
            Then::Regroup => self.regroup(child, now, out),
            Then::Shutdown => self.release(child, out),
            Then::Fail(forced) => {
                let exit = match exit {
                    ExitClass::Stranded => ExitClass::Stranded,
                    ExitClass::Failed
                    | ExitClass::Hindered
                    | ExitClass::Stopped
                    | ExitClass::Finished
                    | ExitClass::TerminateTree => ExitClass::Failed,
                };
                self.failed(child, Some(forced), exit, decision, now, out);
            }
        }
        out.push(Action::Settle { child, wait: Wait::Stopped, outcome: Settled::Done });
    }

    fn is_temporary(&self, id: u64) -> bool {
        let child = self.children.get(id);
        child.is_some_and(|child| child.terms.policy == RestartPolicy::Temporary)
    }

    fn ended_by_itself(
        &mut self,
        id: u64,
        exit: ExitClass,
        decision: Option<Decision>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        if let Phase::Asking { .. } | Phase::Stopping { .. } = self.phase {
            return self.ended_before_it_was_asked(id, exit, now, out);
        }
        match exit {
            ExitClass::TerminateTree => {
                self.tell_failed(id, None, false, now, out);
                self.end(id, End::Failed, out);
                self.begin_stop(StopCause::TerminateTree { child: id }, now, out);
            }
            ExitClass::Failed | ExitClass::Hindered | ExitClass::Stranded => {
                self.failed(id, None, exit, decision, now, out);
            }
            ExitClass::Stopped if self.keeps(id, exit) => {
                self.failed(id, None, exit, decision, now, out);
            }
            ExitClass::Stopped => self.ended(id, End::Stopped, now, out),
            ExitClass::Finished => self.ended(id, End::Finished, now, out),
        }
    }

    /// Everything stops, and it would have been asked in its turn. Its end is its own all the same: what
    /// ends for good does not come back with its supervisor.
    fn ended_before_it_was_asked(
        &mut self,
        id: u64,
        exit: ExitClass,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let (as_if, end) = match exit {
            ExitClass::Failed
            | ExitClass::Hindered
            | ExitClass::Stranded
            | ExitClass::TerminateTree => (ExitClass::Failed, End::Failed),
            ExitClass::Stopped => (exit, End::Stopped),
            ExitClass::Finished => (exit, End::Finished),
        };
        let on_trial = self.children.get(id).is_some_and(|child| child.on_trial);
        let comes_back = on_trial || self.keeps(id, as_if);
        if as_if == ExitClass::Failed {
            self.tell_failed(id, None, false, now, out);
        } else if comes_back {
            out.push(Action::Stopped { child: id });
        }
        match comes_back {
            true => self.release(id, out),
            false => self.end(id, end, out),
        }
    }

    /// Whether a child that ended in this way is wanted back.
    fn keeps(&self, id: u64, exit: ExitClass) -> bool {
        self.children.get(id).is_some_and(|child| child.terms.policy.restarts(exit))
    }

    /// The supervisor stops, and is done with this child. It comes back if the supervisor is restarted.
    fn release(&mut self, child: u64, out: &mut Vec<Action>) {
        self.children.remove(child);
        out.push(Action::Released { child });
    }

    fn end(&mut self, child: u64, end: End, out: &mut Vec<Action>) {
        if self.children.get(child).is_some_and(|child| child.on_trial) {
            out.push(Action::Settle { child, wait: Wait::Ready, outcome: Settled::Failed });
        }
        self.note_loss(child, end);
        self.children.remove(child);
        out.push(Action::Ended { child, end });
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.leaving.is_some_and(|until| until <= now) {
            self.begin_stop(StopCause::Asked, now, out);
        }
        match self.phase {
            Phase::Paused { until } if until <= now => self.leave_pause(now, out),
            Phase::Asking { cause, from, .. } => {
                self.ask_slice(cause, from, now, out);
                self.serve_timers(now, out);
            }
            Phase::Paused { .. } | Phase::Running | Phase::Stopping { .. } | Phase::Finished => {
                self.serve_timers(now, out);
            }
        }
    }

    fn serve_timers(&mut self, now: Instant, out: &mut Vec<Action>) {
        for served in 0..SLICE {
            let Some((slot, id)) = self.children.due(now) else { return };
            let Some(child) = self.children.get(id) else { return };
            if let Some(probe) = child.probe().filter(|probe| probe.until == slot) {
                match probe.asked {
                    false => {
                        self.probe_is_due(id, now, out);
                        continue;
                    }
                    true if served == 0 => return self.probe_is_due(id, now, out),
                    // It has a tick of its own: others that do not answer may be on the same thread, and are to move away first.
                    true => return,
                }
            }
            match child.state {
                State::Starting { .. } => {
                    let limit = child.terms.start_timeout.unwrap_or_default();
                    self.kill(id, Then::Fail(Forced::StartTimeout(limit)), now, out);
                }
                State::BackingOff { .. } => self.is_due(id, now, out),
                State::Stopping { then, .. } => self.stop_timed_out(id, then, now, out),
                State::Running | State::Terminated => return,
            }
        }
    }

    /// The timer of a limit, if there is one.
    fn limit(&mut self, limit: Option<Duration>, now: Instant) -> Option<Slot> {
        limit.map(|limit| self.children.slot(after(now, limit)))
    }
}

fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + FAR)
}
