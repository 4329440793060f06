//! First starts: in time or not, and on trial.

use super::*;

const START_LIMIT: Duration = secs(3);

/// It has this long to be ready.
fn hurried() -> Terms {
    Terms { start_timeout: Some(START_LIMIT), ..permanent() }
}

fn timed_out(child: u64, failures: f64, restarting: bool) -> Action {
    forced(child, Forced::StartTimeout(START_LIMIT), failures, restarting)
}

#[test]
fn a_start_that_takes_too_long_is_killed_and_is_a_failure() {
    let mut sim = Sim::new();
    sim.add(0, hurried());
    assert_eq!(sim.timed(secs(60)), [(START_LIMIT, killed(0, 1))]);
    // However it says that it has ended, and though it says that it is ready.
    assert_eq!(sim.ready(0), []);
    let again = [timed_out(0, 1.0, true), start(0, 2), settle_stopped(0)];
    assert_eq!(sim.exit(0, ExitClass::Finished), again);
}

#[test]
fn each_incarnation_has_the_whole_start_timeout() {
    let mut sim = Sim::new();
    sim.add(0, hurried());
    assert_eq!(sim.pass(secs(2)), []);
    assert_eq!(sim.fail(0), [failed(0, 1.0), start(0, 2)]);
    assert_eq!(sim.timed(secs(60)), [(START_LIMIT, killed(0, 2))]);
}

#[test]
fn a_child_that_is_ready_in_time_has_no_timer_left() {
    let mut sim = Sim::new();
    sim.add(0, hurried());
    assert_eq!(sim.machine.deadline(), Some(sim.now + START_LIMIT));
    assert_eq!(sim.pass(START_LIMIT - Duration::from_nanos(1)), []);
    assert_eq!(sim.ready(0), [ready(0)]);
    assert_eq!(sim.machine.deadline(), None);
    assert_eq!(sim.pass(secs(60)), []);
}

#[test]
fn a_start_that_takes_too_long_during_a_pause_waits_for_its_end() {
    let mut sim = Sim::running([permanent()]);
    sim.pause_by(0);
    assert_eq!(sim.add(1, hurried()), [start(1, 1)]);
    assert_eq!(sim.timed(secs(4)), [(START_LIMIT, killed(1, 1))]);
    let reading = sim.failures();
    let waits = [timed_out(1, reading, true), down(1), settle_stopped(1)];
    assert_eq!(sim.fail(1), waits);
    assert_eq!(sim.pass(secs(11)), [Action::PauseLeft, start(0, 7), start(1, 2)]);
}

#[test]
fn a_temporary_child_that_starts_too_slowly_ends() {
    let mut sim = Sim::new();
    sim.add(0, Terms { policy: RestartPolicy::Temporary, ..hurried() });
    sim.pass(START_LIMIT);
    let gone = [timed_out(0, 0.0, false), ended(0, End::Failed), settle_stopped(0)];
    assert_eq!(sim.fail(0), gone);
}

#[test]
fn a_start_that_takes_too_long_while_everything_stops_is_told_and_its_child_is_not_ended_for_good()
{
    for policy in POLICIES {
        for on_trial in [false, true] {
            let mut sim = Sim::new();
            let terms = Terms { policy, ..hurried() };
            sim.input(Input::Add { child: 0, terms: terms.into(), on_trial });
            sim.add(1, permanent());
            sim.input(Input::Stop);
            assert_eq!(sim.timed(secs(4)), [(START_LIMIT, killed(0, 1))]);
            let told = [timed_out(0, 0.0, false), released(0), settle_stopped(0)];
            assert_eq!(sim.fail(0), told, "{policy:?}, on trial: {on_trial}");
            assert_eq!(sim.fail(1), [&stop_of(1)[..], &[finish(StopCause::Asked)]].concat());
        }
    }
}

#[test]
fn a_blocking_child_that_starts_too_slowly_is_asked_and_its_limit_to_stop_begins() {
    let mut sim = Sim::new();
    sim.add(0, Terms { kind: ChildKind::Blocking, ..hurried() });
    let happens = [
        (START_LIMIT, asked(0, 1)),
        (START_LIMIT + LIMIT, stop_timeout(0, true)),
        (START_LIMIT + LIMIT, settle(0, Wait::Started, Settled::Timeout)),
        (START_LIMIT + LIMIT, settle(0, Wait::Stopped, Settled::Timeout)),
    ];
    assert_eq!(sim.timed(secs(60)), happens);
    // Its thread ends at last: now it has failed.
    let again = [timed_out(0, 1.0, true), start(0, 2), settle_stopped(0)];
    assert_eq!(sim.exit(0, ExitClass::Stopped), again);
}

