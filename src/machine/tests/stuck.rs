//! Stuck threads: everything stops all the same, siblings leave them, and only nested supervisors stay behind.

use super::{
    elsewhere::{GRACE, GRACE_OF_SUPERVISORS, Why, abandoned, at, elsewhere, lost, nested, stops},
    situations::Mode,
    *,
};

const HALF: Duration = Duration::from_millis(500);

/// As [`Sim::timed`]; what is given up is reported to have ended at once.
pub(super) fn stuck_for(sim: &mut Sim, time: Duration) -> Vec<(Duration, Action)> {
    let (from, to) = (sim.now, sim.now + time);
    let mut happened = Vec::new();
    while let Some(due) = sim.machine.deadline().filter(|&due| due <= to) {
        sim.now = due;
        let mut actions = sim.input(Input::Tick);
        for action in actions.clone() {
            if let Action::Abandon { child, life } = action {
                assert_eq!(sim.life(child), life);
                actions.extend(sim.fail(child));
            }
        }
        happened.extend(actions.into_iter().map(|action| (due - from, action)));
    }
    sim.now = to;
    happened
}

fn lost_with_the_rest(child: u64) -> Vec<Action> {
    [&lost(child, 1)[..], &stop_of(child)].concat()
}

#[test]
fn a_stop_in_reverse_order_takes_no_longer_than_all_limits_if_all_threads_are_stuck() {
    let mut sim = Sim::running(vec![elsewhere(); 3]);
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked), asked(2, 1)]);
    let mut happens = Vec::new();
    for (turn, child) in (0_u32..).zip([2, 1, 0]) {
        let begins = (LIMIT + GRACE) * turn;
        happens.extend(at(begins + LIMIT, [killed(child, 1)]));
        let mut end = lost_with_the_rest(child);
        end.push(match child {
            0 => finish(StopCause::Asked),
            child => asked(child - 1, 1),
        });
        happens.extend(end.into_iter().map(|action| (begins + LIMIT + GRACE, action)));
    }
    assert_eq!(stuck_for(&mut sim, secs(1_000)), happens);
    assert_eq!(sim.machine.left_behind().count(), 0);
    assert_eq!(sim.machine.deadline(), None);
}

#[test]
fn a_concurrent_stop_takes_one_limit_if_all_threads_are_stuck() {
    let settings = Settings { shutdown_order: ShutdownOrder::Concurrent, ..settings() };
    let mut sim = Sim::with(settings);
    sim.add_running(vec![elsewhere(); 3]);
    sim.input(Input::Stop);
    let mut happens = at(LIMIT, [killed(0, 1), killed(1, 1), killed(2, 1)]);
    let lost = [0, 1, 2].map(|child| lost(child, 1)).concat();
    let rest = [0, 1, 2].map(stop_of).concat();
    let end = [lost, rest, vec![finish(StopCause::Asked)]].concat();
    happens.extend(end.into_iter().map(|action| (LIMIT + GRACE, action)));
    assert_eq!(stuck_for(&mut sim, secs(1_000)), happens);
}

#[test]
fn a_kill_of_everything_takes_a_second_if_all_threads_are_stuck() {
    let infinite = Terms { shutdown: Shutdown::Infinite, ..elsewhere() };
    let mut sim = Sim::running([elsewhere(), infinite, elsewhere()]);
    assert_eq!(sim.input(Input::Kill), [killed(2, 1), killed(1, 1), killed(0, 1)]);
    let before = sim.clone();
    assert_eq!(sim.input(Input::Kill), []);
    assert_eq!(sim, before);
    let lost = [2, 1, 0].map(|child| lost(child, 1)).concat();
    let rest = [2, 1, 0].map(stop_of).concat();
    let end = [lost, rest, vec![finish(StopCause::Killed)]].concat();
    let end: Vec<_> = end.into_iter().map(|action| (GRACE, action)).collect();
    assert_eq!(stuck_for(&mut sim, secs(1_000)), end);
}

