//! Children on other threads: a kill may not be carried out, and then the supervisor goes on without the incarnation.

use super::{situations::Mode, *};

/// How long a kill may take, where there is no watchdog.
pub(super) const GRACE: Duration = secs(1);
/// As [`GRACE`], of a nested supervisor.
pub(super) const GRACE_OF_SUPERVISORS: Duration = secs(10);

/// On another thread.
pub(super) fn elsewhere() -> Terms {
    Terms { elsewhere: Some(Elsewhere::default()), ..permanent() }
}

/// As [`elsewhere`], and a nested supervisor.
pub(super) fn nested() -> Terms {
    Terms { kind: ChildKind::Supervisor, ..elsewhere() }
}

pub(super) fn abandoned(child: u64, life: u64) -> Action {
    Action::Abandon { child, life }
}

/// What is told of one that was on its way to stop, and is given up with its thread.
pub(super) fn lost(child: u64, life: u64) -> [Action; 3] {
    let timeout = settle(child, Wait::Stopped, Settled::Timeout);
    [stop_timeout(child, true), timeout, abandoned(child, life)]
}

pub(super) fn at<const N: usize>(time: Duration, actions: [Action; N]) -> Vec<(Duration, Action)> {
    actions.map(|action| (time, action)).to_vec()
}

/// Why child 1 is to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why {
    Request(Request),
    /// Its group is restarted.
    Group,
    /// Everything stops.
    Stop(ShutdownOrder),
}

pub(super) const WHYS: [Why; 6] = [
    Why::Request(Request::Restart),
    Why::Request(Request::Terminate),
    Why::Request(Request::Remove),
    Why::Group,
    Why::Stop(ShutdownOrder::Reverse),
    Why::Stop(ShutdownOrder::Concurrent),
];

impl Why {
    /// Child 0 runs, and child 1, of these terms, has been asked to stop.
    pub(super) fn begin(self, terms: Terms, is_ready: bool, mode: Mode) -> Sim {
        let mut sim = self.running(terms, is_ready, mode);
        let begun = match self {
            Self::Request(request) => sim.begin(1, request),
            Self::Group => sim.fail(0),
            Self::Stop(_) => sim.input(Input::Stop),
        };
        let begins = [asked(1, 1), killed(1, 1)].iter().any(|action| begun.contains(action));
        assert!(begins, "{self:?} {mode:?}: {begun:?}");
        sim
    }

    fn running(self, terms: Terms, is_ready: bool, mode: Mode) -> Sim {
        let strategy = match self {
            Self::Group => Strategy::OneForAll,
            Self::Request(_) | Self::Stop(_) => Strategy::OneForOne,
        };
        let shutdown_order = match self {
            Self::Stop(order) => order,
            Self::Request(_) | Self::Group => ShutdownOrder::Reverse,
        };
        let pause = secs(1_000);
        let settings = Settings { strategy, shutdown_order, threshold: 1.5, pause, ..settings() };
        let mut sim = Sim::with(settings);
        sim.add_running([permanent()]);
        match (mode, self) {
            (Mode::Running, _) => {}
            // The group's own failure is what brings the pause.
            (_, Self::Group) => sim.machine.settings.threshold = 0.0,
            (_, Self::Request(_) | Self::Stop(_)) => sim.pause_by(0),
        }
        sim.add(1, terms);
        if is_ready {
            sim.ready(1);
        }
        sim
    }

    /// What is told when it has ended.
    pub(super) fn end(self, mode: Mode) -> Vec<Action> {
        let mut end = vec![stopped(1)];
        match self {
            Self::Request(Request::Terminate) => end.push(down(1)),
            Self::Request(Request::Remove) => end.push(ended(1, End::Removed)),
            Self::Request(_) => {
                end.extend([start(1, 2), settle(1, Wait::Started, Settled::Done)]);
            }
            Self::Group => end.push(down(1)),
            Self::Stop(_) => end.push(released(1)),
        }
        end.push(settle_stopped(1));
        match (self, mode) {
            (Self::Group, Mode::Running) => end.push(start(0, 2)),
            (Self::Stop(ShutdownOrder::Reverse), Mode::Running) => end.push(asked(0, 1)),
            (Self::Stop(_), Mode::Paused) => end.push(finish(StopCause::Asked)),
            (Self::Group | Self::Stop(_) | Self::Request(_), _) => {}
        }
        end
    }

