//! What is kept of a child while its incarnations come and go: its mailbox and its factory.

use std::{
    any::Any,
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll, ready},
};

use actix::{
    Actor, Addr, Context, WeakAddr,
    dev::{Envelope, channel::AddressReceiver},
};
use futures::{future::poll_fn, stream::Stream, task::noop_waker_ref};
use tokio::task::AbortHandle;

use super::{
    incarnation::{Handle, Incarnation, Launch},
    link::{Link, Nested},
    panics::{self, discard},
};
use crate::{
    failure::{BoxError, Failure, Outcome},
    info::HasAddr,
    policy::WhileDown,
};

/// Makes an incarnation's actor.
pub(super) type Factory<A> = Box<dyn FnMut(&mut Context<A>) -> Result<A, BoxError> + Send>;

/// Something to do on another thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How many messages are dropped in one go while a child is down.
const REJECT_SLICE: usize = 128;

/// What is kept of a child, whatever its actor type.
pub(crate) trait AnyKept: HasAddr {
    /// Starts an incarnation on this thread. If that fails, the link tells of its end.
    fn start(self: Arc<Self>, link: Link) -> Arc<dyn Handle>;
    /// An incarnation that starts where the job is run. If the job is dropped instead, the link tells so.
    fn start_elsewhere(self: Arc<Self>, link: Link) -> (Arc<dyn Handle>, Job);
    /// No incarnation will start for some time. It may be told so again, when its recipe was replaced.
    fn down(self: Arc<Self>);
    /// An `Arc<Kept<A>>`.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// The child has ended. Closes its mailbox: whoever has a message in it, or sends one, gets an error.
    fn close(&self);
}

pub(super) struct Kept<A: Actor<Context = Context<A>>> {
    addr: WeakAddr<A>,
    intake: Mutex<Option<Intake<A>>>,
    recipe: Mutex<Recipe<A>>,
    /// If it is a supervisor: what the one above it needs.
    pub(super) nested: Option<Arc<dyn Nested>>,
}

/// What a spec says about all incarnations. It can be replaced.
struct Recipe<A: Actor<Context = Context<A>>> {
    /// `None` while it is in use, which may be for ever, and once the mailbox was closed.
    factory: Option<Factory<A>>,
    manners: Manners,
    /// How often it was replaced. What was in use meanwhile does not come back.
    edition: u32,
    closed: bool,
}

/// How incarnations are treated.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub(super) drain: bool,
    pub(super) while_down: WhileDown,
}

/// The receiving end of a kept mailbox.
pub(super) struct Intake<A: Actor<Context = Context<A>>> {
    pub(super) receiver: AddressReceiver<A>,
    /// A second way in, for a root supervisor whose address was needed before it was made.
    alias: Option<Box<AddressReceiver<A>>>,
    /// What was in the mailbox when a child that drains was asked to stop: it goes first.
    backlog: VecDeque<Envelope<A>>,
    /// The task that empties the mailbox while the child is down.
    rejector: Option<AbortHandle>,
}

impl<A: Actor<Context = Context<A>>> Kept<A> {
    pub(super) fn new(
        intake: Option<Intake<A>>,
        addr: WeakAddr<A>,
        factory: Factory<A>,
        manners: Manners,
        nested: Option<Arc<dyn Nested>>,
    ) -> Self {
        let recipe = Recipe { factory: Some(factory), manners, edition: 0, closed: false };
        Self { addr, intake: Mutex::new(intake), recipe: Mutex::new(recipe), nested }
    }

    /// Never held while the user's code runs.
    fn recipe(&self) -> MutexGuard<'_, Recipe<A>> {
        self.recipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn manners(&self) -> Manners {
        self.recipe().manners
    }

    /// Makes an actor. Without a factory there is an outcome at once.
    pub(super) fn make(&self, ctx: &mut Context<A>) -> Result<A, Outcome> {
        let (factory, edition) = {
            let mut recipe = self.recipe();
            (recipe.factory.take(), recipe.edition)
        };
        let Some(mut factory) = factory else {
            // Nothing is started of a child that has ended.
            let closed = self.recipe().closed;
            let stuck = "an earlier incarnation is still in its factory";
            return Err(if closed { Outcome::Finished } else { failed(stuck) });
        };
        let made = panics::catch(|| factory(ctx));
        self.put_back(factory, edition);
        match made {
            Ok(Ok(actor)) => Ok(actor),
            Ok(Err(error)) => Err(failed(error)),
            Err(panic) => Err(Outcome::Failed(Failure::Panic(panic))),
        }
    }

    fn put_back(&self, factory: Factory<A>, edition: u32) {
        let mut recipe = self.recipe();
        if !recipe.closed && recipe.edition == edition {
            recipe.factory = Some(factory);
            return;
        }
        drop(recipe);
        discard(factory);
    }

    /// From now on incarnations are made and treated in this way, with a mailbox of this capacity.
    pub(super) fn replace(&self, factory: Factory<A>, manners: Manners, capacity: Option<usize>) {
        let mut recipe = self.recipe();
        let old = recipe.factory.replace(factory);
        recipe.manners = manners;
        recipe.edition += 1;
        drop(recipe);
        discard(old);
        if let (Some(intake), Some(capacity)) = (&mut *self.intake(), capacity) {
            intake.receiver.set_capacity(capacity);
        }
    }

