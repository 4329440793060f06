//! The settings of a tree come from a file, and what makes no sense there is refused with its path. Events, and what is
//! asked of a supervisor, are written as JSON.
//!
//! ```text
//! $ cargo run --example 13_settings_from_toml --features serde
//! refused: workers.strategie: unknown field `strategie`
//! refused: workers.failure_backoff: "15" is no duration: time unit needed, for example 15sec or 15ms
//! refused: workers.failure_threshold: spec: failure_threshold = -1.0 is not allowed; allowed: zero or more, and finite
//! refused: worker.backoff.jitter: Backoff::jitter: share = 1.5 is not allowed; allowed: between 0.0 and 1.0
//! {"path":["shop","worker 1"],"kind":"ChildFailed","name":"worker 1","token":"#1.0","failure":{"kind":"error","message":"no connection","sources":[]},"failures":1.0,"threshold":10.0,"restarting":true}
//! {"token":"#1.1","name":"worker 2","kind":"actor","state":"running","essential":false,"restarts":0,"last_failure":null,"failures_in_row":0,"next_start":null}
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;

use actix::prelude::*;
use actix_supervisor::{
    Backoff, ChildSpec, Event, EventKind, RestartPolicy, Shutdown, Spec, Stop, SupervisedContext,
    Supervisor, Tree,
};
use serde::Deserialize;

/// What is in the file. Whatever is left out is as it is by default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The supervisor.
    workers: Spec,
    worker: WorkerSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkerSettings {
    count: usize,
    #[serde(default)]
    restart: RestartPolicy,
    shutdown: Shutdown,
    backoff: Backoff,
}

const FILE: &str = r#"
[workers]
strategy = "one_for_one"
failure_threshold = 10
failure_backoff = "15s"
shutdown_timeout = "1min 30s"

[worker]
count = 2
restart = "transient"
shutdown = "5s"
backoff = { exponential = { first = "100ms", max = "10s" }, jitter = 0 }
"#;

/// The settings; or what is wrong, and where.
fn read(text: &str) -> Result<Settings, Box<dyn Error>> {
    let file = toml::Deserializer::parse(text)?;
    Ok(serde_path_to_error::deserialize(file).map_err(|error| {
        let reason = error.inner().message().to_owned();
        let reason = reason.split(", expected").next().unwrap_or_default();
        format!("{}: {reason}", error.path())
    })?)
}

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fail;

impl Handler<Fail> for Worker {
    type Result = ();

    fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
        ctx.fail("no connection");
    }
}

/// Failures as lines of JSON.
fn report(event: &Event) {
    if let EventKind::ChildFailed { .. } = event.kind {
        println!("{}", serde_json::to_string(event).unwrap_or_else(|error| error.to_string()));
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mistakes = [
        ("strategy", "strategie"),
        (r#""15s""#, r#""15""#),
        ("= 10", "= -1"),
        ("jitter = 0", "jitter = 1.5"),
    ];
    for (right, wrong) in mistakes {
        if let Err(error) = read(&FILE.replace(right, wrong)) {
            println!("refused: {error}");
        }
    }

    let Settings { workers, worker } = read(FILE)?;
    let mut shop = Supervisor::with_spec("shop", workers.event_hook(report))?;
    let mut addrs = Vec::new();
    for number in 1..=worker.count {
        let spec = ChildSpec::actor(format!("worker {number}"), |_ctx| Worker)
            .restart(worker.restart)
            .shutdown(worker.shutdown)
            .backoff(worker.backoff.clone());
        addrs.push(spec.addr());
        shop = shop.try_child(spec)?;
    }
    let shop = shop.start();

    addrs[0].send(Fail).await?;
    let tree = shop.send(Tree).await?;
    println!("{}", serde_json::to_string(&tree.children[1])?);
    shop.send(Stop).await?;
    Ok(())
}
