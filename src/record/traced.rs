//! Records and spans of `tracing`.
//!
//! A dependency may turn this feature on for a program that knows `log` only. So records go to `tracing` where it has a
//! subscriber, and else to `log` as before.

use std::{fmt, mem};

use log::Level;
use tracing::{dispatcher, span::Entered, subscriber::NoSubscriber};

use super::{Facts, TARGET};
use crate::{child::panics, event::Event};

/// Whether there is a subscriber, for this thread or for all.
pub(super) fn listens() -> bool {
    dispatcher::get_default(|subscriber| !subscriber.is::<NoSubscriber>())
}

/// A level is part of a place in the code: one for each.
macro_rules! at {
    ($level:expr, $what:ident) => {
        match $level {
            Level::Error => $what!(ERROR),
            Level::Warn => $what!(WARN),
            Level::Info => $what!(INFO),
            Level::Debug => $what!(DEBUG),
            Level::Trace => $what!(TRACE),
        }
    };
}

pub(super) fn is_enabled(level: Level) -> bool {
    macro_rules! enabled {
        ($level:ident) => {
            tracing::enabled!(target: TARGET, tracing::Level::$level)
        };
    }
    at!(level, enabled)
}

pub(super) fn line(level: Level, line: fmt::Arguments<'_>) {
    // Not named as the standard library's `line!`, which the macros of older versions use.
    macro_rules! written {
        ($level:ident) => {
            tracing::event!(target: TARGET, tracing::Level::$level, "{line}")
        };
    }
    at!(level, written);
}

pub(super) fn event(level: Level, event: &Event, facts: &Facts) {
    macro_rules! event {
        ($level:ident) => {
            tracing::event!(
                target: TARGET,
                tracing::Level::$level,
                event = facts.event,
                supervisor = facts.supervisor,
                child = facts.child,
                token = facts.token,
                failure = facts.failure,
                error = facts.error,
                failures = facts.failures,
                threshold = facts.threshold,
                restarting = facts.restarting,
                restarts = facts.restarts,
                reason = facts.reason,
                left_behind = facts.left_behind,
                after = facts.after,
                pause = facts.pause,
                unstopped = facts.unstopped,
                "{event}"
            )
        };
    }
    at!(level, event);
}

/// What is written while an incarnation runs is known as its own. A subscriber is the user's code (I5).
#[derive(Debug)]
pub(crate) struct Span(tracing::Span);

impl Span {
    /// Of the supervisor at the root, which has nobody above it.
    pub(crate) fn of_root(name: &str) -> Self {
        Self::new(
            || tracing::error_span!(target: TARGET, parent: None, "incarnation", child = name, life = 1),
        )
    }

    /// Of a child of the supervisor with this path. It has no parent: it outlives what was going on when it was started.
    pub(crate) fn of_child(supervisor: impl FnOnce() -> String, child: &str, life: u64) -> Self {
        Self::new(|| {
            let supervisor = supervisor();
            tracing::error_span!(target: TARGET, parent: None, "incarnation", supervisor, child, life)
        })
    }

    /// The one that is entered on this thread.
    pub(crate) fn current() -> Self {
        Self::new(tracing::Span::current)
    }

    /// None where nobody listens: `tracing` may be set to write to `log` then, and what it writes there is not what this crate does.
    fn new(span: impl FnOnce() -> tracing::Span) -> Self {
        let made = panics::catch(|| if listens() { span() } else { tracing::Span::none() });
        Self(made.unwrap_or_else(|_| tracing::Span::none()))
    }

    /// Enters it until what is returned is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        match self.0.is_disabled() {
            true => Inside(None),
            false => Inside(panics::catch(|| self.0.enter()).ok()),
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let span = mem::replace(&mut self.0, tracing::Span::none());
        panics::discard(span);
    }
}

/// In a span.
pub(crate) struct Inside<'a>(Option<Entered<'a>>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if let Some(entered) = self.0.take() {
            panics::discard(entered);
        }
    }
}
