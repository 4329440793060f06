//! A plugin that may hang, on a thread of its own: its supervisor goes on without that thread.
//!
//! ```text
//! $ cargo run --example 11_isolated_plugin
//! 2 + 2 = 4
//! root/plugin: failed: unresponsive for 1s (1.00 of 5 failures, will be restarted)
//! 3 + 3 = 6, at the same address
//! stuck threads: 1
//! the stuck thread goes on
//! the incarnation that was stuck is gone
//! stuck threads: 0
//! stopped: everything has stopped
//! ```

#![allow(clippy::print_stdout)]

use std::{sync::mpsc, time::Duration};

use actix::prelude::*;
use actix_supervisor::{ChildSpec, EventKind, Placement, Spec, Status, Stop, Supervisor};
use tokio::sync::mpsc::unbounded_channel;

/// Written by somebody else.
struct Plugin(Option<mpsc::Receiver<()>>);

impl Actor for Plugin {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Double(u32);

impl Handler<Double> for Plugin {
    type Result = u32;

    fn handle(&mut self, Double(number): Double, _ctx: &mut Context<Self>) -> u32 {
        number * 2
    }
}

/// A bug: it waits for something that does not come.
#[derive(Message)]
#[rtype(result = "()")]
struct Hang;

impl Handler<Hang> for Plugin {
    type Result = ();

    fn handle(&mut self, Hang: Hang, _ctx: &mut Context<Self>) {
        if let Some(never) = &self.0 {
            let _ = never.recv();
        }
    }
}

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (goes_on, never) = mpsc::channel();
    let mut never = Some(never);
    let plugin = ChildSpec::actor("plugin", move |_ctx| Plugin(never.take()))
        .placement(Placement::Dedicated)
        .watchdog(Duration::from_secs(1));
    let addr = plugin.addr();

    let (tell, mut events) = unbounded_channel();
    let spec = Spec::default().event_hook(move |event| {
        let _ = tell.send(event.clone());
    });
    let root = Supervisor::with_spec("root", spec)?.child(plugin).start();

    println!("2 + 2 = {}", addr.send(Double(2)).await?);
    addr.do_send(Hang);
    // It waits in the mailbox, and the next incarnation answers.
    let six = addr.send(Double(3)).await?;
    while let Some(event) = events.recv().await {
        if let EventKind::ChildFailed { .. } = event.kind {
            println!("{event}");
            break;
        }
    }
    println!("3 + 3 = {six}, at the same address");
    println!("stuck threads: {}", root.send(Status).await?.left_behind);

    println!("the stuck thread goes on");
    goes_on.send(())?;
    while let Some(event) = events.recv().await {
        if let EventKind::ChildCameBack { .. } = event.kind {
            println!("the incarnation that was stuck is gone");
            break;
        }
    }
    println!("stuck threads: {}", root.send(Status).await?.left_behind);
    println!("stopped: {}", root.send(Stop).await?);
    Ok(())
}