    /// The mailbox; `None` once it was closed.
    ///
    /// On the supervisor's own thread, the pump of the only incarnation (I1) holds the lock while it is polled, handlers
    /// included. On other threads it is held for one message only, and not while that is handled. So nobody ever waits long.
    pub(super) fn intake(&self) -> MutexGuard<'_, Option<Intake<A>>> {
        // A handler's panic poisons it, and leaves it as good as before.
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An incarnation starts.
    fn up(&self) {
        if let Some(intake) = &mut *self.intake() {
            intake.stop_rejecting();
        }
    }

    /// Whether this is an `Addr<A>` of this mailbox.
    pub(super) fn is_at(&self, addr: &dyn Any) -> bool {
        addr.downcast_ref().is_some_and(|addr: &Addr<A>| addr.downgrade() == self.addr)
    }
}

impl<A: Actor<Context = Context<A>>> HasAddr for Kept<A> {
    fn addr(&self) -> Option<Box<dyn Any>> {
        self.addr.upgrade().map(|addr| Box::new(addr) as Box<dyn Any>)
    }
}

impl<A: Actor<Context = Context<A>>> AnyKept for Kept<A> {
    fn start(self: Arc<Self>, link: Link) -> Arc<dyn Handle> {
        self.up();
        let incarnation = Incarnation::new(self, link, false);
        Arc::clone(&incarnation).run();
        incarnation
    }

    fn start_elsewhere(self: Arc<Self>, link: Link) -> (Arc<dyn Handle>, Job) {
        self.up();
        let incarnation = Incarnation::new(self, link, true);
        let launch = Launch::of(Arc::clone(&incarnation));
        (incarnation, Box::new(move || launch.run()))
    }

    fn down(self: Arc<Self>) {
        if self.manners().while_down != WhileDown::Reject {
            return self.up();
        }
        let kept = Arc::clone(&self);
        let rejector = actix_rt::spawn(poll_fn(move |task| match &mut *kept.intake() {
            Some(intake) => intake.reject(task),
            None => Poll::Ready(()),
        }));
        if let Some(intake) = &mut *self.intake() {
            intake.stop_rejecting();
            intake.rejector = Some(rejector.abort_handle());
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn close(&self) {
        let closed = self.intake().take();
        if let Some(intake) = closed {
            intake.discard();
        }
        let mut recipe = self.recipe();
        recipe.closed = true;
        let factory = recipe.factory.take();
        drop(recipe);
        discard(factory);
        if let Some(supervisor) = &self.nested {
            supervisor.close_children();
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Kept<A> {
    fn drop(&mut self) {
        self.close();
    }
}

fn failed(error: impl Into<BoxError>) -> Outcome {
    Outcome::Failed(Failure::error(error))
}

/// The mailbox of a child that nobody has taken on yet.
pub(super) struct Untaken<A: Actor<Context = Context<A>>>(Option<Intake<A>>);

impl<A: Actor<Context = Context<A>>> Untaken<A> {
    pub(super) fn new(receiver: AddressReceiver<A>, alias: Option<AddressReceiver<A>>) -> Self {
        let alias = alias.map(Box::new);
        Self(Some(Intake { receiver, alias, backlog: VecDeque::new(), rejector: None }))
    }

    pub(super) fn set_capacity(&mut self, messages: usize) {
        if let Some(intake) = &mut self.0 {
            intake.receiver.set_capacity(messages);
        }
    }

    pub(super) fn take(mut self) -> Option<Intake<A>> {
        self.0.take()
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Untaken<A> {
    fn drop(&mut self) {
        if let Some(intake) = self.0.take() {
            intake.discard();
        }
    }
}

impl<A: Actor<Context = Context<A>>> Intake<A> {
    /// The next message; `None` when no more can come.
    pub(super) fn next(&mut self, task: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        if !self.backlog.is_empty() {
            return Poll::Ready(self.backlog.pop_front());
        }
        if let Some(alias) = &mut self.alias
            && let Poll::Ready(Some(envelope)) = Pin::new(&mut **alias).poll_next(task)
        {
            return Poll::Ready(Some(envelope));
        }
        // Built in place, as the last expression: a copy would cost a tenth of a message.
        Pin::new(&mut self.receiver).poll_next(task)
    }

    /// Sets apart what is in the mailbox now; returns whether that is anything.
    pub(super) fn set_apart(&mut self) -> bool {
        let mut task = task::Context::from_waker(noop_waker_ref());
        let mut all = std::mem::take(&mut self.backlog);
        while let Poll::Ready(Some(envelope)) = self.next(&mut task) {
            all.push_back(envelope);
        }
        self.backlog = all;
        !self.backlog.is_empty()
    }

    /// Whether all that was set apart has been handled.
    pub(super) fn is_drained(&self) -> bool {
        self.backlog.is_empty()
    }

    fn reject(&mut self, task: &mut task::Context<'_>) -> Poll<()> {
        for _ in 0..REJECT_SLICE {
            match ready!(self.next(task)) {
                Some(envelope) => discard(envelope),
                None => return Poll::Ready(()),
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn stop_rejecting(&mut self) {
        if let Some(rejector) = self.rejector.take() {
            rejector.abort();
        }
    }

    /// Drops what is in the mailbox message by message, before the mailbox itself: a panic in the
    /// `Drop` of one must not leave the senders of the others waiting.
    fn discard(mut self) {
        self.stop_rejecting();
        let mut task = task::Context::from_waker(noop_waker_ref());
        while let Poll::Ready(Some(envelope)) = self.next(&mut task) {
            discard(envelope);
        }
        discard(self);
    }
}
