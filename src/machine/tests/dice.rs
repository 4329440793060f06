//! What a program is made from: a seed, or bytes that a fuzzer varies.

use std::ops::Range;

use fastrand::Rng;

pub(super) enum Dice<'a> {
    Seeded(Rng),
    /// Each throw takes as many of them as it needs. When there are none left, all throws are the lowest.
    Given(&'a [u8]),
}

impl Dice<'_> {
    /// One of these.
    pub(super) fn throw(&mut self, range: Range<u64>) -> u64 {
        match self {
            Self::Seeded(rng) => rng.u64(range),
            Self::Given(bytes) => {
                let sides = range.end - range.start;
                let mut thrown = 0;
                let mut most = 1;
                while most < sides {
                    let byte = bytes.split_off_first().copied().unwrap_or_default();
                    thrown = thrown << 8 | u64::from(byte);
                    most <<= 8;
                }
                range.start + thrown % sides
            }
        }
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.throw(0..256) as u8
    }

    /// Whether nothing but the lowest will be thrown.
    pub(super) fn are_used_up(&self) -> bool {
        match self {
            Self::Seeded(_) => false,
            Self::Given(bytes) => bytes.is_empty(),
        }
    }

    /// Up to so many of what is thrown, as long as there is anything to throw.
    pub(super) fn list<T>(&mut self, most: u64, mut throw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut list = Vec::new();
        while (list.len() as u64) < most && !self.are_used_up() {
            list.push(throw(self));
        }
        list
    }

    /// Whether one in so many comes up.
    pub(super) fn one_in(&mut self, sides: u64) -> bool {
        self.throw(0..sides) == 0
    }
}

/// A share of all that may come out, by weight.
pub(super) fn weighted<T: Copy>(choices: &[(u64, T)], dice: &mut Dice<'_>) -> T {
    let all = choices.iter().map(|&(weight, _)| weight).sum();
    let mut at = dice.throw(0..all);
    for &(weight, choice) in choices {
        match at.checked_sub(weight) {
            Some(rest) => at = rest,
            None => return choice,
        }
    }
    unreachable!()
}
