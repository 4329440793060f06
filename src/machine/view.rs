//! What the machine tells of itself.

use tokio::time::Instant;

use super::{
    Forced, Listed, Machine, Phase,
    child::{Child, State, Then, Until},
};
use crate::{
    info::{ChildCounts, SupervisorState},
    policy::ExitClass,
};

impl Machine {
    /// When it wants to be told that time has passed. One that waits for nothing has none (I6).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = self.pause_ends().or_else(|| self.goes_on_at());
        [own, self.leaving, self.children.deadline()].into_iter().flatten().min()
    }

    pub(super) fn pause_ends(&self) -> Option<Instant> {
        match self.phase {
            Phase::Paused { until } => Some(until),
            Phase::Running | Phase::Asking { .. } | Phase::Stopping { .. } | Phase::Finished => {
                None
            }
        }
    }

    /// If it has done a slice of its work: at once.
    fn goes_on_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Asking { since, .. } => Some(since),
            Phase::Running | Phase::Paused { .. } | Phase::Stopping { .. } | Phase::Finished => {
                None
            }
        }
    }

    /// Whether everything has been stopped, in order.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Finished
    }

    pub(crate) fn state(&self) -> SupervisorState {
        match self.phase {
            Phase::Running => SupervisorState::Running,
            Phase::Paused { until } => SupervisorState::Paused { until },
            Phase::Asking { .. } | Phase::Stopping { .. } | Phase::Finished => {
                SupervisorState::Stopping
            }
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

    /// Those that have taken too long to stop, and cannot be ended.
    pub(crate) fn overdue(&self) -> impl Iterator<Item = u64> + '_ {
        self.children.left_behind().iter().copied()
    }

    /// The children that are listed, in start order.
    pub(crate) fn list(&self) -> impl Iterator<Item = Listed> + '_ {
        let pause = self.pause_ends();
        let listed = move |(id, child): (u64, &Child)| {
            let next_start = match child.state {
                State::BackingOff { until: Until::Due(slot) } => Some(slot.at).max(pause),
                State::BackingOff { until: Until::PauseEnds(_) } => pause,
                State::BackingOff { until: Until::Turn }
                | State::Starting { .. }
                | State::Running
                | State::Stopping { .. }
                | State::Terminated => None,
            };
            Some(Listed {
                id,
                state: child.shown()?,
                restarts: child.restarts(),
                failures_in_row: child.row,
                next_start,
                is_essential: child.is_essential(),
                is_missing: child.is_missing(),
            })
        };
        self.children.iter().filter_map(listed)
    }

    /// Whether this exit is a failure about which the child's own rule is to be asked.
    pub(crate) fn decides(&self, id: u64, life: u64, exit: ExitClass) -> bool {
        let Some(child) = self.children.get(id).filter(|child| child.life == life) else {
            return false;
        };
        if child.on_trial || !self.restarts_anything() {
            return false; // There is nothing to decide.
        }
        match (child.state, exit) {
            (State::Stopping { then: Then::Fail(_), .. }, _)
            | (
                State::Starting { .. } | State::Running,
                ExitClass::Failed | ExitClass::Hindered | ExitClass::Stranded,
            ) => true,
            (State::Starting { .. } | State::Running, ExitClass::Stopped) => {
                child.terms.policy.restarts(exit)
            }
            (
                State::Starting { .. } | State::Running,
                ExitClass::Finished | ExitClass::TerminateTree,
            )
            | (State::Stopping { .. } | State::BackingOff { .. } | State::Terminated, _) => false,
        }
    }

    /// The failure that the supervisor itself is bringing about, if it is.
    pub(crate) fn forced(&self, id: u64) -> Option<Forced> {
        match self.children.get(id)?.state {
            State::Stopping { then: Then::Fail(forced), .. } => Some(forced),
            State::Stopping { .. }
            | State::Starting { .. }
            | State::Running
            | State::BackingOff { .. }
            | State::Terminated => None,
        }
    }
}
