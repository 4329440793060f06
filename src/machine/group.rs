//! The restart of a group: its members stop in reverse order, wait for the one that failed, and start in order.
//!
//! The first start of a supervisor's declared children is the last part of the same thing.

use tokio::time::Instant;

use super::{
    Action, Machine, Phase,
    child::{State, Then, Until},
};
use crate::policy::Strategy;

/// A restart that is going on. All members from `from` on take part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Group {
    from: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Members from `cursor` on are down.
    Stopping { cursor: u64 },
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
                let declared: Vec<u64> = self.children.iter().map(|(&id, _)| id).collect();
                for id in declared {
                    self.start(id, now, out);
                }
                self.announce(out);
            }
            Strategy::OneForAll | Strategy::RestForOne => {
                self.group = Some(Group { from: 0, stage: Stage::Starting { next: 0 } });
            }
        }
    }

    /// A member has failed: its group goes down. A restart that is going on starts over, widened if need be.
    pub(super) fn sweep(&mut self, failed: u64) {
        let from = match self.settings.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => failed,
        };
        let from = self.group.map_or(from, |group| group.from.min(from));
        self.group = Some(Group { from, stage: Stage::Stopping { cursor: u64::MAX } });
    }

    /// A member that was asked to stop with its group is down.
    pub(super) fn regroup(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        self.children.set(id, State::BackingOff { until: Until::Turn });
        out.push(Action::Down { child: id });
        let has_missed_its_turn = match self.group.map(|group| group.stage) {
            Some(Stage::Starting { next }) => id < next,
            Some(Stage::Stopping { .. } | Stage::Waiting) => false,
            None => true,
        };
        if has_missed_its_turn {
            self.start(id, now, out);
        }
    }

    /// Takes the next steps of a group's restart, until it has to wait for something.
    pub(super) fn go_on_with_group(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Running | Phase::Paused { .. } => {}
            Phase::Stopping { .. } | Phase::Finished => self.group = None,
        }
        while let Some(group) = self.group {
            let next = match group.stage {
                Stage::Stopping { cursor } => self.stop_member(group.from, cursor, now, out),
                Stage::Waiting => self.may_start(group.from),
                Stage::Starting { next } => self.start_member(next, now, out),
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
            State::Stopping { overdue: true, .. } if !child.terms.can_be_killed() => {
                Step::Stage(Stage::Stopping { cursor: id })
            }
            State::Stopping { .. } => Step::Wait,
            State::BackingOff { .. } | State::Terminated => {
                Step::Stage(Stage::Stopping { cursor: id })
            }
        }
    }

    fn may_start(&self, from: u64) -> Step {
        let paused = matches!(self.phase, Phase::Paused { .. });
        match paused || self.children.is_held_from(from) {
            true => Step::Wait,
            false => Step::Stage(Stage::Starting { next: from }),
        }
    }

    fn start_member(&mut self, next: u64, now: Instant, out: &mut Vec<Action>) -> Step {
        let Some((id, child)) = self.children.first_from(next) else { return Step::Over };
        match child.state {
            State::BackingOff { until: Until::Turn } => {
                self.start(id, now, out);
                Step::Wait
            }
            State::Starting { .. } => Step::Wait,
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
