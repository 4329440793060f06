//! What is kept of a child while its incarnations come and go: its mailbox and its factory.

use std::{
    any::{Any, TypeId},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use actix::{Actor, Addr, Context, WeakAddr};
use futures::future::poll_fn;
use thiserror::Error;

use super::{
    crew::Crew,
    incarnation::{Handle, Incarnation},
    intake::Intake,
    link::{Link, Nested},
    panics::{self, discard},
    runner::Launch,
};
use crate::{
    failure::{BoxError, Failure, Outcome},
    info::HasAddr,
    policy::{RestartPolicy, WhileDown},
};

/// Makes an incarnation's actor.
pub(super) type Factory<A> = Box<dyn FnMut(&mut Context<A>) -> Result<A, BoxError> + Send>;

/// Something to do on another thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// There is one factory, and it has not returned: its thread is stuck in it.
#[derive(Debug, Error)]
#[error("an earlier incarnation is still in its factory")]
pub(crate) struct StillMaking;

/// What is kept of a child, whatever its actor type.
pub(crate) trait AnyKept: HasAddr {
    /// Starts an incarnation on this thread, in the task of the last one if that [stands by](super::standby). If it fails, the link
    /// tells of its end.
    fn start(
        self: Arc<Self>,
        link: Link,
        policy: RestartPolicy,
        last: Option<Arc<dyn Handle>>,
    ) -> Arc<dyn Handle>;
    /// An incarnation that starts where the job is run. If the job is dropped instead, the link tells so.
    fn start_elsewhere(self: Arc<Self>, link: Link) -> (Arc<dyn Handle>, Job);
    /// No incarnation will start for some time. It may be told so again, when its recipe was replaced.
    fn down(self: Arc<Self>);
    /// Whether it is a pool, or a member of one.
    fn is_of_pool(&self) -> bool;
    /// An `Arc<Kept<A>>`.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// From now on, when it is asked to stop, it finishes what it has in hand, and leaves what waits to others.
    fn leave_the_queue(&self);
    /// The child has ended. Closes its mailbox: whoever has a message in it, or sends one, gets an error.
    fn close(&self);
}

pub(super) struct Kept<A: Actor<Context = Context<A>>> {
    addr: WeakAddr<A>,
    /// Its own mailbox; `None` once it was closed, and for a member of a pool.
    intake: Mutex<Option<Intake<A>>>,
    recipe: Mutex<Recipe<A>>,
    /// What else it is. Most are nothing else, and there are many of them.
    role: Option<Box<Role<A>>>,
}

enum Role<A: Actor<Context = Context<A>>> {
    Supervisor(Arc<dyn Nested>),
    /// Of a pool, which has the mailbox.
    Member {
        mailbox: Arc<SharedMailbox<A>>,
        is_up: AtomicBool,
    },
}

/// The mailbox of a pool.
pub(super) struct SharedMailbox<A: Actor<Context = Context<A>>> {
    intake: Mutex<Option<Intake<A>>>,
    crew: Arc<Crew>,
}

impl<A: Actor<Context = Context<A>>> SharedMailbox<A> {
    pub(super) fn new(intake: Option<Intake<A>>) -> Self {
        let crew = Arc::<Crew>::default();
        let of_pool = |intake: Intake<A>| intake.of_crew(Arc::clone(&crew));
        Self { intake: Mutex::new(intake.map(of_pool)), crew }
    }

    pub(super) fn close(&self) {
        close(&self.intake);
    }
}

impl<A: Actor<Context = Context<A>>> Drop for SharedMailbox<A> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A handler's panic poisons a mailbox, and leaves it as good as before.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes a mailbox. What is in it is dropped when the lock is free again.
fn close<A: Actor<Context = Context<A>>>(intake: &Mutex<Option<Intake<A>>>) {
    let closed = locked(intake).take();
    if let Some(intake) = closed {
        intake.discard();
    }
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

/// What an incarnation does first when it is asked to stop.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum OnStop {
    Nothing,
    /// It handles what is in its mailbox.
    Drain,
    /// It finishes what it has in hand, and what it waits for.
    Finish,
}

/// How incarnations are treated.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub(super) on_stop: OnStop,
    pub(super) while_down: WhileDown,
    /// How many messages it may have in hand.
    pub(super) in_flight: u32,
}

impl<A: Actor<Context = Context<A>>> Recipe<A> {
    fn new(factory: Factory<A>, manners: Manners) -> Self {
        Self { factory: Some(factory), manners, edition: 0, closed: false }
    }
}

impl<A: Actor<Context = Context<A>>> Kept<A> {
    pub(super) fn new(
        intake: Option<Intake<A>>,
        addr: WeakAddr<A>,
        factory: Factory<A>,
        manners: Manners,
        nested: Option<Arc<dyn Nested>>,
    ) -> Self {
        let recipe = Mutex::new(Recipe::new(factory, manners));
        let role = nested.map(|nested| Box::new(Role::Supervisor(nested)));
        Self { addr, intake: Mutex::new(intake), recipe, role }
    }

