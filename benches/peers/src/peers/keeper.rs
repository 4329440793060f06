//! The limit in the shape of a supervisor: an Actix actor that is given actors by messages, is told of each end by a message,
//! and makes the actor again. No policy, no count, no delay, no events, no list.

use std::{cell::RefCell, rc::Rc, time::Instant};

use actix::{
    dev::channel::{AddressReceiver, channel},
    prelude::*,
};
use tokio::{sync::oneshot, task::spawn_local};

use super::{
    hand::{Mailbox, SLICE, live},
    ours::{
        Fate, Idle, Worker,
        lives::{Mayfly, fatal_to_next},
        storm::{all_back, all_there},
    },
};
use crate::{
    jobs::{Job, draw},
    meter::{Gate, Memory, Outcome, nanos, rate},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    actix_rt::System::new().block_on(async {
        match job {
            Job::RestartStop => restarts(n, || Mayfly(Fate::Stop)).await,
            Job::RestartPanic => restarts(n, || Mayfly(Fate::Panic)).await,
            Job::Answer => {
                fatal_to_next(n, &keep(&Keeper::default().start(), Worker::default)).await
            }
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n, SLICE).await,
            Job::StopReverse => stop(n, 1).await,
            Job::StormStop => storm(n, Fate::Stop).await,
            Job::StormPanic => storm(n, Fate::Panic).await,
            Job::Remove => remove(n).await,
            Job::Messages => Err("their messages are those of actors kept by hand"),
            Job::Churn => Err("it keeps a place for each that it was ever given"),
            Job::Nested | Job::Flat => Err("keeps no keepers"),
            Job::Pause | Job::Backoff => Err("neither pauses nor waits"),
        }
    })
}

/// An actor that is to be kept.
#[derive(Message)]
#[rtype(result = "usize")]
struct Keep<A: Actor<Context = Context<A>>> {
    make: Box<dyn Fn() -> A + Send>,
    addr: Addr<A>,
    mailbox: AddressReceiver<A>,
}

impl<A: Actor<Context = Context<A>>> Keep<A> {
    fn new(make: fn() -> A) -> Self {
        let (sender, mailbox) = channel(16);
        Self { make: Box::new(make), addr: Addr::new(sender), mailbox }
    }
}

/// The incarnation of the actor with this number has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Ended(usize);

/// Ends the actor with this number, and tells when it has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Remove(usize, oneshot::Sender<()>);

/// Ends all, the last ones first, so many at a time, and tells when they have ended.
#[derive(Message)]
#[rtype(result = "()")]
struct StopAll {
    at_a_time: usize,
    ended: oneshot::Sender<()>,
}

struct Kept<A: Actor<Context = Context<A>>> {
    make: Box<dyn Fn() -> A + Send>,
    addr: Addr<A>,
    mailbox: Mailbox<A>,
    removal: Option<oneshot::Sender<()>>,
}

struct Keeper<A: Actor<Context = Context<A>>> {
    /// By number. Who is gone leaves an empty place.
    all: Vec<Option<Kept<A>>>,
    stopping: Option<StopAll>,
    /// So many of those that were asked to end have not ended yet.
    asked: usize,
}

impl<A: Actor<Context = Context<A>>> Default for Keeper<A> {
    fn default() -> Self {
        Self { all: Vec::new(), stopping: None, asked: 0 }
    }
}

impl<A: Actor<Context = Context<A>>> Actor for Keeper<A> {
    type Context = Context<Self>;
}

impl<A: Actor<Context = Context<A>> + Handler<Fate>> Keeper<A> {
    fn begin(&self, number: usize, ctx: &mut Context<Self>) {
        let Some(Some(kept)) = self.all.get(number) else { return };
        let (actor, mailbox, keeper) = ((kept.make)(), Rc::clone(&kept.mailbox), ctx.address());
        spawn_local(async move {
            live(actor, mailbox).await;
            keeper.do_send(Ended(number));
        });
    }

    /// Asks as many to end as may end at a time; those are the last in the list.
    fn go_on_stopping(&mut self) {
        if self.asked > 0 {
            return;
        }
        while self.all.pop_if(|last| last.is_none()).is_some() {}
        let Some(stop) = self.stopping.take() else { return };
        let last = self.all.iter().rev().take(stop.at_a_time).flatten();
        self.asked = last.map(|kept| kept.addr.do_send(Fate::Stop)).count();
        match self.asked {
            0 => drop(stop.ended.send(())),
            _ => self.stopping = Some(stop),
        }
    }
}

impl<A: Actor<Context = Context<A>> + Handler<Fate>> Handler<Keep<A>> for Keeper<A> {
    type Result = usize;

