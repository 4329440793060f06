//! Random walks: whatever happens, in whatever order, the invariants hold after every step, and what
//! was begun comes to its end.

mod thrown;
mod world;

use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy as Generator, any, prop_oneof, proptest},
    test_runner::{RngAlgorithm, RngSeed},
};

use self::world::World;
use super::{dice::Dice, *};

/// One step. Children and incarnations are picked by a number from those that there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Add {
        terms: TermsPick,
        on_trial: bool,
    },
    /// An incarnation is ready.
    Ready {
        pick: u16,
    },
    /// An incarnation ends by itself, or because it was asked or killed.
    Exit {
        pick: u16,
        exit: ExitClass,
    },
    /// Told about an incarnation that is over, or never was.
    Stale {
        pick: u16,
        exit: Option<ExitClass>,
    },
    /// The thread of an incarnation is stuck, or goes on.
    Stick {
        pick: u16,
    },
    /// An incarnation answers a probe, or says so without one.
    Alive {
        pick: u16,
    },
    /// The thread of an incarnation was found to be stuck over another one.
    Move {
        pick: u16,
    },
    /// The thread of an incarnation that was given up goes on, and tells of its end.
    ComeBack {
        pick: u16,
    },
    Request {
        pick: u16,
        request: Request,
    },
    /// New terms, and a new incarnation if one is up.
    Replace {
        pick: u16,
        terms: TermsPick,
    },
    /// Time passes, with a tick at each deadline. If it is `lively`, threads that are not stuck answer at once.
    Pass {
        millis: u32,
        lively: bool,
    },
    /// Time passes, and the tick is late.
    Late {
        millis: u32,
    },
    Resume,
    Stop,
    Kill,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TermsPick {
    policy: RestartPolicy,
    shutdown: Shutdown,
    start_timeout: Option<Duration>,
    kind: ChildKind,
    elsewhere: Option<Elsewhere>,
}

impl TermsPick {
    /// As a child of this kind may have them.
    fn of(self, kind: ChildKind) -> Self {
        let elsewhere = match kind {
            ChildKind::Actor | ChildKind::Service => self.elsewhere,
            ChildKind::Supervisor => self.elsewhere.map(|_| Elsewhere::default()),
            ChildKind::Blocking => None,
        };
        Self { kind, elsewhere, ..self }
    }
}

impl From<TermsPick> for Terms {
    fn from(pick: TermsPick) -> Self {
        let TermsPick { policy, shutdown, start_timeout, kind, elsewhere } = pick;
        Self { policy, shutdown, start_timeout, kind, elsewhere, ..permanent() }
    }
}

fn terms() -> impl Generator<Value = TermsPick> {
    let policy = prop_oneof![
        4 => Just(RestartPolicy::Permanent),
        1 => Just(RestartPolicy::Transient),
        1 => Just(RestartPolicy::Temporary),
    ];
    let shutdown = prop_oneof![
        4 => (0..6_u64).prop_map(|limit| Shutdown::Timeout(secs(limit))),
        1 => Just(Shutdown::Kill),
        1 => Just(Shutdown::Infinite),
    ];
    let start_timeout = proptest::option::of((1..4_u64).prop_map(secs));
    let kind = prop_oneof![
        4 => Just(ChildKind::Actor),
        1 => Just(ChildKind::Supervisor),
        2 => Just(ChildKind::Blocking),
    ];
    let watchdog = proptest::option::of((1..10_u64).prop_map(secs));
    let elsewhere = proptest::option::of(watchdog.prop_map(|watchdog| Elsewhere { watchdog }));
    (policy, shutdown, start_timeout, kind, elsewhere).prop_map(
        |(policy, shutdown, start_timeout, kind, elsewhere)| {
            TermsPick { policy, shutdown, start_timeout, kind, elsewhere }.of(kind)
        },
    )
}

fn exit() -> impl Generator<Value = ExitClass> {
    prop_oneof![
        70 => Just(ExitClass::Failed),
        8 => Just(ExitClass::Stopped),
        2 => Just(ExitClass::Finished),
        1 => Just(ExitClass::TerminateTree),
    ]
}

