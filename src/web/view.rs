//! What is shown of failures, events and a tree, and what is not: a failure's text may hold a secret, its kind does not.

use std::{backtrace::Backtrace, error::Error, time::Duration};

use serde_json::{Map, Value, json};

use super::hub::{About, Phase, Record};
use crate::{
    child::panics,
    event::{EndReason, EventKind},
    failure::{Failure, PanicInfo},
    health::{HealthReport, Why},
    token::ChildToken,
};

/// Whether texts of failures are shown: messages, places, backtraces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    Hidden,
    Shown,
}

/// How many bytes of a text are shown.
const LONGEST: usize = 4_000;
const LONGEST_BACKTRACE: usize = 64_000;

fn clipped_at(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.shrink_to_fit();
        text.push('…');
    }
    text
}

pub(super) fn clipped(text: String) -> String {
    clipped_at(text, LONGEST)
}

/// What displays an error is the user's code (I5).
fn written(text: impl FnOnce() -> String) -> String {
    panics::catch(text).map_or_else(|_| "(its message cannot be written)".to_owned(), clipped)
}

fn sources(failure: &Failure) -> Vec<String> {
    let chain = std::iter::successors(failure.source(), |&error| error.source());
    chain.take(16).map(|error| written(|| error.to_string())).collect()
}

pub(super) fn failure(failure: &Failure, texts: Texts) -> Value {
    let mut told = Map::new();
    told.insert("kind".into(), failure.kind().into());
    match failure {
        Failure::StartTimeout(limit) | Failure::Unresponsive(limit) => {
            told.insert("limit".into(), limit.as_secs_f64().into());
        }
        Failure::LimitReached { path, last, .. } => {
            told.insert("path".into(), json!(path));
            told.insert("last".into(), self::failure(last, texts));
        }
        Failure::Panic(_)
        | Failure::Error(_)
        | Failure::Stopped
        | Failure::Killed
        | Failure::ArbiterStopped => {}
    }
    if texts == Texts::Shown {
        told.insert("message".into(), written(|| failure.to_string()).into());
        let sources = panics::catch(|| sources(failure)).unwrap_or_default();
        told.insert("sources".into(), json!(sources));
        if let Failure::Panic(PanicInfo { message, location, .. }) = failure {
            told.insert("message".into(), clipped(message.clone()).into());
            told.insert("location".into(), json!(location));
        }
    }
    Value::Object(told)
}

/// An event, by its fields. Its path begins at the root.
pub(super) fn event(record: &Record, texts: Texts) -> Value {
    let kind = &record.event.kind;
    let mut told = json!({
        "id": record.id,
        "at": record.at,
        "path": record.event.path,
        "kind": kind.name(),
    });
    if let Some(token) = kind.token() {
        told["token"] = json!(token);
    }
    let show = |failure: &Option<Failure>| failure.as_ref().map(|f| self::failure(f, texts));
    match kind {
        EventKind::ChildFailed { failure, failures, threshold, restarting, .. } => {
            told["failure"] = self::failure(failure, texts);
            told["failures"] = json!(failures);
            told["threshold"] = json!(threshold);
            told["restarting"] = json!(restarting);
        }
        EventKind::ChildRestarted { restarts, .. } => told["restarts"] = json!(restarts),
        EventKind::ChildEnded { reason, .. } => {
            told["reason"] = json!(reason.name());
            if let EndReason::Failed(failure)
            | EndReason::GaveUp(failure)
            | EndReason::Stranded(failure) = reason
            {
                told["failure"] = self::failure(failure, texts);
            }
        }
        EventKind::ChildStopped { failure, .. } => told["failure"] = json!(show(failure)),
        EventKind::StopTimeout { left_behind, .. } => told["left_behind"] = json!(left_behind),
        EventKind::ChildCameBack { after, .. } => told["after"] = json!(after.as_secs_f64()),
        EventKind::BackoffEntered { pause } => told["pause"] = json!(pause.as_secs_f64()),
        EventKind::LimitReached { failures, threshold } => {
            told["failures"] = json!(failures);
            told["threshold"] = json!(threshold);
        }
        EventKind::SupervisorStopped { failure, unstopped } => {
            told["failure"] = json!(show(failure));
            told["unstopped"] = json!(unstopped);
        }
        EventKind::ChildStarted { .. }
        | EventKind::ChildReady { .. }
        | EventKind::BackoffLeft
        | EventKind::SupervisorStarted => {}
    }
    told
}

