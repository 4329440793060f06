//! What a child is: described once by a [`ChildSpec`]. The last place that is generic over its actor.

mod context;
mod incarnation;
mod kept;
mod link;
pub(crate) mod panics;
mod service;

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{
    Actor, Addr, Context,
    dev::channel::{AddressReceiver, channel},
};
use tokio_util::sync::CancellationToken;

use self::kept::{Factory, Kept};
pub use self::{context::SupervisedContext, panics::install_panic_hook, service::ServiceActor};
pub(crate) use self::{
    context::current,
    incarnation::Handle,
    kept::AnyKept,
    link::{InCall, LeftBehind, Link, Nested, Notice, Parent},
};
use crate::{
    error::SpecError,
    failure::{BoxError, Exit},
    info::ChildKind,
    machine::Terms,
    policy::{RestartPolicy, Shutdown, WhileDown},
    spec::check,
    token::ChildToken,
};

/// Actix's own default capacity of a mailbox.
pub(crate) const MAILBOX_CAPACITY: usize = 16;

/// Describes a child once, for all of its incarnations. `A` is its actor's type: any ordinary Actix actor.
///
/// ```
/// use std::time::Duration;
/// use actix::prelude::*;
/// use actix_supervisor::{ChildSpec, RestartPolicy, Shutdown, Supervisor};
///
/// struct Counter(u64);
///
/// impl Actor for Counter {
///     type Context = Context<Self>;
/// }
///
/// let spec = ChildSpec::actor("counter", |_ctx| Counter(0))
///     .restart(RestartPolicy::Transient)
///     .shutdown(Shutdown::Timeout(Duration::from_secs(3)))
///     .drain(true);
/// let counter: Addr<Counter> = spec.addr(); // good from here on, for as long as it is supervised
/// let root = Supervisor::new("root").child(spec);
/// # let _ = (counter, root);
/// ```
#[must_use = "a spec does nothing until a supervisor takes it"]
pub struct ChildSpec<A: Actor<Context = Context<A>>> {
    name: String,
    kind: ChildKind,
    addr: Addr<A>,
    receiver: AddressReceiver<A>,
    alias: Option<AddressReceiver<A>>,
    factory: Factory<A>,
    nested: Option<Arc<dyn Nested>>,
    in_call: Option<InCall>,
    policy: RestartPolicy,
    shutdown: Option<Shutdown>,
    start_timeout: Option<Duration>,
    drain: bool,
    while_down: WhileDown,
    capacity: Option<usize>,
}

impl<A: Actor<Context = Context<A>>> ChildSpec<A> {
    /// A child that is an actor. The factory makes a fresh one for every incarnation, on the thread where it runs.
    pub fn actor(
        name: impl Into<String>,
        mut factory: impl FnMut(&mut Context<A>) -> A + Send + 'static,
    ) -> Self {
        Self::with_factory(name.into(), ChildKind::Actor, Box::new(move |ctx| Ok(factory(ctx))))
    }

    /// A child that is an actor whose making may fail: that is a failure like any other.
    pub fn try_actor<E>(
        name: impl Into<String>,
        mut factory: impl FnMut(&mut Context<A>) -> Result<A, E> + Send + 'static,
    ) -> Self
    where
        E: Into<BoxError>,
    {
        let factory = Box::new(move |ctx: &mut Context<A>| factory(ctx).map_err(Into::into));
        Self::with_factory(name.into(), ChildKind::Actor, factory)
    }

    fn with_factory(name: String, kind: ChildKind, factory: Factory<A>) -> Self {
        let (sender, receiver) = channel(MAILBOX_CAPACITY);
        Self::with_mailbox(name, kind, Addr::new(sender), receiver, factory)
    }

    /// A nested supervisor, or the one at the root; it has a mailbox already.
    pub(crate) fn with_supervisor(
        name: String,
        supervisor: Arc<dyn Nested>,
        addr: Addr<A>,
        receiver: AddressReceiver<A>,
        alias: Option<AddressReceiver<A>>,
        factory: Factory<A>,
    ) -> Self {
        let nested = Some(supervisor);
        let spec = Self::with_mailbox(name, ChildKind::Supervisor, addr, receiver, factory);
        Self { nested, alias, ..spec }
    }

