//! What goes into the machine, and what comes out.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    backoff::Backoff,
    info::{ChildKind, ChildState},
    policy::{
        AutoShutdown, Decision, ExitClass, OnLimit, RestartPolicy, Shutdown, ShutdownOrder,
        StartFailure, Strategy,
    },
};

/// How long a thread is given to carry out a kill; a nested supervisor's, that has others below it to kill, is given more.
const GRACE: Duration = Duration::from_secs(1);
const GRACE_OF_SUPERVISORS: Duration = Duration::from_secs(10);

/// The settings of a supervisor that its decisions depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) decay: Duration,
    pub(crate) threshold: f64,
    pub(crate) pause: Duration,
    pub(crate) jitter: f64,
    pub(crate) spread: Duration,
    pub(crate) seed: u64,
    pub(crate) strategy: Strategy,
    pub(crate) on_limit: OnLimit,
    pub(crate) give_up_after_pauses: Option<u32>,
    pub(crate) start_failure: StartFailure,
    pub(crate) auto_shutdown: AutoShutdown,
    /// Without children it is of no use, and ends.
    pub(crate) needs_children: bool,
    /// The tree is not ready unless a child is, whichever that is.
    pub(crate) needs_one_ready: bool,
    pub(crate) shutdown_order: ShutdownOrder,
    /// How long an orderly stop waits before the first child is asked.
    pub(crate) stop_delay: Duration,
    /// An essential child has failed for good, under an earlier machine.
    pub(crate) bereft: bool,
}

/// The settings of a child that decisions about it depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) policy: RestartPolicy,
    pub(crate) shutdown: Shutdown,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) kind: ChildKind,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) give_up_after: Option<u32>,
    pub(crate) significant: bool,
    /// The tree is not ready without it. For a supervisor also: without something that was declared below it.
    pub(crate) essential: bool,
    /// If it does not run on its supervisor's thread.
    pub(crate) elsewhere: Option<Elsewhere>,
}

/// How long the end of a child, or of all children of a supervisor, may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Longest {
    /// By an orderly stop; `None` if there is no limit.
    pub(crate) stop: Option<Duration>,
    /// By a kill: until it is gone, or counts as stuck.
    pub(crate) kill: Duration,
}

/// What concerns a child on another thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Elsewhere {
    pub(crate) watchdog: Option<Duration>,
}

impl Terms {
    /// Whether a kill ends it for certain. Nothing ends a thread but the thread itself.
    pub(super) fn can_be_killed(&self) -> bool {
        match self.kind {
            ChildKind::Actor | ChildKind::Service | ChildKind::Supervisor => true,
            ChildKind::Blocking => false,
        }
    }

    /// How long it may take to end. `below` is how long that may take what is below it, if it is a supervisor.
    pub(crate) fn longest(&self, below: Option<Longest>) -> Longest {
        let limit = match self.shutdown {
            Shutdown::Kill => Some(Duration::ZERO),
            Shutdown::Timeout(limit) => Some(limit),
            Shutdown::Infinite => None,
        };
        let is_supervisor = self.kind == ChildKind::Supervisor;
        let below = below.unwrap_or(Longest { stop: Some(Duration::ZERO), kill: Duration::ZERO });
        // After its limit it is killed. Whether that was done has to be seen, where another thread is to do it.
        let kill = match &self.elsewhere {
            Some(_) if self.can_be_killed() => self.grace(),
            None if is_supervisor => below.kill,
            Some(_) | None => Duration::ZERO,
        };
        let within = limit.map(|limit| limit.saturating_add(kill));
        let stop = match (limit, below.stop) {
            // What is stuck on its thread keeps it from everything, also from its children's limits.
            _ if self.elsewhere.is_some() || !is_supervisor => within,
            (Some(limit), Some(stop)) if stop <= limit => Some(stop),
            (Some(_), _) => within,
            (None, stop) => stop,
        };
        Longest { stop, kill }
    }

    /// How long a thread is given to carry out a kill, before it counts as stuck.
    pub(crate) fn grace(&self) -> Duration {
        match self.kind {
            ChildKind::Supervisor => GRACE_OF_SUPERVISORS,
            ChildKind::Actor | ChildKind::Service | ChildKind::Blocking => {
                self.watchdog().unwrap_or(GRACE)
            }
        }
    }

    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.elsewhere.as_ref()?.watchdog
    }
}

