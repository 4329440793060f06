//! One incarnation of a child: an ordinary Actix context, polled where its panics are caught.
//!
//! How an ordinary actor outlives its own panic:
//!
//! - The child's mailbox is not the context's own one. It is [kept](super::kept), and the [pump](super::pump), an
//!   actor future that is the first thing spawned in every incarnation's context, takes the messages out of it.
//! - The context's sender is replaced by one of the kept mailbox, so that `ctx.address()` is the address
//!   that everybody else has.
//! - The [runner](super::runner), a task, polls the context's future under `catch_unwind`, and drops it before it tells anybody
//!   (I1): the next incarnation cannot start before this one is gone.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    task::Waker,
    thread::{self, ThreadId},
};

use actix::{
    Actor, AsyncContext, Context,
    dev::{AsyncContextParts, ContextParts},
};
use log::Level;
use tokio::time::Instant;

use super::{
    context::{Entered, InHand, Scope},
    crew::{Crew, Member, Seat},
    kept::{AnyKept, Kept, Manners},
    link::{Desk, Link, Running, Whereabouts},
    panics,
    pump::{Presence, Pump, Turn},
    runner::{Launch, Life},
    turns::Turns,
};
use crate::{
    failure::{Failure, Outcome, PanicInfo},
    machine::Standing,
    policy::{ExitClass, RestartPolicy},
    token::ChildToken,
};

/// Reaches a running incarnation, from any thread.
pub(crate) trait Handle: Running {
    /// Asks it to stop.
    fn ask(&self);
    /// Has it dropped.
    fn kill(&self);
    /// Has it tell its supervisor that its thread is free.
    fn probe(&self);
    /// Whether its thread is in its code now. Only known of one on another thread.
    fn is_busy(&self) -> bool;
    /// When its thread last turned to the code of any child. Only known of one that has begun on another thread.
    fn last_turn(&self) -> Option<Instant>;
    /// It has ended, and nothing follows at once.
    fn dismiss(&self);
    /// An `Arc<Incarnation<A>>`.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// Gives its thread up: it takes no more messages, and is dropped if that thread ever has the time.
    fn fence(&self);
}

pub(super) const NOTHING: u8 = 0;
pub(super) const ASK: u8 = 1;
pub(super) const KILL: u8 = 2;

/// What the parts of an incarnation, and those who want something of it, share.
pub(super) struct Incarnation<A: Actor<Context = Context<A>>> {
    pub(super) kept: Arc<Kept<A>>,
    pub(super) link: Link,
    /// Not on its supervisor's thread.
    pub(super) elsewhere: bool,
    /// It says after which ends its task stands by for the next one.
    pub(super) policy: RestartPolicy,
    /// It has ended, and its task [stands by](super::standby).
    pub(super) stands_by: AtomicBool,
    pub(super) turn: Turn,
    /// How many messages it may have in hand.
    pub(super) in_flight: AtomicU32,
    /// It takes no more messages, and nobody waits for its end: its thread was given up. Set under the mailbox's lock (I1).
    pub(super) fenced: AtomicBool,
    /// Its supervisor wants to know whether its thread is free.
    pub(super) is_asked: AtomicBool,
    /// If it is on another thread, or a member of a pool. Most are not, and there are many of them.
    far: Option<Box<Far>>,
    /// It has been dropped.
    is_gone: AtomicBool,
    /// What is asked of it: `NOTHING`, `ASK` or `KILL`.
    pub(super) request: AtomicU8,
    slots: Mutex<Slots<A>>,
    /// It has said so. Most do not, and then nobody has to lock anything.
    has_concluded: AtomicBool,
    /// It has failed in its own words, and runs no more.
    pub(super) broken: AtomicBool,
    /// It stops when what was set apart in its mailbox has been handled.
    pub(super) draining: AtomicBool,
    /// Its pump is gone.
    pub(super) deaf: AtomicBool,
    /// How many messages it has in hand, as far as it says so.
    pub(super) in_hand: AtomicU32,
    /// It stops when it has none in hand.
    pub(super) is_leaving: AtomicBool,
}

/// What one puts there for another.
pub(super) struct Slots<A: Actor<Context = Context<A>>> {
    /// The runner's, once it has been polled. Under a lock, so that either the runner sees a request at its first
    /// poll, or the request finds the waker.
    pub(super) waker: Option<Waker>,
    /// How it is to end, in the actor's own words.
    conclusion: Option<Box<Outcome>>,
    /// What [follows it](super::standby) in the same task.
    pub(super) next: Launch<A>,
}

/// What is known of an incarnation that others on other threads have to do with.
#[derive(Default)]
struct Far {
    /// Where it has begun to run, if that is another thread than its supervisor's.
    began: OnceLock<(ThreadId, Turns)>,
    /// That thread is in its code.
    is_busy: AtomicBool,
    /// If it is a member of a pool.
    seat: Seat,
}

