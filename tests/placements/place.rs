//! The placement as a parameter; threads, and what keeps them busy.

use std::{
    cell::RefCell,
    io::{self, Write},
    panic::{AssertUnwindSafe, resume_unwind},
    thread::{self, ThreadId},
    time::Duration,
};

use actix::prelude::*;
pub use actix_supervisor::test_kit::Stuck;
use actix_supervisor::{ChildSpec, Event, EventKind, Failure, Placement, Spec, Supervisor};
use futures::{FutureExt, future::join_all};
use tokio::sync::{
    mpsc::{UnboundedReceiver, unbounded_channel},
    oneshot,
};

use crate::{
    puppet::{OnDrop, Puppet, tell},
    seen::{Events, real},
};

/// A watchdog's limit: longer than a busy machine lets a thread wait for its turn.
pub const LIMIT: Duration = Duration::from_secs(1);

/// Runs a test with one placement, and says so if it fails.
async fn with(name: &'static str, test: &impl AsyncFn(Placement)) {
    let arbiter = Arbiter::new();
    let place = match name {
        "Inline" => Placement::Inline,
        "Arbiter" => Placement::Arbiter(arbiter.handle()),
        "Dedicated" => Placement::Dedicated,
        _ => Placement::Pool,
    };
    if let Err(panic) = AssertUnwindSafe(test(place)).catch_unwind().await {
        let _ = writeln!(io::stderr(), "with placement {name}");
        resume_unwind(panic);
    }
    arbiter.stop();
}

/// Runs a test with each placement.
pub fn each_placement(test: impl AsyncFn(Placement)) {
    for name in ["Inline", "Arbiter", "Dedicated", "Pool"] {
        real(with(name, &test));
    }
}

/// Runs a test with each placement on another thread, all at the same time.
pub fn each_elsewhere(test: impl AsyncFn(Placement)) {
    real(async {
        join_all(["Arbiter", "Dedicated", "Pool"].map(|name| with(name, &test))).await;
    });
}

/// Runs a test with each placement on another thread, one after the other: each has a clock of its own, to pause.
pub fn by_turns_elsewhere(test: impl AsyncFn(Placement)) {
    for name in ["Arbiter", "Dedicated", "Pool"] {
        real(with(name, &test));
    }
}

/// Runs a test with each placement on threads of the supervisor's, all at the same time.
pub fn each_of_its_own(test: impl AsyncFn(Placement)) {
    real(async {
        join_all(["Dedicated", "Pool"].map(|name| with(name, &test))).await;
    });
}

/// A puppet that is placed there.
pub fn puppet(name: &str, place: &Placement) -> ChildSpec<Puppet> {
    Puppet::spec(name).placement(place.clone())
}

/// One whose thread is watched.
pub fn watched(name: &str, place: &Placement) -> ChildSpec<Puppet> {
    puppet(name, place).watchdog(LIMIT)
}

/// No number of failures is too much for it.
pub fn patient() -> Spec {
    Spec::default().failure_threshold(f64::MAX)
}

/// A supervisor of these children, started.
pub fn root(
    spec: Spec,
    children: impl IntoIterator<Item = ChildSpec<Puppet>>,
) -> (Addr<Supervisor>, Events) {
    let (spec, seen) = Events::hooked(spec);
    let root = Supervisor::with_spec("root", spec).expect("a sensible spec");
    (children.into_iter().fold(root, Supervisor::child).start(), seen)
}

/// Has a puppet find something out.
pub async fn ask<T: Send + 'static>(
    addr: &Addr<Puppet>,
    what: impl FnOnce(&mut Puppet, &mut Context<Puppet>) -> T + Send + 'static,
) -> T {
    let (reply, answer) = oneshot::channel();
    let asked = tell(move |puppet, ctx| {
        let _ = reply.send(what(puppet, ctx));
    });
    addr.send(asked).await.expect("it runs");
    answer.await.expect("it has answered")
}

pub async fn thread_of(addr: &Addr<Puppet>) -> ThreadId {
    ask(addr, |_, _| thread::current().id()).await
}

pub async fn thread_name_of(addr: &Addr<Puppet>) -> String {
    ask(addr, |_, _| thread::current().name().unwrap_or_default().to_owned()).await
}

/// Dropped by the thread that this runs on, when it ends.
pub fn keep_until_the_thread_ends(last: OnDrop) {
    thread_local! {
        static LAST: RefCell<Vec<OnDrop>> = const { RefCell::new(Vec::new()) };
    }
    LAST.with_borrow_mut(|kept| kept.push(last));
}

/// Is told when this puppet's thread ends.
pub async fn end_of_thread_of(addr: &Addr<Puppet>) -> UnboundedReceiver<()> {
    let (ends, ended) = unbounded_channel();
    let last = OnDrop::new(move || {
        let _ = ends.send(());
    });
    ask(addr, |_, _| keep_until_the_thread_ends(last)).await;
    ended
}

/// Has this puppet be stuck in a handler.
pub async fn stick(addr: &Addr<Puppet>) -> Stuck {
    let (block, mut stuck) = Stuck::new();
    addr.do_send(tell(move |_, _| block()));
    stuck.is_stuck().await;
    stuck
}

/// The failure that this event tells of.
pub fn failure(event: &Event) -> &Failure {
    match &event.kind {
        EventKind::ChildFailed { failure, .. } => failure,
        kind => panic!("{kind:?} is no failure"),
    }
}
