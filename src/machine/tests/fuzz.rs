//! Programs from bytes: what the walks take at random, a fuzzer chooses. `fuzz/` is a target for one.

use super::{model, walks};
use crate::policy::Strategy;

/// Takes a program that these bytes stand for, of whatever kind they say.
///
/// # Panics
///
/// If the machine does what it must not.
pub(crate) fn take(bytes: &[u8]) {
    let Some((kind, program)) = bytes.split_first() else { return };
    match kind % 6 {
        0 => model::take(program, Strategy::OneForOne),
        1 => model::take(program, Strategy::OneForAll),
        2 => model::take(program, Strategy::RestForOne),
        3 => walks::take(program),
        4 => walks::take_and_stop(program),
        _ => walks::take_and_go_on(program),
    }
}

#[test]
fn any_bytes_are_a_program() {
    take(&[]);
    let mut rng = fastrand::Rng::with_seed(1);
    for kind in 0..60 {
        let length = rng.usize(0..600);
        let mut bytes = vec![kind];
        bytes.extend((0..length).map(|_| rng.u8(..)));
        take(&bytes);
    }
}
