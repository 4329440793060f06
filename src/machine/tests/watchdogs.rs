//! Watchdogs: whether a thread is free is asked at known times, and a stuck one is found within its limit.

use super::{
    elsewhere::{abandoned, at, elsewhere, lost, nested, stops},
    *,
};

const WATCHDOG: Duration = secs(8);
/// From an answer to the next probe.
const QUIET: Duration = secs(2);

pub(super) fn watched() -> Terms {
    Terms { elsewhere: Some(Elsewhere { watchdog: Some(WATCHDOG) }), ..permanent() }
}

/// It may take its time to stop.
fn patient() -> Terms {
    Terms { shutdown: Shutdown::Infinite, ..watched() }
}

fn probe(child: u64, life: u64) -> Action {
    Action::Probe { child, life }
}

fn answer(sim: &mut Sim, child: u64) -> Vec<Action> {
    let life = sim.life(child);
    sim.input(Input::Alive { child, life })
}

fn unresponsive(child: u64, failures: f64, restarting: bool) -> Action {
    forced(child, Forced::Unresponsive(WATCHDOG), failures, restarting)
}

/// As [`Sim::timed`]; every probe is answered at once.
fn lively_for(sim: &mut Sim, time: Duration) -> Vec<(Duration, Action)> {
    let (from, to) = (sim.now, sim.now + time);
    let mut happened = Vec::new();
    while let Some(due) = sim.machine.deadline().filter(|&due| due <= to) {
        sim.now = due;
        for action in sim.input(Input::Tick) {
            if let Action::Probe { child, .. } = action {
                assert_eq!(answer(sim, child), []);
            }
            happened.push((due - from, action));
        }
    }
    sim.now = to;
    happened
}

#[test]
fn a_start_counts_as_a_probe() {
    for is_ready in [false, true] {
        let mut sim = Sim::new();
        sim.add(0, watched());
        assert_eq!(sim.machine.deadline(), Some(sim.now + WATCHDOG));
        if is_ready {
            // That it is ready is no answer.
            sim.ready(0);
        }
        assert_eq!(sim.timed(secs(100)), at(WATCHDOG, [abandoned(0, 1)]));
        assert_eq!(sim.machine.deadline(), None);
        let again = [unresponsive(0, 1.0, true), start(0, 2), settle_stopped(0)];
        assert_eq!(sim.exit(0, ExitClass::Stopped), again);
        assert_eq!(sim.timed(secs(100)), at(WATCHDOG, [abandoned(0, 2)]));
    }
}

#[test]
fn a_quarter_of_the_limit_after_an_answer_it_is_asked_again_and_has_the_whole_limit_to_answer() {
    for after in [Duration::ZERO, secs(3), WATCHDOG] {
        let mut sim = Sim::running([watched()]);
        sim.now += after;
        assert_eq!(answer(&mut sim, 0), []);
        let mut happens = at(QUIET, [probe(0, 1)]);
        happens.extend(at(QUIET + WATCHDOG, [abandoned(0, 1)]));
        assert_eq!(sim.timed(secs(100)), happens, "{after:?}");
    }
}

#[test]
fn one_that_answers_is_asked_for_ever_and_nothing_else_happens() {
    let mut sim = Sim::running([watched()]);
    answer(&mut sim, 0);
    let probes = lively_for(&mut sim, secs(3_600));
    let expected = (1..=1_800).map(|turn| (QUIET * turn, probe(0, 1)));
    assert_eq!(probes, expected.collect::<Vec<_>>());
    assert_eq!(sim.state(0), Some(ChildState::Running));
}

#[test]
fn a_tick_that_is_late_asks_late_and_an_answer_is_in_time_as_long_as_no_tick_was() {
    let mut sim = Sim::running([watched()]);
    answer(&mut sim, 0);
    sim.now += secs(60);
    assert_eq!(sim.input(Input::Tick), [probe(0, 1)]);
    assert_eq!(sim.machine.deadline(), Some(sim.now + WATCHDOG));
    sim.now += secs(60);
    assert_eq!(answer(&mut sim, 0), []);
    assert_eq!(sim.input(Input::Tick), []);
    assert_eq!(sim.machine.deadline(), Some(sim.now + QUIET));
}

