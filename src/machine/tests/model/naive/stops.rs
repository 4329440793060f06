//! How one child is stopped, and how all of them are.

use super::{Ending, Mode, Naive};
use crate::{
    machine::{Action, Settled, StopCause, Wait},
    policy::{Shutdown, ShutdownOrder},
};

impl Naive {
    /// "`Shutdown::Kill` drops at once; `Shutdown::Infinite` waits." The limit runs from the request.
    pub(super) fn ask(&mut self, id: u64, ending: Ending) {
        let order = self.next_timer();
        let now = self.now;
        let kid = self.kid(id);
        if kid.deal.shutdown == Shutdown::Kill && kid.deal.can_be_killed() {
            return self.kill(id, ending);
        }
        kid.ending = Some(ending);
        kid.limit = match kid.deal.shutdown {
            Shutdown::Timeout(limit) => Some((now + limit, order)),
            Shutdown::Kill => Some((now, order)),
            Shutdown::Infinite => None,
        };
        let life = kid.life;
        self.told.push(Action::Ask { child: id, life });
    }

    /// "A blocking service cannot be dropped": it is asked, whoever wants to kill it.
    pub(super) fn kill(&mut self, id: u64, ending: Ending) {
        let kid = self.kid(id);
        if !kid.deal.can_be_killed() {
            return self.ask(id, ending);
        }
        kid.ending = Some(ending);
        kid.limit = None;
        let life = kid.life;
        self.told.push(Action::Kill { child: id, life });
    }

    /// "After it an actor or async service is dropped, and a `StopTimeout` event says so; a blocking service
    /// cannot be dropped: the event is sent, and its thread is left behind."
    pub(super) fn lose_patience(&mut self, id: u64) {
        let kid = self.kid(id);
        kid.limit = None;
        kid.overdue = true;
        let (life, left_behind) = (kid.life, kid.is_left_behind());
        self.told.push(Action::StopTimeout { child: id, left_behind });
        if left_behind {
            self.answer(id, Wait::Started, Settled::Timeout);
            self.answer(id, Wait::Stopped, Settled::Timeout);
        } else {
            self.told.push(Action::Kill { child: id, life });
        }
    }

    pub(in super::super) fn stop(&mut self) {
        if self.settings.stop_delay.is_zero() {
            self.begin_stop(StopCause::Asked);
        } else if !self.is_stopping() {
            self.leaving = self.leaving.or(Some(self.now + self.settings.stop_delay));
        }
        self.go_on();
    }

    pub(super) fn begin_stop(&mut self, cause: StopCause) {
        if self.is_stopping() {
            return;
        }
        self.mode = Mode::Stopping { cause };
        self.leaving = None;
        self.told.push(Action::StopBegun { cause });
        self.only_what_is_up_stays();
        if self.settings.shutdown_order == ShutdownOrder::Concurrent {
            let running = self.kids.iter().filter(|kid| kid.ending.is_none()).map(|kid| kid.id);
            for id in running.collect::<Vec<_>>() {
                self.ask(id, Ending::Stop);
            }
        }
    }

    pub(in super::super) fn kill_all(&mut self) {
        if self.mode == Mode::Finished {
            return;
        }
        self.mode = Mode::Stopping { cause: StopCause::Killed };
        self.leaving = None;
        self.only_what_is_up_stays();
        let ids = self.kids.iter().map(|kid| kid.id);
        for id in ids.rev().collect::<Vec<_>>() {
            let kid = self.kid(id);
            let life = kid.life;
            kid.ending = kid.ending.or(Some(Ending::Stop));
            kid.limit = None;
            if kid.deal.can_be_killed() {
                self.told.push(Action::Kill { child: id, life });
            } else if !kid.overdue {
                self.told.push(Action::Ask { child: id, life });
                self.lose_patience(id);
            }
        }
        self.go_on();
    }

    /// "`Stop` during a pause works at once; a child that is being removed is waited for, within its limit."
    fn only_what_is_up_stays(&mut self) {
        for id in self.kids.iter().map(|kid| kid.id).collect::<Vec<_>>() {
            self.answer(id, Wait::Ready, Settled::Stopping);
            self.answer(id, Wait::Started, Settled::Stopping);
            let kid = self.kid(id);
            match kid.ending {
                _ if !kid.up => self.release(id),
                None | Some(Ending::Remove) => {}
                Some(_) => kid.ending = Some(Ending::Stop),
            }
        }
    }

    /// "One after the other, last started first." What is left behind is not waited for.
    pub(super) fn go_on_stopping(&mut self) {
        let Mode::Stopping { cause } = self.mode else { return };
        match self.kids.iter().rev().find(|kid| !kid.is_left_behind()) {
            Some(kid) if kid.ending.is_none() => self.ask(kid.id, Ending::Stop),
            Some(_) => {}
            None => {
                self.mode = Mode::Finished;
                self.told.push(Action::Finish { cause });
            }
        }
    }
}
