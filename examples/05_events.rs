//! Everything that a supervisor decides is an event. It goes to the hooks and the subscribers of all
//! supervisors on its way up, and the root logs it, unless that has a hook.
//!
//! ```text
//! $ cargo run --example 05_events
//! INFO  root: supervisor started
//! INFO  root/pool: supervisor started
//! hook: pool/worker failed, and comes back: true
//! WARN  root/pool/worker: failed: panicked at examples/05_events.rs:58:9: it is Monday (1.00 of 5 failures, will be restarted)
//! INFO  root/pool/worker: restarted (no. 1)
//! subscriber: root/pool/worker failed
//! INFO  root/pool: supervisor stopped
//! INFO  root: supervisor stopped
//! ```

#![allow(clippy::print_stdout)]

use std::{error::Error, io::Write};

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, Event, EventKind, Spec, Stop, Subscribe, Supervisor, install_panic_hook,
};
use env_logger::Target;
use log::LevelFilter;

/// An actor that subscribes: it gets the events as messages.
struct Alarm;

impl Actor for Alarm {
    type Context = Context<Self>;
}

impl Handler<Event> for Alarm {
    type Result = ();

    fn handle(&mut self, event: Event, _ctx: &mut Self::Context) {
        if let EventKind::ChildFailed { .. } = event.kind {
            println!("subscriber: {} failed", event.path.join("/"));
        }
    }
}

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, _: Work, _ctx: &mut Self::Context) {
        panic!("it is Monday");
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        .target(Target::Stdout)
        .format(|out, record| writeln!(out, "{:5} {}", record.level(), record.args()))
        .init();
    install_panic_hook(); // without it, a panic has a message and no place

    // A hook is called at once, on the supervisor's thread. It sees its own supervisor and what is below.
    let spec = Spec::default().event_hook(|event| {
        if let EventKind::ChildFailed { restarting, .. } = event.kind {
            println!("hook: {} failed, and comes back: {restarting}", event.path.join("/"));
        }
    });
    let worker = ChildSpec::actor("worker", |_ctx| Worker);
    let worker_addr = worker.addr();
    let pool = Supervisor::with_spec("pool", spec)?.child(worker);
    let root = Supervisor::new("root").child(ChildSpec::supervisor(pool)).start();
    root.send(Subscribe(Alarm.start().recipient())).await?;

    let _in_hand_at_the_panic = worker_addr.send(Work).await;
    root.send(Stop).await?;
    Ok(())
}
