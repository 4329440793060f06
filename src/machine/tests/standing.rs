//! Readiness, and the delay before a stop.

use super::*;

const DELAY: Duration = secs(8);

fn essential() -> Terms {
    Terms { essential: true, ..permanent() }
}

fn nested(essential: bool) -> Terms {
    Terms { kind: ChildKind::Supervisor, essential, ..permanent() }
}

/// A machine whose declared children, with these terms, have been started.
fn started(settings: Settings, children: impl IntoIterator<Item = Terms>) -> Sim {
    let mut sim = Sim::with(settings);
    for (child, terms) in (0..).zip(children) {
        sim.input(Input::Declare { child, terms: terms.into(), life: 0 });
    }
    assert!(!sim.machine.is_ready() && !sim.machine.is_up(), "nothing has been started");
    sim.input(Input::Start);
    assert!(sim.machine.is_up());
    sim
}

impl Sim {
    fn tell(&mut self, child: u64, standing: Standing) {
        let life = self.life(child);
        assert_eq!(self.input(Input::Standing { child, life, standing }), []);
    }

    fn missing(&self) -> Vec<(u64, ChildState)> {
        let missing = self.machine.list().filter(|listed| listed.is_missing);
        missing.map(|listed| (listed.id, listed.state)).collect()
    }
}

#[test]
fn a_tree_is_ready_when_all_that_is_essential_is() {
    let mut sim = started(settings(), [essential(), permanent(), essential()]);
    for (child, is_ready) in [(0, false), (2, true), (1, true)] {
        sim.ready(child);
        assert_eq!(sim.machine.is_ready(), is_ready, "after {child}");
    }
    sim.fail(1);
    assert!(sim.machine.is_ready(), "it is not essential");
    sim.fail(2);
    assert_eq!(sim.missing(), [(2, ChildState::Starting)]);
    assert_eq!(sim.machine.standing(), Standing::Lacking);
    sim.ready(2);
    assert_eq!(sim.machine.standing(), Standing::Whole);
}

#[test]
fn with_nothing_essential_a_tree_is_ready_once_it_is_up() {
    let mut sim = started(settings(), [permanent()]);
    assert!(sim.machine.is_ready());
    assert!(!sim.machine.was_ready(), "nobody has said what matters, so all does");
    sim.ready(0);
    assert!(sim.machine.was_ready());
    sim.pause_by(0);
    assert_eq!((sim.machine.is_ready(), sim.machine.standing()), (true, Standing::Indifferent));
}

#[test]
fn where_one_is_enough_a_tree_is_ready_as_long_as_any_child_is_also_in_a_pause() {
    let one = Settings { needs_one_ready: true, threshold: 0.0, ..settings() };
    let mut sim = started(one, [permanent(), permanent()]);
    assert_eq!(sim.machine.standing(), Standing::Lacking);
    assert!(sim.machine.is_deserted());
    [0, 1].into_iter().for_each(|child| drop(sim.ready(child)));
    assert_eq!(sim.machine.standing(), Standing::Whole);
    sim.fail(1);
    assert!(matches!(sim.machine.state(), SupervisorState::Paused { .. }));
    assert_eq!(sim.machine.standing(), Standing::Whole);
    sim.fail(0);
    assert_eq!(sim.machine.standing(), Standing::Lacking);
    assert!(sim.machine.is_deserted() && !sim.machine.is_ready());
}

#[test]
fn a_pause_above_something_essential_is_no_time_to_be_ready() {
    let mut sim = started(settings(), [essential(), permanent()]);
    sim.ready(0);
    sim.ready(1);
    sim.pause_by(1);
    assert_eq!((sim.machine.is_ready(), sim.missing()), (false, vec![]));
    sim.input(Input::Resume);
    assert!(sim.machine.is_ready());
}

