//! The shell: it turns what happens into inputs of the machine, and has its actions [carried out](super::deeds).

use std::{
    collections::HashMap,
    mem,
    sync::Arc,
    task::{self, Poll},
};

use actix::{ActorContext, ActorState, AsyncContext, Context, SpawnHandle};
use futures::future::BoxFuture;
use log::Level;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::Instant,
};

#[cfg(feature = "metrics")]
use super::meters::Meters;
use super::{
    Supervisor,
    blueprint::{Blueprint, Declared, push_open},
    deeds::abort_on,
    host::Host,
    remains::Remains,
    threads::Threads,
};
pub(super) use crate::clock::now;
use crate::{
    child::{
        self, Handle, LeftBehind, Nested, Notice, StillMaking, TakenOn, Whereabouts,
        panics::{self, Guarded},
    },
    event::EventKind,
    failure::{Failure, Outcome},
    info::StopReport,
    machine::{
        Action, Input, Machine, Progress, Refusal, Request, Settings, Settled, Standing, StopCause,
        Wait,
    },
    placement::Placement,
    policy::ExitClass,
    rows::Rows,
    token::ChildToken,
};

/// How many notices are served in one go, so that a storm of failures lets others have their turn.
const SLICE: usize = 128;

/// What somebody who waits is told.
pub(super) type Answer = (Settled, Option<Failure>);

/// A running supervisor.
pub(super) struct Shell {
    pub(super) blueprint: Arc<Blueprint>,
    /// Nobody restarts it.
    pub(super) is_root: bool,
    pub(super) machine: Machine,
    pub(super) children: Rows<Entry>,
    inbox: UnboundedReceiver<Notice>,
    pub(super) outbox: UnboundedSender<Notice>,
    /// A `Tick` is on its way through the inbox.
    ticking: bool,
    timer: Option<(Instant, SpawnHandle)>,
    pub(super) waiting: HashMap<(u64, Wait), Vec<oneshot::Sender<Answer>>>,
    actions: Vec<Action>,
    /// Sent when all actions have been carried out, so that they are true (I4).
    pub(super) answers: Vec<(oneshot::Sender<Answer>, Answer)>,
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
    finishing: Option<StopCause>,
}

/// A child, as the shell knows it.
pub(super) struct Entry {
    pub(super) child: TakenOn,
    pub(super) declared: bool,
    pub(super) last_failure: Option<Arc<Failure>>,
    pub(super) life: u64,
    pub(super) handle: Option<Arc<dyn Handle>>,
    /// How its last incarnation has ended, until the machine has said what to make of it.
    pub(super) ended_with: Option<Arc<Failure>>,
    /// The supervisor's thread that it runs on, if it does.
    pub(super) host: Option<Arc<Host>>,
}

impl Entry {
    fn new(child: TakenOn) -> Self {
        Self {
            child,
            declared: false,
            last_failure: None,
            life: 0,
            handle: None,
            ended_with: None,
            host: None,
        }
    }

    /// What its end means for a restart, by where that would be.
    fn class_of(&self, outcome: &Outcome) -> ExitClass {
        match (outcome, &self.child.placement) {
            (Outcome::Failed(Failure::ArbiterStopped), Placement::Arbiter(_)) => {
                ExitClass::Stranded
            }
            (Outcome::Failed(Failure::Error(error)), _) if error.is::<StillMaking>() => {
                ExitClass::Hindered
            }
            _ => outcome.class(),
        }
    }

    /// Whether an arbiter of the application's has not got round to its start: the next one would only wait behind it.
    fn is_started_in_vain(&self) -> bool {
        matches!(self.child.placement, Placement::Arbiter(_))
            && self.thread() == Whereabouts::Waiting
    }

