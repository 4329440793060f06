//! A walk, written down: what happens to a supervisor, and nothing of what it does about it.

use std::{fmt, time::Duration};

use fastrand::Rng;

use super::deal::{Deal, Delays};
use crate::{
    info::ChildKind,
    machine::{Request, Settings},
    policy::{
        AutoShutdown, Decision, ExitClass, OnLimit, RestartPolicy, Shutdown, ShutdownOrder,
        StartFailure, Strategy,
    },
};

/// One step. A child is picked by a number from those that there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Add {
        deal: Deal,
        on_trial: bool,
    },
    /// An incarnation that is starting is ready.
    Ready {
        pick: u8,
    },
    /// An incarnation ends, whether it was asked or not.
    Exit {
        pick: u8,
        exit: ExitClass,
        decision: Option<Decision>,
    },
    /// An incarnation ends that was asked or killed.
    Obey {
        pick: u8,
        exit: ExitClass,
        decision: Option<Decision>,
    },
    /// Told about an incarnation that is over, or never was.
    Stale {
        pick: u8,
        exit: Option<ExitClass>,
    },
    Request {
        pick: u8,
        request: Request,
    },
    /// New terms, and a new incarnation if one is up.
    Replace {
        pick: u8,
        deal: Deal,
    },
    /// Time passes, with a tick at each deadline.
    Pass {
        time: Duration,
    },
    /// Time passes, and the tick is late.
    Late {
        time: Duration,
    },
    /// Time passes up to the next deadline.
    Due,
    Resume,
    Stop,
    Kill,
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) settings: Settings,
    pub(super) declared: Vec<Deal>,
    pub(super) steps: Vec<Step>,
}

impl Program {
    pub(super) fn random(seed: u64, strategy: Strategy) -> Self {
        let mut rng = Rng::with_seed(3 * seed + strategy as u64);
        let settings = settings(strategy, &mut rng);
        let declared = (0..rng.usize(0..5)).map(|_| deal(&mut rng)).collect();
        // What ends a supervisor is rare in most programs, and common in some.
        let calm = rng.u8(0..4) > 0;
        let steps = (0..rng.usize(1..150)).map(|_| step(calm, &mut rng)).collect();
        Self { settings, declared, steps }
    }

    /// With as few steps as are needed to fail.
    pub(super) fn shrunk(mut self, fails: impl Fn(&Self) -> bool) -> Self {
        let mut size = self.steps.len();
        while size > 0 {
            let mut from = 0;
            while from < self.steps.len() {
                let mut less = self.clone();
                less.steps.drain(from..(from + size).min(self.steps.len()));
                if fails(&less) {
                    self = less;
                } else {
                    from += size;
                }
            }
            size /= 2;
        }
        while self.declared.len() > 1 {
            let mut less = self.clone();
            less.declared.pop();
            if !fails(&less) {
                break;
            }
            self = less;
        }
        self
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.settings)?;
        self.declared.iter().try_for_each(|deal| writeln!(f, "declared: {deal:?}"))?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step:?}"))
    }
}

/// A share of all that may come out, by weight.
fn weighted<T: Copy>(choices: &[(u32, T)], rng: &mut Rng) -> T {
    let all = choices.iter().map(|&(weight, _)| weight).sum();
    let mut at = rng.u32(0..all);
    for &(weight, choice) in choices {
        match at.checked_sub(weight) {
            Some(rest) => at = rest,
            None => return choice,
        }
    }
    unreachable!()
}

/// Times are few and round, so that many things happen at one instant.
fn halves(halves: impl std::ops::RangeBounds<u64>, rng: &mut Rng) -> Duration {
    Duration::from_millis(500 * rng.u64(halves))
}

