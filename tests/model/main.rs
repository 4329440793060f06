//! A second opinion on everything: random programs over the public API, run on real trees under a paused clock, and
//! compared after every step with a reference that is written as the contract is.
//!
//! A program that fails is printed with its seed, and with as little in it as is needed to fail. Settings:
//!
//! - `MODEL_PROGRAMS`: how many programs are run;
//! - `MODEL_SEED`: the seed of the first one (default: 0). The seed that is printed replays its program as the first one.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod compare;
mod picture;
mod program;
mod random;
mod readable;
mod real;
mod reference;
mod scripted;
mod shrink;
mod side_by_side;
mod threads;

use std::{
    env,
    io::{self, Write},
    panic, process,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use self::program::Program;

const PROGRAMS: u64 = 20_000;

fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(value) => value.replace('_', "").parse().expect(name),
        Err(_) => default,
    }
}

/// Panics of scripted children are no news, and what else panics is reported as a difference.
fn be_silent() {
    panic::set_hook(Box::new(|_| {}));
}

/// Whether the whole of this program could be compared, or in what it differs, and how it can be run again.
fn run(seed: u64) -> Result<bool, String> {
    let program = Program::random(seed);
    let difference = match side_by_side::run(&program) {
        Ok(is_whole) => return Ok(is_whole),
        Err(difference) => difference,
    };
    let program = program.shrunk(|program| side_by_side::run(program).is_err());
    let shrunk =
        side_by_side::run(&program).err().unwrap_or_else(|| "it passed at last".to_owned());
    Err(format!("MODEL_SEED={seed}: {difference}\n\nshrunk: {shrunk}\n\n{program}"))
}

/// Ends everything if no program comes to its end any more: nothing else would, on a clock that stands still.
fn guard(finished: &mpsc::Receiver<u64>, next: &AtomicU64) {
    loop {
        match finished.recv_timeout(Duration::from_secs(300)) {
            Ok(_seed) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let seed = next.load(Ordering::Relaxed);
                let _ = writeln!(io::stderr(), "one of the last seeds before {seed} hangs");
                process::abort();
            }
        }
    }
}

#[test]
fn real_trees_do_what_the_reference_says() {
    be_silent();
    let (first, count) = (setting("MODEL_SEED", 0), setting("MODEL_PROGRAMS", PROGRAMS));
    let next = AtomicU64::new(first);
    let (failures, whole) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let (finish, finished) = mpsc::channel();
    let work = |finish: mpsc::Sender<u64>| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - first >= count || !failures.lock().expect("no panic").is_empty() {
                return;
            }
            match run(seed) {
                Ok(true) => drop(whole.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => {}
                Err(failure) => failures.lock().expect("no panic").push(failure),
            }
            finish.send(seed).expect("the guard is there");
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let finish = finish.clone();
            let work = &work;
            scope.spawn(move || work(finish));
        }
        drop(finish);
        guard(&finished, &next);
    });
    let _default = panic::take_hook();
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let whole = whole.into_inner();
    let _ = writeln!(io::stdout(), "{whole} of {count} programs were compared to their end");
    // Of a few, all may be such that the contract does not say what is first.
    let is_enough = count < PROGRAMS || whole > count / 2;
    assert!(is_enough, "only {whole} of {count} programs could be compared to their end");
}
