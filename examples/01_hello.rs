//! An ordinary Actix actor survives its own panic, and everybody keeps its address.
//!
//! ```text
//! $ cargo run --example 01_hello
//! 10 / 5 = 2 (division 1 of this incarnation)
//! 10 / 2 = 5 (division 2 of this incarnation)
//! 10 / 0: Mailbox has closed
//! 10 / 1 = 10 (division 1 of this incarnation)
//! ```

#![allow(clippy::print_stdout)]

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Stop, Supervisor};

/// Nothing in this actor knows of supervision.
#[derive(Default)]
struct Calculator {
    divisions: u32,
}

impl Actor for Calculator {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "(u32, u32)")]
struct Divide(u32, u32);

impl Handler<Divide> for Calculator {
    type Result = MessageResult<Divide>;

    fn handle(&mut self, Divide(number, by): Divide, _ctx: &mut Self::Context) -> Self::Result {
        let quotient = number / by; // panics if `by` is zero
        self.divisions += 1;
        MessageResult((quotient, self.divisions))
    }
}

#[actix::main]
async fn main() -> Result<(), MailboxError> {
    // Called for every incarnation: each one is a fresh `Calculator`.
    let spec = ChildSpec::actor("calculator", |_ctx| Calculator::default());
    let calculator = spec.addr();
    let root = Supervisor::new("root").child(spec).start();

    for by in [5, 2, 0, 1] {
        match calculator.send(Divide(10, by)).await {
            Ok((quotient, count)) => {
                println!("10 / {by} = {quotient} (division {count} of this incarnation)");
            }
            // Its message was in hand at the panic. The address is as good as before.
            Err(error) => println!("10 / {by}: {error}"),
        }
    }

    root.send(Stop).await?;
    Ok(())
}
