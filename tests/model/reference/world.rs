//! Everything that there is, and how time goes on.

use std::collections::{BTreeMap, VecDeque};

use actix_supervisor::{Shutdown, Strategy};

use super::body::Body;
use crate::{
    picture::Told,
    program::{Child, Millis, Name, Program, Settings, Step, Terms, What, Word},
};

/// Who waits for an answer: the number of the step, and what was asked.
pub type Asker = String;

pub struct Kid {
    pub parent: Name,
    pub terms: Terms,
    pub what: What,
    pub declared: bool,
    pub at: At,
    /// How often it was started, and the number of its incarnation.
    pub starts: u64,
    pub last_failure: Option<String>,
    pub failures_in_row: u32,
    pub last_delay: Millis,
    pub ready_since: Option<Millis>,
    /// Since its supervisor was started.
    pub ever_started: bool,
    pub ever_ready: bool,
    pub on_trial: bool,
    /// The number of its last stop, so that a limit is about one of them.
    pub stop_number: u64,
    pub is_killed: bool,
    pub started_at: Millis,
    /// When it was last asked to stop, or killed.
    pub stopped_at: Millis,
    pub waiting: Vec<(Wait, Asker)>,
    pub body: Option<Body>,
    pub mailbox: VecDeque<(Asker, Word)>,
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// There is no incarnation, since …
    Down(Why),
    Starting,
    Running,
    /// It is to stop, or is being killed.
    Stopping(Then),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// it waits for its turn in its group,
    Turn,
    /// it waits for this time,
    Due(Millis),
    /// it waits for the end of the pause,
    Pause,
    /// somebody has terminated it,
    Terminated,
    /// its supervisor is down.
    Supervisor,
}

/// What follows when it is down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    Restart,
    Terminate,
    Remove,
    Group,
    SupervisorStops,
    FailKilled,
    FailStartTimeout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    Ready,
    Started,
    Stopped,
}

pub struct Boss {
    pub settings: Settings,
    pub mode: Mode,
    /// In start order.
    pub children: Vec<Name>,
    pub declared: Vec<Name>,
    /// When the failures were that are on the meter.
    pub failures: Vec<Millis>,
    pub pauses_in_row: u32,
    pub last_trouble: Option<Millis>,
    /// Who waits for the end of the pause, first come first.
    pub queue: Vec<Name>,
    /// Members of the group that have yet to go down, and those that have yet to have their turn to start.
    pub to_stop: Vec<Name>,
    pub to_start: Vec<Name>,
    pub is_ready: bool,
    pub stops: Vec<Asker>,
    pub joins: Vec<Asker>,
    /// Requests that came while it was down.
    pub mailbox: VecDeque<(Asker, Step)>,
    pub has_ended: bool,
    /// Who has ended by itself, when and how.
    pub ends: Vec<(Millis, Name, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    Down,
    Running,
    Paused { until: Millis },
    Stopping(Cause),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// By a request, or since its significant children have ended.
    Order,
    Killed,
    Failed(String),
    TerminateTree(String),
}

/// How an incarnation has ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Exit {
    Stopped,
    Finished,
    Failed(String),
    TerminateTree(String),
}

/// Something that is about to happen. What is about an incarnation names it, and comes to nothing if that is over.
#[derive(Clone, Debug)]
pub enum Happening {
    Begin(Name, u64),
    Turn(Name, u64),
    Ask(Name, u64),
    Kill(Name, u64),
    Later(Name, u64, crate::program::How),
    WaitOver(Name, u64, u64),
    StopsAfterAll(Name, u64),
    Ready(Name, u64),
    Exited(Name, u64, Exit),
    /// Somebody's patience is over, with an incarnation that starts or one that stops.
    StartLimit(Name, u64),
    StopLimit(Name, u64, u64),
    /// Its time to restart has come.
    Due(Name, Millis),
    PauseEnds(Name, Millis),
    AskerGivesUp(Name, Asker),
    Handle(Name, Asker, Step),
}

