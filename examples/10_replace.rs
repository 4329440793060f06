//! A new configuration while all goes on: the spec of a child is swapped for another one. Mailbox, address,
//! token and place in the start order stay.
//!
//! ```text
//! $ cargo run --example 10_replace
//! 100 costs 119
//! (the one with 19 % stops)
//! 100 costs 116
//! (the one with 16 % stops)
//! "shop, 7 %" is Terminated
//! 100 costs 107
//! child "shop, 7 %" cannot be replaced by a spec of another type: actor of type 10_replace::Bank
//! (the one with 7 % stops)
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, List, Replace, ReplaceError, Restart, Stop, Supervisor, Terminate,
};

/// An actor with a setting.
struct Shop {
    vat: u32,
}

impl Actor for Shop {
    type Context = Context<Self>;

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        println!("(the one with {} % stops)", self.vat);
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Price(u32);

impl Handler<Price> for Shop {
    type Result = u32;

    fn handle(&mut self, Price(net): Price, _ctx: &mut Self::Context) -> u32 {
        net + net * self.vat / 100
    }
}

struct Bank;

impl Actor for Bank {
    type Context = Context<Self>;
}

fn shop(vat: u32) -> ChildSpec<Shop> {
    ChildSpec::actor(format!("shop, {vat} %"), move |_ctx| Shop { vat })
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = Supervisor::new("root").start();
    let child = root.send(Add(shop(19))).await??;
    let addr = child.addr();
    println!("100 costs {}", addr.send(Price(100)).await?);

    // What is up is stopped in order and started anew. The address is as good as before.
    root.send(Replace(child.token(), shop(16))).await??;
    println!("100 costs {}", addr.send(Price(100)).await?);

    // What is down stays down until somebody starts it. Its messages wait.
    root.send(Terminate(child.token())).await??;
    root.send(Replace(child.token(), shop(7))).await??;
    let waiting = addr.send(Price(100));
    let info = &root.send(List).await?[0];
    println!("{:?} is {:?}", info.name, info.state);
    root.send(Restart(child.token())).await??;
    println!("100 costs {}", waiting.await?);

    // The address is one of a `Shop`, so nothing else can take its place.
    let bank = ChildSpec::actor("bank", |_ctx| Bank);
    if let Err(error @ ReplaceError::WrongType { .. }) =
        root.send(Replace(child.token(), bank)).await?
    {
        println!("{error}");
    }

    root.send(Stop).await?;
    Ok(())
}