impl<A: Actor<Context = Context<A>>> Incarnation<A> {
    /// One on its supervisor's thread. With the waker of the task in which it starts, if that is there.
    pub(super) fn here(
        kept: Arc<Kept<A>>,
        link: Link,
        policy: RestartPolicy,
        waker: Option<Waker>,
    ) -> Arc<Self> {
        Self::new(kept, link, false, policy, waker)
    }

    pub(super) fn elsewhere(kept: Arc<Kept<A>>, link: Link) -> Arc<Self> {
        // The next one may be on yet another thread.
        let no_standby = RestartPolicy::Temporary;
        Self::new(kept, link, true, no_standby, None)
    }

    fn new(
        kept: Arc<Kept<A>>,
        link: Link,
        elsewhere: bool,
        policy: RestartPolicy,
        waker: Option<Waker>,
    ) -> Arc<Self> {
        let far = (elsewhere || kept.crew().is_some()).then(Box::default);
        Arc::new(Self {
            kept,
            link,
            elsewhere,
            policy,
            stands_by: AtomicBool::new(false),
            turn: Turn::new(),
            in_flight: AtomicU32::new(u32::MAX),
            fenced: AtomicBool::new(false),
            is_asked: AtomicBool::new(elsewhere),
            far,
            is_gone: AtomicBool::new(false),
            request: AtomicU8::new(NOTHING),
            slots: Mutex::new(Slots { waker, conclusion: None, next: Launch::default() }),
            has_concluded: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            in_hand: AtomicU32::new(0),
            is_leaving: AtomicBool::new(false),
        })
    }

    /// Makes its actor on this thread. If there is none, it has ended.
    pub(super) fn begin(self: Arc<Self>) -> Option<Life<A>> {
        if let Some(far) = self.far.as_ref().filter(|_| self.elsewhere) {
            let _ = far.began.set((thread::current().id(), Turns::of_this_thread()));
        }
        let mut ctx = Context::new();
        if let Some(intake) = &mut *self.kept.intake() {
            intake.stop_rejecting();
            *ctx.parts() = ContextParts::new(intake.receiver.sender_producer());
        }
        // A supervisor says itself when it is ready.
        let announced = self.kept.nested().is_some();
        ctx.spawn(Pump::new(Arc::clone(&self), announced));
        ctx.spawn(Presence);
        let mut scope = Some(Arc::clone(&self) as Arc<dyn Scope>);
        match self.make(&mut ctx, &mut scope) {
            Ok(actor) => Some(Life::new(self, scope, ctx.into_future(actor))),
            Err(outcome) => {
                // What the factory has spawned in it.
                let dropped = panics::catch(move || drop(ctx));
                self.end(Some(outcome), Ok(()), dropped);
                None
            }
        }
    }

    /// Its supervisor's, if that is on the same thread. A supervisor has others to serve, and no turns that anybody counts.
    pub(super) fn desk_beside(&self) -> Option<&Arc<Desk>> {
        let is_beside = !self.elsewhere && self.kept.nested().is_none();
        self.link.parent.as_ref().filter(|_| is_beside).map(|parent| &parent.desk)
    }

    /// Runs its code, and lets others know that its thread is there.
    pub(super) fn while_busy<T>(&self, code: impl FnOnce() -> T) -> T {
        let Some(far) = &self.far else { return code() };
        let Some((_, turns)) = far.began.get() else { return code() };
        turns.note();
        far.is_busy.store(true, Ordering::Relaxed);
        let done = code();
        far.is_busy.store(false, Ordering::Relaxed);
        done
    }

    /// Whether others on other threads have to do with it: it is on another one than its supervisor, or a member of a pool.
    pub(super) fn is_far(&self) -> bool {
        self.far.is_some()
    }

    fn began(&self) -> Option<&(ThreadId, Turns)> {
        self.far.as_ref()?.began.get()
    }

    /// Its place in its pool, if it is a member.
    pub(super) fn in_crew(&self) -> Option<(&Seat, &Arc<Crew>)> {
        Some((&self.far.as_ref()?.seat, self.kept.crew()?))
    }

    fn make(&self, ctx: &mut Context<A>, scope: &mut Option<Arc<dyn Scope>>) -> Result<A, Outcome> {
        let _entered = Entered::new(scope);
        let _inside = self.link.span.enter();
        let treated = |manners: Manners| {
            self.in_flight.store(manners.in_flight, Ordering::Relaxed);
        };
        let actor = self.while_busy(|| self.kept.make(ctx, treated))?;
        match self.take_conclusion() {
            Some(failed @ (Outcome::Failed(_) | Outcome::TerminateTree(_))) => {
                panics::discard(actor);
                Err(failed)
            }
            Some(gentle @ (Outcome::Finished | Outcome::Stopped)) => {
                self.conclude(gentle);
                Ok(actor)
            }
            None => Ok(actor),
        }
    }

    fn take_conclusion(&self) -> Option<Outcome> {
        if !self.has_concluded.load(Ordering::Acquire) {
            return None;
        }
        self.slots().conclusion.take().map(|outcome| *outcome)
    }

