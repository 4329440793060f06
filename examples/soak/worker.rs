//! The one actor of which the whole application is made, and all the ways in which it can be told to crash.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::SupervisedContext;

use crate::target::{Books, Target};

/// A watchdog gives a thread up after this.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(2);
/// How long a handler that gets stuck stays so.
const STUCK: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Work,
    /// Work for which the store is asked. Whoever fails meanwhile takes it with it.
    AskStore,
    Panic,
    /// In a future that it has spawned, when this has been answered.
    PanicLater,
    /// And once more when it is dropped.
    PanicTwice,
    /// With something whose `Drop` panics.
    PanicWithBomb,
    Fail,
    Stop,
    Terminate,
    /// Stops the arbiter on which it runs.
    StopArbiter,
    /// Blocks its thread.
    GetStuck,
}

/// Answered with the number's complement; with `None` if somebody who was needed has failed with it.
#[derive(Debug, Message)]
#[rtype(result = "Option<u64>")]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) act: Act,
}

/// A question of a worker to the store. It is in no book: an envelope whose sender is gone is not delivered.
#[derive(Message)]
#[rtype(result = "u64")]
struct Question(u64);

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb goes off");
    }
}

pub(crate) struct Worker {
    books: Arc<Books>,
    store: Option<Target>,
    bomb: Option<Bomb>,
}

impl Worker {
    pub(crate) fn new(books: &Arc<Books>, store: Option<&Target>) -> Self {
        Self { books: Arc::clone(books), store: store.cloned(), bomb: None }
    }

    fn crash(&mut self, act: Act, ctx: &mut Context<Self>) {
        match act {
            Act::Work | Act::AskStore => {}
            Act::Panic => panic!("told to panic"),
            Act::PanicLater => {
                let later = async { panic!("told to panic later") };
                ctx.spawn(later.into_actor(self));
            }
            Act::PanicTwice => {
                self.bomb = Some(Bomb);
                panic!("told to panic twice");
            }
            Act::PanicWithBomb => std::panic::panic_any(Bomb),
            Act::Fail => ctx.fail("told to fail"),
            Act::Stop => ctx.stop(),
            Act::Terminate => ctx.terminate(),
            Act::StopArbiter => {
                Arbiter::current().stop();
            }
            Act::GetStuck => {
                let (_sender, never) = mpsc::channel::<()>();
                let _ = never.recv_timeout(STUCK);
            }
        }
    }
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Job> for Worker {
    type Result = ActorResponse<Self, Option<u64>>;

    fn handle(&mut self, Job { id, act }: Job, ctx: &mut Self::Context) -> Self::Result {
        self.books.begun.add(id);
        self.crash(act, ctx);
        let Some(store) = &self.store else { return ActorResponse::reply(Some(!id)) };
        store.tell(id);
        if act != Act::AskStore {
            return ActorResponse::reply(Some(!id));
        }
        let answer = store.addr.send(Question(id));
        ActorResponse::r#async(async move { answer.await.ok() }.into_actor(self))
    }
}

impl Handler<Question> for Worker {
    type Result = u64;

    fn handle(&mut self, Question(id): Question, _: &mut Self::Context) -> u64 {
        !id
    }
}
