//! A walk, written down: what happens to a supervisor, and nothing of what it does about it.

use std::{fmt, ops::Range, time::Duration};

use super::{
    super::dice::{Dice, weighted},
    deal::{Deal, Delays},
};
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
    pub(super) fn random(strategy: Strategy, mut dice: Dice<'_>) -> Self {
        let dice = &mut dice;
        let settings = settings(strategy, dice);
        let declared = (0..dice.throw(0..5)).map(|_| deal(dice)).collect();
        // What ends a supervisor is rare in most programs, and common in some.
        let calm = !dice.one_in(4);
        let most = dice.throw(1..150);
        let steps = dice.list(most, |dice| step(calm, dice));
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

/// Times are few and round, so that many things happen at one instant.
fn halves(halves: Range<u64>, dice: &mut Dice<'_>) -> Duration {
    Duration::from_millis(500 * dice.throw(halves))
}

fn settings(strategy: Strategy, dice: &mut Dice<'_>) -> Settings {
    Settings {
        decay: halves(1..20, dice),
        threshold: weighted(&[(1, 0.0), (2, 1.0), (2, 2.5), (2, 5.0)], dice),
        pause: halves(0..20, dice),
        jitter: 0.0,
        // Whatever is in the queue, its parts are whole milliseconds.
        spread: Duration::from_millis(weighted(&[(1, 0), (1, 27_720)], dice)),
        seed: 0,
        strategy,
        on_limit: weighted(&[(3, OnLimit::Backoff), (1, OnLimit::Escalate)], dice),
        give_up_after_pauses: weighted(&[(3, None), (1, Some(1)), (1, Some(2))], dice),
        start_failure: weighted(&[(4, StartFailure::Retry), (1, StartFailure::Escalate)], dice),
        auto_shutdown: weighted(
            &[
                (2, AutoShutdown::Never),
                (1, AutoShutdown::AnySignificant),
                (1, AutoShutdown::AllSignificant),
            ],
            dice,
        ),
        // One that ends for good would end the walk.
        needs_children: false,
        needs_one_ready: false,
        shutdown_order: weighted(
            &[(1, ShutdownOrder::Reverse), (1, ShutdownOrder::Concurrent)],
            dice,
        ),
        stop_delay: weighted(&[(2, Duration::ZERO), (1, halves(1..8, dice))], dice),
        bereft: false,
    }
}

fn deal(dice: &mut Dice<'_>) -> Deal {
    use RestartPolicy::{Permanent, Temporary, Transient};
    let limit = Shutdown::Timeout(halves(0..8, dice));
    let doubling = Delays::Doubling { first: halves(1..4, dice), max: halves(4..30, dice) };
    let steps = Delays::Steps([halves(0..3, dice), halves(0..8, dice), halves(0..30, dice)]);
    Deal {
        policy: weighted(&[(5, Permanent), (2, Transient), (1, Temporary)], dice),
        shutdown: weighted(&[(4, limit), (1, Shutdown::Kill), (1, Shutdown::Infinite)], dice),
        start_timeout: weighted(&[(2, None), (1, Some(halves(1..8, dice)))], dice),
        kind: weighted(
            &[(2, ChildKind::Actor), (1, ChildKind::Supervisor), (2, ChildKind::Blocking)],
            dice,
        ),
        delays: weighted(
            &[
                (4, None),
                (1, Some(Delays::Constant(halves(0..6, dice)))),
                (1, Some(doubling)),
                (1, Some(steps)),
            ],
            dice,
        ),
        reset_after: weighted(&[(2, None), (1, Some(halves(1..10, dice)))], dice),
        give_up_after: weighted(&[(4, None), (1, Some(dice.throw(1..4) as u32))], dice),
        significant: dice.one_in(3),
        essential: dice.one_in(3),
    }
}

fn exit(dice: &mut Dice<'_>) -> ExitClass {
    use ExitClass::{Failed, Finished, Stopped, TerminateTree};
    weighted(&[(60, Failed), (16, Stopped), (4, Finished), (1, TerminateTree)], dice)
}

fn decision(dice: &mut Dice<'_>) -> Option<Decision> {
    use Decision::{End, Escalate, Restart};
    weighted(&[(24, None), (4, Some(Restart)), (2, Some(End)), (1, Some(Escalate))], dice)
}

fn request(dice: &mut Dice<'_>) -> Request {
    use Request::{Kill, Remove, Renew, Restart, Terminate};
    weighted(&[(3, Remove), (6, Restart), (1, Renew), (4, Terminate), (3, Kill)], dice)
}

fn step(calm: bool, dice: &mut Dice<'_>) -> Step {
    let pick = dice.byte();
    match dice.throw(0..100) {
        0..10 => Step::Add { deal: deal(dice), on_trial: dice.one_in(3) },
        10..32 => Step::Ready { pick },
        32..48 => Step::Exit { pick, exit: exit(dice), decision: decision(dice) },
        48..64 => Step::Obey { pick, exit: exit(dice), decision: decision(dice) },
        64..67 => Step::Stale { pick, exit: weighted(&[(1, None), (2, Some(exit(dice)))], dice) },
        67..78 => Step::Request { pick, request: request(dice) },
        78..80 => Step::Replace { pick, deal: deal(dice) },
        80..86 => Step::Pass { time: halves(0..8, dice) },
        86..89 => Step::Late { time: halves(0..40, dice) },
        89..98 => Step::Due,
        98 if calm || dice.one_in(2) => Step::Resume,
        98 => Step::Stop,
        _ if calm && !dice.one_in(4) => Step::Due,
        _ if dice.one_in(2) => Step::Stop,
        _ => Step::Kill,
    }
}
