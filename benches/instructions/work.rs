//! The workloads: some rounds of one thing each, on one thread.

use std::panic::set_hook;

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, Placement, RemoveAndWait, Spec, Stop, Supervisor, Tree};

use crate::{
    sum::{Number, Sum},
    watch::Watch,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// The mailbox is empty after each hundred: with thousands in it, most of what differs is how the heap is tidied up.
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
    /// It is added, and removed when that is answered.
    Removal,
    /// All that is below one supervisor, which has only leaves.
    FlatTree,
    /// The same leaves, below supervisors of supervisors.
    NestedTree,
}

const ALL: [Work; 14] = [
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
    Work::Removal,
    Work::FlatTree,
    Work::NestedTree,
];

/// So many messages are in the mailbox at a time.
const BATCH: u64 = 100;

/// How many each supervisor of a nested tree has below it, and how many levels of them there are.
const WIDTH: usize = 4;
const DEPTH: u32 = 5;

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
            Self::Removal => "removal",
            Self::FlatTree => "flat-tree",
            Self::NestedTree => "nested-tree",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|work| work.name() == name)
    }

    pub(crate) fn rounds(self) -> u64 {
        match self {
            Self::TaskAfterPanic | Self::RestartAfterPanic => 300,
            Self::FlatTree | Self::NestedTree => 30,
            _ => 3_000,
        }
    }

    pub(crate) fn run(self, rounds: u64, watch: Watch) {
        set_hook(Box::new(|_| {}));
        watch.begin();
        System::new().block_on(async move {
            match self {
                Self::PlainMessage => messages(&Sum(0).start(), rounds).await,
                Self::Message => messages(&supervised(Placement::Inline, watch), rounds).await,
                Self::MessageElsewhere => {
                    let here = Placement::Arbiter(Arbiter::current());
                    messages(&supervised(here, watch), rounds).await;
                }
                Self::PlainRequest => requests(&Sum(0).start(), rounds).await,
                Self::Request => requests(&supervised(Placement::Inline, watch), rounds).await,
                Self::TaskAfterStop => respawn(rounds, false).await,
                Self::TaskAfterPanic => respawn(rounds, true).await,
                Self::RestartAfterStop => restart(rounds, false, watch).await,
                Self::RestartAfterPanic => restart(rounds, true, watch).await,
                Self::PlainActor => plain_actors(rounds).await,
                Self::Child => children(rounds, watch).await,
                Self::Removal => removals(rounds, watch).await,
                Self::FlatTree => trees(with_leaves(WIDTH.pow(DEPTH)), rounds, watch).await,
                Self::NestedTree => trees(subtree(DEPTH), rounds, watch).await,
            }
        });
    }
}

fn supervised(placement: Placement, watch: Watch) -> Addr<Sum> {
    let spec = ChildSpec::actor("sum", |_ctx| Sum(0)).placement(placement);
    let addr = spec.addr();
    let settings = Spec::default().failure_threshold(f64::MAX);
    let root = Supervisor::with_spec("root", settings).expect("a sensible spec");
    watch.look_at(root.child(spec).start());
    addr
}

async fn messages(to: &Addr<Sum>, rounds: u64) {
    for _ in 0..rounds / BATCH {
        for number in 1..BATCH {
            to.do_send(Number(number));
        }
        to.send(Number(BATCH)).await.expect("it runs");
    }
}

async fn requests(to: &Addr<Sum>, rounds: u64) {
    for number in 0..rounds {
        to.send(Number(number)).await.expect("it runs");
    }
}

async fn restart(rounds: u64, by_panic: bool, watch: Watch) {
    let to = supervised(Placement::Inline, watch);
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

async fn children(rounds: u64, watch: Watch) {
    let root = Supervisor::new("root").start();
    watch.look_at(root.clone());
    for _ in 0..rounds {
        let spec = ChildSpec::actor("sum", |_ctx| Sum(0));
        root.send(Add(spec)).await.expect("it runs").expect("a sensible spec");
    }
    assert!(root.send(Stop).await.expect("it runs").is_clean());
}

async fn removals(rounds: u64, watch: Watch) {
    let root = Supervisor::new("root").start();
    watch.look_at(root.clone());
    for _ in 0..rounds {
        let spec = ChildSpec::actor("sum", |_ctx| Sum(0));
        let child = root.send(Add(spec)).await.expect("it runs").expect("a sensible spec");
        let removal = RemoveAndWait { token: child.token(), timeout: None };
        root.send(removal).await.expect("it runs").expect("it ends");
    }
}

fn with_leaves(leaves: usize) -> Supervisor {
    let root = Supervisor::new("node");
    (0..leaves).fold(root, |node, _| node.child(ChildSpec::actor("leaf", |_ctx| Sum(0))))
}

fn subtree(levels: u32) -> Supervisor {
    match levels {
        1 => with_leaves(WIDTH),
        _ => (0..WIDTH).fold(Supervisor::new("node"), |node, _| {
            node.child(ChildSpec::supervisor(subtree(levels - 1)))
        }),
    }
}

async fn trees(tree: Supervisor, rounds: u64, watch: Watch) {
    let root = tree.start();
    watch.look_at(root.clone());
    for _ in 0..rounds {
        root.send(Tree).await.expect("it runs");
    }
}