fn settings(strategy: Strategy, rng: &mut Rng) -> Settings {
    Settings {
        decay: halves(1..20, rng),
        threshold: weighted(&[(1, 0.0), (2, 1.0), (2, 2.5), (2, 5.0)], rng),
        pause: halves(0..20, rng),
        jitter: 0.0,
        // Whatever is in the queue, its parts are whole milliseconds.
        spread: Duration::from_millis(weighted(&[(1, 0), (1, 27_720)], rng)),
        seed: 0,
        strategy,
        on_limit: weighted(&[(3, OnLimit::Backoff), (1, OnLimit::Escalate)], rng),
        give_up_after_pauses: weighted(&[(3, None), (1, Some(1)), (1, Some(2))], rng),
        start_failure: weighted(&[(4, StartFailure::Retry), (1, StartFailure::Escalate)], rng),
        auto_shutdown: weighted(
            &[
                (2, AutoShutdown::Never),
                (1, AutoShutdown::AnySignificant),
                (1, AutoShutdown::AllSignificant),
            ],
            rng,
        ),
        // One that ends for good would end the walk.
        needs_children: false,
        shutdown_order: weighted(
            &[(1, ShutdownOrder::Reverse), (1, ShutdownOrder::Concurrent)],
            rng,
        ),
        stop_delay: weighted(&[(2, Duration::ZERO), (1, halves(1..8, rng))], rng),
        bereft: false,
    }
}

fn deal(rng: &mut Rng) -> Deal {
    use RestartPolicy::{Permanent, Temporary, Transient};
    let limit = Shutdown::Timeout(halves(0..8, rng));
    let doubling = Delays::Doubling { first: halves(1..4, rng), max: halves(4..30, rng) };
    let steps = Delays::Steps([halves(0..3, rng), halves(0..8, rng), halves(0..30, rng)]);
    Deal {
        policy: weighted(&[(5, Permanent), (2, Transient), (1, Temporary)], rng),
        shutdown: weighted(&[(4, limit), (1, Shutdown::Kill), (1, Shutdown::Infinite)], rng),
        start_timeout: weighted(&[(2, None), (1, Some(halves(1..8, rng)))], rng),
        kind: weighted(
            &[(2, ChildKind::Actor), (1, ChildKind::Supervisor), (2, ChildKind::Blocking)],
            rng,
        ),
        delays: weighted(
            &[
                (4, None),
                (1, Some(Delays::Constant(halves(0..6, rng)))),
                (1, Some(doubling)),
                (1, Some(steps)),
            ],
            rng,
        ),
        reset_after: weighted(&[(2, None), (1, Some(halves(1..10, rng)))], rng),
        give_up_after: weighted(&[(4, None), (1, Some(rng.u32(1..4)))], rng),
        significant: rng.u8(0..3) == 0,
        essential: rng.u8(0..3) == 0,
    }
}

fn exit(rng: &mut Rng) -> ExitClass {
    use ExitClass::{Failed, Finished, Stopped, TerminateTree};
    weighted(&[(60, Failed), (16, Stopped), (4, Finished), (1, TerminateTree)], rng)
}

fn decision(rng: &mut Rng) -> Option<Decision> {
    use Decision::{End, Escalate, Restart};
    weighted(&[(24, None), (4, Some(Restart)), (2, Some(End)), (1, Some(Escalate))], rng)
}

fn request(rng: &mut Rng) -> Request {
    use Request::{Kill, Remove, Renew, Restart, Terminate};
    weighted(&[(3, Remove), (6, Restart), (1, Renew), (4, Terminate), (3, Kill)], rng)
}

fn step(calm: bool, rng: &mut Rng) -> Step {
    let pick = rng.u8(..);
    match rng.u8(0..100) {
        0..10 => Step::Add { deal: deal(rng), on_trial: rng.u8(0..3) == 0 },
        10..32 => Step::Ready { pick },
        32..48 => Step::Exit { pick, exit: exit(rng), decision: decision(rng) },
        48..64 => Step::Obey { pick, exit: exit(rng), decision: decision(rng) },
        64..67 => Step::Stale { pick, exit: weighted(&[(1, None), (2, Some(exit(rng)))], rng) },
        67..78 => Step::Request { pick, request: request(rng) },
        78..80 => Step::Replace { pick, deal: deal(rng) },
        80..86 => Step::Pass { time: halves(0..8, rng) },
        86..89 => Step::Late { time: halves(0..40, rng) },
        89..98 => Step::Due,
        98 if calm || rng.bool() => Step::Resume,
        98 => Step::Stop,
        _ if calm && rng.u8(0..4) > 0 => Step::Due,
        _ if rng.bool() => Step::Stop,
        _ => Step::Kill,
    }
}
