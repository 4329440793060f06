//! What runs in a child: its script, played.

use actix_supervisor::WhileDown;

use super::{
    parts::{Asker, At, Exit, Happening},
    world::World,
};
use crate::program::{How, Name, Script, Start, Stopping, What, Word};

/// The actor, or the future of the service, of one incarnation.
pub struct Body {
    /// What it was made to do: a later spec is for later ones.
    script: Script,
    is_actor: bool,
    /// Something that was given to `ctx.wait`, by a number.
    waits: Option<u64>,
    /// What its timers want and could not while it waited.
    due: Vec<Due>,
    asked: bool,
    /// How many messages it is to handle before it stops.
    drains: Option<usize>,
}

impl Body {
    pub fn waits_for(&self, number: u64) -> bool {
        self.waits == Some(number)
    }
}

#[derive(Clone, Copy)]
enum Due {
    Do(How),
    StopAfterAll,
}

impl World {
    fn body(&mut self, name: Name) -> &mut Body {
        self.kid(name).body.as_mut().expect("it has one")
    }

    pub fn begin_body(&mut self, name: Name) {
        let (script, is_actor) = match self.kids[&name].what.clone() {
            What::Actor(script) => (script, true),
            What::Service(script) | What::Blocking(script) => (script, false),
            What::Supervisor(..) => unreachable!("{name} has no script"),
        };
        let (life, now) = (self.kids[&name].starts, self.now);
        let number = self.next_number();
        let body = Body {
            script: script.clone(),
            is_actor,
            waits: None,
            due: Vec::new(),
            asked: false,
            drains: None,
        };
        self.kid(name).body = Some(body);
        let index = usize::try_from(life - 1).expect("not that many");
        let start = script.starts.get(index).copied().unwrap_or(Start::WithoutAdo);
        if let Some((time, how)) = script.life {
            match start {
                Start::FactoryPanics | Start::FactoryErrs | Start::Ends(_) => {}
                Start::WithoutAdo | Start::Takes(_) | Start::Hangs => {
                    self.at(now + time, Happening::Later(name, life, how));
                }
            }
        }
        if self.is_on_a_thread(name)
            && let Start::FactoryPanics | Start::FactoryErrs | Start::Ends(_) = start
        {
            // "A blocking one: when its thread has called it."
            self.soon(Happening::Ready(name, life));
            self.ends_while_its_group_starts(name);
        }
        match start {
            Start::Takes(time) if is_actor => {
                self.body(name).waits = Some(number);
                self.at(now + time, Happening::WaitOver(name, life, number));
            }
            Start::Hangs if is_actor => self.body(name).waits = Some(number),
            Start::WithoutAdo | Start::Takes(_) | Start::Hangs => {
                self.soon(Happening::Ready(name, life));
                self.turn(name);
            }
            Start::FactoryPanics => self.body_does(name, How::Panics),
            Start::FactoryErrs => self.body_does(name, How::Fails),
            Start::Ends(how) => {
                // "An async service that is done at its first poll was ready, one that has failed was not."
                if !is_actor
                    && !self.is_on_a_thread(name)
                    && matches!(how, How::Stops | How::Finishes)
                {
                    self.soon(Happening::Ready(name, life));
                }
                self.body_does(name, how);
            }
        }
    }

    /// Handles what is in the mailbox, and then what its timers want.
    pub fn turn(&mut self, name: Name) {
        loop {
            let Some(kid) = self.kids.get(&name) else { return };
            let is_to_stop = matches!(kid.at, At::Stopping(_));
            let Some(body) = &kid.body else { return };
            // "A stop request never waits behind the mailbox's backlog."
            if is_to_stop && !body.asked {
                return;
            }
            if body.waits.is_some() {
                return;
            }
            if body.drains == Some(0) {
                self.body_stops(name);
                continue;
            }
            let Some((asker, word)) = self.kid(name).mailbox.take() else { break };
            if let Some(left) = &mut self.body(name).drains {
                *left -= 1;
            }
            self.hear(name, &asker, word);
        }
        while let Some(body) = &mut self.kid(name).body {
            if body.waits.is_some() || body.due.is_empty() {
                return;
            }
            match body.due.remove(0) {
                Due::Do(how) => self.body_does(name, how),
                Due::StopAfterAll => self.body_ends(name, Exit::Stopped),
            }
        }
    }

    fn hear(&mut self, name: Name, asker: &Asker, word: Word) {
        let (life, now) = (self.kids[&name].starts, self.now);
        let handled = format!("{asker} in life {life}");
        self.handled.entry(name).or_default().push(handled);
        // "Only the message in hand at a panic is lost, and its sender gets an error."
        match word {
            Word::Do(How::Panics) => self.say(asker, "closed"),
            _ => self.say(asker, &format!("life {life}")),
        }
        match word {
            Word::Hello => {}
            Word::Do(how) => self.body_does(name, how),
            Word::Wait(time) => {
                let number = self.next_number();
                self.body(name).waits = Some(number);
                self.at(now + time, Happening::WaitOver(name, life, number));
            }
            Word::WaitForEver => {
                let number = self.next_number();
                self.body(name).waits = Some(number);
            }
            Word::Later(time, how) => self.at(now + time, Happening::Later(name, life, how)),
        }
    }

