//! How children are stopped: one on request, or all of them.

use tokio::time::Instant;

use super::{
    Action, Machine, Phase, Settled, StopCause, Wait, after,
    child::{State, Then},
};
use crate::policy::{Shutdown, ShutdownOrder};

/// How many children one [`Input::Tick`](super::Input::Tick) asks to stop, at most. What follows from their ends comes before more are asked, and
/// finds in the cache what it is about.
pub(super) const ASKED: usize = 16;

impl Machine {
    /// Once the stop is over: the children that were left behind, their threads still running.
    pub(crate) fn left_behind(&self) -> impl Iterator<Item = u64> + '_ {
        self.children.iter().filter(|(_, child)| child.state.is_up()).map(|(id, _)| id)
    }

    /// Whether the child has been removed, and its incarnation has not ended yet.
    pub(crate) fn is_forgotten(&self, id: u64) -> bool {
        self.children.get(id).is_some_and(|child| child.shown().is_none())
    }

    /// Asks an incarnation to stop, in its child's way.
    pub(super) fn ask(&mut self, id: u64, then: Then, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        let (shutdown, life) = (child.terms.shutdown, child.life);
        if shutdown == Shutdown::Kill && child.terms.can_be_killed() {
            return self.kill(id, then, now, out);
        }
        out.push(Action::Ask { child: id, life });
        let limit = self.limit(shutdown.limit(), now);
        self.children.set(id, State::Stopping { then, limit, overdue: false, killed: false });
    }

    /// Ends an incarnation by force. One that cannot be killed is asked, and given its limit.
    pub(super) fn kill(&mut self, id: u64, then: Then, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        if !child.terms.can_be_killed() {
            return self.ask(id, then, now, out);
        }
        self.send_kill(id, then, false, now, out);
    }

    /// Ends by force what is on its way to stop, where that can be done.
    pub(super) fn hurry(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        match child.state {
            // Nobody waits for it any more to stop in an orderly way.
            State::Stopping { then, overdue, killed: false, .. } if child.terms.can_be_killed() => {
                self.send_kill(id, then, overdue, now, out);
            }
            State::Stopping { .. }
            | State::Starting { .. }
            | State::Running
            | State::BackingOff { .. }
            | State::Terminated => {}
        }
    }

    fn send_kill(
        &mut self,
        id: u64,
        then: Then,
        overdue: bool,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(child) = self.children.get(id) else { return };
        out.push(Action::Kill { child: id, life: child.life });
        let grace = child.grace();
        let limit = self.limit(grace, now);
        let killed = grace.is_some();
        self.children.set(id, State::Stopping { then, limit, overdue, killed });
    }

    /// A stopping incarnation has taken too long: it is dropped, or else left behind.
    pub(super) fn stop_timed_out(
        &mut self,
        id: u64,
        then: Then,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(child) = self.children.get(id) else { return };
        let was_killed = matches!(child.state, State::Stopping { killed: true, .. });
        if was_killed && child.can_be_abandoned() {
            self.abandon(id, then, out);
        } else if was_killed || !child.terms.can_be_killed() {
            self.leave_behind(id, then, was_killed, out);
        } else if child.is_elsewhere() {
            // Whether it is dropped has yet to be seen.
            self.send_kill(id, then, true, now, out);
        } else {
            out.push(Action::StopTimeout { child: id, left_behind: false });
            self.send_kill(id, then, true, now, out);
        }
    }

    /// Nothing can end it but itself.
    fn leave_behind(&mut self, child: u64, then: Then, killed: bool, out: &mut Vec<Action>) {
        let state = State::Stopping { then, limit: None, overdue: true, killed };
        self.children.set(child, state);
        out.push(Action::StopTimeout { child, left_behind: true });
        for wait in [Wait::Started, Wait::Stopped] {
            out.push(Action::Settle { child, wait, outcome: Settled::Timeout });
        }
    }

    /// An orderly stop was asked for: it begins now, or after a delay in which all goes on but the tree is not ready.
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Action>) {
        let delay = self.settings.stop_delay;
        if delay.is_zero() {
            self.begin_stop(StopCause::Asked, now, out);
        } else if self.leaving.is_none() && self.restarts_anything() {
            self.leaving = Some(after(now, delay));
        }
    }

    /// From now on everything stops: the last started child is asked first, then the one before it, and so on.
    pub(super) fn begin_stop(&mut self, cause: StopCause, now: Instant, out: &mut Vec<Action>) {
        if !self.restarts_anything() {
            return;
        }
        self.phase = Phase::Stopping { cause, cursor: u64::MAX };
        self.leaving = None;
        out.push(Action::StopBegun { cause });
        self.leave_only_what_is_up(out);
        if self.settings.shutdown_order == ShutdownOrder::Concurrent {
            self.ask_slice(cause, 0, now, out);
        }
    }

    /// Asks the next ones from this number on. They end while others are asked, and are gone soon after they were touched: in
    /// the order in which most of them lie in memory.
    pub(super) fn ask_slice(
        &mut self,
        cause: StopCause,
        mut from: u64,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        for _ in 0..ASKED {
            let Some((id, _)) = self.children.first_from(from) else {
                self.phase = Phase::Stopping { cause, cursor: u64::MAX };
                return;
            };
            self.ask_if_up(id, now, out);
            from = id + 1;
        }
        self.phase = Phase::Asking { cause, from, since: now };
    }

    fn ask_if_up(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        match self.children.get(id).map(|child| child.state) {
            Some(State::Starting { .. } | State::Running) => {
                self.ask(id, Then::Shutdown, now, out);
            }
            Some(State::Stopping { .. } | State::BackingOff { .. } | State::Terminated) | None => {}
        }
    }

    /// Ends everything at once, also in the middle of an orderly stop.
    pub(super) fn kill_all(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Finished {
            return;
        }
        self.phase = Phase::Stopping { cause: StopCause::Killed, cursor: u64::MAX };
        self.leaving = None;
        self.leave_only_what_is_up(out);
        let up = self.children.ids();
        for id in up.into_iter().rev() {
            let Some(child) = self.children.get(id) else { continue };
            let (killable, life) = (child.terms.can_be_killed(), child.life);
            let (then, overdue, killed) = match child.state {
                State::Stopping { then, overdue, killed, .. } => (then, overdue, killed),
                State::Starting { .. }
                | State::Running
                | State::BackingOff { .. }
                | State::Terminated => (Then::Shutdown, false, false),
            };
            if killable && !killed {
                self.send_kill(id, then, overdue, now, out);
            } else if !killable && !overdue {
                out.push(Action::Ask { child: id, life });
                self.leave_behind(id, then, false, out);
            }
        }
    }

    /// Forgets who has no incarnation, and tells who waits for one that there will be none.
    fn leave_only_what_is_up(&mut self, out: &mut Vec<Action>) {
        if self.children.others() == 0 {
            return; // As a rule, and to look through a million takes its time.
        }
        let others = self.children.iter().filter(|(_, child)| !child.is_up_and_known());
        let others: Vec<u64> = others.map(|(id, _)| id).collect();
        for child in others {
            let Some(known) = self.children.get(child) else { continue };
            if known.on_trial {
                out.push(Action::Settle { child, wait: Wait::Ready, outcome: Settled::Stopping });
            }
            match known.state {
                State::BackingOff { .. } | State::Terminated => self.release(child, out),
                State::Stopping { then: Then::Forget, .. } => {}
                State::Stopping { then, limit, overdue, killed } => {
                    if then == Then::Restart {
                        out.push(Action::Settle {
                            child,
                            wait: Wait::Started,
                            outcome: Settled::Stopping,
                        });
                    }
                    let then = Then::Shutdown;
                    self.children.set(child, State::Stopping { then, limit, overdue, killed });
                }
                State::Starting { .. } | State::Running => {}
            }
        }
    }

    /// While the supervisor stops: asks the next one, once the one before has gone or was left behind.
    pub(super) fn go_on_stopping(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Phase::Stopping { cause, mut cursor } = self.phase else { return };
        while let Some((id, child)) = self.children.last_before(cursor) {
            match child.state {
                State::Starting { .. } | State::Running => {
                    return self.ask(id, Then::Shutdown, now, out);
                }
                State::Stopping { .. } if child.is_left_behind() => {
                    cursor = id;
                    self.phase = Phase::Stopping { cause, cursor };
                }
                State::Stopping { .. } => return,
                // There is none: they were forgotten when the stop began.
                State::BackingOff { .. } | State::Terminated => cursor = id,
            }
        }
        self.phase = Phase::Finished;
        out.push(Action::Finish { cause });
    }
}
