//! What is counted while it runs, and looked at from time to time by a thread of its own.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use actix::MailboxError;
use actix_supervisor::{Event, EventKind, Failure};
use tokio::time::Instant;

use crate::settings::Settings;

/// How many times it looks, if the run is long enough: as many points as a chart can show.
const SAMPLES: u64 = 360;
/// A shorter time says little about a rate.
const SHORTEST: Duration = Duration::from_millis(500);

pub(crate) const TENTHS: usize = 10;

#[expect(clippy::disallowed_methods, reason = "a measurement is of the real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted.
pub(crate) struct Measures {
    /// Messages that need no answer.
    pub(crate) told: Count,
    /// Requests.
    pub(crate) asked: Count,
    pub(crate) answered: Count,
    /// Failed with an error: theirs, or that of the store, which was asked for them.
    pub(crate) refused: Count,
    /// Still without an answer when nobody can believe in one any more.
    pub(crate) unanswered: Count,
    /// Not sent, since too many requests were under way.
    pub(crate) held_back: Count,
    pub(crate) crashes: Count,
    pub(crate) added: Count,
    pub(crate) removed: Count,
    pub(crate) failures: Count,
    pub(crate) restarts: Count,
    pub(crate) pauses: Count,
    pub(crate) escalations: Count,
    pub(crate) stuck: Count,
    pub(crate) arbiters: Count,
    /// Of the requests since the last sample.
    latest: Latencies,
    /// Of those of each tenth of the run.
    tenths: [Latencies; TENTHS],
    tenth: AtomicUsize,
    seconds: u64,
}

impl Measures {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            told: Count::default(),
            asked: Count::default(),
            answered: Count::default(),
            refused: Count::default(),
            unanswered: Count::default(),
            held_back: Count::default(),
            crashes: Count::default(),
            added: Count::default(),
            removed: Count::default(),
            failures: Count::default(),
            restarts: Count::default(),
            pauses: Count::default(),
            escalations: Count::default(),
            stuck: Count::default(),
            arbiters: Count::default(),
            latest: Latencies::default(),
            tenths: Default::default(),
            tenth: AtomicUsize::new(0),
            seconds: settings.seconds,
        }
    }

    /// The event hook of the root.
    pub(crate) fn told(&self, event: &Event) {
        match &event.kind {
            EventKind::ChildFailed { failure, .. } => {
                self.failures.add();
                match failure {
                    Failure::Unresponsive(_) => self.stuck.add(),
                    Failure::ArbiterStopped => self.arbiters.add(),
                    _ => {}
                }
            }
            EventKind::ChildRestarted { .. } => self.restarts.add(),
            EventKind::BackoffEntered { .. } => self.pauses.add(),
            EventKind::LimitReached { .. } => self.escalations.add(),
            _ => {}
        }
    }

    /// How a request that was counted as asked has ended; `None`: it has not.
    pub(crate) fn ended(&self, id: u64, answer: Option<Result<Option<u64>, MailboxError>>) {
        match answer {
            Some(Ok(Some(answer))) => {
                assert_eq!(answer, !id, "an answer to another question");
                self.answered.add();
            }
            Some(Ok(None) | Err(_)) => self.refused.add(),
            None => self.unanswered.add(),
        }
    }

    /// Requests that have not ended.
    pub(crate) fn under_way(&self) -> u64 {
        let ended = self.answered.get() + self.refused.get() + self.unanswered.get();
        self.asked.get() - ended
    }

    pub(crate) fn took(&self, time: Duration) {
        self.latest.add(time);
        self.tenths[self.tenth.load(Ordering::Relaxed)].add(time);
    }

    pub(crate) fn tenth(&self, tenth: usize) -> &Latencies {
        &self.tenths[tenth]
    }
}

/// Sixteen classes for each power of two of microseconds: within 7 %.
#[derive(Debug)]
pub(crate) struct Latencies([AtomicU64; Latencies::CLASSES]);

impl Default for Latencies {
    fn default() -> Self {
        // Its memory is in use from the beginning: it must not look like growth.
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latencies {
    const CLASSES: usize = 16 * 32;

    fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0[Self::class(micros)].fetch_add(1, Ordering::Relaxed);
    }

    fn class(micros: u64) -> usize {
        if micros < 16 {
            return micros as usize;
        }
        let power = micros.ilog2() as usize;
        let class = (power - 3) * 16 + (micros >> (power - 4)) as usize - 16;
        class.min(Self::CLASSES - 1)
    }

    /// The least of a class.
    fn least(class: usize) -> Duration {
        let (power, part) = (class / 16, class as u64 % 16);
        Duration::from_micros(if power == 0 { part } else { (16 + part) << (power - 1) })
    }

    /// The time within which this share of the requests was answered.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let classes: Vec<_> = self.0.iter().map(|class| class.load(Ordering::Relaxed)).collect();
        let all: u64 = classes.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut so_far = 0;
        for (class, count) in classes.into_iter().enumerate() {
            so_far += count;
            if so_far >= wanted.max(1) {
                return Self::least(class);
            }
        }
        Duration::ZERO
    }

    fn clear(&self) {
        for class in &self.0 {
            class.store(0, Ordering::Relaxed);
        }
    }
}

/// What was seen at one time; counts are from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    pub(crate) restarts: u64,
    pub(crate) messages: u64,
    pub(crate) half: Duration,
    pub(crate) most: Duration,
}

/// A thread that looks; it belongs to no supervisor, so nothing that goes on there delays it.
pub(crate) struct Sampler {
    thread: thread::JoinHandle<Vec<Sample>>,
    stop: mpsc::Sender<()>,
}

impl Sampler {
    pub(crate) fn start(measures: &Arc<Measures>, settings: &Settings) -> Self {
        let every = Duration::from_secs(settings.seconds) / SAMPLES as u32;
        let (measures, every) = (Arc::clone(measures), every.max(SHORTEST));
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (begin, mut samples) = (now(), Vec::with_capacity(SAMPLES as usize + 2));
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                samples.push(sample(&measures, begin));
            }
            samples
        });
        Self { thread, stop }
    }

    pub(crate) fn stop(self) -> Vec<Sample> {
        let _ = self.stop.send(());
        self.thread.join().expect("looking harms nobody")
    }
}

fn sample(measures: &Measures, begin: Instant) -> Sample {
    let at = begin.elapsed();
    let tenth = (at.as_secs_f64() / measures.seconds as f64 * TENTHS as f64) as usize;
    measures.tenth.store(tenth.min(TENTHS - 1), Ordering::Relaxed);
    let (half, most) = (measures.latest.quantile(0.5), measures.latest.quantile(0.99));
    measures.latest.clear();
    Sample {
        at,
        resident: status("VmRSS:"),
        threads: threads(),
        restarts: measures.restarts.get(),
        messages: measures.told.get() + measures.asked.get(),
        half,
        most,
    }
}

/// How many threads the process has; 0 where the system does not tell.
pub(crate) fn threads() -> u64 {
    status("Threads:")
}

/// A figure of `/proc/self/status`; memory is in KiB there.
fn status(line: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let figure = text.lines().find_map(|of| of.strip_prefix(line));
    figure.and_then(|figure| figure.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
