//! The small choices of a supervisor and its children, and the truth tables that they stand for.

use std::time::Duration;

/// When a child is restarted; the terms and their meanings are OTP's.
///
/// | how the incarnation ended | `Permanent` | `Transient` | `Temporary` |
/// | --- | --- | --- | --- |
/// | a failure: a panic, an error, a start that took too long, a [`Kill`](crate::Kill) | restart | restart | ends |
/// | it stopped by itself: `ctx.stop()`, a service that returned `Ok` | restart, and that is a failure | ends | ends |
/// | it said that it is done: [`finish`](crate::SupervisedContext::finish), [`Exit::DoNotRestart`](crate::Exit) | ends | ends | ends |
///
/// What *ends* is forgotten: it is no longer listed, and its mailbox closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// Always restarted. For whatever has to run as long as its supervisor does.
    #[default]
    Permanent,
    /// Restarted after a failure only. For work that comes to an end.
    Transient,
    /// Never restarted. For work that somebody else will ask for again.
    Temporary,
}

/// How an incarnation ended, as far as a decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitClass {
    /// A panic or an error.
    Failed,
    /// It stopped by itself, without a word about restarts.
    Stopped,
    /// It said that it is done for good.
    Finished,
    /// It asked for the end of the whole tree.
    TerminateTree,
}

impl RestartPolicy {
    /// Whether a child that ended by itself in this way comes back.
    pub(crate) fn restarts(self, exit: ExitClass) -> bool {
        match (self, exit) {
            (_, ExitClass::Finished | ExitClass::TerminateTree) => false,
            (Self::Permanent, ExitClass::Failed | ExitClass::Stopped) => true,
            (Self::Transient, ExitClass::Failed) => true,
            (Self::Transient, ExitClass::Stopped) => false,
            (Self::Temporary, ExitClass::Failed | ExitClass::Stopped) => false,
        }
    }
}

/// How a child is stopped when somebody asks for it; OTP's `timeout`, `brutal_kill` and `infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Ask it to stop, and drop it when this time has passed since the request.
    ///
    /// What cannot be dropped, a [blocking service](crate::ChildSpec::blocking), is left behind and
    /// [reported](crate::StopReport::unstopped).
    Timeout(Duration),
    /// Drop it at once: `stopping` and `stopped` do not run, `Drop` does.
    Kill,
    /// Ask it to stop, and wait for as long as it takes.
    Infinite,
}

impl Shutdown {
    /// How long it is waited for.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Self::Timeout(limit) => Some(limit),
            Self::Kill => Some(Duration::ZERO),
            Self::Infinite => None,
        }
    }
}

/// What becomes of messages to a child that is down: it ended, and its next incarnation does not
/// start at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhileDown {
    /// Keep them; the next incarnation handles them, in order.
    #[default]
    Queue,
    /// Drop what is queued, and what arrives until the next incarnation starts: every sender gets
    /// [`MailboxError::Closed`](actix::MailboxError::Closed) at once instead of a long wait.
    Reject,
}

#[cfg(test)]
mod tests {
    use super::{ExitClass::*, RestartPolicy::*};

    #[test]
    fn restart_policies_follow_the_table() {
        let table = [
            (Permanent, Failed, true),
            (Permanent, Stopped, true),
            (Permanent, Finished, false),
            (Permanent, TerminateTree, false),
            (Transient, Failed, true),
            (Transient, Stopped, false),
            (Transient, Finished, false),
            (Transient, TerminateTree, false),
            (Temporary, Failed, false),
            (Temporary, Stopped, false),
            (Temporary, Finished, false),
            (Temporary, TerminateTree, false),
        ];
        for (policy, exit, restarts) in table {
            assert_eq!(policy.restarts(exit), restarts, "{policy:?} after {exit:?}");
        }
    }
}
