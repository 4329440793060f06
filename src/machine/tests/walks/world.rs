//! The world around a machine: it has the incarnations that the machine asked for, tells of their ends
//! when it likes, waits for answers, and believes nothing.

mod threads;
mod watch;

use std::collections::BTreeMap;

use super::{super::*, Step};

/// A child, as seen from outside.
struct Known {
    terms: Terms,
    /// The number of the latest incarnation.
    life: u64,
    up: Option<Up>,
    /// A removal has begun.
    removing: bool,
    ended: bool,
    /// A restart was asked for, and not overtaken by another request.
    restarting: bool,
    left_behind: bool,
    /// Of its latest incarnation it was told that it took too long to stop.
    late: bool,
}

/// An incarnation.
#[derive(Clone, Copy, Default)]
struct Up {
    ready: bool,
    asked: bool,
    killed: bool,
    /// It was asked to stop, and has all the time that there is.
    patient: bool,
    elsewhere: bool,
    /// Its thread does nothing at all.
    stuck: bool,
    watched: bool,
    /// When a probe has to be answered.
    answer_by: Option<Instant>,
    /// When its thread has to have carried out a kill.
    gone_by: Option<Instant>,
    given_up: bool,
}

/// Somebody waits for an answer.
#[derive(Debug)]
struct Waiter {
    child: u64,
    wait: Wait,
    /// The latest incarnation when it was asked.
    life: u64,
}

/// What the machine was told in this step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Added(u64),
    Requested(u64, Request),
    Exited(u64),
    Moved(u64),
    Other,
}