    /// Which thread its incarnation is on, or is to be on.
    pub(super) fn thread(&self) -> Whereabouts {
        match (self.child.calls(), &self.host, &self.handle) {
            (Some(_), ..) => Whereabouts::ItsOwn,
            (None, Some(host), _) => Whereabouts::On(host.thread()),
            (None, None, Some(handle)) => handle.thread(),
            (None, None, None) => Whereabouts::Waiting,
        }
    }

    /// Whether its incarnation of this number has not ended, or been given up, yet.
    pub(super) fn is_in(&self, life: u64) -> bool {
        self.life == life && self.handle.is_some()
    }
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
        let spec = &blueprint.spec;
        let needs_children = blueprint.is_pool();
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
            needs_children,
            shutdown_order: spec.shutdown_order,
            stop_delay: spec.stop_delay,
            bereft: !blueprint.plan().lost.is_empty(),
        });
        let mut plan = blueprint.plan();
        plan.outbox = Some(outbox.clone());
        plan.report = StopReport::default();
        plan.left_behind = Vec::new();
        plan.remains = None;
        let excess = plan.declare_members();
        let declared = mem::take(&mut plan.declared);
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
            machine,
            children: Rows::default(),
            inbox,
            outbox,
            ticking: false,
            timer: None,
            waiting: HashMap::new(),
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
            let entry = Entry { declared: true, life, last_failure, ..Entry::new(child) };
            shell.children.insert(id, entry);
            shell.input(Input::Declare { child: id, terms, life }, ctx);
        }
        shell.input(Input::Start, ctx);
        shell
    }

    /// Takes on a child after the start.
    pub(super) fn add(
        &mut self,
        child: TakenOn,
        on_trial: bool,
        ctx: &mut Context<Supervisor>,
    ) -> u64 {
        let (id, terms) = (self.blueprint.plan().next_child(), child.terms.clone());
        self.children.insert(id, Entry::new(child));
        self.input(Input::Add { child: id, terms, on_trial }, ctx);
        id
    }

    pub(super) fn input(&mut self, input: Input, ctx: &mut Context<Supervisor>) {
        self.machine.handle(input, now(), &mut self.actions);
        self.act(ctx);
    }

    /// Begins to carry out a request; what is returned resolves when that is done, unless it is by now.
    pub(super) fn request(
        &mut self,
        token: ChildToken,
        request: Request,
        ctx: &mut Context<Supervisor>,
    ) -> Result<Option<oneshot::Receiver<Answer>>, Refused> {
        self.is_mine(token)?;
        let progress = self.machine.request(token.child, request, now(), &mut self.actions);
        let answer = match progress {
            Ok(Progress::Done) => Ok(None),
            Ok(Progress::Until(wait)) => Ok(Some(self.wait(token.child, wait))),
            Ok(Progress::Overdue) => Err(Refused::Overdue),
            Err(refusal) => Err(refusal.into()),
        };
        self.act(ctx);
        answer
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

    pub(super) fn wait(&mut self, child: u64, wait: Wait) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        push_open(self.waiting.entry((child, wait)).or_default(), sender);
        receiver
    }

    /// Serves notices that are there, up to a slice: what has happened before a request is known when it is answered.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Supervisor>) {
        for _ in 0..SLICE {
            let Ok(notice) = self.inbox.try_recv() else { return };
            if matches!(notice, Notice::Joined) {
                // Requests that wait behind this one are answered before it ends.
                let _ = self.outbox.send(notice);
                return;
            }
            self.notice(notice, ctx);
        }
    }

    /// Serves notices as they come.
    pub(super) fn poll_inbox(
        &mut self,
        ctx: &mut Context<Supervisor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        for _ in 0..SLICE {
            let Poll::Ready(Some(notice)) = self.inbox.poll_recv(task) else {
                return Poll::Pending;
            };
            let slice_is_full = matches!(notice, Notice::Tick);
            self.notice(notice, ctx);
            if slice_is_full {
                break;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn notice(&mut self, notice: Notice, ctx: &mut Context<Supervisor>) {
        match notice {
            Notice::Ready { child, life } => self.input(Input::Ready { child, life }, ctx),
            Notice::Exited { child, life, outcome } => {
                self.note_return(child, life);
                match self.remains_of(child, life) {
                    None => {
                        let entry = self.children.get(child);
                        let exit = entry.map_or(outcome.class(), |entry| entry.class_of(&outcome));
                        self.exited(child, life, outcome, exit, ctx);
                    }
                    Some(remains) => self.tell_after(remains, child, life, outcome),
                }
            }
            Notice::Alive { child, life } => self.input(Input::Alive { child, life }, ctx),
            Notice::Abandoned { child, life } => {
                let entry = self.children.get(child);
                let exit = match entry.is_some_and(Entry::is_started_in_vain) {
                    true => ExitClass::Stranded,
                    false => ExitClass::Failed,
                };
                self.exited(child, life, Outcome::Failed(Failure::Killed), exit, ctx);
            }
            Notice::Stranded { child, life } => self.input(Input::Move { child, life }, ctx),
            Notice::Joined => {
                if let Some(cause) = self.finishing.take() {
                    self.finish(cause, ctx);
                }
            }
            Notice::Standing { child, life, standing } => {
                self.input(Input::Standing { child, life, standing }, ctx);
            }
            Notice::Health(reply, within) => self.report_health(reply, within),
            Notice::Tree(reply) => self.report_tree(reply),
            Notice::Resize { members, reply } => {
                let is_done = self.resize(members, ctx);
                // Who asked may be gone.
                let _ = reply.send(is_done);
            }
            Notice::Kill => self.input(Input::Kill, ctx),
            Notice::Tick => {
                self.ticking = false;
                self.tick(ctx);
            }
        }
    }

    /// A deadline has come. Who keeps a thread busy that does not answer is known here, and not to the machine.
    fn tick(&mut self, ctx: &mut Context<Supervisor>) {
        let silent = loop {
            let Some(silent) = self.machine.silent(now()) else { break None };
            let last = self.last_turn_beside(silent);
            if !last.is_some_and(|last| self.machine.waits_for_its_turn(silent, last, now())) {
                break Some(silent);
            }
        };
        match silent.and_then(|over| Some((over, self.who_is_busy_beside(over)?))) {
            Some((over, (child, life))) => self.input(Input::Stuck { child, life, over }, ctx),
            None => self.input(Input::Tick, ctx),
        }
    }

    /// What this one is waited for that has just ended: as a supervisor that went down without order (I1).
    fn remains_of(&self, child: u64, life: u64) -> Option<BoxFuture<'static, ()>> {
        let entry = self.children.get(child).filter(|entry| entry.is_in(life))?;
        Arc::clone(entry.child.nested()?).remains()
    }

    fn tell_after(&self, remains: BoxFuture<'static, ()>, child: u64, life: u64, outcome: Outcome) {
        let (outbox, outcome) = (self.outbox.clone(), Guarded::new(outcome));
        actix_rt::spawn(async move {
            remains.await;
            let _ = outbox.send(Notice::Exited { child, life, outcome: outcome.into_inner() });
        });
    }

    fn exited(
        &mut self,
        child: u64,
        life: u64,
        outcome: Outcome,
        exit: ExitClass,
        ctx: &mut Context<Supervisor>,
    ) {
        let Some(entry) = self.children.get_mut(child).filter(|entry| entry.is_in(life)) else {
            // Of an earlier life (I3).
            return panics::discard(outcome);
        };
        if let Outcome::Failed(Failure::Panic(panic)) = &outcome {
            abort_on(self.blueprint.spec.on_panic, &entry.child.name, panic);
        }
        entry.handle = None;
        if !matches!(entry.child.placement, Placement::Dedicated) {
            // Who is down keeps no place on a thread that is shared.
            entry.host = None;
        }
        panics::discard(mem::replace(&mut entry.ended_with, outcome.into_failure().map(Arc::new)));
        if let Some(nested) = entry.child.nested() {
            remember(&mut self.left_behind, nested.left_behind(), &entry.child.name);
        }
        let decision =
            if self.machine.decides(child, life, exit) { self.decide(child) } else { None };
        self.input(Input::Exited { child, life, exit, decision }, ctx);
    }

    fn act(&mut self, ctx: &mut Context<Supervisor>) {
        let mut actions = mem::take(&mut self.actions);
        for action in actions.drain(..) {
            // What is left to panic is the `Drop` of a user's error: the decision stands (I5).
            if let Err(panic) = panics::catch(|| self.carry_out(action, ctx)) {
                panics::log(Level::Error, format_args!("a `Drop` {panic}"));
            }
        }
        self.actions = actions;
        for (sender, answer) in self.answers.drain(..) {
            // Who has gone away since needs no answer.
            let _ = sender.send(answer);
        }
        // It is the answer to what was decided here, and to nothing later.
        if let Some(latest) = self.latest.take() {
            panics::discard(latest);
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
        if !self.machine.is_up() || self.told == Some(standing) {
            return;
        }
        self.told = Some(standing);
        if let Some(scope) = child::current(ctx) {
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
        let children = self.children.values_mut();
        children.for_each(|entry| entry.host = None);
        self.finishing = Some(cause);
        let outbox = self.outbox.clone();
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
        let _ = self.outbox.send(Notice::Tick);
    }

    /// One timer, at the machine's deadline (I6). One that is due earlier is left as it is: at that time it
    /// finds nothing to do and is set anew.
    fn set_timer(&mut self, ctx: &mut Context<Supervisor>) {
        if ctx.state() == ActorState::Stopped {
            // Its timer goes with it. (Actix does not get over a future that is cancelled in a terminated context.)
            return;
        }
        let Some(deadline) = self.machine.deadline() else {
            if let Some((_, timer)) = self.timer.take() {
                ctx.cancel_future(timer);
            }
            return;
        };
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
            let shell = supervisor.running(ctx);
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

/// Adds what a nested supervisor has left behind, each thread once, and forgets those that have returned.
pub(super) fn remember(all: &mut Vec<LeftBehind>, more: Vec<LeftBehind>, name: &str) {
    all.retain(LeftBehind::is_running);
    for mut left in more {
        if !all.iter().any(|known| known.is(&left)) {
            left.path.insert(0, name.to_owned());
            all.push(left);
        }
    }
}

impl Shell {
    /// It goes down without order: what runs on other threads has yet to end.
    fn leave_remains(&mut self, children: &Rows<Entry>) {
        let mut remains = Remains::of(mem::replace(&mut self.inbox, unbounded_channel().1));
        children.iter().for_each(|(id, entry)| remains.add(id, entry));
        let mut plan = self.blueprint.plan();
        plan.outbox = None;
        plan.left_behind = self.threads.left_behind().collect();
        plan.left_behind.append(&mut self.left_behind);
        plan.remains = (!remains.is_empty()).then_some(remains);
    }
}

impl Drop for Shell {
    /// What is left of its children ends, and the declared ones wait for the next incarnation.
    fn drop(&mut self) {
        let mut children = mem::take(&mut self.children);
        if !self.is_root && !self.machine.is_over() {
            self.leave_remains(&children);
        }
        for (id, entry) in children.drain() {
            let Entry { child, declared, last_failure, life, handle, ended_with, host: _ } = entry;
            panics::discard(ended_with);
            if let Some(handle) = handle {
                // On another thread it may take its time, in which the next one may have begun (I1).
                handle.fence();
            }
            match declared && !self.machine.is_forgotten(id) {
                true => {
                    let declared = Declared { child, life, last_failure };
                    self.blueprint.plan().declared.insert(id, declared);
                }
                false => {
                    child.kept.close();
                    panics::discard(last_failure);
                }
            }
        }
    }
}
