//! The application: the tree, and the addresses of its parts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Backoff, CancellationToken, ChildSpec, Event, OnLimit, Placement, ServiceActor, Spec,
    SpecError, Strategy, Subscribe, Supervisor,
};

use crate::{
    measure::Measures,
    target::{Books, Place, Target},
    worker::{WATCHDOG, Worker},
};

/// How often a service looks whether it is to crash.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) struct App {
    pub(crate) root: Addr<Supervisor>,
    /// The root first.
    pub(crate) supervisors: Vec<Addr<Supervisor>>,
    pub(crate) sessions: Addr<Supervisor>,
    /// The store last: the others write to it.
    pub(crate) targets: Vec<Target>,
    /// The services, each of which crashes when it finds this set.
    pub(crate) fuses: Vec<Arc<AtomicBool>>,
}

impl App {
    pub(crate) fn start(measures: &Arc<Measures>) -> Result<App, SpecError> {
        let mut parts = Parts::default();
        let (store, to_store) = parts.actor("store", Place::Elsewhere, None);
        let store = store.placement(Placement::Dedicated).watchdog(WATCHDOG).drain(true);
        let (slow, _) = parts.actor("slow", Place::Main, None);
        let backoff = Backoff::exponential(Duration::from_millis(1), Duration::from_millis(20));
        let pool = parts.pool("pool", 4);
        let workers = parts.workers(&to_store)?;
        let group = patient().strategy(Strategy::RestForOne);
        let group = parts.nested("group", group, 3)?;
        let moody = parts.nested("moody", touchy(OnLimit::Backoff), 2)?;
        let fragile = parts.nested("fragile", touchy(OnLimit::Escalate), 2)?;
        let sessions = Supervisor::with_spec("sessions", patient())?;
        let recorder = ChildSpec::actor("recorder", |_| Recorder { _events: 0 });

        let measured = Arc::clone(measures);
        let spec = patient().arbiters(2).event_hook(move |event| measured.told(event));
        let root = Supervisor::with_spec("soak", spec)?;
        root.addr().do_send(Subscribe(recorder.addr().recipient()));
        let supervisors = [&root, &workers, &group, &moody, &fragile, &sessions];
        let supervisors = supervisors.map(Supervisor::addr).to_vec();
        let app_sessions = sessions.addr();
        let root = root
            .try_child(store)?
            .try_child(ChildSpec::supervisor(workers))?
            .try_child(pool)?
            .try_child(ChildSpec::supervisor(group))?
            .try_child(ChildSpec::supervisor(moody))?
            .try_child(ChildSpec::supervisor(fragile))?
            .try_child(slow.backoff(backoff))?
            .try_child(ChildSpec::supervisor(sessions))?
            .try_child(recorder)?
            .try_child(parts.ticker())?
            .try_child(parts.drive())?
            .start();

        let Parts { mut targets, fuses } = parts;
        targets.rotate_left(1);
        Ok(App { root, supervisors, sessions: app_sessions, targets, fuses })
    }
}

/// Fails over nothing.
fn patient() -> Spec {
    Spec::default().failure_threshold(f64::MAX)
}

/// At its limit again and again.
fn touchy(on_limit: OnLimit) -> Spec {
    let decay = Duration::from_millis(500);
    let pause = Duration::from_millis(50);
    Spec::default()
        .failure_threshold(2.0)
        .failure_decay(decay)
        .failure_backoff(pause)
        .on_limit(on_limit)
}

#[derive(Default)]
struct Parts {
    targets: Vec<Target>,
    fuses: Vec<Arc<AtomicBool>>,
}

impl Parts {
    fn actor(
        &mut self,
        name: impl Into<String>,
        place: Place,
        store: Option<&Target>,
    ) -> (ChildSpec<Worker>, Target) {
        let (books, store) = (Arc::new(Books::default()), store.cloned());
        let of_all = Arc::clone(&books);
        let name = name.into();
        let spec = ChildSpec::actor(&name, move |_| Worker::new(&of_all, store.as_ref()));
        let target = Target { name, place, addr: spec.addr(), books };
        self.targets.push(target.clone());
        (spec, target)
    }

    fn pool(&mut self, name: &str, members: usize) -> ChildSpec<Worker> {
        let books = Arc::new(Books::default());
        let of_all = Arc::clone(&books);
        let spec = ChildSpec::pool(name, members, move |_| Worker::new(&of_all, None));
        let spec = spec.placement(Placement::Pool).watchdog(WATCHDOG);
        let (name, place, addr) = (name.to_owned(), Place::Elsewhere, spec.addr());
        self.targets.push(Target { name, place, addr, books });
        spec
    }

    fn workers(&mut self, store: &Target) -> Result<Supervisor, SpecError> {
        let mut workers = Supervisor::with_spec("workers", patient().arbiters(3))?;
        for number in 1..=8 {
            let (spec, _) = self.actor(format!("worker-{number}"), Place::Elsewhere, Some(store));
            workers = workers.try_child(spec.placement(Placement::Pool).watchdog(WATCHDOG))?;
        }
        Ok(workers)
    }

    fn nested(&mut self, name: &str, spec: Spec, children: u32) -> Result<Supervisor, SpecError> {
        let mut supervisor = Supervisor::with_spec(name, spec)?;
        for number in 1..=children {
            let (spec, _) = self.actor(format!("{name}-{number}"), Place::Main, None);
            supervisor = supervisor.try_child(spec)?;
        }
        Ok(supervisor)
    }

    fn fuse(&mut self) -> Arc<AtomicBool> {
        let fuse = Arc::<AtomicBool>::default();
        self.fuses.push(Arc::clone(&fuse));
        fuse
    }

    /// Returns an error when its fuse blows.
    fn ticker(&mut self) -> ChildSpec<ServiceActor> {
        let fuse = self.fuse();
        ChildSpec::service("ticker", move |stop: CancellationToken| {
            let fuse = Arc::clone(&fuse);
            async move {
                let mut ticks = tokio::time::interval(LOOK);
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    if fuse.swap(false, Ordering::Relaxed) {
                        return Err("the fuse has blown");
                    }
                }
                Ok(())
            }
        })
    }

    /// Panics when its fuse blows.
    fn drive(&mut self) -> ChildSpec<ServiceActor> {
        let fuse = self.fuse();
        ChildSpec::blocking("drive", move |stop: CancellationToken| {
            while !stop.is_cancelled() {
                assert!(!fuse.swap(false, Ordering::Relaxed), "the fuse has blown");
                thread::park_timeout(LOOK);
            }
        })
    }
}

/// Is told of everything, as a log or a dashboard would be.
struct Recorder {
    _events: u64,
}

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Handler<Event> for Recorder {
    type Result = ();

    fn handle(&mut self, _: Event, _: &mut Self::Context) {
        self._events += 1;
    }
}
