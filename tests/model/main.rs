//! A second opinion on everything: random programs over the public API, run on real trees under a paused clock, and
//! compared after every step with a reference that is written as the contract is.
//!
//! A program that fails is printed with its seed, and with as little in it as is needed to fail. Settings:
//!
//! - `MODEL_PROGRAMS`: how many programs are run;
//! - `MODEL_SEED`: the seed of the first one (default: 0). The seed that is printed replays its program as the first one.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod compare;
mod picture;
mod program;
mod random;
mod readable;
mod real;
mod reference;
mod scripted;
mod setting;
mod shares;
mod shrink;
mod side_by_side;
mod threads;