    fn with_mailbox(
        name: String,
        kind: ChildKind,
        addr: Addr<A>,
        receiver: AddressReceiver<A>,
        factory: Factory<A>,
    ) -> Self {
        Self {
            name,
            kind,
            addr,
            receiver,
            alias: None,
            factory,
            nested: None,
            in_call: None,
            policy: RestartPolicy::default(),
            shutdown: None,
            start_timeout: None,
            drain: false,
            while_down: WhileDown::default(),
            capacity: None,
        }
    }

    /// The child's address: good from here on, before the start and across restarts, until the child has ended.
    pub fn addr(&self) -> Addr<A> {
        self.addr.clone()
    }

    /// When it is restarted; [`RestartPolicy::Permanent`] unless set.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How it is stopped on request.
    ///
    /// Unless set, it is given its supervisor's [`shutdown_timeout`](crate::Spec::shutdown_timeout), and a nested
    /// supervisor as long as it needs: the limits of those below it hold.
    pub fn shutdown(mut self, how: Shutdown) -> Self {
        self.shutdown = Some(how);
        self
    }

    /// Whether, on a stop request, the messages that are in its mailbox by then are handled first; false
    /// unless set. The time that this takes is part of its [shutdown](Self::shutdown) limit.
    ///
    /// What those messages have started and not finished when the last of them was handled ends with the
    /// actor, but for futures that it waits for: [`AtomicResponse`](actix::AtomicResponse), `ctx.wait`.
    pub fn drain(mut self, yes: bool) -> Self {
        self.drain = yes;
        self
    }

    /// How long a start may take until it is ready, more than zero; no limit unless set.
    ///
    /// Beyond it the incarnation is killed, and that is [`Failure::StartTimeout`](crate::Failure::StartTimeout).
    ///
    /// An actor is ready when `started` has run and the futures that it gave to `ctx.wait` are done; a
    /// service when it has been polled once, a blocking one when its thread has called it; a nested
    /// supervisor when its declared children have been started.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.start_timeout = Some(limit);
        self
    }

    /// What becomes of messages while no incarnation is running; [`WhileDown::Queue`] unless set.
    pub fn while_down(mut self, senders: WhileDown) -> Self {
        self.while_down = senders;
        self
    }

    /// The capacity of its mailbox; Actix's own default (16) unless set. Zero means unbounded, as in Actix.
    ///
    /// It limits [`Addr::send`] and [`Addr::try_send`]; [`Addr::do_send`] goes beyond it.
    pub fn mailbox_capacity(mut self, messages: usize) -> Self {
        if messages < CAPACITY_LIMIT {
            self.receiver.set_capacity(messages);
        }
        self.capacity = Some(messages);
        self
    }

    fn check(&self) -> Result<(), SpecError> {
        let of = || format!("child {:?}", self.name);
        check(!self.name.is_empty(), of, "name", &self.name, "not empty")?;
        let timeout = self.start_timeout;
        check(
            timeout != Some(Duration::ZERO),
            of,
            "start_timeout",
            &Duration::ZERO,
            "more than zero",
        )?;
        let capacity = self.capacity.unwrap_or(MAILBOX_CAPACITY);
        let allowed = "less than a quarter of usize::MAX";
        check(capacity < CAPACITY_LIMIT, of, "mailbox_capacity", &capacity, allowed)
    }

    /// Checks it, and splits it into what the machine and what the shell of its supervisor need.
    pub(crate) fn take_on(self, default: Duration) -> Result<TakenOn, SpecError> {
        if let Err(error) = self.check() {
            panics::discard(self);
            return Err(error);
        }
        let default = match self.kind {
            ChildKind::Supervisor => Shutdown::Infinite,
            ChildKind::Actor | ChildKind::Service | ChildKind::Blocking => {
                Shutdown::Timeout(default)
            }
        };
        let terms = Terms {
            policy: self.policy,
            shutdown: self.shutdown.unwrap_or(default),
            start_timeout: self.start_timeout,
            kind: self.kind,
        };
        let (drain, while_down, nested) = (self.drain, self.while_down, self.nested.clone());
        let in_call = self.in_call;
        let kept =
            Kept::new(self.receiver, self.alias, self.factory, drain, while_down, self.nested);
        Ok(TakenOn { name: Arc::from(self.name), terms, kept: Arc::new(kept), nested, in_call })
    }
}

