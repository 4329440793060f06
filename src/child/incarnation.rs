//! One incarnation of a child: an ordinary Actix context, polled where its panics are caught.
//!
//! How an ordinary actor outlives its own panic:
//!
//! - The child's mailbox is not the context's own one. It is [kept](super::kept), and the [`Pump`], an
//!   actor future that is the first thing spawned in every incarnation's context, takes the messages out of it.
//! - The context's sender is replaced by one of the kept mailbox, so that `ctx.address()` is the address
//!   that everybody else has.
//! - The [`Runner`] polls the context's future under `catch_unwind`, and drops it before it tells anybody
//!   (I1): the next incarnation cannot start before this one is gone.

use std::{
    any::Any,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{self, Poll, Waker},
};

use actix::{
    Actor, ActorContext, ActorFuture, AsyncContext, Context,
    dev::{AsyncContextParts, ContextFut, ContextParts, Envelope, EnvelopeProxy},
};

use log::Level;

use super::{
    context::{BreakOff, Entered, InHand, Scope},
    crew::{Crew, Member},
    kept::{AnyKept, Intake, Kept, OnStop},
    link::{Link, Running},
    panics,
};
use crate::{
    failure::{Failure, Outcome, PanicInfo},
    token::ChildToken,
};

/// How many messages an incarnation handles before others on its thread have their turn, and so
/// does a stop request.
const BUDGET: usize = 128;

/// Reaches a running incarnation, from any thread.
pub(crate) trait Handle: Running {
    /// Asks it to stop.
    fn ask(&self);
    /// Has it dropped.
    fn kill(&self);
    /// Has it tell its supervisor that its thread is free.
    fn probe(&self);
    /// Gives its thread up: it takes no more messages, and is dropped if that thread ever has the time.
    fn fence(&self);
}

const NOTHING: u8 = 0;
const ASK: u8 = 1;
const KILL: u8 = 2;

/// What the parts of an incarnation, and those who want something of it, share.
pub(super) struct Incarnation<A: Actor<Context = Context<A>>> {
    kept: Arc<Kept<A>>,
    link: Link,
    /// Not on its supervisor's thread.
    elsewhere: bool,
    in_flight: Option<u32>,
    /// It takes no more messages, and nobody waits for its end: its thread was given up. Set under the mailbox's lock (I1).
    fenced: AtomicBool,
    /// Its supervisor wants to know whether its thread is free.
    is_asked: AtomicBool,
    /// It has been dropped.
    is_gone: AtomicBool,
    /// What is asked of it: `NOTHING`, `ASK` or `KILL`.
    request: AtomicU8,
    /// The runner's, once it has been polled. A lock, so that either the runner sees a request at its first
    /// poll, or the request finds the waker.
    waker: Mutex<Option<Waker>>,
    /// How it is to end, in the actor's own words.
    conclusion: Mutex<Option<Outcome>>,
    /// It has failed in its own words, and runs no more.
    broken: AtomicBool,
    /// It stops when what was set apart in its mailbox has been handled.
    draining: AtomicBool,
    /// Its pump is gone.
    deaf: AtomicBool,
    /// How many messages it has in hand, as far as it says so.
    in_hand: AtomicU32,
    /// It stops when it has none in hand.
    is_leaving: AtomicBool,
    /// If it is a member of a pool: its place among those who are idle, or 0.
    place: AtomicU64,
    /// It was called for a message, and has not looked yet.
    is_called: AtomicBool,
}

impl<A: Actor<Context = Context<A>>> Incarnation<A> {
    pub(super) fn new(kept: Arc<Kept<A>>, link: Link, elsewhere: bool) -> Arc<Self> {
        let in_flight = kept.manners().in_flight;
        Arc::new(Self {
            kept,
            link,
            elsewhere,
            in_flight,
            fenced: AtomicBool::new(false),
            is_asked: AtomicBool::new(elsewhere),
            is_gone: AtomicBool::new(false),
            request: AtomicU8::new(NOTHING),
            waker: Mutex::new(None),
            conclusion: Mutex::new(None),
            broken: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            in_hand: AtomicU32::new(0),
            is_leaving: AtomicBool::new(false),
            place: AtomicU64::new(0),
            is_called: AtomicBool::new(false),
        })
    }

