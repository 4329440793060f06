//! What has to be true of every action, and after every step.

use super::*;

impl World {
    /// Carries out the actions of one step and looks at what is left.
    pub(super) fn observe(&mut self, actions: Vec<Action>, cause: Cause) {
        let mut failed = Vec::new();
        for (index, action) in actions.iter().enumerate() {
            match *action {
                Action::Start { child, life } => self.start(child, life, cause),
                Action::Ask { child, life } => {
                    let patient = self.children[&child].terms.shutdown == Shutdown::Infinite;
                    let up = self.incarnation(child, life);
                    (up.asked, up.patient) = (true, patient);
                }
                Action::Kill { child, life } => self.kill(child, life),
                Action::Probe { child, life } => self.probe(child, life),
                Action::Abandon { child, life } => self.abandon(child, life, cause),
                Action::Down { child } => assert!(self.children[&child].up.is_none()),
                Action::Settle { child, wait, outcome } => {
                    self.settle(child, wait, outcome, &actions[..index], cause);
                }
                Action::Ready { child } => assert!(self.children[&child].up.unwrap().ready),
                Action::Failed { child, restarting, failures, .. } => {
                    assert_eq!(cause, Cause::Exited(child), "only an end is a failure");
                    assert_eq!(failures, self.sim.failures());
                    failed.push((child, restarting));
                }
                Action::Stopped { child } => assert!(self.children[&child].up.is_none()),
                Action::StopTimeout { child, left_behind } => {
                    let follows = actions.get(index + 2);
                    self.stop_timeout(child, left_behind, follows, cause);
                }
                Action::Ended { child, .. } => {
                    let known = self.children.get_mut(&child).unwrap();
                    assert!(known.up.is_none() && !known.ended, "it ends once, and not before");
                    known.ended = true;
                }
                Action::PauseEntered { pause } => self.enter_pause(pause),
                Action::PauseLeft => {
                    assert!(self.paused.take().is_some());
                    assert_eq!(self.sim.failures(), 0.0);
                }
                Action::StopBegun { .. } => {
                    assert!(!self.stopping);
                    (self.stopping, self.paused) = (true, None);
                }
                Action::Released { child } => {
                    assert!(self.stopping && self.children[&child].up.is_none());
                }
                Action::LimitReached { .. } | Action::Up => {
                    unreachable!("nothing asks for it here")
                }
                Action::Finish { .. } => self.finish(),
            }
        }
        if let Cause::Exited(ended) = cause {
            let tells = |action: &Action| match *action {
                Action::Failed { child, .. }
                | Action::Stopped { child }
                | Action::Ended { child, .. } => child == ended,
                _ => false,
            };
            assert!(actions.iter().any(tells), "no end goes untold (I9)");
        }
        for (child, restarting) in failed {
            let state = self.sim.state(child);
            let comes_back = matches!(state, Some(ChildState::Starting | ChildState::BackingOff));
            assert_eq!(restarting, comes_back, "{state:?}");
            if restarting && self.paused.is_none() {
                assert!(self.sim.failures() <= self.settings.threshold);
            }
        }
        self.check();
    }

    fn start(&mut self, child: u64, life: u64, cause: Cause) {
        let known = self.children.get_mut(&child).unwrap();
        assert!(known.up.is_none(), "at most one incarnation is up (I1)");
        assert!(life > known.life, "lives have rising numbers (I3)");
        assert!(!self.stopping && !known.ended && !known.removing);
        let wanted = known.restarting || cause == Cause::Added(child);
        assert!(self.paused.is_none() || wanted, "a pause holds (I8)");
        known.life = life;
        let limit = known.terms.watchdog();
        known.up = Some(Up {
            elsewhere: known.terms.elsewhere.is_some(),
            watched: limit.is_some(),
            answer_by: limit.map(|limit| self.sim.now + limit),
            ..Up::default()
        });
        (known.restarting, known.left_behind, known.late) = (false, false, false);
    }

    pub(super) fn incarnation(&mut self, child: u64, life: u64) -> &mut Up {
        let known = self.children.get_mut(&child).unwrap();
        assert_eq!(known.life, life);
        let up = known.up.as_mut().expect("only one that is up is asked or killed");
        assert!(!up.given_up, "and nothing more is done about one that was given up");
        up
    }

    fn enter_pause(&mut self, pause: Duration) {
        assert!(self.paused.is_none() && !self.stopping);
        assert!(self.sim.failures() > self.settings.threshold);
        let longest = self.settings.pause.mul_f64(1.0 + self.settings.jitter);
        assert!((self.settings.pause..=longest).contains(&pause));
        self.paused = Some(self.sim.now + pause);
    }

    fn finish(&mut self) {
        assert!(!self.finished && self.stopping);
        self.finished = true;
        let up: Vec<u64> = self.up().collect();
        assert!(up.iter().all(|child| self.children[child].left_behind));
        assert_eq!(self.sim.machine.left_behind().collect::<Vec<_>>(), up);
    }

