//! An actor that notes what happens to it, and does what it is told.

use std::{future::pending, time::Duration};

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, Running, fut::wrap_future,
};

use super::Journal;
use crate::{ChildSpec, SupervisedContext};

/// An actor that notes what happens to it, as `name: what`, and [does](Do) what it is told.
///
/// It notes `made 1` (the number of the incarnation), `started`, `stopping`, `stopped` and `dropped`.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{Stop, Supervisor, test_kit::{Do, Journal, Probe, paused}};
///
/// # paused(async {
/// let journal = Journal::default();
/// let probe = Probe::spec("probe", &journal);
/// let addr = probe.addr();
/// let root = Supervisor::new("root").child(probe).start();
/// assert!(addr.send(Do::Panic).await.is_err());
/// assert_eq!(addr.send(Do::Nothing).await?, 2);
/// root.send(Stop).await?;
/// assert_eq!(journal.take(), [
///     "probe: made 1", "probe: started", "probe: dropped",
///     "probe: made 2", "probe: started", "probe: stopping", "probe: stopped", "probe: dropped",
/// ]);
/// # Ok::<(), MailboxError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Probe {
    name: String,
    life: u32,
    journal: Journal,
    on_stopping: Running,
}

impl Probe {
    /// A spec of a probe that notes in this journal.
    pub fn spec(name: &str, journal: &Journal) -> ChildSpec<Self> {
        let mut make = Self::maker(name, journal);
        ChildSpec::actor(name, move |_| make())
    }

    /// As [`spec`](Self::spec), and it refuses to stop, from the start: it runs into its limit.
    pub fn hung(name: &str, journal: &Journal) -> ChildSpec<Self> {
        let mut make = Self::maker(name, journal);
        ChildSpec::actor(name, move |_| {
            let mut probe = make();
            probe.on_stopping = Running::Continue;
            probe
        })
    }

    /// As [`spec`](Self::spec), and it is ready only after this time.
    pub fn slow(name: &str, journal: &Journal, time: Duration) -> ChildSpec<Self> {
        let mut make = Self::maker(name, journal);
        ChildSpec::actor(name, move |ctx| {
            ctx.wait(wrap_future::<_, Self>(tokio::time::sleep(time)));
            make()
        })
    }

    /// What makes one incarnation after the other: for a factory of one's own.
    pub fn maker(name: &str, journal: &Journal) -> impl FnMut() -> Self + Send + 'static {
        let (name, journal, mut life) = (name.to_owned(), journal.clone(), 0);
        move || {
            life += 1;
            journal.note(format!("{name}: made {life}"));
            Self { name: name.clone(), life, journal: journal.clone(), on_stopping: Running::Stop }
        }
    }

    fn note(&self, what: &str) {
        self.journal.note(format!("{}: {what}", self.name));
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, _ctx: &mut Self::Context) {
        self.note("started");
    }

    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        self.note("stopping");
        self.on_stopping
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        self.note("stopped");
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

/// What a [`Probe`] is told to do. It answers with the number of its incarnation, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "u32")]
#[non_exhaustive]
pub enum Do {
    /// Only answers.
    Nothing,
    /// Notes the number: `handled 7 in life 1`.
    Note(u32),
    /// Panics: there is no answer.
    Panic,
    /// `ctx.fail`.
    Fail,
    /// `ctx.stop`.
    Stop,
    /// `ctx.terminate`.
    Terminate,
    /// `ctx.finish`.
    Finish,
    /// `ctx.terminate_tree`.
    TerminateTree,
    /// From now on `stopping` answers `Continue`.
    RefuseToStop,
    /// Handles no other message any more: it waits for something that never comes, without blocking its thread.
    Hang,
}

impl Handler<Do> for Probe {
    type Result = u32;

    fn handle(&mut self, what: Do, ctx: &mut Self::Context) -> u32 {
        match what {
            Do::Nothing => {}
            Do::Note(number) => self.note(&format!("handled {number} in life {}", self.life)),
            Do::Panic => panic!("told to panic"),
            Do::Fail => ctx.fail("told to fail"),
            Do::Stop => ctx.stop(),
            Do::Terminate => ctx.terminate(),
            Do::Finish => ctx.finish(),
            Do::TerminateTree => ctx.terminate_tree("told to end it all"),
            Do::RefuseToStop => self.on_stopping = Running::Continue,
            Do::Hang => ctx.wait(wrap_future::<_, Self>(pending())),
        }
        self.life
    }
}
