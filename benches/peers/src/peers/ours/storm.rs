//! A hundred thousand children that fail at once, and those that wait for their restart.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use actix_supervisor::{Add, Backoff, ChildSpec, List, Status, Supervisor, SupervisorState};

use super::{Fate, Idle, Number, Report, Worker, supervisor, tireless};
use crate::meter::{Gate, Outcome, cpu_while_idle, nanos};

/// The sender of a storm that is watched takes so many turns of this many messages.
const SLICE: usize = 64;

pub(super) async fn storm(n: usize, fate: Fate) -> Outcome {
    let root = supervisor("root", tireless()).start();
    let workers = workers(&root, n, None).await?;

    // Once for the time that it takes,
    let back = all_back(&workers, fate).await;

    // and once watched.
    let other = supervisor("other", tireless());
    let other = (0..10).fold(other, |other, _| other.child(ChildSpec::actor("idle", |_| Idle)));
    let other = other.start();
    Gate::expect(n);
    let over = Rc::new(Cell::new(false));
    let watch = actix_rt::spawn(watch(root, other, Rc::clone(&over)));
    for slice in workers.chunks(SLICE) {
        end_and_report(slice, fate);
        tokio::task::yield_now().await;
    }
    Gate::all().await;
    over.set(true);
    let slowest = watch.await.map_err(|_| "nobody watched")?;
    let slowest = slowest.ok_or("a supervisor has ended")?;
    let [other_status, other_list, own_status, plain] = slowest;
    Ok(vec![
        ("back", back),
        ("other-status", other_status),
        ("other-list", other_list),
        ("own-status", own_status),
        ("plain-answer", plain),
    ])
}

fn end_and_report(workers: &[Addr<Worker>], fate: Fate) {
    for worker in workers {
        worker.do_send(fate);
        worker.do_send(Report);
    }
}

/// Waits until all of them have reported, for the first time: so they have started.
pub(crate) async fn all_there<'a>(workers: impl ExactSizeIterator<Item = &'a Addr<Worker>>) {
    Gate::expect(workers.len());
    workers.for_each(|worker| worker.do_send(Report));
    Gate::all().await;
}

/// Nanoseconds until all that are told to end have reported again.
pub(crate) async fn all_back(workers: &[Addr<Worker>], fate: Fate) -> f64 {
    Gate::expect(workers.len());
    let begin = Instant::now();
    end_and_report(workers, fate);
    Gate::all().await;
    nanos(begin)
}

/// The slowest answers: to `Status` and `List` of the other supervisor, to `Status` of that in the storm, and of a plain actor
/// on the same thread.
async fn watch(
    storming: Addr<Supervisor>,
    other: Addr<Supervisor>,
    over: Rc<Cell<bool>>,
) -> Option<[f64; 4]> {
    let mut slowest = [0.0_f64; 4];
    let plain = Worker::default().start();
    while !over.get() {
        let begin = Instant::now();
        other.send(Status).await.ok()?;
        slowest[0] = slowest[0].max(nanos(begin));
        let begin = Instant::now();
        other.send(List).await.ok()?;
        slowest[1] = slowest[1].max(nanos(begin));
        let begin = Instant::now();
        storming.send(Status).await.ok()?;
        slowest[2] = slowest[2].max(nanos(begin));
        let begin = Instant::now();
        plain.send(Number(1)).await.ok()?;
        slowest[3] = slowest[3].max(nanos(begin));
    }
    Some(slowest)
}

async fn workers(
    root: &Addr<Supervisor>,
    n: usize,
    backoff: Option<Backoff>,
) -> Result<Vec<Addr<Worker>>, &'static str> {
    let mut workers = Vec::with_capacity(n);
    Gate::expect(n);
    for _ in 0..n {
        let mut spec = ChildSpec::actor("worker", |_ctx| Worker::default());
        if let Some(backoff) = &backoff {
            spec = spec.backoff(backoff.clone());
        }
        let worker = spec.addr();
        root.do_send(Add(spec));
        worker.do_send(Report);
        workers.push(worker);
    }
    Gate::all().await;
    Ok(workers)
}

pub(super) async fn pause() -> Outcome {
    let spec = ChildSpec::actor("worker", |_ctx| Worker::default());
    let worker = spec.addr();
    let settings = tireless().failure_threshold(0.0).failure_backoff(Duration::from_secs(3600));
    let root = supervisor("root", settings).child(spec).start();
    worker.do_send(Fate::Panic);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let status = root.send(Status).await.map_err(|_| "the supervisor has ended")?;
    match status.state {
        SupervisorState::Paused { .. } => Ok(vec![("cpu", cpu_while_idle().await)]),
        SupervisorState::Running | SupervisorState::Stopping => Err("it did not pause"),
    }
}

pub(super) async fn backoff(n: usize) -> Outcome {
    let root = supervisor("root", tireless()).start();
    let hour = Backoff::constant(Duration::from_secs(3600));
    for worker in workers(&root, n, Some(hour)).await? {
        worker.do_send(Fate::Panic);
    }
    loop {
        let status = root.send(Status).await.map_err(|_| "the supervisor has ended")?;
        if status.children.backing_off == n {
            return Ok(vec![("cpu", cpu_while_idle().await)]);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
