//! The shell acts: it turns what happens into inputs of the machine, and the machine's actions into deeds.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
    task::{self, Poll},
};

use actix::{ActorContext, AsyncContext, Context, SpawnHandle};
use log::Level;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::Instant,
};

use super::{
    Supervisor,
    blueprint::{Blueprint, Declared},
};
use crate::{
    child::{self, Handle, Link, Notice, Parent, TakenOn, panics},
    event::{EndReason, EventKind},
    failure::{Failure, Outcome},
    info::{StopReport, Unstopped},
    machine::{
        Action, End, Forced, Input, Machine, Progress, Refusal, Request, Settings, Settled,
        StopCause, Wait,
    },
    token::ChildToken,
};

/// How many notices are served in one go, so that a storm of failures lets others have their turn.
const SLICE: usize = 128;

/// What somebody who waits is told.
pub(super) type Answer = (Settled, Option<Failure>);

/// A running supervisor.
pub(super) struct Shell {
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) machine: Machine,
    pub(super) children: BTreeMap<u64, Entry>,
    inbox: UnboundedReceiver<Notice>,
    outbox: UnboundedSender<Notice>,
    /// A `Tick` is on its way through the inbox.
    ticking: bool,
    timer: Option<(Instant, SpawnHandle)>,
    waiting: HashMap<u64, Vec<(Wait, oneshot::Sender<Answer>)>>,
    actions: Vec<Action>,
    /// Sent when all actions have been carried out, so that they are true.
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// The failure that was told last.
    latest: Option<Failure>,
    /// What this supervisor ends with, if not in good order.
    cause: Option<Failure>,
    /// What was left behind at lower levels.
    unstopped: Vec<Unstopped>,
}

/// A child, as the shell knows it.
pub(super) struct Entry {
    pub(super) child: TakenOn,
    pub(super) declared: bool,
    pub(super) last_failure: Option<Box<Failure>>,
    life: u64,
    handle: Option<Arc<dyn Handle>>,
    /// How its last incarnation has ended, until the machine has said what to make of it.
    ended_with: Option<Failure>,
}

/// Why a request was not carried out.
pub(super) enum Refused {
    WrongSupervisor,
    NotFound,
    Stopping,
    Overdue,
}

impl Shell {
    pub(super) fn start(blueprint: Arc<Blueprint>, ctx: &mut Context<Supervisor>) -> Self {
        let (outbox, inbox) = unbounded_channel();
        let spec = &blueprint.spec;
        let machine = Machine::new(Settings {
            decay: spec.failure_decay,
            threshold: spec.failure_threshold,
            pause: spec.failure_backoff,
            jitter: spec.backoff_jitter,
            spread: spec.resume_spread,
            seed: spec.jitter_seed.unwrap_or_else(|| fastrand::u64(..)),
        });
        let mut plan = blueprint.plan();
        plan.outbox = Some(outbox.clone());
        plan.report = StopReport::default();
        let declared = mem::take(&mut plan.declared);
        drop(plan);
        let mut shell = Self {
            blueprint,
            machine,
            children: BTreeMap::new(),
            inbox,
            outbox,
            ticking: false,
            timer: None,
            waiting: HashMap::new(),
            actions: Vec::new(),
            answers: Vec::new(),
            latest: None,
            cause: None,
            unstopped: Vec::new(),
        };
        shell.tell(None, Level::Info, || EventKind::SupervisorStarted);
        for (id, Declared { child, life, last_failure }) in declared {
            shell.take_in(id, child, life, last_failure, true, false, ctx);
        }
        shell
    }

    /// Takes on a child after the start.
    pub(super) fn add(
        &mut self,
        child: TakenOn,
        on_trial: bool,
        ctx: &mut Context<Supervisor>,
    ) -> u64 {
        let id = self.blueprint.plan().next_child();
        self.take_in(id, child, 0, None, false, on_trial, ctx);
        id
    }

