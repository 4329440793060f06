//! When a thread last turned to the code of a child.

use std::{
    cell::RefCell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::clock::now;

thread_local! {
    static OF_THIS_THREAD: RefCell<Turns> = RefCell::default();
}

/// When a thread last turned to the code of a child that is watched from another one, whoever supervises that.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Known>);

#[derive(Default)]
struct Known {
    first: OnceLock<Instant>,
    /// In nanoseconds since the first.
    last: AtomicU64,
}

impl Turns {
    pub(super) fn of_this_thread() -> Self {
        // A thread that is on its way out turns to nobody any more.
        OF_THIS_THREAD.try_with(|turns| turns.borrow().clone()).unwrap_or_default()
    }

    /// Before anything runs there.
    pub(crate) fn become_this_threads(self) {
        OF_THIS_THREAD.set(self);
    }

    /// It does now.
    pub(super) fn note(&self) {
        let since = now().duration_since(*self.0.first.get_or_init(now)).as_nanos();
        self.0.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Option<Instant> {
        let first = self.0.first.get()?;
        Some(*first + Duration::from_nanos(self.0.last.load(Ordering::Relaxed)))
    }
}
