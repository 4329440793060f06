//! The meter reaches its limit, restarts pause, and go on.

use super::*;

/// A machine whose pause has begun by child 0, with these children beside it.
fn paused_with(others: usize, settings: Settings) -> Sim {
    let mut sim = Sim::with(settings);
    sim.add_running(vec![permanent(); 1 + others]);
    sim.pause_by(0);
    sim
}

/// How long the pause is that `seed` makes.
fn pause_of(seed: u64, jitter: f64) -> Duration {
    let sim = paused_with(0, Settings { seed, jitter, ..settings() });
    let until = sim.machine.deadline().expect("a pause has an end");
    assert_eq!(sim.machine.state(), SupervisorState::Paused { until });
    until - sim.now
}

#[test]
fn five_failures_at_one_instant_restart_and_the_sixth_pauses() {
    let mut sim = Sim::running([permanent()]);
    for failure in 1..=5 {
        let again = [failed(0, failure as f64), start(0, failure + 1)];
        assert_eq!(sim.fail(0), again);
        assert_eq!(sim.machine.state(), SupervisorState::Running);
    }
    assert_eq!(sim.fail(0), [failed(0, 6.0), paused(), down(0)]);
    assert_eq!(sim.machine.state(), SupervisorState::Paused { until: sim.now + PAUSE });
    assert_eq!(sim.state(0), Some(ChildState::BackingOff));
}

#[test]
fn failures_of_different_children_move_one_meter() {
    let mut sim = Sim::running(vec![permanent(); 6]);
    for child in 0..5 {
        assert_eq!(sim.fail(child), [failed(child, child as f64 + 1.0), start(child, 2)]);
    }
    assert_eq!(sim.fail(5), [failed(5, 6.0), paused(), down(5)]);
}

#[test]
fn a_failure_every_ten_seconds_for_an_hour_never_pauses() {
    let mut sim = Sim::running([permanent()]);
    for failure in 1..=360 {
        let actions = sim.fail(0);
        assert_eq!(actions, [failed(0, sim.failures()), start(0, failure + 1)]);
        assert!(sim.failures() <= 5.0);
        assert_eq!(sim.pass(secs(10)), []);
    }
}

#[test]
fn a_failure_every_nine_and_a_half_seconds_pauses_at_the_twentieth() {
    let mut sim = Sim::running([permanent()]);
    for failure in 1..=19 {
        let actions = sim.fail(0);
        assert_eq!(actions, [failed(0, sim.failures()), start(0, failure + 1)]);
        sim.pass(Duration::from_millis(9_500));
    }
    let actions = sim.fail(0);
    assert_eq!(actions, [failed(0, sim.failures()), paused(), down(0)]);
}

#[test]
fn a_meter_exactly_at_the_threshold_does_not_pause() {
    let mut sim = Sim::with(Settings { threshold: 1.0, ..settings() });
    sim.add_running([permanent()]);
    assert_eq!(sim.fail(0), [failed(0, 1.0), start(0, 2)]);
}

#[test]
fn a_threshold_of_zero_pauses_at_the_first_failure() {
    let mut sim = Sim::with(Settings { threshold: 0.0, ..settings() });
    sim.add_running([permanent()]);
    assert_eq!(sim.fail(0), [failed(0, 1.0), paused(), down(0)]);
}

#[test]
fn at_its_end_a_pause_restarts_what_waited_and_the_meter_is_zero() {
    let mut sim = paused_with(0, settings());
    assert_eq!(sim.timed(PAUSE), [(PAUSE, Action::PauseLeft), (PAUSE, start(0, 7))]);
    assert_eq!(sim.machine.state(), SupervisorState::Running);
    assert_eq!(sim.failures(), 0.0);
    assert_eq!(sim.machine.deadline(), None);
}

#[test]
fn a_pause_does_not_end_before_its_time() {
    let mut sim = paused_with(0, settings());
    sim.now += PAUSE - Duration::from_nanos(1);
    let before = sim.clone();
    assert_eq!(sim.input(Input::Tick), []);
    assert_eq!(sim, before);
}

#[test]
fn failures_during_a_pause_neither_move_its_end_nor_tell_of_another_pause() {
    let mut sim = paused_with(3, settings());
    let until = sim.machine.deadline();
    for child in 1..=3 {
        assert_eq!(sim.pass(secs(1)), []);
        let reading = sim.failures();
        assert_eq!(sim.fail(child), [failed(child, reading), down(child)]);
        assert_eq!(sim.failures(), reading, "what fails in a pause moves no meter");
        assert_eq!(sim.machine.deadline(), until);
    }
    let rest = until.unwrap() - sim.now;
    assert_eq!(rest, secs(12));
    let back = [Action::PauseLeft, start(0, 7), start(1, 2), start(2, 2), start(3, 2)];
    assert_eq!(sim.pass(rest), back);
    assert_eq!(sim.failures(), 0.0, "what failed in it is forgotten");
}

