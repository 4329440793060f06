//! What a supervisor tells of its decisions, as events; a log line is an event's rendering (I9).

use std::{
    fmt::{self, Write},
    time::Duration,
};

use log::Level;

use crate::{failure::Failure, token::ChildToken};

/// Something that a supervisor has decided or seen.
///
/// Displays as one line without line breaks, whatever a child's name or panic message holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Event {
    /// Names, from the supervisor whose hook or subscriber sees the event down to the one that it
    /// is about: for an event about a child, that child.
    pub path: Vec<String>,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: EventKind,
}

impl actix::Message for Event {
    type Result = ();
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind"))]
pub enum EventKind {
    /// A child was started for the first time.
    #[non_exhaustive]
    ChildStarted {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
    },
    /// A child's incarnation is ready.
    #[non_exhaustive]
    ChildReady {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
    },
    /// A child failed.
    ChildFailed {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
        /// Why.
        failure: Failure,
        /// The supervisor's failure meter, this failure included where it counts.
        failures: f64,
        /// Above this reading of the meter the supervisor pauses, or fails.
        threshold: f64,
        /// Whether the child will be restarted: at once, or when a backoff, a pause or its group allows it.
        restarting: bool,
    },
    /// A child was started again.
    #[non_exhaustive]
    ChildRestarted {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
        /// How many times by now.
        restarts: u64,
    },
    /// A child is gone for good.
    #[non_exhaustive]
    ChildEnded {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
        /// Why.
        reason: EndReason,
    },
    /// A child was stopped: on request, or with its group or its supervisor.
    #[non_exhaustive]
    ChildStopped {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
        /// What went wrong while it stopped; it counts for nothing.
        failure: Option<Failure>,
    },
    /// A child did not stop within its limit.
    #[non_exhaustive]
    StopTimeout {
        /// Its name.
        name: String,
        /// Its token.
        token: ChildToken,
        /// Whether its thread was left behind, since it cannot be dropped; else it was dropped.
        left_behind: bool,
    },
    /// A stuck thread that was left behind goes on, and what was left of the child's old incarnation has been dropped there.
    #[non_exhaustive]
    ChildCameBack {
        /// The child's name.
        name: String,
        /// Its token.
        token: ChildToken,
        /// How long it was gone, from the time when its thread was given up.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
        after: Duration,
    },
    /// Too much has failed: nothing is restarted until the pause is over. (suture's word for the supervisor's pause; a
    /// child's [`Backoff`](crate::Backoff) has no event.)
    BackoffEntered {
        /// How long the pause is.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
        pause: Duration,
    },
    /// The pause is over, and what waited is restarted.
    BackoffLeft,
    /// The failure meter has exceeded the threshold, and the supervisor fails. (For other reasons to fail there is no such event.)
    #[non_exhaustive]
    LimitReached {
        /// Its failure meter.
        failures: f64,
        /// What the meter has exceeded.
        threshold: f64,
    },
    /// A supervisor was started.
    SupervisorStarted,
    /// A supervisor has stopped.
    #[non_exhaustive]
    SupervisorStopped {
        /// What it has failed with, if it has.
        failure: Option<Failure>,
        /// How many children, at any depth below, it has left behind.
        unstopped: usize,
    },
}

/// Why a child is gone for good.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "end", content = "failure", rename_all = "snake_case")
)]
pub enum EndReason {
    /// It said that it is done.
    Finished,
    /// It stopped by itself, and its policy does not restart that.
    Stopped,
    /// It failed, and is not restarted.
    Failed(Failure),
    /// It had failed [too often in a row](crate::ChildSpec::give_up_after); this is its last failure.
    GaveUp(Failure),
    /// It failed, and there was nowhere to start it again: the [arbiter](crate::Placement::Arbiter) that it is to run on was
    /// stopped, or is stuck.
    Stranded(Failure),
    /// It is temporary, and was stopped with its [group](crate::Strategy).
    WithGroup,
    /// It was added to a nested supervisor, which has ended: what was not declared does not come back with it.
    WithSupervisor,
    /// [`Remove`](crate::Remove).
    Removed,
}

