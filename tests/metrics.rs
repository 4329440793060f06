//! What is measured, as a recorder of `metrics` sees it.

#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, Backoff, CancellationToken, ChildSpec, Kill, List, Restart, RestartPolicy, ServiceActor,
    Shutdown, Spec, Stop, Supervisor, Terminate, test_kit::paused,
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs a test under a recorder of its own.
fn measured<T>(test: impl AsyncFnOnce(Meters) -> T) -> T {
    let recorder = DebuggingRecorder::new();
    let meters = Meters { snapshotter: recorder.snapshotter(), gauges: RefCell::default() };
    metrics::with_local_recorder(&recorder, || paused(test(meters)))
}

struct Meters {
    snapshotter: Snapshotter,
    /// A snapshot takes what is in a gauge out of it.
    gauges: RefCell<BTreeMap<String, f64>>,
}

impl Meters {
    /// All that is measured by now, as `name{labels}`, without the prefix; by counters and histograms, since the last time.
    fn take(&self) -> BTreeMap<String, DebugValue> {
        let all = self.snapshotter.snapshot().into_vec().into_iter();
        let mut gauges = self.gauges.borrow_mut();
        all.map(|(key, _, _, value)| {
            let key = key.key();
            let labels: Vec<&str> = key.labels().map(|label| label.value()).collect();
            let name = key.name().strip_prefix("actix_supervisor_").expect("the prefix");
            let name = format!("{name}{{{}}}", labels.join(","));
            let value = match value {
                DebugValue::Gauge(more) => {
                    let gauge = gauges.entry(name.clone()).or_default();
                    *gauge += more.into_inner();
                    DebugValue::Gauge((*gauge).into())
                }
                other => other,
            };
            (name, value)
        })
        .collect()
    }
}

trait Found {
    fn number(&self, name: &str) -> f64;
    fn times(&self, name: &str) -> Vec<f64>;
}

impl Found for BTreeMap<String, DebugValue> {
    fn number(&self, name: &str) -> f64 {
        match self.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}")) {
            DebugValue::Counter(count) => *count as f64,
            DebugValue::Gauge(gauge) => gauge.into_inner(),
            DebugValue::Histogram(times) => panic!("{name} is a histogram: {times:?}"),
        }
    }

    fn times(&self, name: &str) -> Vec<f64> {
        match self.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}")) {
            DebugValue::Histogram(times) => times.iter().map(|time| time.into_inner()).collect(),
            other => panic!("{name} is no histogram: {other:?}"),
        }
    }
}

fn close(times: &[f64], expected: &[f64]) {
    let is_close = |(time, expected): (&f64, &f64)| (time - expected).abs() < 0.01;
    let are_close = times.len() == expected.len() && times.iter().zip(expected).all(is_close);
    assert!(are_close, "{times:?}, expected {expected:?}");
}

async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

fn quiet(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
}

/// Fails ten seconds after each start.
fn mortal(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |_| async {
        sleep(secs(10)).await;
        Err::<(), _>("broken")
    })
}

