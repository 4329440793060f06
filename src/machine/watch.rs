//! Stuck threads: the watchdog that finds them, and how a child goes on without an incarnation that is on one.

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
        let is_asked = child.probe.as_ref().is_some_and(|probe| probe.asked);
        if let (true, Some(limit)) = (is_asked, child.terms.watchdog()) {
            let until = self.children.slot(after(now, limit / PAUSE));
            self.children.set_probe(id, Some(Probe { until, asked: false }));
        }
    }

    pub(super) fn probe_is_due(&mut self, id: u64, now: Instant, out: &mut Vec<Action>) {
        let Some(child) = self.children.get(id) else { return };
        let (state, life) = (child.state, child.life);
        let (is_asked, limit) = (child.probe.as_ref().map(|it| it.asked), child.terms.watchdog());
        let (Some(is_asked), Some(limit)) = (is_asked, limit) else { return };
        if !is_asked {
            let until = self.children.slot(after(now, limit));
            self.children.set_probe(id, Some(Probe { until, asked: true }));
            return out.push(Action::Probe { child: id, life });
        }
        let then = match state {
            State::Stopping { then, .. } => then,
            State::Starting { .. }
            | State::Running
            | State::BackingOff { .. }
            | State::Terminated => Then::Fail(Forced::Unresponsive(limit)),
        };
        self.abandon(id, then, out);
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
