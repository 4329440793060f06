//! How incarnations end, and what that means.

use actix_supervisor::{AutoShutdown, RestartPolicy, Strategy};

use super::{
    parts::{At, Cause, Exit, Mode, Then, Wait, Why},
    world::World,
};
use crate::program::{Name, What};

impl World {
    pub fn exited(&mut self, name: Name, exit: Exit) {
        let kid = self.kid(name);
        let (parent, at) = (kid.parent, kid.at);
        let is_late = std::mem::take(&mut kid.is_late);
        self.is_ambiguous |= self.is_a_race_of_threads(name);
        if is_late {
            self.tell(parent, Some(name), "StopTimeout");
        }
        match at {
            At::Stopping(then) => self.ended_as_told(name, then, exit),
            At::Starting | At::Running if self.is_stopping(parent) => {
                self.ended_during_the_stop(name, exit);
            }
            At::Starting | At::Running => self.ended_by_itself(name, exit),
            At::Down(_) => unreachable!("{name} has no incarnation that could end"),
        }
        self.go_on(parent);
    }

    /// The contract does not say how long an end takes, if it takes no time: two that are unlike, at one instant, may come in
    /// any order. So may a start that fails at once and the end of another child that has been asked to stop; and, in a group, the end
    /// of a supervisor that has just started, and the start of the one after it.
    pub fn note_end(&mut self, name: Name, exit: &Exit) {
        let (now, kid) = (self.now, &self.kids[&name]);
        let (parent, how) = (kid.parent, format!("{exit:?} {:?} {:?}", kid.at, kid.what));
        let boss = self.boss(parent);
        boss.ends.retain(|(at, ..)| *at == now);
        boss.ends.push((now, name, how.clone()));
        let ends = self.bosses[&parent].ends.iter().filter(|(_, other, _)| *other != name);
        let involves_threads = |other: Name| self.has_threads(name) || self.has_threads(other);
        let is_unlike =
            ends.into_iter().any(|(_, other, end)| *end != how || involves_threads(*other));
        let has_just_started = self.kids[&name].started_at == now;
        let is_nested = matches!(name, Name::Supervisor(_));
        let in_group = self.bosses[&parent].settings.strategy != Strategy::OneForOne;
        let mut others = self.bosses[&parent].children.iter().filter(|other| **other != name);
        let races_with_a_stop =
            has_just_started && others.any(|other| self.kids[other].stopped_at == now);
        let races_with_the_next_start = has_just_started && is_nested && in_group;
        self.is_ambiguous |= is_unlike || races_with_a_stop || races_with_the_next_start;
    }

    /// "A failure of a child that has been removed, or is being stopped on request, counts for nothing."
    fn ended_as_told(&mut self, name: Name, then: Then, exit: Exit) {
        let parent = self.kids[&name].parent;
        match then {
            Then::FailKilled => self.failed(name, "killed".to_owned()),
            Then::FailStartTimeout => {
                let limit = self.kids[&name].terms.start_timeout.expect("it had one");
                let limit = std::time::Duration::from_millis(limit);
                self.failed(name, format!("not ready within {limit:?}"));
            }
            Then::Restart
            | Then::Terminate
            | Then::Remove
            | Then::Group
            | Then::SupervisorStops => {
                // That it was killed is known.
                match exit {
                    Exit::Failed(failure) | Exit::TerminateTree(failure) if failure != "killed" => {
                        self.tell(parent, Some(name), format!("ChildStopped, {failure}"));
                    }
                    _ => self.tell(parent, Some(name), "ChildStopped"),
                }
                self.forgets_its_failures_if_healthy(name);
                self.stopped_for(name, then);
            }
        }
        if self.kids.contains_key(&name) {
            self.answer(name, Wait::Stopped, "Ok");
        }
    }

    fn stopped_for(&mut self, name: Name, then: Then) {
        let kid = self.kid(name);
        let parent = kid.parent;
        match then {
            Then::Restart => {
                self.start(name);
                self.answer(name, Wait::Started, "Ok");
            }
            Then::Terminate => kid.at = At::Down(Why::Terminated),
            Then::Remove => {
                self.answer(name, Wait::Stopped, "Ok");
                self.ends(name, "Removed");
            }
            // "Temporary siblings swept down by a group restart do not come back."
            Then::Group if kid.terms.policy == RestartPolicy::Temporary => {
                self.interrupt(name);
                self.answer(name, Wait::Stopped, "Ok");
                self.ends(name, "WithGroup");
            }
            Then::Group if self.bosses[&parent].to_start.contains(&name) => {
                self.kid(name).at = At::Down(Why::Turn);
            }
            Then::Group => self.come_back(name),
            Then::SupervisorStops => self.goes_with_its_supervisor(name),
            Then::FailKilled | Then::FailStartTimeout => unreachable!("a failure"),
        }
    }

