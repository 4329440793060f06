//! Where what a supervisor tells is written: a line with key-values, to `tracing` where somebody listens there, else to `log`.

#[cfg(feature = "tracing")]
mod traced;
#[cfg(not(feature = "tracing"))]
#[path = "record/untraced.rs"]
mod traced;

use std::fmt;

use log::{
    Level, Record,
    kv::{self, Key, Value, VisitSource},
};

pub(crate) use self::traced::Span;
use crate::event::{EndReason, Event, EventKind, one_line};

/// The target of all records of this crate.
pub(crate) const TARGET: &str = "actix_supervisor";

/// Whether a record of this level would be written.
pub(crate) fn is_enabled(level: Level) -> bool {
    match traced::listens() {
        true => traced::is_enabled(level),
        false => log::log_enabled!(target: TARGET, level),
    }
}

/// Whether it may be, as far as that is known without asking whoever writes, which is the user's code.
pub(crate) fn may_be_enabled(level: Level) -> bool {
    cfg!(feature = "tracing") || level <= log::max_level()
}

/// Writes a line.
pub(crate) fn line(level: Level, line: fmt::Arguments<'_>) {
    match traced::listens() {
        true => traced::line(level, line),
        false => log::log!(target: TARGET, level, "{line}"),
    }
}

/// Writes an event: the line that it displays as, and its facts.
pub(crate) fn event(event: &Event) {
    let level = event.kind.level();
    if !is_enabled(level) {
        return;
    }
    let facts = Facts::of(event);
    match traced::listens() {
        true => traced::event(level, event, &facts),
        false => {
            let mut record = Record::builder();
            let record = record.target(TARGET).level(level).module_path_static(Some(TARGET));
            let record = record.key_values(&facts);
            log::logger().log(&record.args(format_args!("{event}")).build());
        }
    }
}

/// An event as key-values. What it does not know is not written. Texts are on one line, since there are loggers that write them as they are.
#[derive(Default)]
struct Facts {
    /// The variant's name.
    event: &'static str,
    /// The path of the supervisor.
    supervisor: String,
    child: Option<String>,
    token: Option<String>,
    /// The failure's kind, and its message.
    failure: Option<&'static str>,
    error: Option<String>,
    failures: Option<f64>,
    threshold: Option<f64>,
    restarting: Option<bool>,
    restarts: Option<u64>,
    reason: Option<&'static str>,
    left_behind: Option<bool>,
    /// Seconds.
    after: Option<f64>,
    /// Seconds.
    pause: Option<f64>,
    unstopped: Option<u64>,
}

impl Facts {
    fn of(event: &Event) -> Self {
        let mut facts = Self { event: event.kind.name(), ..Self::default() };
        let child = event.kind.child();
        let supervisor = match (child, &event.path[..]) {
            (Some(_), [path @ .., _]) | (None, path) => path,
            (Some(_), []) => &[],
        };
        facts.supervisor = one_line(supervisor.join("/"));
        facts.child = child.map(|(name, _)| one_line(name));
        facts.token = child.map(|(_, token)| token.to_string());
        let failure = event.kind.failure();
        facts.failure = failure.map(|failure| failure.kind());
        facts.error = failure.map(one_line);
        facts.add(&event.kind);
        facts
    }

    fn add(&mut self, kind: &EventKind) {
        match kind {
            EventKind::ChildFailed { failures, threshold, restarting, .. } => {
                self.restarting = Some(*restarting);
                (self.failures, self.threshold) = (Some(*failures), Some(*threshold));
            }
            EventKind::LimitReached { failures, threshold } => {
                (self.failures, self.threshold) = (Some(*failures), Some(*threshold));
            }
            EventKind::ChildRestarted { restarts, .. } => self.restarts = Some(*restarts),
            EventKind::ChildEnded { reason, .. } => self.reason = Some(reason.name()),
            EventKind::StopTimeout { left_behind, .. } => self.left_behind = Some(*left_behind),
            EventKind::ChildCameBack { after, .. } => self.after = Some(after.as_secs_f64()),
            EventKind::BackoffEntered { pause } => self.pause = Some(pause.as_secs_f64()),
            EventKind::SupervisorStopped { unstopped, .. } => {
                self.unstopped = u64::try_from(*unstopped).ok();
            }
            EventKind::ChildStarted { .. }
            | EventKind::ChildReady { .. }
            | EventKind::ChildStopped { .. }
            | EventKind::BackoffLeft
            | EventKind::SupervisorStarted => {}
        }
    }
}

impl kv::Source for Facts {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        let mut pair = |key: &'static str, value: Option<Value<'kvs>>| match value {
            Some(value) => visitor.visit_pair(Key::from_str(key), value),
            None => Ok(()),
        };
        pair("event", Some(Value::from(self.event)))?;
        pair("supervisor", Some(Value::from(&*self.supervisor)))?;
        pair("child", self.child.as_deref().map(Value::from))?;
        pair("token", self.token.as_deref().map(Value::from))?;
        pair("failure", self.failure.map(Value::from))?;
        pair("error", self.error.as_deref().map(Value::from))?;
        pair("failures", self.failures.map(Value::from))?;
        pair("threshold", self.threshold.map(Value::from))?;
        pair("restarting", self.restarting.map(Value::from))?;
        pair("restarts", self.restarts.map(Value::from))?;
        pair("reason", self.reason.map(Value::from))?;
        pair("left_behind", self.left_behind.map(Value::from))?;
        pair("after", self.after.map(Value::from))?;
        pair("pause", self.pause.map(Value::from))?;
        pair("unstopped", self.unstopped.map(Value::from))
    }
}

impl EndReason {
    /// The variant's name, as it is written for machines.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed(_) => "failed",
            Self::GaveUp(_) => "gave_up",
            Self::Stranded(_) => "stranded",
            Self::WithGroup => "with_group",
            Self::WithSupervisor => "with_supervisor",
            Self::Removed => "removed",
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn why_a_child_has_ended_has_the_same_name_in_all_that_is_written() {
        let failures = [EndReason::Failed, EndReason::GaveUp, EndReason::Stranded];
        let failures = failures.map(|reason| reason(Failure::Stopped));
        let others = [
            EndReason::Finished,
            EndReason::Stopped,
            EndReason::WithGroup,
            EndReason::WithSupervisor,
            EndReason::Removed,
        ];
        for reason in failures.into_iter().chain(others) {
            let written = serde_json::to_value(&reason).expect("it can be written");
            assert_eq!(written["end"], reason.name());
        }
    }
}
