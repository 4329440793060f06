//! Threads that are stuck, and what the machine makes of them.

use super::{super::TermsPick, *};

impl World {
    /// The thread of one that is elsewhere is stuck, or goes on.
    pub(super) fn stick(&mut self, pick: u16) {
        let elsewhere = self.elsewhere();
        let Some(child) = picked(&elsewhere, pick) else { return };
        let up = self.children.get_mut(child).and_then(|known| known.up.as_mut());
        up.into_iter().for_each(|up| up.stuck = !up.stuck);
    }

    /// All threads but the supervisor's own are stuck.
    pub(in super::super) fn get_stuck(&mut self) {
        for known in self.children.values_mut() {
            known.up.iter_mut().for_each(|up| up.stuck = up.elsewhere);
        }
    }

    /// No thread is stuck any more.
    pub(in super::super) fn go_on(&mut self) {
        for known in self.children.values_mut() {
            known.up.iter_mut().for_each(|up| up.stuck = false);
        }
        while !self.lost.is_empty() {
            self.come_back(0);
        }
    }

    fn elsewhere(&self) -> Vec<u64> {
        let elsewhere = |known: &Known| known.up.is_some_and(|up| up.elsewhere);
        self.children
            .iter()
            .filter(|(_, known)| elsewhere(known))
            .map(|(&child, _)| child)
            .collect()
    }

    pub(super) fn tell_alive(&mut self, child: u64) {
        let Some(known) = self.children.get_mut(&child) else { return };
        let (life, Some(up)) = (known.life, &mut known.up) else { return };
        let is_awaited = up.answer_by.take().is_some();
        let before = self.sim.clone();
        self.input(Input::Alive { child, life }, Cause::Other);
        if !is_awaited {
            assert_eq!(self.sim, before, "an answer to nothing changes nothing at all");
        }
    }

    pub(super) fn answer_all(&mut self) {
        let is_awaited =
            |child: &u64| self.children[child].up.is_some_and(|up| up.answer_by.is_some());
        let awaited: Vec<u64> = self.free().filter(is_awaited).collect();
        awaited.into_iter().for_each(|child| self.tell_alive(child));
    }

    /// Told about one that is up, wherever it is.
    pub(super) fn tell_move(&mut self, pick: u16) {
        let up: Vec<u64> = self.up().collect();
        let Some(&child) = picked(&up, pick) else { return };
        let Some(known) = self.children.get_mut(&child) else { return };
        let (life, Some(up)) = (known.life, known.up) else { return };
        let moves = up.elsewhere && known.terms.kind != ChildKind::Supervisor;
        if moves && !up.asked && !up.killed && !self.stopping {
            known.restarting = true;
        }
        let before = self.sim.clone();
        let (lost, is_lost) = (self.lost.len(), usize::from(moves));
        self.input(Input::Move { child, life }, Cause::Moved(child));
        assert_eq!(self.lost.len(), lost + is_lost, "it moves if it can");
        if !moves {
            assert_eq!(self.sim, before, "what cannot move changes nothing at all");
        }
    }

    /// What was given up tells of its end.
    pub(super) fn come_back(&mut self, pick: u16) {
        if self.lost.is_empty() {
            return;
        }
        let (child, life) = self.lost.swap_remove(usize::from(pick) % self.lost.len());
        let before = self.sim.clone();
        for exit in EXITS {
            let exited = Input::Exited { child, life, exit, decision: None };
            assert_eq!(self.sim.input(exited), []);
        }
        assert_eq!(self.sim, before, "one that comes back changes nothing at all");
    }

    pub(super) fn replace(&mut self, pick: u16, terms: TermsPick) {
        let Some((&child, _)) =
            self.children.iter().nth(usize::from(pick) % self.children.len().max(1))
        else {
            return;
        };
        if self.sim.machine.knows(child).is_err() {
            return; // It is refused before the machine hears of it.
        }
        let Some(known) = self.children.get_mut(&child) else { return };
        known.terms = terms.of(known.terms.kind).into();
        if let (None, Some(up)) = (known.terms.watchdog(), &mut known.up) {
            (up.watched, up.answer_by) = (false, None);
        }
        let terms = known.terms.clone();
        self.input(Input::Retune { child, terms: terms.into() }, Cause::Other);
        self.request(child, Request::Renew);
    }

