//! Pools: several actors that take their messages from one mailbox.
//!
//! A pool is a supervisor of its members, so each of them fails and is restarted alone. What is peculiar to it is here: how
//! its members are made, and that its address is theirs.

use std::{
    any::{Any, TypeId},
    sync::{Arc, Mutex, PoisonError},
};

use actix::{Actor, Addr, Context, WeakAddr};

use super::{
    Rule, TakenOn,
    incarnation::Handle,
    kept::{AnyKept, Factory, Job, Kept, Manners, SharedMailbox},
    link::Link,
    panics::Guarded,
    taking::Extras,
};
use crate::{info::HasAddr, machine::Terms, placement::Placement, policy::RestartPolicy};

/// A pool, in parts.
pub(crate) struct Pool<A: Actor<Context = Context<A>>> {
    pub(crate) name: String,
    pub(crate) addr: Addr<A>,
    pub(crate) size: usize,
    pub(crate) policy: RestartPolicy,
    pub(crate) significant: bool,
    pub(crate) essential: bool,
    pub(crate) template: Template<A>,
}

/// What all members of a pool are made of.
pub(crate) struct Template<A: Actor<Context = Context<A>>> {
    pub(super) name: String,
    pub(super) terms: Arc<Terms>,
    pub(super) manners: Manners,
    pub(super) placement: Placement,
    pub(super) factory: Arc<Mutex<Guarded<Factory<A>>>>,
    pub(super) decide: Option<Arc<Rule>>,
    pub(super) mailbox: Arc<SharedMailbox<A>>,
    pub(super) addr: WeakAddr<A>,
}

impl<A: Actor<Context = Context<A>>> Template<A> {
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// A member with this number.
    pub(crate) fn member(&self, number: u64) -> TakenOn {
        let factory = Arc::clone(&self.factory);
        // One member is made at a time: it is one factory.
        let factory = Box::new(move |ctx: &mut Context<A>| {
            let mut factory = factory.lock().unwrap_or_else(PoisonError::into_inner);
            (**factory)(ctx)
        });
        let (mailbox, addr) = (Arc::clone(&self.mailbox), self.addr.clone());
        let decide = self
            .decide
            .clone()
            .map(|rule| -> Rule { Guarded::new(Box::new(move |failure| (**rule)(failure))) });
        TakenOn {
            name: Arc::from(format!("{}-{number}", self.name)),
            terms: Arc::clone(&self.terms),
            kept: Arc::new(Kept::member(mailbox, addr, factory, self.manners)),
            extras: Extras::new(self.placement.clone(), None, decide, None),
        }
    }

    /// What is kept of the pool as a whole, where this is kept of the supervisor of its members.
    pub(crate) fn cover(&self, supervisor: Arc<dyn AnyKept>) -> Arc<dyn AnyKept> {
        let (mailbox, addr) = (Arc::clone(&self.mailbox), self.addr.clone());
        Arc::new(KeptPool { supervisor, mailbox, addr })
    }
}

struct KeptPool<A: Actor<Context = Context<A>>> {
    supervisor: Arc<dyn AnyKept>,
    mailbox: Arc<SharedMailbox<A>>,
    addr: WeakAddr<A>,
}

impl<A: Actor<Context = Context<A>>> HasAddr for KeptPool<A> {
    fn addr(&self, of: TypeId) -> Option<Box<dyn Any>> {
        if of == TypeId::of::<Addr<A>>() {
            return Some(Box::new(self.addr.upgrade()?));
        }
        self.supervisor.addr(of)
    }
}

impl<A: Actor<Context = Context<A>>> AnyKept for KeptPool<A> {
    fn start(
        self: Arc<Self>,
        link: Link,
        policy: RestartPolicy,
        last: Option<Arc<dyn Handle>>,
    ) -> Arc<dyn Handle> {
        Arc::clone(&self.supervisor).start(link, policy, last)
    }

    fn start_elsewhere(self: Arc<Self>, link: Link) -> (Arc<dyn Handle>, Job) {
        Arc::clone(&self.supervisor).start_elsewhere(link)
    }

    /// What becomes of messages is said by its members, and requests to its supervisor wait in any case.
    fn down(self: Arc<Self>) {}

    fn is_of_pool(&self) -> bool {
        true
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn leave_the_queue(&self) {}

    fn close(&self) {
        self.supervisor.close();
        self.mailbox.close();
    }
}
