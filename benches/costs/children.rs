//! A child comes and another one goes, among few children and among many.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, ChildToken, RemoveAndWait, Supervisor};
use criterion::Criterion;

use crate::{ratio::Ratio, time};

/// So many at a time.
const TURN: u64 = 100;

struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;
}

/// A supervisor with so many children, the oldest one first.
struct Family {
    supervisor: Addr<Supervisor>,
    children: RefCell<VecDeque<ChildToken>>,
}

impl Family {
    fn start(system: &SystemRunner, children: usize) -> Self {
        system.block_on(async {
            let supervisor = Supervisor::new("root").start();
            let family = Self { supervisor, children: RefCell::default() };
            for _ in 0..children {
                family.add().await;
            }
            family
        })
    }

    async fn add(&self) {
        let child = self.supervisor.send(Add(ChildSpec::actor("idle", |_ctx| Idle))).await;
        let child = child.expect("it runs").expect("a sensible spec");
        self.children.borrow_mut().push_back(child.token());
    }

    async fn remove_the_oldest(&self) {
        let token = self.children.borrow_mut().pop_front().expect("there are children");
        let removed = self.supervisor.send(RemoveAndWait { token, timeout: None }).await;
        removed.expect("it runs").expect("it stops");
    }

    fn renew(&self, system: &SystemRunner, children: u64) -> Duration {
        time(system, async {
            for _ in 0..children {
                self.add().await;
                self.remove_the_oldest().await;
            }
        })
    }
}

pub(crate) fn times(criterion: &mut Criterion) {
    let system = System::new();
    let mut group = criterion.benchmark_group("add and remove");
    for count in [1_000, 100_000] {
        let family = Family::start(&system, count);
        group.bench_function(format!("among {count}"), |bencher| {
            bencher.iter_custom(|children| family.renew(&system, children));
        });
    }
}

pub(crate) fn ratios(criterion: &mut Criterion<Ratio>) {
    let system = System::new();
    let (few, many) = (Family::start(&system, 1_000), Family::start(&system, 100_000));
    criterion.bench_function("add and remove/among 100000 to among 1000", |bencher| {
        Ratio::measure(bencher, || many.renew(&system, TURN), || few.renew(&system, TURN));
    });
}