#[test]
fn an_answer_to_nothing_or_of_another_life_or_of_nobody_changes_nothing_at_all() {
    let mut sim = Sim::running([watched(), elsewhere(), permanent(), watched()]);
    sim.fail(0);
    answer(&mut sim, 3);
    let before = sim.clone();
    // The first one has yet to answer in its second life, the last one has answered.
    let strangers = [(0, 1), (0, 0), (0, 3), (1, 1), (2, 1), (3, 1), (3, 0), (4, 1)];
    for (child, life) in strangers {
        assert_eq!(sim.input(Input::Alive { child, life }), []);
        assert_eq!(sim, before, "{child} {life}");
    }
}

#[test]
fn watched_children_share_one_timer_and_one_that_is_down_has_none() {
    let mut sim = Sim::new();
    let begin = sim.now;
    for child in 0..3 {
        sim.add(child, watched());
        sim.pass(secs(1));
    }
    assert_eq!(sim.machine.deadline(), Some(begin + WATCHDOG));
    (0..2).for_each(|child| drop(answer(&mut sim, child)));
    assert_eq!(sim.machine.deadline(), Some(sim.now + QUIET));
    for child in 0..3 {
        assert!(sim.machine.deadline().is_some());
        sim.begin(child, Request::Terminate);
        sim.exit(child, ExitClass::Stopped);
    }
    assert_eq!(sim.machine.deadline(), None);
    sim.begin(1, Request::Restart);
    assert_eq!(sim.machine.deadline(), Some(sim.now + WATCHDOG));
    assert_eq!(Sim::running([elsewhere(), permanent()]).machine.deadline(), None);
}

#[test]
fn one_that_hangs_while_it_stops_is_found_by_its_watchdog_whatever_its_own_limit_is() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(patient(), is_ready, mode);
        let mut happens = why.keeps_its_limit(mode);
        happens.extend(at(WATCHDOG, lost(1, 1)));
        assert_eq!(sim.timed(secs(100)), happens, "{why:?} {mode:?}");
        assert_eq!(sim.exit(1, ExitClass::Failed), why.end(mode), "{why:?} {mode:?}");
    }
}

#[test]
fn one_that_answers_while_it_stops_has_all_the_time_that_its_limit_gives() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(patient(), is_ready, mode);
        answer(&mut sim, 1);
        let mut happens = lively_for(&mut sim, secs(100));
        happens.retain(|(_, action)| *action != probe(1, 1));
        assert_eq!(happens, why.keeps_its_limit(mode), "{why:?} {mode:?}");
        assert_eq!(sim.exit(1, ExitClass::Stopped), why.end(mode), "{why:?} {mode:?}");
    }
}

#[test]
fn a_kill_has_as_long_as_the_watchdog_and_what_is_found_first_is_told_alone() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(watched(), is_ready, mode);
        let mut late = why.keeps_its_limit(mode);
        late.extend(at(LIMIT, [killed(1, 1)]));
        let mut lively = sim.clone();

        // It has not said that it runs.
        let mut stuck = late.clone();
        stuck.extend(at(WATCHDOG, lost(1, 1)));
        assert_eq!(sim.timed(secs(100)), stuck, "{why:?} {mode:?}");
        assert_eq!(sim.fail(1), why.end(mode), "{why:?} {mode:?}");

        // Its thread answers, and does not drop it.
        answer(&mut lively, 1);
        let mut happens = lively_for(&mut lively, secs(100));
        happens.retain(|(_, action)| *action != probe(1, 1));
        late.extend(at(LIMIT + WATCHDOG, lost(1, 1)));
        assert_eq!(happens, late, "{why:?} {mode:?}");
        assert_eq!(lively.fail(1), why.end(mode), "{why:?} {mode:?}");
    }
}

#[test]
fn a_kill_on_request_that_the_watchdog_overtakes_is_a_kill() {
    let mut sim = Sim::running([watched()]);
    sim.pass(secs(1));
    sim.begin(0, Request::Kill);
    assert_eq!(sim.timed(secs(100)), at(secs(7), lost(0, 1)));
    let end = [forced(0, Forced::Killed, 1.0, true), start(0, 2), settle_stopped(0)];
    assert_eq!(sim.fail(0), end);
}

