//! `OnPanic::Abort` ends the process: each test runs a part of itself again as a process of its own.

#![cfg(unix)]
#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    env,
    io::Write,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
    sync::Mutex,
};

use actix::prelude::*;
use actix_supervisor::{CancellationToken, ChildSpec, Kill, OnPanic, Spec, Stop, Supervisor};

const ROLE: &str = "RUN_THE_PART_THAT_MAY_ABORT";

/// Where the part that may abort says that it has not.
const SURVIVED: &str = "it has survived";

/// `SIGABRT`.
const ABORTED: i32 = 6;

/// Runs this part of this test in a process; returns how it has ended, and what it has written to its standard error.
fn apart(test: &str, part: impl Future<Output = ()> + 'static) -> (ExitStatus, String) {
    if env::var(ROLE).is_ok() {
        log::set_logger(&LOGGER).expect("the only logger");
        log::set_max_level(log::LevelFilter::Trace);
        System::new().block_on(part);
        write(SURVIVED);
        std::process::exit(0);
    }
    let this = env::current_exe().expect("a test is a file");
    let output = Command::new(this)
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, "")
        .output()
        .expect("it can be run again");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn write(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("somebody reads it");
}

/// As good loggers do, this one keeps what it is told, and writes when it is asked to.
struct Logger(Mutex<Vec<String>>);

static LOGGER: Logger = Logger(Mutex::new(Vec::new()));

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}: {}", record.level(), record.target(), record.args());
        self.0.lock().expect("nothing panics here").push(line);
    }

    fn flush(&self) {
        for line in self.0.lock().expect("nothing panics here").drain(..) {
            write(&line);
        }
    }
}

struct Fragile;

impl Actor for Fragile {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Break;

impl Handler<Break> for Fragile {
    type Result = ();

    fn handle(&mut self, Break: Break, _ctx: &mut Self::Context) {
        panic!("broken for good");
    }
}

fn supervisor(name: &str, what: OnPanic) -> Supervisor {
    Supervisor::with_spec(name, Spec::default().on_panic(what)).expect("a sensible spec")
}

#[track_caller]
fn assert_aborted((status, stderr): (ExitStatus, String), child: &str) {
    assert_eq!(status.signal(), Some(ABORTED), "{stderr}");
    assert!(!stderr.contains(SURVIVED), "{stderr}");
    let line = stderr.lines().find(|line| line.starts_with("ERROR actix_supervisor: "));
    let line = line.unwrap_or_else(|| panic!("the panic is logged: {stderr}"));
    assert!(line.contains(child) && line.contains("broken for good"), "{line}");
}

#[track_caller]
fn assert_survived((status, stderr): (ExitStatus, String)) {
    assert!(status.success(), "{stderr}");
    assert!(stderr.contains(SURVIVED), "{stderr}");
}

#[test]
fn a_panic_ends_the_process_and_is_logged() {
    let ended = apart("a_panic_ends_the_process_and_is_logged", async {
        let spec = ChildSpec::actor("fragile", |_| Fragile);
        let addr = spec.addr();
        let _root = supervisor("root", OnPanic::Abort).child(spec).start();
        let _ = addr.send(Break).await;
        let _ = addr.send(Break).await;
    });
    assert_aborted(ended, "fragile");
}

#[test]
fn a_panic_of_a_factory_ends_the_process() {
    let ended = apart("a_panic_of_a_factory_ends_the_process", async {
        let spec = ChildSpec::actor("maker", |_| -> Fragile { panic!("broken for good") });
        let _ = supervisor("root", OnPanic::Abort).child(spec).serve().await;
    });
    assert_aborted(ended, "maker");
}

#[test]
fn a_panic_on_a_thread_of_its_own_ends_the_process() {
    let ended = apart("a_panic_on_a_thread_of_its_own_ends_the_process", async {
        let spec = ChildSpec::blocking("thread", |_: CancellationToken| {
            if true {
                panic!("broken for good");
            }
        });
        let _ = supervisor("root", OnPanic::Abort).child(spec).serve().await;
    });
    assert_aborted(ended, "thread");
}

#[test]
fn a_panic_below_a_nested_supervisor_with_that_setting_ends_the_process() {
    let ended =
        apart("a_panic_below_a_nested_supervisor_with_that_setting_ends_the_process", async {
            let spec = ChildSpec::actor("fragile", |_| Fragile);
            let addr = spec.addr();
            let nested = ChildSpec::supervisor(supervisor("nested", OnPanic::Abort).child(spec));
            let _root = supervisor("root", OnPanic::Restart).child(nested).start();
            let _ = addr.send(Break).await;
            let _ = addr.send(Break).await;
        });
    assert_aborted(ended, "fragile");
}

#[test]
fn a_panic_is_the_affair_of_the_supervisor_of_the_one_that_panicked() {
    let ended = apart("a_panic_is_the_affair_of_the_supervisor_of_the_one_that_panicked", async {
        let spec = ChildSpec::actor("fragile", |_| Fragile);
        let addr = spec.addr();
        let nested = ChildSpec::supervisor(supervisor("nested", OnPanic::Restart).child(spec));
        let root = supervisor("root", OnPanic::Abort).child(nested).start();
        assert!(addr.send(Break).await.is_err());
        assert!(addr.send(Break).await.is_err());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
    assert_survived(ended);
}

#[test]
fn failures_that_are_no_panics_end_nothing() {
    let ended = apart("failures_that_are_no_panics_end_nothing", async {
        let mut calls = 0;
        let spec = ChildSpec::service("service", move |stop: CancellationToken| {
            calls += 1;
            async move {
                if calls < 3 {
                    return Err("not yet");
                }
                stop.cancelled().await;
                Ok(())
            }
        });
        let spec_addr = spec.addr();
        let root = supervisor("root", OnPanic::Abort).child(spec).start();
        let child = root.send(actix_supervisor::List).await.unwrap().remove(0);
        root.send(Kill(child.token)).await.unwrap().unwrap();
        assert!(spec_addr.connected());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
    assert_survived(ended);
}
