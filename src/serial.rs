//! What can be written with serde, and what can be read. Types that are as plain as their text derive it where they are; here
//! is what needs a word: times, failures, and settings that are checked while they are read.
//!
//! Whatever is a time is written as seconds, and read as people write it (`15s`).

mod settings;

use std::{error::Error, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use tokio::time::Instant;

pub(crate) use self::settings::{
    arbiters, backoff_jitter, duration, failure_decay, failure_threshold,
};
use crate::{
    clock::now,
    failure::{Failure, PanicInfo},
    token::ChildToken,
};

pub(crate) fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// An `Instant` means nothing to anybody else: what is written is how long it takes until then.
pub(crate) fn time_left<S: Serializer>(until: &Instant, to: S) -> Result<S::Ok, S::Error> {
    seconds(&until.saturating_duration_since(now()), to)
}

#[expect(clippy::ref_option, reason = "serde calls it")]
pub(crate) fn time_left_if_any<S: Serializer>(
    until: &Option<Instant>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match until {
        Some(until) => time_left(until, to),
        None => to.serialize_none(),
    }
}

/// As it displays: `#1.2`.
impl Serialize for ChildToken {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Its [`kind`](Failure::kind), its message, and those of its sources, the nearest first; and what its variant knows besides: the `location` of
/// a panic, a `limit` in seconds; of [`LimitReached`](Failure::LimitReached) `path`, `failures`, `threshold` and `last`.
///
/// The backtrace of a panic is part of [`PanicInfo`] only: it is long, and takes long.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut told = Told {
            kind: self.kind(),
            message: self.to_string(),
            sources: sources(self),
            location: None,
            limit: None,
            path: None,
            failures: None,
            threshold: None,
            last: None,
        };
        match self {
            Self::Panic(PanicInfo { location, .. }) => told.location = Some(location),
            Self::StartTimeout(limit) | Self::Unresponsive(limit) => {
                told.limit = Some(limit.as_secs_f64());
            }
            Self::LimitReached { path, failures, threshold, last, .. } => {
                (told.path, told.last) = (Some(path), Some(&**last));
                (told.failures, told.threshold) = (Some(*failures), Some(*threshold));
            }
            Self::Error(_) | Self::Stopped | Self::Killed | Self::ArbiterStopped => {}
        }
        told.serialize(to)
    }
}

/// A failure, as it is written.
#[derive(Serialize)]
#[serde(rename = "Failure")]
struct Told<'a> {
    kind: &'static str,
    message: String,
    sources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a [String; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<&'a Failure>,
}

fn sources(error: &dyn Error) -> Vec<String> {
    let chain = std::iter::successors(error.source(), |&error| error.source());
    chain.map(ToString::to_string).collect()
}

/// All of it, the backtrace as text included, which takes long the first time.
impl Serialize for PanicInfo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut to = to.serialize_struct("PanicInfo", 3)?;
        to.serialize_field("message", &self.message)?;
        to.serialize_field("location", &self.location)?;
        to.serialize_field("backtrace", &self.backtrace.as_ref().map(ToString::to_string))?;
        to.end()
    }
}
