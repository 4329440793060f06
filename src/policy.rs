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
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
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
    /// It could not begin, since an earlier incarnation has not left what it needs: to try again at once is in vain.
    Hindered,
    /// It has failed, and there is nowhere to start it again.
    Stranded,
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
            (Self::Temporary, _) => false,
            (_, ExitClass::Failed | ExitClass::Hindered | ExitClass::Stranded) => true,
            (Self::Permanent, ExitClass::Stopped) => true,
            (Self::Transient, ExitClass::Stopped) => false,
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
    ///
    /// A [blocking service](crate::ChildSpec::blocking) is asked, and left behind at once; a nested supervisor ends
    /// what is below it first.
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
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum WhileDown {
    /// Keep them; the next incarnation handles them, in order.
    #[default]
    Queue,
    /// Drop what is queued, and what arrives until the next incarnation starts: every sender gets
    /// [`MailboxError::Closed`](actix::MailboxError::Closed) at once instead of a long wait.
    Reject,
}

/// Who is restarted when a child fails; the terms and their meanings are OTP's.
///
/// The siblings that a strategy sweeps down stop in reverse start order, each within its own limit, and all
/// start again in order, each when the one before it is ready. Their stops are no failures. A sibling that is
/// [`Temporary`](RestartPolicy::Temporary) does not come back, and one that was
/// [terminated](crate::Terminate) stays down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Strategy {
    /// The failed child only. For children that know nothing of each other.
    #[default]
    OneForOne,
    /// All children. For children that cannot go on without each other.
    OneForAll,
    /// The failed child and those started after it. For children that need those before them.
    RestForOne,
}

/// What a supervisor does when its failure meter exceeds the threshold, or a child has
/// [failed for good](crate::ChildSpec::give_up_after).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum OnLimit {
    /// suture's answer: it pauses all restarts for a while. A child that has failed for good ends.
    #[default]
    Backoff,
    /// OTP's answer: it stops its children in order and fails to the supervisor above it; at the root,
    /// [`serve`](crate::Supervisor::serve) returns that failure.
    Escalate,
}

/// What a supervisor does about a child that fails before it was ever ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum StartFailure {
    /// It treats that like any failure.
    #[default]
    Retry,
    /// It fails: OTP's answer to a child that cannot start. Those that were started stop in the supervisor's
    /// [order](ShutdownOrder). That is so whatever the child's policy, but not if its
    /// [rule](crate::ChildSpec::decide) says [`Decision::End`]; "ever" is since this start of the supervisor.
    Escalate,
}

/// Whether a supervisor stops by itself when its [significant](crate::ChildSpec::significant) children have ended; OTP's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// When one of them has ended.
    AnySignificant,
    /// When the last of them has ended.
    AllSignificant,
}

/// In which order a supervisor that stops asks its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum ShutdownOrder {
    /// One after the other, the last started first.
    #[default]
    Reverse,
    /// All at once, in no order: the stop takes as long as the slowest of them.
    Concurrent,
}

/// What a panic of a supervised child means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum OnPanic {
    /// A failure like any other.
    #[default]
    Restart,
    /// The end of the process: the panic is logged, and the process aborts. For programs in which a panic
    /// means that nothing can be trusted any more.
    Abort,
}

/// What is to be done about one failure, by its reason; see [`ChildSpec::decide`](crate::ChildSpec::decide).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Decision {
    /// The child is restarted, with all that belongs to a restart: meter, pause, backoff, strategy.
    Restart,
    /// The child ends.
    End,
    /// The supervisor fails.
    Escalate,
}

#[cfg(test)]
mod tests {
    use super::{ExitClass::*, RestartPolicy::*};

    #[test]
    fn restart_policies_follow_the_table() {
        let table = [
            (Permanent, Failed, true),
            (Permanent, Hindered, true),
            (Permanent, Stranded, true),
            (Permanent, Stopped, true),
            (Permanent, Finished, false),
            (Permanent, TerminateTree, false),
            (Transient, Failed, true),
            (Transient, Hindered, true),
            (Transient, Stranded, true),
            (Transient, Stopped, false),
            (Transient, Finished, false),
            (Transient, TerminateTree, false),
            (Temporary, Failed, false),
            (Temporary, Hindered, false),
            (Temporary, Stranded, false),
            (Temporary, Stopped, false),
            (Temporary, Finished, false),
            (Temporary, TerminateTree, false),
        ];
        for (policy, exit, restarts) in table {
            assert_eq!(policy.restarts(exit), restarts, "{policy:?} after {exit:?}");
        }
    }
}
