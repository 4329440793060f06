//! A tree of supervisors. When one of them fails, it comes back with the children that were declared, at
//! the addresses that these had; children that were added while it ran are gone.
//!
//! ```text
//! $ cargo run --example 04_nested_tree
//! shop: 0 restarts
//!   clock (Actor): Running, 0 restarts
//!   tills (Supervisor): Running, 0 restarts
//! tills: 0 restarts
//!   till-1 (Actor): Running, 0 restarts
//!   till-2 (Actor): Running, 0 restarts
//!   holiday till (Actor): Running, 0 restarts
//!
//! The supervisor "tills" fails.
//!
//! shop: 1 restarts
//!   clock (Actor): Running, 0 restarts
//!   tills (Supervisor): Running, 1 restarts
//! tills: 2 restarts
//!   till-1 (Actor): Running, 1 restarts
//!   till-2 (Actor): Running, 1 restarts
//!
//! till-1: Hello!
//! holiday till: Mailbox has closed
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;

use actix::prelude::*;
use actix_supervisor::{AddAndWait, ChildSpec, Kill, List, Stop, Supervisor, Tree, TreeNode};

struct Part;

impl Actor for Part {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "String")]
struct Greet;

impl Handler<Greet> for Part {
    type Result = String;

    fn handle(&mut self, _: Greet, _ctx: &mut Self::Context) -> String {
        "Hello!".to_owned()
    }
}

fn part(name: &str) -> ChildSpec<Part> {
    ChildSpec::actor(name, |_ctx| Part)
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let till_1 = part("till-1");
    let till_1_addr = till_1.addr();
    let tills = Supervisor::new("tills").child(till_1).child(part("till-2"));
    let tills_addr = tills.addr();
    let shop =
        Supervisor::new("shop").child(part("clock")).child(ChildSpec::supervisor(tills)).start();

    let holiday_till = tills_addr.send(AddAndWait(part("holiday till"))).await??;
    show(&shop.send(Tree).await?);

    // A drill: to its parent, a supervisor is a child like any other.
    println!("\nThe supervisor \"tills\" fails.\n");
    let children = shop.send(List).await?;
    shop.send(Kill(children[1].token)).await??;

    // It waits in the kept mailbox until the till is back.
    let greeting = till_1_addr.send(Greet).await?;
    show(&shop.send(Tree).await?);
    println!("\ntill-1: {greeting}");
    if let Err(error) = holiday_till.addr().send(Greet).await {
        println!("{}: {error}", holiday_till.name());
    }

    shop.send(Stop).await?;
    Ok(())
}

fn show(node: &TreeNode) {
    println!("{}: {} restarts", node.status.name, node.status.restarts);
    for child in &node.children {
        println!(
            "  {} ({:?}): {:?}, {} restarts",
            child.name, child.kind, child.state, child.restarts
        );
    }
    node.supervisors.iter().for_each(show);
}
