//! What has happened, in order.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What has happened, in order, as lines. Its clones are one journal.
///
/// ```
/// use actix_supervisor::test_kit::Journal;
///
/// let journal = Journal::default();
/// journal.clone().note("a: started");
/// journal.note("b: started");
/// assert_eq!(journal.count("a: started"), 1);
/// assert_eq!(journal.take(), ["a: started", "b: started"]);
/// assert!(journal.take().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// Adds a line.
    pub fn note(&self, entry: impl Into<String>) {
        self.entries().push(entry.into());
    }

    /// All lines since the last time.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut *self.entries())
    }

    /// How many times this line is there.
    pub fn count(&self, entry: &str) -> usize {
        self.entries().iter().filter(|noted| *noted == entry).count()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
