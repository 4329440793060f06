//! The way of an event up the tree: to the hook and the subscribers of each supervisor on it.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use actix::Recipient;
use log::Level;

#[cfg(feature = "metrics")]
use crate::supervisor::Labels;
#[cfg(feature = "web")]
use crate::web::Hub;
use crate::{
    child::panics,
    event::{Event, EventKind},
    record,
    spec::EventHook,
};

/// Where a supervisor's events go.
///
/// They are delivered in the order decided (I9), on the thread of the supervisor that decided.
pub(crate) struct Bus {
    name: Arc<str>,
    hook: Option<EventHook>,
    subscribers: Mutex<Vec<Recipient<Event>>>,
    /// Whether there are any: so nobody locks them to find that out, at each event and each level.
    has_subscribers: AtomicBool,
    parent: OnceLock<Arc<Bus>>,
    #[cfg(feature = "metrics")]
    labels: Labels,
    #[cfg(feature = "web")]
    hub: OnceLock<Arc<Hub>>,
}

impl Bus {
    pub(crate) fn new(name: Arc<str>, hook: Option<EventHook>) -> Self {
        Self {
            name,
            hook,
            subscribers: Mutex::default(),
            has_subscribers: AtomicBool::new(false),
            parent: OnceLock::new(),
            #[cfg(feature = "metrics")]
            labels: Labels::default(),
            #[cfg(feature = "web")]
            hub: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Events go on to this one. A supervisor has one parent for life.
    pub(crate) fn set_parent(&self, parent: &Arc<Bus>) {
        let _ = self.parent.set(Arc::clone(parent));
    }

    pub(crate) fn subscribe(&self, subscriber: Recipient<Event>) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|known| known.connected() && *known != subscriber);
        subscribers.push(subscriber);
        self.has_subscribers.store(true, Ordering::Release);
    }

    /// Where events are kept for those who look at them, from the first time on that somebody wants to.
    #[cfg(feature = "web")]
    pub(crate) fn hub(&self) -> Arc<Hub> {
        Arc::clone(self.hub.get_or_init(|| Arc::new(Hub::new())))
    }

    /// Delivers an event about this supervisor, or about a child of it.
    ///
    /// `loudest` is the highest level that it may be logged at: it is not even made if nobody listens.
    pub(crate) fn emit(
        &self,
        child: Option<&str>,
        loudest: Level,
        kind: impl FnOnce() -> EventKind,
    ) {
        if self.is_heard(loudest) {
            self.spread(child, loudest, &kind());
        }
    }

    /// Whether anybody would hear of an event, here or above.
    pub(crate) fn is_heard(&self, loudest: Level) -> bool {
        self.way_up().any(|bus| bus.listens(loudest))
    }

    /// Delivers an event to all who listen. Most restarts are told to nobody.
    #[cold]
    pub(crate) fn spread(&self, child: Option<&str>, loudest: Level, kind: &EventKind) {
        let mut path: Vec<String> = child.map(str::to_owned).into_iter().collect();
        for bus in self.way_up() {
            path.insert(0, String::from(&*bus.name));
            if bus.listens(loudest) {
                bus.deliver(&Event { path: path.clone(), kind: kind.clone() });
            }
        }
    }

    /// Its name and those above it, from the root on.
    pub(crate) fn path(&self) -> String {
        let mut names: Vec<&str> = self.way_up().map(|bus| &*bus.name).collect();
        names.reverse();
        names.join("/")
    }

    /// As [`path`](Self::path), where each name but the first is a label of the one above it.
    #[cfg(feature = "metrics")]
    pub(crate) fn label(&self) -> String {
        match self.parent.get() {
            Some(parent) => format!("{}/{}", parent.label(), parent.labels.of(&self.name)),
            None => self.name.to_string(),
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// This one, and those above it.
    fn way_up(&self) -> impl Iterator<Item = &Bus> {
        std::iter::successors(Some(self), |bus| bus.parent.get().map(|parent| &**parent))
    }

    fn listens(&self, loudest: Level) -> bool {
        // A logger is the user's code.
        let enabled = || panics::catch(|| record::is_enabled(loudest));
        let logs = || self.logs() && record::may_be_enabled(loudest) && enabled().unwrap_or(false);
        #[cfg(feature = "web")]
        if self.hub.get().is_some() {
            return true;
        }
        self.hook.is_some() || logs() || self.has_subscribers.load(Ordering::Acquire)
    }

    /// The default hook is that of the root: each event is logged once.
    fn logs(&self) -> bool {
        self.hook.is_none() && self.parent.get().is_none()
    }

    fn deliver(&self, event: &Event) {
        if let Some(hook) = &self.hook {
            if let Err(panic) = panics::catch(|| hook(event)) {
                let name = &self.name;
                panics::log(Level::Error, format_args!("the event hook of {name} {panic}"));
            }
        } else if self.logs() {
            // Of a logger's panic nothing can be said: the log is where it would be said.
            let _ = panics::catch(|| record::event(event));
        }
        #[cfg(feature = "web")]
        if let Some(hub) = self.hub.get() {
            hub.record(event);
        }
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| {
            subscriber.do_send(event.clone());
            subscriber.connected()
        });
        self.has_subscribers.store(!subscribers.is_empty(), Ordering::Release);
    }
}