/// A child's page. With backtraces, it takes long the first time.
pub(super) fn child(token: ChildToken, about: Option<About>, texts: Texts) -> Value {
    let Some(about) = about else { return json!({ "token": token, "known": false }) };
    let seconds = |time: &Duration| time.as_secs_f64();
    let name = |phase: Phase| Phase::ALL[phase as usize].1;
    let spent: Map<String, Value> = Phase::ALL
        .iter()
        .zip(&about.spent)
        .map(|((_, name), spent)| ((*name).to_owned(), seconds(spent).into()))
        .collect();
    json!({
        "token": token,
        "known": true,
        "phase": about.phase.map(name),
        "since": seconds(&about.since),
        "spent": spent,
        "failures": about.failures.iter().rev().map(|(record, backtrace)| fallen(record, backtrace.as_deref(), texts)).collect::<Vec<_>>(),
        "history": about.history.iter().rev().map(|record| event(record, texts)).collect::<Vec<_>>(),
    })
}

/// A failure with all that is known of it.
fn fallen(record: &Record, backtrace: Option<&Backtrace>, texts: Texts) -> Value {
    let mut told = event(record, texts);
    if texts == Texts::Shown
        && let Some(backtrace) = backtrace
    {
        told["backtrace"] = clipped_at(backtrace.to_string(), LONGEST_BACKTRACE).into();
    }
    told
}

/// How many troubles fit on a line.
const TROUBLES: usize = 3;

/// One line, whatever names hold.
pub(super) fn health(report: &HealthReport, texts: Texts) -> String {
    if texts == Texts::Shown || report.ready {
        return written(|| report.to_string());
    }
    let troubles = report.wrong.iter().take(TROUBLES).map(|trouble| {
        let why = match &trouble.why {
            Why::Down { last_failure: Some(failure), .. } => format!("is down: {}", failure.kind()),
            Why::FailedForGood(failure) => format!("has failed for good: {}", failure.kind()),
            Why::Down { last_failure: None, .. }
            | Why::Starting
            | Why::Stopping
            | Why::Terminated
            | Why::Paused { .. }
            | Why::Unresponsive => trouble.why.to_string(),
        };
        format!("{} {why}", trouble.path.join("/"))
    });
    let mut line = format!("not ready: {}", troubles.collect::<Vec<_>>().join("; "));
    if let Some(more @ 1..) = report.wrong.len().checked_sub(TROUBLES) {
        line = format!("{line}; and {more} more");
    }
    clipped(line.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{child::panics::Guarded, event::Event};

    fn failed(failure: Failure) -> Event {
        let kind = EventKind::ChildFailed {
            name: "child".into(),
            token: ChildToken { supervisor: 1, child: 2 },
            failure,
            failures: 1.0,
            threshold: 5.0,
            restarting: true,
        };
        Event { path: vec!["root".into(), "child".into()], kind }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_two_characters() {
        assert_eq!(clipped_at("four".into(), 4), "four");
        assert_eq!(clipped_at("fives".into(), 4), "five…");
        assert_eq!(clipped_at("fünfzehn".into(), 2), "f…");
        assert_eq!(clipped("x".repeat(4_001)), format!("{}…", "x".repeat(4_000)));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no settings")]
    struct NoSettings(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_its_sources_where_texts_are_shown() {
        let cause = std::io::Error::other(std::io::Error::other("no such disk"));
        let error = Failure::error(NoSettings(cause));
        let told = failure(&error, Texts::Shown);
        assert_eq!(told["message"], "no settings");
        assert_eq!(told["sources"], json!(["no such disk"]));
        assert_eq!(failure(&error, Texts::Hidden), json!({ "kind": "error" }));
    }

    #[test]
    fn a_backtrace_is_told_where_texts_are_shown() {
        let backtrace = Arc::new(Backtrace::disabled());
        let event = Guarded::new(failed(Failure::Stopped));
        let record = Arc::new(Record { id: 1, at: 0, event });
        let about = || About {
            phase: None,
            since: Duration::ZERO,
            spent: [Duration::ZERO; 4],
            history: Vec::new(),
            failures: vec![
                (Arc::clone(&record), Some(Arc::clone(&backtrace))),
                (Arc::clone(&record), None),
            ],
        };
        let token = ChildToken { supervisor: 1, child: 2 };
        let shown = child(token, Some(about()), Texts::Shown);
        let told: Vec<_> = shown["failures"].as_array().into_iter().flatten().collect();
        assert!(told[0]["backtrace"].is_null() && told[1]["backtrace"] == "disabled backtrace");
        let hidden = child(token, Some(about()), Texts::Hidden);
        assert!(hidden["failures"][1]["backtrace"].is_null(), "{hidden}");
    }
}
