//! Real actors and services that do what a script says.

use std::{
    collections::BTreeMap,
    future,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{fut::wrap_future, prelude::*};
use actix_supervisor::{CancellationToken, ChildSpec, Exit, ServiceActor, SupervisedContext};
use tokio::{sync::oneshot, time::sleep};

use crate::program::{How, Millis, Name, Script, Start, Stopping, Word};

pub fn millis(time: Millis) -> Duration {
    Duration::from_millis(time)
}

/// What all of a program's children share.
#[derive(Clone, Default)]
pub struct Stage(Arc<Mutex<Notes>>);

#[derive(Default)]
pub struct Notes {
    /// How often the factory of each was called, and how many of its incarnations there are.
    lives: BTreeMap<Name, u64>,
    alive: BTreeMap<Name, u64>,
    pub handled: BTreeMap<Name, Vec<String>>,
    pub answers: Vec<String>,
    /// How many answers are still to come.
    pub asked: u64,
    /// What must never be.
    pub faults: Vec<String>,
}

impl Stage {
    pub fn with<T>(&self, with: impl FnOnce(&mut Notes) -> T) -> T {
        with(&mut self.0.lock().expect("no panic while noting"))
    }

    /// The factory of this one is called.
    pub fn enters(&self, name: Name) -> u64 {
        self.with(|notes| {
            if notes.alive.get(&name).is_some_and(|&alive| alive > 0) {
                notes.faults.push(format!("{name} is made while its last incarnation is there"));
            }
            let life = notes.lives.entry(name).or_default();
            *life += 1;
            *life
        })
    }
}

/// Is there while an incarnation is.
pub struct Presence(Name, Stage);

impl Presence {
    pub fn new(name: Name, stage: &Stage) -> Self {
        stage.with(|notes| *notes.alive.entry(name).or_default() += 1);
        Self(name, stage.clone())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.1.with(|notes| *notes.alive.entry(self.0).or_default() -= 1);
    }
}

pub struct Scripted {
    life: u64,
    start: Start,
    script: Arc<Script>,
    /// It stops of its own accord, which no script refuses.
    willing: bool,
    presence: Presence,
}

pub fn nth(script: &Script, life: u64) -> Start {
    let index = usize::try_from(life - 1).expect("not that many");
    script.starts.get(index).copied().unwrap_or(Start::WithoutAdo)
}

impl Scripted {
    pub fn spec(name: Name, script: &Script, stage: &Stage) -> ChildSpec<Self> {
        let (script, stage) = (Arc::new(script.clone()), stage.clone());
        ChildSpec::try_actor(name.to_string(), move |_ctx| {
            let life = stage.enters(name);
            let start = nth(&script, life);
            match start {
                Start::FactoryPanics => panic!("told to panic"),
                Start::FactoryErrs => Err("told to fail"),
                Start::WithoutAdo | Start::Takes(_) | Start::Hangs | Start::Ends(_) => Ok(Self {
                    life,
                    start,
                    script: script.clone(),
                    willing: false,
                    presence: Presence::new(name, &stage),
                }),
            }
        })
    }

    fn does(&mut self, how: How, ctx: &mut Context<Self>) {
        self.willing = true;
        match how {
            How::Panics => panic!("told to panic"),
            How::Fails => ctx.fail("told to fail"),
            How::Stops => ctx.stop(),
            How::Finishes => ctx.finish(),
            How::EndsTheTree => ctx.terminate_tree("told to end it all"),
        }
    }
}

impl Actor for Scripted {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.start {
            Start::Takes(time) => ctx.wait(wrap_future(sleep(millis(time)))),
            Start::Hangs => ctx.wait(wrap_future(future::pending())),
            Start::Ends(how) => return self.does(how, ctx),
            Start::WithoutAdo | Start::FactoryPanics | Start::FactoryErrs => {}
        }
        if let Some((time, how)) = self.script.life {
            ctx.run_later(millis(time), move |this, ctx| this.does(how, ctx));
        }
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        if self.willing {
            return Running::Stop;
        }
        match self.script.stopping {
            Stopping::Obeys | Stopping::PanicsInTheEnd => Running::Stop,
            Stopping::Takes(time) => {
                ctx.run_later(millis(time), |this, ctx| {
                    this.willing = true;
                    ctx.stop();
                });
                Running::Continue
            }
            Stopping::Refuses => Running::Continue,
            Stopping::Panics => panic!("told to panic"),
        }
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        if !self.willing && self.script.stopping == Stopping::PanicsInTheEnd {
            panic!("told to panic");
        }
    }
}

/// Says a word. Answers with the number of the incarnation, where wanted by a channel of its own: `try_send` has no answer.
#[derive(Message)]
#[rtype(result = "u64")]
pub struct Say(pub String, pub Word, pub Option<oneshot::Sender<u64>>);

impl Handler<Say> for Scripted {
    type Result = u64;

    fn handle(&mut self, Say(label, word, reply): Say, ctx: &mut Self::Context) -> u64 {
        let Presence(name, stage) = &self.presence;
        let handled = format!("{label} in life {}", self.life);
        stage.with(|notes| notes.handled.entry(*name).or_default().push(handled));
        match word {
            Word::Hello => {}
            Word::Do(how) => self.does(how, ctx),
            Word::Wait(time) => ctx.wait(wrap_future(sleep(millis(time)))),
            Word::WaitForEver => ctx.wait(wrap_future(future::pending())),
            Word::Later(time, how) => {
                ctx.run_later(millis(time), move |this, ctx| this.does(how, ctx));
            }
        }
        if let Some(reply) = reply {
            let _ = reply.send(self.life);
        }
        self.life
    }
}

fn exit(how: How) -> Exit {
    match how {
        How::Panics => panic!("told to panic"),
        How::Fails => Exit::Failed("told to fail".into()),
        How::Stops => Exit::Normal,
        How::Finishes => Exit::DoNotRestart,
        How::EndsTheTree => Exit::TerminateTree("told to end it all".into()),
    }
}

/// A service by the same script, as far as that concerns one.
pub fn service(name: Name, script: &Script, stage: &Stage) -> ChildSpec<ServiceActor> {
    let (script, stage) = (script.clone(), stage.clone());
    ChildSpec::service(name.to_string(), move |stop| {
        let life = stage.enters(name);
        let start = nth(&script, life);
        if start == Start::FactoryPanics {
            panic!("told to panic");
        }
        let is_there = Presence::new(name, &stage);
        let served = serve(script.clone(), start, stop);
        async move {
            let _is_there = is_there;
            ended(served.await)
        }
    })
}

pub fn ended(by_itself: Option<How>) -> Exit {
    by_itself.map_or(Exit::Normal, exit)
}

/// How it ends; `None` if in good order.
pub async fn serve(script: Script, start: Start, stop: CancellationToken) -> Option<How> {
    match start {
        Start::FactoryPanics => return Some(How::Panics),
        Start::FactoryErrs => return Some(How::Fails),
        Start::Ends(how) => return Some(how),
        Start::WithoutAdo | Start::Takes(_) | Start::Hangs => {}
    }
    let life = async {
        match script.life {
            Some((time, how)) => {
                sleep(millis(time)).await;
                how
            }
            None => future::pending().await,
        }
    };
    if let Some(how) = stop.run_until_cancelled(life).await {
        return Some(how);
    }
    match script.stopping {
        Stopping::Obeys => None,
        Stopping::Takes(time) => {
            sleep(millis(time)).await;
            None
        }
        Stopping::Refuses => future::pending().await,
        Stopping::Panics | Stopping::PanicsInTheEnd => Some(How::Panics),
    }
}
