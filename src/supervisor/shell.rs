//! The shell: it turns what happens into inputs of the machine, and has its actions [carried out](super::deeds).

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use actix::{ActorContext, ActorState, AsyncContext, Context, SpawnHandle};
use log::Level;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};

#[cfg(feature = "metrics")]
use super::meters::Meters;
use super::{
    Supervisor,
    blueprint::{Blueprint, Declared},
    entry::{Ended, Entry},
    threads::Threads,
    waiting::{Answer, Until, Waiter, Waiting},
};
pub(super) use crate::clock::now;
use crate::{
    child::{
        self, Alike, Desk, LeftBehind, Nested, Notice, TakenOn,
        panics::{self},
    },
    event::EventKind,
    failure::Failure,
    info::StopReport,
    machine::{
        Action, Input, Machine, Progress, Refusal, Request, Settings, Settled, Standing, StopCause,
        Wait,
    },
    rows::Rows,
    token::ChildToken,
};

/// A running supervisor.
pub(super) struct Shell {
    pub(super) blueprint: Arc<Blueprint>,
    /// Nobody restarts it.
    pub(super) is_root: bool,
    /// Its members are all that it is there for.
    pub(super) is_pool: bool,
    pub(super) machine: Machine,
    pub(super) children: Rows<Entry>,
    /// Those of them that come back with this supervisor. A bit in each record would take a word.
    pub(super) declared: BTreeSet<u64>,
    pub(super) alike: Alike,
    /// What has ended just now, until the machine has said what to make of it.
    pub(super) ended: Option<Ended>,
    pub(super) inbox: UnboundedReceiver<Notice>,
    pub(super) desk: Arc<Desk>,
    /// A `Tick` is on its way through the inbox.
    pub(super) ticking: bool,
    timer: Option<(Instant, SpawnHandle)>,
    pub(super) waiting: Waiting,
    actions: Vec<Action>,
    /// Sent when all actions have been carried out, so that they are true (I4).
    answers: Vec<(Box<dyn Waiter>, Answer)>,
    /// The failure that was told last, and of whom, while the actions that follow from it are carried out.
    pub(super) latest: Option<(Arc<str>, Arc<Failure>)>,
    /// What the meter read then.
    pub(super) reading: f64,
    /// What this supervisor ends with, if not in good order.
    pub(super) cause: Option<Failure>,
    /// What was left behind at lower levels.
    pub(super) left_behind: Vec<LeftBehind>,
    pub(super) threads: Threads,
    /// What it has told of its readiness.
    told: Option<Standing>,
    #[cfg(feature = "metrics")]
    pub(super) meters: Meters,
    /// All children are gone, and this is why; what is left is to wait for threads.
    pub(super) finishing: Option<StopCause>,
}

/// What becomes of a request.
pub(super) enum Course {
    Done,
    Until(Until),
}

/// Why a request was not carried out.
pub(super) enum Refused {
    WrongSupervisor,
    NotFound,
    Stopping,
    Overdue,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::Stopping => Self::Stopping,
        }
    }
}

