//! The supervisor: an Actix actor that starts children, restarts them when they fail, and stops them.

mod blueprint;
mod deeds;
mod entry;
mod health;
mod host;
mod inbox;
mod look;
#[cfg(feature = "metrics")]
mod meters;
mod pool;
mod remains;
mod reply;
mod requests;
mod shell;
mod threads;
mod waiting;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, Once},
};

use actix::{
    Actor, ActorContext, ActorState, Addr, ArbiterHandle, AsyncContext, Context, Running,
    dev::{
        AsyncContextParts, ContextParts,
        channel::{AddressReceiver, channel},
    },
};

use log::Level;

#[cfg(all(feature = "systemd", unix))]
pub(crate) use self::blueprint::Condition;
#[cfg(feature = "metrics")]
pub(crate) use self::meters::Labels;
use self::{blueprint::Blueprint, inbox::Inbox, shell::Shell};
use crate::{
    child::{Alike, ChildSpec, Link, MAILBOX_CAPACITY, Nested, panics},
    error::SpecError,
    failure::Failure,
    info::StopReport,
    machine::Input,
    record::Span,
    spec::Spec,
};

/// An actor that supervises others.
///
/// It starts its children, restarts those that fail, and when too much fails in too short a time it
/// [pauses](Spec::failure_backoff). It handles [messages](crate#messages) from any thread, runs until it is
/// [stopped](crate::Stop), also when nobody holds its address, and is a child itself where
/// [`ChildSpec::supervisor`] makes it one. Actix's prelude has a `Supervisor` too: import this one by name.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{ChildSpec, Stop, Supervisor};
///
/// struct Echo;
///
/// impl Actor for Echo {
///     type Context = Context<Self>;
/// }
///
/// #[derive(Message)]
/// #[rtype(result = "u32")]
/// struct Divide(u32, u32);
///
/// impl Handler<Divide> for Echo {
///     type Result = u32;
///
///     fn handle(&mut self, Divide(by, number): Divide, _ctx: &mut Context<Self>) -> u32 {
///         number / by
///     }
/// }
///
/// # actix_rt::System::new().block_on(async {
/// let echo = ChildSpec::actor("echo", |_ctx| Echo);
/// let addr = echo.addr();
/// let root = Supervisor::new("root").child(echo).start();
///
/// assert!(addr.send(Divide(0, 1)).await.is_err()); // it panics,
/// assert_eq!(addr.send(Divide(2, 8)).await?, 4); // and the same address reaches the next one
/// assert!(root.send(Stop).await?.is_clean());
/// # Ok::<(), actix::MailboxError>(())
/// # }).unwrap();
/// ```
pub struct Supervisor {
    blueprint: Arc<Blueprint>,
    /// What receives for its address; taken when it is started.
    receiver: Option<AddressReceiver<Self>>,
    shell: Option<Arc<Mutex<Shell>>>,
}

impl Supervisor {
    /// A supervisor with the default [`Spec`].
    ///
    /// # Panics
    ///
    /// If the name is empty.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_spec(name, Spec::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A supervisor with settings of its own.
    ///
    /// # Errors
    ///
    /// If the name is empty or a setting makes no sense; the error names it, its value and what is allowed.
    pub fn with_spec(name: impl Into<String>, spec: Spec) -> Result<Self, SpecError> {
        let name = name.into();
        spec.check(&name)?;
        let (sender, receiver) = channel(MAILBOX_CAPACITY);
        let blueprint = Arc::new(Blueprint::new(name, spec, Addr::new(sender)));
        Ok(Self { blueprint, receiver: Some(receiver), shell: None })
    }

