//! Every request in every situation: its answer, what is done at once, and what the end of the
//! incarnation then comes to.

use super::{
    situations::{IT, Mode, SITUATIONS, Situation, everywhere},
    *,
};
use {
    Progress::{Done, Until},
    Request::*,
};

/// What comes of it when the incarnation then ends, by a panic in this case.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// There is none.
    Nothing,
    /// It has failed.
    Fails,
    /// It was killed, and that is a failure.
    Killed,
    Restarts,
    Terminates,
    /// It is forgotten.
    Goes,
}

impl Then {
    fn actions(self, mode: Mode, life: u64) -> Vec<Action> {
        let (again, meter) = match mode {
            Mode::Running => (start(IT, life + 1), 1.0),
            Mode::Paused => (down(IT), 6.0),
            Mode::Stopping => unreachable!("requests are refused"),
        };
        let stopped = stopped(IT);
        let (done, started) = (settle_stopped(IT), settle(IT, Wait::Started, Settled::Done));
        match self {
            Self::Nothing => vec![],
            Self::Fails => vec![failed(IT, meter), again],
            Self::Killed => vec![forced(IT, Forced::Killed, meter, true), again, done],
            Self::Restarts => vec![stopped, start(IT, life + 1), started, done],
            Self::Terminates => vec![stopped, down(IT), done],
            Self::Goes => vec![stopped, ended(IT, End::Removed), done],
        }
    }
}

/// What is done at once, given the number of the latest incarnation.
type Deeds = fn(u64) -> Vec<Action>;

const ASK: Deeds = |life| vec![asked(IT, life)];
const KILL: Deeds = |life| vec![killed(IT, life)];
const START: Deeds = |life| vec![start(IT, life + 1)];
const SAY_STOPPED: Deeds = |_| vec![stopped(IT)];
const END: Deeds = |_| vec![ended(IT, End::Removed)];
const NOT_READY: Deeds = |_| vec![settle(IT, Wait::Ready, Settled::Superseded)];
const NO_START: Deeds = |_| vec![settle(IT, Wait::Started, Settled::Superseded)];

type Row = (&'static [Situation], Request, &'static [Deeds], Progress, Then);

#[rustfmt::skip]
fn table() -> Vec<Row> {
    use Situation::*;
    const STOPPED: Progress = Until(Wait::Stopped);
    const STARTED: Progress = Until(Wait::Started);
    const LATE: Progress = Progress::Overdue;
    vec![
        (&[Starting, Running], Kill, &[KILL], STOPPED, Then::Killed),
        (&[Blocking],          Kill, &[ASK],  STOPPED, Then::Killed),
        (&[Queued, Due],       Kill, &[],     Done,    Then::Nothing),
        (&[Terminated],        Kill, &[],     Done,    Then::Nothing),
        (&[Restarting],        Kill, &[KILL], STOPPED, Then::Restarts),
        (&[Terminating],       Kill, &[KILL], STOPPED, Then::Terminates),
        (&[Killed],            Kill, &[KILL], STOPPED, Then::Killed),
        (&[Overdue],           Kill, &[KILL], STOPPED, Then::Terminates),
        (&[LeftBehind],        Kill, &[],     LATE,    Then::Terminates),

        (&[Starting, Running, Blocking], Restart, &[ASK],   STARTED, Then::Restarts),
        (&[Queued, Due],                 Restart, &[START], Done,    Then::Fails),
        (&[Terminated],                  Restart, &[START], Done,    Then::Fails),
        (&[Restarting, Terminating],     Restart, &[],      STARTED, Then::Restarts),
        (&[Killed, Overdue],             Restart, &[],      STARTED, Then::Restarts),
        (&[LeftBehind],                  Restart, &[],      LATE,    Then::Restarts),

        (&[Starting, Running, Blocking], Terminate, &[NOT_READY, ASK],      STOPPED, Then::Terminates),
        (&[Queued, Due],                 Terminate, &[SAY_STOPPED],         Done,    Then::Nothing),
        (&[Terminated],                  Terminate, &[],                    Done,    Then::Nothing),
        (&[Restarting, Terminating],     Terminate, &[NOT_READY, NO_START], STOPPED, Then::Terminates),
        (&[Killed, Overdue],             Terminate, &[NOT_READY, NO_START], STOPPED, Then::Terminates),
        (&[LeftBehind],                  Terminate, &[NOT_READY, NO_START], LATE,    Then::Terminates),

        (&[Starting, Running, Blocking], Remove, &[NOT_READY, ASK],      STOPPED, Then::Goes),
        (&[Queued, Due],                 Remove, &[END],                 Done,    Then::Nothing),
        (&[Terminated],                  Remove, &[END],                 Done,    Then::Nothing),
        (&[Restarting, Terminating],     Remove, &[NOT_READY, NO_START], STOPPED, Then::Goes),
        (&[Killed, Overdue],             Remove, &[NOT_READY, NO_START], STOPPED, Then::Goes),
        (&[LeftBehind],                  Remove, &[NOT_READY, NO_START], LATE,    Then::Goes),
    ]
}

/// The child is not found.
const STRANGERS: [Situation; 2] = [Situation::Unknown, Situation::Removing];

#[test]
fn the_table_is_complete() {
    for situation in SITUATIONS {
        for request in REQUESTS {
            let is_known = !STRANGERS.contains(&situation);
            let rows =
                table().into_iter().filter(|row| row.0.contains(&situation) && row.1 == request);
            assert_eq!(rows.count(), usize::from(is_known), "{situation:?} {request:?}");
        }
    }
}

