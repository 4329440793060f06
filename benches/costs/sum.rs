//! The actor whose messages are measured.

use actix::prelude::*;

/// Adds up what it is sent.
pub(crate) struct Sum(pub(crate) u64);

impl Actor for Sum {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
pub(crate) struct Number(pub(crate) u64);

impl Handler<Number> for Sum {
    type Result = u64;

    fn handle(&mut self, Number(number): Number, _ctx: &mut Self::Context) -> u64 {
        self.0 = self.0.wrapping_add(number);
        self.0
    }
}
