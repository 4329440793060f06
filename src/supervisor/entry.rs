//! A child, as the shell knows it.

use std::sync::Arc;

use tokio::time::Instant;

use super::host::{Host, Place};
use crate::{
    child::{Handle, StillMaking, TakenOn, Whereabouts, panics},
    failure::Failure,
    placement::Placement,
    policy::ExitClass,
};

/// A child, as the shell knows it.
pub(super) struct Entry {
    pub(super) child: TakenOn,
    pub(super) last_failure: Option<Arc<Failure>>,
    pub(super) life: u64,
    pub(super) handle: Option<Arc<dyn Handle>>,
    /// On the supervisor's thread that it runs on, if it does. Most do not: so it takes no more than a pointer.
    pub(super) place: Option<Box<Place>>,
}

impl Entry {
    pub(super) fn new(child: TakenOn) -> Self {
        Self { child, last_failure: None, life: 0, handle: None, place: None }
    }

    /// What its end means for a restart, by where that would be.
    pub(super) fn class_of(&self, exit: ExitClass, failure: Option<&Failure>) -> ExitClass {
        match (exit, failure, self.child.placement()) {
            (ExitClass::Failed, Some(Failure::ArbiterStopped), Placement::Arbiter(_)) => {
                ExitClass::Stranded
            }
            (ExitClass::Failed, Some(Failure::Error(error)), _) if error.is::<StillMaking>() => {
                ExitClass::Hindered
            }
            _ => exit,
        }
    }

    /// Whether an arbiter of the application's has not got round to its start: the next one would only wait behind it.
    pub(super) fn is_started_in_vain(&self) -> bool {
        matches!(self.child.placement(), Placement::Arbiter(_))
            && self.thread() == Whereabouts::Waiting
    }

    pub(super) fn host(&self) -> Option<&Arc<Host>> {
        self.place.as_ref().map(|place| place.host())
    }

    /// When its thread last turned to the code of any child.
    pub(super) fn last_turn(&self) -> Option<Instant> {
        match (self.host(), &self.handle) {
            (Some(host), _) => host.last_turn(),
            (None, handle) => handle.as_ref()?.last_turn(),
        }
    }

    /// Which thread its incarnation is on, or is to be on.
    pub(super) fn thread(&self) -> Whereabouts {
        match (self.child.calls(), self.host(), &self.handle) {
            (Some(_), ..) => Whereabouts::ItsOwn,
            (None, Some(host), _) => Whereabouts::On(host.thread()),
            (None, None, Some(handle)) => handle.thread(),
            (None, None, None) => Whereabouts::Waiting,
        }
    }

    /// Whether its incarnation of this number has not ended, or been given up, yet.
    pub(super) fn is_in(&self, life: u64) -> bool {
        self.life == life && self.handle.is_some()
    }
}

/// The incarnation of a child that has ended just now.
pub(super) struct Ended {
    pub(super) child: u64,
    /// In its own words.
    pub(super) failure: Option<Arc<Failure>>,
    /// It may stand by for the next one.
    pub(super) task: Option<Arc<dyn Handle>>,
}

impl Ended {
    /// The task, if it is this child's and not taken yet.
    pub(super) fn task_of(ended: &mut Option<Self>, child: u64) -> Option<Arc<dyn Handle>> {
        ended.as_mut().filter(|ended| ended.child == child)?.task.take()
    }

    /// All that follows from it has been done.
    pub(super) fn done(self) {
        if let Some(untold) = self.failure {
            panics::discard(untold);
        }
        if let Some(task) = self.task {
            task.dismiss();
        }
    }
}