#[test]
fn what_is_stopped_on_request_is_missed_and_what_is_removed_is_not() {
    for (request, is_ready) in [(Request::Terminate, false), (Request::Remove, true)] {
        let mut sim = started(settings(), [essential()]);
        sim.ready(0);
        sim.begin(0, request);
        assert_eq!(sim.machine.is_ready(), is_ready, "{request:?}");
        sim.exit(0, ExitClass::Stopped);
        assert_eq!(sim.machine.is_ready(), is_ready, "{request:?}");
    }
}

#[test]
fn what_has_failed_for_good_is_missed_from_then_on_and_what_is_done_is_not() {
    let table =
        [(ExitClass::Failed, false), (ExitClass::Stopped, true), (ExitClass::Finished, true)];
    for (exit, is_ready) in table {
        let terms = Terms { policy: RestartPolicy::Temporary, ..essential() };
        let mut sim = started(settings(), [terms]);
        sim.ready(0);
        sim.exit(0, exit);
        assert_eq!((sim.machine.is_ready(), sim.machine.is_lost(0)), (is_ready, !is_ready));
    }
    let sim = started(Settings { bereft: true, ..settings() }, []);
    assert!(!sim.machine.is_ready(), "also where its supervisor was restarted since");
}

#[test]
fn a_supervisor_with_something_essential_below_is_missed_until_it_says_that_it_is_whole() {
    let mut sim = started(settings(), [nested(true)]);
    sim.ready(0);
    assert_eq!(sim.missing(), [(0, ChildState::Running)]);
    sim.tell(0, Standing::Whole);
    assert!(sim.machine.is_ready());
    sim.tell(0, Standing::Lacking);
    assert!(!sim.machine.is_ready());
    sim.tell(0, Standing::Whole);
    sim.fail(0);
    sim.ready(0);
    assert!(!sim.machine.is_ready(), "the next incarnation has said nothing yet");
    let earlier = Input::Standing { child: 0, life: 1, standing: Standing::Whole };
    let before = sim.clone();
    assert_eq!(sim.input(earlier), []);
    assert_eq!(sim, before); // I3
}

#[test]
fn what_was_added_below_counts_while_it_is_there() {
    let mut sim = started(settings(), [nested(false)]);
    sim.ready(0);
    assert!(sim.machine.is_ready());
    sim.tell(0, Standing::Lacking);
    assert!(!sim.machine.is_ready());
    sim.tell(0, Standing::Indifferent);
    assert!(sim.machine.is_ready());
}

#[test]
fn a_child_on_trial_is_not_missed() {
    let mut sim = started(settings(), []);
    sim.add_on_trial(0, essential());
    assert!(sim.machine.is_ready());
    sim.ready(0);
    assert_eq!(sim.machine.standing(), Standing::Whole);
}

#[test]
fn readiness_falls_at_once_and_children_are_asked_after_the_delay() {
    let mut sim = started(Settings { stop_delay: DELAY, ..settings() }, [essential()]);
    sim.ready(0);
    assert_eq!(sim.input(Input::Stop), []);
    assert_eq!((sim.machine.is_ready(), sim.machine.is_leaving()), (false, true));
    assert_eq!(sim.machine.standing(), Standing::Lacking, "so it tells the one above it");
    assert_eq!(sim.machine.state(), SupervisorState::Running);
    // What fails meanwhile is restarted: there are still requests to serve.
    assert_eq!(sim.pass(secs(3)), []);
    assert_eq!(sim.fail(0), [failed(0, 1.0), start(0, 2)]);
    sim.ready(0);
    assert!(!sim.machine.is_ready());
    // A second request does not begin the delay anew.
    assert_eq!(sim.input(Input::Stop), []);
    let begun = [stop_begun(StopCause::Asked), asked(0, 2)];
    assert_eq!(sim.timed(secs(6)), begun.map(|action| (secs(5), action)));
    assert_eq!((sim.machine.is_leaving(), sim.machine.is_ready()), (false, false));
}

