//! One error for each operation.

use std::fmt;

use crate::failure::Failure;

/// A setting that makes no sense: of a [`Spec`](crate::Spec), a [`ChildSpec`](crate::ChildSpec), or a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{of}: {field} = {value} is not allowed; allowed: {allowed}")]
#[non_exhaustive]
pub struct SpecError {
    /// Whose setting it is: `supervisor "workers"`, `child "reader"`.
    pub of: String,
    /// Which setting it is, by the name of its method.
    pub field: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

/// An error that names the field, the value and what is allowed, unless the value is sensible.
pub(crate) fn check(
    sensible: bool,
    of: impl Fn() -> String,
    field: &'static str,
    value: &dyn fmt::Debug,
    allowed: &'static str,
) -> Result<(), SpecError> {
    match sensible {
        true => Ok(()),
        false => Err(SpecError { of: of(), field, value: format!("{value:?}"), allowed }),
    }
}

/// Why [`Add`](crate::Add) or [`AddAndWait`](crate::AddAndWait) was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The supervisor is stopping.
    #[error("the supervisor is stopping")]
    Stopping,
    /// It has as many children as its [`max_children`](crate::Spec::max_children) allows.
    #[error("the supervisor has {max} children, and may have no more")]
    #[non_exhaustive]
    TooManyChildren {
        /// How many it may have.
        max: usize,
    },
    /// The supervisor is that of a [pool](crate::ChildSpec::pool): [`Resize`](crate::Resize) makes more members.
    #[error("the supervisor is a pool, which has no children but its members")]
    IsPool,
    /// The child's spec makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// There is nowhere to run it.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// `AddAndWait` only: its first start failed, and it was not kept.
    #[error("the first start failed: {0}")]
    Start(#[source] Failure),
    /// `AddAndWait` only: a `Remove` or a `Terminate` came before it was ready.
    #[error("it was asked to stop before it was ready")]
    Interrupted,
}

/// Why a child cannot run where its spec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// The arbiter of its [`Placement::Arbiter`](crate::Placement::Arbiter) has stopped.
    #[error("placement: the arbiter has stopped")]
    ArbiterStopped,
}

/// Why [`Remove`](crate::Remove) or [`RemoveAndWait`](crate::RemoveAndWait) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The token is another supervisor's.
    #[error("the token belongs to another supervisor")]
    WrongSupervisor,
    /// There is no such child: it has ended, or was removed before.
    #[error("no such child")]
    NotFound,
    /// The supervisor is stopping, and this child with it.
    #[error("the supervisor is stopping")]
    Stopping,
    /// `RemoveAndWait` only: it has been forgotten, and had not stopped in time.
    #[error("the child did not stop in time")]
    Timeout,
}

/// Why [`Restart`](crate::Restart), [`Terminate`](crate::Terminate) or [`Kill`](crate::Kill) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// The token is another supervisor's.
    #[error("the token belongs to another supervisor")]
    WrongSupervisor,
    /// There is no such child: it has ended, or was removed.
    #[error("no such child")]
    NotFound,
    /// The supervisor is stopping, or a later request stopped the child before this one was done.
    #[error("the supervisor or the child is being stopped")]
    Stopping,
    /// The child did not stop within its limit, and cannot be dropped. The request stands: it is
    /// carried out when the child stops after all.
    #[error("the child did not stop in time")]
    Timeout,
}

/// Why [`Replace`](crate::Replace) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The child is of another actor type, is the other kind of service (blocking or not), or is a supervisor, whose
    /// children are its own.
    #[error("child {child:?} cannot be replaced by a spec of another type: {given}")]
    #[non_exhaustive]
    WrongType {
        /// The child's name.
        child: String,
        /// What the new spec is for.
        given: String,
    },
    /// The child is a [pool](crate::ChildSpec::pool), or a member of one.
    #[error("child {child:?} is a pool or a member of one, which cannot be replaced")]
    #[non_exhaustive]
    OfPool {
        /// The child's name.
        child: String,
    },
    /// The new spec makes no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// There is nowhere to run it.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// As for a [`Restart`](crate::Restart).
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// Why [`Resize`](crate::Resize) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResizeError {
    /// The child is no [pool](crate::ChildSpec::pool).
    #[error("child {child:?} is no pool")]
    #[non_exhaustive]
    NotAPool {
        /// The child's name.
        child: String,
    },
    /// A pool has one member at least.
    #[error(transparent)]
    Size(#[from] SpecError),
    /// As for a [`Restart`](crate::Restart).
    #[error(transparent)]
    Child(#[from] ChildError),
}
