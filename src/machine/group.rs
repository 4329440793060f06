//! The restart of a group: its members stop in reverse order, wait for the one that failed, and start in order.
//!
//! The first start of a supervisor's declared children is the last part of the same thing.

use tokio::time::Instant;

use super::{
    Action, Machine, Phase,
    child::{State, Then, Until},
};
use crate::policy::Strategy;

/// A restart that is going on. Members from `from` on and before `to` take part: who is taken on later is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Group {
    from: u64,
    to: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Members from `cursor` on are down; those before `from` stay as they are.
    Stopping { from: u64, cursor: u64 },
    /// All are down, and somebody has to wait.
    Waiting,
    /// Members before `next` have had their turn.
    Starting { next: u64 },
}

impl Machine {
    /// Starts what was declared.
    pub(super) fn start_declared(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.settings.strategy {
            Strategy::OneForOne => {
                let declared = self.children.ids();
                for id in declared {
                    self.start(id, now, out);
                }
                self.announce(out);
            }
            Strategy::OneForAll | Strategy::RestForOne => {
                let to = self.children.next_id();
                self.group = Some(Group { from: 0, to, stage: Stage::Starting { next: 0 } });
            }
        }
    }

    /// A member has failed: its group goes down. A restart that is going on becomes part of this one: whoever
    /// had to stop or to start for it still has to.
    pub(super) fn sweep(&mut self, failed: u64) {
        let first = match self.settings.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => failed,
        };
        let (to_stop, to_start) = match self.group {
            None => (first, first),
            Some(Group { from, stage: Stage::Stopping { from: to_stop, .. }, .. }) => {
                (to_stop.min(first), from.min(first))
            }
            Some(Group { from, stage: Stage::Waiting, .. }) => (first, from.min(first)),
            Some(Group { stage: Stage::Starting { next }, .. }) => (first, next.min(first)),
        };
        let to = self.children.next_id();
        let stage = Stage::Stopping { from: to_stop, cursor: to };
        self.group = Some(Group { from: to_start, to, stage });
    }

    /// A member that was asked to stop with its group is down. One that was left behind may have missed its turn.
    pub(super) fn regroup(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        let has_a_turn = self.has_a_turn(id);
        let until = match self.phase {
            Phase::Paused { .. } if !has_a_turn => Until::PauseEnds(self.children.queue_end()),
            Phase::Paused { .. }
            | Phase::Running
            | Phase::Asking { .. }
            | Phase::Stopping { .. }
            | Phase::Finished => Until::Turn,
        };
        self.children.set(id, State::BackingOff { until });
        out.push(Action::Down { child: id });
        if !has_a_turn && until == Until::Turn {
            self.start(id, now, out);
        }
    }

    /// Whether its turn in the restart of a group is still to come.
    pub(super) fn has_a_turn(&self, id: u64) -> bool {
        let Some(group) = self.group else { return false };
        match group.stage {
            Stage::Stopping { .. } | Stage::Waiting => (group.from..group.to).contains(&id),
            Stage::Starting { next } => (next..group.to).contains(&id),
        }
    }

    /// Takes the next steps of a group's restart, until it has to wait for something.
    pub(super) fn go_on_with_group(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !self.restarts_anything() {
            self.group = None;
        }
        while let Some(group) = self.group {
            let next = match group.stage {
                Stage::Stopping { from, cursor } => self.stop_member(from, cursor, now, out),
                Stage::Waiting => self.may_start(group.from),
                Stage::Starting { next } => self.start_member(next, group.to, now, out),
            };
            match next {
                Step::Wait => return,
                Step::Stage(stage) => self.group = Some(Group { stage, ..group }),
                Step::Over => {
                    self.group = None;
                    self.announce(out);
                }
            }
        }
    }

    fn stop_member(&mut self, from: u64, cursor: u64, now: Instant, out: &mut Vec<Action>) -> Step {
        let member = self.children.last_before(cursor).filter(|&(id, _)| id >= from);
        let Some((id, child)) = member else { return Step::Stage(Stage::Waiting) };
        match child.state {
            State::Starting { .. } | State::Running => {
                self.ask(id, Then::Regroup, now, out);
                Step::Wait
            }
            // It is left behind, and starts when it has come back.
            State::Stopping { .. } if child.is_left_behind() => {
                Step::Stage(Stage::Stopping { from, cursor: id })
            }
            State::Stopping { .. } => Step::Wait,
            State::BackingOff { .. } | State::Terminated => {
                Step::Stage(Stage::Stopping { from, cursor: id })
            }
        }
    }

    fn may_start(&self, from: u64) -> Step {
        match self.pause_ends().is_some() || self.children.is_held_from(from) {
            true => Step::Wait,
            false => Step::Stage(Stage::Starting { next: from }),
        }
    }

    fn start_member(&mut self, next: u64, to: u64, now: Instant, out: &mut Vec<Action>) -> Step {
        let member = self.children.first_from(next).filter(|&(id, _)| id < to);
        let Some((id, child)) = member else { return Step::Over };
        match child.state {
            State::BackingOff { until: Until::Turn } => {
                self.start(id, now, out);
                Step::Wait
            }
            State::Starting { .. } => Step::Wait,
            // It is being killed because it was not ready in time, or somebody asked for something else.
            State::Stopping { .. } if !child.is_left_behind() => Step::Wait,
            State::Running
            | State::Stopping { .. }
            | State::BackingOff { until: Until::Due(_) | Until::PauseEnds(_) }
            | State::Terminated => Step::Stage(Stage::Starting { next: id + 1 }),
        }
    }

    /// What was declared has been started for the first time.
    fn announce(&mut self, out: &mut Vec<Action>) {
        if !self.up {
            self.up = true;
            out.push(Action::Up);
        }
    }
}

/// How a group's restart goes on.
enum Step {
    /// When something has happened.
    Wait,
    Stage(Stage),
    Over,
}
