//! What a job measures with: its results, a gate for its children, memory, and CPU time.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

use crate::jobs::Job;

/// The figures of one job, by key; or why the peer cannot do it.
pub(crate) type Outcome = Result<Vec<(&'static str, f64)>, &'static str>;

static ARRIVED: AtomicUsize = AtomicUsize::new(0);
static EXPECTED: AtomicUsize = AtomicUsize::new(usize::MAX);
static ALL: Notify = Notify::const_new();

/// Where children report that they have started, answered or ended.
pub(crate) struct Gate;

impl Gate {
    /// From now on, wait for so many.
    pub(crate) fn expect(arrivals: usize) {
        ARRIVED.store(0, Ordering::Relaxed);
        EXPECTED.store(arrivals, Ordering::Relaxed);
    }

    pub(crate) fn arrive() {
        Self::more();
    }

    /// Arrives, and tells whether more are expected.
    pub(crate) fn more() -> bool {
        let arrived = ARRIVED.fetch_add(1, Ordering::Relaxed) + 1;
        let expected = EXPECTED.load(Ordering::Relaxed);
        if arrived == expected {
            ALL.notify_one();
        }
        arrived < expected
    }

    pub(crate) async fn all() {
        ALL.notified().await;
    }
}

/// What is alive in the heap and what of it is resident, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) heap: f64,
    pub(crate) rss: f64,
}

impl Memory {
    pub(crate) fn now() -> Self {
        // SAFETY: it takes nothing, and returns numbers by value.
        let heap = unsafe { libc::mallinfo2() };
        Self { heap: (heap.uordblks + heap.hblkhd) as f64, rss: resident() }
    }

    /// What each child has brought since. The list of them is their holder's, and not counted.
    pub(crate) fn since<T>(self, before: Self, children: &Vec<T>) -> [(&'static str, f64); 2] {
        let list = (children.capacity() * size_of::<T>()) as f64;
        let each = |now: f64, before: f64| (now - before - list) / children.len() as f64;
        [("heap", each(self.heap, before.heap)), ("rss", each(self.rss, before.rss))]
    }
}

fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0.0) * 4096.0
}

/// The CPU time of all threads so far. It is read without a heap: to tidy that up takes longer than the rest.
fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to what it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The CPU time, in nanoseconds, of two seconds in which nothing is due.
pub(crate) async fn cpu_while_idle() -> f64 {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = cpu_time();
    tokio::time::sleep(Duration::from_secs(crate::jobs::WATCH)).await;
    cpu_time() - before
}

/// Nanoseconds since then.
pub(crate) fn nanos(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64
}

pub(crate) fn rate(times: usize, since: Instant) -> f64 {
    times as f64 / since.elapsed().as_secs_f64()
}

/// The value below which this share of them is.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The figures of W2.
pub(crate) fn latencies(times: &[f64]) -> Outcome {
    let (median, p99) = (median(times), quantile(times, 0.99));
    Ok(vec![("median", median), ("p99", p99), ("spread", p99 / median)])
}

/// The figures of W10, from the memory after each round.
pub(crate) fn rounds(after: &[Memory]) -> Outcome {
    let [_, second, .., last] = after else { return Err("too few rounds") };
    Ok(vec![
        ("second", second.heap),
        ("last", last.heap),
        ("rss-second", second.rss),
        ("rss-last", last.rss),
    ])
}

/// A tokio runtime on the thread of its caller.
pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}

/// The runtime on which peers that can use more than one thread are faster: that of one thread, but for a storm.
pub(crate) fn faster_runtime(job: Job) -> Runtime {
    match job {
        Job::StormStop | Job::StormPanic => {
            Builder::new_multi_thread().enable_all().build().expect("a runtime can be built")
        }
        _ => current_thread(),
    }
}
