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
    /// If there is anything of this: almost always there is not.
    beside: Option<Box<Beside<A>>>,
}

struct Beside<A: Actor<Context = Context<A>>> {
    /// A second way in, for a root supervisor whose address was needed before it was made.
    alias: Option<AddressReceiver<A>>,
    /// What was in the mailbox when a child that drains was asked to stop: it goes first.
    backlog: VecDeque<Envelope<A>>,
    /// The task that empties the mailbox while the child is down.
    rejector: Option<AbortHandle>,
    /// Who is told of messages, if these are several.
    crew: Option<Arc<Crew>>,
}

impl<A: Actor<Context = Context<A>>> Default for Beside<A> {
    fn default() -> Self {
        Self { alias: None, backlog: VecDeque::new(), rejector: None, crew: None }
    }
}

/// The mailbox of a child that nobody has taken on yet.
pub(super) struct Untaken<A: Actor<Context = Context<A>>>(Option<Intake<A>>);

impl<A: Actor<Context = Context<A>>> Untaken<A> {
    pub(super) fn new(receiver: AddressReceiver<A>, alias: Option<AddressReceiver<A>>) -> Self {
        let beside =
            alias.map(|alias| Box::new(Beside { alias: Some(alias), ..Beside::default() }));
        Self(Some(Intake { receiver, beside }))
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
    pub(super) fn of_crew(mut self, crew: Arc<Crew>) -> Self {
        self.beside().crew = Some(crew);
        self
    }

    fn beside(&mut self) -> &mut Beside<A> {
        self.beside.get_or_insert_default()
    }

    /// All that messages come through, unless there are others or something waits already.
    pub(super) fn alone(&mut self) -> Option<&mut AddressReceiver<A>> {
        self.beside.is_none().then_some(&mut self.receiver)
    }

    /// The next message; `None` when no more can come. In a pool it is the crew that is woken when there is one.
    pub(super) fn next(&mut self, task: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        match self.beside.as_ref().and_then(|beside| beside.crew.as_ref()) {
            None => self.next_for(task),
            Some(crew) => {
                let waker = crew.waker();
                self.next_for(&mut task::Context::from_waker(&waker))
            }
        }
    }

    fn next_for(&mut self, task: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        if let Some(beside) = &mut self.beside {
            if let Some(envelope) = beside.backlog.pop_front() {
                return Poll::Ready(Some(envelope));
            }
            if let Some(alias) = &mut beside.alias
                && let Poll::Ready(Some(envelope)) = Pin::new(alias).poll_next(task)
            {
                return Poll::Ready(Some(envelope));
            }
        }
        // Built in place, as the last expression: a copy would cost a tenth of a message.
        Pin::new(&mut self.receiver).poll_next(task)
    }

    /// Sets apart what is in the mailbox now; returns whether that is anything.
    pub(super) fn set_apart(&mut self) -> bool {
        let all = self.take_all();
        let is_anything = !all.is_empty();
        if is_anything {
            self.beside().backlog = all;
        }
        is_anything
    }

    fn take_all(&mut self) -> VecDeque<Envelope<A>> {
        let mut task = task::Context::from_waker(noop_waker_ref());
        let mut all = VecDeque::new();
        while let Poll::Ready(Some(envelope)) = self.next(&mut task) {
            all.push_back(envelope);
        }
        all
    }

    /// Whether all that was set apart has been handled.
    pub(super) fn is_drained(&self) -> bool {
        self.beside.as_ref().is_none_or(|beside| beside.backlog.is_empty())
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

    /// While the child is down this task empties its mailbox.
    pub(super) fn rejected_by(&mut self, rejector: AbortHandle) {
        self.stop_rejecting();
        self.beside().rejector = Some(rejector);
    }

    pub(super) fn stop_rejecting(&mut self) {
        let Some(beside) = &mut self.beside else { return };
        if let Some(rejector) = beside.rejector.take() {
            rejector.abort();
        }
        if beside.alias.is_none() && beside.crew.is_none() && beside.backlog.is_empty() {
            self.beside = None;
        }
    }

    /// Closes the mailbox, and drops what is in it message by message: a panic in the `Drop` of one must not leave the senders of
    /// the others waiting, and one that sends itself again must find it closed.
    ///
    /// Actix closes a mailbox only by dropping it, and that empties it once more after it was closed: what is sent meanwhile, from
    /// another thread, gets its error as well.
    pub(super) fn discard(mut self) {
        self.stop_rejecting();
        let all = self.take_all();
        discard(self);
        all.into_iter().for_each(discard);
    }
}
