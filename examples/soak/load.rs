//! Those who use the application, each on a thread of its own.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    app::App,
    measure::{Measures, now},
    settings::Settings,
    target::Target,
    worker::Act,
};

/// Whoever waits so long for an answer will not get one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How many requests of one sender may be under way.
const UNDER_WAY: usize = 2_048;
const TICK: Duration = Duration::from_millis(2);
/// Of so many messages to a part that takes its time to come back, one is sent.
const RARELY: u32 = 50;
const RARELY_USED: [&str; 3] = ["moody", "fragile", "slow"];

/// A part for the next message.
pub(crate) fn pick<'a>(rng: &mut fastrand::Rng, targets: &'a [Target]) -> &'a Target {
    loop {
        let target = &targets[rng.usize(..targets.len())];
        let is_rarely_used = RARELY_USED.iter().any(|name| target.name.starts_with(name));
        if !is_rarely_used || rng.u32(..RARELY) == 0 {
            return target;
        }
    }
}

/// The numbers of one sender's messages, which are nobody else's.
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn of(sender: u64) -> Self {
        Self(sender << 48)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Asks, and books how it has ended.
pub(crate) async fn ask(target: Target, id: u64, act: Act, measures: Arc<Measures>) {
    measures.asked.add();
    let answer = timeout(PATIENCE, target.ask(id, act)).await;
    measures.ended(id, answer.ok());
}

/// Starts all of them; each of these ends when its last answer has arrived.
pub(crate) fn start(
    app: &App,
    measures: &Arc<Measures>,
    settings: &Settings,
) -> Vec<oneshot::Receiver<()>> {
    let start = |number| {
        let (targets, measures) = (app.targets.clone(), Arc::clone(measures));
        let (settings, (ended, end)) = (settings.clone(), oneshot::channel());
        Arbiter::new().spawn_fn(move || {
            actix::spawn(async move {
                send(number, &targets, &measures, &settings).await;
                let _ = ended.send(());
                Arbiter::current().stop();
            });
        });
        end
    };
    (1..=settings.threads).map(start).collect()
}

async fn send(number: u64, targets: &[Target], measures: &Arc<Measures>, settings: &Settings) {
    let mut rng = fastrand::Rng::with_seed(settings.seed ^ number);
    let (mut ids, under_way) = (Ids::of(number), Rc::new(Cell::new(0)));
    let (begin, mut due, mut ticks) = (now(), 0, interval(TICK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begin.elapsed().as_secs() < settings.seconds {
        ticks.tick().await;
        let by_now = begin.elapsed().as_secs_f64() * settings.rate as f64 / settings.threads as f64;
        for _ in due..by_now as u64 {
            if under_way.get() == UNDER_WAY {
                measures.held_back.add();
                continue;
            }
            send_one(&mut rng, &mut ids, targets, measures, &under_way);
        }
        due = due.max(by_now as u64);
    }
    while under_way.get() > 0 {
        ticks.tick().await;
    }
}

fn send_one(
    rng: &mut fastrand::Rng,
    ids: &mut Ids,
    targets: &[Target],
    measures: &Arc<Measures>,
    under_way: &Rc<Cell<usize>>,
) {
    let (target, id) = (pick(rng, targets), ids.next());
    let act = match rng.u32(..4) {
        0 => {
            measures.told.add();
            return target.tell(id);
        }
        1 => Act::AskStore,
        _ => Act::Work,
    };
    let (target, measures) = (target.clone(), Arc::clone(measures));
    let under_way = Rc::clone(under_way);
    under_way.set(under_way.get() + 1);
    actix::spawn(async move {
        let begin = now();
        ask(target, id, act, Arc::clone(&measures)).await;
        measures.took(begin.elapsed());
        under_way.set(under_way.get() - 1);
    });
}
