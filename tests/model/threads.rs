//! Blocking services that do what a script says, at the times of the paused clock.
//!
//! A thread that has been called hands its script over to a task, which plays it as that of an async service, and blocks until that
//! tells it how to end. From when a thread is to be there until it has handed its script over, and from when it is told to end
//! until its end is told, time stands still: there is a task that is always ready.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use actix_supervisor::{CancellationToken, ChildSpec, Event, EventKind, ServiceActor};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::yield_now,
};

use crate::{
    program::{How, Name, Script, Start},
    scripted::{Presence, Stage, ended, nth, serve},
};

/// How often it is looked whether a thread is quiet, in case that the system is busy with something else for ever.
const PATIENCE: usize = 20_000;

#[derive(Clone)]
pub struct Threads {
    known: Arc<Mutex<Known>>,
    calls: UnboundedSender<Call>,
}

#[derive(Default)]
struct Known {
    services: BTreeMap<Name, Thread>,
    time_stands_still: bool,
}

/// A service, and the threads that it has called.
#[derive(Default)]
struct Thread {
    is: Is,
    /// How many calls there were.
    calls: u64,
    /// How many of them have yet to return. One that was given up may be among them, and then the next one comes after it.
    open: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Is {
    /// Down, or given up.
    #[default]
    Down,
    /// Started, and about to be called.
    Due,
    /// At work, as this call.
    Called(u64),
    /// About to return.
    Returning,
}

impl Thread {
    /// Whether something is about to happen on a thread.
    fn is_busy(&self) -> bool {
        match self.is {
            Is::Down | Is::Called(_) => false,
            Is::Due => self.open == 0,
            Is::Returning => true,
        }
    }

    fn begin(&mut self) -> u64 {
        self.calls += 1;
        self.open += 1;
        if matches!(self.is, Is::Due | Is::Returning) {
            self.is = Is::Called(self.calls);
        }
        self.calls
    }

    fn finish(&mut self, call: u64) {
        self.open -= 1;
        if self.is == Is::Called(call) {
            self.is = Is::Returning;
        }
    }
}

struct Call {
    name: Name,
    number: u64,
    script: Script,
    start: Start,
    stop: CancellationToken,
    end: mpsc::Sender<Option<How>>,
}

impl Threads {
    pub fn new() -> Self {
        let (calls, called) = unbounded_channel();
        let threads = Self { known: Arc::default(), calls };
        actix_rt::spawn(threads.clone().play(called));
        threads
    }

    /// Plays the scripts of all who are called.
    async fn play(self, mut called: UnboundedReceiver<Call>) {
        while let Some(Call { name, number, script, start, stop, end }) = called.recv().await {
            let threads = self.clone();
            actix_rt::spawn(async move {
                let how = serve(script, start, stop).await;
                threads.change(name, |thread| thread.finish(number));
                let _ = end.send(how);
            });
        }
    }

    pub fn spec(&self, name: Name, script: &Script, stage: &Stage) -> ChildSpec<ServiceActor> {
        self.with(|known| {
            known.services.entry(name).or_default();
        });
        let (threads, script, stage) = (self.clone(), script.clone(), stage.clone());
        ChildSpec::blocking(name.to_string(), move |stop: CancellationToken| {
            let start = nth(&script, stage.enters(name));
            let _is_there = Presence::new(name, &stage);
            match start {
                Start::FactoryPanics => ended(Some(How::Panics)),
                Start::FactoryErrs => ended(Some(How::Fails)),
                Start::Ends(how) => ended(Some(how)),
                Start::WithoutAdo | Start::Takes(_) | Start::Hangs => {
                    let (end, ends) = mpsc::channel();
                    threads.hand_over(name, |number| {
                        let script = script.clone();
                        Call { name, number, script, start, stop, end }
                    });
                    // If nobody plays it any more, the program is over.
                    ended(ends.recv().unwrap_or(None))
                }
            }
        })
    }

    fn with<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().expect("no panic while noting"))
    }

    /// It is known to be played before its thread counts as quiet.
    fn hand_over(&self, name: Name, call: impl FnOnce(u64) -> Call) {
        self.with(|known| {
            let thread = known.services.entry(name).or_default();
            let _ = self.calls.send(call(thread.begin()));
        });
    }

    pub fn note(&self, event: &Event, about: Name) {
        use EventKind::*;
        if !self.with(|known| known.services.contains_key(&about)) {
            return;
        }
        let is = match event.kind {
            ChildStarted { .. } | ChildRestarted { .. } => Is::Due,
            ChildFailed { .. } | ChildStopped { .. } | ChildEnded { .. } | StopTimeout { .. } => {
                Is::Down
            }
            _ => return,
        };
        self.change(about, |thread| thread.is = is);
    }

    fn change(&self, name: Name, change: impl FnOnce(&mut Thread)) {
        let is_news = self.with(|known| {
            change(known.services.entry(name).or_default());
            known.is_busy() && !mem::replace(&mut known.time_stands_still, true)
        });
        if is_news {
            actix_rt::spawn(self.clone().until_all_are_quiet());
        }
    }

    async fn until_all_are_quiet(self) {
        for _ in 0..PATIENCE {
            if self.with(|known| !known.is_busy()) {
                break;
            }
            thread::yield_now();
            yield_now().await;
        }
        self.with(|known| known.time_stands_still = false);
    }
}

impl Known {
    fn is_busy(&self) -> bool {
        self.services.values().any(Thread::is_busy)
    }
}