#[test]
fn a_kill_and_a_failure_do_not_wait_for_the_delay() {
    let delayed = Settings { stop_delay: DELAY, ..settings() };
    let mut sim = started(delayed.clone(), [permanent()]);
    sim.input(Input::Stop);
    assert_eq!(sim.input(Input::Kill), [killed(0, 1)]);
    let mut sim = started(delayed, [permanent()]);
    sim.input(Input::Stop);
    let cause = StopCause::TerminateTree { child: 0 };
    assert!(sim.exit(0, ExitClass::TerminateTree).contains(&finish(cause)));
    assert_eq!(sim.pass(secs(60)), []);
}

#[test]
fn a_stop_during_a_pause_waits_for_its_delay_and_not_for_the_pause() {
    let mut sim = started(Settings { stop_delay: DELAY, ..settings() }, [permanent()]);
    sim.pause_by(0);
    sim.input(Input::Stop);
    let over = [stop_begun(StopCause::Asked), released(0), finish(StopCause::Asked)];
    assert_eq!(sim.timed(secs(60)), over.map(|action| (DELAY, action)));
}

#[test]
fn children_that_are_let_go_one_by_one_make_nothing_ready() {
    let mut sim = started(settings(), [essential()]);
    sim.ready(0);
    sim.input(Input::Stop);
    sim.exit(0, ExitClass::Stopped);
    assert_eq!((sim.machine.is_ready(), sim.machine.standing()), (false, Standing::Lacking));
}

#[test]
fn the_first_sixteen_that_are_lost_are_remembered() {
    let temporary = Terms { policy: RestartPolicy::Temporary, ..essential() };
    let mut sim = started(settings(), (0..20).map(|_| temporary.clone()));
    (0..20).for_each(|child| drop(sim.fail(child)));
    let lost: Vec<u64> = (0..20).filter(|&child| sim.machine.is_lost(child)).collect();
    assert_eq!(lost, (0..16).collect::<Vec<u64>>());
}

#[test]
fn a_stop_takes_its_limit_and_what_a_thread_is_given_and_no_more_than_what_is_below() {
    let elsewhere = |watchdog| Some(Elsewhere { watchdog });
    let stop = |shutdown, kind, elsewhere, below: Option<Option<Duration>>| {
        let below = below.map(|stop| Longest { stop, kill: secs(3) });
        Terms { shutdown, kind, elsewhere, ..permanent() }.longest(below).stop
    };
    use ChildKind::{Actor, Blocking, Service, Supervisor};
    let within = Shutdown::Timeout(LIMIT);
    for (shutdown, kind, elsewhere, below, longest) in [
        (within, Actor, None, None, Some(LIMIT)),
        (Shutdown::Kill, Actor, None, None, Some(Duration::ZERO)),
        (Shutdown::Infinite, Actor, None, None, None),
        // A kill has to be carried out there.
        (within, Actor, elsewhere(None), None, Some(LIMIT + secs(1))),
        (within, Service, elsewhere(Some(secs(3))), None, Some(LIMIT + secs(3))),
        (Shutdown::Kill, Actor, elsewhere(None), None, Some(secs(1))),
        // It is left behind at its limit.
        (within, Blocking, elsewhere(None), None, Some(LIMIT)),
        // One that is through earlier has stopped earlier.
        (within, Supervisor, None, Some(Some(secs(2))), Some(secs(2))),
        // One that is not is killed, and those on other threads below it with it.
        (within, Supervisor, None, Some(Some(secs(60))), Some(LIMIT + secs(3))),
        (within, Supervisor, None, Some(None), Some(LIMIT + secs(3))),
        // Its thread may be stuck, and with it all limits below.
        (within, Supervisor, elsewhere(None), Some(Some(secs(60))), Some(LIMIT + secs(10))),
        (within, Supervisor, elsewhere(None), Some(Some(secs(2))), Some(LIMIT + secs(10))),
        (Shutdown::Infinite, Supervisor, elsewhere(None), Some(Some(secs(2))), None),
        (Shutdown::Infinite, Supervisor, None, Some(Some(secs(2))), Some(secs(2))),
        (Shutdown::Infinite, Supervisor, None, Some(None), None),
    ] {
        let case = (shutdown, kind, elsewhere, below);
        assert_eq!(stop(shutdown, kind, elsewhere, below), longest, "{case:?}");
    }
}
