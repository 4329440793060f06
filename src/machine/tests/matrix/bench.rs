//! A machine that is brought into a situation, and to its end.

use std::time::Duration;

use tokio::time::Instant;

use super::{How, IT, LAST, Situation, Situation::*};
use crate::{
    info::{ChildKind, ChildState},
    machine::{Action, Input, Machine, Progress, Request, Settings, Terms, Wait},
    policy::{
        AutoShutdown, Decision, ExitClass, OnLimit, RestartPolicy, Shutdown, ShutdownOrder,
        StartFailure, Strategy,
    },
};

/// A machine, and the time.
pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new(policy: RestartPolicy, strategy: Strategy, situation: Situation) -> Self {
        let settings = Settings {
            decay: Duration::from_secs(30),
            threshold: if situation == Paused { 0.0 } else { 100.0 },
            pause: Duration::from_secs(15),
            jitter: 0.0,
            spread: Duration::ZERO,
            seed: 0,
            strategy,
            on_limit: OnLimit::Backoff,
            give_up_after_pauses: None,
            start_failure: StartFailure::Retry,
            auto_shutdown: AutoShutdown::Never,
            needs_children: false,
            needs_one_ready: false,
            shutdown_order: ShutdownOrder::Reverse,
            stop_delay: Duration::ZERO,
            bereft: false,
        };
        let mut this = Self { machine: Machine::new(settings), now: Instant::now() };
        for child in 0..=LAST {
            let policy = if child == IT { policy } else { RestartPolicy::Permanent };
            let terms = Terms {
                policy,
                shutdown: Shutdown::Timeout(Duration::from_secs(5)),
                start_timeout: None,
                kind: ChildKind::Actor,
                backoff: None,
                give_up_after: None,
                significant: false,
                essential: false,
                elsewhere: None,
            };
            this.input(Input::Add { child, terms: terms.into(), on_trial: false });
            if situation != Early || child != IT {
                this.ready(child);
            }
        }
        this.come_to(situation);
        this
    }

    fn come_to(&mut self, situation: Situation) {
        match situation {
            Running | Early => {}
            Paused => {
                self.exit(LAST, ExitClass::Failed, None);
                self.obey();
                if !self.is_up(IT) {
                    self.request(IT, Request::Restart);
                    self.ready(IT);
                }
            }
            GroupStops => drop(self.exit(0, ExitClass::Failed, None)),
            GroupStartsIt | GroupStartsTheNext => {
                self.exit(0, ExitClass::Failed, None);
                self.obey();
                self.ready(0);
                if situation == GroupStartsTheNext {
                    self.ready(IT);
                }
            }
            Stopping => drop(self.input(Input::Stop)),
        }
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.handle(input, self.now, &mut actions);
        actions
    }

    fn ready(&mut self, child: u64) -> Vec<Action> {
        let life = self.life(child);
        self.input(Input::Ready { child, life })
    }

    fn exit(&mut self, child: u64, exit: ExitClass, decision: Option<Decision>) -> Vec<Action> {
        let life = self.life(child);
        let decision = decision.filter(|_| self.machine.decides(child, life, exit));
        self.input(Input::Exited { child, life, exit, decision })
    }

    fn request(&mut self, child: u64, request: Request) -> Vec<Action> {
        let mut actions = Vec::new();
        let progress = self.machine.request(child, request, self.now, &mut actions);
        let expected = match request {
            Request::Kill => Progress::Until(Wait::Stopped),
            Request::Restart | Request::Renew | Request::Remove | Request::Terminate => {
                Progress::Done
            }
        };
        assert_eq!(progress, Ok(expected));
        actions
    }

    /// Ends the incarnation in this way. What is told when it has ended.
    pub(super) fn end(&mut self, how: How, decision: Option<Decision>) -> Vec<Action> {
        match how {
            How::Exit(exit) => self.exit(IT, exit, decision),
            How::Killed => {
                let life = self.life(IT);
                assert_eq!(self.request(IT, Request::Kill), [Action::Kill { child: IT, life }]);
                self.exit(IT, ExitClass::Stopped, decision)
            }
        }
    }

    /// Whoever was asked to stop does, one after the other.
    fn obey(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(child) = self.first(ChildState::Stopping) {
            actions.extend(self.exit(child, ExitClass::Stopped, None));
        }
        actions
    }

    /// Lets everything come to its end.
    pub(super) fn settle(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..100 {
            actions.extend(self.obey());
            if let Some(child) = self.first(ChildState::Starting) {
                actions.extend(self.ready(child));
            } else if let Some(due) = self.machine.deadline() {
                self.now = due;
                actions.extend(self.input(Input::Tick));
            } else if self.first(ChildState::Stopping).is_none() {
                return actions;
            }
        }
        panic!("it comes to no end: {:?}", self.machine);
    }

    fn first(&self, state: ChildState) -> Option<u64> {
        self.machine.list().find(|child| child.state == state).map(|child| child.id)
    }

    pub(super) fn state(&self, child: u64) -> Option<ChildState> {
        self.machine.list().find(|listed| listed.id == child).map(|listed| listed.state)
    }

    pub(super) fn is_up(&self, child: u64) -> bool {
        !matches!(self.state(child), None | Some(ChildState::BackingOff | ChildState::Terminated))
    }

    pub(super) fn life(&self, child: u64) -> u64 {
        self.machine.children.get(child).map_or(0, |child| child.life)
    }

    pub(super) fn lives(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|child| self.life(child))
    }
}
