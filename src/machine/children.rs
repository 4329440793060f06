//! The machine's children in start order, with their timers, the queue of a pause, and the counts.
//!
//! Every change of a child goes through `Children::change`, so that the timers, the queue and the counts cannot
//! disagree with the states.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Standing, Terms,
    child::{Child, Probe, Slot, State, Tally, Until, Waits},
};
use crate::{info::ChildCounts, rows::Rows};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Children {
    rows: Rows<Child>,
    timers: BTreeMap<Slot, u64>,
    queue: BTreeMap<u64, u64>,
    counts: ChildCounts,
    restarts: u64,
    significant: usize,
    left_behind: BTreeSet<u64>,
    essential: usize,
    missing: usize,
    others: usize,
    next_order: u64,
}

impl Children {
    pub(crate) fn insert(&mut self, id: u64, child: Child) {
        self.note(id, child.waits());
        self.count(child.tally(), 1);
        self.rows.insert(id, child);
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Child> {
        self.rows.get(id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of them, in start order.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.rows.iter().map(|(id, _)| id).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Child)> {
        self.rows.iter()
    }

    /// A place behind all of them in the start order.
    pub(crate) fn next_id(&self) -> u64 {
        self.rows.last_before(u64::MAX).map_or(0, |(id, _)| id + 1)
    }

    /// The last child before this place in the start order.
    pub(crate) fn last_before(&self, id: u64) -> Option<(u64, &Child)> {
        self.rows.last_before(id)
    }

    /// The first child from this place on.
    pub(crate) fn first_from(&self, id: u64) -> Option<(u64, &Child)> {
        self.rows.first_from(id)
    }

    /// Whether a child from this place on waits for a time, or for the end of a pause.
    pub(crate) fn is_held_from(&self, id: u64) -> bool {
        self.rows.from(id).any(|(_, child)| match child.state {
            State::BackingOff { until } => until != Until::Turn,
            State::Starting { .. }
            | State::Running
            | State::Stopping { .. }
            | State::Terminated => false,
        })
    }

    pub(crate) fn set(&mut self, id: u64, state: State) {
        self.change(id, |child| {
            child.state = state;
            if !state.is_up() {
                child.set_probe(None);
            }
        });
    }

    pub(crate) fn set_probe(&mut self, id: u64, probe: Option<Probe>) {
        self.change(id, |child| child.set_probe(probe));
    }

    /// With a watchdog that it has not had before, it is watched from its next incarnation on.
    pub(crate) fn set_terms(&mut self, id: u64, terms: Arc<Terms>) {
        self.change(id, |child| {
            if terms.watchdog().is_none() {
                child.set_probe(None);
            }
            child.terms = terms;
        });
    }

    /// What an incarnation that is a supervisor tells of itself.
    pub(crate) fn set_below(&mut self, id: u64, below: Standing) {
        self.change(id, |child| child.below = below);
    }

    /// It is ready, and so its trial is over.
    pub(crate) fn set_ready(&mut self, id: u64, now: Instant) {
        self.change(id, |child| {
            child.state = State::Running;
            child.on_trial = false;
            child.proven = true;
            child.ready_at = Some(now);
        });
    }

    /// So many failures in a row now, and the delay after the last one.
    pub(crate) fn note_failure(
        &mut self,
        id: u64,
        count: impl FnOnce(&Child) -> (u32, Duration),
    ) -> Option<&Child> {
        // Neither is entered anywhere else.
        let child = self.rows.get_mut(id)?;
        let (row, delay) = count(child);
        child.row = row;
        child.set_last_delay(delay);
        Some(child)
    }

    /// A new incarnation. Returns its number.
    pub(crate) fn begin(&mut self, id: u64, limit: Option<Slot>) -> u64 {
        let mut life = 0;
        self.change(id, |child| life = child.begin(limit));
        life
    }

    pub(crate) fn end_trial(&mut self, id: u64) {
        self.change(id, |child| child.on_trial = false);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        if let Some(child) = self.rows.remove(id) {
            self.forget(id, child.waits());
            self.count(child.tally(), -1);
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

    /// The first timer that is due, and its child.
    pub(crate) fn due(&self, now: Instant) -> Option<(Slot, u64)> {
        let first = self.timers.first_key_value().map(|(&slot, &id)| (slot, id));
        first.filter(|(slot, _)| slot.at <= now)
    }

    pub(crate) fn counts(&self) -> ChildCounts {
        self.counts
    }

    /// The restarts of all children that are listed.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How many significant children have not ended.
    pub(crate) fn significant(&self) -> usize {
        self.significant
    }

    /// Those that can neither stop nor be ended.
    pub(crate) fn left_behind(&self) -> &BTreeSet<u64> {
        &self.left_behind
    }

    /// Without how many the tree is not ready.
    pub(crate) fn essential(&self) -> usize {
        self.essential
    }

    /// How many of these are not ready.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// About how many a stop has to do more than to ask them.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Child)) {
        let Some(child) = self.rows.get_mut(id) else { return };
        let (waited, before) = (child.waits(), child.tally());
        change(child);
        let (waits, after) = (child.waits(), child.tally());
        if waits != waited {
            self.forget(id, waited);
            self.note(id, waits);
        }
        self.count(before, -1);
        self.count(after, 1);
    }

    fn note(&mut self, id: u64, waits: Option<Waits>) {
        let Some(waits) = waits else { return };
        for slot in [waits.slot, waits.probe].into_iter().flatten() {
            self.timers.insert(slot, id);
        }
        if let Some(place) = waits.place {
            self.queue.insert(place, id);
        }
        if waits.left_behind {
            self.left_behind.insert(id);
        }
    }

    fn forget(&mut self, id: u64, waits: Option<Waits>) {
        let Some(waits) = waits else { return };
        for slot in [waits.slot, waits.probe].into_iter().flatten() {
            self.timers.remove(&slot);
        }
        if let Some(place) = waits.place {
            self.queue.remove(&place);
        }
        if waits.left_behind {
            self.left_behind.remove(&id);
        }
    }

    fn count(&mut self, child: Tally, by: i8) {
        if child.significant {
            self.significant = self.significant.wrapping_add_signed(by.into());
        }
        if child.essential {
            self.essential = self.essential.wrapping_add_signed(by.into());
        }
        if child.missing {
            self.missing = self.missing.wrapping_add_signed(by.into());
        }
        if !child.up_and_known {
            self.others = self.others.wrapping_add_signed(by.into());
        }
        let Some(shown) = child.shown else { return };
        let by_state = self.counts.state_mut(shown);
        *by_state = by_state.wrapping_add_signed(by.into());
        let by_kind = self.counts.kind_mut(child.kind);
        *by_kind = by_kind.wrapping_add_signed(by.into());
        let restarts = child.restarts.wrapping_mul(i64::from(by) as u64);
        self.restarts = self.restarts.wrapping_add(restarts);
    }
}
