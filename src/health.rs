//! Whether a tree can do its work, and what is wrong if not.

use std::{fmt, time::Duration};

use actix::Message;
use tokio::time::Instant;

use crate::failure::Failure;

/// Whether the tree can do its work: for the readiness probe of a platform, and for load balancers.
///
/// It is ready when every [essential](crate::ChildSpec::essential) child in the whole tree is ready, nothing above one of them is
/// [paused](crate::Spec::failure_backoff), and no stop was asked for. Readiness falls first at a stop: before the
/// [delay](crate::Spec::stop_delay) and before the first child is asked.
///
/// That it is alive is shown by its answering at all: ask with a limit. The answer waits up to a second for the threads on which
/// essential children run, [those of their own](crate::Placement::Dedicated) excepted, which may be busy; one that does not answer is
/// [`Why::Unresponsive`].
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{AddAndWait, ChildSpec, Health, Supervisor, Terminate};
/// # struct Store;
/// # impl Actor for Store { type Context = Context<Self>; }
///
/// # actix_rt::System::new().block_on(async {
/// let root = Supervisor::new("app").start();
/// let store = ChildSpec::actor("store", |_| Store).essential(true);
/// let store = root.send(AddAndWait(store)).await??;
/// assert!(root.send(Health).await?.ready);
///
/// root.send(Terminate(store.token())).await??;
/// let health = root.send(Health).await?;
/// assert_eq!(health.to_string(), "not ready: app/store was stopped on request");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "HealthReport")]
pub struct Health;

/// What [`Health`] tells. Displays as one line: `ready`, or `not ready:` and what is wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HealthReport {
    /// Whether the tree can do its work.
    pub ready: bool,
    /// Whether every thread has answered that the tree cannot do without: the supervisor's own has, since this is an answer. If
    /// not, only a restart of the process may help.
    pub live: bool,
    /// What is wrong, in start order: why it is not ready.
    pub wrong: Vec<Trouble>,
}

impl HealthReport {
    pub(crate) fn of(is_ready: bool, wrong: Vec<Trouble>) -> Self {
        let live = !wrong.iter().any(|trouble| matches!(trouble.why, Why::Unresponsive));
        Self { ready: is_ready && wrong.is_empty(), live, wrong }
    }
}

/// One reason why a tree is not ready. Displays as one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Trouble {
    /// Names, from the supervisor that was asked down to the one that this is about.
    pub path: Vec<String>,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Why {
    /// It is not ready yet.
    Starting,
    /// It failed, or a sibling of its group did, and waits for its restart.
    #[non_exhaustive]
    Down {
        /// What its last failure was.
        last_failure: Option<Failure>,
        /// When its next incarnation is due, if that is a matter of time.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::time_left_if_any"))]
        next_start: Option<Instant>,
    },
    /// It is on its way to stop: a child, or the supervisor that was asked.
    Stopping,
    /// Somebody has stopped it, and not started it again: [`Terminate`](crate::Terminate).
    Terminated,
    /// It has failed and is not restarted.
    FailedForGood(Failure),
    /// It is a supervisor that restarts nothing until then, with something essential below it.
    Paused {
        /// When it goes on.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::time_left"))]
        until: Instant,
    },
    /// Its thread does not answer.
    Unresponsive,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("is starting"),
            Self::Down { last_failure: Some(failure), .. } => write!(f, "is down: {failure}"),
            Self::Down { last_failure: None, .. } => f.write_str("is down"),
            Self::Stopping => f.write_str("is stopping"),
            Self::Terminated => f.write_str("was stopped on request"),
            Self::FailedForGood(failure) => write!(f, "has failed for good: {failure}"),
            Self::Paused { .. } => f.write_str("pauses all restarts"),
            Self::Unresponsive => f.write_str("does not answer"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and failures are anybody's text.
        let text = format!("{} {}", self.path.join("/"), self.why);
        for char in text.chars() {
            f.write_fmt(format_args!("{}", if char.is_control() { ' ' } else { char }))?;
        }
        Ok(())
    }
}

/// How many of them fit on a line.
const SHOWN: usize = 3;

impl fmt::Display for HealthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ready {
            return f.write_str("ready");
        }
        f.write_str("not ready")?;
        for (index, trouble) in self.wrong.iter().take(SHOWN).enumerate() {
            write!(f, "{} {trouble}", if index == 0 { ":" } else { ";" })?;
        }
        match self.wrong.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// How long the threads of a tree are given to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
