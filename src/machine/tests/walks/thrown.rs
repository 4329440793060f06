//! Walks from dice: the same steps that [proptest](super::step) makes, in few bytes.

use super::{
    super::dice::{Dice, weighted},
    *,
};

pub(super) fn settings(dice: &mut Dice<'_>) -> Settings {
    Settings {
        threshold: weighted(&[(1, 0.0), (1, 1.0), (1, 2.5), (1, 5.0)], dice),
        jitter: dice.throw(0..10) as f64 / 10.0,
        spread: secs(weighted(&[(1, 0), (1, 10)], dice)),
        pause: secs(dice.throw(0..20)),
        seed: dice.throw(0..256),
        ..super::settings()
    }
}

pub(super) fn steps(dice: &mut Dice<'_>) -> Vec<Step> {
    let most = dice.throw(1..256);
    dice.list(most, step)
}

fn terms(dice: &mut Dice<'_>) -> TermsPick {
    use RestartPolicy::{Permanent, Temporary, Transient};
    let limit = Shutdown::Timeout(secs(dice.throw(0..6)));
    let watchdog = weighted(&[(1, None), (1, Some(secs(dice.throw(1..10))))], dice);
    TermsPick {
        policy: weighted(&[(4, Permanent), (1, Transient), (1, Temporary)], dice),
        shutdown: weighted(&[(4, limit), (1, Shutdown::Kill), (1, Shutdown::Infinite)], dice),
        start_timeout: weighted(&[(1, None), (1, Some(secs(dice.throw(1..4))))], dice),
        kind: ChildKind::Actor,
        elsewhere: weighted(&[(1, None), (1, Some(Elsewhere { watchdog }))], dice),
    }
    .of(weighted(
        &[(4, ChildKind::Actor), (1, ChildKind::Supervisor), (2, ChildKind::Blocking)],
        dice,
    ))
}

fn exit(dice: &mut Dice<'_>) -> ExitClass {
    use ExitClass::{Failed, Finished, Stopped, TerminateTree};
    weighted(&[(70, Failed), (8, Stopped), (2, Finished), (1, TerminateTree)], dice)
}

fn step(dice: &mut Dice<'_>) -> Step {
    let pick = dice.byte().into();
    match dice.throw(0..256) {
        0..25 => Step::Add { terms: terms(dice), on_trial: dice.one_in(4) },
        25..60 => Step::Ready { pick },
        60..110 => Step::Exit { pick, exit: exit(dice) },
        110..120 => Step::Stale { pick, exit: weighted(&[(1, None), (1, Some(exit(dice)))], dice) },
        120..135 => Step::Stick { pick },
        135..160 => Step::Alive { pick },
        160..170 => Step::Move { pick },
        170..177 => Step::ComeBack { pick },
        177..210 => {
            Step::Request { pick, request: weighted(&REQUESTS.map(|request| (1, request)), dice) }
        }
        210..217 => Step::Replace { pick, terms: terms(dice) },
        217..243 => Step::Pass { millis: 50 * dice.throw(0..80) as u32, lively: dice.one_in(2) },
        243..249 => Step::Late { millis: 100 * dice.throw(0..200) as u32 },
        249..252 => Step::Resume,
        252..254 => Step::Pass { millis: 0, lively: true },
        254 => Step::Stop,
        _ => Step::Kill,
    }
}
