//! One child: where it is in its life, and what that stage needs to know.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Forced, Standing, Terms};
use crate::{
    backoff::HEALTHY,
    info::{ChildKind, ChildState},
    policy::ExitClass,
};

/// How long one that could not begin waits at least, whatever its backoff.
const HINDERED: Duration = Duration::from_secs(1);

/// Where a child is in its life, and what that stage needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    /// An incarnation is on its way to be ready; `limit` is when it is too late.
    Starting { limit: Option<Slot> },
    /// An incarnation is ready.
    Running,
    /// No incarnation, and one is due.
    BackingOff { until: Until },
    /// The incarnation was asked to stop, or is being killed; `limit` is when it has taken too long,
    /// `overdue` says that it has. `killed`: it was killed on a thread that may not get round to it; `limit` is when that
    /// thread counts as stuck.
    Stopping { then: Then, limit: Option<Slot>, overdue: bool, killed: bool },
    /// No incarnation, and none is due before somebody asks.
    Terminated,
}

/// What a child that is down waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Until {
    /// Its own time.
    Due(Slot),
    /// The end of the supervisor's pause; the number is its place in the queue.
    PauseEnds(u64),
    /// Its turn in the start of its group.
    Turn,
}

/// What follows when a stopping incarnation has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// A new incarnation.
    Restart,
    /// Nothing, until somebody asks.
    Terminate,
    /// The child is forgotten. It is no longer listed.
    Forget,
    /// It waits for its turn in the restart of its group.
    Regroup,
    /// The supervisor goes on stopping.
    Shutdown,
    /// What happens after a failure: it was ended by force.
    Fail(Forced),
}

/// A time, and a number that keeps equal times in the order in which they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) at: Instant,
    pub(super) order: u64,
}

impl State {
    /// Whether there is an incarnation, which will tell of its end.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            Self::Starting { .. } | Self::Running | Self::Stopping { .. } => true,
            Self::BackingOff { .. } | Self::Terminated => false,
        }
    }
}

/// What a watchdog waits for until then: the answer to a probe, or the time to send one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probe {
    pub(super) until: Slot,
    pub(super) asked: bool,
}

/// What the machine knows of one child.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    /// Most children of a supervisor have the same ones.
    pub(crate) terms: Arc<Terms>,
    /// The number of its latest incarnation; 0 before the first one.
    pub(crate) life: u64,
    /// Not kept unless its first start succeeds.
    pub(crate) on_trial: bool,
    pub(crate) state: State,
    /// Whether it was ever started by this machine.
    pub(crate) begun: bool,
    /// Whether it was ever ready.
    pub(crate) proven: bool,
    /// Since when its incarnation is ready, or was until it ended.
    pub(crate) ready_at: Option<Instant>,
    /// If it is a supervisor: what it has told of itself, and before that what has to be assumed.
    pub(crate) below: Standing,
    /// Its failures in a row.
    pub(crate) row: u32,
    /// If there is anything of this: most children have nothing of it, and there are many of them.
    extras: Option<Box<Extras>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Extras {
    /// Whether its incarnation runs on another thread than the supervisor. Its terms may have changed since.
    elsewhere: bool,
    /// If it has a watchdog, and an incarnation.
    probe: Option<Probe>,
    /// The delay after the last failure.
    last_delay: Duration,
}

impl Child {
    /// One that waits for its turn.
    pub(super) fn new(terms: Arc<Terms>, life: u64, on_trial: bool) -> Self {
        Self {
            terms,
            life,
            on_trial,
            state: State::BackingOff { until: Until::Turn },
            begun: false,
            proven: false,
            ready_at: None,
            below: Standing::Indifferent,
            row: 0,
            extras: None,
        }
    }

    /// A new incarnation. Returns its number.
    pub(super) fn begin(&mut self, limit: Option<Slot>) -> u64 {
        self.life += 1;
        self.state = State::Starting { limit };
        self.set_elsewhere(self.terms.elsewhere.is_some());
        self.ready_at = None;
        self.begun = true;
        self.below = self.assumed();
        self.life
    }