    pub(super) fn kill(&mut self, child: u64, life: u64) {
        let terms = self.children[&child].terms.clone();
        let now = self.sim.now;
        let up = self.incarnation(child, life);
        assert!(terms.kind != ChildKind::Blocking);
        assert!(!up.elsewhere || !up.killed, "once is enough, if it may take its time");
        up.killed = true;
        let grace = match terms.kind {
            ChildKind::Supervisor => secs(10),
            _ => terms.watchdog().unwrap_or(secs(1)),
        };
        up.gone_by = up.elsewhere.then(|| now + grace);
    }

    pub(super) fn probe(&mut self, child: u64, life: u64) {
        let limit = self.children[&child].terms.watchdog().expect("there is a watchdog");
        let now = self.sim.now;
        let up = self.incarnation(child, life);
        assert!(up.watched && up.answer_by.is_none(), "it is asked when it has answered");
        up.answer_by = Some(now + limit);
    }

    pub(super) fn abandon(&mut self, child: u64, life: u64, cause: Cause) {
        let (now, is_late) = (self.sim.now, self.children[&child].late);
        assert!(self.children[&child].terms.kind != ChildKind::Supervisor);
        let up = self.incarnation(child, life);
        let is_over = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= now);
        let is_stuck = is_over(up.answer_by) || is_over(up.gone_by);
        assert!(up.elsewhere && (is_stuck || cause == Cause::Moved(child)));
        assert_eq!(is_late, up.asked || up.killed, "what was stopping was late");
        up.given_up = true;
        self.given_up.push(child);
    }

    /// What was given up has ended, as far as its supervisor is concerned. Its thread may have held others as well.
    pub(super) fn report(&mut self) {
        while !self.given_up.is_empty() {
            for &child in &self.given_up {
                let life = self.children[&child].life;
                let before = self.sim.clone();
                assert_eq!(self.sim.input(Input::Move { child, life }), []);
                assert_eq!(self.sim, before, "what was given up does not move");
            }
            let child = self.given_up.remove(0);
            self.lost.push((child, self.children[&child].life));
            self.tell_exit(child, ExitClass::Failed);
        }
    }

    /// Once for each stop: at its limit, or when it has ended on another thread.
    pub(super) fn stop_timeout(
        &mut self,
        child: u64,
        left_behind: bool,
        follows: Option<&Action>,
        cause: Cause,
    ) {
        let known = self.children.get_mut(&child).unwrap();
        assert!(!known.late, "it is told once");
        known.late = true;
        let Some(up) = known.up else {
            // It ended in its last moment.
            return assert!(!left_behind && cause == Cause::Exited(child));
        };
        assert!(up.asked || up.killed);
        let is_given_up = follows == Some(&Action::Abandon { child, life: known.life });
        let cannot_end = match known.terms.kind {
            ChildKind::Actor | ChildKind::Service => false,
            ChildKind::Supervisor => up.elsewhere,
            ChildKind::Blocking => true,
        };
        known.left_behind = cannot_end;
        assert_eq!(left_behind, cannot_end || is_given_up);
        assert!(left_behind || !up.elsewhere, "what may still end is not told of yet");
    }

    /// After a tick: whoever had a limit has kept it, or was given up.
    pub(super) fn check_limits(&self) {
        let is_over = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= self.sim.now);
        for known in self.children.values().filter(|known| !known.left_behind) {
            let Some(up) = known.up else { continue };
            assert!(!is_over(up.answer_by) && !is_over(up.gone_by));
        }
    }

    /// Whether something happens if nobody says anything, but that those that are not stuck are asked whether they are.
    pub(super) fn waits_for_a_time(&self) -> bool {
        let is_found = |up: Up| up.stuck && up.watched;
        let has_limit = |child: &Child| match child.state {
            State::Starting { limit } | State::Stopping { limit, .. } => limit.is_some(),
            State::BackingOff { until } => until != Until::Turn,
            State::Running | State::Terminated => false,
        };
        let mut children = self.sim.machine.children.iter();
        self.paused.is_some() && !self.stopping
            || self.children.values().any(|known| known.up.is_some_and(is_found))
            || children.any(|(_, child)| has_limit(child))
    }
}