#[derive(Default)]
pub struct World {
    pub now: Millis,
    pub kids: BTreeMap<Name, Kid>,
    pub bosses: BTreeMap<Name, Boss>,
    happenings: VecDeque<Happening>,
    alarms: Vec<(Millis, Happening)>,
    /// Whose each child is or was.
    pub parents: BTreeMap<Name, Name>,
    /// Messages to children that no supervisor has yet, and requests to supervisors.
    pub limbo: BTreeMap<Name, VecDeque<(Asker, Word)>>,
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
            ends: Vec::new(),
        };
        self.bosses.insert(name, boss);
        for child in children {
            self.take_on(name, child, true);
        }
    }

    pub fn take_on(&mut self, parent: Name, child: &Child, declared: bool) {
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
            started_at: Millis::MAX,
            stopped_at: Millis::MAX,
            waiting: Vec::new(),
            body: None,
            mailbox: self.limbo.remove(&child.name).unwrap_or_default(),
        };
        self.parents.insert(child.name, parent);
        self.kids.insert(child.name, kid);
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
            self.soon(Happening::Handle(name, asker, step));
        }
    }

    pub fn start(&mut self, name: Name) {
        let now = self.now;
        let kid = self.kid(name);
        let parent = kid.parent;
        kid.at = At::Starting;
        kid.is_killed = false;
        kid.started_at = now;
        kid.stopped_at = Millis::MAX;
        kid.starts += 1;
        kid.ever_started = true;
        kid.ready_since = None;
        let (life, limit) = (kid.starts, kid.terms.start_timeout);
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
            (None, What::Actor(_) | What::Service(_)) => {
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

    /// Plays what is to happen up to this time.
    pub fn pass_to(&mut self, time: Millis) {
        loop {
            while let Some(happening) = self.happenings.pop_front() {
                self.play(happening);
                self.reject_where_down();
            }
            let Some(next) = self.alarms.iter().map(|&(at, _)| at).min() else { break };
            if next > time {
                break;
            }
            self.now = next;
            let alarms = std::mem::take(&mut self.alarms).into_iter();
            let (due, later): (Vec<_>, _) = alarms.partition(|&(at, _)| at == next);
            self.alarms = later;
            let due: Vec<_> =
                due.into_iter().filter(|(_, alarm)| self.is_about_something(alarm)).collect();
            self.is_ambiguous |= due.len() > 1 && !self.are_alike(&due);
            for (_, happening) in due {
                self.soon(happening);
            }
        }
        self.now = time;
    }

    /// An answer is true when it is given: what has happened to its children by then is known to a supervisor.
    pub fn serve_notices(&mut self, supervisor: Name) {
        let is_notice = |happening: &Happening| match happening {
            Happening::Ready(name, _) | Happening::Exited(name, ..) => {
                self.parents.get(name) == Some(&supervisor)
            }
            _ => false,
        };
        let happenings = std::mem::take(&mut self.happenings).into_iter();
        let (notices, others): (Vec<_>, Vec<_>) = happenings.partition(is_notice);
        self.happenings = others.into();
        for notice in notices {
            self.play(notice);
        }
    }

    fn is_about_something(&self, alarm: &Happening) -> bool {
        use Happening::*;
        match alarm {
            Later(name, life, _) | StopsAfterAll(name, life) => self.is_up(*name, *life),
            WaitOver(name, life, number) => {
                self.is_up(*name, *life)
                    && self.kids[name].body.as_ref().is_some_and(|body| body.waits_for(*number))
            }
            StartLimit(name, life) => {
                self.is_up(*name, *life) && self.kids[name].at == At::Starting
            }
            StopLimit(name, life, number) => {
                self.is_up(*name, *life)
                    && matches!(self.kids[name].at, At::Stopping(_))
                    && self.kids[name].stop_number == *number
            }
            Due(name, at) => {
                self.kids.get(name).is_some_and(|kid| kid.at == At::Down(Why::Due(*at)))
            }
            PauseEnds(name, until) => {
                let boss = self.bosses.get(name);
                boss.is_some_and(|boss| boss.mode == Mode::Paused { until: *until })
            }
            AskerGivesUp(..) => true,
            Begin(..) | Turn(..) | Ask(..) | Kill(..) | Ready(..) | Exited(..) | Handle(..) => true,
        }
    }

    /// Whether all of these are decided by one supervisor, which does so in the order in which it has planned them.
    fn are_alike(&self, alarms: &[(Millis, Happening)]) -> bool {
        let by = |(_, alarm): &(Millis, Happening)| match alarm {
            Happening::StartLimit(name, _)
            | Happening::StopLimit(name, _, _)
            | Happening::Due(name, _) => self.parents.get(name).copied(),
            _ => None,
        };
        let first = alarms.first().and_then(by);
        first.is_some() && alarms.iter().all(|alarm| by(alarm) == first)
    }

    fn is_up(&self, name: Name, life: u64) -> bool {
        let kid = self.kids.get(&name);
        kid.is_some_and(|kid| kid.starts == life && !matches!(kid.at, At::Down(_)))
    }

    fn play(&mut self, happening: Happening) {
        use Happening::*;
        match happening {
            // What is killed before it has begun never does.
            Begin(name, life) if self.is_up(name, life) && !self.kids[&name].is_killed => {
                match name {
                    Name::Supervisor(_) => self.begin_supervisor(name),
                    Name::Child(_) => self.begin_body(name),
                }
            }
            Turn(name, life) if self.is_up(name, life) => self.turn(name),
            Ask(name, life) if self.is_up(name, life) => match name {
                Name::Supervisor(_) => self.stop_supervisor(name, Cause::Order),
                Name::Child(_) => self.body_is_asked(name),
            },
            Kill(name, life) if self.is_up(name, life) => match name {
                Name::Supervisor(_) if self.bosses[&name].mode != Mode::Down => {
                    self.kill_supervisor(name);
                }
                Name::Supervisor(_) | Name::Child(_) => {
                    self.body_ends(name, Exit::Failed("killed".to_owned()))
                }
            },
            Later(name, life, how) if self.is_up(name, life) => self.later(name, how),
            WaitOver(name, life, number) if self.is_up(name, life) => self.wait_over(name, number),
            StopsAfterAll(name, life) if self.is_up(name, life) => self.stops_after_all(name),
            Ready(name, life) if self.is_up(name, life) => self.ready(name),
            Exited(name, life, exit) if self.is_up(name, life) => self.exited(name, exit),
            StartLimit(name, life) if self.is_up(name, life) => {
                // "Not ready within `start_timeout`: it is killed, and that is `Failure::StartTimeout`."
                if self.kids[&name].at == At::Starting {
                    self.kill(name, Then::FailStartTimeout);
                }
            }
            StopLimit(name, life, number) if self.is_up(name, life) => {
                self.lose_patience(name, number);
            }
            Due(name, at) => {
                if self.kids.get(&name).is_some_and(|kid| kid.at == At::Down(Why::Due(at))) {
                    self.come_back(name);
                    let parent = self.kids[&name].parent;
                    self.go_on(parent);
                }
            }
            PauseEnds(name, until) => {
                let boss = self.bosses.get(&name);
                if boss.is_some_and(|boss| boss.mode == Mode::Paused { until }) {
                    self.leave_pause(name);
                }
            }
            AskerGivesUp(name, asker) => self.asker_gives_up(name, &asker),
            Handle(name, asker, step) => self.handle(name, asker, step),
            Begin(..) | Turn(..) | Ask(..) | Kill(..) | Later(..) | WaitOver(..)
            | StopsAfterAll(..) | Ready(..) | Exited(..) | StartLimit(..) | StopLimit(..) => {}
        }
    }
}