    pub(super) fn probe(&self) -> Option<&Probe> {
        self.extras.as_ref()?.probe.as_ref()
    }

    pub(super) fn set_probe(&mut self, probe: Option<Probe>) {
        self.extend(|extras| extras.probe = probe);
    }

    /// Whether its incarnation runs on another thread than the supervisor.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.elsewhere)
    }

    pub(super) fn set_elsewhere(&mut self, elsewhere: bool) {
        self.extend(|extras| extras.elsewhere = elsewhere);
    }

    pub(super) fn last_delay(&self) -> Duration {
        self.extras.as_ref().map_or(Duration::ZERO, |extras| extras.last_delay)
    }

    pub(super) fn set_last_delay(&mut self, last_delay: Duration) {
        self.extend(|extras| extras.last_delay = last_delay);
    }

    fn extend(&mut self, change: impl FnOnce(&mut Extras)) {
        let before = self.extras.as_deref().cloned().unwrap_or_default();
        let mut extras = before.clone();
        change(&mut extras);
        if extras != before {
            self.extras = (extras != Extras::default()).then(|| Box::new(extras));
        }
    }

    /// How many times it was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.life.saturating_sub(1)
    }

    /// Whether its incarnation has been ready for so long that what was before is forgotten.
    pub(super) fn is_healthy(&self, now: Instant) -> bool {
        let backoff = self.terms.backoff.as_ref();
        let healthy = backoff.map_or(HEALTHY, |backoff| backoff.healthy(self.last_delay()));
        self.ready_at.is_some_and(|at| now.saturating_duration_since(at) >= healthy)
    }

    /// Its failures in a row with one that ends it now in this way, and how long it has to wait for them.
    pub(super) fn next_delay(
        &self,
        exit: ExitClass,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> (u32, Duration) {
        let before = if self.is_healthy(now) { 0 } else { self.row };
        let backoff = self.terms.backoff.as_ref();
        let delay = backoff.map_or(Duration::ZERO, |backoff| backoff.delay(before, rng));
        let least = if exit == ExitClass::Hindered { HINDERED } else { Duration::ZERO };
        (before.saturating_add(1), delay.max(least))
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.terms.give_up_after.is_some_and(|limit| self.row >= limit)
    }

    /// How long a kill may take. On the supervisor's own thread nothing comes in between.
    pub(super) fn grace(&self) -> Option<Duration> {
        self.is_elsewhere().then(|| self.terms.grace())
    }

    /// Whether its supervisor can go on without an incarnation whose thread is stuck. Not if that is a supervisor, which
    /// has children.
    pub(super) fn can_be_abandoned(&self) -> bool {
        match self.terms.kind {
            ChildKind::Actor | ChildKind::Service => self.is_elsewhere(),
            ChildKind::Supervisor | ChildKind::Blocking => false,
        }
    }

    /// Whether it has taken too long to stop, and nothing can be done about it: nothing ends a thread but the thread itself.
    pub(super) fn is_left_behind(&self) -> bool {
        let is_late = matches!(self.state, State::Stopping { overdue: true, limit: None, .. });
        let is_stuck = self.is_elsewhere() && !self.can_be_abandoned();
        is_late && (is_stuck || !self.terms.can_be_killed())
    }

    /// Whether it was killed and did not end, and nothing more is done about that.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.state, State::Stopping { limit: None, overdue: true, killed: true, .. })
    }

    /// Where it is, as users see it; `None` for a child that is not listed any more.
    pub(crate) fn shown(&self) -> Option<ChildState> {
        self.stage().0
    }

    /// Where it is, as users see it; and whether it is there to stay.
    fn stage(&self) -> (Option<ChildState>, bool) {
        match self.state {
            State::Starting { .. } => (Some(ChildState::Starting), true),
            State::Running => (Some(ChildState::Running), true),
            // Its first turn has yet to come.
            State::BackingOff { until: Until::Turn } if !self.begun => {
                (Some(ChildState::Starting), true)
            }
            State::BackingOff { .. } => (Some(ChildState::BackingOff), true),
            State::Stopping { then: Then::Forget, .. } => (None, false),
            State::Stopping { then: Then::Terminate, .. } => (Some(ChildState::Stopping), false),
            State::Stopping { .. } => (Some(ChildState::Stopping), true),
            State::Terminated => (Some(ChildState::Terminated), false),
        }
    }

    /// Whether all that a stop has to do about it is to ask it.
    pub(super) fn is_up_and_known(&self) -> bool {
        !self.on_trial && matches!(self.state, State::Starting { .. } | State::Running)
    }

    /// Whether the tree is not ready without it.
    pub(super) fn is_essential(&self) -> bool {
        self.counts_as_essential(self.shown())
    }

    fn counts_as_essential(&self, shown: Option<ChildState>) -> bool {
        let matters = self.terms.essential || self.below != Standing::Indifferent;
        matters && !self.on_trial && shown.is_some()
    }

    /// Whether it is essential and not ready, or something below it is.
    pub(super) fn is_missing(&self) -> bool {
        self.is_essential() && !self.is_whole()
    }

    /// Whether it is ready, and so is all that is essential below it.
    fn is_whole(&self) -> bool {
        matches!(self.state, State::Running) && self.below != Standing::Lacking
    }

    /// What is to be assumed of a new incarnation that has told nothing yet.
    pub(super) fn assumed(&self) -> Standing {
        match self.terms.kind {
            ChildKind::Supervisor if self.terms.essential => Standing::Lacking,
            ChildKind::Supervisor | ChildKind::Actor | ChildKind::Service | ChildKind::Blocking => {
                Standing::Indifferent
            }
        }
    }

    /// What it is entered for; most are for nothing, most of the time.
    pub(super) fn waits(&self) -> Option<Waits> {
        let (slot, place) = match self.state {
            State::Starting { limit } | State::Stopping { limit, .. } => (limit, None),
            State::BackingOff { until: Until::Due(slot) } => (Some(slot), None),
            State::BackingOff { until: Until::PauseEnds(place) } => (None, Some(place)),
            State::BackingOff { until: Until::Turn } | State::Running | State::Terminated => {
                (None, None)
            }
        };
        let probe = self.probe().map(|probe| probe.until);
        let left_behind = self.is_left_behind();
        let waits = slot.is_some() || place.is_some() || probe.is_some() || left_behind;
        waits.then_some(Waits { slot, probe, place, left_behind })
    }

    /// As what it counts.
    pub(super) fn tally(&self) -> Tally {
        let (shown, stays) = self.stage();
        let essential = self.counts_as_essential(shown);
        Tally {
            shown,
            kind: self.terms.kind,
            restarts: self.restarts(),
            significant: self.terms.significant && stays && !self.on_trial,
            essential,
            missing: essential && !self.is_whole(),
            up_and_known: self.is_up_and_known(),
        }
    }
}

/// As what a child counts.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub(super) shown: Option<ChildState>,
    pub(super) kind: ChildKind,
    pub(super) restarts: u64,
    /// Its end would be noticed by `AutoShutdown`.
    pub(super) significant: bool,
    /// The tree is not ready without it.
    pub(super) essential: bool,
    /// It is essential, and not ready.
    pub(super) missing: bool,
    /// A stop need only ask it.
    pub(super) up_and_known: bool,
}

/// Where a child is entered besides its own record: for times, and with a place in the queue; or that it is not waited for.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Waits {
    pub(super) slot: Option<Slot>,
    pub(super) probe: Option<Slot>,
    pub(super) place: Option<u64>,
    pub(super) left_behind: bool,
}
