//! Requests about one child, in every state of it and of its supervisor.

use tokio::time::Instant;

use super::{
    Action, End, Forced, Machine, Progress, Refusal, Request, Settled, Wait,
    child::{Child, State, Then},
};

impl Machine {
    /// Begins to carry out a request.
    pub(crate) fn request(
        &mut self,
        id: u64,
        request: Request,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> Result<Progress, Refusal> {
        let state = self.requestable(id)?.state;
        let progress = match (request, state) {
            (Request::Kill, State::Starting { .. } | State::Running) => {
                self.kill(id, Then::Fail(Forced::Killed), now, out);
                Progress::Until(Wait::Stopped)
            }
            (Request::Kill, State::Stopping { then, .. }) => {
                self.hurry(id, now, out);
                self.redirect(id, then, Wait::Stopped)
            }
            (Request::Kill, State::BackingOff { .. } | State::Terminated) => Progress::Done,

            (Request::Restart | Request::Renew, State::Starting { .. } | State::Running) => {
                self.ask(id, Then::Restart, now, out);
                Progress::Until(Wait::Started)
            }
            (Request::Restart, State::Stopping { .. }) => {
                self.redirect(id, Then::Restart, Wait::Started)
            }
            (Request::Renew, State::Stopping { then: Then::Restart, .. }) => {
                self.redirect(id, Then::Restart, Wait::Started)
            }
            (
                Request::Renew,
                State::Stopping { .. } | State::BackingOff { .. } | State::Terminated,
            ) => Progress::Done,
            (Request::Restart, State::BackingOff { .. } | State::Terminated) => {
                self.start(id, now, out);
                Progress::Done
            }

            (Request::Terminate, State::Starting { .. } | State::Running) => {
                self.children.end_trial(id);
                supersede(id, Wait::Ready, out);
                self.ask(id, Then::Terminate, now, out);
                Progress::Until(Wait::Stopped)
            }
            (Request::Terminate, State::Stopping { .. }) => {
                self.children.end_trial(id);
                supersede(id, Wait::Ready, out);
                supersede(id, Wait::Started, out);
                self.redirect(id, Then::Terminate, Wait::Stopped)
            }
            (Request::Terminate, State::BackingOff { .. }) => {
                self.supersede_trial(id, out);
                self.children.set(id, State::Terminated);
                out.push(Action::Stopped { child: id });
                Progress::Done
            }
            (Request::Terminate, State::Terminated) => Progress::Done,

            (Request::Remove, State::Starting { .. } | State::Running) => {
                supersede(id, Wait::Ready, out);
                self.ask(id, Then::Forget, now, out);
                Progress::Until(Wait::Stopped)
            }
            (Request::Remove, State::Stopping { .. }) => {
                supersede(id, Wait::Ready, out);
                supersede(id, Wait::Started, out);
                self.redirect(id, Then::Forget, Wait::Stopped)
            }
            (Request::Remove, State::BackingOff { .. } | State::Terminated) => {
                self.supersede_trial(id, out);
                self.end(id, End::Removed, out);
                Progress::Done
            }
        };
        self.go_on(now, out);
        Ok(progress)
    }

    /// Whether a request about this child is not refused.
    pub(crate) fn knows(&self, id: u64) -> Result<(), Refusal> {
        self.requestable(id).map(|_| ())
    }

    fn requestable(&self, id: u64) -> Result<&Child, Refusal> {
        if !self.restarts_anything() {
            return Err(Refusal::Stopping);
        }
        let child = self.children.get(id).filter(|child| child.shown().is_some());
        child.ok_or(Refusal::NotFound)
    }

    /// Somebody may wait for the first start of a child, which will not be.
    pub(super) fn supersede_trial(&mut self, id: u64, out: &mut Vec<Action>) {
        if self.children.get(id).is_some_and(|child| child.on_trial) {
            self.children.end_trial(id);
            supersede(id, Wait::Ready, out);
        }
    }

    /// Something else is to follow when the incarnation, on its way to stop, has ended.
    fn redirect(&mut self, id: u64, then: Then, wait: Wait) -> Progress {
        let Some(child) = self.children.get(id) else { return Progress::Done };
        let is_left_behind = child.is_left_behind();
        if let State::Stopping { limit, overdue, killed, .. } = child.state {
            self.children.set(id, State::Stopping { then, limit, overdue, killed });
        }
        if is_left_behind { Progress::Overdue } else { Progress::Until(wait) }
    }
}

fn supersede(child: u64, wait: Wait, out: &mut Vec<Action>) {
    out.push(Action::Settle { child, wait, outcome: Settled::Superseded });
}
