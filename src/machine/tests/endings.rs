//! Everything ends at once, or because a child asks for the end of the tree.

use super::{
    situations::{IT, Mode, Situation, everywhere},
    *,
};

const TREE: StopCause = StopCause::TerminateTree { child: 1 };

#[test]
fn a_child_that_asks_for_the_end_of_the_tree_ends_and_the_others_are_stopped_in_order() {
    let mut sim = Sim::running(vec![permanent(); 3]);
    let begun = [failed_for_good(1, 0.0), ended(1, End::Failed), stop_begun(TREE), asked(2, 1)];
    assert_eq!(sim.exit(1, ExitClass::TerminateTree), begun);
    assert_eq!(sim.fail(2), [&stop_of(2)[..], &[asked(0, 1)]].concat());
    assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(TREE)]].concat());
}

#[test]
fn an_only_child_that_asks_for_the_end_of_the_tree_ends_it_at_once() {
    let mut sim = Sim::running([permanent(), permanent()]);
    sim.begin(0, Request::Terminate);
    sim.fail(0);
    let gone = [failed_for_good(1, 0.0), ended(1, End::Failed)];
    let all = [&gone[..], &[stop_begun(TREE), released(0), finish(TREE)]].concat();
    assert_eq!(sim.exit(1, ExitClass::TerminateTree), all);
}

#[test]
fn the_end_of_the_tree_ends_a_pause_too() {
    let mut sim = Sim::running(vec![permanent(); 2]);
    sim.pause_by(0);
    let gone = [failed_for_good(1, 6.0), ended(1, End::Failed)];
    let all = [&gone[..], &[stop_begun(TREE), released(0), finish(TREE)]].concat();
    assert_eq!(sim.exit(1, ExitClass::TerminateTree), all);
    assert_eq!(sim.machine.deadline(), None);
}

#[test]
fn the_first_cause_of_a_stop_is_its_cause_but_for_a_kill() {
    let mut sim = Sim::running(vec![permanent(); 3]);
    sim.exit(1, ExitClass::TerminateTree);
    assert_eq!(sim.input(Input::Stop), []);
    assert_eq!(sim.exit(0, ExitClass::TerminateTree), [failed_for_good(0, 0.0), released(0)]);
    let mut other = sim.clone();
    assert_eq!(sim.fail(2), [&stop_of(2)[..], &[finish(TREE)]].concat());

    assert_eq!(other.input(Input::Kill), [killed(2, 1)]);
    assert_eq!(other.fail(2), [&stop_of(2)[..], &[finish(StopCause::Killed)]].concat());
}

#[test]
fn a_kill_of_everything_ends_all_at_once_and_the_end_waits_for_their_ends() {
    let mut sim = Sim::running(vec![permanent(); 3]);
    assert_eq!(sim.input(Input::Kill), [killed(2, 1), killed(1, 1), killed(0, 1)]);
    assert_eq!(sim.machine.state(), SupervisorState::Stopping);
    assert_eq!(sim.machine.deadline(), None);
    for child in [1, 2] {
        assert_eq!(sim.fail(child), stop_of(child));
    }
    assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(StopCause::Killed)]].concat());
}