    /// Starts it on this thread.
    pub(super) fn run(self: Arc<Self>) {
        let mut ctx = Context::new();
        if let Some(intake) = &*self.kept.intake() {
            *ctx.parts() = ContextParts::new(intake.receiver.sender_producer());
        }
        // A supervisor says itself when it is ready.
        let announced = self.kept.nested.is_some();
        ctx.spawn(Pump { incarnation: Arc::clone(&self), announced });
        ctx.spawn(Presence);
        match self.make(&mut ctx) {
            Ok(actor) => {
                let future = Some(ctx.into_future(actor));
                actix_rt::spawn(Runner { incarnation: self, future, registered: false });
            }
            Err(outcome) => {
                // What the factory has spawned in it.
                let dropped = panics::catch(move || drop(ctx));
                self.end(Some(outcome), Ok(()), dropped);
            }
        }
    }

    fn make(self: &Arc<Self>, ctx: &mut Context<A>) -> Result<A, Outcome> {
        let _entered = Entered::new(Arc::clone(self) as Arc<dyn Scope>);
        let actor = self.kept.make(ctx)?;
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
        self.conclusion.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells that it has ended and is gone; `end` is how it was ended from outside, if it was.
    fn end(&self, end: Option<Outcome>, run: Result<(), PanicInfo>, drop: Result<(), PanicInfo>) {
        let mut caught = [run, drop].into_iter().filter_map(Result::err);
        let outcome = match end.or_else(|| self.take_conclusion()) {
            Some(failed @ (Outcome::Failed(_) | Outcome::TerminateTree(_))) => failed,
            gentle => match caught.next() {
                Some(panic) => Outcome::Failed(Failure::Panic(panic)),
                None => gentle.unwrap_or(Outcome::Stopped),
            },
        };
        for panic in caught {
            // There is one failure, and this is not it; nobody else will tell of it.
            match self.link.token() {
                Some(token) => {
                    let what = format_args!("child {token}, which had failed already, {panic}");
                    panics::log(Level::Warn, what);
                }
                None => panics::log(Level::Warn, format_args!("a supervisor {panic}")),
            }
        }
        self.is_gone.store(true, Ordering::Release);
        self.pass_on();
        if self.link.parent.is_none() {
            self.kept.close();
        }
        if let Some(supervisor) = &self.kept.nested {
            supervisor.ended(&outcome);
        }
        self.link.exited(outcome);
    }

    fn request(&self, request: u8) {
        // A kill is not taken back by a later, gentler request.
        self.request.fetch_max(request, Ordering::AcqRel);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker() {
            waker.wake_by_ref();
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_request(&self) -> u8 {
        // At most polls there is none, and a look is cheaper than a swap.
        match self.request.load(Ordering::Acquire) {
            NOTHING => NOTHING,
            _ => self.request.swap(NOTHING, Ordering::AcqRel),
        }
    }

    /// It is not idle any more. If it was called for a message, another one is to take that.
    fn pass_on(&self) {
        let Some(crew) = self.kept.crew() else { return };
        self.is_busy(crew);
        if self.is_called.swap(false, Ordering::AcqRel) {
            crew.call_one();
        }
    }

    /// It was called, and has not even looked: it waits for a future of its own, or has enough in hand. It may have been called
    /// again while it was idle, too; then both look.
    fn yield_to_others(&self) {
        if let Some(crew) = self.kept.crew()
            && self.is_called.swap(false, Ordering::AcqRel)
        {
            crew.call_one();
        }
    }

    fn is_busy(&self, crew: &Crew) {
        let place = self.place.swap(0, Ordering::AcqRel);
        if place != 0 {
            crew.leave(place);
        }
    }

    /// Takes a message out of the mailbox of a pool, or waits to be called.
    fn take_from(
        self: &Arc<Self>,
        crew: &Crew,
        intake: &mut Intake<A>,
        task: &mut task::Context<'_>,
    ) -> Poll<Option<Envelope<A>>> {
        self.is_called.store(false, Ordering::Release);
        let mut next = intake.next(task);
        if next.is_pending() {
            let place = crew.enter(Arc::clone(self) as Arc<dyn Member>);
            self.place.store(place, Ordering::Release);
            next = intake.next(task);
        }
        if next.is_ready() {
            self.is_busy(crew);
            crew.call_one();
        }
        next
    }

    fn has_enough(&self, limit: Option<u32>) -> bool {
        limit.is_some_and(|limit| self.in_hand.load(Ordering::Acquire) >= limit)
    }

    fn pump(self: &Arc<Self>) -> Pump<A> {
        Pump { incarnation: Arc::clone(self), announced: true }
    }
}

impl<A: Actor<Context = Context<A>>> Member for Incarnation<A> {
    fn call(&self) {
        self.place.store(0, Ordering::Release);
        self.is_called.store(true, Ordering::Release);
        self.wake();
    }
}

impl<A: Actor<Context = Context<A>>> InHand for Incarnation<A> {
    fn done(&self) {
        self.in_hand.fetch_sub(1, Ordering::AcqRel);
        self.wake();
    }
}

impl<A: Actor<Context = Context<A>>> Running for Incarnation<A> {
    fn is_running(&self) -> bool {
        !self.is_gone.load(Ordering::Acquire)
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
        self.wake();
    }

    fn fence(&self) {
        let intake = self.kept.intake();
        self.fenced.store(true, Ordering::Relaxed);
        drop(intake);
        self.pass_on();
        self.kill();
    }
}

impl<A: Actor<Context = Context<A>>> Scope for Incarnation<A> {
    fn conclude(&self, outcome: Outcome) {
        if let Outcome::Failed(_) | Outcome::TerminateTree(_) = outcome {
            self.broken.store(true, Ordering::Relaxed);
        }
        let mut conclusion = self.conclusion.lock().unwrap_or_else(PoisonError::into_inner);
        match &*conclusion {
            Some(Outcome::Failed(_) | Outcome::TerminateTree(_)) => {}
            Some(Outcome::Finished | Outcome::Stopped) | None => *conclusion = Some(outcome),
        }
    }

    fn ready(&self) {
        self.link.ready();
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

type ActorRun<A> = ContextFut<A, Context<A>>;

/// The task of an incarnation.
struct Runner<A: Actor<Context = Context<A>>> {
    incarnation: Arc<Incarnation<A>>,
    future: Option<ActorRun<A>>,
    registered: bool,
}

impl<A: Actor<Context = Context<A>>> Future for Runner<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !mem::replace(&mut this.registered, true) {
            // Once is enough: a task keeps its waker.
            *this.incarnation.waker() = Some(task.waker().clone());
        }
        match this.incarnation.take_request() {
            NOTHING => {}
            ASK => this.pass_on_stop(),
            _ => return this.end(Some(Outcome::Failed(Failure::Killed)), Ok(())),
        }
        if this.incarnation.is_asked.load(Ordering::Relaxed) {
            this.incarnation.is_asked.store(false, Ordering::Relaxed);
            this.incarnation.link.alive();
        }
        if let Some(crew) = this.incarnation.kept.crew() {
            this.incarnation.is_busy(crew);
        }
        let Some(future) = &mut this.future else { return Poll::Ready(()) };
        let entered = Entered::new(Arc::clone(&this.incarnation) as Arc<dyn Scope>);
        let polled = panics::catch(|| Pin::new(&mut *future).poll(task));
        drop(entered);
        match polled {
            Ok(Poll::Pending) => {
                if this.incarnation.broken.load(Ordering::Relaxed) || !future.alive() {
                    // It has failed; or it was terminated in `stopping`, which then answered `Continue`.
                    return this.end(None, Ok(()));
                }
                if this.incarnation.deaf.load(Ordering::Relaxed) {
                    this.incarnation.deaf.store(false, Ordering::Relaxed);
                    // The actor has cancelled what `ctx.handle()` gave it, and that was the pump.
                    future.ctx().spawn(this.incarnation.pump());
                    task.waker().wake_by_ref();
                }
                if this.incarnation.is_called.load(Ordering::Acquire) {
                    this.incarnation.yield_to_others();
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => this.end(None, Ok(())),
            Err(panic) => this.end(None, Err(panic)),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Runner<A> {
    fn pass_on_stop(&mut self) {
        let Some(future) = &mut self.future else { return };
        let kept = &self.incarnation.kept;
        let has_something_in_hand = self.incarnation.in_hand.load(Ordering::Acquire) > 0;
        match kept.manners().on_stop {
            OnStop::Drain if kept.intake().as_mut().is_some_and(Intake::set_apart) => {
                self.incarnation.draining.store(true, Ordering::Relaxed);
            }
            OnStop::Finish => self.incarnation.is_leaving.store(true, Ordering::Relaxed),
            OnStop::Nothing | OnStop::Drain if has_something_in_hand => {
                self.incarnation.is_leaving.store(true, Ordering::Relaxed);
            }
            OnStop::Nothing | OnStop::Drain => future.ctx().stop(),
        }
    }

    fn end(&mut self, end: Option<Outcome>, run: Result<(), PanicInfo>) -> Poll<()> {
        let dropped = self.discard();
        self.incarnation.end(end, run, dropped);
        Poll::Ready(())
    }

    fn discard(&mut self) -> Result<(), PanicInfo> {
        let Some(mut future) = self.future.take() else { return Ok(()) };
        // Else its `Drop` would poll it once more: hooks and handlers of a broken actor would run.
        future.ctx().terminate();
        panics::catch(move || drop(future))
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Runner<A> {
    /// Its arbiter was stopped under it, unless it has ended already.
    fn drop(&mut self) {
        if self.future.is_some() {
            let _ = self.end(Some(Outcome::Failed(Failure::ArbiterStopped)), Ok(()));
        }
    }
}

/// An incarnation that is to start on another thread, unless that is gone first.
pub(super) struct Launch<A: Actor<Context = Context<A>>>(Option<Arc<Incarnation<A>>>);

impl<A: Actor<Context = Context<A>>> Launch<A> {
    pub(super) fn of(incarnation: Arc<Incarnation<A>>) -> Self {
        Self(Some(incarnation))
    }

    pub(super) fn run(mut self) {
        let Some(incarnation) = self.0.take() else { return };
        match incarnation.take_request() {
            KILL => incarnation.end(Some(Outcome::Failed(Failure::Killed)), Ok(()), Ok(())),
            request => {
                incarnation.request(request);
                incarnation.run();
            }
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Launch<A> {
    fn drop(&mut self) {
        if let Some(incarnation) = self.0.take() {
            incarnation.end(Some(Outcome::Failed(Failure::ArbiterStopped)), Ok(()), Ok(()));
        }
    }
}

/// Takes messages out of the kept mailbox, in order, and hands each to the actor once (I2).
///
/// Actix polls it for the first time when `started` has run and all futures that it gave to
/// `ctx.wait` are done: the incarnation is ready.
struct Pump<A: Actor<Context = Context<A>>> {
    incarnation: Arc<Incarnation<A>>,
    announced: bool,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        let Self { incarnation, announced } = self.get_mut();
        if !mem::replace(announced, true) {
            incarnation.link.ready();
        }
        let crew = incarnation.kept.crew();
        let limit = incarnation.in_flight;
        let is_alone = !incarnation.elsewhere && crew.is_none();
        let mut held = is_alone.then(|| incarnation.kept.intake());
        for _ in 0..BUDGET {
            if ctx.waiting() {
                return Poll::Pending;
            }
            let mut momentary = None;
            let intake = match &mut held {
                Some(held) => held,
                None => momentary.insert(incarnation.kept.intake()),
            };
            let Some(intake) = intake.as_mut() else { return Poll::Pending };
            if incarnation.fenced.load(Ordering::Relaxed) {
                ctx.wait(BreakOff::silently());
                return Poll::Pending;
            }
            if incarnation.draining.load(Ordering::Relaxed) && intake.is_drained() {
                incarnation.draining.store(false, Ordering::Relaxed);
                incarnation.is_leaving.store(true, Ordering::Relaxed);
            }
            if incarnation.is_leaving.load(Ordering::Relaxed) {
                if incarnation.in_hand.load(Ordering::Acquire) == 0 {
                    incarnation.is_leaving.store(false, Ordering::Relaxed);
                    ctx.stop();
                }
                return Poll::Pending;
            }
            if incarnation.has_enough(limit) {
                return Poll::Pending;
            }
            let next = match crew {
                None => intake.next(task),
                Some(crew) => incarnation.take_from(crew, intake, task),
            };
            match next {
                Poll::Ready(Some(mut envelope)) => {
                    drop(momentary);
                    envelope.handle(actor, ctx);
                }
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Pump<A> {
    fn drop(&mut self) {
        self.incarnation.deaf.store(true, Ordering::Relaxed);
    }
}

/// Keeps a context alive that has nothing else: Actix stops one that is empty, and it is so for a moment
/// when the actor cancels the pump.
struct Presence;

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Presence {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        _actor: &mut A,
        _ctx: &mut Context<A>,
        _task: &mut task::Context<'_>,
    ) -> Poll<()> {
        Poll::Pending
    }
}