/// Actix refuses to make a mailbox of this capacity.
const CAPACITY_LIMIT: usize = usize::MAX >> 2;

/// A child, as its supervisor sees it: without its actor's type.
pub(crate) struct TakenOn {
    pub(crate) name: Arc<str>,
    pub(crate) terms: Terms,
    pub(crate) kept: Arc<dyn AnyKept>,
    pub(crate) nested: Option<Arc<dyn Nested>>,
    /// If it is a blocking service: whether its thread is running.
    pub(crate) in_call: Option<InCall>,
}

impl ChildSpec<ServiceActor> {
    /// A child that is an async service: called anew for every incarnation, on its supervisor's thread.
    ///
    /// Its token is cancelled when it is asked to stop. If its future has not returned within the child's
    /// limit then, it is dropped.
    ///
    /// ```
    /// use actix_supervisor::{CancellationToken, ChildSpec};
    ///
    /// let spec = ChildSpec::service("ticker", |stop: CancellationToken| async move {
    ///     let mut seconds = tokio::time::interval(std::time::Duration::from_secs(1));
    ///     while stop.run_until_cancelled(seconds.tick()).await.is_some() {
    ///         // …
    ///     }
    /// });
    /// # let _ = spec;
    /// ```
    pub fn service<F, Fut>(name: impl Into<String>, mut serve: F) -> Self
    where
        F: FnMut(CancellationToken) -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Into<Exit>,
    {
        let factory = Box::new(move |_: &mut Context<_>| Ok(ServiceActor::service(&mut serve)));
        Self::with_factory(name.into(), ChildKind::Service, factory)
    }

    /// A child that is a blocking service, on a thread of its own that has its name; for code that is not async.
    ///
    /// Its token is cancelled when it is asked to stop. Nothing but itself can end it: if it has not returned
    /// within the child's limit, its thread is left behind, a [`StopTimeout`](crate::EventKind::StopTimeout)
    /// event says so, and a supervisor that stops goes on without it and
    /// [reports](crate::StopReport::unstopped) it. It is not called again before that thread has returned.
    ///
    /// ```
    /// use std::{thread, time::Duration};
    /// use actix_supervisor::{CancellationToken, ChildSpec};
    ///
    /// let spec = ChildSpec::blocking("poller", |stop: CancellationToken| {
    ///     while !stop.is_cancelled() {
    ///         thread::sleep(Duration::from_millis(10));
    ///     }
    /// });
    /// # let _ = spec;
    /// ```
    pub fn blocking<F, R>(name: impl Into<String>, serve: F) -> Self
    where
        F: FnMut(CancellationToken) -> R + Send + 'static,
        R: Into<Exit>,
    {
        let name = name.into();
        let (thread, serve) = (name.clone(), Arc::new(Mutex::new(serve)));
        let in_call = InCall::default();
        let running = Arc::clone(&in_call);
        let factory = Box::new(move |_: &mut Context<_>| {
            ServiceActor::blocking(&thread, &serve, &running).map_err(BoxError::from)
        });
        let spec = Self::with_factory(name, ChildKind::Blocking, factory);
        Self { in_call: Some(in_call), ..spec }
    }
}

impl<A: Actor<Context = Context<A>>> fmt::Debug for ChildSpec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("restart", &self.policy)
            .field("shutdown", &self.shutdown)
            .field("start_timeout", &self.start_timeout)
            .field("drain", &self.drain)
            .field("while_down", &self.while_down)
            .finish_non_exhaustive()
    }
}

/// A child that a supervisor has taken on: its token, its address and its name.
pub struct Child<A: Actor> {
    token: ChildToken,
    addr: Addr<A>,
    name: Arc<str>,
}

impl<A: Actor> Child<A> {
    pub(crate) fn new(token: ChildToken, addr: Addr<A>, name: Arc<str>) -> Self {
        Self { token, addr, name }
    }

    /// What requests about it take.
    pub fn token(&self) -> ChildToken {
        self.token
    }

    /// Its address, for as long as it is supervised.
    pub fn addr(&self) -> Addr<A> {
        self.addr.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<A: Actor> Clone for Child<A> {
    fn clone(&self) -> Self {
        Self { token: self.token, addr: self.addr.clone(), name: Arc::clone(&self.name) }
    }
}

impl<A: Actor> fmt::Debug for Child<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("token", &self.token).field("name", &self.name).finish()
    }
}
