//! What is measured: the jobs, each a process of its own, and the figures that they give.

/// One process of one peer: a workload, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Job {
    RestartStop,
    RestartPanic,
    Answer,
    Messages,
    Idle(usize),
    StopConcurrent,
    StopReverse,
    StormStop,
    StormPanic,
    Remove,
    Nested,
    Flat,
    Pause,
    Backoff,
    Churn,
}

/// All of them, in the order of the report.
pub(crate) const JOBS: [Job; 17] = [
    Job::RestartStop,
    Job::RestartPanic,
    Job::Answer,
    Job::Messages,
    Job::Idle(10_000),
    Job::Idle(100_000),
    Job::Idle(1_000_000),
    Job::StopConcurrent,
    Job::StopReverse,
    Job::StormStop,
    Job::StormPanic,
    Job::Remove,
    Job::Nested,
    Job::Flat,
    Job::Pause,
    Job::Backoff,
    Job::Churn,
];

impl Job {
    /// As it is named on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RestartStop => "W1/stop",
            Self::RestartPanic => "W1/panic",
            Self::Answer => "W2",
            Self::Messages => "W3",
            Self::Idle(10_000) => "W4/10k",
            Self::Idle(100_000) => "W4/100k",
            Self::Idle(_) => "W4/1M",
            Self::StopConcurrent => "W5/concurrent",
            Self::StopReverse => "W5/reverse",
            Self::StormStop => "W6/stop",
            Self::StormPanic => "W6/panic",
            Self::Remove => "W7",
            Self::Nested => "W8/nested",
            Self::Flat => "W8/flat",
            Self::Pause => "W9/pause",
            Self::Backoff => "W9/backoff",
            Self::Churn => "W10",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        JOBS.into_iter().find(|job| job.name() == name)
    }

    /// The workload that it is a part of.
    pub(crate) fn workload(self) -> &'static str {
        self.name().split('/').next().unwrap_or_default()
    }

    /// How many restarts, messages or children; a quick run is only to see that all works.
    pub(crate) fn size(self, quick: bool) -> usize {
        let full = match self {
            Self::RestartStop | Self::RestartPanic => 200_000,
            Self::Answer => 20_000,
            Self::Messages => 100,
            Self::Idle(children) => children,
            Self::StopConcurrent | Self::StopReverse => 1_000_000,
            Self::StormStop | Self::StormPanic | Self::Remove | Self::Backoff | Self::Churn => {
                100_000
            }
            Self::Nested | Self::Flat => LEAVES,
            Self::Pause => 1,
        };
        match (quick, self) {
            // A tree has the size that it has.
            (true, Self::Nested | Self::Flat) | (false, _) => full,
            (true, _) => full.div_ceil(100),
        }
    }
}

/// The tree of W8.
pub(crate) const DEPTH: u32 = 8;
pub(crate) const WIDTH: usize = 4;
pub(crate) const LEAVES: usize = WIDTH.pow(DEPTH);

/// Those that W7 removes: a tenth of them, the same ones each time, in a random order. The others stay in the list.
pub(crate) fn draw<T>(children: &mut Vec<T>) -> Vec<T> {
    fastrand::seed(7);
    fastrand::shuffle(children);
    children.split_off(children.len() - children.len() / 10)
}

/// So many messages are sent before the sender waits until they have been handled.
pub(crate) const BATCH: usize = 10_000;
/// So many of the rounds of W10.
pub(crate) const ROUNDS: usize = 10;
/// So long the CPU is watched, in seconds.
pub(crate) const WATCH: u64 = 2;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// Given in nanoseconds.
    Time,
    /// Per second.
    Rate,
    Bytes,
    /// A number without a unit.
    Ratio,
}

/// A figure that a job gives.
pub(crate) struct Metric {
    pub(crate) job: Job,
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
}

const fn metric(job: Job, key: &'static str, title: &'static str, unit: Unit) -> Metric {
    Metric { job, key, title, unit }
}

use Unit::{Bytes, Rate, Ratio, Time};

