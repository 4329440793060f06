//! A message to a supervised actor, and to a plain one.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Placement, Supervisor};
use criterion::Criterion;

use crate::{
    ratio::Ratio,
    sum::{Number, Sum},
    time,
};

/// So many messages are sent before the sender waits until they have been handled.
const BATCH: u64 = 10_000;
/// So many are sent to one actor before it is the other one's turn.
const TURN: u64 = 1_000;

/// The time that so many messages take.
type Load = fn(&SystemRunner, &Addr<Sum>, u64) -> Duration;

const LOADS: [(&str, Load); 2] =
    [("fire and forget", fire_and_forget), ("request and reply", request_and_reply)];

fn fire_and_forget(system: &SystemRunner, to: &Addr<Sum>, messages: u64) -> Duration {
    time(system, async {
        let mut left = messages;
        while left > 0 {
            let batch = left.min(BATCH);
            for number in 1..batch {
                to.do_send(Number(number));
            }
            to.send(Number(batch)).await.expect("it runs");
            left -= batch;
        }
    })
}

fn request_and_reply(system: &SystemRunner, to: &Addr<Sum>, messages: u64) -> Duration {
    time(system, async {
        for number in 0..messages {
            to.send(Number(number)).await.expect("it runs");
        }
    })
}

struct Actors {
    plain: Addr<Sum>,
    supervised: Addr<Sum>,
    /// In the way of a child on another thread, which here is this one: what it costs to cross over counts for neither side.
    placed: Addr<Sum>,
    /// On another thread.
    plain_there: Addr<Sum>,
    supervised_there: Addr<Sum>,
}

impl Actors {
    fn start(system: &SystemRunner) -> Self {
        let there = Arbiter::new().handle();
        system.block_on(async {
            let spec = |place| ChildSpec::actor("sum", |_ctx| Sum(0)).placement(place);
            let here = Placement::Arbiter(Arbiter::current());
            let inline = spec(Placement::Inline);
            let placed = spec(here);
            let elsewhere = spec(Placement::Arbiter(there.clone()));
            let actors = Self {
                plain: Sum(0).start(),
                supervised: inline.addr(),
                placed: placed.addr(),
                plain_there: Sum::start_in_arbiter(&there, |_ctx| Sum(0)),
                supervised_there: elsewhere.addr(),
            };
            Supervisor::new("root").child(inline).child(placed).child(elsewhere).start();
            actors
        })
    }
}

pub(crate) fn times(criterion: &mut Criterion) {
    let system = System::new();
    let Actors { plain, supervised, .. } = Actors::start(&system);
    for (name, load) in LOADS {
        let mut group = criterion.benchmark_group(name);
        for (actor, addr) in [("plain", &plain), ("supervised", &supervised)] {
            group.bench_function(actor, |bencher| {
                bencher.iter_custom(|messages| load(&system, addr, messages));
            });
        }
    }
}

pub(crate) fn ratios(criterion: &mut Criterion<Ratio>) {
    let system = System::new();
    let actors = Actors::start(&system);
    let pairs = [
        ("supervised to plain", &actors.supervised, &actors.plain),
        ("placed to plain", &actors.placed, &actors.plain),
        ("supervised to plain on another thread", &actors.supervised_there, &actors.plain_there),
    ];
    for (name, load) in LOADS {
        let load = |addr| load(&system, addr, TURN);
        for (pair, one, other) in pairs {
            criterion.bench_function(&format!("{name}/{pair}"), |bencher| {
                Ratio::measure(bencher, || load(one), || load(other));
            });
        }
    }
}
