//! The machine's children in start order, with their timers, the queue of a pause, and the counts.
//!
//! Every change of a child's state goes through [`Children::set`], so that the timers, the queue and the
//! counts cannot disagree with the states.

use std::collections::{BTreeMap, btree_map};

use tokio::time::Instant;

use super::{Forced, Terms};
use crate::info::{ChildCounts, ChildState};

/// Where a child is in its life, and what that stage needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    /// An incarnation is on its way to be ready; `limit` is when it is too late.
    Starting { limit: Option<Slot> },
    /// An incarnation is ready.
    Running,
    /// No incarnation, and one is due.
    BackingOff { until: Until },
    /// The incarnation was asked to stop, or is being killed; `limit` is when it has taken too long,
    /// `overdue` says that it has.
    Stopping { then: Then, limit: Option<Slot>, overdue: bool },
    /// No incarnation, and none is due before somebody asks.
    Terminated,
}

/// What a child that is down waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Until {
    /// Its own time.
    Due(Slot),
    /// The end of the supervisor's pause; the number is its place in the queue.
    PauseEnds(u64),
}

/// What follows when a stopping incarnation has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// A new incarnation.
    Restart,
    /// Nothing, until somebody asks.
    Terminate,
    /// The child is forgotten. It is no longer listed.
    Forget,
    /// The supervisor goes on stopping.
    Shutdown,
    /// What happens after a failure: it was ended by force.
    Fail(Forced),
}

/// A time, and a number that keeps equal times in the order in which they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    at: Instant,
    order: u64,
}

impl State {
    fn slot(&self) -> Option<Slot> {
        match *self {
            Self::Starting { limit } | Self::Stopping { limit, .. } => limit,
            Self::BackingOff { until: Until::Due(slot) } => Some(slot),
            Self::BackingOff { until: Until::PauseEnds(_) } | Self::Running | Self::Terminated => {
                None
            }
        }
    }

    fn place(&self) -> Option<u64> {
        match *self {
            Self::BackingOff { until: Until::PauseEnds(place) } => Some(place),
            Self::BackingOff { until: Until::Due(_) }
            | Self::Starting { .. }
            | Self::Running
            | Self::Stopping { .. }
            | Self::Terminated => None,
        }
    }

    /// As users see it; `None` for a child that is not listed any more.
    pub(crate) fn shown(&self) -> Option<ChildState> {
        match self {
            Self::Starting { .. } => Some(ChildState::Starting),
            Self::Running => Some(ChildState::Running),
            Self::BackingOff { .. } => Some(ChildState::BackingOff),
            Self::Stopping { then: Then::Forget, .. } => None,
            Self::Stopping { .. } => Some(ChildState::Stopping),
            Self::Terminated => Some(ChildState::Terminated),
        }
    }

    /// Whether there is an incarnation, which will tell of its end.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            Self::Starting { .. } | Self::Running | Self::Stopping { .. } => true,
            Self::BackingOff { .. } | Self::Terminated => false,
        }
    }
}

/// What the machine knows of one child.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    pub(crate) terms: Terms,
    /// The number of its latest incarnation; 0 before the first one.
    pub(crate) life: u64,
    /// Not kept unless its first start succeeds.
    pub(crate) on_trial: bool,
    pub(crate) state: State,
}

impl Child {
    /// How many times it was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.life.saturating_sub(1)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Children {
    by_id: BTreeMap<u64, Child>,
    timers: BTreeMap<Slot, u64>,
    queue: BTreeMap<u64, u64>,
    counts: ChildCounts,
    restarts: u64,
    next_order: u64,
}

impl Children {
    pub(crate) fn insert(&mut self, id: u64, terms: Terms, life: u64, on_trial: bool) {
        let child = Child { terms, life, on_trial, state: State::Terminated };
        self.count(&child, 1);
        self.by_id.insert(id, child);
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Child> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> btree_map::Iter<'_, u64, Child> {
        self.by_id.iter()
    }

    /// The last child before this place in the start order.
    pub(crate) fn last_before(&self, id: u64) -> Option<(u64, &Child)> {
        self.by_id.range(..id).next_back().map(|(&id, child)| (id, child))
    }

    pub(crate) fn set(&mut self, id: u64, state: State) {
        self.change(id, |child| child.state = state);
    }

    /// A new incarnation; returns its number.
    pub(crate) fn next_life(&mut self, id: u64, state: State) -> u64 {
        let mut life = 0;
        self.change(id, |child| {
            child.life += 1;
            child.state = state;
            life = child.life;
        });
        life
    }

    pub(crate) fn end_trial(&mut self, id: u64) {
        self.change(id, |child| child.on_trial = false);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        if let Some(child) = self.by_id.remove(&id) {
            self.forget_times(&child.state);
            self.count(&child, -1);
        }
    }

    /// The place of a new timer.
    pub(crate) fn slot(&mut self, at: Instant) -> Slot {
        Slot { at, order: self.next_order() }
    }

    /// The last place in the queue of a pause.
    pub(crate) fn queue_end(&mut self) -> u64 {
        self.next_order()
    }

    /// Who waits for the end of the pause, first come first.
    pub(crate) fn queued(&self) -> Vec<u64> {
        self.queue.values().copied().collect()
    }

    /// When the first timer is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(slot, _)| slot.at)
    }

    /// The first child whose timer is due.
    pub(crate) fn due(&self, now: Instant) -> Option<u64> {
        self.timers.first_key_value().filter(|(slot, _)| slot.at <= now).map(|(_, &id)| id)
    }

    pub(crate) fn counts(&self) -> ChildCounts {
        self.counts
    }

    /// The restarts of all children that are listed.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Child)) {
        let Some(child) = self.by_id.get_mut(&id) else { return };
        let before = child.clone();
        change(child);
        let after = child.clone();
        self.forget_times(&before.state);
        self.count(&before, -1);
        if let Some(slot) = after.state.slot() {
            self.timers.insert(slot, id);
        }
        if let Some(place) = after.state.place() {
            self.queue.insert(place, id);
        }
        self.count(&after, 1);
    }

    fn forget_times(&mut self, state: &State) {
        if let Some(slot) = state.slot() {
            self.timers.remove(&slot);
        }
        if let Some(place) = state.place() {
            self.queue.remove(&place);
        }
    }

    fn count(&mut self, child: &Child, by: isize) {
        let Some(shown) = child.state.shown() else { return };
        let by_state = self.counts.state_mut(shown);
        *by_state = by_state.wrapping_add_signed(by);
        let by_kind = self.counts.kind_mut(child.terms.kind);
        *by_kind = by_kind.wrapping_add_signed(by);
        self.restarts = self.restarts.wrapping_add_signed(by as i64 * child.restarts() as i64);
    }
}
