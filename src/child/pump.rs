//! How messages get from a kept mailbox to the actor.

use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{self, Poll},
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFuture, AsyncContext, Context,
    dev::{Envelope, EnvelopeProxy},
};
use futures::Stream;

use super::{
    context::BreakOff,
    crew::{Crew, Seat},
    incarnation::{Handle, Incarnation, NOTHING},
    intake::Intake,
};

/// How many messages an incarnation handles before others on its thread have their turn, and so
/// does a stop request.
const BUDGET: u32 = 128;
/// For how long it does so on another thread than its supervisor's, where handlers may block.
const TURN: Duration = Duration::from_millis(1);

/// Takes messages out of the kept mailbox, in order, and hands each to the actor once (I2).
///
/// Actix polls it for the first time when `started` has run and all futures that it gave to
/// `ctx.wait` are done: the incarnation is ready.
pub(super) struct Pump<A: Actor<Context = Context<A>>> {
    incarnation: Arc<Incarnation<A>>,
    announced: bool,
}

impl<A: Actor<Context = Context<A>>> Pump<A> {
    pub(super) fn new(incarnation: Arc<Incarnation<A>>, announced: bool) -> Self {
        Self { incarnation, announced }
    }
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
        if incarnation.turn.is_over() || incarnation.is_to_make_way() {
            incarnation.turn.end();
            ctx.wait(EndOfTurn::default());
            match incarnation.elsewhere {
                true => yield_now(task),
                false => task.waker().wake_by_ref(),
            }
            return Poll::Pending;
        }
        if incarnation.is_far() {
            return incarnation.take_in_turns(actor, ctx, task);
        }
        let mut intake = incarnation.kept.intake();
        let Some(mailbox) = intake.as_mut() else { return Poll::Pending };
        let Some(receiver) = mailbox.alone().filter(|_| incarnation.takes_all()) else {
            drop(intake);
            return incarnation.take_in_turns(actor, ctx, task);
        };
        // As Actix does it: nobody else takes from this mailbox, and nobody asks for anything meanwhile, since whoever could is on
        // this thread. Most messages go this way, and most panics: a function of its own would be one more to unwind.
        let mut left = incarnation.turn.left();
        while !ctx.waiting() {
            if left == 0 {
                task.waker().wake_by_ref();
                break;
            }
            left -= 1;
            let next = Pin::new(&mut *receiver).poll_next(task);
            let Poll::Ready(Some(mut envelope)) = next else { break };
            envelope.handle(actor, ctx);
        }
        incarnation.turn.set_left(left);
        Poll::Pending
    }
}

/// How many more messages may be handled in this turn, which is one poll of the runner. An actor that has spawned something has all of its
/// context polled again in the same turn: a look into the mailbox counts as much as a message.
pub(super) struct Turn(AtomicU32);

impl Turn {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(BUDGET))
    }

    pub(super) fn begin(&self) {
        self.set_left(BUDGET);
    }

    fn left(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn set_left(&self, left: u32) {
        self.0.store(left, Ordering::Relaxed);
    }

    /// Whether there may be one more. It counts as handled.
    fn goes_on(&self) -> bool {
        let left = self.left();
        self.set_left(left.saturating_sub(1));
        left > 0
    }

    fn is_over(&self) -> bool {
        self.left() == 0
    }

    fn handled(&self) -> u32 {
        BUDGET - self.left()
    }

    fn end(&self) {
        self.set_left(0);
    }
}

