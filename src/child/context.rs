//! What a supervised actor can say to its supervisor, through the context that it has anyway.

use std::{
    any::Any,
    cell::Cell,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use actix::{Actor, ActorContext, ActorFuture, ActorState, AsyncContext, Context};

use log::Level;

use super::panics;
use crate::{
    failure::{BoxError, Failure, Outcome},
    machine::Standing,
    token::ChildToken,
};

/// What a supervised actor can say to its supervisor.
///
/// It is there on every [`Context`]. In an actor that is not supervised, each of the first three stops
/// the actor and logs an error.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::SupervisedContext;
///
/// struct Reader;
///
/// impl Actor for Reader {
///     type Context = Context<Self>;
///
///     fn started(&mut self, ctx: &mut Self::Context) {
///         match std::fs::read_to_string("settings") {
///             Ok(settings) if settings.is_empty() => ctx.finish(),
///             Ok(_settings) => {}
///             Err(error) => ctx.fail(error),
///         }
///     }
/// }
/// ```
pub trait SupervisedContext {
    /// Fails: the incarnation ends with [`Failure::Error`] and handles nothing more.
    ///
    /// `stopped` still runs; `stopping` is not asked. The handler that calls it still answers its message.
    fn fail(&mut self, error: impl Into<BoxError>);

    /// Is done: the actor stops as by `ctx.stop()`, and is not restarted, whatever its policy.
    fn finish(&mut self);

    /// Asks for the end of the whole tree, as [`Exit::TerminateTree`](crate::Exit::TerminateTree) does.
    ///
    /// The incarnation handles nothing more. `stopped` still runs; `stopping` is not asked.
    fn terminate_tree(&mut self, error: impl Into<BoxError>);

    /// Which child of its supervisor this actor is; `None` if it is not supervised.
    fn child(&self) -> Option<ChildToken>;

    /// The message that is being handled counts as in hand until what is returned is dropped: see
    /// [`ChildSpec::in_flight`](crate::ChildSpec::in_flight). For handlers that answer with a future, which takes it along.
    ///
    /// ```
    /// use actix::prelude::*;
    /// use actix_supervisor::SupervisedContext;
    ///
    /// #[derive(Message)]
    /// #[rtype(result = "String")]
    /// struct Fetch(String);
    ///
    /// struct Fetcher;
    ///
    /// impl Actor for Fetcher {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Fetch> for Fetcher {
    ///     type Result = ResponseFuture<String>;
    ///
    ///     fn handle(&mut self, Fetch(url): Fetch, ctx: &mut Self::Context) -> Self::Result {
    ///         let in_hand = ctx.in_hand();
    ///         Box::pin(async move {
    ///             let _until_answered = in_hand;
    ///             // …
    ///             url
    ///         })
    ///     }
    /// }
    /// ```
    fn in_hand(&mut self) -> InFlight;
}

/// A message that an actor has in hand, until this is dropped. See [`SupervisedContext::in_hand`].
#[must_use = "the message is in hand until this is dropped"]
pub struct InFlight(Option<Arc<dyn InHand>>);

/// Who has messages in hand.
pub(crate) trait InHand: Send + Sync {
    /// One less.
    fn done(&self);
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(actor) = &self.0 {
            actor.done();
        }
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").finish_non_exhaustive()
    }
}

impl<A: Actor<Context = Context<A>>> SupervisedContext for Context<A> {
    fn fail(&mut self, error: impl Into<BoxError>) {
        let outcome = Outcome::Failed(Failure::error(error));
        match current(self) {
            Some(scope) => {
                scope.conclude(outcome);
                break_off(self);
            }
            None => stop_unsupervised(self, "fail", Some(outcome)),
        }
    }

    fn finish(&mut self) {
        match current(self) {
            Some(scope) => {
                scope.conclude(Outcome::Finished);
                self.stop();
            }
            None => stop_unsupervised(self, "finish", None),
        }
    }

