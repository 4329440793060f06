//! A restart after a stop and after a panic. For orientation: a Tokio task, spawned anew when it has ended.
//!
//! The next message is in the mailbox by then: a restart is from the handler that ends one incarnation to
//! the handler of the next one.

use std::{
    panic::{set_hook, take_hook},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Spec, Supervisor};
use criterion::Criterion;

use crate::{ratio::Ratio, time};

/// So many at a time.
const TURN: u64 = 100;

/// How an incarnation, or a task, ends.
#[derive(Clone, Copy, Message, PartialEq)]
#[rtype(result = "()")]
enum End {
    Stop,
    Panic,
}

const ENDS: [(&str, End); 2] =
    [("restart after a stop", End::Stop), ("restart after a panic", End::Panic)];

/// Lives for one message.
struct Mayfly;

impl Actor for Mayfly {
    type Context = Context<Self>;
}

impl Handler<End> for Mayfly {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Self::Context) {
        match end {
            End::Stop => ctx.stop(),
            End::Panic => panic!("as it was told"),
        }
    }
}

/// A child of a supervisor that never pauses.
fn start() -> (SystemRunner, Addr<Mayfly>, Addr<Supervisor>) {
    let system = System::new();
    let spec = ChildSpec::actor("mayfly", |_ctx| Mayfly);
    let addr = spec.addr();
    let settings = Spec::default().failure_threshold(f64::MAX);
    let root = Supervisor::with_spec("root", settings).expect("a sensible spec").child(spec);
    let root = system.block_on(async { root.start() });
    (system, addr, root)
}

fn restart(system: &SystemRunner, to: &Addr<Mayfly>, end: End, times: u64) -> Duration {
    time(system, async {
        let mut left = times;
        while left > 0 {
            let batch = left.min(TURN);
            for _ in 1..batch {
                to.do_send(end);
            }
            assert_eq!(to.send(end).await.is_ok(), end == End::Stop);
            left -= batch;
        }
    })
}

fn respawn(system: &SystemRunner, end: End, times: u64) -> Duration {
    time(system, async {
        for _ in 0..times {
            let task = tokio::task::spawn_local(async move {
                if end == End::Panic {
                    panic!("as it was told");
                }
            });
            assert_eq!(task.await.is_ok(), end == End::Stop);
        }
    })
}

/// Nobody wants to read of each panic.
fn silently(run: impl FnOnce()) {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    run();
    set_hook(hook);
}

pub(crate) fn times(criterion: &mut Criterion) {
    let (system, addr, _) = start();
    for (name, end) in ENDS {
        let mut group = criterion.benchmark_group(name);
        silently(|| {
            group.bench_function("task", |bencher| {
                bencher.iter_custom(|times| respawn(&system, end, times));
            });
            group.bench_function("supervised", |bencher| {
                bencher.iter_custom(|times| restart(&system, &addr, end, times));
            });
        });
    }
}

pub(crate) fn ratios(criterion: &mut Criterion<Ratio>) {
    let (system, addr, _) = start();
    for (name, end) in ENDS {
        silently(|| {
            criterion.bench_function(&format!("{name}/supervised to task"), |bencher| {
                let supervised = || restart(&system, &addr, end, TURN);
                Ratio::measure(bencher, supervised, || respawn(&system, end, TURN));
            });
        });
    }
    #[cfg(feature = "web")]
    watched(criterion, &system, &addr);
}

/// A page that nobody looks at: for each restart, three events are kept.
#[cfg(feature = "web")]
fn watched(criterion: &mut Criterion<Ratio>, system: &SystemRunner, addr: &Addr<Mayfly>) {
    let (watched_system, watched, root) = start();
    watched_system.block_on(async { drop(actix_supervisor::web::scope(root)) });
    for (name, end) in ENDS {
        silently(|| {
            criterion.bench_function(&format!("{name}/with a page to without"), |bencher| {
                let with = || restart(&watched_system, &watched, end, TURN);
                Ratio::measure(bencher, with, || restart(system, addr, end, TURN));
            });
        });
    }
}
