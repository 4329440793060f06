//! How children are stopped: one on request, or all of them.

use tokio::time::Instant;

use super::{
    Action, Machine, Phase, Settled, StopCause, Wait,
    child::{State, Then},
};
use crate::policy::{Shutdown, ShutdownOrder};

impl Machine {
    /// Once the stop is over: the children that were left behind, their threads still running.
    pub(crate) fn left_behind(&self) -> impl Iterator<Item = u64> + '_ {
        self.children.iter().filter(|(_, child)| child.state.is_up()).map(|(&id, _)| id)
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
        self.children.set(id, State::Stopping { then, limit, overdue: false });
    }

    /// Ends an incarnation by force. One that cannot be killed is asked, and given its limit.
    pub(super) fn kill(&mut self, id: u64, then: Then, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        if !child.terms.can_be_killed() {
            return self.ask(id, then, now, out);
        }
        out.push(Action::Kill { child: id, life: child.life });
        self.children.set(id, State::Stopping { then, limit: None, overdue: false });
    }

    /// Ends by force what is on its way to stop, where that can be done.
    pub(super) fn hurry(&mut self, id: u64, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        if child.terms.can_be_killed() {
            out.push(Action::Kill { child: id, life: child.life });
            if let State::Stopping { then, overdue, .. } = child.state {
                // Nobody waits for it any more to stop in an orderly way.
                self.children.set(id, State::Stopping { then, limit: None, overdue });
            }
        }
    }

    pub(super) fn can_be_killed(&self, id: u64) -> bool {
        self.children.get(id).is_some_and(|child| child.terms.can_be_killed())
    }

    /// A stopping incarnation has taken too long: it is dropped, or else left behind.
    pub(super) fn stop_timed_out(&mut self, child: u64, then: Then, out: &mut Vec<Action>) {
        self.children.set(child, State::Stopping { then, limit: None, overdue: true });
        let left_behind = !self.can_be_killed(child);
        out.push(Action::StopTimeout { child, left_behind });
        if left_behind {
            for wait in [Wait::Started, Wait::Stopped] {
                out.push(Action::Settle { child, wait, outcome: Settled::Timeout });
            }
        } else {
            self.hurry(child, out);
        }
    }

    /// From now on everything stops: the last started child is asked first, then the one before it, and so on.
    pub(super) fn begin_stop(&mut self, cause: StopCause, now: Instant, out: &mut Vec<Action>) {
        if !self.restarts_anything() {
            return;
        }
        self.phase = Phase::Stopping { cause, cursor: u64::MAX };
        out.push(Action::StopBegun { cause });
        self.leave_only_what_is_up(out);
        if self.settings.shutdown_order == ShutdownOrder::Concurrent {
            let ids = self.children.ids();
            for id in ids.into_iter().rev() {
                self.ask_if_up(id, now, out);
            }
        }
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
    pub(super) fn kill_all(&mut self, out: &mut Vec<Action>) {
        if self.phase == Phase::Finished {
            return;
        }
        self.phase = Phase::Stopping { cause: StopCause::Killed, cursor: u64::MAX };
        self.leave_only_what_is_up(out);
        let up = self.children.ids();
        for id in up.into_iter().rev() {
            let Some(child) = self.children.get(id) else { continue };
            let (killable, life) = (child.terms.can_be_killed(), child.life);
            let (then, overdue) = match child.state {
                State::Stopping { then, overdue, .. } => (then, overdue),
                State::Starting { .. }
                | State::Running
                | State::BackingOff { .. }
                | State::Terminated => (Then::Shutdown, false),
            };
            if killable {
                out.push(Action::Kill { child: id, life });
                self.children.set(id, State::Stopping { then, limit: None, overdue });
            } else if !overdue {
                out.push(Action::Ask { child: id, life });
                self.stop_timed_out(id, then, out);
            }
        }
    }

    /// Forgets who has no incarnation, and tells who waits for one that there will be none.
    fn leave_only_what_is_up(&mut self, out: &mut Vec<Action>) {
        let ids = self.children.ids();
        for child in ids {
            let Some(known) = self.children.get(child) else { continue };
            if known.on_trial {
                out.push(Action::Settle { child, wait: Wait::Ready, outcome: Settled::Stopping });
            }
            match known.state {
                State::BackingOff { .. } | State::Terminated => self.release(child, out),
                State::Stopping { then: Then::Forget, .. } => {}
                State::Stopping { then, limit, overdue } => {
                    if then == Then::Restart {
                        out.push(Action::Settle {
                            child,
                            wait: Wait::Started,
                            outcome: Settled::Stopping,
                        });
                    }
                    self.children
                        .set(child, State::Stopping { then: Then::Shutdown, limit, overdue });
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
                State::Stopping { overdue: true, .. } if !child.terms.can_be_killed() => {
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