    fn terminate_tree(&mut self, error: impl Into<BoxError>) {
        let outcome = Outcome::TerminateTree(Failure::error(error));
        match current(self) {
            Some(scope) => {
                scope.conclude(outcome);
                break_off(self);
            }
            None => stop_unsupervised(self, "terminate_tree", Some(outcome)),
        }
    }

    fn child(&self) -> Option<ChildToken> {
        current(self)?.token()
    }

    fn in_hand(&mut self) -> InFlight {
        InFlight(current(self).map(|scope| scope.in_hand()))
    }
}

/// Ends an incarnation that has failed, before any more of its code runs.
///
/// Not by `ctx.terminate()`: if the same callback also cancels a future, Actix goes round for ever over
/// a context that is terminated and has something left to cancel.
fn break_off<A>(ctx: &mut Context<A>)
where
    A: Actor<Context = Context<A>>,
{
    match ctx.state() {
        // `stopping` is running. After it a future that `ctx.wait` was given would come too late.
        ActorState::Stopping => ctx.terminate(),
        ActorState::Started | ActorState::Running | ActorState::Stopped => {
            ctx.wait(BreakOff { has_stopped: false })
        }
    }
}

/// Holds up everything else in its context, until the runner sees that the actor has failed, and drops it.
pub(super) struct BreakOff {
    /// `stopped` has run, or is not to run.
    has_stopped: bool,
}

impl BreakOff {
    pub(super) fn silently() -> Self {
        Self { has_stopped: true }
    }
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for BreakOff {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        _task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if !mem::replace(&mut self.has_stopped, true) {
            actor.stopped(ctx);
        }
        Poll::Pending
    }
}

fn stop_unsupervised<A>(ctx: &mut Context<A>, call: &str, outcome: Option<Outcome>)
where
    A: Actor<Context = Context<A>>,
{
    let actor = std::any::type_name::<A>();
    let what = format!("{call} in {actor}, which is not supervised");
    match outcome.and_then(Outcome::into_failure) {
        Some(failure) => panics::log(Level::Error, format_args!("{what}: {failure}")),
        None => panics::log(Level::Error, format_args!("{what}")),
    }
    ctx.stop();
}

/// An incarnation whose code is running.
pub(crate) trait Scope {
    /// The incarnation is to end in this way.
    fn conclude(&self, outcome: Outcome);
    /// It is ready, which it says itself.
    fn ready(&self);
    /// What it, a supervisor, means for the readiness of the tree.
    fn standing(&self, standing: Standing);
    fn token(&self) -> Option<ChildToken>;
    /// It has one message more in hand.
    fn in_hand(self: Arc<Self>) -> Arc<dyn InHand>;
    /// Whether this is the incarnation's address, an `Addr<A>`.
    fn has_addr(&self, addr: &dyn Any) -> bool;
}

thread_local! {
    static CURRENT: Cell<Option<Arc<dyn Scope>>> = const { Cell::new(None) };
}

/// Makes an incarnation the one whose code is running on this thread. It is lent, and given back: no count goes up and down at
/// each poll.
pub(super) struct Entered<'a> {
    scope: &'a mut Option<Arc<dyn Scope>>,
}

impl<'a> Entered<'a> {
    pub(super) fn new(scope: &'a mut Option<Arc<dyn Scope>>) -> Self {
        *scope = CURRENT.replace(scope.take());
        Self { scope }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.scope = CURRENT.replace(self.scope.take());
    }
}

/// The incarnation that this is the context of, if it is a supervised one.
///
/// Code of a supervised actor may well create an actor that is not, in the same call: so the
/// address decides.
pub(crate) fn current<A>(ctx: &Context<A>) -> Option<Arc<dyn Scope>>
where
    A: Actor<Context = Context<A>>,
{
    let scope = CURRENT.take();
    CURRENT.set(scope.clone());
    scope.filter(|scope| scope.has_addr(&ctx.address()))
}
