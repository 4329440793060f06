//! How the machine's actions are carried out, one by one.

use std::sync::{Arc, LazyLock};

use actix::{ActorContext, Context};
use log::Level;

use super::{Supervisor, blueprint::Lost, entry::Ended, shell::Shell, threads::count_threads};
use crate::{
    child::{self, Handle, LeftBehind, Link, Notice, Parent, panics},
    event::{EndReason, EventKind},
    failure::{Failure, Outcome, PanicInfo},
    info::{StopReport, SupervisorState, Unstopped},
    machine::{Action, End, Forced, StopCause},
    policy::{Decision, ExitClass, OnPanic},
    record::Span,
    token::ChildToken,
};

/// Most ends say no more than this.
static STOPPED: LazyLock<Arc<Failure>> = LazyLock::new(|| Arc::new(Failure::Stopped));

impl From<Forced> for Failure {
    fn from(forced: Forced) -> Self {
        match forced {
            Forced::Killed => Self::Killed,
            Forced::StartTimeout(limit) => Self::StartTimeout(limit),
            Forced::Unresponsive(limit) => Self::Unresponsive(limit),
        }
    }
}

impl Shell {
    /// Does what the machine has decided, and tells of it.
    pub(super) fn carry_out(&mut self, action: Action, ctx: &mut Context<Supervisor>) {
        #[cfg(feature = "metrics")]
        self.measure(&action);
        match action {
            Action::Start { child, life } => self.start_child(child, life),
            Action::Ask { child, life } => self.ask(child, life),
            Action::Kill { child, life } => self.kill(child, life),
            Action::Probe { child, life } => self.reach(child, life, |handle| handle.probe()),
            Action::Abandon { child, life } => self.abandon(child, life),
            Action::Down { child } => {
                self.dismiss(child);
                if let Some(entry) = self.children.get(child) {
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
                StopCause::TerminateTree { .. } => self.cause = self.latest().cloned(),
                StopCause::Escalated { .. } => self.cause = self.escalation(),
                StopCause::Asked | StopCause::Killed | StopCause::Auto | StopCause::Deserted => {}
            },
            Action::Released { child } => self.release(child),
            Action::LimitReached { failures } => {
                let threshold = self.machine.threshold();
                self.tell(None, Level::Error, || EventKind::LimitReached { failures, threshold });
            }
            Action::Up => {
                if let Some(scope) = child::current(ctx) {
                    scope.ready();
                }
            }
            Action::Finish { cause } => self.begin_to_finish(cause),
        }
    }

    fn start_child(&mut self, id: u64, life: u64) {
        let Some(entry) = self.children.get_mut(id) else { return };
        entry.life = life;
        let span = Span::of_child(|| self.blueprint.bus.path(), &entry.child.name, life);
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
        let desk = Arc::clone(&self.desk);
        self.launch(id, Link { parent: Some(Parent { desk, child: id, life }), span });
    }

    /// Nothing follows the incarnation of this child that has ended just now, or not at once.
    fn dismiss(&mut self, child: u64) {
        if let Some(ended) = Ended::task_of(&mut self.ended, child) {
            ended.dismiss();
        }
    }

    fn reach(&self, child: u64, life: u64, reach: impl FnOnce(&dyn Handle)) {
        let entry = self.children.get(child).filter(|entry| entry.life == life);
        if let Some(handle) = entry.and_then(|entry| entry.handle.as_deref()) {
            reach(handle);
        }
    }

    fn ask(&self, child: u64, life: u64) {
        let Some(entry) = self.children.get(child) else { return };
        if let Some(nested) = entry.child.nested().filter(|_| self.stops_for_good()) {
            nested.will_not_return();
        }
        if let Some(handle) = entry.handle.as_ref().filter(|_| entry.life == life) {
            handle.ask();
        }
    }

    /// Whether nothing of this supervisor comes back after the stop that is going on.
    fn stops_for_good(&self) -> bool {
        let returns = !self.is_root && self.blueprint.returns();
        !returns && self.machine.state() == SupervisorState::Stopping
    }

    /// A nested supervisor is not dropped but told, so that all those below it are gone before it is.
    fn kill(&self, child: u64, life: u64) {
        let nested = self.children.get(child).and_then(|entry| entry.child.nested());
        if !nested.is_some_and(|nested| nested.tell(Notice::Kill)) {
            self.reach(child, life, |handle| handle.kill());
        }
    }

    fn failed(&mut self, child: u64, forced: Option<Forced>, failures: f64, restarting: bool) {
        let said = self.take_ended_with(child);
        let failure = match forced {
            None => said.unwrap_or_else(|| Arc::clone(&STOPPED)),
            Some(forced) => {
                // What it has said itself on the way is not why it has ended.
                panics::discard(said);
                Arc::new(forced.into())
            }
        };
        let Some(entry) = self.children.get_mut(child) else { return panics::discard(failure) };
        panics::discard(entry.last_failure.replace(Arc::clone(&failure)));
        let of_whom = Arc::clone(&entry.child.name);
        panics::discard(self.latest.replace((of_whom, Arc::clone(&failure))));
        self.reading = failures;
        let threshold = self.machine.threshold();
        self.tell_child(child, Level::Warn, |name, token| EventKind::ChildFailed {
            name,
            token,
            failure: (*failure).clone(),
            failures,
            threshold,
            restarting,
        });
    }

    /// What this supervisor fails with over the failure that was told last.
    fn escalation(&self) -> Option<Failure> {
        let (child, last) = self.latest.as_ref()?;
        Some(Failure::LimitReached {
            path: [self.blueprint.bus.name().to_string(), child.to_string()],
            failures: self.reading,
            threshold: self.machine.threshold(),
            last: Box::new(Failure::clone(last)),
            at_start: !self.machine.was_ready(),
        })
    }

    pub(super) fn latest(&self) -> Option<&Failure> {
        self.latest.as_ref().map(|(_, failure)| &**failure)
    }

    /// What the child's own rule says about the failure that it has just ended with, if it has a rule, and that is a failure.
    pub(super) fn decide(&self, child: u64, life: u64, exit: ExitClass) -> Option<Decision> {
        let entry = self.children.get(child)?;
        let rule = entry.child.decide()?;
        if !self.machine.decides(child, life, exit) {
            return None;
        }
        let failure = match self.machine.forced(child) {
            Some(forced) => forced.into(),
            None => self.ended_with(child).cloned().unwrap_or(Failure::Stopped),
        };
        let decision = panics::catch(|| rule(&failure)).unwrap_or_else(|panic| {
            let name = &entry.child.name;
            panics::log(Level::Error, format_args!("decide of {name:?} {panic}"));
            Decision::Restart
        });
        Some(decision)
    }

    /// How the incarnation of this child has ended just now, in its own words.
    pub(super) fn ended_with(&self, child: u64) -> Option<&Failure> {
        self.ended.as_ref().filter(|ended| ended.child == child)?.failure.as_deref()
    }

    fn take_ended_with(&mut self, child: u64) -> Option<Arc<Failure>> {
        self.ended.as_mut().filter(|ended| ended.child == child)?.failure.take()
    }

    fn stopped(&mut self, child: u64) {
        let failure = self.take_ended_with(child);
        // That it was killed is its shutdown, or a `StopTimeout` has said so.
        let failure = failure.filter(|failure| !matches!(**failure, Failure::Killed));
        let loudest = if failure.is_some() { Level::Warn } else { Level::Debug };
        self.tell_child(child, loudest, |name, token| EventKind::ChildStopped {
            name,
            token,
            failure: failure.as_deref().cloned(),
        });
        panics::discard(failure);
    }

    fn ended(&mut self, child: u64, end: End) {
        let (loudest, has_failed) = match end {
            End::Failed | End::GaveUp | End::Stranded => (Level::Error, true),
            End::Finished | End::Stopped | End::WithGroup | End::Removed => (Level::Info, false),
        };
        if has_failed
            && self.machine.is_lost(child)
            && let Some(entry) = self.children.get(child)
        {
            let (name, failure) = (entry.child.name.to_string(), self.last_words());
            self.blueprint.plan().lost.push(Lost { name, failure });
        }
        self.tell_child(child, loudest, |name, token| EventKind::ChildEnded {
            name,
            token,
            reason: self.reason(end),
        });
        if let Some(entry) = self.children.get(child) {
            entry.child.kept.close();
        }
        self.forget(child);
    }

    fn reason(&self, end: End) -> EndReason {
        match end {
            End::Finished => EndReason::Finished,
            End::Stopped => EndReason::Stopped,
            End::WithGroup => EndReason::WithGroup,
            End::Removed => EndReason::Removed,
            End::Failed => EndReason::Failed(self.last_words()),
            End::GaveUp => EndReason::GaveUp(self.last_words()),
            End::Stranded => EndReason::Stranded(self.last_words()),
        }
    }

    /// Of a child that has ended with a failure.
    fn last_words(&self) -> Failure {
        self.latest().cloned().unwrap_or(Failure::Stopped)
    }

    /// Nobody is to wait any longer for a child that cannot come back. One that can is down until its supervisor is
    /// restarted.
    fn release(&mut self, child: u64) {
        let Some(entry) = self.children.get(child) else { return };
        let is_declared = self.declared.contains(&child);
        if is_declared && !self.stops_for_good() {
            // One that is still to be started for the first time keeps its messages until then.
            if entry.life > 0 {
                Arc::clone(&entry.child.kept).down();
            }
            return;
        }
        entry.child.kept.close();
        if !is_declared && !self.is_root {
            let reason = EndReason::WithSupervisor;
            self.tell_child(child, Level::Info, |name, token| EventKind::ChildEnded {
                name,
                token,
                reason,
            });
        }
        self.forget(child);
    }

    /// What is left of a child that has ended, and whose mailbox is closed, holds nothing of the user's but its last failure.
    fn forget(&mut self, child: u64) {
        self.declared.remove(&child);
        if let Some(entry) = self.children.remove(child) {
            panics::discard(entry);
        }
    }

    pub(super) fn finish(&mut self, cause: StopCause, ctx: &mut Context<Supervisor>) {
        let failure = match cause {
            StopCause::Asked | StopCause::Auto | StopCause::Deserted => None,
            StopCause::Killed => Some(Failure::Killed),
            StopCause::TerminateTree { .. } | StopCause::Escalated { .. } => self.cause.take(),
        };
        let left_behind = self.all_left_behind();
        let report = self.report_of(&left_behind);
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
        plan.left_behind = left_behind;
        drop(plan);

        let outcome = match (cause, failure) {
            (StopCause::TerminateTree { .. }, Some(failure)) => {
                match self.blueprint.spec.propagate_termination {
                    true => Outcome::TerminateTree(failure),
                    false => Outcome::Finished,
                }
            }
            // Those for whom it was there have ended for good, and so has it, whatever its policy.
            (StopCause::Deserted, None) => Outcome::Finished,
            (_, Some(failure)) => Outcome::Failed(failure),
            (_, None) => Outcome::Stopped,
        };
        if let Some(scope) = child::current(ctx) {
            scope.conclude(outcome);
        }
        ctx.terminate();
    }

    /// What was left behind here and below, as far as its thread still runs.
    fn all_left_behind(&mut self) -> Vec<LeftBehind> {
        let here = self.machine.left_behind().filter_map(|id| {
            let entry = self.children.get(id)?;
            let child = &entry.child;
            let path = vec![child.name.to_string()];
            Some(match child.calls() {
                Some(calls) => calls.left_behind(path),
                // A supervisor on a thread that is stuck.
                None => {
                    let thread = entry.thread();
                    LeftBehind { path, left: entry.handle.clone()?, thread }
                }
            })
        });
        let mut all: Vec<_> = here.collect();
        all.extend(self.threads.left_behind());
        all.append(&mut self.left_behind);
        all.retain(LeftBehind::is_running);
        all
    }

    fn report_of(&self, left_behind: &[LeftBehind]) -> StopReport {
        let own = || self.blueprint.bus.name().to_string();
        let path = |left: &LeftBehind| [&[own()], &left.path[..]].concat();
        StopReport {
            unstopped: left_behind.iter().map(|left| Unstopped { path: path(left) }).collect(),
            threads: count_threads(left_behind.iter().map(|left| left.thread)),
        }
    }

    pub(super) fn tell(
        &self,
        child: Option<&str>,
        loudest: Level,
        kind: impl FnOnce() -> EventKind,
    ) {
        self.blueprint.bus.emit(child, loudest, kind);
    }

    fn tell_child(
        &self,
        child: u64,
        loudest: Level,
        kind: impl FnOnce(String, ChildToken) -> EventKind,
    ) {
        let bus = &self.blueprint.bus;
        if bus.is_heard(loudest)
            && let Some(entry) = self.children.get(child)
        {
            let name = &*entry.child.name;
            bus.spread(Some(name), loudest, &kind(name.to_owned(), self.token(child)));
        }
    }
}

/// Where a panic of this child is to end the process, it does.
pub(super) fn abort_on(on_panic: OnPanic, name: &str, panic: &PanicInfo) {
    match on_panic {
        OnPanic::Restart => {}
        OnPanic::Abort => {
            let why = "aborting, as its supervisor's on_panic says";
            panics::log(Level::Error, format_args!("{name:?} {panic}: {why}"));
            // Nothing else will: an abort runs no destructors.
            let _ = panics::catch(|| log::logger().flush());
            std::process::abort();
        }
    }
}