#[test]
fn what_is_found_to_be_stuck_has_failed_and_what_follows_is_up_to_its_policy_and_its_rule() {
    use Decision::{Escalate, Restart};
    use RestartPolicy::*;
    let back = [unresponsive(1, 1.0, true), start(1, 2)];
    let gone = [unresponsive(1, 0.0, false), ended(1, End::Failed)];
    let cause = StopCause::Escalated { child: 1 };
    let escalated = [unresponsive(1, 0.0, false), released(1), stop_begun(cause)];
    let table = [
        (Permanent, None, back.to_vec()),
        (Transient, None, back.to_vec()),
        (Temporary, None, gone.to_vec()),
        (Temporary, Some(Restart), back.to_vec()),
        (Permanent, Some(Decision::End), gone.to_vec()),
        (Permanent, Some(Escalate), escalated.to_vec()),
    ];
    for (policy, decision, mut end) in table {
        let mut sim = Sim::running([permanent(), Terms { policy, ..watched() }]);
        assert_eq!(sim.pass(WATCHDOG), [abandoned(1, 1)]);
        assert_eq!(sim.machine.forced(1), Some(Forced::Unresponsive(WATCHDOG)));
        assert!(sim.machine.decides(1, 1, ExitClass::Failed));
        let exit = Input::Exited { child: 1, life: 1, exit: ExitClass::Failed, decision };
        end.push(settle_stopped(1));
        if decision == Some(Escalate) {
            end.push(asked(0, 1));
        }
        assert_eq!(sim.input(exit), end, "{policy:?} {decision:?}");
    }
}

#[test]
fn one_on_trial_that_is_found_to_be_stuck_is_not_kept() {
    let mut sim = Sim::new();
    sim.add_on_trial(0, watched());
    assert_eq!(sim.pass(WATCHDOG), [abandoned(0, 1)]);
    let failed = settle(0, Wait::Ready, Settled::Failed);
    let end = [unresponsive(0, 0.0, false), failed, ended(0, End::Failed), settle_stopped(0)];
    assert_eq!(sim.fail(0), end);
}

#[test]
fn one_that_is_found_to_be_stuck_in_a_pause_waits_for_its_end_and_is_not_counted() {
    let mut sim = Sim::running([permanent(), watched()]);
    sim.pause_by(0);
    assert_eq!(sim.pass(WATCHDOG), [abandoned(1, 1)]);
    let reading = sim.failures();
    assert_eq!(sim.fail(1), [unresponsive(1, reading, true), down(1), settle_stopped(1)]);
    assert_eq!(sim.pass(PAUSE - WATCHDOG), [Action::PauseLeft, start(0, 7), start(1, 2)]);
}

#[test]
fn one_that_is_found_to_be_stuck_takes_its_group_down() {
    let mut sim = Sim::with(Settings { strategy: Strategy::RestForOne, ..settings() });
    sim.add_running([permanent(), watched(), permanent()]);
    assert_eq!(sim.pass(WATCHDOG), [abandoned(1, 1)]);
    let down = [unresponsive(1, 1.0, true), down(1), settle_stopped(1), asked(2, 1)];
    assert_eq!(sim.fail(1), down);
    assert_eq!(sim.fail(2).last(), Some(&start(1, 2)));
    // While the others wait for it, too.
    assert_eq!(sim.pass(WATCHDOG), [abandoned(1, 2)]);
    let reading = sim.failures();
    let again = [unresponsive(1, reading + 1.0, true), Action::Down { child: 1 }];
    assert_eq!(sim.fail(1), [&again[..], &[settle_stopped(1), start(1, 3)]].concat());
}

#[test]
fn one_that_is_found_to_be_stuck_before_its_turn_to_stop_comes_back_with_its_supervisor() {
    let infinite = Terms { shutdown: Shutdown::Infinite, ..permanent() };
    for policy in POLICIES {
        let mut sim = Sim::running([Terms { policy, ..watched() }, infinite.clone()]);
        sim.input(Input::Stop);
        assert_eq!(sim.timed(secs(100)), at(WATCHDOG, [abandoned(0, 1)]));
        // No decision is asked for.
        assert!(!sim.machine.decides(0, 1, ExitClass::Failed));
        let end = [unresponsive(0, 0.0, false), released(0), settle_stopped(0)];
        assert_eq!(sim.fail(0), end);
        assert_eq!(sim.fail(1), [&stop_of(1)[..], &[finish(StopCause::Asked)]].concat());
    }
}