    /// Everybody who waits for this is told, and it is true.
    fn settle(
        &mut self,
        child: u64,
        wait: Wait,
        outcome: Settled,
        before: &[Action],
        cause: Cause,
    ) {
        let known = &self.children[&child];
        let answered =
            self.waiters.extract_if(.., |waiter| (waiter.child, waiter.wait) == (child, wait));
        for waiter in answered {
            match (outcome, wait) {
                (Settled::Done, Wait::Ready) => assert!(before.contains(&ready(child))),
                (Settled::Done, Wait::Started) => {
                    assert!(before.contains(&start(child, known.life)))
                }
                (Settled::Done, Wait::Stopped) => {
                    assert!(known.life > waiter.life || known.up.is_none());
                }
                (Settled::Failed, _) => {
                    assert!(wait == Wait::Ready && known.up.is_none());
                    assert!(self.sim.state(child).is_none());
                }
                (Settled::Superseded, _) => {
                    let by = [Request::Terminate, Request::Remove];
                    assert!(by.iter().any(|&by| cause == Cause::Requested(child, by)));
                    assert_ne!(wait, Wait::Stopped);
                }
                (Settled::Stopping, _) => assert!(self.stopping && wait != Wait::Stopped),
                (Settled::Timeout, _) => assert!(known.late && known.up.is_some()),
            }
        }
    }

    fn check(&self) {
        self.check_list();
        self.check_times();
        self.check_waiters();
        if self.finished {
            assert!(self.waiters.is_empty() && self.sim.machine.deadline().is_none());
        }
    }

    fn check_list(&self) {
        let mut counts = ChildCounts::default();
        let mut total = 0;
        for Listed { id: child, state, restarts, .. } in self.sim.machine.list() {
            let known = &self.children[&child];
            *counts.state_mut(state) += 1;
            *counts.kind_mut(known.terms.kind) += 1;
            total += restarts;
            assert_eq!(restarts, known.life - 1);
            assert!(!known.ended && !known.removing);
            match (state, known.up) {
                (ChildState::Starting, Some(up)) => assert!(!up.ready),
                (ChildState::Running, Some(up)) => assert!(up.ready && !up.asked && !up.killed),
                (ChildState::Stopping, Some(up)) => {
                    assert!(up.asked || up.killed || up.given_up);
                }
                (ChildState::BackingOff | ChildState::Terminated, None) => assert!(!self.stopping),
                (state, up) => panic!("{child} is {state:?}, and up: {}", up.is_some()),
            }
        }
        assert_eq!(self.sim.machine.counts(), counts);
        let is_left_behind = |known: &&Known| known.up.is_some() && known.left_behind;
        let left_behind = self.children.values().filter(is_left_behind).count();
        assert_eq!(self.sim.machine.overdue().count(), left_behind);
        assert_eq!(self.sim.machine.restarts(), total);
        let is_gone =
            |known: &Known| known.ended || known.removing || self.stopping && known.up.is_none();
        let there =
            self.children.iter().filter(|(_, known)| !is_gone(known)).map(|(&child, _)| child);
        assert!(self.sim.machine.list().map(|listed| listed.id).eq(there), "{:?}", self.sim);
    }

    fn check_times(&self) {
        let state = match (self.paused, self.stopping) {
            (Some(until), false) => SupervisorState::Paused { until },
            (None, false) => SupervisorState::Running,
            (_, true) => SupervisorState::Stopping,
        };
        assert_eq!(self.sim.machine.state(), state, "the end of a pause does not move");
        let mut timers = 0;
        for (id, child) in self.sim.machine.children.iter() {
            let is_watched = |up: Up| up.watched && !up.given_up;
            assert_eq!(child.probe().is_some(), self.children[&id].up.is_some_and(is_watched));
            timers += usize::from(child.probe().is_some());
            match child.state {
                State::Starting { limit } => timers += usize::from(limit.is_some()),
                State::Stopping { limit, overdue, killed, .. } => {
                    timers += usize::from(limit.is_some());
                    assert!(limit.is_none() || !overdue || killed);
                }
                State::BackingOff { until: Until::Due(_) } => timers += 1,
                State::BackingOff { until: Until::PauseEnds(_) } => assert!(self.paused.is_some()),
                State::BackingOff { until: Until::Turn } => unreachable!("there is no group"),
                State::Running | State::Terminated => {}
            }
        }
        let waits = timers > 0 || self.paused.is_some();
        assert_eq!(self.sim.machine.deadline().is_some(), waits, "idle, it has no timer (I6)");
    }

    /// Whoever waits will have an answer: it is still to come.
    pub(super) fn check_waiters(&self) {
        for waiter in &self.waiters {
            let child = self.sim.machine.children.get(waiter.child);
            let child = child.unwrap_or_else(|| panic!("{waiter:?} waits for nobody"));
            let is_left_behind = self.children[&waiter.child].left_behind;
            let comes = match (waiter.wait, child.state) {
                (Wait::Ready, _) => child.on_trial,
                (Wait::Started, State::Stopping { then, .. }) => {
                    then == Then::Restart && !is_left_behind
                }
                (Wait::Stopped, State::Stopping { .. }) => !is_left_behind,
                (Wait::Started | Wait::Stopped, _) => false,
            };
            assert!(comes, "{waiter:?} waits in vain for {child:?}");
        }
    }
}
