//! Clocks for tests, and a guard against those that hang.

use std::{
    future::Future,
    io::{self, Write},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use actix::System;
use tokio::runtime;

/// How long a test may take on the real clock.
const GUARD: Duration = Duration::from_secs(120);

/// Ends the process if it is not dropped within two minutes of the real clock. See [`guard`].
#[derive(Debug)]
#[must_use = "it guards until it is dropped"]
pub struct Guard {
    _over: mpsc::Sender<()>,
}

/// Ends the whole run if this test hangs: nothing else would, on a clock that stands still. The test's name is printed.
///
/// [`paused`] and [`real`] have one each.
pub fn guard() -> Guard {
    let (guard, over) = mpsc::channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if over.recv_timeout(GUARD) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = writeln!(io::stderr(), "{test} hangs");
            process::abort();
        }
    });
    Guard { _over: guard }
}

/// Runs a test on an Actix system whose clock goes on only when everything waits for it.
///
/// A pause of an hour takes no time, and all times are exact. Other threads have clocks of their own, which are not paused: the
/// one here does not wait for them, so place children [`Inline`](crate::Placement::Inline), and test what is about threads on
/// the [`real`] clock.
///
/// # Panics
///
/// If there is no runtime to be had. The test's own panic goes on.
pub fn paused<T>(test: impl Future<Output = T>) -> T {
    let _guard = guard();
    let system = System::with_tokio_rt(|| {
        let mut runtime = runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build();
        runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
    });
    system.block_on(test)
}

/// Runs a test on an Actix system with the real clock: wait for [`Events`](super::Events), and not for times.
pub fn real<T>(test: impl Future<Output = T>) -> T {
    let _guard = guard();
    System::new().block_on(test)
}

/// Lets everything happen that can happen without the clock.
///
/// On a paused clock a millisecond has passed then, which is the least that Tokio's timer knows of.
pub async fn settle() {
    tokio::time::sleep(Duration::from_nanos(1)).await;
}
