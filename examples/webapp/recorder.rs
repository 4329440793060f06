//! The last events of the whole tree, for `GET /events`.

use std::collections::VecDeque;

use actix::{Actor, Context, Handler, Message, MessageResult};
use actix_supervisor::{ChildSpec, Event};

const CAPACITY: usize = 500;

/// A subscriber to the root supervisor. The subscription is to the address, so it outlives a crash; what was recorded does
/// not.
#[derive(Default)]
pub(crate) struct Recorder {
    seen: u64,
    events: VecDeque<(u64, Event)>,
}

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Recorder {
    pub(crate) fn spec() -> ChildSpec<Recorder> {
        ChildSpec::actor("recorder", |_| Recorder::default())
    }
}

impl Handler<Event> for Recorder {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Self::Context) {
        if self.events.len() == CAPACITY {
            self.events.pop_front();
        }
        self.seen += 1;
        self.events.push_back((self.seen, event));
    }
}

/// The events that are still known, the oldest first, each with its number.
#[derive(Message)]
#[rtype(result = "Vec<(u64, Event)>")]
pub(crate) struct Recall;

impl Handler<Recall> for Recorder {
    type Result = MessageResult<Recall>;

    fn handle(&mut self, _: Recall, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.events.iter().cloned().collect())
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

impl Handler<Crash> for Recorder {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("crashed on request");
    }
}
