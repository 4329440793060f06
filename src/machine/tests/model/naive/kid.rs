//! A child of the model.

use std::time::Duration;

use super::{super::deal::Deal, Mode, Naive};
use crate::{
    info::ChildState,
    machine::{Forced, Listed},
};

/// What follows when an incarnation that was asked to stop, or killed, has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Ending {
    Restart,
    Terminate,
    Remove,
    Group,
    Stop,
    Failure(Forced),
}

#[derive(Clone, Debug)]
pub(in super::super) struct Kid {
    pub(in super::super) id: u64,
    pub(in super::super) deal: Deal,
    pub(in super::super) life: u64,
    /// Its first life under this supervisor has begun.
    pub(super) begun: bool,
    /// There is an incarnation.
    pub(in super::super) up: bool,
    pub(in super::super) ready: bool,
    pub(super) ready_since: Option<Duration>,
    pub(in super::super) ending: Option<Ending>,
    /// When somebody loses patience with the incarnation; and a number, for those at one instant.
    pub(super) limit: Option<(Duration, u64)>,
    pub(super) overdue: bool,
    /// When its own backoff is over, or its share of the spread.
    pub(super) due: Option<(Duration, u64)>,
    pub(super) waits_for_turn: bool,
    pub(super) terminated: bool,
    pub(super) on_trial: bool,
    pub(super) ever_ready: bool,
    pub(super) failures_in_row: u32,
    pub(super) last_delay: Duration,
}

impl Kid {
    pub(super) fn new(id: u64, deal: Deal) -> Self {
        Self {
            id,
            deal,
            life: 0,
            begun: false,
            up: false,
            ready: false,
            ready_since: None,
            ending: None,
            limit: None,
            overdue: false,
            due: None,
            waits_for_turn: false,
            terminated: false,
            on_trial: false,
            ever_ready: false,
            failures_in_row: 0,
            last_delay: Duration::ZERO,
        }
    }

    pub(super) fn timer(&self) -> Option<(Duration, u64)> {
        self.limit.or(self.due)
    }

    /// Its thread runs on, and nobody waits for it any more.
    pub(super) fn is_left_behind(&self) -> bool {
        self.up && self.overdue && !self.deal.can_be_killed()
    }

    /// "Every child marked essential"; who has yet to prove itself is not missed, nor is who was removed.
    pub(super) fn is_essential(&self) -> bool {
        self.deal.is_essential() && !self.on_trial && self.state().is_some()
    }

    pub(super) fn is_missing(&self) -> bool {
        self.is_essential() && self.state() != Some(ChildState::Running)
    }

    /// "`List`: the children, in start order; not those being removed."
    pub(in super::super) fn state(&self) -> Option<ChildState> {
        match self.ending {
            Some(Ending::Remove) => None,
            Some(_) => Some(ChildState::Stopping),
            None if self.up && self.ready => Some(ChildState::Running),
            None if self.up => Some(ChildState::Starting),
            None if self.terminated => Some(ChildState::Terminated),
            // Its first turn has yet to come.
            None if !self.begun => Some(ChildState::Starting),
            None => Some(ChildState::BackingOff),
        }
    }
}

impl Naive {
    /// As [`List`](crate::List) has it, with times since the start of the walk.
    pub(in super::super) fn list(&self) -> impl Iterator<Item = (Listed, Option<Duration>)> + '_ {
        let pause = match self.mode {
            Mode::Paused { until } => Some(until),
            Mode::Running | Mode::Stopping { .. } | Mode::Finished => None,
        };
        self.kids.iter().filter_map(move |kid| {
            let next_start = match kid.due {
                Some((at, _)) => Some(at.max(pause.unwrap_or(at))),
                None if self.queue.contains(&kid.id) => pause,
                None => None,
            };
            let listed = Listed {
                id: kid.id,
                state: kid.state()?,
                restarts: kid.life.saturating_sub(1),
                failures_in_row: kid.failures_in_row,
                next_start: None,
                is_essential: kid.is_essential(),
                is_missing: kid.is_missing(),
            };
            Some((listed, next_start))
        })
    }
}
