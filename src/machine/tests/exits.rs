//! How an incarnation ends by itself or by force, and what comes of it: by policy, exit and mode.

use super::{situations::Mode, *};
use {ExitClass::TerminateTree, RestartPolicy::*};

/// What comes of an exit where the supervisor goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// It has failed, and is restarted.
    Back,
    /// It has failed, and ends.
    Gone,
    /// It ends, and has not failed.
    Done(End),
    /// It has failed, and everything ends with it.
    Tree,
}

use Comes::*;

const TABLE: [(RestartPolicy, ExitClass, Comes); 12] = [
    (Permanent, ExitClass::Failed, Back),
    (Permanent, ExitClass::Stopped, Back),
    (Permanent, ExitClass::Finished, Done(End::Finished)),
    (Permanent, TerminateTree, Tree),
    (Transient, ExitClass::Failed, Back),
    (Transient, ExitClass::Stopped, Done(End::Stopped)),
    (Transient, ExitClass::Finished, Done(End::Finished)),
    (Transient, TerminateTree, Tree),
    (Temporary, ExitClass::Failed, Gone),
    (Temporary, ExitClass::Stopped, Done(End::Stopped)),
    (Temporary, ExitClass::Finished, Done(End::Finished)),
    (Temporary, TerminateTree, Tree),
];

/// Child 1 is on its way to be ready, between two that run, under a supervisor that does this.
fn starting(terms: Terms, on_trial: bool, mode: Mode) -> Sim {
    let mut sim = Sim::new();
    sim.add(0, permanent());
    sim.ready(0);
    sim.input(Input::Add { child: 1, terms: terms.into(), on_trial });
    sim.add(2, permanent());
    sim.ready(2);
    match mode {
        Mode::Running => {}
        Mode::Paused => sim.pause_by(0),
        Mode::Stopping => drop(sim.input(Input::Stop)),
    }
    sim
}

/// The meter, before anything comes of it.
fn reading(mode: Mode) -> f64 {
    match mode {
        Mode::Running | Mode::Stopping => 0.0,
        Mode::Paused => 6.0,
    }
}

/// What a failure comes to: child 1 was in its first life.
fn back(mode: Mode) -> Vec<Action> {
    match mode {
        Mode::Running => vec![failed(1, 1.0), start(1, 2)],
        Mode::Paused => vec![failed(1, 6.0), down(1)],
        Mode::Stopping => vec![failed_for_good(1, 0.0)],
    }
}

/// The last of what comes of a `TerminateTree`: who is down is let go, and the first is asked to stop.
fn tree_stops(sim: &Sim) -> Vec<Action> {
    let begun = stop_begun(StopCause::TerminateTree { child: 1 });
    [vec![begun], let_go(sim), vec![asked(2, 1)]].concat()
}

#[test]
fn an_exit_comes_to_what_the_table_says() {
    for mode in [Mode::Running, Mode::Paused] {
        for (policy, exit, comes) in TABLE {
            for is_ready in [false, true] {
                let mut sim = starting(with_policy(policy), false, mode);
                if is_ready {
                    sim.ready(1);
                }
                let meter = reading(mode);
                let expected = match comes {
                    Back => back(mode),
                    Gone => vec![failed_for_good(1, meter), ended(1, End::Failed)],
                    Done(end) => vec![ended(1, end)],
                    Tree => {
                        let mut all = vec![failed_for_good(1, meter), ended(1, End::Failed)];
                        all.extend(tree_stops(&sim));
                        all
                    }
                };
                let actions = sim.exit(1, exit);
                assert_eq!(actions, expected, "{policy:?} {exit:?} {mode:?} ready: {is_ready}");
                let moved = (comes == Back && mode == Mode::Running).then_some(1.0);
                assert_eq!(sim.failures(), moved.unwrap_or(meter), "{policy:?} {exit:?} {mode:?}");
                assert_eq!(sim.state(1).is_some(), comes == Back);
            }
        }
    }
}

#[test]
fn an_exit_on_trial_answers_who_waits_leaves_no_entry_and_moves_no_meter() {
    for mode in [Mode::Running, Mode::Paused] {
        for (policy, exit, comes) in TABLE {
            let mut sim = starting(with_policy(policy), true, mode);
            let meter = reading(mode);
            let answer = settle(1, Wait::Ready, Settled::Failed);
            let mut expected = match comes {
                // A normal end is no failure, but there is nobody to be ready any more.
                Done(end) => vec![answer, ended(1, end)],
                Back | Gone | Tree => {
                    vec![failed_for_good(1, meter), answer, ended(1, End::Failed)]
                }
            };
            if comes == Tree {
                expected.extend(tree_stops(&sim));
            }
            assert_eq!(sim.exit(1, exit), expected, "{policy:?} {exit:?} {mode:?}");
            assert_eq!((sim.failures(), sim.state(1)), (meter, None));
        }
    }
}

