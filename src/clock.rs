//! The clock.

use tokio::time::Instant;

/// The one place where the clock is read: tokio's, which users can pause in their tests.
#[expect(clippy::disallowed_methods, reason = "the only place")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
