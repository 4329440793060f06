//! Everything that there is, and how it starts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use actix_supervisor::{Shutdown, Strategy};

use super::{
    mailbox::Mailbox,
    parts::{Asker, At, Boss, Happening, Kid, Mode, Wait, Why},
};
use crate::{
    picture::Told,
    program::{Child, Millis, Name, Program, Settings, Step, What},
};

#[derive(Default)]
pub struct World {
    pub now: Millis,
    pub kids: BTreeMap<Name, Kid>,
    pub bosses: BTreeMap<Name, Boss>,
    pub happenings: VecDeque<Happening>,
    pub alarms: Vec<(Millis, Happening)>,
    /// Whose each child is or was.
    pub parents: BTreeMap<Name, Name>,
    /// Who is on a thread, and all above it.
    pub threads: BTreeSet<Name>,
    /// Messages to children that no supervisor has yet, and requests to supervisors.
    pub limbo: BTreeMap<Name, Mailbox>,
    pub limbo_requests: BTreeMap<Name, VecDeque<(Asker, Step)>>,
    /// Things of different supervisors were to happen at one instant: the contract does not say which is first.
    pub is_ambiguous: bool,
    /// A number for each wait and for each request to stop.
    pub counter: u64,
    pub told: Vec<Told>,
    pub answers: Vec<String>,
    pub handled: BTreeMap<Name, Vec<String>>,
}

impl World {
    pub fn new(program: &Program) -> Self {
        let mut world = Self::default();
        world.declare_supervisor(Name::ROOT, &program.root, &program.children);
        world.begin_supervisor(Name::ROOT);
        world
    }

    fn declare_supervisor(&mut self, name: Name, settings: &Settings, children: &[Child]) {
        let boss = Boss {
            settings: *settings,
            mode: Mode::Down,
            children: Vec::new(),
            declared: children.iter().map(|child| child.name).collect(),
            failures: Vec::new(),
            pauses_in_row: 0,
            last_trouble: None,
            queue: Vec::new(),
            to_stop: Vec::new(),
            to_start: Vec::new(),
            is_ready: false,
            stops: Vec::new(),
            joins: Vec::new(),
            mailbox: self.limbo_requests.remove(&name).unwrap_or_default(),
            has_ended: false,
            stops_for_good: false,
            ends: Vec::new(),
        };
        self.bosses.insert(name, boss);
        for child in children {
            self.take_on(name, child, true);
        }
    }

    pub fn take_on(&mut self, parent: Name, child: &Child, declared: bool) {
        let mailbox = || Mailbox::new(child.terms.capacity);
        let kid = Kid {
            parent,
            terms: child.terms.under(&self.bosses[&parent].settings),
            what: child.what.clone(),
            declared,
            at: At::Down(Why::Supervisor),
            starts: 0,
            last_failure: None,
            failures_in_row: 0,
            last_delay: 0,
            ready_since: None,
            ever_started: false,
            ever_ready: false,
            on_trial: false,
            stop_number: 0,
            is_killed: false,
            replaced_at: Millis::MAX,
            rejected_at: Millis::MAX,
            is_elsewhere: false,
            is_late: false,
            started_at: Millis::MAX,
            stopped_at: Millis::MAX,
            waiting: Vec::new(),
            body: None,
            mailbox: self.limbo.remove(&child.name).unwrap_or_else(mailbox),
        };
        self.parents.insert(child.name, parent);
        self.kids.insert(child.name, kid);
        if let What::Blocking(_) = child.what {
            self.note_thread(child.name);
        }
        if let What::Supervisor(settings, children) = &child.what {
            self.declare_supervisor(child.name, settings, children);
        }
    }

