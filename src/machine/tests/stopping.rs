//! Everything stops, in order.

use super::{
    situations::{IT, Mode, Situation, everywhere},
    *,
};

#[test]
fn a_supervisor_without_children_stops_at_once() {
    let mut sim = Sim::new();
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked), finish(StopCause::Asked)]);
    assert_eq!(Sim::new().input(Input::Kill), [finish(StopCause::Killed)]);
}

#[test]
fn children_stop_in_reverse_order_each_when_the_one_after_it_has_gone() {
    let mut sim = Sim::running(vec![permanent(); 3]);
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked), asked(2, 1)]);
    assert_eq!(sim.exit(2, ExitClass::Stopped), [&stop_of(2)[..], &[asked(1, 1)]].concat());
    assert_eq!(sim.exit(1, ExitClass::Failed), [&stop_of(1)[..], &[asked(0, 1)]].concat());
    assert_eq!(
        sim.exit(0, ExitClass::TerminateTree),
        [&stop_of(0)[..], &[finish(StopCause::Asked)]].concat()
    );
    assert_eq!(sim.machine.counts(), ChildCounts::default());
}

#[test]
fn each_child_has_a_limit_of_its_own_which_begins_when_it_is_asked() {
    let limits = [secs(3), secs(2), secs(1)].map(Shutdown::Timeout);
    let mut sim = Sim::running(limits.map(|shutdown| Terms { shutdown, ..permanent() }));
    sim.input(Input::Stop);
    for (child, limit) in [(2, secs(1)), (1, secs(2)), (0, secs(3))] {
        let late = [stop_timeout(child, false), killed(child, 1)];
        assert_eq!(sim.timed(secs(60)), late.map(|action| (limit, action)));
        sim.exit(child, ExitClass::Failed);
    }
    assert_eq!(sim.machine.phase, Phase::Finished);
}

#[test]
fn an_infinite_limit_waits_and_a_kill_does_not_ask() {
    let shutdowns = [Shutdown::Infinite, Shutdown::Kill];
    let mut sim = Sim::running(shutdowns.map(|shutdown| Terms { shutdown, ..permanent() }));
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked), killed(1, 1)]);
    assert_eq!(sim.fail(1), [&stop_of(1)[..], &[asked(0, 1)]].concat());
    assert_eq!(sim.machine.deadline(), None);
    assert_eq!(sim.pass(secs(1_000_000)), []);
}

#[test]
fn a_child_that_cannot_be_killed_is_left_behind_at_its_limit_and_the_stop_goes_on() {
    let mut sim = Sim::running([permanent(), blocking(), permanent()]);
    sim.input(Input::Stop);
    assert_eq!(sim.fail(2), [&stop_of(2)[..], &[asked(1, 1)]].concat());
    assert_eq!(
        sim.pass(secs(60)),
        [&given_up(1)[..], &[asked(0, 1), stop_timeout(0, false), killed(0, 1)]].concat()
    );
    // It is not looked at again (I6).
    assert_eq!(sim.machine.phase, Phase::Stopping { cause: StopCause::Asked, cursor: 1 });
    assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(StopCause::Asked)]].concat());
    assert_eq!(sim.machine.left_behind().collect::<Vec<_>>(), [1]);
    // Its thread may end after that: nobody is waited for any more, and nothing is told twice.
    assert_eq!(sim.fail(1), stop_of(1));
    assert_eq!(sim.machine.left_behind().count(), 0);
}

#[test]
fn one_that_ends_after_it_was_given_up_is_not_reported() {
    let mut sim = Sim::running([permanent(), blocking()]);
    sim.input(Input::Stop);
    assert_eq!(sim.pass(LIMIT), [&given_up(1)[..], &[asked(0, 1)]].concat());
    assert_eq!(sim.fail(1), stop_of(1));
    assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(StopCause::Asked)]].concat());
    assert_eq!(sim.machine.left_behind().count(), 0);
}

#[test]
fn what_cannot_be_killed_is_asked_even_where_its_shutdown_is_kill_and_gets_no_time() {
    let mut sim = Sim::running([Terms { shutdown: Shutdown::Kill, ..blocking() }]);
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked), asked(0, 1)]);
    let over = [&given_up(0)[..], &[finish(StopCause::Asked)]].concat();
    assert_eq!(sim.pass(Duration::ZERO), over);
}

/// What becomes of a child when everything stops.
enum Fate {
    /// It has no incarnation, and is forgotten.
    Forgotten,
    /// It is asked in its turn.
    Asked,
    /// It is on its way already, and waited for in its turn.
    Awaited,
    /// It was given up before.
    PassedOver,
}

fn fate(situation: Situation) -> Fate {
    use Situation::*;
    match situation {
        Unknown | Queued | Due | Terminated => Fate::Forgotten,
        Starting | Running | Blocking => Fate::Asked,
        Restarting | Terminating | Removing | Killed | Overdue => Fate::Awaited,
        LeftBehind => Fate::PassedOver,
    }
}

