//! The messages that a [`Supervisor`](crate::Supervisor) handles, from any thread.
//!
//! Each is answered in every state of the supervisor and of the child that it is about, and the answer
//! is true when it is given: of all that the supervisor has been told of by then. In a storm, of more than a
//! hundred failures at once, it may be some milliseconds behind.

use std::time::Duration;

use actix::{Actor, Context, Message, Recipient};

use crate::{
    child::{Child, ChildSpec},
    error::{AddError, ChildError, RemoveError, ReplaceError, ResizeError},
    event::Event,
    failure::Failure,
    info::{ChildInfo, StopReport, SupervisorStatus, TreeNode},
    token::ChildToken,
};

/// Takes on a child and starts it, without waiting until it is ready. Answers with its token and address.
///
/// A child added during a pause starts at once.
///
/// # Errors
///
/// [`AddError::Stopping`], [`AddError::TooManyChildren`], [`AddError::IsPool`], [`AddError::Spec`], [`AddError::Placement`].
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{Add, ChildSpec, Stop, Supervisor};
/// # struct Worker;
/// # impl Actor for Worker { type Context = Context<Self>; }
///
/// # actix_rt::System::new().block_on(async {
/// let root = Supervisor::new("root").start();
/// let child = root.send(Add(ChildSpec::actor("worker", |_| Worker))).await??;
/// assert!(child.addr().connected());
///
/// let adder: Recipient<Add<Worker>> = root.clone().recipient();
/// adder.do_send(Add(ChildSpec::actor("another", |_| Worker)));
/// assert!(root.send(Stop).await?.is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Add<A: Actor<Context = Context<A>>>(pub ChildSpec<A>);

impl<A: Actor<Context = Context<A>>> Message for Add<A> {
    type Result = Result<Child<A>, AddError>;
}

/// Takes on a child and starts it; the answer comes when it is ready. If its first start fails, it is not kept.
///
/// # Errors
///
/// As [`Add`], and [`AddError::Start`], which moves no failure meter; [`AddError::Interrupted`].
#[derive(Debug)]
pub struct AddAndWait<A: Actor<Context = Context<A>>>(pub ChildSpec<A>);

impl<A: Actor<Context = Context<A>>> Message for AddAndWait<A> {
    type Result = Result<Child<A>, AddError>;
}

/// Begins to stop a child, and forgets it at once: its token is not found any more.
///
/// # Errors
///
/// [`RemoveError::WrongSupervisor`], [`RemoveError::NotFound`], [`RemoveError::Stopping`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), RemoveError>")]
pub struct Remove(pub ChildToken);

/// Removes a child; the answer comes when it has stopped.
///
/// # Errors
///
/// As [`Remove`], and [`RemoveError::Timeout`]: after `timeout`, or, for a blocking service, when it has
/// not stopped within its own limit. The child is forgotten all the same.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), RemoveError>")]
pub struct RemoveAndWait {
    /// The child.
    pub token: ChildToken,
    /// How long to wait; `None`: for as long as the child is given.
    pub timeout: Option<Duration>,
}

/// Stops a child in an orderly way and starts it anew; also ends its backoff, takes it out of a pause (it alone) or
/// brings it back after a [`Terminate`]. It is no failure. The answer comes when the new incarnation has been started.
///
/// # Errors
///
/// All of [`ChildError`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ChildError>")]
pub struct Restart(pub ChildToken);

/// Stops a child, and keeps its place, its mailbox and its token: [`Restart`] brings it back. The answer
/// comes when it has stopped. OTP's `terminate_child`.
///
/// # Errors
///
/// All of [`ChildError`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ChildError>")]
pub struct Terminate(pub ChildToken);

/// Swaps the spec of a child for another one for the same actor type: a change of configuration while all goes on.
///
/// The child keeps its mailbox, its address, its token and its place in the start order; the new spec gives everything else: name,
/// factory, policies, limits, and the capacity of the mailbox if it sets one. If it is up, it is stopped in an orderly way and started anew, and the answer comes when the new
/// incarnation has been started; if it is down, it stays so until it would have been started anyway. The new spec's own address is closed.
///
/// # Errors
///
/// [`ReplaceError::WrongType`] for another actor type, for a service in place of a blocking one or the other way round, and for a nested
/// supervisor; [`ReplaceError::OfPool`]; [`ReplaceError::Spec`]; [`ReplaceError::Placement`]; and as [`Restart`].
#[derive(Debug)]
pub struct Replace<A: Actor<Context = Context<A>>>(pub ChildToken, pub ChildSpec<A>);

impl<A: Actor<Context = Context<A>>> Message for Replace<A> {
    type Result = Result<(), ReplaceError>;
}

/// Changes how many members a [pool](crate::ChildSpec::pool) has.
///
/// More are started at once. If there are to be fewer, those that came last take no more messages, finish what they have in hand, and
/// are gone; the answer does not wait for that. The new size holds across restarts, and for a pool that is down
/// from its next start on.
///
/// # Errors
///
/// [`ResizeError::Size`] for a pool of zero, [`ResizeError::NotAPool`], and as [`Restart`]: [`ChildError::Stopping`] also while the
/// pool is stopping, also if it is to be restarted.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ResizeError>")]
pub struct Resize(pub ChildToken, pub usize);

/// Ends an incarnation at once, as a failure: [`Failure::Killed`]. For drills and tests. A child that is down
/// stays as it is.
///
/// A blocking service cannot be ended at once: its token is cancelled, and it has failed when it returns.
///
/// # Errors
///
/// All of [`ChildError`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ChildError>")]
pub struct Kill(pub ChildToken);

/// The children, in start order, without those that are being removed.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<ChildInfo>")]
pub struct List;

/// How the supervisor is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "SupervisorStatus")]
pub struct Status;

/// [`Status`] and [`List`] of this supervisor and of all those below it.
///
/// Those on other threads are given a second to answer; one that has not by then is named in
/// [`TreeNode::unanswered`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "TreeNode")]
pub struct Tree;

/// Ends a pause now. Without a pause it changes nothing.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Resume;

/// Sends every event of this supervisor and of those below it to the recipient, until that is gone.
///
/// A subscription lasts when a nested supervisor is restarted.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<Event>);

/// Stops all children, the last one first or [all at once](crate::ShutdownOrder), and then the supervisor itself. The answer comes when that is
/// done; a second `Stop` before that gets the same one.
///
/// Sent to a nested supervisor, it is a normal end, to which its policy applies.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "StopReport")]
pub struct Stop;

/// Waits until the supervisor has ended, however it ended. A nested one has ended each time that an incarnation of it
/// has, whether or not it is restarted.
///
/// To one that has ended before, it fails with [`MailboxError::Closed`](actix::MailboxError::Closed) as every request does: ask in time, or use
/// [`serve`](crate::Supervisor::serve).
///
/// # Errors
///
/// What it has failed with.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<StopReport, Failure>")]
pub struct Join;

/// Keeps what happens for those who look at it: the first time from then on, and each time the same.
#[cfg(feature = "web")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observe;

#[cfg(feature = "web")]
impl Message for Observe {
    type Result = std::sync::Arc<crate::web::Hub>;
}
