//! How one child is stopped, and how all of them are.

use actix_supervisor::{Shutdown, ShutdownOrder};

use super::{
    parts::{At, Cause, Exit, Happening, Mode, Then, Wait},
    world::World,
};
use crate::program::Name;

impl World {
    /// "`Shutdown::Kill` drops at once; `Shutdown::Infinite` waits." "The limit runs from the request."
    pub fn ask(&mut self, name: Name, then: Then) {
        let (now, number, shutdown) = (self.now, self.next_number(), self.shutdown(name));
        self.note_stop(name);
        if shutdown == Shutdown::Kill {
            return self.kill(name, then);
        }
        let parent = self.kids[&name].parent;
        let for_good = self.is_stopping(parent) && self.does_not_return(parent);
        if let Some(boss) = self.bosses.get_mut(&name) {
            boss.stops_for_good |= for_good;
        }
        let kid = self.kid(name);
        kid.at = At::Stopping(then);
        kid.stop_number = number;
        let life = kid.starts;
        if let Shutdown::Timeout(limit) = shutdown {
            let limit = u64::try_from(limit.as_millis()).expect("not that long");
            self.at(now + limit, Happening::StopLimit(name, life, number));
        }
        self.soon(Happening::Ask(name, life));
    }

    /// "Whoever sends to what stops with the root has its error at once."
    pub fn does_not_return(&self, supervisor: Name) -> bool {
        supervisor == Name::ROOT || self.bosses[&supervisor].stops_for_good
    }

    /// How far something gets in no time until it is stopped is not said.
    fn note_stop(&mut self, name: Name) {
        let now = self.now;
        let kid = &self.kids[&name];
        let is_busy = kid.started_at == now || kid.stopped_at == now;
        self.is_ambiguous |= is_busy || self.is_busy_below(name);
        self.kid(name).stopped_at = now;
    }

    fn is_busy_below(&self, supervisor: Name) -> bool {
        let Some(boss) = self.bosses.get(&supervisor) else { return false };
        let is_busy = |name: &Name| {
            let kid = &self.kids[name];
            kid.started_at == self.now || kid.stopped_at == self.now || self.is_busy_below(*name)
        };
        boss.ends.iter().any(|&(at, ..)| at == self.now) || boss.children.iter().any(is_busy)
    }

    pub fn kill(&mut self, name: Name, then: Then) {
        self.note_stop(name);
        let number = self.next_number();
        let is_on_a_thread = self.is_on_a_thread(name);
        let kid = self.kid(name);
        kid.at = At::Stopping(then);
        kid.stop_number = number;
        let life = kid.starts;
        if is_on_a_thread {
            // "A blocking service cannot be ended: its token is cancelled, and it has failed when it returns."
            return self.soon(Happening::Ask(name, life));
        }
        kid.is_killed = true;
        self.soon(Happening::Kill(name, life));
    }

    /// "After it an actor or async service is dropped (that always works), and a `StopTimeout` event says so."
    pub fn lose_patience(&mut self, name: Name, number: u64) {
        let kid = self.kid(name);
        if let At::Stopping(then) = kid.at
            && kid.stop_number == number
        {
            let parent = kid.parent;
            if self.is_on_a_thread(name) {
                // It is left behind, and that is for other tests.
                self.is_ambiguous = true;
                return;
            }
            let kid = self.kid(name);
            // Elsewhere it is told when it has been dropped.
            if kid.is_elsewhere {
                kid.is_late = true;
            } else {
                self.tell(parent, Some(name), "StopTimeout");
            }
            self.kill(name, then);
        }
    }

    pub fn stop_supervisor(&mut self, supervisor: Name, cause: Cause) {
        if self.is_stopping(supervisor) {
            return;
        }
        self.boss(supervisor).mode = Mode::Stopping(cause);
        self.only_what_is_up_stays(supervisor);
        if self.bosses[&supervisor].settings.order == ShutdownOrder::Concurrent {
            for name in self.bosses[&supervisor].children.clone() {
                if let At::Starting | At::Running = self.kids[&name].at {
                    self.ask(name, Then::SupervisorStops);
                }
            }
        }
        self.go_on(supervisor);
    }