#[test]
fn who_waits_for_a_first_start_is_told_when_it_is_ready() {
    let mut sim = Sim::new();
    assert_eq!(sim.add_on_trial(0, permanent()), [start(0, 1)]);
    assert_eq!(sim.ready(0), [ready(0), settle(0, Wait::Ready, Settled::Done)]);
}

#[test]
fn once_ready_a_child_is_on_trial_no_more() {
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    sim.ready(0);
    assert_eq!(sim.fail(0), [failed(0, 1.0), start(0, 2)]);
    assert_eq!(sim.ready(0), [ready(0)]);
}

#[test]
fn a_first_start_on_trial_that_takes_too_long_leaves_no_entry_and_moves_no_meter() {
    let mut sim = Sim::new();
    sim.add_on_trial(0, hurried());
    assert_eq!(sim.pass(START_LIMIT), [killed(0, 1)]);
    let gone = [
        timed_out(0, 0.0, false),
        settle(0, Wait::Ready, Settled::Failed),
        ended(0, End::Failed),
        settle_stopped(0),
    ];
    assert_eq!(sim.fail(0), gone);
    assert_eq!((sim.failures(), sim.machine.counts()), (0.0, ChildCounts::default()));
}

#[test]
fn a_kill_of_a_child_on_trial_is_its_failed_first_start() {
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    assert_eq!(sim.begin(0, Request::Kill), [killed(0, 1)]);
    let gone = [
        forced(0, Forced::Killed, 0.0, false),
        settle(0, Wait::Ready, Settled::Failed),
        ended(0, End::Failed),
        settle_stopped(0),
    ];
    assert_eq!(sim.fail(0), gone);
}

#[test]
fn a_restart_on_request_goes_on_with_the_trial() {
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    sim.begin(0, Request::Restart);
    let again =
        [stopped(0), start(0, 2), settle(0, Wait::Started, Settled::Done), settle_stopped(0)];
    assert_eq!(sim.fail(0), again);
    let mut other = sim.clone();
    assert_eq!(sim.ready(0), [ready(0), settle(0, Wait::Ready, Settled::Done)]);
    let gone =
        [failed_for_good(0, 0.0), settle(0, Wait::Ready, Settled::Failed), ended(0, End::Failed)];
    assert_eq!(other.fail(0), gone);
}

#[test]
fn a_terminate_ends_the_trial_and_keeps_the_child() {
    let superseded = settle(0, Wait::Ready, Settled::Superseded);
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    assert_eq!(sim.begin(0, Request::Terminate), [superseded.clone(), asked(0, 1)]);
    assert_eq!(sim.fail(0), [stopped(0), down(0), settle_stopped(0)]);
    assert_eq!(sim.request(0, Request::Restart), (Ok(Progress::Done), vec![start(0, 2)]));
    assert_eq!(sim.fail(0), [failed(0, 1.0), start(0, 3)]);

    // Also when it is on its way to stop for another reason.
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    sim.begin(0, Request::Restart);
    let no_start = settle(0, Wait::Started, Settled::Superseded);
    assert_eq!(sim.begin(0, Request::Terminate), [superseded, no_start]);
    sim.fail(0);
    sim.begin(0, Request::Restart);
    assert_eq!(sim.ready(0), [ready(0)]);
}

#[test]
fn a_removal_during_the_trial_answers_who_waits_for_the_start() {
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    let (progress, actions) = sim.request(0, Request::Remove);
    assert_eq!(progress, Ok(Progress::Until(Wait::Stopped)));
    assert_eq!(actions, [settle(0, Wait::Ready, Settled::Superseded), asked(0, 1)]);
    assert_eq!(sim.state(0), None);
    // An answer for nobody, who waits no more.
    let gone = [
        stopped(0),
        settle(0, Wait::Ready, Settled::Failed),
        ended(0, End::Removed),
        settle_stopped(0),
    ];
    assert_eq!(sim.fail(0), gone);
}

#[test]
fn a_stop_answers_who_waits_for_a_first_start() {
    let stopping = settle(0, Wait::Ready, Settled::Stopping);
    let mut sim = Sim::new();
    sim.add_on_trial(0, permanent());
    let mut other = sim.clone();
    let begun = [stop_begun(StopCause::Asked), stopping.clone(), asked(0, 1)];
    assert_eq!(sim.input(Input::Stop), begun);
    assert_eq!(other.input(Input::Kill), [stopping, killed(0, 1)]);
}
