//! Supervision trees for Actix.
//!
//! A plain Actix actor that panics is gone: its mailbox is dropped with all that is in it, and its
//! address is closed for good. Under a [`Supervisor`] it is an incarnation that has ended. The next
//! one, a fresh actor from the child's factory, takes over the mailbox and the address; only the
//! message in hand is lost, and its sender gets an error.
//!
//! ```
//! use actix::prelude::*;
//! use actix_supervisor::{ChildSpec, Stop, Supervisor};
//!
//! /// An ordinary actor: nothing in it knows of supervision.
//! struct Calculator;
//!
//! impl Actor for Calculator {
//!     type Context = Context<Self>;
//! }
//!
//! #[derive(Message)]
//! #[rtype(result = "u32")]
//! struct Divide(u32, u32);
//!
//! impl Handler<Divide> for Calculator {
//!     type Result = u32;
//!
//!     fn handle(&mut self, Divide(number, by): Divide, _ctx: &mut Self::Context) -> u32 {
//!         number / by // panics if `by` is zero
//!     }
//! }
//!
//! #[actix::main]
//! async fn main() -> Result<(), MailboxError> {
//!     let spec = ChildSpec::actor("calculator", |_ctx| Calculator);
//!     let calculator = spec.addr(); // good from here on
//!     let root = Supervisor::new("root").child(spec).start();
//!
//!     let poisoned = calculator.send(Divide(1, 0));
//!     let behind_it = calculator.send(Divide(8, 2));
//!     assert_eq!(poisoned.await, Err(MailboxError::Closed));
//!     assert_eq!(behind_it.await?, 4); // answered by the next incarnation
//!
//!     assert!(root.send(Stop).await?.is_clean());
//!     Ok(())
//! }
//! ```
//!
//! A child is described once, by a [`ChildSpec`]: an [actor](ChildSpec::actor), an [async
//! service](ChildSpec::service), a [blocking one](ChildSpec::blocking) on a thread of its own, or a
//! [supervisor](ChildSpec::supervisor), which makes a tree. Unless [placed elsewhere](#threads), all of a tree but
//! its blocking services runs on the thread on which its root was started, by [`start`](actix::Actor::start),
//! [`serve`](Supervisor::serve) or, as the main thing of a process, [`run`](Supervisor::run).
//!
//! The [guide] goes from a first actor to such a process, and shows how to test a tree on a paused
//! clock.
//!
//! # Messages
//!
//! A supervisor handles these, from any thread:
//!
//! | | |
//! | --- | --- |
//! | [`Add`], [`AddAndWait`] | take on a child; the second waits until it is ready |
//! | [`Remove`], [`RemoveAndWait`] | stop a child and forget it; the second waits until it has stopped |
//! | [`Restart`], [`Terminate`] | start a child anew; stop it, and keep its place |
//! | [`Replace`] | give a child another spec, and keep its address |
//! | [`Resize`] | change how many members a [pool](ChildSpec::pool) has |
//! | [`Kill`] | end an incarnation at once, as a failure: for drills |
//! | [`List`], [`Status`], [`Tree`] | what runs, and how it is |
//! | [`Health`] | whether the tree can do its work, and what is wrong if not |
//! | [`Resume`] | end a pause |
//! | [`Subscribe`] | get every [`Event`] of this supervisor and of those below it |
//! | [`Stop`], [`Join`] | end the supervisor; wait for its end |
//!
//! # Failures
//!
//! A *failure* is an end of an incarnation that nobody asked for: a panic anywhere in it, an error that
//! it [reports](SupervisedContext::fail) or returns, a start that takes [too
//! long](ChildSpec::start_timeout). Whether the child is restarted then, or after it has stopped by
//! itself, is its [`RestartPolicy`].
//!
//! A restart follows at once, or after the child's [`Backoff`]; with a [`Strategy`] for groups, its siblings are
//! restarted too. Each failure raises the supervisor's *failure meter*, a count that halves every
//! [`failure_decay`](Spec::failure_decay). Above the [`failure_threshold`](Spec::failure_threshold) the supervisor
//! pauses: for the time of a [`failure_backoff`](Spec::failure_backoff) it restarts nothing; then the meter is at
//! zero, and all that waited is started. Messages wait in the kept mailboxes meanwhile, unless the child
//! [rejects](WhileDown::Reject) them. With [`OnLimit::Escalate`] it fails instead: to the supervisor above it, which
//! treats that like a failure of any child, and at the root to whoever called [`serve`](Supervisor::serve).
//!
//! What each failure means for its child can be [decided](ChildSpec::decide) by its reason.
//!
//! # Threads
//!
//! A child's [`Placement`] says on which thread it runs: its supervisor's, one of its own, one of the supervisor's
//! [`arbiters`](Spec::arbiters), or an arbiter of the application's. All else is the same there. What blocks holds up whatever
//! else is on its thread, and nothing else.
//!
//! No thread can be ended from outside. A [watchdog](ChildSpec::watchdog) finds one that is stuck, which is
//! [`Failure::Unresponsive`], and goes on without it: the incarnation there takes no more messages, and the next one, on another
//! thread, takes over mailbox and address. Should the stuck thread ever go on, the old incarnation is dropped.
//!
//! # Pools
//!
//! A [pool](ChildSpec::pool) is several actors of one type that take their messages from one mailbox, behind one address; an idle
//! one takes the next message. One that fails is replaced alone. With [`Placement::Dedicated`] they may block: that is what Actix's
//! `SyncArbiter` is for, without losing a thread at each panic.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `metrics` | children, failures, restarts, pauses and times, through the facade `metrics` |
//! | `tracing` | a span for each incarnation, and an event for each decision, where there is a subscriber |
//! | `serde` | settings can be read from a file, and snapshots, reports and events be written |
//! | `systemd` | [`run`](Supervisor::run) tells systemd that it is ready, what is wrong, that it stops, and that it is alive |
//! | `test-kit` | what tests of trees are made of, and drills for a staging system |
//! | `web` | a live page of the tree, its events, health and metrics, for an actix-web application |
//!
//! None is on by default, and none changes what a supervisor does.
//!
//! # Stopping
//!
//! [`Stop`] stops the children one after the other, the last started first, or [all at
//! once](ShutdownOrder::Concurrent). An actor is stopped as by
//! `ctx.stop()`, after what was in its mailbox if it [drains](ChildSpec::drain); a service sees its
//! [`CancellationToken`] cancelled. Each has a [limit](ChildSpec::shutdown). After it, an actor or an
//! async service is dropped. A blocking service cannot be, nor can what is on a stuck thread: that thread is left behind, and
//! the [`StopReport`] names it by its path.
//!
//! `System::stop` drops all actors without order, and does not run the hooks of supervised ones. Send
//! [`Stop`] first.
//!
//! # What a supervised actor may do
//!
//! All that it may do unsupervised: timers, streams, `ctx.spawn`, `ctx.wait`, `ctx.notify`, its own
//! address, `Running::Continue`. It runs until it stops or is stopped, also when nobody holds its
//! address. [`SupervisedContext`] adds [`fail`](SupervisedContext::fail),
//! [`finish`](SupervisedContext::finish), [`terminate_tree`](SupervisedContext::terminate_tree),
//! [`child`](SupervisedContext::child) and [`in_hand`](SupervisedContext::in_hand).
//!
//! What it must not do is block its supervisor's thread: nothing on that thread, the supervisor included, could do
//! anything about it. A child that may block belongs on [another thread](#threads), and one that may hang has a watchdog
//! there.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make times of their own"))]

