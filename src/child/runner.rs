//! The task of a child, which polls its incarnation where its panics are caught.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{self, Poll, ready},
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
use crate::{
    failure::{Failure, Outcome, PanicInfo},
    policy::ExitClass,
};

type ActorRun<A> = ContextFut<A, Context<A>>;

/// A running incarnation, as its task has it.
pub(super) struct Life<A: Actor<Context = Context<A>>> {
    incarnation: Arc<Incarnation<A>>,
    /// The same, while it is not running.
    scope: Option<Arc<dyn Scope>>,
    /// `None` once it has ended.
    future: Option<ActorRun<A>>,
    /// It was asked to end, or is killed.
    was_asked: bool,
}

/// The task of an incarnation, and of those that follow it [at once](super::standby).
pub(super) struct Runner<A: Actor<Context = Context<A>>> {
    /// `None` if there is no actor of the last one.
    life: Option<Life<A>>,
    /// The first turn of an incarnation is still to come, also while it stands by for that.
    is_new: bool,
    /// Where turns are counted: on its supervisor's thread. Who is turned away has nothing else looked at, which would take as
    /// long as its turn does when a hundred thousand others were in the cache meanwhile.
    desk: Option<Arc<Desk>>,
    place: Place,
}

impl<A: Actor<Context = Context<A>>> Future for Runner<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.is_new {
            ready!(this.begin(task));
        } else if let Some(desk) = &this.desk
            && !desk.turnstile.lets_pass(&mut this.place, task)
        {
            return Poll::Pending;
        }
        let Some(life) = &mut this.life else { return Poll::Ready(()) };
        let exit = ready!(life.poll(task));
        match this.stands_by(exit) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Runner<A> {
    pub(super) fn new(life: Life<A>) -> Self {
        let desk = life.incarnation.desk_beside().cloned();
        Self { life: Some(life), is_new: true, desk, place: None }
    }

    /// Before the first turn of an incarnation, which is not counted. One is there then, unless none follows the last one.
    fn begin(&mut self, task: &task::Context<'_>) -> Poll<()> {
        match &self.life {
            Some(last) if last.future.is_none() => {
                let next = ready!(last.incarnation.next());
                // First, so that the next one is where it was.
                self.life = None;
                self.life = next.begin();
            }
            // Once is enough: a task keeps its waker.
            Some(first) => first.incarnation.slots().waker = Some(task.waker().clone()),
            None => {}
        }
        self.is_new = false;
        Poll::Ready(())
    }

    /// Whether another incarnation may follow the one that has ended in this way, as soon as its supervisor hears of that.
    fn stands_by(&mut self, exit: ExitClass) -> bool {
        self.is_new = true;
        let ended = self.life.as_ref().filter(|life| !life.was_asked);
        ended.is_some_and(|life| life.incarnation.is_to_stand_by(exit))
    }
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    pub(super) fn new(
        incarnation: Arc<Incarnation<A>>,
        scope: Option<Arc<dyn Scope>>,
        run: ActorRun<A>,
    ) -> Self {
        Self { incarnation, scope, future: Some(run), was_asked: false }
    }

    /// Resolves when it has ended and is gone.
    fn poll(&mut self, task: &mut task::Context<'_>) -> Poll<ExitClass> {
        match self.incarnation.take_request() {
            NOTHING => {}
            ASK => self.pass_on_stop(),
            _ => {
                self.was_asked = true;
                return self.end(Some(Outcome::Failed(Failure::Killed)), Ok(())).into();
            }
        }
        if self.incarnation.is_asked.load(Ordering::Relaxed) {
            self.incarnation.is_asked.store(false, Ordering::Relaxed);
            self.incarnation.link.alive();
        }
        let in_crew = self.incarnation.in_crew();
        if let Some((seat, crew)) = in_crew {
            seat.begins(crew);
        }
        let Some(future) = &mut self.future else { return Poll::Pending };
        self.incarnation.turn.begin();
        let entered = Entered::new(&mut self.scope);
        let span = &self.incarnation.link.span;
        let poll = || {
            let _inside = span.enter();
            panics::catch(|| Pin::new(&mut *future).poll(task))
        };
        let polled = self.incarnation.while_busy(poll);
        drop(entered);
        match polled {
            Ok(Poll::Pending) => {
                if self.incarnation.broken.load(Ordering::Relaxed) || !future.alive() {
                    // It has failed; or it was terminated in `stopping`, which then answered `Continue`.
                    return self.end(None, Ok(())).into();
                }
                if self.incarnation.deaf.load(Ordering::Relaxed) {
                    self.incarnation.deaf.store(false, Ordering::Relaxed);
                    // The actor has cancelled what `ctx.handle()` gave it, and that was the pump.
                    future.ctx().spawn(Pump::new(Arc::clone(&self.incarnation), true));
                    task.waker().wake_by_ref();
                }
                if let Some((seat, crew)) = in_crew {
                    // It may not even have looked, since it waits for a future of its own or has enough in hand.
                    let incarnation = &self.incarnation;
                    let member = || Arc::clone(incarnation) as Arc<dyn Member>;
                    seat.rests(crew, member);
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => self.end(None, Ok(())).into(),
            Err(panic) => self.end(None, Err(panic)).into(),
        }
    }

    fn pass_on_stop(&mut self) {
        self.was_asked = true;
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

    fn end(&mut self, end: Option<Outcome>, run: Result<(), PanicInfo>) -> ExitClass {
        let dropped = self.discard();
        if let Some(desk) = self.incarnation.desk_beside() {
            desk.turnstile.one_ends();
        }
        self.incarnation.end(end, run, dropped)
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

impl<A: Actor<Context = Context<A>>> Drop for Life<A> {
    /// Its arbiter was stopped under it, unless it has ended already.
    fn drop(&mut self) {
        if self.future.is_some() {
            self.end(Some(Outcome::Failed(Failure::ArbiterStopped)), Ok(()));
        }
    }
}

/// An incarnation that has yet to begin, or nothing. Dropped before that, it has failed: its arbiter was stopped.
pub(super) struct Launch<A: Actor<Context = Context<A>>>(Option<Arc<Incarnation<A>>>);

impl<A: Actor<Context = Context<A>>> Default for Launch<A> {
    fn default() -> Self {
        Self(None)
    }
}

impl<A: Actor<Context = Context<A>>> Launch<A> {
    pub(super) fn of(incarnation: Arc<Incarnation<A>>) -> Self {
        Self(Some(incarnation))
    }

    pub(super) fn run(self) {
        if let Some(life) = self.begin() {
            actix_rt::spawn(Runner::new(life));
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// Makes its actor. If there is none, or it was killed before, it has ended.
    pub(super) fn begin(mut self) -> Option<Life<A>> {
        let incarnation = self.0.take()?;
        match incarnation.request.load(Ordering::Acquire) {
            KILL => {
                incarnation.end(Some(Outcome::Failed(Failure::Killed)), Ok(()), Ok(()));
                None
            }
            _ => incarnation.begin(),
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
