//! The workloads: some rounds of one thing each, on one thread.

use std::panic::set_hook;

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, Placement, Spec, Stop, Supervisor};

use crate::sum::{Number, Sum};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    PlainMessage,
    Message,
    /// Through the way of a child on another thread, which here is this one.
    MessageElsewhere,
    PlainRequest,
    Request,
    TaskAfterStop,
    RestartAfterStop,
    TaskAfterPanic,
    RestartAfterPanic,
    PlainActor,
    /// It is added, and stopped with its supervisor.
    Child,
}

const ALL: [Work; 11] = [
    Work::PlainMessage,
    Work::Message,
    Work::MessageElsewhere,
    Work::PlainRequest,
    Work::Request,
    Work::TaskAfterStop,
    Work::RestartAfterStop,
    Work::TaskAfterPanic,
    Work::RestartAfterPanic,
    Work::PlainActor,
    Work::Child,
];

#[derive(Message)]
#[rtype(result = "()")]
struct End {
    by_panic: bool,
}

impl Handler<End> for Sum {
    type Result = ();

    fn handle(&mut self, End { by_panic }: End, ctx: &mut Self::Context) {
        assert!(!by_panic, "as it was told");
        ctx.stop();
    }
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PlainMessage => "plain-message",
            Self::Message => "message",
            Self::MessageElsewhere => "message-elsewhere",
            Self::PlainRequest => "plain-request",
            Self::Request => "request",
            Self::TaskAfterStop => "task-after-stop",
            Self::RestartAfterStop => "restart-after-stop",
            Self::TaskAfterPanic => "task-after-panic",
            Self::RestartAfterPanic => "restart-after-panic",
            Self::PlainActor => "plain-actor",
            Self::Child => "child",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|work| work.name() == name)
    }

    pub(crate) fn rounds(self) -> u64 {
        match self {
            Self::TaskAfterPanic | Self::RestartAfterPanic => 300,
            _ => 3_000,
        }
    }

    pub(crate) fn run(self, rounds: u64) {
        set_hook(Box::new(|_| {}));
        System::new().block_on(async move {
            match self {
                Self::PlainMessage => messages(&Sum(0).start(), rounds).await,
                Self::Message => messages(&supervised(Placement::Inline), rounds).await,
                Self::MessageElsewhere => {
                    let here = Placement::Arbiter(Arbiter::current());
                    messages(&supervised(here), rounds).await;
                }
                Self::PlainRequest => requests(&Sum(0).start(), rounds).await,
                Self::Request => requests(&supervised(Placement::Inline), rounds).await,
                Self::TaskAfterStop => respawn(rounds, false).await,
                Self::TaskAfterPanic => respawn(rounds, true).await,
                Self::RestartAfterStop => restart(rounds, false).await,
                Self::RestartAfterPanic => restart(rounds, true).await,
                Self::PlainActor => plain_actors(rounds).await,
                Self::Child => children(rounds).await,
            }
        });
    }
}

fn supervised(placement: Placement) -> Addr<Sum> {
    let spec = ChildSpec::actor("sum", |_ctx| Sum(0)).placement(placement);
    let addr = spec.addr();
    let settings = Spec::default().failure_threshold(f64::MAX);
    Supervisor::with_spec("root", settings).expect("a sensible spec").child(spec).start();
    addr
}

async fn messages(to: &Addr<Sum>, rounds: u64) {
    for number in 1..rounds {
        to.do_send(Number(number));
    }
    to.send(Number(rounds)).await.expect("it runs");
}

async fn requests(to: &Addr<Sum>, rounds: u64) {
    for number in 0..rounds {
        to.send(Number(number)).await.expect("it runs");
    }
}

async fn restart(rounds: u64, by_panic: bool) {
    let to = supervised(Placement::Inline);
    for _ in 1..rounds {
        to.do_send(End { by_panic });
    }
    to.send(Number(0)).await.expect("it runs");
}

async fn respawn(rounds: u64, by_panic: bool) {
    for _ in 0..rounds {
        let task = actix_rt::spawn(async move { assert!(!by_panic, "as it was told") });
        assert_eq!(task.await.is_err(), by_panic);
    }
}

async fn plain_actors(rounds: u64) {
    let all: Vec<_> = (0..rounds).map(|_| Sum(0).start()).collect();
    tokio::task::yield_now().await;
    drop(all);
    tokio::task::yield_now().await;
}

async fn children(rounds: u64) {
    let root = Supervisor::new("root").start();
    for _ in 0..rounds {
        let spec = ChildSpec::actor("sum", |_ctx| Sum(0));
        root.send(Add(spec)).await.expect("it runs").expect("a sensible spec");
    }
    assert!(root.send(Stop).await.expect("it runs").is_clean());
}