    /// Of child 0, which is asked just before.
    pub(super) fn keeps_its_limit(self, mode: Mode) -> Vec<(Duration, Action)> {
        match (self, mode) {
            (Self::Stop(ShutdownOrder::Concurrent), Mode::Running) => {
                at(LIMIT, [stop_timeout(0, false), killed(0, 1)])
            }
            (Self::Group | Self::Stop(_) | Self::Request(_), _) => vec![],
        }
    }
}

/// Every reason to stop, of one that is ready or not, also in a pause.
pub(super) fn stops() -> impl Iterator<Item = (Why, bool, Mode)> {
    let modes = |why: Why| [Mode::Running, Mode::Paused].map(move |mode| (why, mode));
    let stops = WHYS.into_iter().flat_map(modes);
    stops.flat_map(|(why, mode)| [false, true].map(|is_ready| (why, is_ready, mode)))
}

#[test]
fn one_that_stops_in_time_stops_as_on_its_supervisors_thread() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(elsewhere(), is_ready, mode);
        assert_eq!(sim.pass(LIMIT - Duration::from_nanos(1)), []);
        assert_eq!(sim.fail(1), why.end(mode), "{why:?} {mode:?}");
    }
}

#[test]
fn after_its_limit_it_is_killed_and_that_it_was_late_is_told_when_it_has_ended() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(elsewhere(), is_ready, mode);
        let mut late = why.keeps_its_limit(mode);
        late.extend(at(LIMIT, [killed(1, 1)]));
        let almost = LIMIT + GRACE - Duration::from_nanos(1);
        assert_eq!(sim.timed(almost), late, "{why:?} {mode:?}");
        let mut end = vec![stop_timeout(1, false)];
        end.extend(why.end(mode));
        assert_eq!(sim.fail(1), end, "{why:?} {mode:?}");
    }
}

#[test]
fn if_its_thread_does_not_carry_out_the_kill_in_a_second_it_is_given_up_and_the_stop_is_over() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(elsewhere(), is_ready, mode);
        let mut late = why.keeps_its_limit(mode);
        late.extend(at(LIMIT, [killed(1, 1)]));
        late.extend(at(LIMIT + GRACE, lost(1, 1)));
        assert_eq!(sim.timed(secs(100)), late, "{why:?} {mode:?}");
        assert_eq!(sim.machine.overdue().count(), 0);
        assert_eq!(sim.fail(1), why.end(mode), "{why:?} {mode:?}");
    }
}

#[test]
fn where_its_shutdown_is_kill_it_is_killed_at_once_and_given_up_after_a_second() {
    let terms = Terms { shutdown: Shutdown::Kill, ..elsewhere() };
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(terms.clone(), is_ready, mode);
        let mut other = sim.clone();
        assert_eq!(sim.timed(GRACE), at(GRACE, lost(1, 1)), "{why:?} {mode:?}");
        assert_eq!(sim.fail(1), why.end(mode), "{why:?} {mode:?}");
        // It was not late: it had no time.
        assert_eq!(other.fail(1), why.end(mode), "{why:?} {mode:?}");
    }
}

#[test]
fn with_an_infinite_limit_it_is_waited_for_until_somebody_kills_it() {
    let terms = Terms { shutdown: Shutdown::Infinite, ..elsewhere() };
    for why in [Request::Restart, Request::Terminate].map(Why::Request) {
        let mut sim = why.begin(terms.clone(), true, Mode::Running);
        assert_eq!(sim.machine.deadline(), None);
        assert_eq!(sim.begin(1, Request::Kill), [killed(1, 1)]);
        let mut other = sim.clone();
        assert_eq!(sim.timed(secs(60)), at(GRACE, lost(1, 1)));
        assert_eq!(sim.fail(1), why.end(Mode::Running));
        // Nobody had lost patience with it.
        assert_eq!(other.fail(1), why.end(Mode::Running));
    }
}