    fn handle(&mut self, Keep { make, addr, mailbox }: Keep<A>, ctx: &mut Self::Context) -> usize {
        let (number, mailbox) = (self.all.len(), Rc::new(RefCell::new(mailbox)));
        self.all.push(Some(Kept { make, addr, mailbox, removal: None }));
        self.begin(number, ctx);
        number
    }
}

impl<A: Actor<Context = Context<A>> + Handler<Fate>> Handler<Ended> for Keeper<A> {
    type Result = ();

    fn handle(&mut self, Ended(number): Ended, ctx: &mut Self::Context) {
        let Some(place) = self.all.get_mut(number) else { return };
        if let Some(removal) = place.as_mut().and_then(|kept| kept.removal.take()) {
            *place = None;
            let _ = removal.send(());
        } else if self.stopping.is_some() {
            *place = None;
            self.asked -= 1;
            self.go_on_stopping();
        } else {
            self.begin(number, ctx);
        }
    }
}

impl<A: Actor<Context = Context<A>> + Handler<Fate>> Handler<Remove> for Keeper<A> {
    type Result = ();

    fn handle(&mut self, Remove(number, ended): Remove, _ctx: &mut Self::Context) {
        if let Some(Some(kept)) = self.all.get_mut(number) {
            kept.removal = Some(ended);
            kept.addr.do_send(Fate::Stop);
        }
    }
}

impl<A: Actor<Context = Context<A>> + Handler<Fate>> Handler<StopAll> for Keeper<A> {
    type Result = ();

    fn handle(&mut self, stop: StopAll, _ctx: &mut Self::Context) {
        self.stopping = Some(stop);
        self.go_on_stopping();
    }
}

/// They end by themselves, or not at all.
impl Handler<Fate> for Mayfly {
    type Result = ();

    fn handle(&mut self, _: Fate, _ctx: &mut Self::Context) {}
}

impl Handler<Fate> for Idle {
    type Result = ();

    fn handle(&mut self, _: Fate, _ctx: &mut Self::Context) {}
}

fn keep<A: Actor<Context = Context<A>> + Handler<Fate>>(
    keeper: &Addr<Keeper<A>>,
    make: fn() -> A,
) -> Addr<A> {
    let keep = Keep::new(make);
    let addr = keep.addr.clone();
    keeper.do_send(keep);
    addr
}

/// So many workers, when each has answered.
async fn workers(keeper: &Addr<Keeper<Worker>>, n: usize) -> Vec<Addr<Worker>> {
    let workers: Vec<_> = (0..n).map(|_| keep(keeper, Worker::default)).collect();
    all_there(workers.iter()).await;
    workers
}

async fn restarts(n: usize, make: fn() -> Mayfly) -> Outcome {
    Gate::expect(n);
    let begin = Instant::now();
    keep(&Keeper::default().start(), make);
    Gate::all().await;
    Ok(vec![("restarts", rate(n, begin))])
}

async fn idle(n: usize) -> Outcome {
    let (keeper, before, begin) = (Keeper::default().start(), Memory::now(), Instant::now());
    Gate::expect(n);
    for number in 0..n {
        let idle = Keep::new(|| Idle);
        // Nobody waits for each answer, only for one of a thousand, so that the mailbox stays short.
        match number % 1_000 {
            999 => drop(keeper.send(idle).await),
            _ => keeper.do_send(idle),
        }
    }
    Gate::all().await;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &vec![(); n]);
    Ok([("add", add)].into_iter().chain(memory).collect())
}

async fn stop(n: usize, at_a_time: usize) -> Outcome {
    let keeper = Keeper::default().start();
    // Nobody else has their addresses.
    drop(workers(&keeper, n).await);
    let (ended, end) = oneshot::channel();
    let begin = Instant::now();
    keeper.do_send(StopAll { at_a_time, ended });
    end.await.map_err(|_| "it did not stop")?;
    Ok(vec![("stop", nanos(begin))])
}

async fn storm(n: usize, fate: Fate) -> Outcome {
    let workers = workers(&Keeper::default().start(), n).await;
    Ok(vec![("back", all_back(&workers, fate).await)])
}

async fn remove(n: usize) -> Outcome {
    let keeper = Keeper::default().start();
    let _workers = workers(&keeper, n).await;
    let numbers = draw(&mut (0..n).collect());
    let begin = Instant::now();
    for &number in &numbers {
        let (ended, end) = oneshot::channel();
        keeper.do_send(Remove(number, ended));
        end.await.map_err(|_| "it was not removed")?;
    }
    Ok(vec![("remove", nanos(begin) / numbers.len() as f64)])
}