#[test]
fn a_stop_that_crosses_the_end_of_one_that_was_found_to_be_stuck_takes_it_along() {
    let mut sim = Sim::running([watched()]);
    sim.pass(WATCHDOG);
    assert_eq!(sim.input(Input::Stop), [stop_begun(StopCause::Asked)]);
    assert_eq!(sim.fail(0), [&stop_of(0)[..], &[finish(StopCause::Asked)]].concat());
}

#[test]
fn two_that_are_found_to_be_stuck_at_once_are_given_up_once_each() {
    let mut sim = Sim::new();
    sim.add(0, watched());
    sim.add(1, watched());
    assert_eq!(sim.pass(WATCHDOG), [abandoned(0, 1), abandoned(1, 1)]);
    assert_eq!(sim.fail(0), [unresponsive(0, 1.0, true), start(0, 2), settle_stopped(0)]);
    // They were on the same thread.
    let before = sim.clone();
    assert_eq!(sim.input(Input::Move { child: 1, life: 1 }), []);
    assert_eq!(sim, before);
    assert_eq!(sim.fail(1), [unresponsive(1, 2.0, true), start(1, 2), settle_stopped(1)]);
}

fn stuck(sim: &mut Sim, child: u64, life: u64, over: u64) -> Vec<Action> {
    assert_eq!(sim.machine.silent(sim.now), Some(over));
    sim.input(Input::Stuck { child, life, over })
}

#[test]
fn a_tick_gives_up_one_so_that_others_on_its_thread_can_move_before_the_next() {
    let mut sim = Sim::running([watched(), watched(), watched()]);
    let before = sim.now;
    sim.now += WATCHDOG - Duration::from_nanos(1);
    assert_eq!(sim.machine.silent(sim.now), None);
    sim.now = before + WATCHDOG;
    assert_eq!(sim.machine.silent(sim.now), Some(0));
    assert_eq!(sim.input(Input::Tick), [abandoned(0, 1)]);
    assert_eq!(sim.input(Input::Move { child: 1, life: 1 }), [abandoned(1, 1)]);
    assert_eq!(sim.machine.silent(sim.now), Some(2));
    assert_eq!(answer(&mut sim, 2), []);
    assert_eq!((sim.input(Input::Tick), sim.machine.silent(sim.now)), (vec![], None));
    let moved = [stopped(1), start(1, 2), settle(1, Wait::Started, Settled::Done)];
    assert_eq!(sim.fail(1), [&moved[..], &[settle_stopped(1)]].concat());
    assert_eq!(sim.fail(0), [unresponsive(0, 1.0, true), start(0, 2), settle_stopped(0)]);
}

#[test]
fn what_is_due_before_one_that_does_not_answer_is_served_in_a_tick_of_its_own() {
    let mut sim = Sim::running([watched(), watched()]);
    sim.pass(WATCHDOG - QUIET);
    answer(&mut sim, 0);
    sim.now += QUIET;
    // The one was to be asked a moment after the other one was to have answered.
    assert_eq!(sim.input(Input::Tick), [abandoned(1, 1)]);
    assert_eq!(sim.input(Input::Tick), [probe(0, 1)]);
    let mut sim = Sim::running([watched()]);
    sim.pass(secs(1));
    sim.add(1, watched());
    answer(&mut sim, 0);
    sim.now += secs(60);
    assert_eq!(sim.input(Input::Tick), [probe(0, 1)]);
    assert_eq!(sim.machine.silent(sim.now), Some(1));
    assert_eq!(sim.input(Input::Tick), [abandoned(1, 1)]);
}

#[test]
fn it_is_the_stuck_one_that_has_failed_and_not_the_one_that_does_not_answer() {
    for terms in [elsewhere(), Terms { shutdown: Shutdown::Kill, ..watched() }] {
        let mut sim = Sim::running([watched(), terms]);
        sim.now += WATCHDOG;
        assert_eq!(stuck(&mut sim, 1, 1, 0), [abandoned(1, 1)]);
        assert_eq!(sim.machine.forced(1), Some(Forced::Unresponsive(WATCHDOG)));
        assert_eq!(sim.input(Input::Move { child: 0, life: 1 }), [abandoned(0, 1)]);
        assert_eq!(sim.fail(1), [unresponsive(1, 1.0, true), start(1, 2), settle_stopped(1)]);
        let moved = [stopped(0), start(0, 2), settle(0, Wait::Started, Settled::Done)];
        assert_eq!(sim.fail(0), [&moved[..], &[settle_stopped(0)]].concat());
    }
}

