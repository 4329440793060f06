//! What they have to agree on.

use super::*;
use crate::{
    info::{ChildCounts, ChildState, SupervisorState},
    machine::Settled,
};

impl SideBySide {
    /// After a step: the same decisions, the same answers, the same state.
    pub(super) fn agree(&mut self, cause: Cause) -> Result<(), Difference> {
        let actions = std::mem::take(&mut self.actions);
        self.agree_on_actions(&actions)?;
        self.agree_on_answers(&actions)?;
        self.agree_on_state()?;
        self.agree_on_children()?;
        self.watch.after(cause, &actions, &self.machine, self.now)?;
        for action in &actions {
            match *action {
                Action::Start { child, life } => {
                    if let Some((_, last)) = self.declared.get_mut(&child) {
                        *last = life;
                    }
                }
                Action::Ended { child, .. } => drop(self.declared.remove(&child)),
                _ => {}
            }
        }
        self.model.told.clear();
        self.model.answers.clear();
        self.actions = actions;
        self.actions.clear();
        if self.model.mode == Mode::Finished {
            if let Some(waiter) = self.waiters.first() {
                return Err(format!("{waiter:?} has never got an answer"));
            }
            self.now += Duration::from_secs(1);
            return self.begin();
        }
        Ok(())
    }

    fn agree_on_actions(&self, actions: &[Action]) -> Result<(), Difference> {
        // Answers are compared as such; that a child is down is in the list.
        let is_aside =
            |action: &&Action| matches!(action, Action::Settle { .. } | Action::Down { .. });
        let mut told = actions.iter().filter(|action| !is_aside(action));
        let mut expected = self.model.told.iter();
        loop {
            match (told.next(), expected.next()) {
                (None, None) => return Ok(()),
                (Some(told), Some(expected)) if is_same(told, expected) => {}
                (told, expected) => {
                    return Err(format!(
                        "the machine decides {told:?}, and not {expected:?}, of {actions:?}, and not {:?}",
                        self.model.told
                    ));
                }
            }
        }
    }

    fn agree_on_answers(&mut self, actions: &[Action]) -> Result<(), Difference> {
        let mut answers: Vec<(usize, Settled)> = Vec::new();
        for action in actions {
            if let Action::Settle { child, wait, outcome } = *action {
                self.waiters.retain(|&(waiter, who, what)| {
                    let is_answered = (who, what) == (child, wait);
                    if is_answered {
                        answers.push((waiter, outcome));
                    }
                    !is_answered
                });
            }
        }
        let by_waiter = |&(waiter, _): &(usize, Settled)| waiter;
        answers.sort_by_key(by_waiter);
        self.model.answers.sort_by_key(by_waiter);
        match answers == self.model.answers {
            true => Ok(()),
            false => Err(format!(
                "the machine answers {answers:?}, and not {:?}, by {actions:?}",
                self.model.answers
            )),
        }
    }

    fn agree_on_state(&self) -> Result<(), Difference> {
        let state = match self.model.mode {
            Mode::Running => SupervisorState::Running,
            Mode::Paused { until } => SupervisorState::Paused { until: self.start + until },
            Mode::Stopping { .. } | Mode::Finished => SupervisorState::Stopping,
        };
        same("state", self.machine.state(), state)?;
        let deadline = self.model.deadline().map(|at| self.start + at);
        same("deadline", self.machine.deadline(), deadline)?;
        same("readiness", self.machine.is_ready(), self.model.is_ready())?;
        let (failures, meter) = (self.machine.failures(self.now), self.model.meter());
        match is_near(failures, meter) {
            true => Ok(()),
            false => Err(format!("the meter reads {failures}, and not {meter}")),
        }
    }

    fn agree_on_children(&self) -> Result<(), Difference> {
        let mut counts = ChildCounts::default();
        let mut restarts = 0;
        let mut listed = self.machine.list();
        for (mut expected, next_start) in self.model.list() {
            expected.next_start = next_start.map(|at| self.start + at);
            *counts.state_mut(expected.state) += 1;
            *counts.kind_mut(self.kind(expected.id)) += 1;
            restarts += expected.restarts;
            same("child", listed.next(), Some(expected))?;
        }
        same("child", listed.next(), None)?;
        same("counts", self.machine.counts(), counts)?;
        same("restarts", self.machine.restarts(), restarts)?;
        let up = self.model.kids.iter().filter(|kid| kid.up).map(|kid| kid.id);
        match self.machine.left_behind().eq(up) {
            true => Ok(()),
            false => Err("others are up".to_owned()),
        }
    }

    fn kind(&self, child: u64) -> crate::info::ChildKind {
        let kid = self.model.kids.iter().find(|kid| kid.id == child);
        kid.expect("it is listed").deal.kind
    }

    /// Nothing more will happen: who is wanted is up, and nobody waits in vain.
    pub(super) fn all_are_up(&self) -> Result<(), Difference> {
        same("state", self.machine.state(), SupervisorState::Running)?;
        for child in self.machine.list() {
            match child.state {
                ChildState::Running | ChildState::Terminated => {}
                ChildState::Starting | ChildState::BackingOff | ChildState::Stopping => {
                    return Err(format!("nobody brings back {child:?}"));
                }
            }
        }
        match self.waiters.first() {
            None => Ok(()),
            Some(waiter) => Err(format!("{waiter:?} waits in vain")),
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, expected: T) -> Result<(), Difference> {
    match is == expected {
        true => Ok(()),
        false => Err(format!("{what}: it is {is:?}, and not {expected:?}")),
    }
}

/// Readings of the meter may differ in their last digits.
fn is_same(told: &Action, expected: &Action) -> bool {
    match (told, expected) {
        (
            &Action::Failed { child, forced, failures, restarting },
            &Action::Failed { child: id, forced: force, failures: meter, restarting: restarts },
        ) => (child, forced, restarting) == (id, force, restarts) && is_near(failures, meter),
        (&Action::LimitReached { failures }, &Action::LimitReached { failures: meter }) => {
            is_near(failures, meter)
        }
        (told, expected) => told == expected,
    }
}

fn is_near(is: f64, expected: f64) -> bool {
    (is - expected).abs() < 1e-9
}
