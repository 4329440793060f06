//! Real actors under a paused clock, through the public API only.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod backing_off;
mod backoff;
mod decide;
mod escalation;
mod failing;
mod giving_up;
mod nesting;
mod replaced;
mod replacing;
mod shutting;
mod start_failures;
mod stopping;
mod strategies;
mod support;
mod times;
