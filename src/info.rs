//! Snapshots: what a supervisor tells about itself and its children when it is asked.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Weak,
};

use actix::{Actor, Addr, Context};
use tokio::time::Instant;

use crate::{failure::Failure, token::ChildToken};

/// What kind of child it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum ChildKind {
    /// An Actix actor.
    Actor,
    /// An async service.
    Service,
    /// A blocking service, on a thread of its own.
    Blocking,
    /// A nested supervisor.
    Supervisor,
}

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum ChildState {
    /// Its incarnation is not ready yet; or its first one has yet to be started, in its turn in a
    /// [group](crate::Strategy).
    Starting,
    /// An incarnation is ready.
    Running,
    /// No incarnation: it failed, or a sibling of its group did, and waits for its restart.
    BackingOff,
    /// Its incarnation was asked to stop, or is being killed.
    Stopping,
    /// No incarnation: [`Terminate`](crate::Terminate) stopped it, and [`Restart`](crate::Restart) brings it back.
    Terminated,
}

/// How many children there are, by state and by kind; of those that [`List`](crate::List) lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChildCounts {
    /// In [`ChildState::Starting`].
    pub starting: usize,
    /// In [`ChildState::Running`].
    pub running: usize,
    /// In [`ChildState::BackingOff`].
    pub backing_off: usize,
    /// In [`ChildState::Stopping`].
    pub stopping: usize,
    /// In [`ChildState::Terminated`].
    pub terminated: usize,
    /// Of [`ChildKind::Actor`].
    pub actors: usize,
    /// Of [`ChildKind::Service`].
    pub services: usize,
    /// Of [`ChildKind::Blocking`].
    pub blocking: usize,
    /// Of [`ChildKind::Supervisor`].
    pub supervisors: usize,
}

impl ChildCounts {
    /// All of them.
    pub fn total(&self) -> usize {
        self.actors + self.services + self.blocking + self.supervisors
    }

    pub(crate) fn state_mut(&mut self, state: ChildState) -> &mut usize {
        match state {
            ChildState::Starting => &mut self.starting,
            ChildState::Running => &mut self.running,
            ChildState::BackingOff => &mut self.backing_off,
            ChildState::Stopping => &mut self.stopping,
            ChildState::Terminated => &mut self.terminated,
        }
    }

    pub(crate) fn kind_mut(&mut self, kind: ChildKind) -> &mut usize {
        match kind {
            ChildKind::Actor => &mut self.actors,
            ChildKind::Service => &mut self.services,
            ChildKind::Blocking => &mut self.blocking,
            ChildKind::Supervisor => &mut self.supervisors,
        }
    }
}

/// One child, as [`List`](crate::List) tells it.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChildInfo {
    /// What requests about it take.
    pub token: ChildToken,
    /// Its name; other children may have the same one.
    pub name: String,
    /// What kind of child it is.
    pub kind: ChildKind,
    /// Where it is in its life.
    pub state: ChildState,
    /// Whether the tree is not [ready](crate::Health) without it: it is marked [essential](crate::ChildSpec::essential), or is a supervisor
    /// with something below it that is.
    pub essential: bool,
    /// How many times it was started again, on request too.
    pub restarts: u64,
    /// What its last failure was.
    pub last_failure: Option<Failure>,
    /// How many failures in a row its last failure made. A [healthy time](crate::Backoff::reset_after) shows only at
    /// the next failure or stop.
    pub failures_in_row: u32,
    /// When its next incarnation is due, if that is a matter of time: of its backoff, or of the supervisor's pause.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::time_left_if_any"))]
    pub next_start: Option<Instant>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) addr: AddrRef,
}

impl ChildInfo {
    /// The child's address, if its actor type is `A` and it is still supervised.
    ///
    /// For a [pool](crate::ChildSpec::pool), its members' common address, and that of the supervisor that it is: `addr::<Supervisor>()`.
    /// `None` for another type, and for a child that has ended since.
    pub fn addr<A: Actor<Context = Context<A>>>(&self) -> Option<Addr<A>> {
        let addr = self.addr.0.upgrade()?.addr(TypeId::of::<Addr<A>>())?;
        addr.downcast().ok().map(|addr| *addr)
    }
}

/// Something that has an address, as long as its mailbox is open.
pub(crate) trait HasAddr: Send + Sync {
    /// Its address of this type, an `Addr<A>`, if it has one.
    fn addr(&self, of: TypeId) -> Option<Box<dyn Any>>;
}

/// A child's address, whatever its actor type, without keeping anything of the child.
#[derive(Clone)]
pub(crate) struct AddrRef(pub(crate) Weak<dyn HasAddr>);

impl fmt::Debug for AddrRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddrRef")
    }
}

/// What a supervisor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum SupervisorState {
    /// It restarts what fails.
    Running,
    /// It restarts nothing until then: too much had failed.
    Paused {
        /// When it goes on.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::time_left"))]
        until: Instant,
    },
    /// It stops its children, and then itself.
    Stopping,
}

/// A supervisor, as [`Status`](crate::Status) tells it.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SupervisorStatus {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: SupervisorState,
    /// Its failure meter, decayed to now.
    pub failures: f64,
    /// Above this reading of the meter it pauses, or fails.
    pub threshold: f64,
    /// How many children it has.
    pub children: ChildCounts,
    /// How many times its children were started again, on request too: the sum over those listed.
    pub restarts: u64,
    /// How many threads, here and of nested supervisors that have ended, are stuck in what was left behind on them. Several
    /// children may have been on the same one.
    pub left_behind: usize,
}

/// A supervisor and all that is below it, as [`Tree`](crate::Tree) tells it.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TreeNode {
    /// Which child of the supervisor above it is; `None` for the one that was asked.
    pub token: Option<ChildToken>,
    /// The supervisor.
    pub status: SupervisorStatus,
    /// Its children, nested supervisors included, in start order.
    pub children: Vec<ChildInfo>,
    /// Those of its nested supervisors that are up and have answered, in start order.
    pub supervisors: Vec<TreeNode>,
    /// Those of its nested supervisors that have not answered within a second, since their threads are busy or stuck. What is
    /// known of them is in `children`.
    pub unanswered: Vec<ChildToken>,
}

/// What a stop has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StopReport {
    /// What did not stop in time and could not be dropped: its thread is still running.
    pub unstopped: Vec<Unstopped>,
    /// How many threads that is: children of one [pool](crate::Placement::Pool) may have been left behind on the same one.
    pub threads: usize,
}

impl StopReport {
    /// Whether everything has stopped.
    pub fn is_clean(&self) -> bool {
        self.unstopped.is_empty()
    }
}

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("everything has stopped");
        }
        f.write_str("did not stop: ")?;
        for (index, unstopped) in self.unstopped.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&unstopped.path.join("/"))?;
        }
        Ok(())
    }
}

/// A child that did not stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Unstopped {
    /// Names, from the supervisor that reports down to the child.
    pub path: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_children_make_the_total() {
        let mut counts = ChildCounts::default();
        let kinds =
            [ChildKind::Actor, ChildKind::Service, ChildKind::Blocking, ChildKind::Supervisor];
        for (kind, count) in kinds.into_iter().zip([10, 200, 3_000, 40_000]) {
            *counts.kind_mut(kind) += count;
        }
        assert_eq!(counts.total(), 43_210);
    }
}