#[test]
fn an_exit_that_crosses_a_stop_is_neither_restarted_nor_counted() {
    for (policy, exit, _) in TABLE {
        for on_trial in [false, true] {
            let mut sim = starting(with_policy(policy), on_trial, Mode::Stopping);
            let ends = match (policy, exit) {
                _ if on_trial => None,
                (Temporary, ExitClass::Failed | TerminateTree) => Some(End::Failed),
                (Transient | Temporary, ExitClass::Stopped) => Some(End::Stopped),
                (_, ExitClass::Finished) => Some(End::Finished),
                _ => None,
            };
            let told = match exit {
                ExitClass::Failed | TerminateTree => vec![failed_for_good(1, 0.0)],
                _ if ends.is_none() => vec![stopped(1)],
                _ => vec![],
            };
            let goes = ends.map_or(released(1), |end| ended(1, end));
            assert_eq!(sim.exit(1, exit), [told, vec![goes]].concat(), "{policy:?} {exit:?}");
            assert_eq!((sim.failures(), sim.state(1)), (0.0, None));
            let next = [&stop_of(2)[..], &[asked(0, 1)]].concat();
            assert_eq!(sim.exit(2, ExitClass::Stopped), next);
        }
    }
}

#[test]
fn a_kill_is_a_failure_however_the_incarnation_then_ends() {
    let by = Forced::Killed;
    for (policy, exit, _) in TABLE {
        for (mode, meter) in [(Mode::Running, 1.0), (Mode::Paused, 6.0)] {
            let mut sim = starting(with_policy(policy), false, mode);
            sim.ready(1);
            let (progress, actions) = sim.request(1, Request::Kill);
            assert_eq!(
                (progress, actions),
                (Ok(Progress::Until(Wait::Stopped)), vec![killed(1, 1)])
            );
            let expected = match (policy, mode) {
                (Temporary, _) => {
                    vec![
                        forced(1, by, reading(mode), false),
                        ended(1, End::Failed),
                        settle_stopped(1),
                    ]
                }
                (_, Mode::Running) => {
                    vec![forced(1, by, meter, true), start(1, 2), settle_stopped(1)]
                }
                (_, _) => vec![forced(1, by, meter, true), down(1), settle_stopped(1)],
            };
            assert_eq!(sim.exit(1, exit), expected, "{policy:?} {exit:?} {mode:?}");
        }
    }
}

#[test]
fn a_kill_that_crosses_a_stop_is_part_of_it() {
    for policy in POLICIES {
        let mut sim = starting(with_policy(policy), false, Mode::Running);
        sim.begin(1, Request::Kill);
        sim.input(Input::Stop);
        assert_eq!(sim.fail(1), stop_of(1));
    }
}

#[test]
fn what_is_asked_to_stop_has_not_failed_however_it_ends() {
    let follow_ups: [(Request, Vec<Action>); 3] = [
        (Request::Remove, vec![ended(1, End::Removed), settle_stopped(1)]),
        (Request::Terminate, vec![down(1), settle_stopped(1)]),
        (
            Request::Restart,
            vec![start(1, 2), settle(1, Wait::Started, Settled::Done), settle_stopped(1)],
        ),
    ];
    for (request, follows) in follow_ups {
        for (policy, exit, _) in TABLE {
            let mut sim = starting(with_policy(policy), false, Mode::Running);
            sim.begin(1, request);
            let told = [vec![stopped(1)], follows.clone()].concat();
            assert_eq!(sim.exit(1, exit), told, "{request:?} {policy:?} {exit:?}");
            assert_eq!(sim.failures(), 0.0);
            assert_eq!(sim.machine.state(), SupervisorState::Running);
        }
    }
}

#[test]
fn the_others_keep_their_incarnations_when_one_fails() {
    let mut sim = Sim::running(vec![permanent(); 3]);
    assert_eq!(sim.fail(1), [failed(1, 1.0), start(1, 2)]);
    let expected =
        [(0, ChildState::Running, 0), (1, ChildState::Starting, 1), (2, ChildState::Running, 0)];
    assert_eq!(sim.listed(), expected);
}

