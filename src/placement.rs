//! Where a child runs.

use actix::ArbiterHandle;

/// On which thread a child runs: an actor, an async service, or a nested supervisor.
///
/// What blocks holds up all that runs on its thread. Wherever it runs, its mailbox and its address are kept, and its
/// supervisor treats it in the same way.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{ChildSpec, Placement, Supervisor};
///
/// struct Parser;
///
/// impl Actor for Parser {
///     type Context = Context<Self>;
/// }
///
/// let parser = ChildSpec::actor("parser", |_ctx| Parser).placement(Placement::Dedicated);
/// let root = Supervisor::new("root").child(parser);
/// # let _ = root;
/// ```
#[derive(Clone, Debug, Default)]
pub enum Placement {
    /// On its supervisor's thread. For whatever does not block: most of all actors.
    #[default]
    Inline,
    /// On an arbiter of the application's own, together with what the application runs there.
    ///
    /// There is no other thread to go to: if this one is stuck, a [watchdog](crate::ChildSpec::watchdog) tells so, and the next
    /// incarnation waits for it, for the watchdog's limit.
    ///
    /// If the arbiter was [stopped](crate::Failure::ArbiterStopped), or is stuck for so long, the child has failed for good, and is not
    /// started again where nothing runs: with [`OnLimit::Backoff`](crate::OnLimit) it ends, for
    /// [`EndReason::Stranded`](crate::EndReason::Stranded); with [`OnLimit::Escalate`](crate::OnLimit) its supervisor fails.
    Arbiter(ArbiterHandle),
    /// On a thread of its own, which has its name. It is made at the first start, kept across restarts, and ends with the
    /// child.
    Dedicated,
    /// On one of its supervisor's threads, the one with the fewest children: see [`Spec::arbiters`](crate::Spec::arbiters).
    Pool,
}