    pub(super) fn member(
        mailbox: Arc<SharedMailbox<A>>,
        addr: WeakAddr<A>,
        factory: Factory<A>,
        manners: Manners,
    ) -> Self {
        let recipe = Mutex::new(Recipe::new(factory, manners));
        let role = Some(Box::new(Role::Member { mailbox, is_up: AtomicBool::new(false) }));
        Self { addr, intake: Mutex::new(None), recipe, role }
    }

    /// The other members of its pool, if it is a member.
    pub(super) fn crew(&self) -> Option<&Arc<Crew>> {
        self.as_member().map(|(mailbox, _)| &mailbox.crew)
    }

    /// If it is a member of a pool: that one's mailbox, and whether this one counts as up.
    fn as_member(&self) -> Option<(&SharedMailbox<A>, &AtomicBool)> {
        match self.role.as_deref()? {
            Role::Member { mailbox, is_up } => Some((mailbox, is_up)),
            Role::Supervisor(_) => None,
        }
    }

    /// If it is a supervisor.
    pub(super) fn nested(&self) -> Option<&dyn Nested> {
        match self.role.as_deref()? {
            Role::Supervisor(nested) => Some(&**nested),
            Role::Member { .. } => None,
        }
    }

    /// Never held while the user's code runs.
    fn recipe(&self) -> MutexGuard<'_, Recipe<A>> {
        locked(&self.recipe)
    }

    pub(super) fn manners(&self) -> Manners {
        self.recipe().manners
    }

    /// Makes an actor, and tells first how it is to be treated. Without a factory there is an outcome at once.
    pub(super) fn make(
        &self,
        ctx: &mut Context<A>,
        treated: impl FnOnce(Manners),
    ) -> Result<A, Outcome> {
        let (factory, edition, manners) = {
            let mut recipe = self.recipe();
            (recipe.factory.take(), recipe.edition, recipe.manners)
        };
        treated(manners);
        let Some(mut factory) = factory else {
            // Nothing is started of a child that has ended.
            let closed = self.recipe().closed;
            return Err(if closed { Outcome::Finished } else { failed(StillMaking) });
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
        locked(self.as_member().map_or(&self.intake, |(mailbox, _)| &mailbox.intake))
    }

    /// An incarnation starts.
    fn up(&self) {
        if let Some((mailbox, is_up)) = self.as_member()
            && !is_up.swap(true, Ordering::Relaxed)
        {
            mailbox.crew.one_is_up();
        }
    }

    /// Returns whether there is nobody to take messages now.
    fn is_last_down(&self) -> bool {
        self.as_member().is_none_or(|(mailbox, is_up)| {
            is_up.swap(false, Ordering::Relaxed) && mailbox.crew.one_is_down() == 0
        })
    }

    fn accept(&self) {
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
    fn addr(&self, of: TypeId) -> Option<Box<dyn Any>> {
        let addr = self.addr.upgrade().filter(|addr| addr.type_id() == of)?;
        Some(Box::new(addr))
    }
}

impl<A: Actor<Context = Context<A>>> AnyKept for Kept<A> {
    fn start(
        self: Arc<Self>,
        link: Link,
        policy: RestartPolicy,
        last: Option<Arc<dyn Handle>>,
    ) -> Arc<dyn Handle> {
        self.up();
        match last.and_then(|last| last.into_any().downcast::<Incarnation<A>>().ok()) {
            Some(last) if last.stands_by() => last.is_followed_by(self, link, policy),
            _ => {
                let incarnation = Incarnation::here(self, link, policy, None);
                Launch::of(Arc::clone(&incarnation)).run();
                incarnation
            }
        }
    }

    fn start_elsewhere(self: Arc<Self>, link: Link) -> (Arc<dyn Handle>, Job) {
        self.up();
        // Its thread may take a while to begin with it.
        self.accept();
        let incarnation = Incarnation::elsewhere(self, link);
        let launch = Launch::of(Arc::clone(&incarnation));
        (incarnation, Box::new(move || launch.run()))
    }

    fn down(self: Arc<Self>) {
        let is_last = self.is_last_down();
        if self.manners().while_down != WhileDown::Reject {
            return self.accept();
        }
        if !is_last {
            return;
        }
        let kept = Arc::clone(&self);
        let rejector = actix_rt::spawn(poll_fn(move |task| match &mut *kept.intake() {
            Some(intake) => intake.reject(task),
            None => Poll::Ready(()),
        }));
        if let Some(intake) = &mut *self.intake() {
            intake.rejected_by(rejector.abort_handle());
        }
    }

    fn is_of_pool(&self) -> bool {
        self.crew().is_some()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn leave_the_queue(&self) {
        self.recipe().manners.on_stop = OnStop::Finish;
    }

    fn close(&self) {
        close(&self.intake);
        // A pool's mailbox is the others' too.
        self.is_last_down();
        let mut recipe = self.recipe();
        recipe.closed = true;
        let factory = recipe.factory.take();
        drop(recipe);
        discard(factory);
        if let Some(supervisor) = self.nested() {
            supervisor.close_children();
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Kept<A> {
    fn drop(&mut self) {
        let recipe = self.recipe.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !recipe.closed {
            self.close();
        }
    }
}

fn failed(error: impl Into<BoxError>) -> Outcome {
    Outcome::Failed(Failure::error(error))
}
