//! An orderly stop: the last child first, each within its limit, and a report of what was left behind.
//!
//! ```text
//! $ cargo run --example 06_shutdown
//! stopping
//! outbox: sent letter 1
//! outbox: sent letter 2
//! outbox: sent letter 3
//! outbox: stopped
//! server: the last request is answered
//! app/dreamer: did not stop in time and was dropped
//! app/driver: did not stop in time and was left behind, its thread still running
//! database: closed
//! did not stop: app/driver
//! ```

#![allow(clippy::print_stdout)]

use std::{error::Error, future, thread, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    CancellationToken, ChildSpec, EventKind, ServiceActor, Shutdown, Spec, Stop, Supervisor,
};

struct Outbox;

impl Actor for Outbox {
    type Context = Context<Self>;

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        println!("outbox: stopped");
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Letter(u32);

impl Handler<Letter> for Outbox {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Letter(number): Letter, _ctx: &mut Self::Context) -> Self::Result {
        let sent = actix::clock::sleep(Duration::from_millis(5)).into_actor(self);
        AtomicResponse::new(Box::pin(sent.map(move |(), _outbox, _ctx| {
            println!("outbox: sent letter {number}");
        })))
    }
}

/// A service that is ready to stop when it is asked to.
fn polite(name: &'static str, last_words: &'static str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, move |stop: CancellationToken| async move {
        stop.cancelled().await;
        println!("{name}: {last_words}");
    })
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let short = Shutdown::Timeout(Duration::from_millis(20));
    let spec = Spec::default().event_hook(|event| {
        if let EventKind::StopTimeout { .. } = event.kind {
            println!("{event}");
        }
    });
    // Others need it, so it is declared first and goes last.
    let database = polite("database", "closed");
    // A thread that does not look at its token cannot be stopped by anybody.
    let driver = ChildSpec::blocking("driver", |_stop: CancellationToken| {
        loop {
            thread::park();
        }
    });
    // An async service that does not look at it is dropped when its limit has passed.
    let dreamer = ChildSpec::service("dreamer", |_stop: CancellationToken| future::pending::<()>());
    let server = polite("server", "the last request is answered");
    // What is in its mailbox at the stop is handled first.
    let outbox = ChildSpec::actor("outbox", |_ctx| Outbox).drain(true);
    let outbox_addr = outbox.addr();

    let app = Supervisor::with_spec("app", spec)?
        .child(database)
        .child(driver.shutdown(short))
        .child(dreamer.shutdown(short))
        .child(server)
        .child(outbox);
    let root = app.addr();
    actix::spawn(async move {
        (1..=3).for_each(|number| outbox_addr.do_send(Letter(number)));
        println!("stopping");
        root.do_send(Stop);
    });

    // As `serve`; and SIGINT or SIGTERM would have stopped it in the same way.
    println!("{}", app.run().await?);
    Ok(())
}