/// What happens to a supervisor, but for [`Request`]s about one child.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A child was declared before the start. `life` is that of its last incarnation under an earlier
    /// machine, or 0.
    Declare { child: u64, terms: Arc<Terms>, life: u64 },
    /// What was declared is to start.
    Start,
    /// A child is taken on; one `on_trial` is not kept unless its first start succeeds.
    Add { child: u64, terms: Arc<Terms>, on_trial: bool },
    /// The terms of a child change.
    Retune { child: u64, terms: Arc<Terms> },
    /// An incarnation is ready.
    Ready { child: u64, life: u64 },
    /// An incarnation has ended and is gone. `decision` is what its own rule says, where it has one and
    /// [is to be asked](super::Machine::decides).
    Exited { child: u64, life: u64, exit: ExitClass, decision: Option<Decision> },
    /// An incarnation has answered a probe.
    Alive { child: u64, life: u64 },
    /// This incarnation keeps the thread busy on which `over` does [not answer](super::Machine::silent).
    Stuck { child: u64, life: u64, over: u64 },
    /// The thread of this incarnation was found to be stuck over another one.
    Move { child: u64, life: u64 },
    /// What the incarnation, a supervisor, now means for the tree's readiness.
    Standing { child: u64, life: u64, standing: Standing },
    /// The pause is to end now.
    Resume,
    /// Everything is to stop, in order.
    Stop,
    /// Everything is to end at once.
    Kill,
    /// The [`deadline`](Machine::deadline) may have come.
    Tick,
}

/// What is to be done, and told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Start an incarnation.
    Start { child: u64, life: u64 },
    /// Ask the incarnation to stop.
    Ask { child: u64, life: u64 },
    /// Drop the incarnation.
    Kill { child: u64, life: u64 },
    /// Ask the incarnation whether its thread is free.
    Probe { child: u64, life: u64 },
    /// Give the incarnation and its thread up, and report its end.
    Abandon { child: u64, life: u64 },
    /// The child is without an incarnation and will be so for some time.
    Down { child: u64 },
    /// Who waits for this has an answer.
    Settle { child: u64, wait: Wait, outcome: Settled },
    /// The incarnation is ready.
    Ready { child: u64 },
    /// The incarnation has failed; what follows says what comes of it.
    Failed { child: u64, forced: Option<Forced>, failures: f64, restarting: bool },
    /// The child was stopped on request.
    Stopped { child: u64 },
    /// It did not stop in time. Dropped, or left behind.
    StopTimeout { child: u64, left_behind: bool },
    /// The child is gone for good: close its mailbox.
    Ended { child: u64, end: End },
    /// Restarts are stopped for this long.
    PauseEntered { pause: Duration },
    /// Restarts go on.
    PauseLeft,
    /// The failure meter has exceeded the threshold, and the supervisor fails.
    LimitReached { failures: f64 },
    /// The children that were declared have been started.
    Up,
    /// From now on nothing is restarted.
    StopBegun { cause: StopCause },
    /// The supervisor stops, and is done with this child.
    Released { child: u64 },
    /// Every child has stopped or was left behind.
    Finish { cause: StopCause },
}

/// What somebody may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// The first incarnation is ready.
    Ready,
    /// A new incarnation has been started.
    Started,
    /// The incarnation has ended.
    Stopped,
}

/// How the waiting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It has happened.
    Done,
    /// The first start failed.
    Failed,
    /// Another request about the child came between.
    Superseded,
    /// The supervisor stops.
    Stopping,
    /// The child did not stop in time, and cannot be killed.
    Timeout,
}

/// Why a child is gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    Stopped,
    Failed,
    /// It had failed too often in a row.
    GaveUp,
    /// It has failed, and there was nowhere to start it again.
    Stranded,
    /// It was swept down with its group, and is not one to come back.
    WithGroup,
    Removed,
}

/// A child, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) state: ChildState,
    pub(crate) restarts: u64,
    pub(crate) failures_in_row: u32,
    /// When its next incarnation is due, if that is a matter of time.
    pub(crate) next_start: Option<Instant>,
    pub(crate) is_essential: bool,
    /// It is essential and not ready, or something below it is.
    pub(crate) is_missing: bool,
}

/// What somebody asks of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Remove,
    Restart,
    /// As `Restart`, but only of what is up.
    Renew,
    Terminate,
    Kill,
}

/// What has come of a request so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is carried out.
    Done,
    /// An [`Action::Settle`] for this will follow, with what happens later.
    Until(Wait),
    /// It stands, but the child's incarnation is over its limit and cannot be killed.
    Overdue,
}

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such child, or it is being removed.
    NotFound,
    /// The supervisor stops.
    Stopping,
}

/// What a supervisor means for the readiness of the tree that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing at or below it is essential.
    Indifferent,
    /// All that is essential at or below it is ready.
    Whole,
    /// Something essential is not, or restarts are paused above it.
    Lacking,
}

/// Why a supervisor stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopCause {
    /// Somebody asked for it.
    Asked,
    /// It was killed.
    Killed,
    /// This child asked for the end of the whole tree.
    TerminateTree { child: u64 },
    /// This child's failure is more than the supervisor bears.
    Escalated { child: u64 },
    /// Its significant children have ended.
    Auto,
    /// It needs children, and has none left.
    Deserted,
}

/// A failure that the supervisor itself has brought about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Forced {
    Killed,
    StartTimeout(Duration),
    Unresponsive(Duration),
}
