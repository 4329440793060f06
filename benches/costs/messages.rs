//! A message to a supervised actor, and to a plain one.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Supervisor};
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
    system: SystemRunner,
    plain: Addr<Sum>,
    supervised: Addr<Sum>,
}

impl Actors {
    fn start() -> Self {
        let system = System::new();
        let (plain, supervised) = system.block_on(async {
            let spec = ChildSpec::actor("sum", |_ctx| Sum(0));
            let supervised = spec.addr();
            Supervisor::new("root").child(spec).start();
            (Sum(0).start(), supervised)
        });
        Self { system, plain, supervised }
    }
}

pub(crate) fn times(criterion: &mut Criterion) {
    let Actors { system, plain, supervised } = Actors::start();
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
    let Actors { system, plain, supervised } = Actors::start();
    for (name, load) in LOADS {
        let load = |addr| load(&system, addr, TURN);
        criterion.bench_function(&format!("{name}/supervised to plain"), |bencher| {
            Ratio::measure(bencher, || load(&supervised), || load(&plain));
        });
    }
}
