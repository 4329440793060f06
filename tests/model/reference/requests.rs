//! What a supervisor is asked.

use super::{
    mailbox::Mailbox,
    parts::{Asker, At, Cause, Happening, Mode, Then, Wait, Why},
    world::World,
};
use crate::program::{Child, Name, Request, Step, What};

impl World {
    /// Does what a step says. Answers are labelled with it.
    pub fn take(&mut self, index: &str, step: &Step) {
        let asker = |what: String| format!("{index}. {what}");
        match step {
            Step::Pass(_) => {}
            Step::AtOnce(steps) => {
                for (number, step) in steps.iter().enumerate() {
                    self.take(&format!("{index}.{number}"), step);
                }
            }
            Step::Send(messages) => {
                for (number, &(sender, to, word)) in messages.iter().enumerate() {
                    let asker = asker(format!("{number} {to} {word:?}"));
                    self.message(asker, sender, to, word);
                }
            }
            Step::Add { to, .. }
            | Step::Ask { to, .. }
            | Step::Replace { to, .. }
            | Step::Resume(to)
            | Step::Stop(to)
            | Step::Join(to) => self.request(*to, asker(step.label()), step.clone()),
        }
    }

    fn request(&mut self, to: Name, asker: Asker, step: Step) {
        if let Step::Add { child, .. } = &step {
            self.is_offered(child);
        }
        match self.bosses.get_mut(&to) {
            None => match self.limbo_requests.get_mut(&to) {
                Some(mailbox) => mailbox.push_back((asker, step)),
                None => self.refuse(&asker, &step, "closed"),
            },
            Some(boss) if boss.has_ended => self.refuse(&asker, &step, "closed"),
            // "Requests sent to its address wait in its kept mailbox like any message."
            Some(boss) if boss.mode == Mode::Down => {
                boss.mailbox.push_back((asker, step));
                self.reject_where_down();
            }
            Some(_) => self.soon(Happening::Handle(to, asker, Box::new(step))),
        }
    }

    pub fn handle(&mut self, to: Name, asker: Asker, step: Step) {
        self.is_ambiguous |= self.is_race(to, &step);
        self.serve_notices(to);
        if self.bosses.get(&to).is_none_or(|boss| boss.mode == Mode::Down) {
            self.is_ambiguous = true;
            return self.request(to, asker, step);
        }
        // Elsewhere a start takes as long as its job waits for its turn.
        self.is_ambiguous |= self.bosses[&to].children.iter().any(|name| {
            let kid = &self.kids[name];
            kid.terms.elsewhere && kid.started_at == self.now
        });
        match step {
            Step::Add { wait, ref child, .. } => match self.is_full(to) {
                _ if self.is_stopping(to) => self.refuse(&asker, &step, "Stopping"),
                true => self.refuse(&asker, &step, "TooManyChildren"),
                false => self.add(to, asker, child, wait),
            },
            Step::Ask { about, request, .. } => self.ask_about(to, asker, about, request),
            Step::Replace { child, .. } => self.replace(to, asker, &child),
            Step::Resume(_) => {
                if let Mode::Paused { .. } = self.bosses[&to].mode {
                    self.leave_pause(to);
                }
                self.say(&asker, "Ok");
            }
            Step::Stop(_) => {
                self.boss(to).stops.push(asker);
                self.stop_supervisor(to, Cause::Order);
            }
            Step::Join(_) => self.boss(to).joins.push(asker),
            Step::Send(_) | Step::Pass(_) | Step::AtOnce(_) => unreachable!("no request"),
        }
    }

    /// How far a start or a stop has got in no time is not said, nor whether a request came before the end.
    fn is_race(&self, to: Name, step: &Step) -> bool {
        let Some(boss) = self.bosses.get(&to) else { return true };
        let starts = |name: &Name| self.kids[name].started_at == self.now;
        let stops = |name: &Name| self.kids[name].stopped_at == self.now;
        let is_late = boss.mode == Mode::Down || boss.children.iter().any(starts);
        is_late
            || matches!(step, Step::Add { .. } | Step::Replace { .. })
                && boss.children.iter().any(stops)
    }

    fn is_full(&self, to: Name) -> bool {
        let listed = self.listed(to).len();
        self.bosses[&to].settings.max_children.is_some_and(|most| listed >= most)
    }

    /// "`ChildSpec::addr`: valid from here on, before the start."
    fn is_offered(&mut self, child: &Child) {
        let mailbox = || Mailbox::new(child.terms.capacity);
        self.limbo.entry(child.name).or_insert_with(mailbox);
        if let What::Supervisor(_, children) = &child.what {
            self.limbo_requests.entry(child.name).or_default();
            children.iter().for_each(|child| self.is_offered(child));
        }
    }

    /// The request comes to nothing, and so does the child of an `Add`.
    pub fn refuse(&mut self, asker: &str, step: &Step, why: &str) {
        self.say(asker, why);
        if let Step::Add { child, .. } = step {
            self.is_refused(child);
        }
    }

    fn is_refused(&mut self, child: &Child) {
        for asker in self.limbo.remove(&child.name).unwrap_or_default().empty() {
            self.say(&asker, "closed");
        }
        for (asker, step) in self.limbo_requests.remove(&child.name).unwrap_or_default() {
            self.refuse(&asker, &step, "closed");
        }
        if let What::Supervisor(_, children) = &child.what {
            children.iter().for_each(|child| self.is_refused(child));
        }
    }

    fn add(&mut self, to: Name, asker: Asker, child: &Child, wait: bool) {
        self.take_on(to, child, false);
        self.boss(to).children.push(child.name);
        if wait {
            let kid = self.kid(child.name);
            kid.on_trial = true;
            kid.waiting.push((Wait::Ready, asker.clone()));
        }
        // "A child added during a pause starts at once."
        self.start(child.name);
        if !wait {
            self.say(&asker, "Ok");
        }
        self.go_on(to);
    }