    /// "With `OneForOne`, children start in order without waiting for each other. With `OneForAll` and
    /// `RestForOne`, each starts when the one before it is ready."
    pub fn begin_supervisor(&mut self, name: Name) {
        self.tell(name, None, "SupervisorStarted");
        let boss = self.boss(name);
        boss.mode = Mode::Running;
        boss.children = boss.declared.clone();
        boss.failures.clear();
        boss.pauses_in_row = 0;
        boss.last_trouble = None;
        boss.queue.clear();
        boss.to_stop.clear();
        boss.to_start.clear();
        boss.is_ready = false;
        let (children, strategy) = (boss.children.clone(), boss.settings.strategy);
        for &child in &children {
            let kid = self.kid(child);
            kid.at = At::Down(Why::Turn);
            kid.ever_started = false;
            kid.ever_ready = false;
            kid.failures_in_row = 0;
            kid.last_delay = 0;
        }
        if strategy == Strategy::OneForOne {
            children.iter().for_each(|&child| self.start(child));
        } else {
            self.boss(name).to_start = children;
        }
        self.go_on(name);
        while let Some((asker, step)) = self.boss(name).mailbox.pop_front() {
            self.soon(Happening::Handle(name, asker, Box::new(step)));
        }
    }

    pub fn start(&mut self, name: Name) {
        let now = self.now;
        let kid = self.kid(name);
        let (parent, replaced_at, rejected_at) = (kid.parent, kid.replaced_at, kid.rejected_at);
        kid.at = At::Starting;
        kid.is_killed = false;
        kid.is_elsewhere = kid.terms.elsewhere;
        kid.started_at = now;
        kid.stopped_at = Millis::MAX;
        kid.starts += 1;
        kid.ever_started = true;
        kid.ready_since = None;
        let (life, limit) = (kid.starts, kid.terms.start_timeout);
        // It may have begun to reject, or to keep, messages for no time.
        self.is_ambiguous |= replaced_at == now || rejected_at == now;
        self.boss(parent).queue.retain(|&queued| queued != name);
        match life {
            1 => self.tell(parent, Some(name), "ChildStarted"),
            _ => self.tell(parent, Some(name), format!("ChildRestarted {}", life - 1)),
        }
        if let Some(limit) = limit {
            self.at(now + limit, Happening::StartLimit(name, life));
        }
        self.soon(Happening::Begin(name, life));
    }

    pub fn ready(&mut self, name: Name) {
        let now = self.now;
        let kid = self.kid(name);
        if kid.at == At::Starting {
            kid.at = At::Running;
            kid.ready_since = Some(now);
            kid.ever_ready = true;
            kid.on_trial = false;
            let parent = kid.parent;
            self.tell(parent, Some(name), "ChildReady");
            self.answer(name, Wait::Ready, "Ok");
            self.go_on(parent);
        }
    }

    pub fn go_on(&mut self, supervisor: Name) {
        self.go_on_stopping(supervisor);
        self.go_on_with_group(supervisor);
    }

    /// How long a child is given to stop: "default: the supervisor spec's `shutdown_timeout` (a supervisor: Infinite)".
    pub fn shutdown(&self, name: Name) -> Shutdown {
        let kid = &self.kids[&name];
        let limit = self.bosses[&kid.parent].settings.shutdown_timeout;
        match (kid.terms.shutdown, &kid.what) {
            (Some(shutdown), _) => shutdown,
            (None, What::Supervisor(..)) => Shutdown::Infinite,
            (None, What::Actor(_) | What::Service(_) | What::Blocking(_)) => {
                Shutdown::Timeout(std::time::Duration::from_millis(limit))
            }
        }
    }

    pub fn kid(&mut self, name: Name) -> &mut Kid {
        self.kids.get_mut(&name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub fn boss(&mut self, name: Name) -> &mut Boss {
        self.bosses.get_mut(&name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn tell(&mut self, by: Name, about: Option<Name>, what: impl Into<String>) {
        self.told.push(Told { by, about, what: what.into() });
    }

    /// Answers all who wait for this.
    pub fn answer(&mut self, name: Name, wait: Wait, answer: &str) {
        let waiting = std::mem::take(&mut self.kid(name).waiting);
        for (what, asker) in waiting {
            if what == wait {
                self.say(&asker, answer);
            } else {
                self.kid(name).waiting.push((what, asker));
            }
        }
    }

    pub fn say(&mut self, asker: &str, answer: &str) {
        self.answers.push(format!("{asker}: {answer}"));
    }

    pub fn soon(&mut self, what: Happening) {
        self.happenings.push_back(what);
    }

    pub fn at(&mut self, time: Millis, what: Happening) {
        self.alarms.push((time, what));
    }
}
