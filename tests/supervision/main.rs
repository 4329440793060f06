//! Real actors under a paused clock, through the public API only.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod actors;
mod blocking;
mod draining;
mod dropping;
mod events;
mod exits;
mod failing;
mod left_behind;
mod mailboxes;
mod pausing;
mod puppet;
mod readiness;
mod removals;
mod requests;
mod services;
mod snapshots;
mod starting;
mod stopping;
mod supervisors;
mod subtrees;
mod support;
mod threads;
mod trees;
mod unwinding;