#[test]
fn a_kill_of_everything_leaves_behind_at_once_what_cannot_be_killed_but_asks_it_first() {
    let shutdowns = [Shutdown::Infinite, Shutdown::Kill, Shutdown::Timeout(LIMIT)];
    let mut sim = Sim::running(shutdowns.map(|shutdown| Terms { shutdown, ..blocking() }));
    let all = [2, 1, 0].map(|child| [&[asked(child, 1)][..], &given_up(child)].concat());
    assert_eq!(sim.input(Input::Kill), [&all.concat()[..], &[finish(StopCause::Killed)]].concat());
    assert_eq!(sim.machine.left_behind().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_kill_of_everything_overtakes_an_orderly_stop() {
    let mut sim = Sim::running([permanent(), blocking(), permanent()]);
    sim.input(Input::Stop);
    sim.pass(secs(2));
    let rest = [killed(2, 1), asked(1, 1)].into_iter().chain(given_up(1)).chain([killed(0, 1)]);
    assert_eq!(sim.input(Input::Kill), rest.collect::<Vec<_>>());
    assert_eq!(sim.pass(secs(60)), []);
    assert_eq!(sim.fail(0), stop_of(0));
    assert_eq!(sim.fail(2), [&stop_of(2)[..], &[finish(StopCause::Killed)]].concat());
}

#[test]
fn a_kill_of_everything_deals_with_a_child_in_any_situation_also_in_a_pause_and_in_a_stop() {
    for (situation, mode) in everywhere() {
        let case = format!("{situation:?} {mode:?}");
        let mut sim = situation.under(mode);
        let is_0_up = sim.state(0) != Some(ChildState::BackingOff) && sim.state(0).is_some();
        let life = sim.life(0);

        let mut all = let_go(&sim);
        if situation == Situation::Restarting && mode != Mode::Stopping {
            all.push(settle(IT, Wait::Started, Settled::Stopping));
        }
        all.push(killed(2, 1));
        match situation {
            Situation::Blocking => {
                all.push(asked(IT, 1));
                all.extend(given_up(IT));
            }
            Situation::LeftBehind => {}
            _ if situation.is_up() => all.push(killed(IT, 1)),
            _ => {}
        }
        if is_0_up {
            all.push(killed(0, life));
        }
        assert_eq!(sim.input(Input::Kill), all, "{case}");
        // With the same again, those who cannot be killed are not asked or told of again.
        all.retain(|action| matches!(action, Action::Kill { .. }));
        assert_eq!(sim.input(Input::Kill), all, "{case}");

        let cannot_be_killed = [Situation::Blocking, Situation::LeftBehind].contains(&situation);
        if situation.is_up() && !cannot_be_killed {
            let gone = match situation {
                Situation::Removing => {
                    vec![stopped(IT), ended(IT, End::Removed), settle_stopped(IT)]
                }
                _ => stop_of(IT).to_vec(),
            };
            assert_eq!(sim.fail(IT), gone, "{case}");
        }
        if is_0_up {
            assert_eq!(sim.fail(0), stop_of(0), "{case}");
        }
        let last = [&stop_of(2)[..], &[finish(StopCause::Killed)]].concat();
        assert_eq!(sim.fail(2), last, "{case}");
        assert_eq!(sim.machine.left_behind().any(|child| child == IT), cannot_be_killed);
    }
}

#[test]
fn what_needs_children_ends_with_the_last_one_however_that_goes() {
    let all_over = [stop_begun(StopCause::Deserted), finish(StopCause::Deserted)];
    let is_over = |actions: &[Action]| actions.ends_with(&all_over);
    let with = |last: Terms| {
        let mut sim = Sim::with(Settings { needs_children: true, ..settings() });
        sim.add_running([permanent(), last]);
        assert!(!is_over(&sim.exit(0, ExitClass::Finished)));
        sim
    };
    assert!(is_over(&with(permanent()).exit(1, ExitClass::Finished)));
    assert!(is_over(&with(with_policy(RestartPolicy::Temporary)).fail(1)));
    assert!(is_over(&with(Terms { give_up_after: Some(1), ..permanent() }).fail(1)));

    let mut sim = with(permanent());
    sim.begin(1, Request::Remove);
    let removed = [stopped(1), ended(1, End::Removed), settle_stopped(1)];
    assert_eq!(sim.exit(1, ExitClass::Stopped), [&removed[..], &all_over].concat());

    let mut sim = with(permanent());
    sim.begin(1, Request::Terminate);
    sim.exit(1, ExitClass::Stopped);
    assert_eq!(sim.machine.state(), SupervisorState::Running, "it can be restarted");
    assert!(is_over(&sim.begin(1, Request::Remove)));

    let tree = [failed_for_good(1, 0.0), ended(1, End::Failed), stop_begun(TREE), finish(TREE)];
    assert_eq!(with(permanent()).exit(1, ExitClass::TerminateTree), tree);
}