#[test]
fn a_stuck_one_that_is_on_its_way_to_stop_goes_that_way() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(patient(), is_ready, mode);
        answer(&mut sim, 1);
        sim.add(9, watched());
        sim.now += WATCHDOG;
        // It is asked, and others are over their limits.
        for _ in 0..4 {
            if sim.machine.silent(sim.now).is_none() {
                sim.input(Input::Tick);
            }
        }
        assert_eq!(stuck(&mut sim, 1, 1, 9), lost(1, 1), "{why:?} {mode:?}");
    }
}

#[test]
fn where_the_stuck_one_is_gone_or_cannot_be_given_up_the_one_that_does_not_answer_has_failed() {
    // Of an earlier life, nobody, one that runs here, and a supervisor.
    for (child, life) in [(1, 1), (1, 0), (4, 1), (2, 1), (3, 1)] {
        let mut sim = Sim::new();
        sim.add_running([permanent(), elsewhere(), permanent(), nested()]);
        sim.add(5, watched());
        sim.fail(1);
        sim.now += WATCHDOG;
        let given_up = stuck(&mut sim, child, life, 5);
        assert_eq!(given_up, [abandoned(5, 1)], "{child} {life}");
    }
}

#[test]
fn a_spec_without_a_watchdog_ends_the_watch_at_once_and_one_with_another_begins_at_the_next_start()
{
    let mut sim = Sim::running([watched()]);
    sim.input(Input::Retune { child: 0, terms: elsewhere().into() });
    assert_eq!(sim.machine.deadline(), None);
    assert_eq!(answer(&mut sim, 0), []);
    sim.input(Input::Retune { child: 0, terms: watched().into() });
    // What has answered by then, to nobody, is not given up.
    assert_eq!(sim.timed(secs(100)), []);
    sim.begin(0, Request::Renew);
    sim.fail(0);
    assert_eq!(sim.timed(secs(100)), at(WATCHDOG, [abandoned(0, 2)]));
    sim.input(Input::Retune { child: 0, terms: elsewhere().into() });
    sim.fail(0);
    assert_eq!(sim.machine.deadline(), None);
}

#[test]
fn another_limit_holds_from_the_next_probe_on() {
    let mut sim = Sim::running([watched()]);
    let limit = secs(20);
    let terms = Terms { elsewhere: Some(Elsewhere { watchdog: Some(limit) }), ..watched() };
    sim.input(Input::Retune { child: 0, terms: terms.into() });
    assert_eq!(sim.machine.deadline(), Some(sim.now + WATCHDOG));
    answer(&mut sim, 0);
    let mut happens = at(limit / 4, [probe(0, 1)]);
    happens.extend(at(limit / 4 + limit, [abandoned(0, 1)]));
    assert_eq!(sim.timed(secs(100)), happens);
    assert_eq!(sim.machine.forced(0), Some(Forced::Unresponsive(limit)));
}

#[test]
fn who_waits_for_its_turn_is_silent_a_limit_after_its_thread_has_last_turned_to_anybody() {
    let mut sim = Sim::new();
    sim.add(0, watched());
    let turned = sim.now + secs(3);
    sim.now += WATCHDOG;
    assert_eq!(sim.machine.silent(sim.now), Some(0));
    assert!(sim.machine.waits_for_its_turn(0, turned, sim.now));
    assert_eq!(sim.machine.silent(sim.now), None);
    assert_eq!(sim.machine.deadline(), Some(turned + WATCHDOG));

    sim.now = turned + WATCHDOG;
    assert_eq!(sim.machine.silent(sim.now), Some(0));
    assert!(!sim.machine.waits_for_its_turn(0, turned, sim.now));
    assert_eq!(sim.input(Input::Tick), [abandoned(0, 1)]);
}

#[test]
fn one_that_is_down_or_was_given_up_already_is_not_found_to_be_stuck() {
    let mut sim = Sim::new();
    sim.add_running([elsewhere(), elsewhere()]);
    sim.add(2, watched());
    sim.begin(0, Request::Terminate);
    sim.exit(0, ExitClass::Stopped);
    sim.input(Input::Move { child: 1, life: 1 });
    sim.now += WATCHDOG;
    for child in [0, 1] {
        assert_eq!(stuck(&mut sim.clone(), child, 1, 2), [abandoned(2, 1)], "{child}");
    }
}
