//! The pool: workers that sum up documents, under a supervisor of their own.
//!
//! Their failures fill the meter of this supervisor, not that of the application: a document that crashes one worker after
//! the other pauses the pool, and the rest goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
use actix_supervisor::{ChildSpec, Spec, SpecError, Supervisor};
use serde::{Deserialize, Serialize};

use crate::{
    refusal::{Refusal, ask},
    store::{Insert, Store},
    summary::{Summaries, summarize},
};

pub(crate) const SUPERVISOR: &str = "workers";

struct Worker {
    store: Addr<Store>,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

/// A document that was taken in.
#[derive(Serialize)]
pub(crate) struct Receipt {
    id: i64,
    summary: Summaries,
}

#[derive(Message)]
#[rtype(result = "Result<Receipt, Refusal>")]
pub(crate) struct Digest {
    pub(crate) body: String,
    /// A bug that this document brings to light, in a worker or in the store.
    pub(crate) crash: Option<Bug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bug {
    Worker,
    Store,
}

impl Handler<Digest> for Worker {
    // Not a `ResponseActFuture`: a worker that fails takes those with it, while this one waits for the store by itself. So
    // only the document that is being summed up at the failure is lost, not all that are on their way to the store.
    type Result = ResponseFuture<Result<Receipt, Refusal>>;

    fn handle(&mut self, digest: Digest, _: &mut Self::Context) -> Self::Result {
        assert!(digest.crash != Some(Bug::Worker), "crashed on request");
        let summary = summarize(&digest.body);
        let store = self.store.clone();
        Box::pin(async move {
            let insert = Insert {
                body: digest.body,
                summary: summary?,
                crash: digest.crash == Some(Bug::Store),
            };
            let summary = insert.summary.clone();
            let id = ask("store", &store, insert).await??;
            Ok(Receipt { id, summary })
        })
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Worker {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("crashed on request");
    }
}

/// The workers' addresses, which stay the same through all restarts, taken in turn.
#[derive(Clone)]
pub(crate) struct Pool {
    workers: Arc<[(String, Addr<Worker>)]>,
    turn: Arc<AtomicUsize>,
}

pub(crate) fn pool(size: usize, store: &Addr<Store>) -> Result<(Supervisor, Pool), SpecError> {
    let spec = Spec::default()
        .failure_threshold(20.0)
        .failure_decay(Duration::from_secs(10))
        .failure_backoff(Duration::from_secs(3));
    let mut supervisor = Supervisor::with_spec(SUPERVISOR, spec)?;
    let mut workers = Vec::with_capacity(size);
    for number in 1..=size {
        let name = format!("worker-{number}");
        let store = store.clone();
        let worker = ChildSpec::actor(&name, move |_| Worker { store: store.clone() });
        workers.push((name, worker.addr()));
        supervisor = supervisor.try_child(worker)?;
    }
    let pool = Pool { workers: workers.into(), turn: Arc::default() };
    Ok((supervisor, pool))
}

impl Pool {
    pub(crate) async fn digest(&self, digest: Digest) -> Result<Receipt, Refusal> {
        let (name, worker) = self.next();
        ask(name, worker, digest).await?
    }

    /// Crashes the worker whose turn it is.
    pub(crate) fn crash_one(&self) {
        let (_, worker) = self.next();
        worker.do_send(Crash);
    }

    fn next(&self) -> &(String, Addr<Worker>) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.workers[turn % self.workers.len()]
    }
}