#[test]
fn a_kill_of_everything_in_the_middle_of_a_stop_gives_nobody_more_time() {
    for end_is_told in [false, true] {
        let mut sim = Sim::running(vec![elsewhere(); 3]);
        sim.input(Input::Stop);
        assert_eq!(sim.pass(LIMIT), [killed(2, 1)]);
        sim.pass(HALF);
        // It has been killed; how long that takes is counted from then.
        assert_eq!(sim.input(Input::Kill), [killed(1, 1), killed(0, 1)]);
        if end_is_told {
            let late = [&[stop_timeout(2, false)][..], &stop_of(2)].concat();
            assert_eq!(sim.fail(2), late);
            assert_eq!(sim.fail(0), stop_of(0));
        } else {
            assert_eq!(sim.timed(HALF), at(HALF, lost(2, 1)));
            assert_eq!(sim.fail(2), stop_of(2));
            assert_eq!(sim.fail(0), stop_of(0));
            assert_eq!(sim.timed(HALF), at(HALF, lost(1, 1)));
        }
        let last = [&stop_of(1)[..], &[finish(StopCause::Killed)]].concat();
        assert_eq!(sim.fail(1), last);
    }
}

#[test]
fn a_kill_of_everything_ends_one_that_stops_for_any_reason() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(elsewhere(), is_ready, mode);
        let actions = sim.input(Input::Kill);
        let kills = |action: &&Action| matches!(action, Action::Kill { child: 1, .. });
        assert_eq!(actions.iter().filter(kills).count(), 1, "{why:?} {mode:?}");
        let mut end = vec![stopped(1)];
        match why {
            Why::Request(Request::Remove) => end.push(ended(1, End::Removed)),
            Why::Request(_) | Why::Group | Why::Stop(_) => end.push(released(1)),
        }
        end.push(settle_stopped(1));
        if mode == Mode::Paused || why == Why::Group {
            // Nobody else is up.
            end.push(finish(StopCause::Killed));
        }
        let mut other = sim.clone();
        assert_eq!(other.fail(1), end, "{why:?} {mode:?}");
        assert_eq!(sim.timed(GRACE), at(GRACE, lost(1, 1)), "{why:?} {mode:?}");
        assert_eq!(sim.fail(1), end, "{why:?} {mode:?}");
    }
}

#[test]
fn a_nested_supervisor_on_a_stuck_thread_is_left_behind_ten_seconds_after_its_kill() {
    let mut sim = Sim::running([permanent(), nested()]);
    assert_eq!(sim.begin(1, Request::Kill), [killed(1, 1)]);
    assert_eq!(sim.timed(secs(100)), at(GRACE_OF_SUPERVISORS, given_up(1)));
    assert_eq!((sim.machine.overdue().count(), sim.machine.deadline()), (1, None));
    let end = [forced(1, Forced::Killed, 1.0, true), start(1, 2), settle_stopped(1)];
    assert_eq!(sim.fail(1), end);
    assert_eq!(sim.machine.overdue().count(), 0);
}

#[test]
fn a_nested_supervisor_that_is_left_behind_is_not_killed_or_told_of_again() {
    let mut sim = Sim::running([permanent(), nested()]);
    sim.begin(1, Request::Terminate);
    let mut late = at(LIMIT, [killed(1, 1)]);
    late.extend(at(LIMIT + GRACE_OF_SUPERVISORS, given_up(1)));
    assert_eq!(sim.timed(secs(100)), late);
    let before = sim.clone();
    assert_eq!(sim.request(1, Request::Kill), (Ok(Progress::Overdue), vec![]));
    assert_eq!(sim.input(Input::Move { child: 1, life: 1 }), []);
    assert_eq!(sim, before);
    assert_eq!(sim.request(1, Request::Restart), (Ok(Progress::Overdue), vec![]));

    let mut other = sim.clone();
    assert_eq!(sim.fail(1), Why::Request(Request::Restart).end(Mode::Running));
    assert_eq!(sim.machine.overdue().count(), 0);
    let stop = [settle(1, Wait::Started, Settled::Stopping), killed(0, 1)];
    assert_eq!(other.input(Input::Kill), stop);
    assert_eq!(other.fail(0), [&stop_of(0)[..], &[finish(StopCause::Killed)]].concat());
    assert_eq!(other.machine.left_behind().collect::<Vec<_>>(), [1]);
    // It comes back when nobody waits any more.
    assert_eq!(other.fail(1), stop_of(1));
    assert_eq!(other.machine.overdue().count(), 0);
}

#[test]
fn a_nested_supervisor_that_ends_late_is_told_of_when_it_has_ended() {
    let mut sim = Sim::running([nested()]);
    sim.begin(0, Request::Terminate);
    sim.pass(LIMIT + GRACE_OF_SUPERVISORS - Duration::from_nanos(1));
    let end = [stop_timeout(0, false), stopped(0), down(0), settle_stopped(0)];
    assert_eq!(sim.fail(0), end);
}

