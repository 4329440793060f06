//! The names by which a supervisor knows its children.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Which child of which supervisor.
///
/// A token is good for one supervisor only and never used again, so a token of a child that is
/// gone finds nothing, and never another child. A child that was declared before its supervisor's
/// start keeps its token when that supervisor is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildToken {
    pub(crate) supervisor: u64,
    pub(crate) child: u64,
}

#[cfg(feature = "web")]
impl ChildToken {
    /// From what it displays as.
    pub(crate) fn parsed(text: &str) -> Option<Self> {
        let (supervisor, child) = text.strip_prefix('#')?.split_once('.')?;
        Some(Self { supervisor: supervisor.parse().ok()?, child: child.parse().ok()? })
    }
}

impl fmt::Display for ChildToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.supervisor, self.child)
    }
}

/// A number for a supervisor, different from that of every other one in this process.
pub(crate) fn next_supervisor() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
