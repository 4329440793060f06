//! An actor that tests write where they use it, and something that tells of its end.

use std::sync::Arc;

use actix::prelude::*;
use actix_supervisor::ChildSpec;

use crate::support::placed;

type OnStarted = dyn Fn(u32, &mut Context<Puppet>) + Send + Sync;
type OnStopping = dyn FnMut(&mut Context<Puppet>) -> Running;
type What = dyn FnOnce(&mut Puppet, &mut Context<Puppet>) + Send;

/// An actor whose code comes with its messages, so that a test shows it where it matters.
pub struct Puppet {
    /// The number of its incarnation, from 1 on.
    pub life: u32,
    on_started: Arc<OnStarted>,
    pub on_stopping: Box<OnStopping>,
    pub on_stopped: Box<dyn FnMut()>,
    /// Dropped with it.
    pub holds: Vec<OnDrop>,
}

impl Puppet {
    pub fn spec(name: &str) -> ChildSpec<Puppet> {
        Puppet::starting(name, |_life, _ctx| {})
    }

    /// A spec of a puppet whose `started` does this.
    pub fn starting(
        name: &str,
        on_started: impl Fn(u32, &mut Context<Puppet>) + Send + Sync + 'static,
    ) -> ChildSpec<Puppet> {
        let (mut life, on_started) = (0, Arc::new(on_started));
        placed(ChildSpec::actor(name, move |_| {
            life += 1;
            Puppet { on_started: on_started.clone(), ..Puppet::new(life) }
        }))
    }

    pub fn new(life: u32) -> Puppet {
        Puppet {
            life,
            on_started: Arc::new(|_life, _ctx| {}),
            on_stopping: Box::new(|_ctx| Running::Stop),
            on_stopped: Box::new(|| {}),
            holds: Vec::new(),
        }
    }
}

impl Actor for Puppet {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        Arc::clone(&self.on_started)(self.life, ctx);
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        (self.on_stopping)(ctx)
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        (self.on_stopped)();
    }
}

/// What a puppet is to do. Answers with the number of its incarnation.
#[derive(Message)]
#[rtype(result = "u32")]
pub struct Tell(Box<What>);

pub fn tell(what: impl FnOnce(&mut Puppet, &mut Context<Puppet>) + Send + 'static) -> Tell {
    Tell(Box::new(what))
}

/// Asks a puppet for the number of its incarnation.
pub fn life() -> Tell {
    tell(|_, _| {})
}

impl Handler<Tell> for Puppet {
    type Result = u32;

    fn handle(&mut self, Tell(what): Tell, ctx: &mut Self::Context) -> u32 {
        what(self, ctx);
        self.life
    }
}

/// Does this when it is dropped.
pub struct OnDrop(Box<dyn FnMut() + Send>);

impl OnDrop {
    pub fn new(what: impl FnMut() + Send + 'static) -> Self {
        Self(Box::new(what))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}
