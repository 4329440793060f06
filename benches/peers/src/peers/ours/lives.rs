//! One child: its restarts, and what its messages cost.

use std::time::Instant;

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Placement, Supervisor};

use super::{Fate, Number, Worker, supervisor, tireless};
use crate::{
    jobs::BATCH,
    meter::{Gate, Outcome, latencies, median, nanos, rate},
};

/// Ends as soon as it has started, as long as more ends are expected.
pub(crate) struct Mayfly(pub(crate) Fate);

impl Actor for Mayfly {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match (Gate::more(), self.0) {
            (false, _) => {}
            (true, Fate::Stop) => ctx.stop(),
            (true, Fate::Panic) => panic!("as it was told"),
        }
    }
}

pub(super) async fn restarts(n: usize, fate: Fate) -> Outcome {
    let actor = ChildSpec::actor("mayfly", move |_ctx| Mayfly(fate));
    let actors = time_to_last(n, actor).await;
    let service = ChildSpec::service("mayfly", move |_stop| async move {
        match (Gate::more(), fate) {
            (false, _) => std::future::pending().await,
            (true, Fate::Stop) => {}
            (true, Fate::Panic) => panic!("as it was told"),
        }
    });
    let services = time_to_last(n, service).await;
    Ok(vec![("restarts", actors), ("services", services)])
}

async fn time_to_last<A: Actor<Context = Context<A>>>(n: usize, child: ChildSpec<A>) -> f64 {
    Gate::expect(n);
    let begin = Instant::now();
    supervisor("root", tireless()).child(child).start();
    Gate::all().await;
    rate(n, begin)
}

pub(super) async fn answers(n: usize) -> Outcome {
    let spec = ChildSpec::actor("worker", |_ctx| Worker::default());
    let worker = spec.addr();
    supervisor("root", tireless()).child(spec).start();
    fatal_to_next(n, &worker).await
}

/// From a message that makes it panic to the answer of its next incarnation.
pub(crate) async fn fatal_to_next(n: usize, worker: &Addr<Worker>) -> Outcome {
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begin = Instant::now();
        worker.do_send(Fate::Panic);
        worker.send(Number(1)).await.map_err(|_| "it did not answer")?;
        times.push(nanos(begin));
    }
    latencies(&times)
}

/// On the supervisor's thread, and on another one.
pub(super) async fn messages(rounds: usize) -> Outcome {
    let there = Arbiter::new().handle();
    let spec = |place| ChildSpec::actor("worker", |_ctx| Worker::default()).placement(place);
    let (inline, placed) = (spec(Placement::Inline), spec(Placement::Arbiter(there.clone())));
    let kept = [inline.addr(), placed.addr()];
    Supervisor::new("root").child(inline).child(placed).start();
    let plain = Worker::start_in_arbiter(&there, |_ctx| Worker::default());
    let mut figures = in_turn(rounds, &kept[0], &Worker::default().start()).await?;
    // Where each request wakes a thread that sleeps, ten thousand take a third of a second.
    for (key, figure) in in_turn(rounds.div_ceil(10), &kept[1], &plain).await? {
        match key {
            "forget-ratio" => figures.push(("forget-there", figure)),
            "reply-ratio" => figures.push(("reply-there", figure)),
            _ => {}
        }
    }
    Ok(figures)
}

/// Rounds to the kept actor and to a plain one in turn, so that both meet the same machine.
pub(crate) async fn in_turn(rounds: usize, kept: &Addr<Worker>, plain: &Addr<Worker>) -> Outcome {
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    let (mut forget_ratio, mut reply_ratio) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let time = forgotten(kept).await;
        forget.push(time);
        forget_ratio.push(time / forgotten(plain).await);
        let time = replied(kept).await;
        reply.push(time);
        reply_ratio.push(time / replied(plain).await);
    }
    Ok(vec![
        ("forget", median(&forget)),
        ("reply", median(&reply)),
        ("forget-ratio", median(&forget_ratio)),
        ("reply-ratio", median(&reply_ratio)),
    ])
}

/// Nanoseconds a message, of a batch.
pub(crate) async fn forgotten(to: &Addr<Worker>) -> f64 {
    let begin = Instant::now();
    for number in 1..BATCH {
        to.do_send(Number(number as u64));
    }
    to.send(Number(0)).await.expect("it runs");
    nanos(begin) / BATCH as f64
}

/// Nanoseconds a request, of a batch.
pub(crate) async fn replied(to: &Addr<Worker>) -> f64 {
    let begin = Instant::now();
    for number in 0..BATCH {
        to.send(Number(number as u64)).await.expect("it runs");
    }
    nanos(begin) / BATCH as f64
}
