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

#[cfg(not(loom))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    task::{Wake, Waker},
};

// Where all interleavings are tried: `tests/interleavings`.
#[cfg(loom)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
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
    fn enter(&self, member: Arc<dyn Member>) -> u64 {
        let mut idle = self.idle();
        idle.last += 1;
        let place = idle.last;
        idle.members.insert(place, member);
        place
    }

    fn leave(&self, place: u64) {
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

/// What a member keeps of its place in the crew.
#[derive(Default)]
pub(super) struct Seat {
    /// Its place among those who are idle, or 0.
    place: AtomicU64,
    /// It was called, and has not looked into the mailbox yet.
    is_called: AtomicBool,
}

impl Seat {
    pub(super) fn is_called(&self) {
        self.place.store(0, Ordering::Release);
        self.is_called.store(true, Ordering::Release);
    }

    /// It looks into the mailbox.
    pub(super) fn looks(&self) {
        self.is_called.store(false, Ordering::Release);
    }

    /// It is idle, and has to look once more.
    pub(super) fn enter(&self, crew: &Crew, member: Arc<dyn Member>) {
        self.place.store(crew.enter(member), Ordering::Release);
    }

    /// It is not idle any more.
    pub(super) fn leave(&self, crew: &Crew) {
        let place = self.place.swap(0, Ordering::AcqRel);
        if place != 0 {
            crew.leave(place);
        }
    }

    /// If it was called and has not looked, another one is to look.
    pub(super) fn pass_on(&self, crew: &Crew) {
        if self.is_called.load(Ordering::Acquire) && self.is_called.swap(false, Ordering::AcqRel) {
            crew.call_one();
        }
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