fn step() -> impl Generator<Value = Step> {
    let on_trial = proptest::bool::weighted(0.25);
    prop_oneof![
        35 => (terms(), on_trial).prop_map(|(terms, on_trial)| Step::Add { terms, on_trial }),
        45 => any::<u16>().prop_map(|pick| Step::Ready { pick }),
        70 => (any::<u16>(), exit()).prop_map(|(pick, exit)| Step::Exit { pick, exit }),
        15 => (any::<u16>(), proptest::option::of(exit()))
            .prop_map(|(pick, exit)| Step::Stale { pick, exit }),
        20 => any::<u16>().prop_map(|pick| Step::Stick { pick }),
        30 => any::<u16>().prop_map(|pick| Step::Alive { pick }),
        12 => any::<u16>().prop_map(|pick| Step::Move { pick }),
        8 => any::<u16>().prop_map(|pick| Step::ComeBack { pick }),
        50 => (any::<u16>(), proptest::sample::select(&REQUESTS[..]))
            .prop_map(|(pick, request)| Step::Request { pick, request }),
        10 => (any::<u16>(), terms()).prop_map(|(pick, terms)| Step::Replace { pick, terms }),
        35 => (0..4_000_u32, any::<bool>())
            .prop_map(|(millis, lively)| Step::Pass { millis, lively }),
        8 => (0..20_000_u32).prop_map(|millis| Step::Late { millis }),
        4 => Just(Step::Resume),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
    ]
}

fn steps() -> impl Generator<Value = Vec<Step>> {
    vec(step(), 1..80)
}

fn any_settings() -> impl Generator<Value = Settings> {
    let thresholds = proptest::sample::select(&[0.0, 1.0, 2.5, 5.0][..]);
    let spreads = proptest::sample::select(&[0, 10][..]);
    (thresholds, 0.0..1.0, spreads, 0..20_u64, any::<u64>()).prop_map(
        |(threshold, jitter, spread, pause, seed)| Settings {
            threshold,
            jitter,
            spread: secs(spread),
            pause: secs(pause),
            seed,
            ..settings()
        },
    )
}

fn cases(cases: u32) -> ProptestConfig {
    let rng_seed = match ProptestConfig::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    // Shown if it fails.
    #[expect(clippy::print_stdout, reason = "a test says how it is run again")]
    {
        println!("PROPTEST_RNG_SEED={rng_seed}");
    }
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(rng_seed),
        failure_persistence: None,
        // The default one takes longer in a debug build than all the walking does.
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2_500))]

    #[test]
    fn the_invariants_hold_after_every_step(settings in any_settings(), steps in steps()) {
        walk(settings, steps);
    }
}

proptest! {
    #![proptest_config(cases(850))]

    #[test]
    fn the_invariants_hold_after_every_step_of_a_long_walk(
        settings in any_settings(),
        steps in vec(step(), 80..160),
    ) {
        walk(settings, steps);
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// Children that ignore what they are asked end at their limits, or are left behind; so do those on stuck threads.
    #[test]
    fn after_a_stop_the_end_comes(
        settings in any_settings(),
        steps in steps(),
        deaf in any::<bool>(),
        stuck in any::<bool>(),
    ) {
        walk_and_stop(settings, steps, deaf, stuck);
    }

    #[test]
    fn without_a_stop_everybody_who_is_wanted_is_up_in_the_end(
        settings in any_settings(),
        steps in steps(),
    ) {
        walk_and_go_on(settings, steps);
    }
}

fn walk(settings: Settings, steps: Vec<Step>) -> World {
    let mut world = World::new(settings);
    steps.into_iter().for_each(|step| world.take(step));
    world
}

fn walk_and_stop(settings: Settings, steps: Vec<Step>, deaf: bool, stuck: bool) {
    let mut world = walk(settings, steps);
    if stuck {
        world.get_stuck();
    }
    world.take(Step::Stop);
    world.run_down(deaf);
    world.expect_finished();
}

fn walk_and_go_on(settings: Settings, mut steps: Vec<Step>) {
    steps.retain(|step| match step {
        Step::Stop | Step::Kill => false,
        Step::Exit { exit, .. } => *exit != ExitClass::TerminateTree,
        _ => true,
    });
    let mut world = walk(settings, steps);
    world.go_on();
    world.run_down(false);
    world.expect_all_up();
}

/// The walk that these bytes stand for.
pub(super) fn take(bytes: &[u8]) {
    let dice = &mut Dice::Given(bytes);
    walk(thrown::settings(dice), thrown::steps(dice));
}

pub(super) fn take_and_stop(bytes: &[u8]) {
    let dice = &mut Dice::Given(bytes);
    let (deaf, stuck) = (dice.one_in(2), dice.one_in(2));
    walk_and_stop(thrown::settings(dice), thrown::steps(dice), deaf, stuck);
}

pub(super) fn take_and_go_on(bytes: &[u8]) {
    let dice = &mut Dice::Given(bytes);
    walk_and_go_on(thrown::settings(dice), thrown::steps(dice));
}
