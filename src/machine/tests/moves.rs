//! The thread of one child was found to be stuck over another: it moves away, and that is no failure.

use super::{
    elsewhere::{WHYS, Why, abandoned, elsewhere, lost, nested, stops},
    situations::Mode,
    watchdogs::watched,
    *,
};

fn moved(sim: &mut Sim) -> Vec<Action> {
    let life = sim.life(1);
    sim.input(Input::Move { child: 1, life })
}

/// Child 1, of these terms, runs or is on its way to, between two others under a supervisor that does this.
fn up(terms: Terms, on_trial: bool, is_ready: bool, mode: Mode) -> Sim {
    let mut sim = Sim::new();
    sim.add_running([permanent()]);
    sim.input(Input::Add { child: 1, terms: terms.into(), on_trial });
    if is_ready {
        sim.ready(1);
    }
    sim.add(2, permanent());
    sim.ready(2);
    match mode {
        Mode::Running => {}
        Mode::Paused => sim.pause_by(0),
        Mode::Stopping => assert_eq!(sim.input(Input::Stop).last(), Some(&asked(2, 1))),
    }
    sim
}

#[test]
fn one_that_is_up_starts_anew_elsewhere_whatever_its_policy_is_and_that_is_no_failure() {
    for terms in [elsewhere(), watched()] {
        for policy in POLICIES {
            for (is_ready, mode) in [
                (false, Mode::Running),
                (true, Mode::Running),
                (false, Mode::Paused),
                (true, Mode::Paused),
                (false, Mode::Stopping),
                (true, Mode::Stopping),
            ] {
                let mut sim = up(Terms { policy, ..terms.clone() }, false, is_ready, mode);
                let meter = sim.failures();
                assert_eq!(moved(&mut sim), [abandoned(1, 1)], "{policy:?} {mode:?}");
                assert!(!sim.machine.decides(1, 1, ExitClass::Failed));
                let end = match mode {
                    Mode::Stopping => stop_of(1).to_vec(),
                    Mode::Running | Mode::Paused => Why::Request(Request::Restart).end(mode),
                };
                assert_eq!(sim.fail(1), end, "{policy:?} {mode:?}");
                assert_eq!(sim.failures(), meter);
                assert!(
                    sim.machine.list().all(|child| child.failures_in_row == 0 || child.id != 1)
                );
            }
        }
    }
}

#[test]
fn one_on_trial_that_moves_is_still_on_trial() {
    let mut sim = up(elsewhere(), true, false, Mode::Running);
    moved(&mut sim);
    sim.fail(1);
    let mut other = sim.clone();
    assert_eq!(sim.ready(1), [ready(1), settle(1, Wait::Ready, Settled::Done)]);
    assert_eq!(other.fail(1).last(), Some(&ended(1, End::Failed)));
}

#[test]
fn one_that_is_on_its_way_to_stop_is_given_up_and_the_stop_is_over() {
    for (why, is_ready, mode) in stops() {
        for terms in [elsewhere(), watched()] {
            let mut sim = why.begin(terms, is_ready, mode);
            let mut late = sim.clone();
            assert_eq!(moved(&mut sim), lost(1, 1), "{why:?} {mode:?}");
            assert_eq!(sim.fail(1), why.end(mode), "{why:?} {mode:?}");
            // Also when it was killed, but it is told only once that it was late.
            late.pass(LIMIT);
            assert_eq!(moved(&mut late), lost(1, 1), "{why:?} {mode:?}");
            assert_eq!(late.fail(1), why.end(mode), "{why:?} {mode:?}");
        }
    }
}

#[test]
fn one_that_was_killed_on_request_and_moves_has_failed() {
    let mut sim = up(elsewhere(), false, true, Mode::Running);
    sim.begin(1, Request::Kill);
    assert_eq!(moved(&mut sim), lost(1, 1));
    let end = [forced(1, Forced::Killed, 1.0, true), start(1, 2), settle_stopped(1)];
    assert_eq!(sim.fail(1), end);
}

#[test]
fn one_that_is_down_has_nowhere_to_move_from_and_nothing_changes_at_all() {
    let backoff = Some(crate::backoff::Backoff::constant(secs(60)));
    for terms in [elsewhere(), Terms { backoff, ..watched() }] {
        for mode in [Mode::Running, Mode::Paused] {
            let mut sim = up(terms.clone(), false, true, mode);
            sim.fail(1);
            let is_down = sim.state(1) == Some(ChildState::BackingOff);
            let mut terminated = sim.clone();
            terminated.begin(1, Request::Terminate);
            terminated.fail(1);
            for mut sim in [Some(terminated), is_down.then_some(sim)].into_iter().flatten() {
                let before = sim.clone();
                assert_eq!(moved(&mut sim), []);
                assert_eq!(sim, before);
            }
        }
    }
}

