//! Children on their supervisor's thread, on an arbiter, on a thread of their own and in the pool, on a real clock.

#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod dead;
mod exits;
mod health;
mod mailboxes;
mod moving;
mod nested;
mod place;
mod pools;
mod process;
mod refused;
mod requests;
mod starts;
mod stops;
mod stuck;
mod threads;
mod watchdog;

#[path = "../supervision/ends.rs"]
mod ends;
#[path = "../supervision/puppet.rs"]
mod puppet;
#[path = "../supervision/threads.rs"]
#[allow(dead_code, unused_imports, reason = "what another suite needs as well")]
mod seen;
#[path = "../supervision/support.rs"]
#[allow(dead_code, unused_imports, reason = "what another suite needs as well")]
mod support;