pub(crate) const METRICS: [Metric; 50] = [
    metric(Job::RestartStop, "restarts", "restarts per second, after a stop", Rate),
    metric(Job::RestartPanic, "restarts", "restarts per second, after a panic", Rate),
    metric(Job::RestartStop, "services", "restarts of a service, after a stop", Rate),
    metric(Job::RestartPanic, "services", "restarts of a service, after a panic", Rate),
    metric(Job::Answer, "median", "from the fatal message to the next answer, median", Time),
    metric(Job::Answer, "p99", "the same, 99th percentile", Time),
    metric(Job::Answer, "spread", "the same, 99th percentile to median", Ratio),
    metric(Job::Messages, "forget", "a message, fire and forget", Time),
    metric(Job::Messages, "reply", "a request and its answer", Time),
    metric(Job::Messages, "forget-ratio", "fire and forget, in turn with a plain actor", Ratio),
    metric(Job::Messages, "reply-ratio", "request and answer, in turn with a plain actor", Ratio),
    metric(Job::Messages, "forget-there", "fire and forget, both on another thread", Ratio),
    metric(Job::Messages, "reply-there", "request and answer, both on another thread", Ratio),
    metric(Job::Idle(10_000), "heap", "heap per child, of 10,000", Bytes),
    metric(Job::Idle(100_000), "heap", "heap per child, of 100,000", Bytes),
    metric(Job::Idle(1_000_000), "heap", "heap per child, of 1,000,000", Bytes),
    metric(Job::Idle(10_000), "rss", "resident memory per child, of 10,000", Bytes),
    metric(Job::Idle(100_000), "rss", "resident memory per child, of 100,000", Bytes),
    metric(Job::Idle(1_000_000), "rss", "resident memory per child, of 1,000,000", Bytes),
    metric(Job::Idle(10_000), "add", "to add one, of 10,000", Time),
    metric(Job::Idle(100_000), "add", "to add one, of 100,000", Time),
    metric(Job::Idle(1_000_000), "add", "to add one, of 1,000,000", Time),
    metric(Job::Idle(10_000), "answered", "to add one and wait for the answer, of 10,000", Time),
    metric(Job::Idle(100_000), "answered", "to add one and wait for the answer, of 100,000", Time),
    metric(
        Job::Idle(1_000_000),
        "answered",
        "to add one and wait for the answer, of 1,000,000",
        Time,
    ),
    metric(Job::StopConcurrent, "stop", "stop 1,000,000, all at once", Time),
    metric(Job::StopReverse, "stop", "stop 1,000,000, in reverse order", Time),
    metric(Job::StormStop, "back", "100,000 stop: all answer again", Time),
    metric(Job::StormPanic, "back", "100,000 panic: all answer again", Time),
    metric(Job::StormStop, "other-status", "stops: `Status` of another supervisor, slowest", Time),
    metric(Job::StormStop, "other-list", "stops: `List` of another supervisor, slowest", Time),
    metric(Job::StormStop, "own-status", "stops: `Status` of its own, slowest", Time),
    metric(Job::StormStop, "plain-answer", "stops: a plain actor's answer, slowest", Time),
    metric(
        Job::StormPanic,
        "other-status",
        "panics: `Status` of another supervisor, slowest",
        Time,
    ),
    metric(Job::StormPanic, "other-list", "panics: `List` of another supervisor, slowest", Time),
    metric(Job::StormPanic, "own-status", "panics: `Status` of its own, slowest", Time),
    metric(Job::StormPanic, "plain-answer", "panics: a plain actor's answer, slowest", Time),
    metric(Job::Remove, "remove", "remove one of 100,000", Time),
    metric(Job::Nested, "start", "start 65,536 leaves, nested", Time),
    metric(Job::Flat, "start", "start 65,536 leaves, flat", Time),
    metric(Job::Nested, "tree", "list 65,536 leaves, nested", Time),
    metric(Job::Flat, "tree", "list 65,536 leaves, flat", Time),
    metric(Job::Nested, "stop", "stop 65,536 leaves, nested", Time),
    metric(Job::Flat, "stop", "stop 65,536 leaves, flat", Time),
    metric(Job::Pause, "cpu", "CPU time of 2 s in a pause", Time),
    metric(Job::Backoff, "cpu", "CPU time of 2 s with 100,000 in backoff", Time),
    metric(Job::Churn, "second", "heap after round 2", Bytes),
    metric(Job::Churn, "last", "heap after round 10", Bytes),
    metric(Job::Churn, "rss-second", "resident memory after round 2", Bytes),
    metric(Job::Churn, "rss-last", "resident memory after round 10", Bytes),
];
