//! What the tests share: a paused clock, a journal, and an actor that does what it is told.

use std::{
    collections::VecDeque,
    env,
    future::Future,
    io::{self, Write},
    process,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use actix::{fut::wrap_future, prelude::*};
use actix_supervisor::{
    ChildInfo, ChildSpec, ChildState, ChildToken, Event, EventKind, Failure, List, Placement, Spec,
    Status, Subscribe, SupervisedContext, Supervisor, SupervisorStatus,
};
use tokio::time::Instant;

/// Ends the whole run if this test hangs: nothing else would, on a clock that stands still.
pub fn guard() -> mpsc::Sender<()> {
    let (guard, over) = mpsc::channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        let waited = over.recv_timeout(secs(120));
        if waited == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = writeln!(io::stderr(), "{test} hangs");
            process::abort();
        }
    });
    guard
}

/// Runs a test on an Actix system whose clock goes on only when everything waits for it.
pub fn paused<T>(test: impl Future<Output = T>) -> T {
    let _guard = guard();
    let system = System::with_tokio_rt(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().expect("a runtime")
    });
    system.block_on(test)
}

/// Where probes and puppets run: inline, unless this variable is `arbiter`.
pub const PLACEMENT: &str = "SUPERVISOR_TEST_PLACEMENT";

/// Whether they run as they would on another thread: each start is a job of the arbiter, which is that of the test's own
/// thread, so that the clock stays paused.
pub fn is_elsewhere() -> bool {
    env::var_os(PLACEMENT).is_some_and(|place| place == "arbiter")
}

/// Puts a child where this run of the suite has them.
pub fn placed<A: Actor<Context = Context<A>>>(spec: ChildSpec<A>) -> ChildSpec<A> {
    match Arbiter::try_current() {
        Some(arbiter) if is_elsewhere() => spec.placement(Placement::Arbiter(arbiter)),
        Some(_) | None => spec,
    }
}

/// Lets everything happen that can happen without the clock.
pub async fn settle() {
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

#[expect(clippy::disallowed_methods, reason = "tests compare times")]
pub fn now() -> Instant {
    Instant::now()
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What has happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub fn note(&self, entry: impl Into<String>) {
        self.0.lock().expect("no panic while noting").push(entry.into());
    }

    /// All entries since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic while noting"))
    }

    pub fn count(&self, entry: &str) -> usize {
        let entries = self.0.lock().expect("no panic while noting");
        entries.iter().filter(|noted| *noted == entry).count()
    }
}

/// An actor that notes what happens to it, as `name: what`, and does what it is told.
pub struct Probe {
    name: String,
    /// The number of its incarnation, from 1 on.
    life: u32,
    journal: Journal,
    on_stopping: Running,
}

impl Probe {
    /// A spec of a probe that notes in this journal.
    pub fn spec(name: &str, journal: &Journal) -> ChildSpec<Probe> {
        let mut make = Probe::maker(name, journal);
        placed(ChildSpec::actor(name, move |_| make()))
    }

    /// As [`Probe::spec`], and `stopping` answers `Continue` from the start.
    pub fn hung(name: &str, journal: &Journal) -> ChildSpec<Probe> {
        let mut make = Probe::maker(name, journal);
        placed(ChildSpec::actor(name, move |_| {
            let mut probe = make();
            probe.on_stopping = Running::Continue;
            probe
        }))
    }

    /// As [`Probe::spec`], and it is ready only after this time.
    pub fn slow(name: &str, journal: &Journal, time: Duration) -> ChildSpec<Probe> {
        let mut make = Probe::maker(name, journal);
        placed(ChildSpec::actor(name, move |ctx| {
            ctx.wait(wrap_future::<_, Probe>(sleep(time)));
            make()
        }))
    }

    pub fn maker(name: &str, journal: &Journal) -> impl FnMut() -> Probe + Send + 'static {
        let (name, journal, mut life) = (name.to_owned(), journal.clone(), 0);
        move || {
            life += 1;
            journal.note(format!("{name}: made {life}"));
            Probe { name: name.clone(), life, journal: journal.clone(), on_stopping: Running::Stop }
        }
    }

    fn note(&self, what: &str) {
        self.journal.note(format!("{}: {what}", self.name));
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        self.note("started");
    }

    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        self.note("stopping");
        self.on_stopping
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        self.note("stopped");
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

