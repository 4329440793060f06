//! Requests about one child.

use super::{Ending, Naive};
use crate::machine::{
    Action, End, Forced, Progress, Refusal, Request, Settled,
    Wait::{self, Ready, Started, Stopped},
};

impl Naive {
    pub(in super::super) fn request(
        &mut self,
        id: u64,
        request: Request,
    ) -> Result<Progress, Refusal> {
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let Some(kid) = self.kids.iter().find(|kid| kid.id == id) else {
            return Err(Refusal::NotFound);
        };
        if kid.ending == Some(Ending::Remove) {
            return Err(Refusal::NotFound);
        }
        let (up, ending, waits) = (kid.up, kid.ending, self.is_awaited(id));
        let progress = match request {
            // "Without an incarnation: `Ok`, changes nothing."
            Request::Kill if !up => Progress::Done,
            // "Ends the incarnation at once, as a failure."
            Request::Kill => {
                match ending {
                    None => self.kill(id, Ending::Failure(Forced::Killed)),
                    Some(ending) if self.kid(id).deal.can_be_killed() => self.kill(id, ending),
                    Some(_) => {}
                }
                waits(Stopped)
            }
            Request::Renew if !up || ending.is_some_and(|ending| ending != Ending::Restart) => {
                Progress::Done
            }
            // "Also out of a backoff, a pause (this child alone) or a `Terminate`; no failure."
            Request::Restart | Request::Renew if !up => {
                self.start(id);
                Progress::Done
            }
            Request::Restart | Request::Renew => {
                self.stop_for(id, Ending::Restart);
                waits(Started)
            }
            Request::Terminate => {
                self.is_overtaken(id);
                match (up, self.kid(id).terminated) {
                    (true, _) => {
                        self.stop_for(id, Ending::Terminate);
                        waits(Stopped)
                    }
                    (false, true) => Progress::Done,
                    (false, false) => {
                        self.stays_down(id);
                        self.told.push(Action::Stopped { child: id });
                        Progress::Done
                    }
                }
            }
            Request::Remove => {
                self.is_overtaken(id);
                if up {
                    self.stop_for(id, Ending::Remove);
                    waits(Stopped)
                } else {
                    self.ends(id, End::Removed);
                    Progress::Done
                }
            }
        };
        self.go_on();
        Ok(progress)
    }

    /// A later request says what follows a stop; a stop is not asked for twice.
    fn stop_for(&mut self, id: u64, ending: Ending) {
        match self.kid(id).ending {
            None => self.ask(id, ending),
            Some(_) => self.kid(id).ending = Some(ending),
        }
    }

    /// Whoever wanted to see the child up does not, and a trial is over.
    pub(super) fn is_overtaken(&mut self, id: u64) {
        self.answer(id, Ready, Settled::Superseded);
        self.answer(id, Started, Settled::Superseded);
        self.kid(id).on_trial = false;
    }

    fn stays_down(&mut self, id: u64) {
        self.queue.retain(|&queued| queued != id);
        let kid = self.kid(id);
        kid.due = None;
        kid.waits_for_turn = false;
        kid.terminated = true;
    }

    /// Nobody waits for one that is left behind.
    fn is_awaited(&self, id: u64) -> impl Fn(Wait) -> Progress + use<> {
        let is_left_behind = self.kids.iter().any(|kid| kid.id == id && kid.is_left_behind());
        move |wait| if is_left_behind { Progress::Overdue } else { Progress::Until(wait) }
    }
}
