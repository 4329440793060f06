//! Those who wait until something has happened to a child.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::FutureExt;
use tokio::sync::oneshot;

use super::blueprint::push_open;
use crate::{
    child::panics,
    failure::Failure,
    machine::{Settled, Wait},
};

/// What somebody who waits is told.
pub(super) type Answer = (Settled, Option<Failure>);

/// Makes of that what he is answered.
pub(super) type Says<T> = Box<dyn FnOnce(Answer) -> T + Send>;

type Lists = BTreeMap<(u64, Wait), Vec<Box<dyn Waiter>>>;

/// Those who wait, by what they wait for. It is shared with the answers that are on their way here: Actix hands over who
/// is to get one when the handler has returned.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<Lists>>);

/// Something that has yet to happen to a child.
pub(super) struct Until {
    pub(super) waiting: Waiting,
    pub(super) child: u64,
    pub(super) wait: Wait,
}

/// Somebody who waits.
pub(super) trait Waiter: Send {
    fn has_gone(&self) -> bool;
    fn answer(self: Box<Self>, answer: Answer);
}

struct Asker<T> {
    sender: oneshot::Sender<T>,
    says: Says<T>,
}

impl<T: Send> Waiter for Asker<T> {
    fn has_gone(&self) -> bool {
        self.sender.is_closed()
    }

    fn answer(self: Box<Self>, answer: Answer) {
        let Self { sender, says } = *self;
        if let Err(unheard) = sender.send(says(answer)) {
            panics::discard(unheard);
        }
    }
}

impl Waiting {
    fn all(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out who has waited for this, if anybody has.
    pub(super) fn take(&self, child: u64, wait: Wait) -> Option<Vec<Box<dyn Waiter>>> {
        self.all().remove(&(child, wait))
    }

    /// Nobody will settle anything any more.
    pub(super) fn desert(&self) {
        let all = std::mem::take(&mut *self.all());
        all.into_values().flatten().for_each(|waiter| waiter.answer((Settled::Stopping, None)));
    }
}

impl Until {
    /// Answers when it has happened. One who goes away before that is forgotten in time.
    pub(super) fn answer<T: Send + 'static>(self, sender: oneshot::Sender<T>, says: Says<T>) {
        let Self { waiting, child, wait } = self;
        let asker = Box::new(Asker { sender, says });
        let mut all = waiting.all();
        push_open(all.entry((child, wait)).or_default(), asker, |other| other.has_gone());
    }

    /// What has come of it. It waits from now on, and not only when it is first polled.
    pub(super) fn settled(self) -> impl Future<Output = Settled> {
        let (sender, settled) = oneshot::channel();
        self.answer(sender, Box::new(|(settled, _)| settled));
        // None comes if the supervisor goes down without order, with its system.
        settled.map(|settled| settled.unwrap_or(Settled::Stopping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(waiting: &Waiting, wait: Wait) -> Until {
        Until { waiting: waiting.clone(), child: 1, wait }
    }

    #[test]
    fn who_has_gone_away_is_forgotten_in_time() {
        let waiting = Waiting::default();
        for _ in 0..1_000 {
            drop(until(&waiting, Wait::Stopped).settled());
        }
        let stays = until(&waiting, Wait::Stopped).settled();
        let those = waiting.take(1, Wait::Stopped).expect("one of them waits");
        assert!(those.len() < 100, "{}", those.len());
        those.into_iter().for_each(|waiter| waiter.answer((Settled::Timeout, None)));
        assert_eq!(stays.now_or_never(), Some(Settled::Timeout));
    }

    #[test]
    fn who_waits_for_something_else_is_left_and_has_an_answer_when_all_is_over() {
        let waiting = Waiting::default();
        let (sender, mut answer) = oneshot::channel();
        until(&waiting, Wait::Started).answer(sender, Box::new(|(settled, _)| settled));
        assert!(waiting.take(1, Wait::Stopped).is_none());
        waiting.desert();
        assert_eq!(answer.try_recv(), Ok(Settled::Stopping));
    }
}
