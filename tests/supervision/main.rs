//! Real actors under a paused clock, through the public API only.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod failing;
mod strategies;
mod support;