impl Shell {
    pub(super) fn start(blueprint: Arc<Blueprint>, ctx: &mut Context<Supervisor>) -> Self {
        let (outbox, inbox) = unbounded_channel();
        let desk = Desk::new(blueprint.id, outbox);
        let spec = &blueprint.spec;
        let is_pool = blueprint.is_pool();
        let needs_one_ready = blueprint.plan().members.as_ref().is_some_and(|pool| pool.essential);
        let machine = Machine::new(Settings {
            decay: spec.failure_decay,
            threshold: spec.failure_threshold,
            pause: spec.failure_backoff,
            jitter: spec.backoff_jitter,
            spread: spec.resume_spread,
            seed: spec.jitter_seed.unwrap_or_else(|| fastrand::u64(..)),
            strategy: spec.strategy,
            on_limit: spec.on_limit,
            give_up_after_pauses: spec.give_up_after_pauses,
            start_failure: spec.start_failure,
            auto_shutdown: spec.auto_shutdown,
            needs_children: is_pool,
            needs_one_ready,
            shutdown_order: spec.shutdown_order,
            stop_delay: spec.stop_delay,
            bereft: !blueprint.plan().lost.is_empty(),
        });
        let mut plan = blueprint.plan();
        plan.outbox = Some(desk.outbox.clone());
        plan.report = StopReport::default();
        plan.left_behind = Vec::new();
        plan.remains = None;
        let excess = plan.declare_members(|| blueprint.next_child());
        let (declared, alike) = (mem::take(&mut plan.declared), mem::take(&mut plan.alike));
        drop(plan);
        for Declared { child, last_failure, .. } in excess {
            child.kept.close();
            panics::discard(last_failure);
        }
        #[cfg(feature = "metrics")]
        let meters = Meters::new(blueprint.bus.label().into(), blueprint.spec.failure_threshold);
        let is_root = child::current(ctx).is_none_or(|scope| scope.token().is_none());
        let mut shell = Self {
            blueprint,
            is_root,
            is_pool,
            machine,
            children: Rows::default(),
            alike,
            declared: declared.keys().copied().collect(),
            ended: None,
            inbox,
            desk,
            ticking: false,
            timer: None,
            waiting: Waiting::default(),
            actions: Vec::new(),
            answers: Vec::new(),
            latest: None,
            reading: 0.0,
            cause: None,
            left_behind: Vec::new(),
            threads: Threads::default(),
            told: None,
            #[cfg(feature = "metrics")]
            meters,
            finishing: None,
        };
        shell.tell(None, Level::Info, || EventKind::SupervisorStarted);
        for (id, Declared { child, life, last_failure }) in declared {
            let terms = child.terms.clone();
            let entry = Entry { life, last_failure, ..Entry::new(child) };
            shell.children.insert(id, entry);
            shell.input(Input::Declare { child: id, terms, life }, ctx);
        }
        shell.input(Input::Start, ctx);
        shell
    }

    /// From here on those on the same thread may look at it.
    pub(super) fn published(self) -> Arc<Mutex<Self>> {
        let blueprint = Arc::clone(&self.blueprint);
        let shell = Arc::new(Mutex::new(self));
        blueprint.plan().shell = Some((thread::current().id(), Arc::downgrade(&shell)));
        shell
    }

    /// Nobody else holds the lock for longer than a look, and that on the same thread: so nobody waits here.
    pub(super) fn open(shell: &Mutex<Self>) -> MutexGuard<'_, Self> {
        shell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes on a child after the start.
    pub(super) fn add(
        &mut self,
        child: TakenOn,
        on_trial: bool,
        ctx: &mut Context<Supervisor>,
    ) -> u64 {
        let (id, terms) = (self.blueprint.next_child(), child.terms.clone());
        self.children.insert(id, Entry::new(child));
        self.input(Input::Add { child: id, terms, on_trial }, ctx);
        id
    }

    pub(super) fn input(&mut self, input: Input, ctx: &mut Context<Supervisor>) {
        self.machine.handle(input, now(), &mut self.actions);
        self.act(ctx);
    }

    /// Begins to carry out a request.
    pub(super) fn request(
        &mut self,
        token: ChildToken,
        request: Request,
        ctx: &mut Context<Supervisor>,
    ) -> Result<Course, Refused> {
        self.is_mine(token)?;
        let progress = self.machine.request(token.child, request, now(), &mut self.actions);
        let course = match progress {
            Ok(Progress::Done) => Ok(Course::Done),
            Ok(Progress::Until(wait)) => Ok(Course::Until(self.until(token.child, wait))),
            Ok(Progress::Overdue) => Err(Refused::Overdue),
            Err(refusal) => Err(refusal.into()),
        };
        self.act(ctx);
        course
    }

    fn is_mine(&self, token: ChildToken) -> Result<(), Refused> {
        match token.supervisor == self.blueprint.id {
            true => Ok(()),
            false => Err(Refused::WrongSupervisor),
        }
    }

    /// Whether a request about this child would be refused.
    pub(super) fn knows(&self, token: ChildToken) -> Result<(), Refused> {
        self.is_mine(token)?;
        self.machine.knows(token.child).map_err(Refused::from)
    }

    pub(super) fn until(&self, child: u64, wait: Wait) -> Until {
        Until { waiting: self.waiting.clone(), child, wait }
    }