mod backoff;
mod bus;
mod child;
mod clock;
mod error;
mod event;
mod exit_codes;
mod failure;
mod health;
mod info;
mod machine;
mod messages;
mod picture;
mod placement;
mod policy;
mod record;
mod rows;
#[cfg(feature = "serde")]
mod serial;
mod signals;
mod spec;
mod supervisor;
#[cfg(all(feature = "systemd", unix))]
mod systemd;
#[cfg(feature = "test-kit")]
pub mod test_kit;
mod token;
#[cfg(feature = "web")]
pub mod web;

pub use tokio_util::sync::CancellationToken;

pub use crate::{
    backoff::Backoff,
    child::{Child, ChildSpec, InFlight, ServiceActor, SupervisedContext, install_panic_hook},
    error::{
        AddError, ChildError, PlacementError, RemoveError, ReplaceError, ResizeError, SpecError,
    },
    event::{EndReason, Event, EventKind},
    exit_codes::ExitCodes,
    failure::{BoxError, Exit, Failure, PanicInfo},
    health::{Health, HealthReport, Trouble, Why},
    info::{
        ChildCounts, ChildInfo, ChildKind, ChildState, StopReport, SupervisorState,
        SupervisorStatus, TreeNode, Unstopped,
    },
    messages::{
        Add, AddAndWait, Join, Kill, List, Remove, RemoveAndWait, Replace, Resize, Restart, Resume,
        Status, Stop, Subscribe, Terminate, Tree,
    },
    placement::Placement,
    policy::{
        AutoShutdown, Decision, OnLimit, OnPanic, RestartPolicy, Shutdown, ShutdownOrder,
        StartFailure, Strategy, WhileDown,
    },
    spec::Spec,
    supervisor::Supervisor,
    token::ChildToken,
};

// Its programs use all features.
#[cfg(any(doc, all(doctest, feature = "metrics", feature = "tracing", feature = "web")))]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/tuning.md")]
pub mod tuning {}

#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/deployment.md")]
pub mod deployment {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
