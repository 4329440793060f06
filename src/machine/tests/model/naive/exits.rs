//! How incarnations end.

use super::{Ending, Naive};
use crate::{
    machine::{Action, End, Settled, StopCause, Wait},
    policy::{AutoShutdown, Decision, ExitClass, RestartPolicy},
};

impl Naive {
    /// Whether this is a failure about which there is something to decide.
    pub(in super::super) fn asks_for_decision(&mut self, id: u64, exit: ExitClass) -> bool {
        let is_stopping = self.is_stopping();
        let kid = self.kid(id);
        let is_failure = match kid.ending {
            Some(Ending::Failure(_)) => true,
            Some(_) => false,
            None if exit == ExitClass::Stopped => kid.deal.policy == RestartPolicy::Permanent,
            None => exit == ExitClass::Failed,
        };
        is_failure && !kid.on_trial && !is_stopping
    }

    pub(in super::super) fn exited(
        &mut self,
        id: u64,
        exit: ExitClass,
        decision: Option<Decision>,
    ) {
        let kid = self.kid(id);
        kid.up = false;
        kid.overdue = false;
        kid.limit = None;
        match kid.ending.take() {
            Some(ending) => {
                self.ended_as_told(id, ending, decision);
                self.answer(id, Wait::Stopped, Settled::Done);
            }
            None if self.is_stopping() => self.ended_during_the_stop(id, exit),
            None => self.ended_by_itself(id, exit, decision),
        }
        self.go_on();
    }

    /// "A failure of a child that has been removed, or is being stopped on request, counts for nothing."
    fn ended_as_told(&mut self, id: u64, ending: Ending, decision: Option<Decision>) {
        if let Ending::Failure(forced) = ending {
            return self.failed(id, Some(forced), decision);
        }
        self.told.push(Action::Stopped { child: id });
        self.forgets_if_healthy(id);
        match ending {
            Ending::Failure(_) => unreachable!(),
            Ending::Restart => {
                self.start(id);
                self.answer(id, Wait::Started, Settled::Done);
            }
            Ending::Terminate => self.kid(id).terminated = true,
            Ending::Remove => self.ends(id, End::Removed),
            // "Temporary siblings swept down by a group restart do not come back."
            Ending::Group if self.kid(id).deal.policy == RestartPolicy::Temporary => {
                self.is_overtaken(id);
                self.ends(id, End::WithGroup);
            }
            Ending::Group if self.to_start.contains(&id) => self.kid(id).waits_for_turn = true,
            // It was left behind when the others came back.
            Ending::Group => self.come_back(id),
            Ending::Stop => self.release(id),
        }
    }

    /// It would have been asked to stop. "Ends" means the same then.
    fn ended_during_the_stop(&mut self, id: u64, exit: ExitClass) {
        let kid = self.kid(id);
        let (policy, on_trial) = (kid.deal.policy, kid.on_trial);
        match exit {
            ExitClass::Failed
            | ExitClass::Hindered
            | ExitClass::Stranded
            | ExitClass::TerminateTree => {
                self.tell_failed(id, None, false);
                match on_trial || policy != RestartPolicy::Temporary {
                    true => self.release(id),
                    false => self.ends(id, End::Failed),
                }
            }
            ExitClass::Stopped if on_trial || policy == RestartPolicy::Permanent => {
                self.told.push(Action::Stopped { child: id });
                self.release(id);
            }
            ExitClass::Stopped => self.ends(id, End::Stopped),
            ExitClass::Finished if on_trial => {
                self.told.push(Action::Stopped { child: id });
                self.release(id);
            }
            ExitClass::Finished => self.ends(id, End::Finished),
        }
    }

    /// The table "What ends an incarnation, and what it means".
    fn ended_by_itself(&mut self, id: u64, exit: ExitClass, decision: Option<Decision>) {
        let kid = self.kid(id);
        let is_permanent = kid.deal.policy == RestartPolicy::Permanent;
        match exit {
            // The model has no threads.
            ExitClass::Failed | ExitClass::Hindered | ExitClass::Stranded => {
                self.failed(id, None, decision)
            }
            ExitClass::Stopped if is_permanent => self.failed(id, None, decision),
            ExitClass::Stopped => self.ends_by_itself(id, End::Stopped),
            ExitClass::Finished => self.ends_by_itself(id, End::Finished),
            ExitClass::TerminateTree => {
                self.tell_failed(id, None, false);
                self.ends(id, End::Failed);
                self.begin_stop(StopCause::TerminateTree { child: id });
            }
        }
    }

    /// "`Ends` removes the child from the supervisor."
    pub(super) fn ends(&mut self, id: u64, end: End) {
        let is_essential = self.kid(id).is_essential();
        self.has_lost |= is_essential && matches!(end, End::Failed | End::GaveUp | End::Stranded);
        self.answer(id, Wait::Ready, Settled::Failed);
        self.forget(id);
        self.told.push(Action::Ended { child: id, end });
    }

    /// OTP: a significant child that ends by itself may end its supervisor; one that never came into being may not.
    pub(super) fn ends_by_itself(&mut self, id: u64, end: End) {
        let kid = self.kid(id);
        let is_significant = kid.deal.significant && !kid.on_trial;
        self.ends(id, end);
        let none_is_left = !self.kids.iter().any(|kid| {
            let is_leaving = matches!(kid.ending, Some(Ending::Remove | Ending::Terminate));
            kid.deal.significant && !kid.on_trial && !kid.terminated && !is_leaving
        });
        let stops = match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => is_significant,
            AutoShutdown::AllSignificant => is_significant && none_is_left,
        };
        if stops {
            self.begin_stop(StopCause::Auto);
        }
    }

    /// The supervisor stops, and has done with it.
    pub(super) fn release(&mut self, id: u64) {
        self.forget(id);
        self.told.push(Action::Released { child: id });
    }
}
