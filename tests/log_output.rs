//! What supervisors write through `log` when nobody has set a hook: a program of its own, for its logger.

#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    cell::Cell,
    future::Future,
    sync::{Mutex, Once, PoisonError},
};

use actix::prelude::*;
use actix_supervisor::{
    CancellationToken, ChildSpec, ServiceActor, Spec, Stop, Supervisor,
    test_kit::{paused, settle},
};
use log::{
    Level, LevelFilter, Log, Metadata, Record,
    kv::{self, Key, Value, VisitSource},
};

struct Lines(Mutex<Vec<(Level, String, String)>>);

/// The key-values of each line, as text.
static PAIRS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Pairs(String);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        if key.as_str() != "token" {
            self.0.push_str(&format!("{key}={value} "));
        }
        Ok(())
    }
}

/// The key-values of the line that begins so, but for the token, whose number depends on what ran before.
fn pairs_of(line: &str) -> String {
    let pairs = PAIRS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = pairs.iter().find(|(text, _)| text.starts_with(line));
    found.unwrap_or_else(|| panic!("no {line} in {pairs:?}")).1.clone()
}

static LINES: Lines = Lines(Mutex::new(Vec::new()));

thread_local! {
    /// Nothing louder is asked for, by the test that runs on this thread.
    static MOST: Cell<LevelFilter> = const { Cell::new(LevelFilter::Trace) };
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= MOST.get()
    }

    fn log(&self, record: &Record<'_>) {
        let (target, text) = (record.target().to_owned(), record.args().to_string());
        let mut pairs = Pairs(String::new());
        record.key_values().visit(&mut pairs).expect("nothing refuses them");
        PAIRS.lock().unwrap_or_else(PoisonError::into_inner).push((text.clone(), pairs.0));
        let panics = text.contains("the logger panics");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((record.level(), target, text));
        drop(lines);
        assert!(!panics, "it does");
    }

    fn flush(&self) {}
}

/// What was logged about this supervisor.
fn logged(root: &str) -> Vec<(Level, String)> {
    let lines = LINES.0.lock().unwrap_or_else(PoisonError::into_inner);
    let its = lines.iter().filter(|(_, _, text)| text.contains(root));
    its.map(|(level, target, text)| {
        assert_eq!(target, "actix_supervisor");
        (*level, text.clone())
    })
    .collect()
}

fn test<T>(test: impl Future<Output = T>) -> T {
    static SET: Once = Once::new();
    SET.call_once(|| {
        log::set_logger(&LINES).expect("no other logger");
        log::set_max_level(LevelFilter::Trace);
    });
    paused(test)
}

fn quiet(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
}

fn failing(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |_| async { Err::<(), _>("broken\nin two") })
}

fn fragile() -> Spec {
    Spec::default().failure_threshold(0.0)
}

#[test]
fn a_healthy_system_is_silent_at_warn_from_its_start_to_its_stop() {
    test(async {
        let inner = Supervisor::new("inner").child(quiet("leaf"));
        let root = Supervisor::new("healthy")
            .child(quiet("service"))
            .child(ChildSpec::supervisor(inner))
            .start();
        settle().await;
        root.send(Stop).await.unwrap();
        let lines = logged("healthy");
        assert!(lines.iter().all(|(level, _)| *level > Level::Warn), "{lines:?}");
        let expected = [
            (Level::Info, "healthy: supervisor started"),
            (Level::Debug, "healthy/service: started"),
            (Level::Debug, "healthy/inner: started"),
            (Level::Trace, "healthy/service: ready"),
            (Level::Info, "healthy/inner: supervisor started"),
            (Level::Debug, "healthy/inner/leaf: started"),
            (Level::Trace, "healthy/inner/leaf: ready"),
            (Level::Trace, "healthy/inner: ready"),
            (Level::Debug, "healthy/inner/leaf: stopped"),
            (Level::Info, "healthy/inner: supervisor stopped"),
            (Level::Debug, "healthy/inner: stopped"),
            (Level::Debug, "healthy/service: stopped"),
            (Level::Info, "healthy: supervisor stopped"),
        ];
        let mut sorted: Vec<_> = lines.iter().map(|(level, text)| (*level, &**text)).collect();
        let mut expected = expected.to_vec();
        assert_eq!((sorted.first(), sorted.last()), (expected.first(), expected.last()));
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "each event once, though three levels see some of them");
    });
}

