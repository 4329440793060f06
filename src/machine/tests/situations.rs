//! A child in every state that it can be in, under a supervisor that runs, is paused, or stops.

use super::*;

/// The child that the tests are about. Those beside it run: 0 is what makes pauses, 2 is asked to stop first.
pub(super) const IT: u64 = 1;

/// Where [`IT`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Situation {
    /// There is no such child.
    Unknown,
    Starting,
    Running,
    /// As `Running`, and it cannot be killed.
    Blocking,
    /// It failed during the pause.
    Queued,
    /// It failed during an earlier pause, and its restart is due in a while.
    Due,
    /// Asked to stop, to be started again.
    Restarting,
    /// Asked to stop, to be kept.
    Terminating,
    /// Asked to stop, to be forgotten.
    Removing,
    /// Killed on request, its end not told yet.
    Killed,
    /// As `Terminating`, over its limit, and so killed; its end not told yet.
    Overdue,
    /// As `Terminating`, over its limit, and it cannot be killed.
    LeftBehind,
    Terminated,
}

use Situation::*;

pub(super) const SITUATIONS: [Situation; 13] = [
    Unknown,
    Starting,
    Running,
    Blocking,
    Queued,
    Due,
    Restarting,
    Terminating,
    Removing,
    Killed,
    Overdue,
    LeftBehind,
    Terminated,
];

/// What its supervisor does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Running,
    Paused,
    Stopping,
}

pub(super) const MODES: [Mode; 3] = [Mode::Running, Mode::Paused, Mode::Stopping];

impl Situation {
    /// A machine with [`IT`] in this situation.
    pub(super) fn under(self, mode: Mode) -> Sim {
        let mut sim = Sim::with(Settings { spread: secs(10), ..settings() });
        self.come_about(&mut sim);
        match mode {
            Mode::Running => {}
            Mode::Paused if sim.is_paused() => {}
            Mode::Paused => sim.pause_by(0),
            Mode::Stopping => {
                let actions = sim.input(Input::Stop);
                assert_eq!(actions.last(), Some(&asked(2, 1)));
            }
        }
        sim
    }

    /// Whether it can be so under a supervisor that does this.
    pub(super) fn occurs_under(self, mode: Mode) -> bool {
        match mode {
            Mode::Running => self != Queued,
            Mode::Paused | Mode::Stopping => true,
        }
    }

    fn come_about(self, sim: &mut Sim) {
        let terms = match self {
            Blocking | LeftBehind => blocking(),
            _ => permanent(),
        };
        for (child, terms) in [(0, permanent()), (IT, terms), (2, permanent())] {
            if (child, self) != (IT, Unknown) {
                sim.add(child, terms);
            }
            if (child, self) != (IT, Starting) {
                sim.ready(child);
            }
        }
        match self {
            Unknown | Starting | Running | Blocking => {}
            Queued => {
                sim.pause_by(0);
                sim.fail(IT);
            }
            Due => {
                sim.pause_by(0);
                sim.fail(IT);
                sim.input(Input::Resume);
            }
            Restarting => drop(sim.begin(IT, Request::Restart)),
            Terminating => drop(sim.begin(IT, Request::Terminate)),
            Removing => drop(sim.begin(IT, Request::Remove)),
            Killed => drop(sim.begin(IT, Request::Kill)),
            Overdue | LeftBehind => {
                sim.begin(IT, Request::Terminate);
                sim.pass(LIMIT);
            }
            Terminated => {
                sim.begin(IT, Request::Terminate);
                sim.exit(IT, ExitClass::Stopped);
            }
        }
    }

    /// As it is listed while its supervisor does not stop.
    fn shown(self) -> Option<ChildState> {
        match self {
            Unknown | Removing => None,
            Starting => Some(ChildState::Starting),
            Running | Blocking => Some(ChildState::Running),
            Queued | Due => Some(ChildState::BackingOff),
            Restarting | Terminating | Killed | Overdue | LeftBehind => Some(ChildState::Stopping),
            Terminated => Some(ChildState::Terminated),
        }
    }

    /// Whether it has an incarnation.
    pub(super) fn is_up(self) -> bool {
        match self {
            Unknown | Queued | Due | Terminated => false,
            Starting | Running | Blocking | Restarting | Terminating | Removing | Killed
            | Overdue | LeftBehind => true,
        }
    }
}

/// Every situation under every mode in which it occurs.
pub(super) fn everywhere() -> impl Iterator<Item = (Situation, Mode)> {
    let under = |situation: Situation| MODES.into_iter().map(move |mode| (situation, mode));
    SITUATIONS.into_iter().flat_map(under).filter(|(situation, mode)| situation.occurs_under(*mode))
}

#[test]
fn every_situation_is_listed_as_what_it_is() {
    for (situation, mode) in everywhere() {
        let sim = situation.under(mode);
        let shown = match (mode, situation.shown()) {
            // A stop forgets at once what has no incarnation.
            (Mode::Stopping, Some(ChildState::BackingOff | ChildState::Terminated)) => None,
            (_, shown) => shown,
        };
        assert_eq!(sim.state(IT), shown, "{situation:?} {mode:?}");
        let state = match (mode, sim.machine.state()) {
            (Mode::Running, SupervisorState::Running)
            | (Mode::Paused, SupervisorState::Paused { .. })
            | (Mode::Stopping, SupervisorState::Stopping) => continue,
            (_, state) => state,
        };
        panic!("{situation:?} {mode:?}: {state:?}");
    }
}