    /// Tells that it has ended and is gone; `end` is how it was ended from outside, if it was.
    pub(super) fn end(
        &self,
        end: Option<Outcome>,
        run: Result<(), PanicInfo>,
        drop: Result<(), PanicInfo>,
    ) -> ExitClass {
        let mut outcome = end.or_else(|| self.take_conclusion()).unwrap_or(Outcome::Stopped);
        let mut panicked = |panic| match outcome {
            Outcome::Failed(_) | Outcome::TerminateTree(_) => self.has_panicked_too(&panic),
            Outcome::Finished | Outcome::Stopped => {
                outcome = Outcome::Failed(Failure::Panic(panic));
            }
        };
        if let Err(panic) = run {
            panicked(panic);
        }
        if let Err(panic) = drop {
            panicked(panic);
        }
        self.is_gone.store(true, Ordering::Release);
        self.gives_way();
        if self.link.parent.is_none() {
            self.kept.close();
        }
        if let Some(supervisor) = self.kept.nested() {
            supervisor.ended(&outcome);
        }
        let exit = outcome.class();
        self.link.exited(outcome);
        exit
    }

    /// There is one failure, and this is not it; nobody else will tell of it.
    #[cold]
    fn has_panicked_too(&self, panic: &PanicInfo) {
        match self.link.token() {
            Some(token) => panics::log(
                Level::Warn,
                format_args!("child {token}, which had failed already, {panic}"),
            ),
            None => panics::log(Level::Warn, format_args!("a supervisor {panic}")),
        }
    }

    pub(super) fn request(&self, request: u8) {
        // A kill is not taken back by a later, gentler request.
        self.request.fetch_max(request, Ordering::AcqRel);
        self.poll_soon();
    }

    fn poll_soon(&self) {
        if let Some(waker) = &self.slots().waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, Slots<A>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_request(&self) -> u8 {
        // At most polls there is none, and a look is cheaper than a swap.
        match self.request.load(Ordering::Acquire) {
            NOTHING => NOTHING,
            _ => self.request.swap(NOTHING, Ordering::AcqRel),
        }
    }

    /// It takes no more messages. If it was called for one, another member is to take that.
    fn gives_way(&self) {
        if let Some((seat, crew)) = self.in_crew() {
            seat.goes(crew);
        }
    }
}

impl<A: Actor<Context = Context<A>>> Member for Incarnation<A> {
    fn seat(&self) -> Option<&Seat> {
        self.far.as_ref().map(|far| &far.seat)
    }

    fn wake(&self) {
        self.poll_soon();
    }
}

impl<A: Actor<Context = Context<A>>> InHand for Incarnation<A> {
    fn done(&self) {
        self.in_hand.fetch_sub(1, Ordering::AcqRel);
        self.poll_soon();
    }
}

impl<A: Actor<Context = Context<A>>> Running for Incarnation<A> {
    fn is_running(&self) -> bool {
        !self.is_gone.load(Ordering::Acquire)
    }

    fn thread(&self) -> Whereabouts {
        self.began().map_or(Whereabouts::Waiting, |(id, _)| Whereabouts::On(*id))
    }
}

impl<A: Actor<Context = Context<A>>> Handle for Incarnation<A> {
    fn ask(&self) {
        self.request(ASK);
    }

    fn kill(&self) {
        self.request(KILL);
    }

    fn probe(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.poll_soon();
    }

    fn is_busy(&self) -> bool {
        self.far.as_ref().is_some_and(|far| far.is_busy.load(Ordering::Relaxed))
    }

    fn last_turn(&self) -> Option<Instant> {
        self.began()?.1.last()
    }

    fn dismiss(&self) {
        if self.stands_by.swap(false, Ordering::Relaxed) {
            self.poll_soon();
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn fence(&self) {
        let intake = self.kept.intake();
        self.fenced.store(true, Ordering::Relaxed);
        drop(intake);
        self.gives_way();
        self.dismiss();
        self.kill();
    }
}

impl<A: Actor<Context = Context<A>>> Scope for Incarnation<A> {
    fn conclude(&self, outcome: Outcome) {
        if let Outcome::Failed(_) | Outcome::TerminateTree(_) = outcome {
            self.broken.store(true, Ordering::Relaxed);
        }
        let mut slots = self.slots();
        match slots.conclusion.as_deref() {
            Some(Outcome::Failed(_) | Outcome::TerminateTree(_)) => {}
            Some(Outcome::Finished | Outcome::Stopped) | None => {
                slots.conclusion = Some(Box::new(outcome));
                self.has_concluded.store(true, Ordering::Release);
            }
        }
    }

    fn ready(&self) {
        self.link.ready();
    }

    fn standing(&self, standing: Standing) {
        self.link.standing(standing);
    }

    fn token(&self) -> Option<ChildToken> {
        self.link.token()
    }

    fn in_hand(self: Arc<Self>) -> Arc<dyn InHand> {
        self.in_hand.fetch_add(1, Ordering::AcqRel);
        self
    }

    fn has_addr(&self, addr: &dyn Any) -> bool {
        self.kept.is_at(addr)
    }
}