#[test]
fn a_failure_is_a_warning_and_a_pause_an_error_in_one_line_each() {
    test(async {
        let root =
            Supervisor::with_spec("fra\ngile", fragile()).unwrap().child(failing("child")).start();
        settle().await;
        root.send(Stop).await.unwrap();
        let lines = logged("fra\\ngile");
        let loud: Vec<_> = lines.iter().filter(|(level, _)| *level <= Level::Warn).collect();
        let [(Level::Warn, failed), (Level::Error, paused)] = &loud[..] else { panic!("{loud:?}") };
        assert!(failed.starts_with("fra\\ngile/child: failed: broken\\nin two (1.00 of 0"));
        assert!(paused.starts_with("fra\\ngile: too many failures"), "{paused}");
        assert!(lines.iter().all(|(_, text)| !text.contains('\n')), "{lines:?}");
    });
}

#[test]
fn a_line_has_the_facts_of_its_event_as_key_values() {
    test(async {
        let inner = Supervisor::with_spec("inner", fragile().backoff_jitter(0.0)).unwrap();
        let inner = inner.child(failing("child"));
        let root = Supervisor::new("factual").child(ChildSpec::supervisor(inner)).start();
        settle().await;
        root.send(Stop).await.unwrap();
        assert_eq!(
            pairs_of("factual/inner/child: failed"),
            "event=ChildFailed supervisor=factual/inner child=child failure=error \
             error=broken\\nin two failures=1 threshold=0 restarting=true "
        );
        assert_eq!(
            pairs_of("factual/inner: too many failures"),
            "event=BackoffEntered supervisor=factual/inner pause=15 "
        );
        assert_eq!(
            pairs_of("factual: supervisor stopped"),
            "event=SupervisorStopped supervisor=factual unstopped=0 "
        );
    });
}

#[test]
fn the_end_of_a_tree_is_an_error() {
    test(async {
        let spec = ChildSpec::service("child", |_| async {
            actix_supervisor::Exit::TerminateTree("over".into())
        });
        Supervisor::new("doomed").child(spec).serve().await.unwrap_err();
        let lines = logged("doomed");
        assert!(lines.contains(&(Level::Error, "doomed: supervisor stopped: over".to_owned())));
    });
}

#[test]
fn a_hook_takes_the_place_of_the_log() {
    test(async {
        let spec = fragile().event_hook(|_| {});
        let inner = Supervisor::new("below-hooked").child(quiet("leaf"));
        let root = Supervisor::with_spec("hooked", spec)
            .unwrap()
            .child(failing("child"))
            .child(ChildSpec::supervisor(inner))
            .start();
        settle().await;
        root.send(Stop).await.unwrap();
        assert_eq!(logged("hooked"), []);
    });
}

#[test]
fn the_root_logs_what_happens_below_a_supervisor_with_a_hook_of_its_own() {
    test(async {
        let inner = Supervisor::with_spec("inner", fragile().event_hook(|_| {}))
            .unwrap()
            .child(failing("leaf"));
        let root = Supervisor::new("above").child(ChildSpec::supervisor(inner)).start();
        settle().await;
        root.send(Stop).await.unwrap();
        let lines = logged("above");
        let failed = lines.iter().filter(|(_, text)| text.starts_with("above/inner/leaf: failed"));
        assert_eq!(failed.count(), 1, "{lines:?}");
    });
}

#[test]
fn a_hook_that_panics_is_logged_as_an_error() {
    test(async {
        let spec = Spec::default().event_hook(|_| panic!("no more"));
        let root = Supervisor::with_spec("panicky", spec).unwrap().start();
        root.send(Stop).await.unwrap();
        let lines = logged("panicky");
        assert_eq!(lines.len(), 2, "one an event: {lines:?}");
        for (level, text) in lines {
            assert_eq!(level, Level::Error);
            assert!(text.contains("no more"), "{text}");
        }
    });
}

#[test]
fn a_logger_that_panics_harms_nothing() {
    test(async {
        let name = "the logger panics";
        let root = Supervisor::with_spec(name, fragile()).unwrap().child(failing("child")).start();
        let panics = fragile().event_hook(|_| panic!("and so does the hook"));
        let other = Supervisor::with_spec("the logger panics, too", panics).unwrap();
        let other = other.child(failing("child")).start();
        settle().await;
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert!(other.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_logger_is_given_no_line_of_a_level_that_it_does_not_want() {
    MOST.set(LevelFilter::Info);
    test(async {
        let root = Supervisor::new("laconic").child(quiet("child")).start();
        settle().await;
        root.send(Stop).await.unwrap();
    });
    let expected = ["laconic: supervisor started", "laconic: supervisor stopped"];
    assert_eq!(logged("laconic"), expected.map(|text| (Level::Info, text.to_owned())));
}
