//! What a child is: described once by a [`ChildSpec`]. The last place that is generic over its actor.

mod context;
mod crew;
mod incarnation;
mod intake;
mod kept;
mod link;
pub(crate) mod panics;
mod pool;
mod pump;
mod runner;
mod service;
mod sight;
mod spec;
mod standby;
mod taking;
mod turns;
mod turnstile;

use std::{fmt, sync::Arc};

use actix::{Actor, Addr};

use self::panics::Guarded;
pub(crate) use self::{
    context::current,
    incarnation::Handle,
    kept::{Job, StillMaking},
    link::{Desk, LeftBehind, Link, Nested, Notice, Parent, Running, Whereabouts},
    pool::Pool,
    sight::{Awaited, Branch, Look, Sight},
    taking::{Alike, TakenOn},
    turns::Turns,
};
pub use self::{
    context::{InFlight, SupervisedContext},
    panics::install_panic_hook,
    service::ServiceActor,
    spec::ChildSpec,
};
use crate::{failure::Failure, policy::Decision, token::ChildToken};

/// Actix's own default capacity of a mailbox.
pub(crate) const MAILBOX_CAPACITY: usize = 16;

/// What is to be done about a failure, in the user's words.
pub(crate) type Rule = Guarded<Box<dyn Fn(&Failure) -> Decision + Send + Sync>>;

/// A child that a supervisor has taken on: its token, its address and its name.
pub struct Child<A: Actor> {
    token: ChildToken,
    addr: Addr<A>,
    name: Arc<str>,
}

impl<A: Actor> Child<A> {
    pub(crate) fn new(token: ChildToken, addr: Addr<A>, name: Arc<str>) -> Self {
        Self { token, addr, name }
    }

    /// What requests about it take.
    pub fn token(&self) -> ChildToken {
        self.token
    }

    /// Its address, for as long as it is supervised.
    pub fn addr(&self) -> Addr<A> {
        self.addr.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<A: Actor> Clone for Child<A> {
    fn clone(&self) -> Self {
        Self { token: self.token, addr: self.addr.clone(), name: Arc::clone(&self.name) }
    }
}

impl<A: Actor> fmt::Debug for Child<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("token", &self.token).field("name", &self.name).finish()
    }
}