    #[expect(clippy::too_many_arguments, reason = "what a child brings along")]
    fn take_in(
        &mut self,
        id: u64,
        child: TakenOn,
        life: u64,
        last_failure: Option<Box<Failure>>,
        declared: bool,
        on_trial: bool,
        ctx: &mut Context<Supervisor>,
    ) {
        let terms = child.terms.clone();
        let entry = Entry { child, declared, last_failure, life, handle: None, ended_with: None };
        self.children.insert(id, entry);
        self.input(Input::Add { child: id, terms, life, on_trial }, ctx);
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
        if token.supervisor != self.blueprint.id {
            return Err(Refused::WrongSupervisor);
        }
        let progress = self.machine.request(token.child, request, now(), &mut self.actions);
        let answer = match progress {
            Ok(Progress::Done) => Ok(None),
            Ok(Progress::Until(wait)) => Ok(Some(self.wait(token.child, wait))),
            Ok(Progress::Overdue) => Err(Refused::Overdue),
            Err(Refusal::NotFound) => Err(Refused::NotFound),
            Err(Refusal::Stopping) => Err(Refused::Stopping),
        };
        self.act(ctx);
        answer
    }

    pub(super) fn wait(&mut self, child: u64, wait: Wait) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.entry(child).or_default().push((wait, sender));
        receiver
    }

    /// Serves notices that are there, up to a slice: what has happened before a request is known when it is answered.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Supervisor>) {
        for _ in 0..SLICE {
            let Ok(notice) = self.inbox.try_recv() else { return };
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
            Notice::Exited { child, life, outcome } => self.exited(child, life, outcome, ctx),
            Notice::Tree(reply) => self.report_tree(reply),
            Notice::Kill => self.input(Input::Kill, ctx),
            Notice::Tick => {
                self.ticking = false;
                self.input(Input::Tick, ctx);
            }
        }
    }

    fn exited(&mut self, child: u64, life: u64, outcome: Outcome, ctx: &mut Context<Supervisor>) {
        let exit = outcome.class();
        let entry = self.children.get_mut(&child).filter(|entry| entry.life == life);
        if let Some(entry) = entry {
            entry.handle = None;
            entry.ended_with = outcome.into_failure();
            if let Some(nested) = &entry.child.nested {
                self.unstopped.extend(nested.unstopped());
            }
        }
        self.input(Input::Exited { child, life, exit }, ctx);
    }

    fn act(&mut self, ctx: &mut Context<Supervisor>) {
        let mut actions = mem::take(&mut self.actions);
        for action in actions.drain(..) {
            // What is left to panic is the `Drop` of a user's error: the decision stands (I5).
            if let Err(panic) = panics::catch(|| self.carry_out(action, ctx)) {
                log::error!(target: "actix_supervisor", "panic in a `Drop`: {panic}");
            }
        }
        self.actions = actions;
        for (sender, answer) in self.answers.drain(..) {
            // Who has gone away since needs no answer.
            let _ = sender.send(answer);
        }
        self.set_timer(ctx);
    }

    fn carry_out(&mut self, action: Action, ctx: &mut Context<Supervisor>) {
        match action {
            Action::Start { child, life } => self.start_child(child, life),
            Action::Ask { child, life } => self.reach(child, life, |handle| handle.ask()),
            Action::Kill { child, life } => self.kill(child, life),
            Action::Down { child } => {
                if let Some(entry) = self.children.get(&child) {
                    Arc::clone(&entry.child.kept).down();
                }
            }
            Action::Settle { child, wait, outcome } => self.settle(child, wait, outcome),
            Action::Ready { child } => {
                self.tell_child(child, Level::Trace, |name, token| EventKind::ChildReady {
                    name,
                    token,
                });
            }
            Action::Failed { child, forced, failures, restarting } => {
                self.failed(child, forced, failures, restarting);
            }
            Action::Stopped { child } => self.stopped(child),
            Action::StopTimeout { child, left_behind } => {
                self.tell_child(child, Level::Warn, |name, token| EventKind::StopTimeout {
                    name,
                    token,
                    left_behind,
                });
            }
            Action::Ended { child, end } => self.ended(child, end),
            Action::PauseEntered { pause } => {
                self.tell(None, Level::Error, || EventKind::BackoffEntered { pause });
            }
            Action::PauseLeft => self.tell(None, Level::Info, || EventKind::BackoffLeft),
            Action::StopBegun { cause } => match cause {
                StopCause::TerminateTree { .. } => self.cause = self.latest.take(),
                StopCause::Asked | StopCause::Killed => {}
            },
            Action::Finish { cause } => self.finish(cause, ctx),
        }
    }

    fn start_child(&mut self, id: u64, life: u64) {
        let Some(entry) = self.children.get_mut(&id) else { return };
        entry.life = life;
        match life - 1 {
            0 => self.tell_child(id, Level::Debug, |name, token| EventKind::ChildStarted {
                name,
                token,
            }),
            restarts => self.tell_child(id, Level::Info, |name, token| EventKind::ChildRestarted {
                name,
                token,
                restarts,
            }),
        }
        let (outbox, token) = (self.outbox.clone(), self.token(id));
        if let Some(entry) = self.children.get_mut(&id) {
            let link = Link { parent: Some(Parent { outbox, token, life }) };
            entry.handle = Some(Arc::clone(&entry.child.kept).start(link));
        }
    }

    fn reach(&self, child: u64, life: u64, reach: impl FnOnce(&dyn Handle)) {
        let entry = self.children.get(&child).filter(|entry| entry.life == life);
        if let Some(handle) = entry.and_then(|entry| entry.handle.as_deref()) {
            reach(handle);
        }
    }

    /// A nested supervisor is not dropped but told, so that all those below it are gone before it is.
    fn kill(&self, child: u64, life: u64) {
        let nested = self.children.get(&child).and_then(|entry| entry.child.nested.as_ref());
        if !nested.is_some_and(|nested| nested.tell(Notice::Kill)) {
            self.reach(child, life, |handle| handle.kill());
        }
    }

    fn settle(&mut self, child: u64, wait: Wait, outcome: Settled) {
        let Some(waiting) = self.waiting.get_mut(&child) else { return };
        let failure = match outcome {
            Settled::Failed => self.latest.clone(),
            _ => None,
        };
        for (_, sender) in waiting.extract_if(.., |(waits_for, _)| *waits_for == wait) {
            self.answers.push((sender, (outcome, failure.clone())));
        }
        if waiting.is_empty() {
            self.waiting.remove(&child);
        }
    }

    fn failed(&mut self, child: u64, forced: Option<Forced>, failures: f64, restarting: bool) {
        let Some(entry) = self.children.get_mut(&child) else { return };
        let failure = match forced {
            None => entry.ended_with.take().unwrap_or(Failure::Stopped),
            Some(Forced::Killed) => Failure::Killed,
            Some(Forced::StartTimeout(limit)) => Failure::StartTimeout(limit),
        };
        entry.last_failure = Some(Box::new(failure.clone()));
        self.latest = Some(failure.clone());
        let threshold = self.machine.threshold();
        self.tell_child(child, Level::Warn, |name, token| EventKind::ChildFailed {
            name,
            token,
            failure,
            failures,
            threshold,
            restarting,
        });
    }

    fn stopped(&mut self, child: u64) {
        let failure = self.children.get_mut(&child).and_then(|entry| entry.ended_with.take());
        // That it was killed is its shutdown, or a `StopTimeout` has said so.
        let failure = failure.filter(|failure| !matches!(failure, Failure::Killed));
        let loudest = if failure.is_some() { Level::Warn } else { Level::Debug };
        self.tell_child(child, loudest, |name, token| EventKind::ChildStopped {
            name,
            token,
            failure,
        });
    }

    fn ended(&mut self, child: u64, end: End) {
        let reason = match end {
            End::Finished => EndReason::Finished,
            End::Stopped => EndReason::Stopped,
            End::Removed => EndReason::Removed,
            End::Failed => EndReason::Failed(self.latest.clone().unwrap_or(Failure::Stopped)),
        };
        let loudest = if end == End::Failed { Level::Warn } else { Level::Info };
        self.tell_child(child, loudest, |name, token| EventKind::ChildEnded {
            name,
            token,
            reason,
        });
        if let Some(entry) = self.children.remove(&child) {
            entry.child.kept.close();
        }
    }

    fn finish(&mut self, cause: StopCause, ctx: &mut Context<Supervisor>) {
        let failure = match cause {
            StopCause::Asked => None,
            StopCause::Killed => Some(Failure::Killed),
            StopCause::TerminateTree { .. } => self.cause.take(),
        };
        let report = self.stop_report();
        let unstopped = report.unstopped.len();
        let loudest = if failure.is_some() { Level::Error } else { Level::Warn };
        let (failure_told, failure_kept) = (failure.clone(), failure.clone());
        self.tell(None, loudest, || EventKind::SupervisorStopped {
            failure: failure_told,
            unstopped,
        });

        let mut plan = self.blueprint.plan();
        plan.ended = Some(failure_kept.map_or_else(|| Ok(report.clone()), Err));
        plan.report = report;
        drop(plan);

        let outcome = match (cause, failure) {
            (StopCause::TerminateTree { .. }, Some(failure)) => {
                match self.blueprint.spec.propagate_termination {
                    true => Outcome::TerminateTree(failure),
                    false => Outcome::Finished,
                }
            }
            (_, Some(failure)) => Outcome::Failed(failure),
            (_, None) => Outcome::Stopped,
        };
        if let Some(scope) = child::current(ctx) {
            scope.conclude(outcome);
        }
        ctx.terminate();
    }

    /// What was left behind, here and below, by path.
    fn stop_report(&mut self) -> StopReport {
        let name = |path: Vec<String>| {
            let path = [vec![self.blueprint.bus.name().to_string()], path].concat();
            Unstopped { path }
        };
        let here = self.machine.left_behind().filter_map(|id| self.children.get(&id));
        let mut unstopped: Vec<_> =
            here.map(|entry| name(vec![entry.child.name.to_string()])).collect();
        unstopped.extend(self.unstopped.drain(..).map(|below| name(below.path)));
        StopReport { unstopped }
    }

    pub(super) fn token(&self, child: u64) -> ChildToken {
        ChildToken { supervisor: self.blueprint.id, child }
    }

    fn tell(&self, child: Option<&str>, loudest: Level, kind: impl FnOnce() -> EventKind) {
        self.blueprint.bus.emit(child, loudest, kind);
    }

    fn tell_child(
        &self,
        child: u64,
        loudest: Level,
        kind: impl FnOnce(String, ChildToken) -> EventKind,
    ) {
        if let Some(entry) = self.children.get(&child) {
            let name = &*entry.child.name;
            self.tell(Some(name), loudest, || kind(name.to_owned(), self.token(child)));
        }
    }

    /// One timer, at the machine's deadline (I6). One that is due earlier is left as it is: at that time it
    /// finds nothing to do and is set anew.
    fn set_timer(&mut self, ctx: &mut Context<Supervisor>) {
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
            self.ticking = true;
            let _ = self.outbox.send(Notice::Tick);
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(wait, |supervisor, ctx| {
            let shell = supervisor.running(ctx);
            shell.timer = None;
            shell.input(Input::Tick, ctx);
        });
        self.timer = Some((deadline, timer));
    }
}

impl Drop for Shell {
    /// What is left of its children ends, and the declared ones wait for the next incarnation.
    fn drop(&mut self) {
        for (id, entry) in mem::take(&mut self.children) {
            let Entry { child, declared, last_failure, life, handle, .. } = entry;
            if let Some(handle) = handle {
                handle.kill();
            }
            match declared {
                true => {
                    let declared = Declared { child, life, last_failure };
                    self.blueprint.plan().declared.insert(id, declared);
                }
                false => child.kept.close(),
            }
        }
    }
}

/// The one place where the clock is read: tokio's, which users can pause in their tests.
#[expect(clippy::disallowed_methods, reason = "the only place")]
pub(super) fn now() -> Instant {
    Instant::now()
}