pub(super) struct World {
    sim: Sim,
    settings: Settings,
    children: BTreeMap<u64, Known>,
    waiters: Vec<Waiter>,
    /// Incarnations that were given up: whose end is to be reported, and which may come back.
    given_up: Vec<u64>,
    lost: Vec<(u64, u64)>,
    /// When the pause ends.
    paused: Option<Instant>,
    stopping: bool,
    finished: bool,
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            sim: Sim::with(settings.clone()),
            settings,
            children: BTreeMap::new(),
            waiters: Vec::new(),
            given_up: Vec::new(),
            lost: Vec::new(),
            paused: None,
            stopping: false,
            finished: false,
        }
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Add { terms, on_trial } => self.add(terms.into(), on_trial),
            Step::Ready { pick } => {
                let up = self.free().collect::<Vec<_>>();
                if let Some(&child) = picked(&up, pick) {
                    self.tell_ready(child);
                }
            }
            Step::Exit { pick, exit } => {
                let up = self.free().collect::<Vec<_>>();
                if let Some(&child) = picked(&up, pick) {
                    self.tell_exit(child, exit);
                }
            }
            Step::Stale { pick, exit } => self.tell_stale(pick, exit),
            Step::Request { pick, request } => {
                // Also one that nobody knows.
                let child = u64::from(pick) % (self.children.len() as u64 + 1);
                self.request(child, request);
            }
            Step::Stick { pick } => self.stick(pick),
            Step::Alive { pick } => {
                let free = self.free().collect::<Vec<_>>();
                if let Some(&child) = picked(&free, pick) {
                    self.tell_alive(child);
                }
            }
            Step::Move { pick } => self.tell_move(pick),
            Step::ComeBack { pick } => self.come_back(pick),
            Step::Replace { pick, terms } => self.replace(pick, terms),
            Step::Pass { millis, lively } => {
                self.pass(Duration::from_millis(millis.into()), lively);
            }
            Step::Late { millis } => {
                self.sim.now += Duration::from_millis(millis.into());
                self.tick_until_quiet();
                self.check_limits();
            }
            Step::Resume => self.input(Input::Resume, Cause::Other),
            Step::Stop => {
                self.input(Input::Stop, Cause::Other);
                assert!(self.stopping || self.finished);
            }
            Step::Kill => {
                // It is not told that this begins.
                self.stopping = true;
                self.paused = None;
                self.input(Input::Kill, Cause::Other);
            }
        }
    }

    /// Children end that were asked to, and time passes, until nothing is left to wait for. Those that
    /// are `deaf` end only if they are killed, or if nobody would ever lose patience with them. Those on stuck threads
    /// only in the last case.
    pub(super) fn run_down(&mut self, deaf: bool) {
        for _ in 0..1_000 {
            let ends = self.children.iter().filter(|(_, known)| {
                known.up.is_some_and(|up| match up.stuck {
                    true => up.patient && !up.killed && !up.watched,
                    false => up.killed || up.asked && (!deaf || up.patient),
                })
            });
            let ends: Vec<u64> = ends.map(|(&child, _)| child).collect();
            for &child in &ends {
                self.tell_exit(child, ExitClass::Stopped);
            }
            let free: Vec<u64> = self.free().collect();
            for &child in &free {
                if !deaf {
                    self.tell_ready(child);
                }
                self.tell_alive(child);
            }
            match self.sim.machine.deadline() {
                Some(due) if self.waits_for_a_time() => {
                    self.pass(due.saturating_duration_since(self.sim.now), true);
                }
                Some(_) | None if ends.is_empty() => return,
                Some(_) | None => {}
            }
        }
        panic!("it comes to no end: {:?}", self.sim);
    }

    pub(super) fn expect_finished(&self) {
        assert!(self.finished);
        assert!(self.waiters.is_empty());
        assert!(self.children.values().all(|known| known.up.is_none() || known.left_behind));
    }

    pub(super) fn expect_all_up(&self) {
        assert_eq!(self.sim.machine.state(), SupervisorState::Running);
        for Listed { id: child, state, .. } in self.sim.machine.list() {
            match state {
                ChildState::Starting | ChildState::Running => {
                    assert!(self.children[&child].up.is_some());
                }
                ChildState::Terminated => assert!(self.children[&child].up.is_none()),
                ChildState::BackingOff | ChildState::Stopping => panic!("{child}: {state:?}"),
            }
        }
        let waits_for_ready = |waiter: &Waiter| waiter.wait == Wait::Ready;
        assert!(self.waiters.iter().all(waits_for_ready), "{:?}", self.waiters);
    }

    fn up(&self) -> impl Iterator<Item = u64> {
        self.children.iter().filter(|(_, known)| known.up.is_some()).map(|(&child, _)| child)
    }

    /// Those that are up and do as they like.
    fn free(&self) -> impl Iterator<Item = u64> {
        let is_free = |known: &Known| known.up.is_some_and(|up| !up.stuck);
        self.children.iter().filter(move |(_, known)| is_free(known)).map(|(&child, _)| child)
    }

    fn add(&mut self, terms: Terms, on_trial: bool) {
        if self.stopping {
            return; // It is refused before the machine hears of it.
        }
        let child = self.children.len() as u64;
        let known = Known {
            terms: terms.clone(),
            life: 0,
            up: None,
            removing: false,
            ended: false,
            restarting: false,
            left_behind: false,
            late: false,
        };
        self.children.insert(child, known);
        self.input(Input::Add { child, terms: terms.into(), on_trial }, Cause::Added(child));
        if on_trial {
            self.waiters.push(Waiter { child, wait: Wait::Ready, life: 1 });
            self.check_waiters();
        }
    }

    fn tell_ready(&mut self, child: u64) {
        let Some(known) = self.children.get_mut(&child) else { return };
        let Some(up) = &mut known.up else { return };
        if !up.ready {
            up.ready = true;
            let life = known.life;
            self.input(Input::Ready { child, life }, Cause::Other);
        }
    }

    fn tell_exit(&mut self, child: u64, exit: ExitClass) {
        let Some(known) = self.children.get_mut(&child) else { return };
        if known.up.take().is_some() {
            let life = known.life;
            self.input(Input::Exited { child, life, exit, decision: None }, Cause::Exited(child));
        }
    }

    fn tell_stale(&mut self, pick: u16, exit: Option<ExitClass>) {
        let child = u64::from(pick) % (self.children.len() as u64 + 1);
        let (life, is_up) =
            self.children.get(&child).map_or((1, false), |known| (known.life, known.up.is_some()));
        let lives = [0, life.wrapping_sub(1), life + 1, life];
        let lives = &lives[..if is_up { 3 } else { 4 }];
        let life = lives[usize::from(pick / 7) % lives.len()];
        let before = self.sim.clone();
        let actions = match exit {
            Some(exit) => self.sim.input(Input::Exited { child, life, exit, decision: None }),
            None => match pick % 3 {
                0 => self.sim.input(Input::Ready { child, life }),
                1 => self.sim.input(Input::Alive { child, life }),
                _ => self.sim.input(Input::Move { child, life }),
            },
        };
        assert_eq!(actions, []);
        assert_eq!(self.sim, before, "a stale notice changes nothing at all");
    }

    fn request(&mut self, child: u64, request: Request) {
        let before = self.sim.clone();
        let (progress, actions) = self.sim.request(child, request);
        let known = self.children.get_mut(&child);
        let is_listed = known.as_ref().is_some_and(|known| !known.removing && !known.ended);
        match progress {
            Err(refusal) => {
                assert_eq!(self.sim, before, "a refusal changes nothing at all");
                assert_eq!(actions, []);
                match refusal {
                    Refusal::Stopping => assert!(self.stopping),
                    Refusal::NotFound => assert!(!self.stopping && !is_listed),
                }
                return;
            }
            Ok(_) => assert!(!self.stopping && is_listed),
        }
        let Some(known) = known else { return };
        match request {
            Request::Restart => known.restarting = true,
            Request::Terminate => known.restarting = false,
            Request::Remove => (known.restarting, known.removing) = (false, true),
            Request::Renew => known.restarting |= progress == Ok(Progress::Until(Wait::Started)),
            Request::Kill => {}
        }
        let life = known.life;
        match progress {
            Ok(Progress::Until(_)) => {}
            Ok(Progress::Overdue) => assert!(known.left_behind && known.up.is_some()),
            Ok(Progress::Done) if request == Request::Renew => {}
            Ok(Progress::Done) | Err(_) => assert!(known.up.is_none()),
        }
        self.observe(actions, Cause::Requested(child, request));
        if let Ok(Progress::Until(wait)) = progress {
            // Its actions have been carried out: none of them settles it.
            self.waiters.push(Waiter { child, wait, life });
            self.check_waiters();
        }
        self.report();
    }

    fn pass(&mut self, time: Duration, lively: bool) {
        let to = self.sim.now + time;
        while let Some(due) = self.sim.machine.deadline().filter(|&due| due <= to) {
            let before = self.sim.clone();
            self.sim.now = self.sim.now.max(due);
            if lively {
                self.answer_all();
            }
            self.tick_until_quiet();
            assert_ne!(self.sim.machine, before.machine, "a deadline is about something");
        }
        self.sim.now = to;
        self.input(Input::Tick, Cause::Other);
        self.check_limits();
    }

    fn tick_until_quiet(&mut self) {
        for _ in 0..100 {
            match self.sim.machine.deadline() {
                Some(due) if due <= self.sim.now => self.input(Input::Tick, Cause::Other),
                Some(_) | None => return,
            }
        }
        panic!("it is never quiet: {:?}", self.sim);
    }

    fn input(&mut self, input: Input, cause: Cause) {
        let actions = self.sim.input(input);
        self.observe(actions, cause);
        self.report();
    }
}

fn picked<T>(from: &[T], pick: u16) -> Option<&T> {
    from.get(usize::from(pick) % from.len().max(1))
}