    /// Declares a child. Declared children start in this order, and start again when this supervisor is restarted.
    ///
    /// # Panics
    ///
    /// If the spec makes no sense; see [`try_child`](Self::try_child).
    #[must_use]
    pub fn child<A: Actor<Context = Context<A>>>(self, spec: ChildSpec<A>) -> Self {
        self.try_child(spec).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Declares a child.
    ///
    /// # Errors
    ///
    /// If its name is empty, a setting makes no sense, or there are as many children as [`max_children`](Spec::max_children)
    /// allows.
    pub fn try_child<A: Actor<Context = Context<A>>>(
        self,
        spec: ChildSpec<A>,
    ) -> Result<Self, SpecError> {
        self.blueprint.declare(spec)?;
        Ok(self)
    }

    /// Its address: good from here on, before it is started and, for a child, across its restarts.
    #[must_use]
    pub fn addr(&self) -> Addr<Self> {
        self.blueprint.addr.clone()
    }

    /// Starts it on this thread, and resolves when it has ended. Once polled, it goes on if this future is dropped.
    ///
    /// # Errors
    ///
    /// What it has failed with: [`Failure::LimitReached`] where it has [given up](Spec::on_limit), or the error of a child that
    /// asked for the [end of the tree](crate::Exit::TerminateTree).
    ///
    /// # Panics
    ///
    /// If no Actix system is running on this thread.
    pub async fn serve(self) -> Result<StopReport, Failure> {
        let ended = self.blueprint.join();
        self.launch(None);
        ended.await.unwrap_or(Err(Failure::Killed))
    }

    /// Whether the tree is ready, as it changes. For the one at the root.
    #[cfg(all(feature = "systemd", unix))]
    pub(crate) fn watch_condition(&self) -> tokio::sync::watch::Receiver<Condition> {
        self.blueprint.condition.get_or_init(Default::default).subscribe()
    }

    fn launch(self, alias: Option<AddressReceiver<Self>>) -> Addr<Self> {
        warn_of_abort();
        let addr = self.addr();
        match self.into_spec(alias).take_on(&Spec::default(), &mut Alike::default()) {
            Ok((root, _)) => {
                let span = Span::of_root(&root.name);
                drop(root.kept.start(Link { parent: None, span }, root.terms.policy, None));
            }
            Err(error) => panics::log(Level::Error, format_args!("not started: {error}")),
        }
        addr
    }

    fn into_spec(self, alias: Option<AddressReceiver<Self>>) -> ChildSpec<Self> {
        let Self { blueprint, receiver, .. } = self;
        // Only an incarnation has none, and nobody gets hold of one.
        let receiver = receiver.unwrap_or_else(|| channel(MAILBOX_CAPACITY).1);
        let (name, addr) = (blueprint.bus.name().to_string(), blueprint.addr.clone());
        let nested = Arc::clone(&blueprint) as Arc<dyn Nested>;
        let factory = Box::new(move |_: &mut Context<Self>| {
            Ok(Self { blueprint: Arc::clone(&blueprint), receiver: None, shell: None })
        });
        ChildSpec::with_supervisor(name, nested, addr, receiver, alias, factory)
    }

    /// What it is while it runs, knowing all that has happened so far.
    fn running(&mut self, ctx: &mut Context<Self>) -> MutexGuard<'_, Shell> {
        let blueprint = &self.blueprint;
        let start = || Shell::start(Arc::clone(blueprint), ctx).published();
        let mut shell = Shell::open(self.shell.get_or_insert_with(start));
        shell.catch_up(ctx);
        shell
    }
}

impl ChildSpec<Supervisor> {
    /// A child that is a supervisor with children of its own. Its name is the supervisor's.
    ///
    /// It is given as long as it needs to stop, unless [`shutdown`](Self::shutdown) says otherwise.
    ///
    /// ```
    /// use actix_supervisor::{ChildSpec, Supervisor};
    ///
    /// let workers = Supervisor::new("workers");
    /// let addr = workers.addr();
    /// let root = Supervisor::new("root").child(ChildSpec::supervisor(workers));
    /// # let _ = (addr, root);
    /// ```
    pub fn supervisor(supervisor: Supervisor) -> Self {
        supervisor.into_spec(None)
    }
}

/// [`start`](Actor::start) starts it on this thread, [`start_in_arbiter`](Actor::start_in_arbiter) on another one.
impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        drop(self.running(ctx));
        ctx.spawn(Inbox);
    }

    /// Asked to stop, it stops its children first.
    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        self.running(ctx).input(Input::Stop, ctx);
        match ctx.state() {
            ActorState::Stopped => Running::Stop,
            // When they have stopped, it terminates itself.
            ActorState::Started | ActorState::Running | ActorState::Stopping => Running::Continue,
        }
    }

    fn start(self) -> Addr<Self> {
        self.launch(None)
    }

    fn start_in_arbiter<F>(arbiter: &ArbiterHandle, factory: F) -> Addr<Self>
    where
        F: FnOnce(&mut Context<Self>) -> Self + Send + 'static,
    {
        let (sender, receiver) = channel(MAILBOX_CAPACITY);
        arbiter.spawn_fn(move || {
            Self::create_at(receiver, factory);
        });
        Addr::new(sender)
    }

    fn create<F>(factory: F) -> Addr<Self>
    where
        F: FnOnce(&mut Context<Self>) -> Self,
    {
        Self::create_at(channel(MAILBOX_CAPACITY).1, factory)
    }
}

impl Supervisor {
    /// Starts one whose factory wants a context, and so an address, before the supervisor with its own is
    /// made: it receives from both. Nothing else of that context is used.
    fn create_at<F>(alias: AddressReceiver<Self>, factory: F) -> Addr<Self>
    where
        F: FnOnce(&mut Context<Self>) -> Self,
    {
        let mut ctx = Context::new();
        *ctx.parts() = ContextParts::new(alias.sender_producer());
        factory(&mut ctx).launch(Some(alias))
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("name", self.blueprint.bus.name())
            .field("spec", &self.blueprint.spec)
            .finish_non_exhaustive()
    }
}

/// Nothing can be supervised where a panic ends the process.
fn warn_of_abort() {
    static WARN: Once = Once::new();
    if cfg!(panic = "abort") {
        WARN.call_once(|| {
            let what = "this program was built with panic = \"abort\"";
            let then = "the first panic ends it, and no supervisor can help";
            panics::log(Level::Error, format_args!("{what}: {then}"));
        });
    }
}