/// Holds up everything else in its context until the next turn, for which whoever waits for it has to see: Actix polls all of it
/// again, and again, as long as something is spawned there or cancelled.
#[derive(Default)]
struct EndOfTurn {
    has_come: bool,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for EndOfTurn {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        _actor: &mut A,
        _ctx: &mut Context<A>,
        _task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match mem::replace(&mut self.has_come, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// Whether it is time to see how long this turn has lasted already: soon where the first messages take long, and then not after each,
/// since a look takes half as long as a message.
fn looks_at_the_clock(handled: u32) -> bool {
    handled.is_multiple_of(16) || matches!(handled, 2 | 4 | 8)
}

/// Has the task polled again when all others that can go on have had their turn. One that just wakes itself goes before those
/// that were woken from another thread.
fn yield_now(task: &mut task::Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(task);
}

impl<A: Actor<Context = Context<A>>> Incarnation<A> {
    /// Handles what comes, and looks before each message whether it is still to do so.
    fn take_in_turns(
        &self,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        let in_crew = self.in_crew();
        while !ctx.waiting() {
            if !self.turn.goes_on() {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut intake = self.kept.intake();
            let Some(mailbox) = intake.as_mut() else { return Poll::Pending };
            if self.fenced.load(Ordering::Relaxed) {
                ctx.wait(BreakOff::silently());
                return Poll::Pending;
            }
            if self.is_to_stop(mailbox) {
                if self.is_idle() {
                    ctx.stop();
                }
                return Poll::Pending;
            }
            if self.has_enough() {
                return Poll::Pending;
            }
            let next = match in_crew {
                None => mailbox.next(task),
                Some((seat, crew)) => take_from(seat, crew, mailbox, task),
            };
            let Poll::Ready(Some(mut envelope)) = next else { return Poll::Pending };
            drop(intake);
            envelope.handle(actor, ctx);
            if !self.elsewhere {
                continue;
            }
            if self.is_wanted() {
                self.turn.end();
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            if looks_at_the_clock(self.turn.handled()) && self.has_taken_long() {
                self.turn.end();
                yield_now(task);
                return Poll::Pending;
            }
        }
        Poll::Pending
    }

    /// Whether others come first on its thread, another one than its supervisor's, in the middle of a turn: its context is polled again
    /// since something was spawned there, and who knows what that does.
    fn is_to_make_way(&self) -> bool {
        self.elsewhere && self.turn.handled() > 0 && (self.is_wanted() || self.has_taken_long())
    }

    fn has_taken_long(&self) -> bool {
        self.last_turn().is_some_and(|turn| turn.elapsed() >= TURN)
    }

    /// Whether nothing keeps it from the next message: no stop that waits for its end, no limit to what it has in hand. Of one on
    /// its supervisor's thread: a fence is a kill, which comes first, and one that drains has something set apart.
    fn takes_all(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == u32::MAX
            && !self.is_leaving.load(Ordering::Relaxed)
    }

    /// Whether it was asked to stop and has nothing left to take: it stops as soon as it has nothing in hand.
    fn is_to_stop(&self, intake: &Intake<A>) -> bool {
        if self.draining.load(Ordering::Relaxed) && intake.is_drained() {
            self.draining.store(false, Ordering::Relaxed);
            self.is_leaving.store(true, Ordering::Relaxed);
        }
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Whether its supervisor has asked for something meanwhile, which does not wait behind what is in the mailbox.
    fn is_wanted(&self) -> bool {
        self.request.load(Ordering::Relaxed) != NOTHING || self.is_asked.load(Ordering::Relaxed)
    }

    /// Whether it has nothing in hand. Then it is told to stop, once.
    fn is_idle(&self) -> bool {
        let is_idle = self.in_hand.load(Ordering::Acquire) == 0;
        if is_idle {
            self.is_leaving.store(false, Ordering::Relaxed);
        }
        is_idle
    }

    fn has_enough(&self) -> bool {
        self.in_hand.load(Ordering::Acquire) >= self.in_flight.load(Ordering::Relaxed)
    }
}

/// Takes a message out of the mailbox of a pool.
fn take_from<A: Actor<Context = Context<A>>>(
    seat: &Seat,
    crew: &Crew,
    intake: &mut Intake<A>,
    task: &mut task::Context<'_>,
) -> Poll<Option<Envelope<A>>> {
    seat.looks(crew);
    let next = intake.next(task);
    match &next {
        Poll::Ready(_) => crew.call_one(),
        Poll::Pending => seat.finds_nothing(),
    }
    next
}

impl<A: Actor<Context = Context<A>>> Drop for Pump<A> {
    fn drop(&mut self) {
        self.incarnation.deaf.store(true, Ordering::Relaxed);
    }
}

/// Keeps a context alive that has nothing else: Actix stops one that is empty, and it is so for a moment
/// when the actor cancels the pump.
pub(super) struct Presence;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_looked_at_soon_and_then_less_often() {
        let looks: Vec<_> = (1..=BUDGET).filter(|&handled| looks_at_the_clock(handled)).collect();
        assert_eq!(looks, [2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128]);
    }
}
