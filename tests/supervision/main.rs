//! Real actors under a paused clock, through the public API only.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod actors;
mod backing_off;
mod backoff;
mod blocking;
mod decide;
mod draining;
mod dropping;
mod elsewhere;
mod ends;
mod escalation;
mod events;
mod exits;
mod failing;
mod giving_up;
mod groups;
mod health;
mod left_behind;
mod mailboxes;
mod nesting;
mod pausing;
mod pool_members;
mod pools;
mod puppet;
mod readiness;
mod rejecting;
mod removals;
mod replaced;
mod replacing;
mod requests;
mod services;
mod shutting;
mod snapshots;
mod start_failures;
mod starting;
mod stop_order;
mod stopping;
mod strategies;
mod subtrees;
mod supervisors;
mod support;
mod threads;
mod times;
mod trees;
mod unwinding;