#[test]
fn after_a_pause_exactly_five_failures_fit_again() {
    let mut sim = paused_with(2, settings());
    (1..=2).for_each(|child| drop(sim.fail(child)));
    sim.pass(PAUSE);
    for failure in 1..=5 {
        let again = [failed(0, failure as f64), start(0, 7 + failure)];
        assert_eq!(sim.fail(0), again);
    }
    assert_eq!(sim.fail(0), [failed(0, 6.0), paused(), down(0)]);
}

#[test]
fn what_waits_is_restarted_in_the_order_in_which_it_failed() {
    let mut sim = paused_with(4, settings());
    for child in [3, 1, 4, 2] {
        assert_eq!(sim.fail(child), [failed(child, 6.0), down(child)]);
    }
    let back = [Action::PauseLeft, start(0, 7), start(3, 2), start(1, 2), start(4, 2), start(2, 2)];
    assert_eq!(sim.pass(PAUSE), back);
}

#[test]
fn what_is_removed_from_the_queue_never_starts_and_the_others_do_in_order() {
    let mut sim = paused_with(3, settings());
    for child in [3, 1, 2] {
        sim.fail(child);
    }
    let (progress, actions) = sim.request(1, Request::Remove);
    assert_eq!((progress, actions), (Ok(Progress::Done), vec![ended(1, End::Removed)]));
    assert_eq!(sim.state(1), None);
    assert_eq!(sim.pass(PAUSE), [Action::PauseLeft, start(0, 7), start(3, 2), start(2, 2)]);
}

#[test]
fn what_is_terminated_in_the_queue_stays_down_after_the_pause() {
    let mut sim = paused_with(1, settings());
    sim.fail(1);
    let (progress, actions) = sim.request(1, Request::Terminate);
    assert_eq!((progress, actions), (Ok(Progress::Done), vec![stopped(1)]));
    assert_eq!(sim.pass(PAUSE), [Action::PauseLeft, start(0, 7)]);
    assert_eq!(sim.state(1), Some(ChildState::Terminated));
}

#[test]
fn a_restart_on_request_takes_one_child_out_of_the_pause() {
    let mut sim = paused_with(2, settings());
    (1..=2).for_each(|child| drop(sim.fail(child)));
    let (progress, actions) = sim.request(1, Request::Restart);
    assert_eq!((progress, actions), (Ok(Progress::Done), vec![start(1, 2)]));
    assert!(sim.is_paused());
    // Failing again, it is the last in the queue.
    assert_eq!(sim.fail(1), [failed(1, 6.0), down(1)]);
    assert_eq!(sim.pass(PAUSE), [Action::PauseLeft, start(0, 7), start(2, 2), start(1, 3)]);
}

#[test]
fn a_child_that_is_added_during_a_pause_starts_at_once() {
    let mut sim = paused_with(0, settings());
    assert_eq!(sim.add(1, permanent()), [start(1, 1)]);
    assert!(sim.is_paused());
    assert_eq!(sim.ready(1), [ready(1)]);
}

#[test]
fn a_removed_child_that_fails_while_it_ends_moves_neither_the_meter_nor_the_state() {
    for exit in EXITS {
        let mut sim = Sim::running([permanent(), permanent()]);
        (0..5).for_each(|_| drop(sim.fail(0)));
        sim.begin(1, Request::Remove);
        let gone = [stopped(1), ended(1, End::Removed), settle_stopped(1)];
        assert_eq!(sim.exit(1, exit), gone, "{exit:?}");
        assert_eq!(sim.failures(), 5.0);
        assert_eq!(sim.machine.state(), SupervisorState::Running);
    }
}

#[test]
fn resume_ends_a_pause_now_and_only_a_pause() {
    let mut sim = paused_with(1, settings());
    sim.fail(1);
    assert_eq!(sim.input(Input::Resume), [Action::PauseLeft, start(0, 7), start(1, 2)]);
    assert_eq!((sim.failures(), sim.machine.deadline()), (0.0, None));

    sim.fail(0);
    let before = sim.clone();
    assert_eq!(sim.input(Input::Resume), []);
    assert_eq!(sim, before);
}