#[test]
fn only_an_actor_or_an_async_service_on_another_thread_moves() {
    for terms in [permanent(), blocking(), nested()] {
        for is_ready in [false, true] {
            let mut sim = up(terms.clone(), false, is_ready, Mode::Running);
            let before = sim.clone();
            assert_eq!(moved(&mut sim), []);
            assert_eq!(sim, before);
        }
        for why in WHYS {
            let mut sim = why.begin(terms.clone(), true, Mode::Running);
            for time in [Duration::ZERO, LIMIT] {
                sim.pass(time);
                let before = sim.clone();
                assert_eq!(moved(&mut sim), []);
                assert_eq!(sim, before, "{why:?}");
            }
        }
    }
    let service = Terms { kind: ChildKind::Service, ..elsewhere() };
    assert_eq!(moved(&mut up(service, false, true, Mode::Running)), [abandoned(1, 1)]);
}

#[test]
fn a_move_of_another_life_or_of_nobody_changes_nothing_at_all() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(elsewhere(), is_ready, mode);
        let life = sim.life(1);
        let before = sim.clone();
        for (child, life) in [(1, life - 1), (1, life + 1), (1, u64::MAX), (7, 1)] {
            assert_eq!(sim.input(Input::Move { child, life }), []);
            assert_eq!(sim, before, "{why:?} {mode:?}");
        }
    }
}

#[test]
fn what_an_incarnation_that_was_given_up_says_when_it_comes_back_changes_nothing_at_all() {
    for terms in [elsewhere(), watched()] {
        let mut sim = up(terms, false, true, Mode::Running);
        moved(&mut sim);
        sim.fail(1);
        let mut is_down = sim.clone();
        is_down.begin(1, Request::Terminate);
        is_down.fail(1);
        for mut sim in [sim, is_down] {
            let before = sim.clone();
            for exit in EXITS {
                let exited = Input::Exited { child: 1, life: 1, exit, decision: None };
                assert_eq!(sim.input(exited), []);
            }
            for input in [
                Input::Ready { child: 1, life: 1 },
                Input::Alive { child: 1, life: 1 },
                Input::Move { child: 1, life: 1 },
            ] {
                assert_eq!(sim.input(input), []);
            }
            assert_eq!(sim, before);
        }
    }
}

#[test]
fn a_member_of_a_group_that_moves_is_waited_for() {
    let mut sim = Sim::with(Settings { strategy: Strategy::OneForAll, ..settings() });
    sim.input(Input::Start);
    sim.add_running([permanent(), elsewhere(), permanent()]);
    sim.fail(0);
    // The last one is being stopped: this one starts anew, and is then asked in its turn.
    let mut going_down = sim.clone();
    assert_eq!(moved(&mut going_down), [abandoned(1, 1)]);
    assert_eq!(going_down.fail(1), Why::Request(Request::Restart).end(Mode::Running));
    assert_eq!(going_down.fail(2).last(), Some(&asked(1, 2)));

    sim.fail(2);
    sim.fail(1);
    assert_eq!(sim.ready(0), [ready(0), start(1, 2)]);
    assert_eq!(moved(&mut sim), [abandoned(1, 2)]);
    let again =
        [stopped(1), start(1, 3), settle(1, Wait::Started, Settled::Done), settle_stopped(1)];
    assert_eq!(sim.fail(1), again);
    assert_eq!(sim.ready(1), [ready(1), start(2, 2)]);
}

#[test]
fn a_stop_or_a_request_that_crosses_a_move_is_what_follows() {
    let mut sim = up(elsewhere(), false, true, Mode::Running);
    moved(&mut sim);
    let mut stopping = sim.clone();
    let no_start = settle(1, Wait::Started, Settled::Superseded);
    let not_ready = settle(1, Wait::Ready, Settled::Superseded);
    assert_eq!(sim.begin(1, Request::Terminate), [not_ready, no_start]);
    assert_eq!(sim.fail(1), Why::Request(Request::Terminate).end(Mode::Running));

    let begun =
        [stop_begun(StopCause::Asked), settle(1, Wait::Started, Settled::Stopping), asked(2, 1)];
    assert_eq!(stopping.input(Input::Stop), begun);
    assert_eq!(stopping.fail(1), stop_of(1));
}
