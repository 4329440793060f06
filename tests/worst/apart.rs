//! Parts of tests that run in a process of their own.

use std::{
    any::type_name,
    env,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use actix::System;
use actix_supervisor::install_panic_hook;

use crate::place::Place;

const ROLE: &str = "RUN_THE_WORST_PART_OF_A_TEST_AT";
const LIVES: &str = "the process has come to the end of its part";

/// `SIGABRT`.
const ABORTED: i32 = 6;
/// The status of a process in which something hangs.
const HUNG: i32 = 86;

/// Far above what any of them takes.
const GUARD: Duration = Duration::from_secs(120);

/// How a process has ended.
pub struct Ended {
    place: Place,
    pub status: ExitStatus,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    fn assert_lives(&self) {
        let Self { place, status, stderr } = self;
        assert!(status.success(), "{place:?}: {status}\n{stderr}");
        assert!(stderr.contains(LIVES), "{place:?}: {stderr}");
    }

    /// By itself, and it has told why.
    #[track_caller]
    pub fn assert_aborted(&self, because: &[&str]) {
        let Self { place, status, stderr } = self;
        assert_eq!(status.signal(), Some(ABORTED), "{place:?}: {status}\n{stderr}");
        for words in because {
            assert!(stderr.contains(words), "{place:?}: it does not say {words:?}: {stderr}");
        }
    }
}

/// Runs this part of this test with each of these placements, each in a process; returns how each has ended.
///
/// To be called by the test itself, since its name is the closure's.
pub fn apart<F: AsyncFn(Place)>(places: &[Place], part: F) -> Vec<Ended> {
    if let Ok(place) = env::var(ROLE) {
        let place = Place::ALL.into_iter().find(|known| format!("{known:?}") == place);
        run(part(place.expect("a known place")));
        return Vec::new();
    }
    places.iter().map(|place| again::<F>(*place)).collect()
}

/// With each of these placements the process lives to the end of this part, and ends as any other does.
#[track_caller]
pub fn lives(places: &[Place], part: impl AsyncFn(Place)) {
    for ended in apart(places, part) {
        ended.assert_lives();
    }
}

fn run(part: impl Future<Output = ()>) {
    install_panic_hook(); // What is printed is about other panics than a child's.
    let (over, is_over) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if is_over.recv_timeout(GUARD) == Err(RecvTimeoutError::Timeout) {
            std::process::exit(HUNG);
        }
    });
    System::new().block_on(part);
    drop(over);
    guard.join().expect("it does not panic");
    let _ = writeln!(io::stderr(), "{LIVES}");
}

fn again<F>(place: Place) -> Ended {
    let this = env::current_exe().expect("a test is a file");
    let name = type_name::<F>().trim_end_matches("::{{closure}}");
    let name = name.split_once("::").map_or(name, |(_crate, name)| name);
    let output = Command::new(this)
        .args(["--exact", name, "--nocapture"])
        .env(ROLE, format!("{place:?}"))
        .output()
        .expect("it can be run again");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ended { place, status: output.status, stderr }
}