    /// "To kill a supervisor is to tell it to kill all that is below it: it has ended when they have."
    pub fn kill_supervisor(&mut self, supervisor: Name) {
        self.is_ambiguous |= self.has_threads(supervisor);
        self.boss(supervisor).mode = Mode::Stopping(Cause::Killed);
        self.only_what_is_up_stays(supervisor);
        for name in self.bosses[&supervisor].children.clone().into_iter().rev() {
            let then = match self.kids[&name].at {
                At::Stopping(then) => then,
                At::Starting | At::Running | At::Down(_) => Then::SupervisorStops,
            };
            self.kill(name, then);
        }
        self.go_on(supervisor);
    }

    /// "`Stop` during a pause works at once; a child that is being removed is waited for, within its limit."
    fn only_what_is_up_stays(&mut self, supervisor: Name) {
        for name in self.bosses[&supervisor].children.clone() {
            self.answer(name, Wait::Ready, "Stopping");
            self.answer(name, Wait::Started, "Stopping");
            match self.kids[&name].at {
                At::Down(_) => self.goes_with_its_supervisor(name),
                At::Starting | At::Running | At::Stopping(Then::Remove) => {}
                At::Stopping(_) => self.kid(name).at = At::Stopping(Then::SupervisorStops),
            }
        }
    }

    /// "`Reverse`: one after the other, last started first."
    pub fn go_on_stopping(&mut self, supervisor: Name) {
        let Mode::Stopping(cause) = &self.bosses[&supervisor].mode else { return };
        let cause = cause.clone();
        match self.bosses[&supervisor].children.last() {
            None => self.supervisor_has_stopped(supervisor, cause),
            Some(&name) => {
                if let At::Starting | At::Running = self.kids[&name].at {
                    self.ask(name, Then::SupervisorStops);
                }
            }
        }
    }

    fn supervisor_has_stopped(&mut self, supervisor: Name, cause: Cause) {
        let failure = match &cause {
            Cause::Order => None,
            Cause::Killed => Some("killed".to_owned()),
            Cause::Failed(failure) | Cause::TerminateTree(failure) => Some(failure.clone()),
        };
        match &failure {
            None => self.tell(supervisor, None, "SupervisorStopped"),
            Some(failure) => self.tell(supervisor, None, format!("SupervisorStopped, {failure}")),
        }
        let boss = self.boss(supervisor);
        boss.mode = Mode::Down;
        let propagates = boss.settings.propagate;
        let (stops, joins) = (std::mem::take(&mut boss.stops), std::mem::take(&mut boss.joins));
        for asker in stops {
            self.say(&asker, "clean");
        }
        for asker in joins {
            match &failure {
                None => self.say(&asker, "clean"),
                Some(failure) => self.say(&asker, failure),
            }
        }
        let exit = match cause {
            Cause::Order => Exit::Stopped,
            Cause::Killed => Exit::Failed("killed".to_owned()),
            Cause::Failed(failure) => Exit::Failed(failure),
            Cause::TerminateTree(failure) if propagates => Exit::TerminateTree(failure),
            // "That supervisor just ends and is not restarted."
            Cause::TerminateTree(_) => Exit::Finished,
        };
        match self.kids.get(&supervisor) {
            Some(kid) => {
                let life = kid.starts;
                let by_itself = matches!(kid.at, At::Starting | At::Running);
                if by_itself || matches!(exit, Exit::Failed(_) | Exit::TerminateTree(_)) {
                    self.note_end(supervisor, &exit);
                }
                self.soon(Happening::Exited(supervisor, life, exit));
            }
            None => self.boss(supervisor).has_ended = true,
        }
    }
}
