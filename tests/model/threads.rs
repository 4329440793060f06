//! Blocking services that do what a script says, at the times of the paused clock.
//!
//! A thread that has been called hands its script over to a task, which plays it as that of an async service, and blocks until that
//! tells it how to end. From when a thread is to be there until it has handed its script over, and from when it is told to end
//! until its end is told, time stands still: there is a task that is always ready.

use std::{
    collections::BTreeMap,
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

/// How often it is looked whether a thread is quiet. One that was stopped before it was there never is: then the reference does
/// not know what is first either.
const PATIENCE: usize = 20_000;

#[derive(Clone)]
pub struct Threads {
    known: Arc<Mutex<Known>>,
    calls: UnboundedSender<Call>,
}

#[derive(Default)]
struct Known {
    is_busy: BTreeMap<Name, bool>,
    time_stands_still: bool,
}

struct Call {
    name: Name,
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
        while let Some(Call { name, script, start, stop, end }) = called.recv().await {
            let threads = self.clone();
            actix_rt::spawn(async move {
                let how = serve(script, start, stop).await;
                threads.is_busy(name);
                let _ = end.send(how);
            });
        }
    }

    pub fn spec(&self, name: Name, script: &Script, stage: &Stage) -> ChildSpec<ServiceActor> {
        self.with(|known| *known.is_busy.entry(name).or_default());
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
                    threads.hand_over(Call { name, script: script.clone(), start, stop, end });
                    // If nobody plays it any more, the program is over.
                    ended(ends.recv().unwrap_or(None))
                }
            }
        })
    }

    fn with<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().expect("no panic while noting"))
    }

    fn hand_over(&self, call: Call) {
        let name = call.name;
        let _ = self.calls.send(call);
        self.with(|known| known.is_busy.insert(name, false));
    }

    pub fn note(&self, event: &Event, about: Name) {
        use EventKind::*;
        if !self.with(|known| known.is_busy.contains_key(&about)) {
            return;
        }
        match event.kind {
            ChildStarted { .. } | ChildRestarted { .. } => self.is_busy(about),
            ChildFailed { .. } | ChildStopped { .. } | ChildEnded { .. } | StopTimeout { .. } => {
                self.with(|known| known.is_busy.insert(about, false));
            }
            _ => {}
        }
    }

    fn is_busy(&self, name: Name) {
        let is_watched = self.with(|known| {
            known.is_busy.insert(name, true);
            std::mem::replace(&mut known.time_stands_still, true)
        });
        if !is_watched {
            actix_rt::spawn(self.clone().until_all_are_quiet());
        }
    }

    async fn until_all_are_quiet(self) {
        for _ in 0..PATIENCE {
            if self.with(|known| known.is_busy.values().all(|is_busy| !is_busy)) {
                break;
            }
            thread::yield_now();
            yield_now().await;
        }
        self.with(|known| {
            known.is_busy.values_mut().for_each(|is_busy| *is_busy = false);
            known.time_stands_still = false;
        });
    }
}