#[test]
fn a_stop_deals_with_a_child_in_any_situation_also_in_a_pause() {
    for (situation, mode) in everywhere().filter(|(_, mode)| *mode != Mode::Stopping) {
        let case = format!("{situation:?} {mode:?}");
        let mut sim = situation.under(mode);
        let is_0_up = sim.state(0) != Some(ChildState::BackingOff);
        let life = sim.life(0);
        let mut begun = [vec![stop_begun(StopCause::Asked)], let_go(&sim)].concat();
        if situation == Situation::Restarting {
            begun.push(settle(IT, Wait::Started, Settled::Stopping));
        }
        begun.push(asked(2, 1));
        assert_eq!(sim.input(Input::Stop), begun, "{case}");
        assert_eq!(sim.machine.state(), SupervisorState::Stopping);

        let last = if is_0_up { asked(0, life) } else { finish(StopCause::Asked) };
        let is_gone = match situation {
            Situation::Removing => ended(IT, End::Removed),
            _ => released(IT),
        };
        let gone = [stopped(IT), is_gone, settle_stopped(IT), last.clone()];
        match fate(situation) {
            Fate::Forgotten | Fate::PassedOver => {
                assert_eq!(sim.fail(2), [&stop_of(2)[..], &[last]].concat(), "{case}");
            }
            Fate::Asked => {
                assert_eq!(sim.fail(2), [&stop_of(2)[..], &[asked(IT, 1)]].concat(), "{case}");
                assert_eq!(sim.fail(IT), gone, "{case}");
            }
            Fate::Awaited => {
                assert_eq!(sim.fail(2), stop_of(2), "{case}");
                assert_eq!(sim.fail(IT), gone, "{case}");
            }
        }
        if is_0_up {
            assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(StopCause::Asked)]].concat());
        }
        let left: Vec<u64> = sim.machine.left_behind().collect();
        assert_eq!(left == [IT], situation == Situation::LeftBehind, "{case}");
        assert_eq!(sim.machine.deadline(), None);
    }
}

#[test]
fn a_removal_in_progress_is_waited_for_within_its_limit() {
    for terms in [permanent(), blocking()] {
        let can_be_killed = terms.kind != ChildKind::Blocking;
        let mut sim = Sim::running([permanent(), terms]);
        sim.begin(1, Request::Remove);
        assert_eq!(sim.pass(secs(2)), []);
        assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked)]);
        let over = match can_be_killed {
            true => vec![stop_timeout(1, false), killed(1, 1)],
            false => [&given_up(1)[..], &[asked(0, 1)]].concat(),
        };
        let over: Vec<_> = over.into_iter().map(|action| (secs(3), action)).collect();
        assert_eq!(sim.timed(secs(4)), over);
        let mut gone = vec![stopped(1), ended(1, End::Removed), settle_stopped(1)];
        if can_be_killed {
            gone.push(asked(0, 1));
        }
        assert_eq!(sim.fail(1), gone);
    }
}

#[test]
fn what_was_on_its_way_to_stop_gets_no_more_time_when_everything_stops() {
    for request in [Request::Restart, Request::Terminate] {
        let mut sim = Sim::running([permanent()]);
        sim.begin(0, request);
        assert_eq!(sim.pass(secs(2)), []);
        sim.input(Input::Stop);
        let late = [stop_timeout(0, false), killed(0, 1)];
        assert_eq!(sim.timed(secs(60)), late.map(|action| (secs(3), action)));
    }
}

#[test]
fn stops_of_several_removals_run_side_by_side_and_the_end_waits_for_all() {
    let mut sim = Sim::running(vec![permanent(); 3]);
    (0..3).for_each(|child| drop(sim.begin(child, Request::Remove)));
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked)]);
    for child in [0, 2] {
        assert_eq!(
            sim.fail(child),
            [stopped(child), ended(child, End::Removed), settle_stopped(child)]
        );
    }
    assert_eq!(sim.fail(1).last(), Some(&finish(StopCause::Asked)));
}

#[test]
fn a_second_stop_and_what_else_comes_too_late_change_nothing_at_all() {
    let mut sim = Sim::running(vec![permanent(); 2]);
    sim.input(Input::Stop);
    let before = sim.clone();
    assert_eq!([sim.input(Input::Stop), sim.input(Input::Resume)], [[], []]);
    assert_eq!(sim, before);

    sim.fail(1);
    sim.fail(0);
    let before = sim.clone();
    for input in [Input::Stop, Input::Kill, Input::Resume, Input::Tick] {
        assert_eq!(sim.input(input), []);
    }
    assert_eq!(sim, before);
}

#[test]
fn many_are_asked_at_once_in_slices_that_follow_each_other_without_waiting_for_any() {
    let mut sim = Sim::with(Settings { shutdown_order: ShutdownOrder::Concurrent, ..settings() });
    let (slice, many) = (stop::ASKED as u64, 2 * stop::ASKED as u64 + 1);
    sim.add_running((0..many).map(|_| permanent()));
    let asked_of = |children: std::ops::Range<u64>| children.map(|child| asked(child, 1));
    let first = [stop_begun(StopCause::Asked)].into_iter().chain(asked_of(0..slice));
    assert_eq!(sim.input(Input::Stop), first.collect::<Vec<_>>());
    assert_eq!(sim.machine.deadline(), Some(sim.now));
    // Whoever ends meanwhile has ended, asked or not.
    assert_eq!(sim.fail(0), stop_of(0));
    assert_eq!(sim.machine.state(), SupervisorState::Stopping);
    assert_eq!(sim.input(Input::Tick), asked_of(slice..2 * slice).collect::<Vec<_>>());
    assert_eq!(sim.input(Input::Tick), asked_of(2 * slice..many).collect::<Vec<_>>());
    assert!(sim.machine.deadline() > Some(sim.now));
    (1..many - 1).for_each(|child| assert_eq!(sim.fail(child), stop_of(child)));
    assert_eq!(sim.fail(many - 1), [&stop_of(many - 1)[..], &[finish(StopCause::Asked)]].concat());
}

#[test]
fn it_is_over_when_all_has_stopped_and_not_before() {
    let mut sim = Sim::running([permanent()]);
    assert!(!sim.machine.is_over());
    sim.input(Input::Stop);
    assert!(!sim.machine.is_over());
    sim.exit(0, ExitClass::Stopped);
    assert!(sim.machine.is_over());
}