/// Something that a probe is told to do. Answers with the number of its incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Message)]
#[rtype(result = "u32")]
pub enum Do {
    Nothing,
    /// Notes the number.
    Note(u32),
    Panic,
    Fail,
    Stop,
    Terminate,
    Finish,
    TerminateTree,
    /// From now on `stopping` answers `Continue`.
    RefuseToStop,
}

impl Handler<Do> for Probe {
    type Result = u32;

    fn handle(&mut self, what: Do, ctx: &mut Self::Context) -> u32 {
        match what {
            Do::Nothing => {}
            Do::Note(number) => self.note(&format!("handled {number} in life {}", self.life)),
            Do::Panic => panic!("told to panic"),
            Do::Fail => ctx.fail("told to fail"),
            Do::Stop => ctx.stop(),
            Do::Terminate => ctx.terminate(),
            Do::Finish => ctx.finish(),
            Do::TerminateTree => ctx.terminate_tree("told to end it all"),
            Do::RefuseToStop => self.on_stopping = Running::Continue,
        }
        self.life
    }
}

/// Keeps the events that it is sent.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<VecDeque<Event>>>);

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

impl Events {
    /// A spec whose hook keeps the events.
    pub fn hook(&self, spec: Spec) -> Spec {
        let events = self.clone();
        spec.event_hook(move |event| events.push(event.clone()))
    }

    /// Subscribes to them.
    pub async fn of(supervisor: &Addr<Supervisor>) -> Self {
        let events = Self::default();
        supervisor.send(Subscribe(events.recipient())).await.expect("it runs");
        events
    }

    /// What to subscribe with.
    pub fn recipient(&self) -> Recipient<Event> {
        Listener(self.clone()).start().recipient()
    }

    fn push(&self, event: Event) {
        self.0.lock().expect("no panic while noting").push_back(event);
    }

    /// All of them since the last time.
    pub fn take(&self) -> Vec<Event> {
        self.0.lock().expect("no panic while noting").drain(..).collect()
    }

    /// As lines: `path: Kind`.
    pub fn lines(&self) -> Vec<String> {
        self.take().iter().map(line).collect()
    }
}

pub fn line(event: &Event) -> String {
    let debug = format!("{:?}", event.kind);
    let kind = debug.split([' ', '{', '(']).next().unwrap_or_default();
    format!("{}: {kind}", event.path.join("/"))
}

pub fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::ChildFailed { .. })
}

/// The failures that these events tell of.
pub fn failures(events: &[Event]) -> Vec<Failure> {
    let failure = |event: &Event| match &event.kind {
        EventKind::ChildFailed { failure, .. } => Some(failure.clone()),
        _ => None,
    };
    events.iter().filter_map(failure).collect()
}

pub async fn status(supervisor: &Addr<Supervisor>) -> SupervisorStatus {
    supervisor.send(Status).await.expect("it runs")
}

pub async fn list(supervisor: &Addr<Supervisor>) -> Vec<ChildInfo> {
    supervisor.send(List).await.expect("it runs")
}

/// Name and state of each child.
pub async fn states(supervisor: &Addr<Supervisor>) -> Vec<(String, ChildState)> {
    list(supervisor).await.into_iter().map(|child| (child.name, child.state)).collect()
}

/// What a supervisor tells of its child of this name.
pub async fn info(supervisor: &Addr<Supervisor>, name: &str) -> ChildInfo {
    let mut children = list(supervisor).await.into_iter();
    children.find(|child| child.name == name).expect("it is listed")
}

pub async fn token(supervisor: &Addr<Supervisor>, name: &str) -> ChildToken {
    info(supervisor, name).await.token
}

/// A spec that pauses at the first failure.
pub fn fragile() -> Spec {
    exact().failure_threshold(0.0)
}

/// A spec that pauses for exactly 15 s.
pub fn exact() -> Spec {
    Spec::default().backoff_jitter(0.0)
}

/// A supervisor with this spec, started.
pub fn start(name: &str, spec: Spec) -> Addr<Supervisor> {
    Supervisor::with_spec(name, spec).expect("a sensible spec").start()
}
