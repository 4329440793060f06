//! Who goes down with a child that fails: nobody, all, or those that were started after it. A group starts
//! in order, each when the one before it is ready.
//!
//! ```text
//! $ cargo run --example 07_strategies
//! OneForOne
//!   connection starts
//!   session starts
//!   cache starts
//!   connection is ready
//!   session fails
//!   session starts
//!   the end
//!   cache stops
//!   session stops
//!   connection stops
//! OneForAll
//!   connection starts
//!   connection is ready
//!   session starts
//!   cache starts
//!   session fails
//!   cache stops
//!   connection stops
//!   connection starts
//!   connection is ready
//!   session starts
//!   cache starts
//!   the end
//!   cache stops
//!   session stops
//!   connection stops
//! RestForOne
//!   connection starts
//!   connection is ready
//!   session starts
//!   cache starts
//!   session fails
//!   cache stops
//!   session starts
//!   cache starts
//!   the end
//!   cache stops
//!   session stops
//!   connection stops
//! ```

#![allow(clippy::print_stdout)]

use std::{error::Error, time::Duration};

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Spec, Stop, Strategy, SupervisedContext, Supervisor};
use tokio::time::{pause, sleep};

struct Part {
    name: &'static str,
}

impl Actor for Part {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        println!("  {} starts", self.name);
        if self.name == "connection" {
            // What is given to `ctx.wait` belongs to the start: until it is done, the actor is not ready.
            let handshake = sleep(Duration::from_secs(1)).into_actor(self);
            ctx.wait(handshake.map(|(), part, _ctx| println!("  {} is ready", part.name)));
        }
    }

    /// A sibling is stopped as it would be on request: in order, and that is no failure.
    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        println!("  {} stops", self.name);
        Running::Stop
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fail;

impl Handler<Fail> for Part {
    type Result = ();

    fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
        println!("  {} fails", self.name);
        ctx.fail("a timeout");
    }
}

fn part(name: &'static str) -> ChildSpec<Part> {
    ChildSpec::actor(name, move |_ctx| Part { name })
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    pause(); // tokio's clock: the seconds below pass as soon as nothing else is to be done

    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        println!("{strategy:?}");
        let session = part("session");
        let session_addr = session.addr();
        let group = Supervisor::with_spec("group", Spec::default().strategy(strategy))?;
        let group = group.child(part("connection")).child(session).child(part("cache")).start();

        sleep(Duration::from_secs(5)).await;
        session_addr.send(Fail).await?;
        sleep(Duration::from_secs(5)).await;
        println!("  the end");
        group.send(Stop).await?;
    }
    Ok(())
}
