//! Crashes, at random.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use actix_supervisor::{Kill, List, Restart, Supervisor, Terminate};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    app::App,
    load::{Ids, ask, pick},
    measure::{Measures, now},
    settings::Settings,
    target::{Place, Target},
    worker::Act,
};

const TICK: Duration = Duration::from_millis(1);
/// What is due at once after a delay, at most.
const BURST: u64 = 100;
/// A thread gets stuck every so often.
const GET_STUCK: Duration = Duration::from_secs(7);
/// How many crashes are under way at most: one in a pause takes its time.
const UNDER_WAY: usize = 5_000;

/// Ends when the last answer to a crash has arrived.
pub(crate) fn start(app: &App, measures: &Arc<Measures>, settings: &Settings) -> JoinHandle<()> {
    let chaos = Chaos {
        targets: app.targets.clone(),
        supervisors: app.supervisors.clone(),
        fuses: app.fuses.clone(),
        measures: Arc::clone(measures),
        settings: settings.clone(),
        rng: fastrand::Rng::with_seed(settings.seed),
        ids: Ids::of(0),
    };
    actix::spawn(chaos.reign())
}

struct Chaos {
    targets: Vec<Target>,
    supervisors: Vec<Addr<Supervisor>>,
    fuses: Vec<Arc<AtomicBool>>,
    measures: Arc<Measures>,
    settings: Settings,
    rng: fastrand::Rng,
    ids: Ids,
}

type Crash = Pin<Box<dyn Future<Output = ()>>>;

impl Chaos {
    async fn reign(mut self) {
        let (begin, mut due, mut ticks) = (now(), 0, interval(TICK));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut crashes, mut stuck) = (FuturesUnordered::<Crash>::new(), 0);
        while begin.elapsed().as_secs() < self.settings.seconds {
            tokio::select! {
                _ = ticks.tick() => {}
                Some(()) = crashes.next() => continue,
            }
            let elapsed = begin.elapsed().as_secs_f64();
            let by_now = (elapsed * self.settings.crashes as f64) as u64;
            for _ in due..by_now.min(due + BURST) {
                if crashes.len() < UNDER_WAY {
                    crashes.push(self.crash());
                }
            }
            due = by_now;
            if (elapsed / GET_STUCK.as_secs_f64()) as u64 > stuck {
                stuck += 1;
                crashes.push(self.by_message(Act::GetStuck));
            }
        }
        while crashes.next().await.is_some() {}
    }

    fn crash(&mut self) -> Crash {
        match self.rng.u32(..1_000) {
            0 => self.by_message(Act::StopArbiter),
            1..=20 => self.by_fuse(),
            21..=70 => self.by_request(),
            71..=300 => self.by_message(Act::Panic),
            301..=400 => self.by_message(Act::PanicLater),
            401..=450 => self.by_message(Act::PanicTwice),
            451..=500 => self.by_message(Act::PanicWithBomb),
            501..=700 => self.by_message(Act::Fail),
            701..=900 => self.by_message(Act::Stop),
            _ => self.by_message(Act::Terminate),
        }
    }

    fn by_message(&mut self, act: Act) -> Crash {
        let harms_its_thread = matches!(act, Act::GetStuck | Act::StopArbiter);
        let target = loop {
            let target = pick(&mut self.rng, &self.targets);
            if target.place == Place::Elsewhere || !harms_its_thread {
                break target.clone();
            }
        };
        self.measures.crashes.add();
        Box::pin(ask(target, self.ids.next(), act, Arc::clone(&self.measures)))
    }

    fn by_fuse(&mut self) -> Crash {
        self.measures.crashes.add();
        let fuse = self.rng.usize(..self.fuses.len());
        self.fuses[fuse].store(true, Ordering::Relaxed);
        Box::pin(async {})
    }

    /// A child of some supervisor, nested supervisors included, is killed, restarted, or taken down and up again.
    fn by_request(&mut self) -> Crash {
        self.measures.crashes.add();
        let supervisor = self.supervisors[self.rng.usize(..self.supervisors.len())].clone();
        let (how, which) = (self.rng.u32(..3), self.rng.usize(..));
        Box::pin(async move {
            // A supervisor that is down answers when it is up again; whoever asks for the end of a
            // child that has ended meanwhile is told so.
            let Ok(children) = supervisor.send(List).await else { return };
            if children.is_empty() {
                return;
            }
            let child = children[which % children.len()].token;
            if how == 0 {
                let _ = supervisor.send(Kill(child)).await;
                return;
            }
            if how == 1 {
                let _ = supervisor.send(Terminate(child)).await;
            }
            let _ = supervisor.send(Restart(child)).await;
        })
    }
}
