//! What comes and goes: children that are added, used for a while, and removed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix_supervisor::{Add, AddAndWait, Child, ChildSpec, Remove, RemoveAndWait};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    app::App,
    load::{Ids, ask},
    measure::{Measures, now},
    settings::Settings,
    target::{Books, Place, Target},
    worker::{Act, Worker},
};

/// One comes every so often.
const EVERY: Duration = Duration::from_millis(10);
/// How many there are.
const SESSIONS: usize = 50;
/// Who sends to them, as a number of a sender.
const SENDER: u64 = 1 << 15;

type Session = (Child<Worker>, Arc<Books>);

/// Ends when the last one has been removed.
pub(crate) fn start(app: &App, measures: &Arc<Measures>, settings: &Settings) -> JoinHandle<()> {
    let (supervisor, measures) = (app.sessions.clone(), Arc::clone(measures));
    let (seconds, mut rng) = (settings.seconds, fastrand::Rng::with_seed(!settings.seed));
    actix::spawn(async move {
        let (begin, mut ids, mut ticks) = (now(), Ids::of(SENDER), interval(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sessions = VecDeque::<Session>::new();
        while begin.elapsed().as_secs() < seconds || !sessions.is_empty() {
            ticks.tick().await;
            let is_over = begin.elapsed().as_secs() >= seconds;
            if !is_over {
                let books = Arc::new(Books::default());
                let of_all = Arc::clone(&books);
                let spec = ChildSpec::actor("session", move |_| Worker::new(&of_all, None));
                let added = match rng.bool() {
                    true => supervisor.send(Add(spec)).await,
                    false => supervisor.send(AddAndWait(spec)).await,
                };
                // Not if the supervisor was just killed: then it answers no, or not at all.
                if let Ok(Ok(child)) = added {
                    measures.added.add();
                    sessions.push_back((child, books));
                }
            }
            use_some(&sessions, &mut rng, &mut ids, &measures);
            if (sessions.len() > SESSIONS || is_over)
                && let Some((child, _)) = sessions.pop_front()
            {
                let token = child.token();
                let removed = match rng.bool() {
                    true => supervisor.send(Remove(token)).await,
                    false => supervisor.send(RemoveAndWait { token, timeout: None }).await,
                };
                // Not found: it has gone with a former incarnation of its supervisor.
                if let Ok(Ok(())) = removed {
                    measures.removed.add();
                }
            }
        }
    })
}

fn use_some(
    sessions: &VecDeque<Session>,
    rng: &mut fastrand::Rng,
    ids: &mut Ids,
    measures: &Arc<Measures>,
) {
    if sessions.is_empty() {
        return;
    }
    for act in [Act::Work, Act::Work, Act::Panic, Act::Work] {
        let (child, books) = &sessions[rng.usize(..sessions.len())];
        let (addr, books) = (child.addr(), Arc::clone(books));
        let target = Target { name: "session".into(), place: Place::Main, addr, books };
        actix::spawn(ask(target, ids.next(), act, Arc::clone(measures)));
    }
}