/// Under a supervisor that does this at its limit, child 1 has failed with nowhere to start again, beside one that runs.
fn strand(terms: Terms, on_limit: OnLimit, on_trial: bool, mode: Mode) -> (Sim, Vec<Action>) {
    let mut sim = Sim::with(Settings { on_limit, ..settings() });
    sim.add_running([permanent()]);
    sim.input(Input::Add { child: 1, terms: terms.into(), on_trial });
    sim.add(2, permanent());
    if mode == Mode::Paused {
        sim.pause_by(0);
    }
    let actions = sim.exit(1, ExitClass::Stranded);
    (sim, actions)
}

#[test]
fn one_with_nowhere_to_start_again_has_failed_for_good_though_its_policy_would_restart_it() {
    for mode in [Mode::Running, Mode::Paused] {
        for policy in POLICIES {
            let terms = with_policy(policy);
            let (sim, actions) = strand(terms, OnLimit::Backoff, false, mode);
            let end = match policy {
                Permanent | Transient => End::Stranded,
                Temporary => End::Failed,
            };
            let meter = reading(mode);
            assert_eq!(actions, [failed_for_good(1, meter), ended(1, end)], "{policy:?} {mode:?}");
            assert_eq!(sim.failures(), meter);
        }
    }
}

#[test]
fn where_limits_escalate_one_with_nowhere_to_start_again_fails_its_supervisor() {
    for policy in [Permanent, Transient] {
        let (_, actions) = strand(with_policy(policy), OnLimit::Escalate, false, Mode::Running);
        let begun = stop_begun(StopCause::Escalated { child: 1 });
        assert_eq!(actions, [failed_for_good(1, 0.0), released(1), begun, asked(2, 1)]);
    }
    let (_, actions) = strand(with_policy(Temporary), OnLimit::Escalate, false, Mode::Running);
    assert_eq!(actions, [failed_for_good(1, 0.0), ended(1, End::Failed)]);
}

#[test]
fn one_on_trial_with_nowhere_to_start_is_not_kept_and_answers_who_waits() {
    for on_limit in [OnLimit::Backoff, OnLimit::Escalate] {
        let (_, actions) = strand(permanent(), on_limit, true, Mode::Running);
        let not_ready = settle(1, Wait::Ready, Settled::Failed);
        assert_eq!(actions, [failed_for_good(1, 0.0), not_ready, ended(1, End::Failed)]);
    }
}

#[test]
fn one_that_was_to_stop_and_has_nowhere_to_start_again_does_what_was_to_follow() {
    let mut sim = starting(permanent(), false, Mode::Running);
    sim.begin(1, Request::Restart);
    let again =
        [stopped(1), start(1, 2), settle(1, Wait::Started, Settled::Done), settle_stopped(1)];
    assert_eq!(sim.exit(1, ExitClass::Stranded), again);
    // There is still nowhere.
    assert_eq!(
        sim.exit(1, ExitClass::Stranded),
        [failed_for_good(1, 0.0), ended(1, End::Stranded)]
    );
}

#[test]
fn one_that_is_given_up_with_nowhere_to_start_again_has_failed_for_good() {
    let watched = Elsewhere { watchdog: Some(secs(1)) };
    let terms = Terms { elsewhere: Some(watched), ..permanent() };
    let mut sim = starting(terms, false, Mode::Running);
    sim.pass(secs(1));
    let failed = forced(1, Forced::Unresponsive(secs(1)), 0.0, false);
    let end = [failed, ended(1, End::Stranded), settle_stopped(1)];
    assert_eq!(sim.exit(1, ExitClass::Stranded), end);
}

#[test]
fn one_that_could_not_begin_waits_a_second_at_least_before_it_is_tried_again() {
    let backoff = |delay| Some(crate::backoff::Backoff::constant(delay));
    let delays = [(None, 1), (backoff(secs(0)), 1), (backoff(secs(1)), 1), (backoff(secs(5)), 5)];
    for (backoff, delay) in delays {
        let mut sim = starting(Terms { backoff, ..permanent() }, false, Mode::Running);
        for row in 1..4 {
            let actions = sim.exit(1, ExitClass::Hindered);
            assert_eq!(actions, [failed(1, sim.failures()), down(1)]);
            assert_eq!(sim.machine.list().find(|it| it.id == 1).unwrap().failures_in_row, row);
            assert_eq!(sim.timed(secs(delay)), [(secs(delay), start(1, u64::from(row) + 1))]);
        }
    }
}
