//! What a child is, described once.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use actix::{
    Actor, Addr, Context,
    dev::channel::{AddressReceiver, channel},
};
use tokio_util::sync::CancellationToken;

use super::{
    MAILBOX_CAPACITY, Rule, ServiceActor,
    intake::Untaken,
    kept::Factory,
    link::{Calls, Nested},
    panics::Guarded,
    taking::CAPACITY_LIMIT,
};
use crate::{
    backoff::Backoff,
    failure::{BoxError, Exit, Failure},
    info::ChildKind,
    placement::Placement,
    policy::{Decision, RestartPolicy, Shutdown, WhileDown},
};

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
    /// Boxed: it is large, and is moved a dozen times on its way into a supervisor.
    pub(super) inner: Box<Description<A>>,
}

/// What a spec says of its child.
pub(super) struct Description<A: Actor<Context = Context<A>>> {
    pub(super) name: String,
    pub(super) kind: ChildKind,
    pub(super) addr: Addr<A>,
    pub(super) mailbox: Untaken<A>,
    pub(super) factory: Guarded<Factory<A>>,
    pub(super) nested: Option<Arc<dyn Nested>>,
    pub(super) calls: Option<Arc<OnceLock<Calls>>>,
    pub(super) policy: RestartPolicy,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) start_timeout: Option<Duration>,
    pub(super) drain: bool,
    pub(super) while_down: WhileDown,
    pub(super) capacity: Option<usize>,
    pub(super) backoff: Option<Backoff>,
    pub(super) give_up_after: Option<u32>,
    pub(super) significant: bool,
    pub(super) essential: bool,
    pub(super) placement: Placement,
    pub(super) watchdog: Option<Duration>,
    pub(super) in_flight: Option<u32>,
    /// If it is a pool: how many members it has.
    pub(super) members: Option<usize>,
    pub(super) decide: Option<Rule>,
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

    /// A pool: actors of one type that take their messages from one mailbox, behind one address.
    ///
    /// An idle member takes the next message, so the load balances by itself. A member that fails is replaced alone, by the
    /// policy and the backoff of this spec, while the others go on; what waits in the mailbox waits for whoever is
    /// next. All that a spec can say is about each member, but for [`significant`](Self::significant) and [`essential`](Self::essential), which
    /// are about the pool, and [`mailbox_capacity`](Self::mailbox_capacity) and [`while_down`](Self::while_down), which are about their common mailbox.
    ///
    /// The pool is a [supervisor](ChildSpec::supervisor) of its members, with the settings of the one that takes it on: so
    /// members are children with names of their own, `name-1` and so on, in [`Tree`](crate::Tree) and in events, and
    /// [`ChildInfo::addr::<Supervisor>`](crate::ChildInfo::addr) reaches it. [`Resize`](crate::Resize) changes the number of members. It is stopped
    /// as a supervisor is: for as long as its members may take.
    ///
    /// When its members are all gone for good (finished, ended by their policy or removed), so is the pool, whatever its policy: its mailbox is
    /// closed, and it is told as [`ChildEnded`](crate::EventKind::ChildEnded) with [`EndReason::Finished`](crate::EndReason::Finished).
    /// A pool has no other children, and neither it nor a member can be [replaced](crate::Replace).
    ///
    /// With [`Placement::Dedicated`] each member has a thread of its own. That is what Actix's `SyncArbiter` is for,
    /// here for ordinary actors; with [`Placement::Pool`] they share as many threads as the supervisor's
    /// [`arbiters`](crate::Spec::arbiters).
    ///
    /// ```
    /// use actix::prelude::*;
    /// use actix_supervisor::{ChildSpec, Placement, Stop, Supervisor};
    ///
    /// #[derive(Message)]
    /// #[rtype(result = "u64")]
    /// struct Sum(u64);
    ///
    /// struct Worker;
    ///
    /// impl Actor for Worker {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Sum> for Worker {
    ///     type Result = u64;
    ///
    ///     fn handle(&mut self, Sum(to): Sum, _ctx: &mut Context<Self>) -> u64 {
    ///         (0..=to).sum() // This may take its time: the member has a thread of its own.
    ///     }
    /// }
    ///
    /// # actix_rt::System::new().block_on(async {
    /// let workers = ChildSpec::pool("workers", 4, |_ctx| Worker).placement(Placement::Dedicated);
    /// let addr = workers.addr();
    /// let root = Supervisor::new("root").child(workers).start();
    ///
    /// assert_eq!(addr.send(Sum(100)).await?, 5_050);
    /// assert!(root.send(Stop).await?.is_clean());
    /// # Ok::<(), actix::MailboxError>(())
    /// # }).unwrap();
    /// ```
    pub fn pool(
        name: impl Into<String>,
        members: usize,
        factory: impl FnMut(&mut Context<A>) -> A + Send + 'static,
    ) -> Self {
        let mut spec = Self::actor(name, factory);
        spec.inner.members = Some(members);
        spec
    }

    fn with_factory(name: String, kind: ChildKind, factory: Factory<A>) -> Self {
        let (sender, receiver) = channel(MAILBOX_CAPACITY);
        Self::with_mailbox(name, kind, Addr::new(sender), Untaken::new(receiver, None), factory)
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
        let mailbox = Untaken::new(receiver, alias);
        let mut spec = Self::with_mailbox(name, ChildKind::Supervisor, addr, mailbox, factory);
        spec.inner.nested = Some(supervisor);
        spec
    }

    fn with_mailbox(
        name: String,
        kind: ChildKind,
        addr: Addr<A>,
        mailbox: Untaken<A>,
        factory: Factory<A>,
    ) -> Self {
        let description = Description {
            name,
            kind,
            addr,
            mailbox,
            factory: Guarded::new(factory),
            nested: None,
            calls: None,
            policy: RestartPolicy::default(),
            shutdown: None,
            start_timeout: None,
            drain: false,
            while_down: WhileDown::default(),
            capacity: None,
            backoff: None,
            give_up_after: None,
            significant: false,
            essential: false,
            placement: Placement::Inline,
            watchdog: None,
            in_flight: None,
            members: None,
            decide: None,
        };
        Self { inner: Box::new(description) }
    }

    /// The child's address: good from here on, before the start and across restarts, until the child has ended.
    pub fn addr(&self) -> Addr<A> {
        self.inner.addr.clone()
    }

    /// When it is restarted; [`RestartPolicy::Permanent`] unless set.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.inner.policy = policy;
        self
    }

    /// How it is stopped on request.
    ///
    /// Unless set, it is given its supervisor's [`shutdown_timeout`](crate::Spec::shutdown_timeout), and a nested
    /// supervisor as long as it needs: the limits of those below it hold.
    pub fn shutdown(mut self, how: Shutdown) -> Self {
        self.inner.shutdown = Some(how);
        self
    }

    /// Whether, on a stop request, the messages that are in its mailbox by then are handled first; false
    /// unless set. The time that this takes is part of its [shutdown](Self::shutdown) limit.
    ///
    /// What those messages have started and not finished when the last of them was handled ends with the
    /// actor, but for futures that it waits for: [`AtomicResponse`](actix::AtomicResponse), `ctx.wait`.
    pub fn drain(mut self, yes: bool) -> Self {
        self.inner.drain = yes;
        self
    }

    /// How long a start may take until it is ready, more than zero; no limit unless set.
    ///
    /// Beyond it the incarnation is killed, and that is [`Failure::StartTimeout`](crate::Failure::StartTimeout).
    ///
    /// An actor is ready when `started` has run and the futures that it gave to `ctx.wait` are done; a
    /// service when it has been polled once, a blocking one when its thread has called it; a nested
    /// supervisor when its declared children have been started, and in a [group](crate::Strategy) when they are ready.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.inner.start_timeout = Some(limit);
        self
    }

    /// The delay before each restart; none unless set: it is restarted at once.
    ///
    /// The supervisor's pause holds as well: the child restarts when both are over.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.inner.backoff = Some(backoff);
        self
    }

    /// After this many failures in a row, one or more, the child has failed for good; never unless set.
    ///
    /// Failures are in a row when none comes after a healthy time, as in [`Backoff::reset_after`]; without
    /// a backoff that is 10 s. What has failed for good ends with [`OnLimit::Backoff`](crate::OnLimit), and makes
    /// its supervisor fail with [`OnLimit::Escalate`](crate::OnLimit).
    pub fn give_up_after(mut self, consecutive: u32) -> Self {
        self.inner.give_up_after = Some(consecutive);
        self
    }

    /// Decides about each failure by its reason, in place of the [restart policy](Self::restart). Akka's decider.
    ///
    /// It is not asked about ends that are no failures: [`finish`](crate::SupervisedContext::finish), a stop that the policy does not
    /// restart, a stop on request. Nor is it about the first start under [`AddAndWait`](crate::AddAndWait), which only answers
    /// its caller; and `Decision::Restart` does not keep a supervisor from
    /// [failing over a first start](crate::Spec::start_failure). It runs on the supervisor's thread; a panic in it counts
    /// as [`Decision::Restart`].
    ///
    /// ```
    /// use actix_supervisor::{CancellationToken, ChildSpec, Decision, Failure};
    ///
    /// let spec = ChildSpec::service("reader", |_: CancellationToken| async { std::fs::read("in").map(drop) })
    ///     .decide(|failure| match failure {
    ///         Failure::Error(error) if error.is::<std::io::Error>() => Decision::Restart,
    ///         Failure::Panic(_) => Decision::Escalate,
    ///         _ => Decision::End,
    ///     });
    /// # let _ = spec;
    /// ```
    pub fn decide(mut self, by: impl Fn(&Failure) -> Decision + Send + Sync + 'static) -> Self {
        self.inner.decide = Some(Guarded::new(Box::new(by)));
        self
    }

    /// Whether its end concerns the supervisor's [`auto_shutdown`](crate::Spec::auto_shutdown); false unless set. OTP's term.
    ///
    /// Only for children that end: transient and temporary ones of a supervisor that is set to stop by itself.
    pub fn significant(mut self, yes: bool) -> Self {
        self.inner.significant = yes;
        self
    }

    /// Whether the application can do its work only while this child is ready; false unless set. See [`Health`](crate::Health).
    ///
    /// An essential child is one that is missed: while it starts, is down or stopped, also by [`Terminate`](crate::Terminate), the tree is not
    /// ready. One that has failed for good is missed for as long as the process runs; one that is done, or was removed, is not.
    /// A nested supervisor need not be marked for the sake of essential children below it. A [pool](Self::pool) that is marked is ready
    /// as long as one of its members is.
    ///
    /// Mark what a request cannot be answered without, and nothing else: what is not ready gets no requests.
    pub fn essential(mut self, yes: bool) -> Self {
        self.inner.essential = yes;
        self
    }

    /// On which thread it runs; [`Placement::Inline`] unless set. Not for a blocking service, which has one anyway.
    pub fn placement(mut self, place: Placement) -> Self {
        self.inner.placement = place;
        self
    }

    /// Finds out when its thread is stuck; more than zero, and none unless set. For an actor or an async service that does
    /// not run on its supervisor's thread.
    ///
    /// Its thread is asked from time to time whether it is free. If it does not answer within this limit, that is
    /// [`Failure::Unresponsive`](crate::Failure::Unresponsive): the incarnation is fenced, so that it takes no more messages,
    /// and the next one starts on another thread, with the same mailbox and address. Other children on a stuck
    /// thread of the supervisor's [pool](Placement::Pool) move away as well, which is no failure of theirs: the failure is that
    /// of the one whose code keeps the thread, watched or not. Only the
    /// message in hand, and what the incarnation itself had begun, stay behind.
    ///
    /// Should the stuck thread ever go on, the actor is dropped there, and a
    /// [`ChildCameBack`](crate::EventKind::ChildCameBack) event says so. Until then it is counted in
    /// [`SupervisorStatus::left_behind`](crate::SupervisorStatus::left_behind) and in the
    /// [`StopReport`](crate::StopReport::unstopped). It never holds up a stop.
    ///
    /// Choose a limit that is longer than anything that a handler may rightly do in one go. It is measured on tokio's clock:
    /// with that paused in a test, real threads have no time at all to answer.
    pub fn watchdog(mut self, limit: Duration) -> Self {
        self.inner.watchdog = Some(limit);
        self
    }

    /// How many messages it, or each member of a [pool](Self::pool), has in hand at most, one or more; no limit unless set.
    ///
    /// For handlers that answer with futures: Actix does not tell anybody when those are done, so a handler says that its message is
    /// in hand by [`ctx.in_hand()`](crate::SupervisedContext::in_hand). With as many messages in hand the actor takes no more, and in
    /// a pool another one does. On a stop request it finishes what it has in hand first, within its
    /// [limit](Self::shutdown).
    pub fn in_flight(mut self, messages: u32) -> Self {
        self.inner.in_flight = Some(messages);
        self
    }

    /// What becomes of messages while it is [down](WhileDown); [`WhileDown::Queue`] unless set. Before its first start
    /// they are always kept.
    pub fn while_down(mut self, senders: WhileDown) -> Self {
        self.inner.while_down = senders;
        self
    }

    /// The capacity of its mailbox; Actix's own default (16) unless set. Zero means unbounded, as in Actix.
    ///
    /// [`Addr::try_send`] is refused beyond it (each clone of an address may add one message more), [`Addr::send`] waits, and
    /// [`Addr::do_send`] goes beyond it.
    pub fn mailbox_capacity(mut self, messages: usize) -> Self {
        if messages < CAPACITY_LIMIT {
            self.inner.mailbox.set_capacity(messages);
        }
        self.inner.capacity = Some(messages);
        self
    }
}

