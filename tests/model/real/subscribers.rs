//! Each nested supervisor has a subscriber, who is told what the hook at the root is told from there, in the same order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use actix_supervisor::{Event, EventKind, Subscribe, Supervisor};

use crate::program::Name;

#[derive(Default)]
pub struct Subscribers {
    /// What the root's hook was told.
    pub all: Vec<Event>,
    told: BTreeMap<Name, Arc<Mutex<Vec<String>>>>,
}

struct Subscriber(Arc<Mutex<Vec<String>>>);

impl Actor for Subscriber {
    type Context = Context<Self>;
}

impl Handler<Event> for Subscriber {
    type Result = ();

    fn handle(&mut self, event: Event, _ctx: &mut Self::Context) {
        let line = line(&event.path, &event);
        self.0.lock().expect("no panic while noting").push(line);
    }
}

fn line(path: &[String], event: &Event) -> String {
    format!("{} {:?}", path.join("/"), event.kind)
}

fn is_of_a_supervisor(event: &Event) -> bool {
    use EventKind::*;
    matches!(
        event.kind,
        BackoffEntered { .. }
            | BackoffLeft
            | LimitReached { .. }
            | SupervisorStarted
            | SupervisorStopped { .. }
    )
}

impl Subscribers {
    pub fn subscribe_to(&mut self, name: Name, supervisor: &Addr<Supervisor>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let subscriber = Subscriber(Arc::clone(&told)).start();
        supervisor.do_send(Subscribe(subscriber.recipient()));
        self.told.insert(name, told);
    }

    /// From when its subscription was served on, a subscriber is told all.
    pub fn missed(&self) -> Option<String> {
        self.told.iter().find_map(|(name, told)| {
            let from_there = |event: &Event| {
                let at = event.path.iter().position(|part| *part == name.to_string())?;
                // What is told of it as a child is told by the supervisor above.
                let is_its_own = at + 1 < event.path.len() || is_of_a_supervisor(event);
                is_its_own.then(|| line(&event.path[at..], event))
            };
            let all: Vec<String> = self.all.iter().filter_map(from_there).collect();
            let told = told.lock().expect("no panic while noting");
            let is_all = all.ends_with(&told);
            (!is_all)
                .then(|| format!("the subscriber of {name} was told {told:#?}, and not {all:#?}"))
        })
    }
}
