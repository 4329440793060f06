//! The machine under a simulated clock: whole lists of actions, whole states, and no sleep.

mod dice;
mod elsewhere;
mod endings;
mod exits;
pub(crate) mod fuzz;
mod lives;
mod matrix;
mod model;
mod moves;
mod pausing;
mod requests;
mod situations;
mod standing;
mod stopping;
mod stuck;
mod trials;
mod walks;
mod watchdogs;

use super::{child::Until, *};
use crate::{
    info::{ChildCounts, ChildKind, ChildState, SupervisorState},
    policy::{
        AutoShutdown, OnLimit, RestartPolicy, Shutdown, ShutdownOrder, StartFailure, Strategy,
    },
};

const PAUSE: Duration = secs(15);
/// How long a child in these tests is given to stop.
const LIMIT: Duration = secs(5);

const POLICIES: [RestartPolicy; 3] =
    [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];
const EXITS: [ExitClass; 4] =
    [ExitClass::Failed, ExitClass::Stopped, ExitClass::Finished, ExitClass::TerminateTree];
const REQUESTS: [Request; 4] =
    [Request::Remove, Request::Restart, Request::Terminate, Request::Kill];

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The defaults of a spec, but for a pause that is exactly as long as it says.
fn settings() -> Settings {
    Settings {
        decay: secs(30),
        threshold: 5.0,
        pause: PAUSE,
        jitter: 0.0,
        spread: Duration::ZERO,
        seed: 7,
        strategy: Strategy::OneForOne,
        on_limit: OnLimit::Backoff,
        give_up_after_pauses: None,
        start_failure: StartFailure::Retry,
        auto_shutdown: AutoShutdown::Never,
        needs_children: false,
        needs_one_ready: false,
        shutdown_order: ShutdownOrder::Reverse,
        stop_delay: Duration::ZERO,
        bereft: false,
    }
}

fn permanent() -> Terms {
    Terms {
        policy: RestartPolicy::Permanent,
        shutdown: Shutdown::Timeout(LIMIT),
        start_timeout: None,
        kind: ChildKind::Actor,
        backoff: None,
        give_up_after: None,
        significant: false,
        essential: false,
        elsewhere: None,
    }
}

fn with_policy(policy: RestartPolicy) -> Terms {
    Terms { policy, ..permanent() }
}

/// Its thread cannot be killed.
fn blocking() -> Terms {
    Terms { kind: ChildKind::Blocking, ..permanent() }
}

/// A machine, and the time. What it is told about an incarnation is about the latest one.
#[derive(Clone, Debug, PartialEq)]
struct Sim {
    machine: Machine,
    now: Instant,
}

impl Sim {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        Self { machine: Machine::new(settings), now: Instant::now() }
    }

    /// With these children, in this order, all of them ready.
    fn running(children: impl IntoIterator<Item = Terms>) -> Self {
        let mut sim = Self::new();
        sim.add_running(children);
        sim
    }

    fn add_running(&mut self, children: impl IntoIterator<Item = Terms>) {
        for (child, terms) in (0..).zip(children) {
            assert_eq!(self.add(child, terms), [start(child, 1)]);
            assert_eq!(self.ready(child), [ready(child)]);
        }
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.handle(input, self.now, &mut actions);
        actions
    }

    fn add(&mut self, child: u64, terms: Terms) -> Vec<Action> {
        self.input(Input::Add { child, terms: terms.into(), on_trial: false })
    }

    fn add_on_trial(&mut self, child: u64, terms: Terms) -> Vec<Action> {
        self.input(Input::Add { child, terms: terms.into(), on_trial: true })
    }

    fn ready(&mut self, child: u64) -> Vec<Action> {
        let life = self.life(child);
        self.input(Input::Ready { child, life })
    }

    fn exit(&mut self, child: u64, exit: ExitClass) -> Vec<Action> {
        let life = self.life(child);
        self.input(Input::Exited { child, life, exit, decision: None })
    }

    fn fail(&mut self, child: u64) -> Vec<Action> {
        self.exit(child, ExitClass::Failed)
    }

    /// Lets it fail until restarts are paused: then it waits, as the first in the queue.
    fn pause_by(&mut self, child: u64) {
        for _ in 0..100 {
            if self.fail(child).contains(&Action::Down { child }) {
                return assert!(self.is_paused());
            }
        }
        panic!("no pause");
    }

    fn is_paused(&self) -> bool {
        matches!(self.machine.state(), SupervisorState::Paused { .. })
    }

    fn request(
        &mut self,
        child: u64,
        request: Request,
    ) -> (Result<Progress, Refusal>, Vec<Action>) {
        let mut actions = Vec::new();
        let progress = self.machine.request(child, request, self.now, &mut actions);
        (progress, actions)
    }

    /// As [`request`](Self::request), for one that is not refused: what is done at once.
    fn begin(&mut self, child: u64, request: Request) -> Vec<Action> {
        let (progress, actions) = self.request(child, request);
        assert!(progress.is_ok(), "{request:?} for {child}: {progress:?}");
        actions
    }

    /// Lets time pass, with a `Tick` at every deadline; what happens, and how long from now.
    fn timed(&mut self, time: Duration) -> Vec<(Duration, Action)> {
        let (from, to) = (self.now, self.now + time);
        let mut happened = Vec::new();
        for _ in 0..10_000 {
            let Some(due) = self.machine.deadline().filter(|&due| due <= to) else {
                self.now = to;
                return happened;
            };
            self.now = self.now.max(due);
            let at = self.now - from;
            happened.extend(self.input(Input::Tick).into_iter().map(|action| (at, action)));
        }
        panic!("it is never quiet: {self:?}");
    }

    /// As [`timed`](Self::timed), without the times.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.timed(time).into_iter().map(|(_, action)| action).collect()
    }

    fn life(&self, child: u64) -> u64 {
        self.machine.children.get(child).map_or(0, |child| child.life)
    }

    /// All that are listed: which, in what state, how many times restarted.
    fn listed(&self) -> Vec<(u64, ChildState, u64)> {
        self.machine.list().map(|listed| (listed.id, listed.state, listed.restarts)).collect()
    }

    /// As it is listed.
    fn state(&self, child: u64) -> Option<ChildState> {
        let listed = self.machine.list().find(|listed| listed.id == child);
        listed.map(|listed| listed.state)
    }

    fn failures(&self) -> f64 {
        self.machine.failures(self.now)
    }
}

