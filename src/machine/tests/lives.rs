//! Incarnations have numbers, and what is told about another one changes nothing at all.

use super::{
    situations::{IT, everywhere},
    *,
};

#[test]
fn every_start_has_a_higher_number_whatever_it_is_for() {
    let mut sim = Sim::new();
    assert_eq!(sim.add(0, permanent()), [start(0, 1)]);
    assert_eq!(sim.fail(0), [failed(0, 1.0), start(0, 2)]);
    sim.begin(0, Request::Restart);
    assert!(sim.exit(0, ExitClass::Stopped).contains(&start(0, 3)));
    sim.begin(0, Request::Kill);
    assert!(sim.fail(0).contains(&start(0, 4)));
    sim.begin(0, Request::Terminate);
    sim.exit(0, ExitClass::Stopped);
    assert_eq!(sim.begin(0, Request::Restart), [start(0, 5)]);
    sim.pause_by(0);
    let waits = sim.life(0);
    assert_eq!(sim.input(Input::Resume), [Action::PauseLeft, start(0, waits + 1)]);
}

#[test]
fn the_lives_under_an_earlier_machine_go_on_and_are_restarts() {
    let mut sim = Sim::new();
    let terms = permanent();
    assert_eq!(sim.input(Input::Declare { child: 4, terms: terms.into(), life: 7 }), []);
    assert_eq!(sim.input(Input::Start), [start(4, 8), Action::Up]);
    assert_eq!(sim.listed(), [(4, ChildState::Starting, 7)]);
    assert_eq!(sim.machine.restarts(), 7);
}

#[test]
fn restarts_are_counted_on_request_too_and_a_child_that_goes_takes_its_own_along() {
    let mut sim = Sim::running([permanent(), permanent()]);
    (0..3).for_each(|_| drop(sim.fail(0)));
    sim.begin(1, Request::Restart);
    sim.exit(1, ExitClass::Stopped);
    assert_eq!(sim.machine.restarts(), 4);
    let listed: Vec<_> = sim.machine.list().map(|listed| (listed.id, listed.restarts)).collect();
    assert_eq!(listed, [(0, 3), (1, 1)]);
    sim.begin(0, Request::Remove);
    assert_eq!(sim.machine.restarts(), 1);
    sim.fail(0);
    assert_eq!(sim.machine.restarts(), 1);
}

#[test]
fn a_notice_of_another_life_or_of_nobody_changes_nothing_at_all() {
    for (situation, mode) in everywhere() {
        let mut sim = situation.under(mode);
        let before = sim.clone();
        let life = sim.life(IT);
        let others = [life.wrapping_sub(1), life + 1, u64::MAX].map(|life| (IT, life));
        let strangers = [(3, 1), (3, 0), (u64::MAX, 1)];
        for (child, life) in others.into_iter().chain(strangers) {
            assert_eq!(sim.input(Input::Ready { child, life }), []);
            assert_eq!(sim.input(Input::Alive { child, life }), []);
            assert_eq!(sim.input(Input::Move { child, life }), []);
            for exit in EXITS {
                let actions = sim.input(Input::Exited { child, life, exit, decision: None });
                assert_eq!(actions, [], "{situation:?} {mode:?}");
            }
        }
        assert_eq!(sim, before, "{situation:?} {mode:?}");
    }
}

#[test]
fn an_exit_that_is_told_twice_changes_nothing_at_all() {
    for (situation, mode) in everywhere().filter(|(situation, _)| !situation.is_up()) {
        let mut sim = situation.under(mode);
        let before = sim.clone();
        for exit in EXITS {
            assert_eq!(sim.exit(IT, exit), []);
        }
        assert_eq!(sim, before, "{situation:?} {mode:?}");
    }
}

#[test]
fn only_one_that_is_starting_becomes_ready() {
    for (situation, mode) in everywhere() {
        let mut sim = situation.under(mode);
        let before = sim.clone();
        match situation {
            situations::Situation::Starting => {
                assert_eq!(sim.ready(IT), [ready(IT)]);
                assert_eq!(sim.state(IT), Some(ChildState::Running));
            }
            _ => {
                assert_eq!(sim.ready(IT), []);
                assert_eq!(sim, before, "{situation:?} {mode:?}");
            }
        }
    }
}

#[test]
fn a_tick_before_its_time_changes_nothing_at_all() {
    for (situation, mode) in everywhere() {
        let mut sim = situation.under(mode);
        let before = sim.clone();
        assert!(sim.machine.deadline().is_none_or(|due| due > sim.now));
        assert_eq!(sim.input(Input::Tick), []);
        assert_eq!(sim, before, "{situation:?} {mode:?}");
    }
}

#[test]
fn an_idle_machine_has_no_deadline() {
    assert_eq!(Sim::new().machine.deadline(), None);
    assert_eq!(Sim::running(vec![permanent(); 3]).machine.deadline(), None);
}

#[test]
fn children_are_counted_by_state_and_by_kind_as_they_are_listed() {
    let kinds = [ChildKind::Actor, ChildKind::Service, ChildKind::Blocking, ChildKind::Supervisor];
    let mut sim = Sim::running(kinds.map(|kind| Terms { kind, ..permanent() }));
    sim.add(4, permanent());
    sim.begin(3, Request::Restart);
    sim.begin(1, Request::Terminate);
    sim.exit(1, ExitClass::Stopped);
    sim.pause_by(0);
    let counts = sim.machine.counts();
    let by_state = [counts.starting, counts.running, counts.backing_off, counts.stopping];
    assert_eq!(by_state, [1, 1, 1, 1]);
    assert_eq!(counts.terminated, 1);
    let by_kind = [counts.actors, counts.services, counts.blocking, counts.supervisors];
    assert_eq!(by_kind, [2, 1, 1, 1]);
    assert_eq!(counts.total(), sim.machine.list().count());
    sim.begin(2, Request::Remove);
    assert_eq!((sim.machine.counts().blocking, sim.machine.counts().stopping), (0, 1));
}
