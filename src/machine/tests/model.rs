//! A second opinion: a naive model of what a supervisor has to do, and random walks on which the machine has
//! to do the same.
//!
//! The model is written as the contract is: a list of children with plain fields, no index of timers, no
//! cursors; whatever can be worked out anew at each step is. Where the two differ, one of them is wrong.
//!
//! A walk that fails prints its seed and a program of few steps that fails as well. Settings:
//!
//! - `SUPERVISOR_WALK_STEPS`: how many steps each of the walks takes (default: 170,000);
//! - `SUPERVISOR_WALK_SEED`: the seed of the first program (default: 0). The seed that is printed replays the
//!   program as the first one of its strategy.

mod deal;
mod naive;
mod program;
mod side_by_side;
mod watch;

use std::env;

use fastrand::Rng;

use self::{program::Program, side_by_side::SideBySide};
use super::dice::Dice;
use crate::policy::Strategy;

/// A million together.
const STEPS: u64 = 170_000;

/// A strategy has two walks, so that none takes long.
const WALKS: u64 = 2;

fn from_env(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(value) => value.replace('_', "").parse().expect(name),
        Err(_) => default,
    }
}

fn walk(strategy: Strategy, index: u64) {
    let mut steps_left = from_env("SUPERVISOR_WALK_STEPS", STEPS);
    let mut seed = from_env("SUPERVISOR_WALK_SEED", 0) + index;
    while steps_left > 0 {
        let dice = Dice::Seeded(Rng::with_seed(3 * seed + strategy as u64));
        let program = Program::random(strategy, dice);
        run(&program, &format!("seed {seed}"));
        steps_left = steps_left.saturating_sub(program.steps.len() as u64);
        seed += WALKS;
    }
}

/// The walk that these bytes stand for.
pub(super) fn take(bytes: &[u8], strategy: Strategy) {
    run(&Program::random(strategy, Dice::Given(bytes)), "these bytes");
}

fn run(program: &Program, from: &str) {
    if let Err(difference) = SideBySide::run(program) {
        let program = program.clone().shrunk(|program| SideBySide::run(program).is_err());
        let shrunk = SideBySide::run(&program).expect_err("it failed before");
        panic!("{from}: {difference}\n\nshrunk: {shrunk}\n\n{program}");
    }
}

macro_rules! walks {
    ($($name:ident: $strategy:ident, $index:literal;)*) => {
        $(
            #[test]
            fn $name() {
                walk(Strategy::$strategy, $index);
            }
        )*
    };
}

walks! {
    one_for_one_does_what_the_model_says_1: OneForOne, 0;
    one_for_one_does_what_the_model_says_2: OneForOne, 1;
    one_for_all_does_what_the_model_says_1: OneForAll, 0;
    one_for_all_does_what_the_model_says_2: OneForAll, 1;
    rest_for_one_does_what_the_model_says_1: RestForOne, 0;
    rest_for_one_does_what_the_model_says_2: RestForOne, 1;
}
