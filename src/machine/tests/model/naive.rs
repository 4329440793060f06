//! The model: the contract's sentences, one after the other, about a list of children with plain fields.
//!
//! Times are counted from the start of the walk. What it decides is told in the machine's words; how far
//! somebody has to wait for an answer it knows by itself.

mod exits;
mod failures;
mod groups;
mod kid;
mod requests;
mod stops;

use std::time::Duration;

use self::kid::Ending;
pub(super) use self::kid::Kid;
use super::deal::Deal;
use crate::{
    machine::{Action, Forced, Settings, Settled, StopCause, Wait},
    policy::Strategy,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Running,
    Paused { until: Duration },
    Stopping { cause: StopCause },
    Finished,
}

/// What is remembered of the past for the sake of `give_up_after_pauses`.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Failure(Duration),
    PauseEntered,
    PauseLeft(Duration),
}

pub(super) struct Naive {
    pub(super) settings: Settings,
    pub(super) now: Duration,
    pub(super) mode: Mode,
    /// In start order.
    pub(super) kids: Vec<Kid>,
    /// When the failures were that are on the meter.
    failures: Vec<Duration>,
    marks: Vec<Mark>,
    /// Who waits for the end of the pause, first come first.
    queue: Vec<u64>,
    /// Members of the group that have yet to go down, and members that have yet to have their turn.
    to_stop: Vec<u64>,
    to_start: Vec<u64>,
    is_up: bool,
    /// When the delay before a stop is over.
    leaving: Option<Duration>,
    /// Something essential has failed for good.
    has_lost: bool,
    timers: u64,
    waiters: Vec<(usize, u64, Wait)>,
    /// What it has decided in this step, and who has been answered.
    pub(super) told: Vec<Action>,
    pub(super) answers: Vec<(usize, Settled)>,
}

impl Naive {
    pub(super) fn new(settings: Settings, now: Duration) -> Self {
        Self {
            settings,
            now,
            mode: Mode::Running,
            kids: Vec::new(),
            failures: Vec::new(),
            marks: Vec::new(),
            queue: Vec::new(),
            to_stop: Vec::new(),
            to_start: Vec::new(),
            is_up: false,
            leaving: None,
            has_lost: false,
            timers: 0,
            waiters: Vec::new(),
            told: Vec::new(),
            answers: Vec::new(),
        }
    }

    pub(super) fn declare(&mut self, id: u64, deal: Deal, life: u64) {
        let waits_for_turn = self.settings.strategy != Strategy::OneForOne;
        self.kids.push(Kid { life, waits_for_turn, ..Kid::new(id, deal) });
    }

    /// "With `OneForOne`, children start in order without waiting for each other. With `OneForAll` and
    /// `RestForOne`, each starts when the one before it is ready."
    pub(super) fn begin(&mut self) {
        let ids: Vec<u64> = self.kids.iter().map(|kid| kid.id).collect();
        if self.settings.strategy == Strategy::OneForOne {
            ids.into_iter().for_each(|id| self.start(id));
            self.is_up = true;
            self.told.push(Action::Up);
        } else {
            self.to_start = ids;
        }
        self.go_on();
    }

    /// "Takes it on and starts it", also during a pause.
    pub(super) fn add(&mut self, id: u64, deal: Deal, on_trial: bool) {
        self.kids.push(Kid { on_trial, ..Kid::new(id, deal) });
        self.start(id);
        self.go_on();
    }

    pub(super) fn ready(&mut self, id: u64) {
        let now = self.now;
        let kid = self.kid(id);
        if kid.ending.is_none() {
            kid.ready = true;
            kid.ready_since = Some(now);
            kid.ever_ready = true;
            kid.on_trial = false;
            kid.limit = None;
            self.told.push(Action::Ready { child: id });
            self.answer(id, Wait::Ready, Settled::Done);
        }
        self.go_on();
    }

    pub(super) fn resume(&mut self) {
        if self.is_paused() {
            self.leave_pause();
        }
        self.go_on();
    }

