//! The task of an incarnation, which polls it where its panics are caught.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{self, Poll},
};

use actix::{Actor, ActorContext, AsyncContext, Context, dev::ContextFut};

use super::{
    context::{Entered, Scope},
    crew::Member,
    incarnation::{ASK, Incarnation, KILL, NOTHING},
    intake::Intake,
    kept::OnStop,
    link::Desk,
    panics,
    pump::Pump,
    turnstile::Place,
};
use crate::failure::{Failure, Outcome, PanicInfo};

type ActorRun<A> = ContextFut<A, Context<A>>;

/// The task of an incarnation.
pub(super) struct Runner<A: Actor<Context = Context<A>>> {
    incarnation: Arc<Incarnation<A>>,
    /// The same, while it is not running.
    scope: Option<Arc<dyn Scope>>,
    future: Option<ActorRun<A>>,
    registered: bool,
    /// Where turns are counted: on its supervisor's thread. Who is turned away has nothing else looked at, which would take as
    /// long as its turn does when a hundred thousand others were in the cache meanwhile.
    desk: Option<Arc<Desk>>,
    place: Place,
}

impl<A: Actor<Context = Context<A>>> Future for Runner<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !mem::replace(&mut this.registered, true) {
            // Once is enough: a task keeps its waker.
            *this.incarnation.waker() = Some(task.waker().clone());
        } else if let Some(desk) = &this.desk
            && !desk.turnstile.lets_pass(&mut this.place, task)
        {
            return Poll::Pending;
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
        let in_crew = this.incarnation.in_crew();
        if let Some((seat, crew)) = in_crew {
            seat.begins(crew);
        }
        let Some(future) = &mut this.future else { return Poll::Ready(()) };
        this.incarnation.turn.begin();
        let entered = Entered::new(&mut this.scope);
        let span = &this.incarnation.link.span;
        let poll = || {
            let _inside = span.enter();
            panics::catch(|| Pin::new(&mut *future).poll(task))
        };
        let polled = this.incarnation.while_busy(poll);
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
                    future.ctx().spawn(Pump::new(Arc::clone(&this.incarnation), true));
                    task.waker().wake_by_ref();
                }
                if let Some((seat, crew)) = in_crew {
                    // It may not even have looked, since it waits for a future of its own or has enough in hand.
                    let incarnation = &this.incarnation;
                    let member = || Arc::clone(incarnation) as Arc<dyn Member>;
                    seat.rests(crew, member);
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => this.end(None, Ok(())),
            Err(panic) => this.end(None, Err(panic)),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Runner<A> {
    pub(super) fn new(
        incarnation: Arc<Incarnation<A>>,
        scope: Option<Arc<dyn Scope>>,
        run: ActorRun<A>,
    ) -> Self {
        let desk = incarnation.desk_beside().cloned();
        Self { incarnation, scope, future: Some(run), registered: false, desk, place: None }
    }

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
        if let Some(desk) = &self.desk {
            desk.turnstile.one_ends();
        }
        self.incarnation.end(end, run, dropped);
        Poll::Ready(())
    }

    fn discard(&mut self) -> Result<(), PanicInfo> {
        let Some(future) = &mut self.future else { return Ok(()) };
        let _inside = self.incarnation.link.span.enter();
        // Else its `Drop` would poll it once more: hooks and handlers of a broken actor would run.
        future.ctx().terminate();
        // Where it is: it is large, and would be moved twice.
        self.incarnation.while_busy(|| panics::catch(|| self.future = None))
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