    /// It would have been asked to stop in its turn.
    fn ended_during_the_stop(&mut self, name: Name, exit: Exit) {
        let kid = self.kid(name);
        let parent = kid.parent;
        let (policy, on_trial) = (kid.terms.policy, kid.on_trial);
        match exit {
            Exit::Failed(failure) | Exit::TerminateTree(failure) => {
                self.tell_failure(name, &failure, false);
                if policy == RestartPolicy::Temporary && !on_trial {
                    self.ends(name, &format!("Failed: {failure}"));
                } else {
                    self.goes_with_its_supervisor(name);
                }
            }
            Exit::Stopped if policy != RestartPolicy::Permanent && !on_trial => {
                self.ends(name, "Stopped");
            }
            Exit::Finished if !on_trial => self.ends(name, "Finished"),
            Exit::Stopped | Exit::Finished => {
                self.tell(parent, Some(name), "ChildStopped");
                self.goes_with_its_supervisor(name);
            }
        }
    }

    /// The table "What ends an incarnation, and what it means".
    fn ended_by_itself(&mut self, name: Name, exit: Exit) {
        let kid = self.kid(name);
        let parent = kid.parent;
        match exit {
            Exit::Failed(failure) => self.failed(name, failure),
            Exit::Stopped if kid.terms.policy == RestartPolicy::Permanent => {
                self.failed(name, "stopped by itself".to_owned());
            }
            Exit::Stopped => self.ends_by_itself(name, "Stopped"),
            Exit::Finished => self.ends_by_itself(name, "Finished"),
            Exit::TerminateTree(failure) => {
                self.tell_failure(name, &failure, false);
                self.ends(name, &format!("Failed: {failure}"));
                self.stop_supervisor(parent, Cause::TerminateTree(failure));
            }
        }
    }

    /// "`Ends` removes the child from the supervisor: it is no longer listed, its mailbox closes, and it does not come back."
    pub fn ends(&mut self, name: Name, why: &str) {
        let parent = self.kids[&name].parent;
        self.tell(parent, Some(name), format!("ChildEnded: {why}"));
        self.boss(parent).declared.retain(|&other| other != name);
        self.leaves_lists(name);
        self.is_gone(name);
    }

    /// "Significant: OTP's meanings": one that ends by itself may end its supervisor.
    pub fn ends_by_itself(&mut self, name: Name, why: &str) {
        let kid = &self.kids[&name];
        let parent = kid.parent;
        let is_significant = kid.terms.significant && !kid.on_trial;
        self.ends(name, why);
        let boss = &self.bosses[&parent];
        let mut others = boss.children.iter().map(|other| &self.kids[other]);
        let is_last = !others.any(|other| {
            let is_leaving = matches!(
                other.at,
                At::Stopping(Then::Remove | Then::Terminate) | At::Down(Why::Terminated)
            );
            other.terms.significant && !other.on_trial && !is_leaving
        });
        let ends_it = match boss.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => is_significant,
            AutoShutdown::AllSignificant => is_significant && is_last,
        };
        if ends_it {
            self.stop_supervisor(parent, Cause::Order);
        }
    }

    /// Its supervisor stops, and it is down. "Declared children start again, with the same addresses; children added while
    /// it ran are gone, as in OTP, and so are their addresses."
    pub fn goes_with_its_supervisor(&mut self, name: Name) {
        let kid = self.kid(name);
        let (parent, declared) = (kid.parent, kid.declared);
        kid.at = At::Down(Why::Supervisor);
        self.answer(name, Wait::Stopped, "Ok");
        self.leaves_lists(name);
        if !declared || self.does_not_return(parent) {
            if !declared && parent != Name::ROOT {
                self.tell(parent, Some(name), "ChildEnded: WithSupervisor");
            }
            self.is_gone(name);
        }
    }

    fn leaves_lists(&mut self, name: Name) {
        let parent = self.kids[&name].parent;
        let boss = self.boss(parent);
        let group = [&mut boss.to_stop, &mut boss.to_start];
        for list in [&mut boss.children, &mut boss.queue].into_iter().chain(group) {
            list.retain(|&other| other != name);
        }
    }

    /// Nobody will answer any more, here and below.
    fn is_gone(&mut self, name: Name) {
        let Some(mut kid) = self.kids.remove(&name) else { return };
        for asker in kid.mailbox.empty() {
            self.say(&asker, "closed");
        }
        for (wait, asker) in kid.waiting {
            match wait {
                // "If its first start fails it is not kept: `AddError::Start(Failure)`."
                Wait::Ready => {
                    let failure = kid.last_failure.as_deref().unwrap_or("stopped by itself");
                    self.say(&asker, &format!("Start({failure})"));
                }
                Wait::Started | Wait::Stopped => self.say(&asker, "Stopping"),
            }
        }
        if let What::Supervisor(..) = kid.what {
            let mut boss = self.bosses.remove(&name).expect("it is one");
            for (asker, step) in boss.mailbox.drain(..) {
                self.refuse(&asker, &step, "closed");
            }
            for child in boss.declared {
                self.is_gone(child);
            }
        }
    }

    pub fn is_stopping(&self, supervisor: Name) -> bool {
        matches!(self.bosses[&supervisor].mode, Mode::Stopping(_) | Mode::Down)
    }
}