    /// When something happens if nothing else does.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let pause = match self.mode {
            Mode::Paused { until } => Some(until),
            Mode::Running | Mode::Stopping { .. } | Mode::Finished => None,
        };
        let timers = self.kids.iter().filter_map(|kid| kid.timer()).map(|(at, _)| at);
        timers.chain(pause).chain(self.leaving).min()
    }

    pub(super) fn tick(&mut self) {
        if self.leaving.is_some_and(|until| until <= self.now) {
            self.begin_stop(StopCause::Asked);
        }
        match self.mode {
            Mode::Paused { until } if until <= self.now => self.leave_pause(),
            Mode::Paused { .. } | Mode::Running | Mode::Stopping { .. } | Mode::Finished => {
                self.serve_timers();
            }
        }
        self.go_on();
    }

    fn serve_timers(&mut self) {
        loop {
            let timers = self.kids.iter().filter_map(|kid| Some((kid.timer()?, kid.id)));
            let Some(((at, _), id)) = timers.min() else { break };
            if at > self.now {
                break;
            }
            let kid = self.kid(id);
            if !kid.up {
                kid.due = None;
                self.come_back(id);
            } else if kid.ending.is_none() {
                // "Not ready within `start_timeout`: it is killed, and that is `Failure::StartTimeout`."
                let limit = kid.deal.start_timeout.expect("it has one");
                self.kill(id, Ending::Failure(Forced::StartTimeout(limit)));
            } else {
                self.lose_patience(id);
            }
        }
    }

    fn go_on(&mut self) {
        self.go_on_stopping();
        self.go_on_with_group();
    }

    fn start(&mut self, id: u64) {
        let order = self.next_timer();
        let now = self.now;
        self.queue.retain(|&queued| queued != id);
        let kid = self.kid(id);
        kid.life += 1;
        kid.begun = true;
        kid.up = true;
        kid.ready = false;
        kid.ready_since = None;
        kid.due = None;
        kid.waits_for_turn = false;
        kid.terminated = false;
        kid.limit = kid.deal.start_timeout.map(|limit| (now + limit, order));
        let life = kid.life;
        self.told.push(Action::Start { child: id, life });
    }

    /// The child is down, its own time is over: it waits for its turn in its group, or else for the end of a pause.
    fn come_back(&mut self, id: u64) {
        if self.is_paused() {
            self.queue.push(id);
        } else if self.to_start.contains(&id) {
            self.kid(id).waits_for_turn = true;
        } else {
            self.start(id);
        }
    }

    pub(super) fn wait(&mut self, waiter: usize, id: u64, wait: Wait) {
        self.waiters.push((waiter, id, wait));
    }

    fn answer(&mut self, id: u64, wait: Wait, outcome: Settled) {
        for &(waiter, who, what) in &self.waiters {
            if (who, what) == (id, wait) {
                self.answers.push((waiter, outcome));
            }
        }
        self.waiters.retain(|&(_, who, what)| (who, what) != (id, wait));
    }

    pub(super) fn kid(&mut self, id: u64) -> &mut Kid {
        self.kids.iter_mut().find(|kid| kid.id == id).expect("a child that there is")
    }

    fn forget(&mut self, id: u64) {
        self.queue.retain(|&queued| queued != id);
        self.kids.retain(|kid| kid.id != id);
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.mode, Mode::Paused { .. })
    }

    /// "Ready: every child marked essential is ready and nothing above it is paused, and no stop has begun."
    pub(super) fn is_ready(&self) -> bool {
        let mut essential = self.kids.iter().filter(|kid| kid.is_essential()).peekable();
        let is_spared = !self.is_paused() || essential.peek().is_none();
        let is_whole = is_spared && !self.has_lost && !essential.any(|kid| kid.is_missing());
        self.is_up && self.leaving.is_none() && !self.is_stopping() && is_whole
    }

    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.mode, Mode::Stopping { .. } | Mode::Finished)
    }

    fn next_timer(&mut self) -> u64 {
        self.timers += 1;
        self.timers
    }
}