impl EventKind {
    /// The name of the variant: `ChildStarted`, `BackoffEntered`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::ChildStarted { .. } => "ChildStarted",
            Self::ChildReady { .. } => "ChildReady",
            Self::ChildFailed { .. } => "ChildFailed",
            Self::ChildRestarted { .. } => "ChildRestarted",
            Self::ChildEnded { .. } => "ChildEnded",
            Self::ChildStopped { .. } => "ChildStopped",
            Self::StopTimeout { .. } => "StopTimeout",
            Self::ChildCameBack { .. } => "ChildCameBack",
            Self::BackoffEntered { .. } => "BackoffEntered",
            Self::BackoffLeft => "BackoffLeft",
            Self::LimitReached { .. } => "LimitReached",
            Self::SupervisorStarted => "SupervisorStarted",
            Self::SupervisorStopped { .. } => "SupervisorStopped",
        }
    }

    /// Which child it is about, if it is about one.
    pub(crate) fn child(&self) -> Option<(&str, ChildToken)> {
        match self {
            Self::ChildStarted { name, token }
            | Self::ChildReady { name, token }
            | Self::ChildFailed { name, token, .. }
            | Self::ChildRestarted { name, token, .. }
            | Self::ChildEnded { name, token, .. }
            | Self::ChildStopped { name, token, .. }
            | Self::StopTimeout { name, token, .. }
            | Self::ChildCameBack { name, token, .. } => Some((name, *token)),
            Self::BackoffEntered { .. }
            | Self::BackoffLeft
            | Self::LimitReached { .. }
            | Self::SupervisorStarted
            | Self::SupervisorStopped { .. } => None,
        }
    }

    /// The failure that it tells of, if it tells of one.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::ChildFailed { failure, .. }
            | Self::ChildEnded {
                reason:
                    EndReason::Failed(failure)
                    | EndReason::GaveUp(failure)
                    | EndReason::Stranded(failure),
                ..
            } => Some(failure),
            Self::ChildStopped { failure, .. } | Self::SupervisorStopped { failure, .. } => {
                failure.as_ref()
            }
            Self::ChildStarted { .. }
            | Self::ChildReady { .. }
            | Self::ChildRestarted { .. }
            | Self::ChildEnded { .. }
            | Self::StopTimeout { .. }
            | Self::ChildCameBack { .. }
            | Self::BackoffEntered { .. }
            | Self::BackoffLeft
            | Self::LimitReached { .. }
            | Self::SupervisorStarted => None,
        }
    }

    /// Which child it is about, if it is about one.
    #[cfg(feature = "web")]
    pub(crate) fn token(&self) -> Option<ChildToken> {
        match self {
            Self::ChildStarted { token, .. }
            | Self::ChildReady { token, .. }
            | Self::ChildFailed { token, .. }
            | Self::ChildRestarted { token, .. }
            | Self::ChildEnded { token, .. }
            | Self::ChildStopped { token, .. }
            | Self::StopTimeout { token, .. }
            | Self::ChildCameBack { token, .. } => Some(*token),
            Self::BackoffEntered { .. }
            | Self::BackoffLeft
            | Self::LimitReached { .. }
            | Self::SupervisorStarted
            | Self::SupervisorStopped { .. } => None,
        }
    }

    /// How it is logged: a system in which nothing fails is silent at `warn`.
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::ChildReady { .. } => Level::Trace,
            Self::ChildStarted { .. } | Self::ChildStopped { failure: None, .. } => Level::Debug,
            Self::ChildRestarted { .. } | Self::BackoffLeft | Self::SupervisorStarted => {
                Level::Info
            }
            Self::ChildEnded { reason, .. } => match reason {
                EndReason::Failed(_) => Level::Warn,
                EndReason::GaveUp(_) | EndReason::Stranded(_) => Level::Error,
                EndReason::Finished
                | EndReason::Stopped
                | EndReason::WithGroup
                | EndReason::WithSupervisor
                | EndReason::Removed => Level::Info,
            },
            // The supervisor above it tells of it as a failure.
            Self::SupervisorStopped { failure: Some(Failure::Killed), .. } => Level::Warn,
            Self::SupervisorStopped { failure: Some(_), .. } => Level::Error,
            Self::SupervisorStopped { unstopped: 1.., .. } => Level::Warn,
            Self::SupervisorStopped { .. } => Level::Info,
            Self::ChildFailed { .. }
            | Self::StopTimeout { .. }
            | Self::ChildCameBack { .. }
            | Self::ChildStopped { .. } => Level::Warn,
            Self::BackoffEntered { .. } | Self::LimitReached { .. } => Level::Error,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        for (index, name) in self.path.iter().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { "/" })?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        match self {
            Self::ChildStarted { .. } => f.write_str("started"),
            Self::ChildReady { .. } => f.write_str("ready"),
            Self::ChildFailed { failure, failures, threshold, restarting, .. } => {
                let next = if *restarting { "will be restarted" } else { "not restarted" };
                write!(f, "failed: {failure} ({failures:.2} of {threshold} failures, {next})")
            }
            Self::ChildRestarted { restarts, .. } => {
                write!(f, "restarted (no. {restarts})")
            }
            Self::ChildEnded { reason, .. } => write!(f, "ended: {reason}"),
            Self::ChildStopped { failure: None, .. } => f.write_str("stopped"),
            Self::ChildStopped { failure: Some(failure), .. } => {
                write!(f, "stopped, and failed on the way: {failure}")
            }
            Self::StopTimeout { left_behind: false, .. } => {
                f.write_str("did not stop in time and was dropped")
            }
            Self::StopTimeout { left_behind: true, .. } => {
                f.write_str("did not stop in time and was left behind, its thread still running")
            }
            Self::ChildCameBack { after, .. } => {
                write!(
                    f,
                    "an incarnation that was given up came back after {after:.1?}, and is gone"
                )
            }
            Self::BackoffEntered { pause } => {
                write!(f, "too many failures, nothing is restarted for {pause:.1?}")
            }
            Self::LimitReached { failures, threshold } => {
                write!(f, "too many failures ({failures:.2} of {threshold}), the supervisor fails")
            }
            Self::BackoffLeft => f.write_str("the pause is over, what waited is restarted"),
            Self::SupervisorStarted => f.write_str("supervisor started"),
            Self::SupervisorStopped { failure, unstopped } => {
                f.write_str("supervisor stopped")?;
                if let Some(failure) = failure {
                    write!(f, ": {failure}")?;
                }
                match unstopped {
                    0 => Ok(()),
                    left => write!(f, " ({left} left behind)"),
                }
            }
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("it has finished"),
            Self::Stopped => f.write_str("it stopped by itself"),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::GaveUp(failure) => write!(f, "failed too often in a row: {failure}"),
            Self::Stranded(failure) => {
                write!(f, "there is nowhere to start it again: {failure}")
            }
            Self::WithGroup => f.write_str("it is temporary, and its group was stopped"),
            Self::WithSupervisor => f.write_str("it was added to a supervisor that has ended"),
            Self::Removed => f.write_str("removed"),
        }
    }
}

