//! `Supervisor::run` as a process that gets signals. The process is this very program, told to run one
//! hidden test.

#![cfg(unix)]
#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio, exit},
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{CancellationToken, ChildSpec, Exit, Shutdown, Supervisor};

const ROLE: &str = "SUPERVISOR_ROLE";

/// A line that the other process waits for.
fn say(what: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{what}").and_then(|()| out.flush()).expect("somebody reads it");
}

struct ToStdout;

impl log::Log for ToStdout {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        say(&format!("{}: {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// An actor that takes its time to stop.
struct Slow {
    refuses: bool,
}

impl Actor for Slow {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        say("ready");
    }

    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        say("stopping");
        if self.refuses { Running::Continue } else { Running::Stop }
    }
}

#[test]
fn the_process() {
    let Ok(role) = env::var(ROLE) else { return };
    log::set_logger(&ToStdout).expect("no other logger");
    log::set_max_level(log::LevelFilter::Info);
    let refuses = role == "hangs";
    let slow = ChildSpec::actor("slow", move |_| Slow { refuses }).shutdown(Shutdown::Infinite);
    let mut root = Supervisor::new("root").child(slow);
    if role == "fails" {
        root = root.child(ChildSpec::service("service", |_: CancellationToken| async {
            Exit::TerminateTree("the disk is gone".into())
        }));
    }
    let ended = System::new().block_on(root.run());
    // What `main` does with such a result.
    match ended {
        Ok(report) => say(&format!("report: {report}")),
        Err(failure) => {
            say(&format!("Error: {failure}"));
            exit(1);
        }
    }
    exit(0);
}

struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    _guard: Sender<()>,
}

impl Process {
    fn start(role: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["the_process", "--exact", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        // Guards against hanging: what is read from a process that has been killed ends.
        let (guard, over) = channel::<()>();
        let pid = child.id();
        thread::spawn(move || {
            let waited = over.recv_timeout(Duration::from_secs(60));
            if waited == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                kill(pid, "KILL");
            }
        });
        Self { child, out, _guard: guard }
    }

    fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            let read = self.out.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "it has ended before it said {wanted:?}");
        }
    }

    fn signal(&self, name: &str) {
        kill(self.child.id(), name);
    }

    /// Waits for its end; returns how it ended, and what it has said meanwhile.
    fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.out.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("it ends"), said)
    }
}

fn kill(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn the_first_signal_stops_it_in_good_order() {
    for signal in ["INT", "TERM"] {
        let mut process = Process::start("stops");
        process.wait_for("ready");
        process.signal(signal);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let (name, order) = (format!("SIG{signal}: stopping"), "root: supervisor stopped");
        for wanted in [&*name, "stopping\n", order, "report: everything has stopped"] {
            assert!(said.contains(wanted), "no {wanted:?} in {said}");
        }
        assert!(!said.contains("ERROR") && !said.contains("WARN"), "{said}");
    }
}

#[test]
fn the_second_signal_ends_it_at_once_with_128_and_its_number() {
    for (first, second, code) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)]
    {
        let mut process = Process::start("hangs");
        process.wait_for("ready");
        process.signal(first);
        process.wait_for("stopping");
        process.signal(second);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(!said.contains("report"), "{said}");
    }
}

#[test]
fn a_failure_is_logged_and_returned_for_a_status_that_is_not_zero() {
    let mut process = Process::start("fails");
    process.wait_for("ready");
    let (status, said) = process.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("ERROR: ended by a failure: the disk is gone"), "{said}");
    assert!(said.contains("Error: the disk is gone"), "{said}");
}