#[test]
fn failures_and_restarts_are_counted_by_supervisor_child_and_reason() {
    measured(async |meters| {
        let mortal = mortal("mortal").backoff(Backoff::constant(secs(5)));
        let inner = Supervisor::new("inner").child(mortal).child(quiet("quiet"));
        let inner_addr = inner.addr();
        let root = Supervisor::new("root").child(ChildSpec::supervisor(inner)).start();
        sleep(secs(31)).await; // It fails at 10 s and at 25 s.
        let listed = inner_addr.send(List).await.unwrap();
        let quiet = listed.iter().find(|child| child.name == "quiet").unwrap().token;
        inner_addr.send(Kill(quiet)).await.unwrap().unwrap();
        sleep(secs(1)).await;
        inner_addr.send(Restart(quiet)).await.unwrap().unwrap();

        let found = meters.take();
        assert_eq!(found.number("failures_total{root/inner,mortal,error}"), 2.0);
        assert_eq!(found.number("restarts_total{root/inner,mortal,error}"), 2.0);
        assert_eq!(found.number("failures_total{root/inner,quiet,killed}"), 1.0);
        assert_eq!(found.number("restarts_total{root/inner,quiet,killed}"), 1.0);
        assert_eq!(found.number("restarts_total{root/inner,quiet,none}"), 1.0);
        close(&found.times("uptime_at_failure_seconds{root/inner,mortal}"), &[10.0, 10.0]);
        close(&found.times("down_seconds{root/inner,mortal}"), &[5.0, 5.0]);
        assert_eq!(found.times("start_seconds{root/inner,mortal}").len(), 3);
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn children_are_gauged_by_state_until_there_are_none() {
    measured(async |meters| {
        let root = Supervisor::new("root").child(quiet("a")).child(quiet("b")).start();
        sleep(secs(1)).await;
        assert_eq!(meters.take().number("children{root,running}"), 2.0);
        let first = root.send(List).await.unwrap()[0].token;
        root.send(Terminate(first)).await.unwrap().unwrap();
        let found = meters.take();
        assert_eq!(found.number("children{root,running}"), 1.0);
        assert_eq!(found.number("children{root,terminated}"), 1.0);
        assert_eq!(found.number("failure_threshold{root}"), 5.0);
        root.send(Stop).await.unwrap();
        sleep(secs(1)).await;
        for (name, value) in meters.take() {
            if let DebugValue::Gauge(gauge) = value {
                assert_eq!(gauge.into_inner(), 0.0, "{name}");
            }
        }
    });
}

#[test]
fn the_meter_and_a_pause_are_gauged() {
    measured(async |meters| {
        let spec = Spec::default().failure_threshold(0.0).backoff_jitter(0.0);
        let root = Supervisor::with_spec("root", spec).unwrap().child(mortal("mortal")).start();
        sleep(secs(11)).await;
        let found = meters.take();
        assert_eq!(found.number("paused{root}"), 1.0);
        assert_eq!(found.number("pauses_total{root}"), 1.0);
        assert_eq!(found.number("failure_meter{root}"), 1.0);
        assert_eq!(found.number("children{root,backing_off}"), 1.0);
        sleep(secs(15)).await;
        let found = meters.take();
        assert_eq!((found.number("paused{root}"), found.number("failure_meter{root}")), (0.0, 0.0));
        close(&found.times("down_seconds{root,mortal}"), &[15.0]);
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn a_stop_is_timed_from_the_request() {
    measured(async |meters| {
        let slow = ChildSpec::service("slow", |stop: CancellationToken| async move {
            stop.cancelled().await;
            sleep(secs(3)).await;
        });
        let stuck = ChildSpec::service("stuck", |_| std::future::pending::<()>());
        let root = Supervisor::new("root")
            .child(slow)
            .child(stuck.shutdown(Shutdown::Timeout(secs(5))))
            .start();
        sleep(secs(1)).await;
        root.send(Stop).await.unwrap();
        let found = meters.take();
        close(&found.times("stop_seconds{root,slow}"), &[3.0]);
        close(&found.times("stop_seconds{root,stuck}"), &[5.0]);
    });
}

#[test]
fn a_supervisor_that_fails_takes_its_gauges_along_and_brings_them_back() {
    measured(async |meters| {
        let inner = Supervisor::new("inner").child(quiet("leaf"));
        let backoff = Backoff::constant(secs(10));
        let root = Supervisor::new("root").child(ChildSpec::supervisor(inner).backoff(backoff));
        let root = root.start();
        sleep(secs(1)).await;
        let inner = root.send(List).await.unwrap()[0].token;
        root.send(Kill(inner)).await.unwrap().unwrap();
        sleep(secs(1)).await;
        let found = meters.take();
        assert_eq!(found.number("children{root/inner,running}"), 0.0);
        assert_eq!(found.number("failure_threshold{root/inner}"), 0.0);
        sleep(secs(10)).await;
        let found = meters.take();
        assert_eq!(found.number("children{root/inner,running}"), 1.0);
        assert_eq!(found.number("failure_threshold{root/inner}"), 5.0);
        assert_eq!(found.number("restarts_total{root/inner,leaf,none}"), 1.0);
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn all_names_but_the_first_hundred_share_a_label() {
    measured(async |meters| {
        let root = Supervisor::with_spec("root", Spec::default().failure_threshold(1e9)).unwrap();
        let root = root.start();
        for number in 0..2_000 {
            let spec = ChildSpec::service(format!("job {number}"), |_| async { Err::<(), _>("") });
            root.do_send(Add(spec.restart(RestartPolicy::Temporary)));
            if number % 100 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        sleep(secs(1)).await;
        let found = meters.take();
        let failures = found.keys().filter(|name| name.starts_with("failures_total"));
        assert_eq!(failures.count(), 101);
        assert_eq!(found.number("failures_total{root,other,error}"), 1_900.0);
        assert!(found.len() < 400, "{}", found.len());

        for number in 0..200 {
            let below = Supervisor::new(format!("below {number}")).child(quiet("leaf"));
            root.send(Add(ChildSpec::supervisor(below))).await.unwrap().unwrap();
        }
        sleep(secs(1)).await;
        let found = meters.take();
        assert_eq!(found.number("children{root/other,running}"), 200.0, "a sum");
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn all_is_described_with_units() {
    measured(async |meters| {
        let spec = Spec::default().failure_threshold(0.0);
        let root = Supervisor::with_spec("root", spec).unwrap().child(mortal("mortal")).start();
        sleep(secs(40)).await;
        root.send(Stop).await.unwrap();
        let all = meters.snapshotter.snapshot().into_vec();
        assert!(all.len() >= 11, "{all:?}");
        for (key, unit, description, _) in all {
            let is_time = key.key().name().ends_with("_seconds");
            let expected = if is_time { Unit::Seconds } else { Unit::Count };
            assert_eq!(unit, Some(expected), "{key:?}");
            assert!(description.is_some(), "{key:?}");
        }
    });
}

/// Counts how often it is asked for something to measure with.
#[derive(Default)]
struct Asked(AtomicUsize);

impl Asked {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder for Asked {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.note();
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.note();
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.note();
        Histogram::noop()
    }
}

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, _: Work, _ctx: &mut Self::Context) {}
}

#[test]
fn nothing_is_measured_for_a_message() {
    let asked = Asked::default();
    metrics::with_local_recorder(&asked, || {
        paused(async {
            let worker = ChildSpec::actor("worker", |_ctx| Worker);
            let addr = worker.addr();
            let root = Supervisor::new("root").child(worker).start();
            addr.send(Work).await.unwrap();
            sleep(secs(1)).await;
            let before = asked.0.load(Ordering::Relaxed);
            assert!(before > 0);
            for _ in 0..1_000 {
                addr.send(Work).await.unwrap();
            }
            assert_eq!(asked.0.load(Ordering::Relaxed), before);
            root.send(Stop).await.unwrap();
        });
    });
}

struct Panicky;

impl Recorder for Panicky {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("the recorder panics");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("the recorder panics");
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("the recorder panics");
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("the recorder panics");
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("the recorder panics");
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("the recorder panics");
    }
}

#[test]
fn a_recorder_that_panics_harms_nothing() {
    metrics::with_local_recorder(&Panicky, || {
        paused(async {
            let root = Supervisor::new("root").child(mortal("mortal")).child(quiet("q")).start();
            sleep(secs(25)).await;
            let children = root.send(List).await.unwrap();
            assert_eq!(children[0].restarts, 2);
            assert!(root.send(Stop).await.unwrap().is_clean());
        });
    });
}