    pub fn wait_over(&mut self, name: Name, number: u64) {
        let life = self.kids[&name].starts;
        if let Some(body) = &mut self.kid(name).body
            && body.waits == Some(number)
        {
            body.waits = None;
            // Which is first of the next message and the timers that wanted their turn meanwhile is Actix's affair.
            let due = body.due.len();
            let has_messages = !self.kids[&name].mailbox.is_empty();
            self.is_ambiguous |= due > 1 || due > 0 && has_messages;
            self.soon(Happening::Ready(name, life));
            self.turn(name);
        }
    }

    pub fn later(&mut self, name: Name, how: How) {
        if let Some(body) = &mut self.kid(name).body
            && (body.is_actor || !body.asked)
        {
            body.due.push(Due::Do(how));
            self.turn(name);
        }
    }

    pub fn stops_after_all(&mut self, name: Name) {
        if let Some(body) = &mut self.kid(name).body {
            body.due.push(Due::StopAfterAll);
            self.turn(name);
        }
    }

    /// "With `drain(true)` the messages that were in its mailbox before the request are handled first."
    pub fn body_is_asked(&mut self, name: Name) {
        let kid = self.kid(name);
        let (drain, queued) = (kid.terms.drain, kid.mailbox.len());
        if let Some(body) = &mut kid.body
            && !body.asked
        {
            body.asked = true;
            if drain && queued > 0 {
                body.drains = Some(queued);
                kid.mailbox.set_apart();
            } else {
                self.body_stops(name);
            }
            self.turn(name);
        }
    }

    fn body_stops(&mut self, name: Name) {
        let (life, now) = (self.kids[&name].starts, self.now);
        self.body(name).drains = None;
        match self.body(name).script.stopping {
            Stopping::Obeys => self.body_ends(name, Exit::Stopped),
            Stopping::Takes(time) => self.at(now + time, Happening::StopsAfterAll(name, life)),
            Stopping::Refuses => {}
            Stopping::Panics | Stopping::PanicsInTheEnd => self.body_does(name, How::Panics),
        }
    }

    fn body_does(&mut self, name: Name, how: How) {
        let exit = match how {
            How::Panics => Exit::Failed("panicked: told to panic".to_owned()),
            How::Fails => Exit::Failed("told to fail".to_owned()),
            How::Stops => Exit::Stopped,
            How::Finishes => Exit::Finished,
            How::EndsTheTree => Exit::TerminateTree("told to end it all".to_owned()),
        };
        self.body_ends(name, exit);
    }

    pub fn body_ends(&mut self, name: Name, exit: Exit) {
        let now = self.now;
        let kid = self.kid(name);
        let (life, is_stopped_now) = (kid.starts, kid.stopped_at == now);
        if kid.body.take().is_some() && !is_stopped_now {
            self.note_end(name, &exit);
        }
        self.soon(Happening::Exited(name, life, exit));
    }

    pub fn message(&mut self, asker: Asker, sender: u8, to: Name, word: Word) {
        let (mailbox, life) = match self.kids.get_mut(&to) {
            Some(kid) => (Some(&mut kid.mailbox), Some(kid.starts)),
            None => (self.limbo.get_mut(&to), None),
        };
        match mailbox.map(|mailbox| mailbox.put(sender, asker.clone(), word)) {
            None => self.say(&asker, "closed"),
            Some(false) => self.say(&asker, "full"),
            Some(true) => {
                if let Some(life) = life {
                    self.soon(Happening::Turn(to, life));
                }
            }
        }
    }

    /// "`Reject`: what is queued when an incarnation ends and the next does not start at once is dropped, and so is what
    /// arrives until it does."
    pub fn reject_where_down(&mut self) {
        let mut rejected = Vec::new();
        let mut requests = Vec::new();
        for (name, kid) in &mut self.kids {
            let is_down = matches!(kid.at, At::Down(_)) && kid.starts > 0;
            if is_down && kid.terms.while_down == WhileDown::Reject {
                let before = rejected.len() + requests.len();
                rejected.extend(kid.mailbox.empty());
                if let Some(boss) = self.bosses.get_mut(name) {
                    requests.extend(boss.mailbox.drain(..));
                }
                if rejected.len() + requests.len() > before {
                    kid.rejected_at = self.now;
                }
            }
        }
        for asker in rejected {
            self.say(&asker, "closed");
        }
        for (asker, step) in requests {
            self.refuse(&asker, &step, "closed");
        }
    }
}
