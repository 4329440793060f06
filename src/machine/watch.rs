//! Stuck threads: the watchdog that finds them, and how a child goes on without an incarnation that is on one.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Action, Forced, Machine, Settled, Wait, after,
    child::{Probe, State, Then},
};

/// A watchdog asks again after this share of its limit, so that a stuck thread is found within the limit and that share.
const PAUSE: u32 = 4;

impl Machine {
    /// An incarnation has begun. That it runs is its first answer.
    pub(super) fn watch(&mut self, id: u64, now: Instant) {
        let Some(limit) = self.children.get(id).and_then(|child| child.terms.watchdog()) else {
            return;
        };
        let until = self.children.slot(after(now, limit));
        self.children.set_probe(id, Some(Probe { until, asked: true }));
    }

    /// Its thread was free.
    pub(super) fn alive(&mut self, id: u64, life: u64, now: Instant) {
        let Some(child) = self.children.get(id).filter(|child| child.life == life) else { return };
        let is_asked = child.probe().is_some_and(|probe| probe.asked);
        if let (true, Some(limit)) = (is_asked, child.terms.watchdog()) {
            let until = self.children.slot(after(now, limit / PAUSE));
            self.children.set_probe(id, Some(Probe { until, asked: false }));
        }
    }

    /// Who was asked, has not answered, and is the next to be given up for that.
    pub(crate) fn silent(&self, now: Instant) -> Option<u64> {
        let (slot, id) = self.children.due(now)?;
        let probe = self.children.get(id)?.probe()?;
        (probe.asked && probe.until == slot).then_some(id)
    }

    /// Its thread has turned to some other child at that time, so it is not stuck: who is to answer waits for its turn. Returns
    /// whether it may wait any longer.
    pub(crate) fn waits_for_its_turn(&mut self, id: u64, last: Instant, now: Instant) -> bool {
        let limit = self.children.get(id).and_then(|child| child.terms.watchdog());
        let until = limit.map(|limit| after(last, limit)).filter(|until| *until > now);
        let Some(until) = until else { return false };
        let until = self.children.slot(until);
        self.children.set_probe(id, Some(Probe { until, asked: true }));
        true
    }

    /// It is this one, and not the one that does not answer, whose code the thread is in.
    pub(super) fn is_stuck(
        &mut self,
        id: u64,
        life: u64,
        over: u64,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let limit = self.children.get(over).and_then(|child| child.terms.watchdog());
        let stuck = self.children.get(id).filter(|child| child.life == life);
        let stuck = stuck.filter(|child| child.state.is_up() && !child.is_given_up());
        match (stuck.filter(|child| child.can_be_abandoned()), limit) {
            (Some(stuck), Some(limit)) => {
                let then = stuck.state.then_if_unresponsive(limit);
                self.abandon(id, then, out);
            }
            // Then it is all the same.
            (_, _) => self.tick(now, out),
        }
    }

    pub(super) fn probe_is_due(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        let (state, life) = (child.state, child.life);
        let (is_asked, limit) = (child.probe().map(|it| it.asked), child.terms.watchdog());
        let (Some(is_asked), Some(limit)) = (is_asked, limit) else { return };
        if !is_asked {
            let until = self.children.slot(after(now, limit));
            self.children.set_probe(id, Some(Probe { until, asked: true }));
            return out.push(Action::Probe { child: id, life });
        }
        self.abandon(id, state.then_if_unresponsive(limit), out);
    }

    /// The thread of this incarnation was found to be stuck over another one. It starts anew elsewhere, and that is no failure (I7).
    pub(super) fn move_away(&mut self, id: u64, life: u64, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id).filter(|child| child.life == life) else { return };
        if !child.can_be_abandoned() {
            return;
        }
        match child.state {
            // It was given up already: its end is on its way.
            State::Stopping { .. } if child.is_given_up() => {}
            State::Stopping { then, .. } => self.abandon(id, then, out),
            State::Starting { .. } | State::Running if self.restarts_anything() => {
                self.abandon(id, Then::Restart, out);
            }
            State::Starting { .. } | State::Running => self.abandon(id, Then::Shutdown, out),
            State::BackingOff { .. } | State::Terminated => {}
        }
    }

    /// Gives an incarnation up whose thread is stuck. The end that is reported then is as good as one of its own.
    pub(super) fn abandon(&mut self, child: u64, then: Then, out: &mut Vec<Action>) {
        let Some(known) = self.children.get(child) else { return };
        let life = known.life;
        if let State::Stopping { .. } = known.state {
            out.push(Action::StopTimeout { child, left_behind: true });
            out.push(Action::Settle { child, wait: Wait::Stopped, outcome: Settled::Timeout });
        }
        out.push(Action::Abandon { child, life });
        let state = State::Stopping { then, limit: None, overdue: true, killed: true };
        self.children.set(child, state);
        self.children.set_probe(child, None);
    }
}

impl State {
    /// What follows when an incarnation is given up that does not answer.
    fn then_if_unresponsive(self, limit: Duration) -> Then {
        match self {
            Self::Stopping { then, .. } => then,
            Self::Starting { .. } | Self::Running | Self::BackingOff { .. } | Self::Terminated => {
                Then::Fail(Forced::Unresponsive(limit))
            }
        }
    }
}