/// As text on one line.
pub(crate) fn one_line(text: impl fmt::Display) -> String {
    struct Escaped<T>(T);
    impl<T: fmt::Display> fmt::Display for Escaped<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(OneLine(f), "{}", self.0)
        }
    }
    Escaped(text).to_string()
}

/// Writes control characters escaped, so that a name or a message cannot forge a line of a log.
struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            match part.chars().next_back() {
                Some(last) if last.is_control() => {
                    self.0.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::PanicInfo;

    #[test]
    fn only_what_controls_a_terminal_is_written_as_an_escape() {
        assert_eq!(one_line("it's \"café"), "it's \"café");
        assert_eq!(one_line("a\tb\u{7f}é"), "a\\tb\\u{7f}é");
    }

    #[test]
    fn an_event_is_one_line_whatever_names_and_messages_hold() {
        let info = PanicInfo {
            message: "two\nlines\r\n\u{1b}[31m".into(),
            location: None,
            backtrace: None,
        };
        let event = Event {
            path: vec!["root".into(), "a\nb".into()],
            kind: EventKind::ChildFailed {
                name: "a\nb".into(),
                token: ChildToken { supervisor: 1, child: 2 },
                failure: Failure::Panic(info),
                failures: 1.0,
                threshold: 5.0,
                restarting: true,
            },
        };
        assert_eq!(
            event.to_string(),
            "root/a\\nb: failed: panicked: two\\nlines\\r\\n\\u{1b}[31m (1.00 of 5 failures, will be restarted)"
        );
    }
}