#[test]
fn a_kill_on_request_that_is_not_carried_out_is_the_failure_it_would_have_been() {
    for kind in [ChildKind::Actor, ChildKind::Service] {
        for mode in [Mode::Running, Mode::Paused] {
            for is_ready in [false, true] {
                let terms = Terms { kind, ..elsewhere() };
                let mut sim = Why::Request(Request::Kill).running(terms, is_ready, mode);
                let meter = sim.failures();
                assert_eq!(sim.begin(1, Request::Kill), [killed(1, 1)]);
                let mut end = match mode {
                    Mode::Running => vec![forced(1, Forced::Killed, 1.0, true), start(1, 2)],
                    _ => vec![forced(1, Forced::Killed, meter, true), down(1)],
                };
                end.push(settle_stopped(1));
                let mut other = sim.clone();
                assert_eq!(other.fail(1), end, "{kind:?} {mode:?}");

                // Where time passes, the meter has changed.
                let happens = sim.timed(GRACE);
                assert_eq!(happens, at(GRACE, lost(1, 1)), "{kind:?} {mode:?}");
                let reading = sim.failures() + f64::from(u8::from(mode == Mode::Running));
                end[0] = forced(1, Forced::Killed, reading, true);
                assert_eq!(sim.exit(1, ExitClass::Stopped), end, "{kind:?} {mode:?}");
            }
        }
    }
}

#[test]
fn a_start_timeout_on_a_stuck_thread_is_a_failure_after_a_second() {
    let limit = secs(3);
    for on_trial in [false, true] {
        let terms = Terms { start_timeout: Some(limit), ..elsewhere() };
        let mut sim = Sim::new();
        sim.input(Input::Add { child: 1, terms: terms.into(), on_trial });
        let mut late = at(limit, [killed(1, 1)]);
        late.extend(at(limit + GRACE, lost(1, 1)));
        assert_eq!(sim.timed(secs(60)), late);
        let reason = Forced::StartTimeout(limit);
        let end = match on_trial {
            false => vec![forced(1, reason, 1.0, true), start(1, 2)],
            true => {
                let failed = settle(1, Wait::Ready, Settled::Failed);
                vec![forced(1, reason, 0.0, false), failed, ended(1, End::Failed)]
            }
        };
        assert_eq!(sim.fail(1), [&end[..], &[settle_stopped(1)]].concat());
    }
}

#[test]
fn what_is_given_up_is_not_given_up_killed_or_told_of_again_before_its_end_is_told() {
    for (why, is_ready, mode) in stops() {
        let mut sim = why.begin(elsewhere(), is_ready, mode);
        sim.pass(LIMIT + GRACE);
        // Its thread was found to be stuck over others as well, or goes on just now.
        let before = sim.clone();
        for input in [
            Input::Move { child: 1, life: 1 },
            Input::Alive { child: 1, life: 1 },
            Input::Ready { child: 1, life: 1 },
            Input::Tick,
        ] {
            assert_eq!(sim.input(input.clone()), [], "{input:?} {why:?} {mode:?}");
        }
        if let Why::Group | Why::Request(Request::Restart | Request::Terminate) = why {
            let waits = Ok(Progress::Until(Wait::Stopped));
            assert_eq!(sim.request(1, Request::Kill), (waits, vec![]), "{why:?} {mode:?}");
        }
        assert_eq!(sim, before, "{why:?} {mode:?}");
        let kills = sim.input(Input::Kill);
        assert!(!kills.contains(&killed(1, 1)), "{why:?} {mode:?}: {kills:?}");
    }
}

#[test]
fn what_is_asked_of_one_that_was_given_up_follows_when_its_end_is_told() {
    for why in [Why::Group, Why::Request(Request::Restart), Why::Request(Request::Terminate)] {
        for request in [Request::Restart, Request::Terminate, Request::Remove] {
            let mut sim = why.begin(elsewhere(), true, Mode::Running);
            sim.pass(LIMIT + GRACE);
            let wait = if request == Request::Restart { Wait::Started } else { Wait::Stopped };
            assert_eq!(sim.request(1, request).0, Ok(Progress::Until(wait)));
            let end = Why::Request(request).end(Mode::Running);
            assert_eq!(sim.fail(1)[..end.len()], end, "{why:?} {request:?}");
        }
    }
}
