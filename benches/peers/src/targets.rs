//! What this crate is to reach, next to what it reaches.

use crate::{
    jobs::Job,
    peers::Peer,
    results::{Results, Spread},
};

/// What a figure of this crate is divided by.
#[derive(Clone, Copy)]
enum By {
    /// The same figure of a peer.
    Peer(Peer, Job),
    /// Another figure of its own.
    Own(Job, &'static str),
    /// This.
    Value(f64),
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

pub(crate) struct Target {
    title: &'static str,
    job: Job,
    key: &'static str,
    by: By,
    bound: Bound,
}

const fn at_most(title: &'static str, job: Job, key: &'static str, by: By, bound: f64) -> Target {
    Target { title, job, key, by, bound: Bound::AtMost(bound) }
}

const fn at_least(title: &'static str, job: Job, by: By, bound: f64) -> Target {
    Target { title, job, key: "restarts", by, bound: Bound::AtLeast(bound) }
}

const FEW: Job = Job::Idle(10_000);
const MORE: Job = Job::Idle(100_000);
const MANY: Job = Job::Idle(1_000_000);
/// Nanoseconds of ten milliseconds, and of one.
const TEN_MS: By = By::Value(1e7);
const MS: By = By::Value(1e6);

const fn limit(job: Job) -> By {
    By::Peer(Peer::Limit, job)
}

const fn plain(job: Job) -> By {
    By::Peer(Peer::Plain, job)
}

const ITSELF: By = By::Value(1.0);

const TARGETS: [Target; 33] = [
    at_least(
        "W1: restarts after a stop, to the limit",
        Job::RestartStop,
        limit(Job::RestartStop),
        0.5,
    ),
    at_least(
        "W1: restarts after a panic, to the limit",
        Job::RestartPanic,
        limit(Job::RestartPanic),
        0.85,
    ),
    at_most(
        "W2: fatal message to next answer, to the limit",
        Job::Answer,
        "median",
        limit(Job::Answer),
        1.7,
    ),
    at_most("W2: its 99th percentile, to its median", Job::Answer, "spread", ITSELF, 3.0),
    at_most("W3: fire and forget, to a plain actor", Job::Messages, "forget-ratio", ITSELF, 1.03),
    at_most("W3: request and answer, to a plain actor", Job::Messages, "reply-ratio", ITSELF, 1.05),
    at_most("W3: fire and forget, on another thread", Job::Messages, "forget-there", ITSELF, 1.1),
    at_most("W3: request and answer, on another thread", Job::Messages, "reply-there", ITSELF, 1.1),
    at_most("W4: heap per child of 10,000, to a plain actor's", FEW, "heap", plain(FEW), 1.7),
    at_most("W4: heap per child of 100,000, to the same", MORE, "heap", plain(MORE), 1.7),
    at_most("W4: heap per child of 1,000,000, to the same", MANY, "heap", plain(MANY), 1.7),
    at_most("W4: to add one of 10,000, to a plain start", FEW, "add", plain(FEW), 2.5),
    at_most("W4: to add one of 100,000, to the same", MORE, "add", plain(MORE), 2.5),
    at_most("W4: to add one of 1,000,000, to the same", MANY, "add", plain(MANY), 2.5),
    at_most("W4: heap per child of 1,000,000, to 10,000", MANY, "heap", By::Own(FEW, "heap"), 1.2),
    at_most("W4: to add one of 1,000,000, to 10,000", MANY, "add", By::Own(FEW, "add"), 1.2),
    at_most(
        "W5: stop at once, to dropping plain actors",
        Job::StopConcurrent,
        "stop",
        plain(Job::StopConcurrent),
        2.5,
    ),
    at_most(
        "W5: stop in reverse order, to the same",
        Job::StopReverse,
        "stop",
        plain(Job::StopConcurrent),
        5.0,
    ),
    at_most(
        "W6: all back after a stop, to the limit",
        Job::StormStop,
        "back",
        limit(Job::StormStop),
        1.7,
    ),
    at_most(
        "W6: all back after a panic, to the limit",
        Job::StormPanic,
        "back",
        limit(Job::StormPanic),
        1.3,
    ),
    at_most(
        "W6: stops, another's `Status` within 10 ms",
        Job::StormStop,
        "other-status",
        TEN_MS,
        1.0,
    ),
    at_most("W6: stops, another's `List` within 10 ms", Job::StormStop, "other-list", TEN_MS, 1.0),
    at_most("W6: stops, its own `Status` within 10 ms", Job::StormStop, "own-status", TEN_MS, 1.0),
    at_most(
        "W6: panics, another's `Status` within 10 ms",
        Job::StormPanic,
        "other-status",
        TEN_MS,
        1.0,
    ),
    at_most(
        "W6: panics, another's `List` within 10 ms",
        Job::StormPanic,
        "other-list",
        TEN_MS,
        1.0,
    ),
    at_most(
        "W6: panics, its own `Status` within 10 ms",
        Job::StormPanic,
        "own-status",
        TEN_MS,
        1.0,
    ),
    at_most("W7: remove one, to the limit", Job::Remove, "remove", limit(Job::Remove), 1.3),
    at_most("W8: `Tree`, nested to flat", Job::Nested, "tree", By::Own(Job::Flat, "tree"), 2.0),
    at_most("W8: stop, nested to flat", Job::Nested, "stop", By::Own(Job::Flat, "stop"), 2.0),
    at_most("W9: CPU of 2 s in a pause, to 1 ms", Job::Pause, "cpu", MS, 1.0),
    at_most("W9: CPU of 2 s with 100,000 in backoff, to 1 ms", Job::Backoff, "cpu", MS, 1.0),
    at_most(
        "W10: heap after round 10, to round 2",
        Job::Churn,
        "last",
        By::Own(Job::Churn, "second"),
        1.05,
    ),
    at_most(
        "W10: resident after round 10, to round 2",
        Job::Churn,
        "rss-last",
        By::Own(Job::Churn, "rss-second"),
        1.05,
    ),
];

/// A line for each target of which something was measured.
pub(crate) fn lines(results: &Results) -> Vec<String> {
    TARGETS.iter().filter_map(|target| target.line(results)).collect()
}

impl Target {
    fn line(&self, results: &Results) -> Option<String> {
        let Spread { median, min, max } = Spread::of(&self.ratios(results)?);
        let (bound, met) = match self.bound {
            Bound::AtLeast(bound) => (format!("at least {bound}"), median >= bound),
            Bound::AtMost(bound) => (format!("at most {bound}"), median <= bound),
        };
        let met = if met { "met" } else { "**missed**" };
        let title = self.title;
        Some(format!("| {title} | {bound} | {median:.2} | {min:.2} – {max:.2} | {met} |"))
    }

    /// One of each run, so that both sides have met the same machine.
    fn ratios(&self, results: &Results) -> Option<Vec<f64>> {
        let own = results.runs(Peer::Ours, self.job, self.key)?;
        let by = match self.by {
            By::Peer(peer, job) => results.runs(peer, job, self.key)?.to_vec(),
            By::Own(job, key) => results.runs(Peer::Ours, job, key)?.to_vec(),
            By::Value(value) => vec![value; own.len()],
        };
        Some(own.iter().zip(by).map(|(own, by)| own / by).collect())
    }
}
