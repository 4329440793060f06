//! What messages are sent to, and the books about them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use actix::{Addr, MailboxError};

use crate::worker::{Act, Job, Worker};

/// How many messages, and the sum of their fingerprints: where two of these are equal, they are of the same messages.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: AtomicU64,
    fingerprints: AtomicU64,
}

impl Tally {
    pub(crate) fn add(&self, id: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Knuth's multiplier and a shift: sums of neighbouring numbers do not come out the same by chance.
        let hash = (id ^ (id >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.fingerprints.fetch_add(hash ^ (hash >> 32), Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn fingerprints(&self) -> u64 {
        self.fingerprints.load(Ordering::Relaxed)
    }
}

/// The books of one address.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) sent: Tally,
    /// Those that a handler was called with.
    pub(crate) begun: Tally,
}

impl Books {
    /// How many were never handled, and how many twice. Where both happened, one of each may hide the other; the
    /// fingerprints show it, and then it is at least one of each.
    pub(crate) fn balance(&self) -> (u64, u64) {
        let (sent, begun) = (self.sent.count(), self.begun.count());
        if sent == begun && self.sent.fingerprints() != self.begun.fingerprints() {
            return (1, 1);
        }
        (sent.saturating_sub(begun), begun.saturating_sub(sent))
    }
}

/// Where it runs, and so what it can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the supervisors' thread, which must not be blocked.
    Main,
    /// On a thread that may get stuck, or lose its arbiter.
    Elsewhere,
}

/// An address, and the books about what is sent to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) addr: Addr<Worker>,
    pub(crate) books: Arc<Books>,
}

impl Target {
    pub(crate) fn tell(&self, id: u64) {
        self.books.sent.add(id);
        self.addr.do_send(Job { id, act: Act::Work });
    }

    pub(crate) async fn ask(&self, id: u64, act: Act) -> Result<Option<u64>, MailboxError> {
        self.books.sent.add(id);
        self.addr.send(Job { id, act }).await
    }
}
