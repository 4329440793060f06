//! The members of a pool, which take their messages from one mailbox.
//!
//! A mailbox wakes one waker. In a pool that is the crew's, which passes the call on to a member that is idle. No call is
//! lost, because whoever was called and does not take a message calls the next one:
//!
//! - A member enters itself as idle before it looks into the mailbox for the last time, so a message that comes in between
//!   finds it there.
//! - A member that has taken a message calls another one, for there may be more: the mailbox wakes nobody again before
//!   somebody has found it empty.
//! - A member that was called and cannot take anything (it waits for a future of its own, has enough in hand, is stopping or
//!   gone) calls another one.
//! - A member that runs is not entered as idle, whatever it does.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

/// Somebody who can be called.
pub(super) trait Member: Send + Sync {
    fn call(&self);
}

#[derive(Default)]
pub(super) struct Crew {
    idle: Mutex<Idle>,
    /// How many members are up, or will be at once.
    up: AtomicUsize,
}

/// Who waits for a message, first come first, by places that are counted from 1 on.
#[derive(Default)]
struct Idle {
    last: u64,
    members: BTreeMap<u64, Arc<dyn Member>>,
}

impl Crew {
    /// What the mailbox wakes.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a member as idle, and returns its place.
    pub(super) fn enter(&self, member: Arc<dyn Member>) -> u64 {
        let mut idle = self.idle();
        idle.last += 1;
        let place = idle.last;
        idle.members.insert(place, member);
        place
    }

    pub(super) fn leave(&self, place: u64) {
        self.idle().members.remove(&place);
    }

    /// Calls whoever has been idle for the longest time.
    pub(super) fn call_one(&self) {
        let first = self.idle().members.pop_first();
        if let Some((_, member)) = first {
            member.call();
        }
    }

    pub(super) fn one_is_up(&self) {
        self.up.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many are left.
    pub(super) fn one_is_down(&self) -> usize {
        self.up.fetch_sub(1, Ordering::Relaxed).saturating_sub(1)
    }
}

impl Wake for Crew {
    fn wake(self: Arc<Self>) {
        self.call_one();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call_one();
    }
}
