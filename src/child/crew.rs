//! The members of a pool, which take their messages from one mailbox.
//!
//! A mailbox wakes one waker, and then none before somebody has found it empty. In a pool that is the crew's, which calls a
//! member that is idle. A call is to have somebody look into the mailbox, and none is lost, because at any time it is somebody's:
//!
//! - A member is idle from the end of a poll in which it has found the mailbox empty until its next poll begins, and only then
//!   it can be called. So nobody is called who is busy with something else, for however long.
//! - It is called in the same step in which it ceases to be idle, and it ends in one: either it is not found any more, or
//!   it knows that it was called.
//! - A call that finds nobody idle is owed. Whoever looks next, or would be idle next, takes it over.
//! - A member that was called and does not look (it waits for a future of its own, has enough in hand, is stopping, is gone,
//!   or is given up with its thread) calls another one.
//! - A member that has taken a message calls another one, for there may be more.

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
    fn seat(&self) -> Option<&Seat>;
    /// It has been called: has it polled.
    fn wake(&self);
}

#[derive(Default)]
pub(super) struct Crew {
    idle: Mutex<Idle>,
    /// Somebody was to be called, and nobody was idle. Set under the lock.
    is_owed: AtomicBool,
    /// How many members are up, or will be at once.
    up: AtomicUsize,
}

/// Who waits for a message, first come first, by places that are counted from 1 on.
#[derive(Default)]
struct Idle {
    last: u64,
    members: BTreeMap<u64, Arc<dyn Member>>,
}

/// Where a member is: one of these, or its place among those who are idle.
const BUSY: u64 = 0;
/// It was called, and has not looked into the mailbox yet.
const CALLED: u64 = u64::MAX - 1;
/// It never looks again.
const GONE: u64 = u64::MAX;

/// A member's side of its crew. It becomes idle, called and gone under the crew's lock.
#[derive(Default)]
pub(super) struct Seat {
    is: AtomicU64,
    /// It has found the mailbox empty in this poll.
    found_nothing: AtomicBool,
}

impl Crew {
    /// What the mailbox wakes.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls whoever has been idle for the longest time.
    pub(super) fn call_one(&self) {
        let mut idle = self.idle();
        let first = idle.members.pop_first();
        match first.as_ref().and_then(|(_, member)| member.seat()) {
            Some(seat) => seat.is.store(CALLED, Ordering::Release),
            None => self.is_owed.store(true, Ordering::Release),
        }
        drop(idle);
        if let Some((_, member)) = first {
            member.wake();
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

impl Seat {
    /// A poll begins: it is not idle any more.
    pub(super) fn begins(&self, crew: &Crew) {
        self.found_nothing.store(false, Ordering::Relaxed);
        match self.is.load(Ordering::Acquire) {
            BUSY | CALLED | GONE => {}
            _ => {
                let mut idle = crew.idle();
                // Unless it was called, or is gone, by now.
                if idle.members.remove(&self.is.load(Ordering::Acquire)).is_some() {
                    self.is.store(BUSY, Ordering::Release);
                }
            }
        }
    }

    /// It is about to look into the mailbox, under the mailbox's lock: whatever it was called for, or is owed, it will find.
    pub(super) fn looks(&self, crew: &Crew) {
        self.found_nothing.store(false, Ordering::Relaxed);
        self.takes_the_call();
        if crew.is_owed.load(Ordering::Acquire) {
            crew.is_owed.store(false, Ordering::Release);
        }
    }

    pub(super) fn finds_nothing(&self) {
        self.found_nothing.store(true, Ordering::Relaxed);
    }

    /// A poll ends. If it was called and has not looked, another one is to look; if it has, and there was nothing, it is idle.
    pub(super) fn rests(&self, crew: &Crew, member: impl FnOnce() -> Arc<dyn Member>) {
        self.pass_on(crew);
        if self.found_nothing.load(Ordering::Relaxed) {
            self.enter(crew, member());
        }
    }

    fn enter(&self, crew: &Crew, member: Arc<dyn Member>) {
        let mut idle = crew.idle();
        if self.is.load(Ordering::Acquire) == GONE {
            return;
        }
        if crew.is_owed.swap(false, Ordering::AcqRel) {
            self.is.store(CALLED, Ordering::Release);
            drop(idle);
            return member.wake();
        }
        idle.last += 1;
        let place = idle.last;
        self.is.store(place, Ordering::Release);
        idle.members.insert(place, member);
    }

    /// It takes no more messages. If it was called, another one is to look.
    pub(super) fn goes(&self, crew: &Crew) {
        let mut idle = crew.idle();
        let was = self.is.swap(GONE, Ordering::AcqRel);
        let member = idle.members.remove(&was);
        drop(idle);
        drop(member);
        if was == CALLED {
            crew.call_one();
        }
    }

    fn pass_on(&self, crew: &Crew) {
        if self.takes_the_call() {
            crew.call_one();
        }
    }

    /// Returns whether it was called. From here on it is not.
    fn takes_the_call(&self) -> bool {
        let is_called = self.is.load(Ordering::Acquire) == CALLED;
        // Unless it is gone by now, and another one was called in its place.
        is_called
            && self.is.compare_exchange(CALLED, BUSY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Crew {
    fn wake(self: Arc<Self>) {
        self.call_one();
    }
}