#[test]
fn a_stop_passes_a_nested_supervisor_on_a_stuck_thread_by() {
    let mut sim = Sim::running([permanent(), nested(), permanent()]);
    sim.input(Input::Stop);
    sim.fail(2);
    let mut late = at(LIMIT, [killed(1, 1)]);
    late.extend(at(LIMIT + GRACE_OF_SUPERVISORS, given_up(1)));
    late.extend(at(LIMIT + GRACE_OF_SUPERVISORS, [asked(0, 1)]));
    assert_eq!(sim.timed(LIMIT + GRACE_OF_SUPERVISORS), late);
    assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(StopCause::Asked)]].concat());
    assert_eq!(sim.machine.left_behind().collect::<Vec<_>>(), [1]);

    let mut sim = Sim::running([nested(), permanent()]);
    assert_eq!(sim.input(Input::Kill), [killed(1, 1), killed(0, 1)]);
    sim.fail(1);
    let mut late = given_up(0).to_vec();
    late.push(finish(StopCause::Killed));
    assert_eq!(sim.pass(GRACE_OF_SUPERVISORS), late);
}

#[test]
fn a_group_goes_on_without_a_nested_supervisor_on_a_stuck_thread() {
    let mut sim = Sim::with(Settings { strategy: Strategy::OneForAll, ..settings() });
    sim.input(Input::Start);
    sim.add_running([permanent(), nested(), permanent()]);
    sim.fail(0);
    sim.fail(2);
    let over = [&given_up(1)[..], &[start(0, 2)]].concat();
    assert_eq!(sim.pass(LIMIT + GRACE_OF_SUPERVISORS), [&[killed(1, 1)][..], &over].concat());
    assert_eq!(sim.ready(0), [ready(0), start(2, 2)]);
    assert_eq!(sim.ready(2), [ready(2)]);
    assert_eq!(sim.fail(1), [stopped(1), down(1), start(1, 2), settle_stopped(1)]);
}

#[test]
fn a_group_waits_for_one_on_a_stuck_thread_until_it_is_given_up() {
    let mut sim = Sim::with(Settings { strategy: Strategy::OneForAll, ..settings() });
    sim.input(Input::Start);
    sim.add_running([permanent(), elsewhere(), permanent()]);
    sim.fail(0);
    sim.fail(2);
    assert_eq!(sim.pass(LIMIT + GRACE), [&[killed(1, 1)][..], &lost(1, 1)].concat());
    assert_eq!(sim.fail(1), [stopped(1), down(1), settle_stopped(1), start(0, 2)]);
    assert_eq!(sim.ready(0), [ready(0), start(1, 2)]);
}

#[test]
fn one_that_ran_elsewhere_is_given_up_though_its_spec_says_otherwise_by_now() {
    let mut sim = Sim::running([permanent(), elsewhere()]);
    assert_eq!(sim.input(Input::Retune { child: 1, terms: permanent().into() }), []);
    let mut moved = sim.clone();
    assert_eq!(sim.begin(1, Request::Renew), [asked(1, 1)]);
    let mut late = at(LIMIT, [killed(1, 1)]);
    late.extend(at(LIMIT + GRACE, lost(1, 1)));
    assert_eq!(sim.timed(secs(60)), late);
    let restarted = Why::Request(Request::Restart).end(Mode::Running);
    assert_eq!(sim.fail(1), restarted);
    // From now on it runs here.
    sim.begin(1, Request::Terminate);
    assert_eq!(sim.timed(secs(60)), at(LIMIT, [stop_timeout(1, false), killed(1, 2)]));

    assert_eq!(moved.input(Input::Move { child: 1, life: 1 }), [abandoned(1, 1)]);
    assert_eq!(moved.fail(1), restarted);
}

#[test]
fn one_that_ran_here_is_killed_for_certain_though_its_spec_says_otherwise_by_now() {
    let mut sim = Sim::running([permanent(), permanent()]);
    assert_eq!(sim.input(Input::Retune { child: 1, terms: elsewhere().into() }), []);
    let before = sim.clone();
    assert_eq!(sim.input(Input::Move { child: 1, life: 1 }), []);
    assert_eq!(sim, before);
    assert_eq!(sim.begin(1, Request::Renew), [asked(1, 1)]);
    assert_eq!(sim.timed(secs(60)), at(LIMIT, [stop_timeout(1, false), killed(1, 1)]));
    assert_eq!(sim.fail(1), Why::Request(Request::Restart).end(Mode::Running));
    sim.begin(1, Request::Terminate);
    let mut late = at(LIMIT, [killed(1, 2)]);
    late.extend(at(LIMIT + GRACE, lost(1, 2)));
    assert_eq!(sim.timed(secs(60)), late);
}
