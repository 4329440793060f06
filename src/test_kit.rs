//! What tests of trees are made of; with the feature `test-kit`.
//!
//! It is what this crate's own tests are made of:
//!
//! | | |
//! | --- | --- |
//! | [`paused`], [`real`] | a test on an Actix system, with a clock that is paused, or with the real one |
//! | [`settle`] | lets everything happen that can happen without the clock |
//! | [`Events`] | what a supervisor tells: to look at, and to wait for |
//! | [`Journal`] | what has happened, in order, as lines |
//! | [`Probe`] | an actor that notes what happens to it, and does what it is told: fail, panic, hang, refuse to stop, … |
//! | [`Stubborn`] | a blocking service that ignores its token, and returns when the test says so |
//! | [`Stuck`] | something that keeps a thread for as long as the test wants |
//! | [`status`], [`list`], [`states`], [`info`], [`token`] | short questions to a supervisor |
//! | [`Chaos`] | kills children at random, in a way that can be repeated: in tests, and as a drill in a staging system |
//!
//! What tests of an application use it for: a tree of its own actors, in which some are replaced by probes; a failure on
//! command; and the events to wait for.
//!
//! ```
//! use std::time::Duration;
//! use actix::prelude::*;
//! use actix_supervisor::{Spec, Stop, Supervisor, test_kit::{Do, Events, Journal, Probe, paused}};
//!
//! // In a test it is marked as one.
//! fn a_gateway_that_fails_is_back_after_the_pause() {
//!     paused(async {
//!         let (spec, events) = Events::hooked(Spec::default().failure_threshold(0.0).backoff_jitter(0.0));
//!         let (journal, began) = (Journal::default(), tokio::time::Instant::now());
//!         let gateway = Probe::spec("gateway", &journal);
//!         let addr = gateway.addr();
//!         let root = Supervisor::with_spec("root", spec).unwrap().child(gateway).start();
//!
//!         addr.send(Do::Fail).await.unwrap();
//!         events.until("root: BackoffEntered").await;
//!         events.until("root/gateway: ChildRestarted").await;
//!         assert_eq!(began.elapsed(), Duration::from_secs(15)); // in no time at all
//!         assert_eq!(addr.send(Do::Nothing).await, Ok(2)); // the second incarnation
//!         assert!(journal.take().contains(&"gateway: dropped".to_owned()));
//!         assert!(root.send(Stop).await.unwrap().is_clean());
//!     });
//! }
//! # a_gateway_that_fails_is_back_after_the_pause();
//! ```

mod chaos;
mod clock;
mod events;
mod journal;
mod look;
mod probe;
mod stubborn;
mod stuck;

pub use self::{
    chaos::Chaos,
    clock::{Guard, guard, paused, real, settle},
    events::{Events, line},
    journal::Journal,
    look::{info, list, states, status, token},
    probe::{Do, Probe},
    stubborn::Stubborn,
    stuck::Stuck,
};
