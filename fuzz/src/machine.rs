//! Bytes are a program for the machine: the first one chooses between a random walk, on which the invariants of
//! `docs/design.md` hold after every step, and a walk side by side with the naive model, under one of the strategies.
//!
//! Run it by `cargo +nightly fuzz run machine`; see `docs/testing.md`.

#![no_main]

use libfuzzer_sys::fuzz_target;

pub(crate) use self::crate_under_test::{backoff, error, failure, info, machine, policy, rows, token};

/// What of the crate the machine is made of, with the machine's own tests.
#[allow(dead_code, unused_imports, reason = "what the machine does not need")]
#[path = "../../src"]
mod crate_under_test {
    pub(crate) mod backoff;
    pub(crate) mod error;
    pub(crate) mod failure;
    pub(crate) mod info;
    pub(crate) mod machine;
    pub(crate) mod policy;
    pub(crate) mod rows;
    pub(crate) mod token;
}

fuzz_target!(|program: &[u8]| machine::fuzz::take(program));