#[test]
fn requests_are_answered_and_carried_out_as_the_table_says_and_a_pause_changes_nothing_in_that() {
    for (situations, request, deeds, progress, then) in table() {
        for &situation in situations {
            for mode in [Mode::Running, Mode::Paused] {
                if !situation.occurs_under(mode) {
                    continue;
                }
                let case = format!("{request:?} for one that is {situation:?}, {mode:?}");
                let mut sim = situation.under(mode);
                let (life, state) = (sim.life(IT), sim.machine.state());

                let actions: Vec<Action> = deeds.iter().flat_map(|deed| deed(life)).collect();
                assert_eq!(sim.request(IT, request), (Ok(progress), actions), "{case}");
                assert_eq!(sim.machine.state(), state, "{case}");

                let life = sim.life(IT);
                assert_eq!(sim.fail(IT), then.actions(mode, life), "{case}, then its end");
                assert_eq!(sim.machine.state(), state, "{case}, then its end");
            }
        }
    }
}

#[test]
fn a_request_that_changes_nothing_changes_nothing_at_all() {
    let idle = [
        (Situation::Queued, Kill),
        (Situation::Due, Kill),
        (Situation::Terminated, Kill),
        (Situation::Terminated, Terminate),
    ];
    for (situation, request) in idle {
        let mut sim = situation.under(Mode::Paused);
        let before = sim.clone();
        assert_eq!(sim.request(IT, request), (Ok(Done), vec![]));
        assert_eq!(sim, before, "{request:?} {situation:?}");
    }
}

#[test]
fn a_stranger_is_not_found_and_nothing_changes() {
    for situation in STRANGERS {
        for mode in [Mode::Running, Mode::Paused] {
            for request in REQUESTS {
                let mut sim = situation.under(mode);
                let before = sim.clone();
                assert_eq!(sim.request(IT, request), (Err(Refusal::NotFound), vec![]));
                assert_eq!(sim, before, "{request:?} {situation:?}");
            }
        }
    }
}

#[test]
fn a_supervisor_that_stops_refuses_every_request_and_nothing_changes() {
    for (situation, mode) in everywhere() {
        let mut sim = situation.under(mode);
        for begin in [Input::Stop, Input::Kill] {
            sim.input(begin);
            for (child, request) in
                (0..4).flat_map(|child| REQUESTS.map(|request| (child, request)))
            {
                let before = sim.clone();
                assert_eq!(sim.request(child, request), (Err(Refusal::Stopping), vec![]));
                assert_eq!(sim, before, "{request:?} {situation:?}");
            }
        }
    }
}

#[test]
fn a_supervisor_that_has_stopped_refuses_every_request_and_nothing_changes() {
    let mut sim = Sim::new();
    sim.input(Input::Stop);
    let before = sim.clone();
    for request in REQUESTS {
        assert_eq!(sim.request(0, request), (Err(Refusal::Stopping), vec![]));
    }
    assert_eq!(sim, before);
}

#[test]
fn a_child_whose_shutdown_is_kill_is_killed_where_others_are_asked() {
    for request in [Remove, Restart, Terminate] {
        let mut sim = Sim::running([Terms { shutdown: Shutdown::Kill, ..permanent() }]);
        let actions = sim.begin(0, request);
        assert_eq!(actions.last(), Some(&killed(0, 1)), "{request:?}");
        assert!(!actions.contains(&asked(0, 1)));
        assert_eq!(sim.machine.deadline(), None);
    }
}

#[test]
fn the_last_of_several_requests_about_a_stopping_child_is_what_follows() {
    let mut sim = Situation::Restarting.under(Mode::Running);
    sim.begin(IT, Terminate);
    sim.begin(IT, Restart);
    sim.begin(IT, Kill);
    assert_eq!(sim.fail(IT), Then::Restarts.actions(Mode::Running, 1));
}

#[test]
fn another_request_gives_a_stopping_child_no_more_time() {
    let mut sim = Situation::Restarting.under(Mode::Running);
    assert_eq!(sim.pass(secs(4)), []);
    sim.begin(IT, Terminate);
    let late = [stop_timeout(IT, false), killed(IT, 1)];
    assert_eq!(sim.timed(secs(60)), late.map(|action| (secs(1), action)));
}

#[test]
fn only_what_blocks_a_thread_cannot_be_killed() {
    for kind in [ChildKind::Actor, ChildKind::Service, ChildKind::Supervisor] {
        let mut sim = Sim::running([Terms { kind, ..permanent() }]);
        assert_eq!(sim.begin(0, Kill), [killed(0, 1)], "{kind:?}");
    }
    assert_eq!(Sim::running([blocking()]).begin(0, Kill), [asked(0, 1)]);
}

#[test]
fn one_that_cannot_be_killed_is_waited_for_within_its_limit_and_after_that_nobody_waits() {
    let mut sim = Sim::running([blocking()]);
    for wait in [Until(Wait::Stopped), Progress::Overdue] {
        let started = if wait == Progress::Overdue { wait } else { Until(Wait::Started) };
        for (request, progress) in [(Terminate, wait), (Restart, started), (Kill, wait)] {
            assert_eq!(sim.request(0, request).0, Ok(progress), "{request:?}");
        }
        sim.pass(LIMIT);
    }
    assert_eq!(sim.input(Input::Stop).last(), Some(&finish(StopCause::Asked)));
}

#[test]
fn a_removed_child_is_forgotten_as_long_as_it_stops() {
    let mut sim = Sim::running([permanent(), permanent()]);
    assert!(!sim.machine.is_forgotten(0));
    sim.begin(0, Remove);
    assert!(sim.machine.is_forgotten(0) && !sim.machine.is_forgotten(1));
    sim.exit(0, ExitClass::Stopped);
    assert!(!sim.machine.is_forgotten(0), "nobody has that number");
}