    pub(super) fn settle(&mut self, child: u64, wait: Wait, outcome: Settled) {
        let Some(those) = self.waiting.take(child, wait) else { return };
        let failure = match outcome {
            Settled::Failed => self.latest().cloned(),
            Settled::Done | Settled::Superseded | Settled::Stopping | Settled::Timeout => None,
        };
        self.answers.extend(those.into_iter().map(|waiter| (waiter, (outcome, failure.clone()))));
    }

    fn act(&mut self, ctx: &mut Context<Supervisor>) {
        let mut actions = mem::take(&mut self.actions);
        let mut rest = actions.drain(..);
        // What is left to panic is the `Drop` of a user's error: the decision stands, and so do those after it (I5).
        let mut carry_out = || rest.by_ref().for_each(|action| self.carry_out(action, ctx));
        while let Err(panic) = panics::catch(&mut carry_out) {
            panics::log(Level::Error, format_args!("a `Drop` {panic}"));
        }
        drop(rest);
        self.actions = actions;
        for (waiter, answer) in self.answers.drain(..) {
            // Who has gone away since needs no answer.
            waiter.answer(answer);
        }
        // They are the answer to what was decided here, and to nothing later.
        if let Some(latest) = self.latest.take() {
            panics::discard(latest);
        }
        if let Some(ended) = self.ended.take() {
            ended.done();
        }
        #[cfg(feature = "metrics")]
        self.measure_states();
        self.tell_standing(ctx);
        #[cfg(all(feature = "systemd", unix))]
        self.tell_condition();
        self.set_timer(ctx);
    }

    /// Whoever is above learns what this supervisor means for the readiness of the tree.
    fn tell_standing(&mut self, ctx: &mut Context<Supervisor>) {
        let standing = self.machine.standing();
        if self.machine.is_up()
            && self.told.replace(standing) != Some(standing)
            && let Some(scope) = child::current(ctx)
        {
            scope.standing(standing);
        }
    }

    #[cfg(all(feature = "systemd", unix))]
    fn tell_condition(&self) {
        let Some(told) = self.blueprint.condition.get() else { return };
        let is_stopping = self.machine.is_leaving()
            || self.machine.state() == crate::info::SupervisorState::Stopping;
        let now = super::Condition { is_ready: self.machine.is_ready(), is_stopping };
        told.send_if_modified(|last| mem::replace(last, now) != now);
    }

    /// The last step but one: what ran on threads of this supervisor's own is gone, and so are the threads, or soon.
    /// It ends with a notice: what was asked meanwhile is answered first.
    pub(super) fn begin_to_finish(&mut self, cause: StopCause) {
        self.give_up_stuck_threads();
        self.children.for_each_mut(|entry| entry.place = None);
        self.finishing = Some(cause);
        let outbox = self.desk.outbox.clone();
        match self.threads.end() {
            None => drop(outbox.send(Notice::Joined)),
            Some(ended) => {
                actix_rt::spawn(async move {
                    ended.await;
                    let _ = outbox.send(Notice::Joined);
                });
            }
        }
    }

    pub(super) fn token(&self, child: u64) -> ChildToken {
        ChildToken { supervisor: self.blueprint.id, child }
    }

    /// What is there by then comes first.
    fn send_tick(&mut self) {
        self.ticking = true;
        let _ = self.desk.outbox.send(Notice::Tick);
    }

    /// One timer, at the machine's deadline (I6). One that is due earlier is left as it is, also where nothing is waited for any more: at
    /// that time it finds nothing to do. (Else every stop with a limit would set one, and cancel it.)
    fn set_timer(&mut self, ctx: &mut Context<Supervisor>) {
        if ctx.state() == ActorState::Stopped {
            // Its timer goes with it. (Actix does not get over a future that is cancelled in a terminated context.)
            return;
        }
        let Some(deadline) = self.machine.deadline() else { return };
        if self.ticking || self.timer.is_some_and(|(at, _)| at <= deadline) {
            return;
        }
        let wait = deadline.saturating_duration_since(now());
        if wait.is_zero() {
            return self.send_tick();
        }
        if let Some((_, timer)) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(wait, |supervisor, ctx| {
            let mut shell = supervisor.running(ctx);
            shell.timer = None;
            match shell.inbox.is_empty() {
                true => shell.tick(ctx),
                // In it may be the answers that a deadline was for.
                false => shell.send_tick(),
            }
        });
        self.timer = Some((deadline, timer));
    }
}
