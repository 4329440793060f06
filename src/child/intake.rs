//! The receiving end of a mailbox, which outlives every incarnation.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};

use actix::{
    Actor, Context,
    dev::{Envelope, channel::AddressReceiver},
};
use futures::{stream::Stream, task::noop_waker_ref};
use tokio::task::AbortHandle;

use super::{crew::Crew, panics::discard};

/// How many messages are dropped in one go while a child is down.
const REJECT_SLICE: usize = 128;

/// The receiving end of a kept mailbox.
pub(super) struct Intake<A: Actor<Context = Context<A>>> {
    pub(super) receiver: AddressReceiver<A>,
    /// A second way in, for a root supervisor whose address was needed before it was made.
    alias: Option<Box<AddressReceiver<A>>>,
    /// What was in the mailbox when a child that drains was asked to stop: it goes first.
    #[expect(
        clippy::box_collection,
        reason = "almost nobody has one, and it takes one word instead of four"
    )]
    backlog: Option<Box<VecDeque<Envelope<A>>>>,
    /// The task that empties the mailbox while the child is down.
    pub(super) rejector: Option<AbortHandle>,
    /// Who is told of messages, if these are several.
    crew: Option<Arc<Crew>>,
}

/// The mailbox of a child that nobody has taken on yet.
pub(super) struct Untaken<A: Actor<Context = Context<A>>>(Option<Intake<A>>);

impl<A: Actor<Context = Context<A>>> Untaken<A> {
    pub(super) fn new(receiver: AddressReceiver<A>, alias: Option<AddressReceiver<A>>) -> Self {
        let alias = alias.map(Box::new);
        Self(Some(Intake { receiver, alias, backlog: None, rejector: None, crew: None }))
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
    /// From now on the crew is woken when there is a message.
    pub(super) fn of_crew(self, crew: Arc<Crew>) -> Self {
        Self { crew: Some(crew), ..self }
    }

    /// All that messages come through, unless there are others or something waits already.
    pub(super) fn alone(&mut self) -> Option<&mut AddressReceiver<A>> {
        let is_alone = self.backlog.is_none() && self.alias.is_none() && self.crew.is_none();
        is_alone.then_some(&mut self.receiver)
    }

    /// The next message; `None` when no more can come. In a pool it is the crew that is woken when there is one.
    pub(super) fn next(&mut self, task: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        match &self.crew {
            None => self.next_for(task),
            Some(crew) => {
                let waker = crew.waker();
                self.next_for(&mut task::Context::from_waker(&waker))
            }
        }
    }

    fn next_for(&mut self, task: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        if let Some(backlog) = &mut self.backlog {
            match backlog.pop_front() {
                Some(envelope) => return Poll::Ready(Some(envelope)),
                None => self.backlog = None,
            }
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
        let mut all = self.backlog.take().unwrap_or_default();
        while let Poll::Ready(Some(envelope)) = self.next(&mut task) {
            all.push_back(envelope);
        }
        self.backlog = (!all.is_empty()).then_some(all);
        self.backlog.is_some()
    }

    /// Whether all that was set apart has been handled.
    pub(super) fn is_drained(&self) -> bool {
        self.backlog.as_ref().is_none_or(|backlog| backlog.is_empty())
    }

    pub(super) fn reject(&mut self, task: &mut task::Context<'_>) -> Poll<()> {
        for _ in 0..REJECT_SLICE {
            match ready!(self.next_for(task)) {
                Some(envelope) => discard(envelope),
                None => return Poll::Ready(()),
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    pub(super) fn stop_rejecting(&mut self) {
        if let Some(rejector) = self.rejector.take() {
            rejector.abort();
        }
    }

    /// Drops what is in the mailbox message by message, before the mailbox itself: a panic in the
    /// `Drop` of one must not leave the senders of the others waiting.
    ///
    /// Actix closes a mailbox only by dropping it, and that empties it once more after it was closed: what is sent while this goes
    /// on gets its error as well.
    pub(super) fn discard(mut self) {
        self.stop_rejecting();
        let mut task = task::Context::from_waker(noop_waker_ref());
        while let Poll::Ready(Some(envelope)) = self.next(&mut task) {
            discard(envelope);
        }
        discard(self);
    }
}
