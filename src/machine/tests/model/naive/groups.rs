//! How a group goes down and comes back.

use super::{Ending, Naive};
use crate::machine::Action;

impl Naive {
    pub(super) fn go_on_with_group(&mut self) {
        if self.is_stopping() {
            self.to_stop.clear();
            self.to_start.clear();
            return;
        }
        if self.goes_down_in_reverse_order() && self.may_come_back() && self.comes_back_in_order() {
            self.is_up = true;
            self.told.push(Action::Up);
        }
    }

    /// Each is asked when the one after it is down; whether all are.
    fn goes_down_in_reverse_order(&mut self) -> bool {
        while let Some(&id) = self.to_stop.last() {
            if let Some(kid) = self.kids.iter().find(|kid| kid.id == id) {
                if kid.up && kid.ending.is_none() {
                    self.ask(id, Ending::Group);
                    return false;
                }
                if kid.up && !kid.is_left_behind() {
                    return false;
                }
            }
            self.to_stop.pop();
        }
        true
    }

    /// "When the failed one may, pause and backoff included."
    fn may_come_back(&self) -> bool {
        let has_to_wait = |kid: &super::Kid| kid.due.is_some() || self.queue.contains(&kid.id);
        let mut members = self.kids.iter().filter(|kid| self.to_start.contains(&kid.id));
        !self.is_paused() && !members.any(has_to_wait)
    }

    /// "Each starts when the one before it is ready"; whether that is, for the first time, done.
    fn comes_back_in_order(&mut self) -> bool {
        while let Some(&id) = self.to_start.first() {
            if let Some(kid) = self.kids.iter().find(|kid| kid.id == id) {
                if kid.waits_for_turn {
                    self.start(id);
                    return false;
                }
                let starts = kid.up && kid.ending.is_none() && !kid.ready;
                let stops = kid.up && kid.ending.is_some() && !kid.is_left_behind();
                if starts || stops {
                    return false;
                }
            }
            self.to_start.remove(0);
        }
        !self.is_up
    }
}