fn start(child: u64, life: u64) -> Action {
    Action::Start { child, life }
}

fn asked(child: u64, life: u64) -> Action {
    Action::Ask { child, life }
}

fn killed(child: u64, life: u64) -> Action {
    Action::Kill { child, life }
}

fn down(child: u64) -> Action {
    Action::Down { child }
}

fn ready(child: u64) -> Action {
    Action::Ready { child }
}

fn settle(child: u64, wait: Wait, outcome: Settled) -> Action {
    Action::Settle { child, wait, outcome }
}

/// Who waits for its end is told that it has come.
fn settle_stopped(child: u64) -> Action {
    settle(child, Wait::Stopped, Settled::Done)
}

/// Its failure is told, and that it is restarted.
fn failed(child: u64, failures: f64) -> Action {
    Action::Failed { child, forced: None, failures, restarting: true }
}

/// Its failure is told, and that it is not restarted.
fn failed_for_good(child: u64, failures: f64) -> Action {
    Action::Failed { child, forced: None, failures, restarting: false }
}

fn forced(child: u64, forced: Forced, failures: f64, restarting: bool) -> Action {
    Action::Failed { child, forced: Some(forced), failures, restarting }
}

fn stopped(child: u64) -> Action {
    Action::Stopped { child }
}

fn ended(child: u64, end: End) -> Action {
    Action::Ended { child, end }
}

fn stop_timeout(child: u64, left_behind: bool) -> Action {
    Action::StopTimeout { child, left_behind }
}

/// What is told of one that is over its limit and cannot be killed.
fn given_up(child: u64) -> [Action; 3] {
    let timeout = |wait| settle(child, wait, Settled::Timeout);
    [stop_timeout(child, true), timeout(Wait::Started), timeout(Wait::Stopped)]
}

fn released(child: u64) -> Action {
    Action::Released { child }
}

/// What a stop lets go at once: those that are down, in start order.
fn let_go(sim: &Sim) -> Vec<Action> {
    let is_down = |state| matches!(state, ChildState::BackingOff | ChildState::Terminated);
    let listed = sim.listed().into_iter();
    listed.filter(|&(_, state, _)| is_down(state)).map(|(child, ..)| released(child)).collect()
}

/// What is told when one ends that was asked to stop with its supervisor.
fn stop_of(child: u64) -> [Action; 3] {
    [stopped(child), released(child), settle_stopped(child)]
}

fn paused() -> Action {
    Action::PauseEntered { pause: PAUSE }
}

fn stop_begun(cause: StopCause) -> Action {
    Action::StopBegun { cause }
}

fn finish(cause: StopCause) -> Action {
    Action::Finish { cause }
}