    /// What is wrong with a request about this child, if anything is.
    fn refused(&self, to: Name, about: Name) -> Option<&'static str> {
        match self.kids.get(&about) {
            _ if self.parents.get(&about) != Some(&to) => Some("WrongSupervisor"),
            _ if self.is_stopping(to) => Some("Stopping"),
            None => Some("NotFound"),
            Some(kid) if kid.at == At::Stopping(Then::Remove) => Some("NotFound"),
            Some(_) => None,
        }
    }

    fn ask_about(&mut self, to: Name, asker: Asker, about: Name, request: Request) {
        if let Some(refused) = self.refused(to, about) {
            return self.say(&asker, refused);
        }
        let at = self.kids[&about].at;
        match (request, at) {
            // "Also out of a backoff, a pause (this child alone) or a `Terminate`; no failure."
            (Request::Restart, At::Down(_)) => {
                self.is_ambiguous |= self.is_down_for_no_time(about);
                self.start(about);
                self.say(&asker, "Ok");
            }
            (Request::Restart, _) => {
                self.wait(about, Wait::Started, asker);
                self.stop_for(about, Then::Restart);
            }
            (Request::Terminate, At::Down(why)) => {
                self.interrupt(about);
                self.boss(to).queue.retain(|&queued| queued != about);
                self.kid(about).at = At::Down(Why::Terminated);
                if why != Why::Terminated {
                    self.tell(to, Some(about), "ChildStopped");
                }
                self.say(&asker, "Ok");
            }
            (Request::Terminate, _) => {
                self.interrupt(about);
                self.wait(about, Wait::Stopped, asker);
                self.stop_for(about, Then::Terminate);
            }
            // "Without an incarnation: `Ok`, changes nothing."
            (Request::Kill, At::Down(_)) => self.say(&asker, "Ok"),
            (Request::Kill, At::Starting | At::Running) => {
                self.wait(about, Wait::Stopped, asker);
                self.kill(about, Then::FailKilled);
            }
            (Request::Kill, At::Stopping(then)) => {
                self.wait(about, Wait::Stopped, asker);
                self.kill(about, then);
            }
            (Request::Remove | Request::RemoveAndWait { .. }, At::Down(_)) => {
                self.interrupt(about);
                self.say(&asker, "Ok");
                self.ends(about, "Removed");
            }
            (Request::Remove, _) => {
                self.interrupt(about);
                self.say(&asker, "Ok");
                self.stop_for(about, Then::Remove);
            }
            (Request::RemoveAndWait { timeout }, _) => {
                self.interrupt(about);
                if let Some(timeout) = timeout {
                    let until = self.now + timeout;
                    self.at(until, Happening::AskerGivesUp(about, asker.clone()));
                }
                self.wait(about, Wait::Stopped, asker);
                self.stop_for(about, Then::Remove);
            }
        }
        self.go_on(to);
    }

    /// It may have lost its messages by now, or not, if it rejects them.
    fn is_down_for_no_time(&self, name: Name) -> bool {
        let kid = &self.kids[&name];
        let mut ends = self.bosses[&kid.parent].ends.iter();
        kid.stopped_at == self.now || ends.any(|&(at, other, _)| at == self.now && other == name)
    }

    fn replace(&mut self, to: Name, asker: Asker, child: &Child) {
        if let Some(refused) = self.refused(to, child.name) {
            return self.say(&asker, refused);
        }
        let is_down = matches!(self.kids[&child.name].at, At::Down(_));
        self.is_ambiguous |= is_down && self.is_down_for_no_time(child.name);
        let terms = child.terms.under(&self.bosses[&to].settings);
        let now = self.now;
        let kid = self.kid(child.name);
        kid.terms = terms;
        kid.what = child.what.clone();
        // "The mailbox's capacity, if the new spec sets none."
        if let Some(capacity) = terms.capacity {
            kid.mailbox.set_capacity(capacity);
        }
        match kid.at {
            // "If it is down, it stays so until it would have been started anyway."
            At::Down(_) => {
                kid.stopped_at = now;
                kid.replaced_at = now;
                self.say(&asker, "Ok");
            }
            At::Stopping(then) if then != Then::Restart => self.say(&asker, "Ok"),
            At::Starting | At::Running | At::Stopping(_) => {
                self.wait(child.name, Wait::Started, asker);
                self.stop_for(child.name, Then::Restart);
            }
        }
        self.go_on(to);
    }

    fn wait(&mut self, name: Name, wait: Wait, asker: Asker) {
        self.kid(name).waiting.push((wait, asker));
    }

    /// Whoever wanted to see it up will not.
    pub fn interrupt(&mut self, name: Name) {
        self.answer(name, Wait::Ready, "Interrupted");
        self.answer(name, Wait::Started, "Stopping");
        self.kid(name).on_trial = false;
    }

    /// It is asked once; a later request says what follows.
    fn stop_for(&mut self, name: Name, then: Then) {
        match self.kids[&name].at {
            At::Stopping(_) => self.kid(name).at = At::Stopping(then),
            At::Starting | At::Running | At::Down(_) => self.ask(name, then),
        }
    }

    pub fn asker_gives_up(&mut self, name: Name, asker: &str) {
        let Some(kid) = self.kids.get_mut(&name) else { return };
        let before = kid.waiting.len();
        kid.waiting.retain(|(_, other)| other != asker);
        if kid.waiting.len() < before {
            self.say(asker, "Timeout");
        }
    }
}