#[test]
fn a_pause_with_jitter_is_within_its_bounds_and_its_event_tells_its_length() {
    let lengths: Vec<Duration> = (0..200).map(|seed| pause_of(seed, 0.5)).collect();
    assert!(lengths.iter().all(|&pause| (PAUSE..PAUSE.mul_f64(1.5)).contains(&pause)));
    let (short, long) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
    assert!(*short < PAUSE.mul_f64(1.05) && *long > PAUSE.mul_f64(1.45), "{short:?} {long:?}");
    assert!((0..20).all(|seed| pause_of(seed, 0.0) == PAUSE));
}

#[test]
fn a_seed_repeats_every_pause_and_one_machine_does_not_repeat_itself() {
    let pauses = |seed| {
        let mut sim = paused_with(0, Settings { seed, jitter: 0.5, ..settings() });
        let mut pauses = vec![sim.machine.deadline().unwrap() - sim.now];
        for _ in 0..5 {
            sim.input(Input::Resume);
            sim.pause_by(0);
            pauses.push(sim.machine.deadline().unwrap() - sim.now);
        }
        pauses
    };
    assert_eq!(pauses(11), pauses(11));
    assert_ne!(pauses(11), pauses(12));
    assert!(pauses(11).windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_pause_longer_than_the_clock_can_tell_is_one_that_nobody_sees_the_end_of() {
    let mut sim = paused_with(0, Settings { pause: Duration::MAX, jitter: 1.0, ..settings() });
    let a_generation = secs(25 * 365 * 24 * 60 * 60);
    assert!(sim.machine.deadline().unwrap() - sim.now > a_generation);
    assert_eq!(sim.input(Input::Resume), [Action::PauseLeft, start(0, 7)]);
}

#[test]
fn a_pause_of_zero_is_over_at_the_next_tick() {
    let mut sim = paused_with(0, Settings { pause: Duration::ZERO, ..settings() });
    assert_eq!(sim.machine.deadline(), Some(sim.now));
    assert_eq!(sim.input(Input::Tick), [Action::PauseLeft, start(0, 7)]);
}

#[test]
fn the_restarts_after_a_pause_are_spread_evenly() {
    let mut sim = paused_with(4, Settings { spread: secs(10), ..settings() });
    (1..=4).for_each(|child| drop(sim.fail(child)));
    let back = [
        (PAUSE, Action::PauseLeft),
        (PAUSE, start(0, 7)),
        (PAUSE + secs(2), start(1, 2)),
        (PAUSE + secs(4), start(2, 2)),
        (PAUSE + secs(6), start(3, 2)),
        (PAUSE + secs(8), start(4, 2)),
    ];
    assert_eq!(sim.timed(secs(60)), back);
    assert_eq!(sim.machine.deadline(), None);
}

#[test]
fn a_child_whose_spread_restart_falls_into_the_next_pause_waits_for_its_end() {
    let mut sim = paused_with(1, Settings { spread: secs(10), ..settings() });
    sim.fail(1);
    assert_eq!(sim.input(Input::Resume), [Action::PauseLeft, start(0, 7)]);
    sim.pause_by(0);
    assert_eq!(sim.timed(secs(10)), []);
    assert_eq!(sim.state(1), Some(ChildState::BackingOff));
    assert_eq!(
        sim.timed(secs(60)),
        [(secs(5), Action::PauseLeft), (secs(5), start(0, 13)), (secs(10), start(1, 2))]
    );
}

#[test]
fn a_storm_of_restarts_comes_in_slices_and_in_order() {
    let mut sim = paused_with(299, settings());
    (1..300).for_each(|child| drop(sim.fail(child)));
    sim.now += PAUSE;
    let mut started = Vec::new();
    let mut ticks = 0;
    while sim.machine.deadline().is_some_and(|due| due <= sim.now) {
        let actions = sim.input(Input::Tick);
        assert!(actions.len() <= SLICE + 1);
        started.extend(actions);
        ticks += 1;
        assert!(ticks <= 3);
    }
    assert_eq!(ticks, 3);
    let others = (1..300).map(|child| start(child, 2));
    let all: Vec<_> = [Action::PauseLeft, start(0, 7)].into_iter().chain(others).collect();
    assert_eq!(started, all);
}

#[test]
fn the_threshold_is_told_as_it_was_set() {
    for threshold in [0.0, 1.0, 2.5] {
        let sim = Sim::with(Settings { threshold, ..settings() });
        assert_eq!(sim.machine.threshold(), threshold);
    }
}
