//! The worst that a child can do, each in a process of its own: that lives, its supervision goes on, and it ends as any
//! other does. And what ends a process nevertheless.

#![cfg(unix)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no public API")]

mod apart;
mod ends;
mod fatal;
mod floods;
mod leaks;
mod panics;
mod place;

#[path = "../supervision/puppet.rs"]
#[allow(dead_code, reason = "what another suite needs as well")]
mod puppet;
#[path = "../supervision/support.rs"]
#[allow(dead_code, unused_imports, reason = "what another suite needs as well")]
mod support;