impl ChildSpec<ServiceActor> {
    /// A child that is an async service: called anew for every incarnation, on the thread where it [runs](Self::placement).
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
        // The system takes no name with a zero in it.
        let (thread, serve) = (name.replace('\0', ""), Arc::new(Mutex::new(serve)));
        // Those of the child that it will describe.
        let calls = Arc::new(OnceLock::<Calls>::new());
        let of_child = Arc::clone(&calls);
        let factory = Box::new(move |_: &mut Context<_>| {
            let (thread, serve) = (thread.clone(), Arc::clone(&serve));
            let calls = of_child.get_or_init(Calls::default).clone();
            Ok(ServiceActor::blocking(thread, serve, calls))
        });
        let mut spec = Self::with_factory(name, ChildKind::Blocking, factory);
        spec.inner.calls = Some(calls);
        spec
    }
}

impl<A: Actor<Context = Context<A>>> fmt::Debug for ChildSpec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.inner.name)
            .field("kind", &self.inner.kind)
            .field("restart", &self.inner.policy)
            .field("shutdown", &self.inner.shutdown)
            .field("start_timeout", &self.inner.start_timeout)
            .field("drain", &self.inner.drain)
            .field("while_down", &self.inner.while_down)
            .field("mailbox_capacity", &self.inner.capacity)
            .field("backoff", &self.inner.backoff)
            .field("give_up_after", &self.inner.give_up_after)
            .field("significant", &self.inner.significant)
            .field("placement", &self.inner.placement)
            .field("watchdog", &self.inner.watchdog)
            .field("in_flight", &self.inner.in_flight)
            .field("members", &self.inner.members)
            .finish_non_exhaustive()
    }
}
