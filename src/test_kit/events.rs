//! What a supervisor tells, to look at and to wait for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::{Actor, Addr, Context, Handler, Recipient};
use tokio::sync::Notify;

use crate::{Event, Spec, Subscribe, Supervisor};

/// The events of a supervisor and of those below it, in the order told. Its clones are one collection: each event is given out once.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{ChildSpec, CancellationToken, Spec, Supervisor, test_kit::{Events, real}};
///
/// # real(async {
/// let (spec, events) = Events::hooked(Spec::default());
/// let once = ChildSpec::service("once", |_: CancellationToken| async {})
///     .restart(actix_supervisor::RestartPolicy::Transient);
/// let _root = Supervisor::with_spec("root", spec)?.child(once).start();
/// events.until("root/once: ChildEnded").await;
/// # Ok::<(), actix_supervisor::SpecError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<VecDeque<Event>>,
    more: Notify,
}

impl Events {
    /// A spec whose hook collects the events, and the collection.
    pub fn hooked(spec: Spec) -> (Spec, Self) {
        let events = Self::default();
        (events.hook(spec), events)
    }

    /// A spec whose hook collects the events here.
    pub fn hook(&self, spec: Spec) -> Spec {
        let events = self.clone();
        spec.event_hook(move |event| events.push(event.clone()))
    }

    /// Subscribes to a supervisor that runs.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub async fn of(supervisor: &Addr<Supervisor>) -> Self {
        let events = Self::default();
        let subscribed = supervisor.send(Subscribe(events.recipient())).await;
        subscribed.unwrap_or_else(|error| panic!("the supervisor has ended: {error}"));
        events
    }

    /// What to [subscribe](Subscribe) with.
    pub fn recipient(&self) -> Recipient<Event> {
        Listener(self.clone()).start().recipient()
    }

    /// All of them since the last time.
    pub fn take(&self) -> Vec<Event> {
        self.events().drain(..).collect()
    }

    /// All of them since the last time, as [lines](line()).
    pub fn lines(&self) -> Vec<String> {
        self.take().iter().map(line).collect()
    }

    /// Waits for the next one.
    pub async fn next(&self) -> Event {
        loop {
            let more = self.0.more.notified();
            let next = self.events().pop_front();
            match next {
                Some(event) => return event,
                None => more.await,
            }
        }
    }

    /// Waits for the one that is this [line](line()), and returns it. Those before it are gone.
    pub async fn until(&self, wanted: &str) -> Event {
        loop {
            let event = self.next().await;
            if line(&event) == wanted {
                return event;
            }
        }
    }

    fn push(&self, event: Event) {
        self.events().push_back(event);
        // Kept, if nobody waits just now.
        self.0.more.notify_one();
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event as a short line, `path: Kind`: `root/worker: ChildRestarted`.
pub fn line(event: &Event) -> String {
    format!("{}: {}", event.path.join("/"), event.kind.name())
}

struct Listener(Events);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Event> for Listener {
    type Result = ();

    fn handle(&mut self, event: Event, _ctx: &mut Self::Context) {
        self.0.push(event);
    }
}
