//! What has to be true whatever the model says: a group goes down and comes up in order, and a failure is
//! counted once.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::{
    info::{ChildState, SupervisorState},
    machine::{
        Action, Listed, Machine, Request, Settings,
        child::{State, Then},
    },
    policy::Strategy,
};

/// What the machine was told in this step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cause {
    Added(u64),
    Requested(u64, Request),
    Exited(u64),
    Other,
}

pub(super) struct Watch {
    settings: Settings,
    /// What the meter read before this step, and whether failures are counted.
    meter: f64,
    counts: bool,
    /// Who was left behind before this step, who has come back since and may have missed its turn, and who was being
    /// restarted on request.
    left_behind: BTreeSet<u64>,
    late: BTreeSet<u64>,
    restarting: BTreeSet<u64>,
    /// Members of a group that have had their turn and are not ready yet.
    starting: BTreeSet<u64>,
}

impl Watch {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            meter: 0.0,
            counts: true,
            left_behind: BTreeSet::new(),
            late: BTreeSet::new(),
            restarting: BTreeSet::new(),
            starting: BTreeSet::new(),
        }
    }

    pub(super) fn before(&mut self, machine: &Machine, now: Instant) {
        self.meter = machine.failures(now);
        self.counts = machine.state() == SupervisorState::Running;
        self.left_behind.clear();
        self.restarting.clear();
        for (id, child) in machine.children.iter() {
            match child.state {
                State::Stopping { then: Then::Restart, .. } => drop(self.restarting.insert(id)),
                State::Stopping { overdue: true, .. } if !child.terms.can_be_killed() => {
                    self.left_behind.insert(id);
                }
                State::Stopping { .. }
                | State::Starting { .. }
                | State::Running
                | State::BackingOff { .. }
                | State::Terminated => {}
            }
        }
    }

    pub(super) fn after(
        &mut self,
        cause: Cause,
        actions: &[Action],
        machine: &Machine,
        now: Instant,
    ) -> Result<(), String> {
        self.a_failure_is_counted_once(cause, actions, machine.failures(now))?;
        if let Cause::Exited(child) = cause
            && self.left_behind.contains(&child)
        {
            self.late.insert(child);
        }
        for action in actions {
            if let Action::Start { child, .. } = *action {
                self.starts(child, cause, machine)?;
            }
        }
        let is_starting = |&id: &u64| {
            let child = machine.children.get(id);
            child.is_some_and(|child| matches!(child.state, State::Starting { .. }))
        };
        self.starting.retain(is_starting);
        match self.starting.len() {
            0 | 1 => Ok(()),
            _ => Err(format!("{:?} start at once", self.starting)),
        }
    }

    /// I7: only an end is a failure, one at a time, and it moves the meter by one or not at all.
    fn a_failure_is_counted_once(
        &self,
        cause: Cause,
        actions: &[Action],
        reading: f64,
    ) -> Result<(), String> {
        let mut failures = 0;
        let mut counted = 0;
        for action in actions {
            match *action {
                Action::Failed { child, restarting, .. } => {
                    if cause != Cause::Exited(child) {
                        return Err(format!("{cause:?} is no failure of {child}"));
                    }
                    failures += 1;
                    counted += i32::from(restarting && self.counts);
                }
                Action::LimitReached { .. } => counted += 1,
                _ => {}
            }
        }
        let is_over = actions.contains(&Action::PauseLeft);
        let expected = if is_over { 0.0 } else { self.meter + f64::from(counted) };
        match failures <= 1 && (reading - expected).abs() < 1e-9 {
            true => Ok(()),
            false => Err(format!("{failures} failures, and the meter reads {reading}")),
        }
    }

    /// I8: the pause and the group say so, unless somebody asks for it.
    fn starts(&mut self, child: u64, cause: Cause, machine: &Machine) -> Result<(), String> {
        let is_late = self.late.remove(&child);
        let is_asked_for = match cause {
            Cause::Added(id) | Cause::Requested(id, _) => id == child,
            Cause::Exited(id) => id == child && self.restarting.contains(&id),
            Cause::Other => false,
        };
        if is_asked_for {
            return Ok(());
        }
        if let SupervisorState::Paused { .. } = machine.state() {
            return Err(format!("{child} starts during a pause"));
        }
        if self.settings.strategy == Strategy::OneForOne || is_late {
            return Ok(());
        }
        self.starting.insert(child);
        for (id, other) in machine.children.iter() {
            if let State::Stopping { then: Then::Regroup, overdue, .. } = other.state
                && (!overdue || other.terms.can_be_killed())
            {
                return Err(format!("{child} starts while {id} is being stopped"));
            }
        }
        let waits_for_turn =
            |other: &Listed| other.state == ChildState::BackingOff && other.next_start.is_none();
        match machine.list().find(|other| other.id < child && waits_for_turn(other)) {
            None => Ok(()),
            Some(other) => Err(format!("{child} starts before {}", other.id)),
        }
    }
}
