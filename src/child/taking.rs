//! How a supervisor takes a child on: its spec is checked, and split into what the machine and what the shell need.

use std::{
    any::type_name,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{Actor, Addr, Context};

use super::{
    ChildSpec, MAILBOX_CAPACITY, Rule,
    kept::{AnyKept, Kept, Manners, OnStop, SharedMailbox},
    link::{Calls, Nested},
    panics,
    pool::{Pool, Template},
    spec::Description,
};
use crate::{
    error::{PlacementError, ReplaceError, SpecError},
    info::ChildKind,
    machine::{Elsewhere, Terms},
    placement::Placement,
    policy::{AutoShutdown, RestartPolicy, Shutdown},
    spec::{Spec, check},
};

/// Actix refuses to make a mailbox of this capacity.
pub(super) const CAPACITY_LIMIT: usize = usize::MAX >> 2;

/// A child, as its supervisor sees it: without its actor's type.
pub(crate) struct TakenOn {
    pub(crate) name: Arc<str>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) kept: Arc<dyn AnyKept>,
    /// If it has anything of this: few children do.
    pub(super) extras: Option<Box<Extras>>,
}

pub(super) struct Extras {
    placement: Placement,
    nested: Option<Arc<dyn Nested>>,
    decide: Option<Rule>,
    /// If it is a blocking service.
    calls: Option<Calls>,
}

impl Extras {
    pub(super) fn new(
        placement: Placement,
        nested: Option<Arc<dyn Nested>>,
        decide: Option<Rule>,
        calls: Option<Calls>,
    ) -> Option<Box<Self>> {
        let is_inline = matches!(placement, Placement::Inline);
        let has_any = !is_inline || nested.is_some() || decide.is_some() || calls.is_some();
        has_any.then(|| Box::new(Self { placement, nested, decide, calls }))
    }
}

/// What the child that was taken on last has: others are likely to have the same.
#[derive(Default)]
pub(crate) struct Alike {
    name: Option<Arc<str>>,
    terms: Option<Arc<Terms>>,
}

impl Alike {
    fn name(&mut self, name: &str) -> Arc<str> {
        match &self.name {
            Some(last) if **last == *name => Arc::clone(last),
            Some(_) | None => Arc::clone(self.name.insert(Arc::from(name))),
        }
    }

    fn terms(&mut self, terms: Terms) -> Arc<Terms> {
        match &self.terms {
            Some(last) if **last == terms => Arc::clone(last),
            Some(_) | None => Arc::clone(self.terms.insert(Arc::new(terms))),
        }
    }
}

impl TakenOn {
    pub(crate) fn placement(&self) -> &Placement {
        self.extras.as_ref().map_or(&Placement::Inline, |extras| &extras.placement)
    }

    pub(crate) fn nested(&self) -> Option<&Arc<dyn Nested>> {
        self.extras.as_ref()?.nested.as_ref()
    }

    pub(crate) fn decide(&self) -> Option<&Rule> {
        self.extras.as_ref()?.decide.as_ref()
    }

    pub(crate) fn calls(&self) -> Option<&Calls> {
        self.extras.as_ref()?.calls.as_ref()
    }
}

impl<A: Actor<Context = Context<A>>> ChildSpec<A> {
    /// What is dropped of a spec that is refused is the user's code.
    pub(crate) fn refused<T, E>(self, error: impl Into<E>) -> Result<T, E> {
        panics::discard(self);
        Err(error.into())
    }

    /// Whether there is a thread where it is to run.
    pub(crate) fn check_place(&self) -> Result<(), PlacementError> {
        match &self.inner.placement {
            Placement::Arbiter(arbiter) if !arbiter.alive() => Err(PlacementError::ArbiterStopped),
            Placement::Arbiter(_) | Placement::Inline | Placement::Dedicated | Placement::Pool => {
                Ok(())
            }
        }
    }

    /// Checks it, and splits it into what the machine and what the shell of its supervisor need, and its address.
    pub(crate) fn take_on(
        self,
        supervisor: &Spec,
        alike: &mut Alike,
    ) -> Result<(TakenOn, Addr<A>), SpecError> {
        if let Err(error) = self.inner.check(supervisor) {
            return self.refused(error);
        }
        let spec = self.inner;
        let (name, terms) = (alike.name(&spec.name), alike.terms(spec.terms(supervisor)));
        let manners = spec.manners();
        let (addr, intake) = (spec.addr, spec.mailbox.take());
        let factory = spec.factory.into_inner();
        let nested = spec.nested.clone();
        let kept = Arc::new(Kept::new(intake, addr.downgrade(), factory, manners, nested));
        let calls = spec.calls.map(|calls| calls.get_or_init(Calls::default).clone());
        let extras = Extras::new(spec.placement, spec.nested, spec.decide, calls);
        Ok((TakenOn { name, terms, kept, extras }, addr))
    }

    pub(crate) fn is_pool(&self) -> bool {
        self.inner.members.is_some()
    }

    /// Checks it, and splits it into what the pool is and what its members are made of.
    pub(crate) fn into_pool(self, supervisor: &Spec) -> Result<Pool<A>, SpecError> {
        if let Err(error) = self.inner.check(supervisor) {
            return self.refused(error);
        }
        let spec = self.inner;
        let (policy, significant, manners) = (spec.policy, spec.significant, spec.manners());
        let essential = spec.essential;
        let template = Template {
            name: spec.name.clone(),
            // Who of them is significant is asked by nobody: the pool ends with its last member.
            terms: Arc::new(Terms { essential: false, ..spec.terms(supervisor) }),
            manners,
            placement: spec.placement,
            factory: Arc::new(Mutex::new(spec.factory)),
            decide: spec.decide.map(Arc::new),
            mailbox: Arc::new(SharedMailbox::new(spec.mailbox.take())),
            addr: spec.addr.downgrade(),
        };
        let size = spec.members.unwrap_or(1);
        let (name, addr) = (spec.name, spec.addr);
        Ok(Pool { name, addr, size, policy, significant, essential, template })
    }

    /// Puts this in the place of the spec by which a child was taken on.
    pub(crate) fn replace(self, old: &mut TakenOn, supervisor: &Spec) -> Result<(), ReplaceError> {
        if let Err(error) = self.inner.check(supervisor) {
            return self.refused(error);
        }
        if let Err(error) = self.check_place() {
            return self.refused(error);
        }
        if old.kept.is_of_pool() {
            return self.refused(ReplaceError::OfPool { child: old.name.to_string() });
        }
        let kept = Arc::clone(&old.kept).into_any().downcast::<Kept<A>>();
        let spec = &self.inner;
        let same_kind =
            spec.kind == old.terms.kind && spec.nested.is_none() && spec.members.is_none();
        let Some(kept) = kept.ok().filter(|_| same_kind) else {
            let (child, given) = (old.name.to_string(), self.inner.describe());
            return self.refused(ReplaceError::WrongType { child, given });
        };
        let spec = self.inner;
        let manners = spec.manners();
        old.terms = Arc::new(spec.terms(supervisor));
        old.name = Arc::from(spec.name);
        let calls = old.calls().cloned();
        if let (Some(of_new), Some(calls)) = (spec.calls, &calls) {
            // One call at a time, also where the last one was begun by the old spec.
            let _ = of_new.set(calls.clone());
        }
        // A nested supervisor is not replaced.
        old.extras = Extras::new(spec.placement, None, spec.decide, calls);
        kept.replace(spec.factory.into_inner(), manners, spec.capacity);
        Ok(())
    }
}

impl<A: Actor<Context = Context<A>>> Description<A> {
    fn check(&self, supervisor: &Spec) -> Result<(), SpecError> {
        let of = || format!("child {:?}", self.name);
        check(!self.name.is_empty(), of, "name", &self.name, "not empty")?;
        let timeout = self.start_timeout;
        check(
            timeout != Some(Duration::ZERO),
            of,
            "start_timeout",
            &Duration::ZERO,
            "more than zero",
        )?;
        let capacity = self.capacity.unwrap_or(MAILBOX_CAPACITY);
        let allowed = "less than a quarter of usize::MAX";
        check(capacity < CAPACITY_LIMIT, of, "mailbox_capacity", &capacity, allowed)?;
        check(self.give_up_after != Some(0), of, "give_up_after", &0, "one or more")?;
        let can_be_placed =
            self.kind != ChildKind::Blocking || matches!(self.placement, Placement::Inline);
        let allowed = "only Inline for a blocking service, which has a thread of its own";
        check(can_be_placed, of, "placement", &self.placement, allowed)?;
        let (is_watched, limit) = (self.watchdog.is_some(), self.watchdog.unwrap_or_default());
        let sensible = !is_watched || !limit.is_zero();
        check(sensible, of, "watchdog", &limit, "more than zero")?;
        let can_be_watched = match self.kind {
            ChildKind::Actor | ChildKind::Service => !matches!(self.placement, Placement::Inline),
            ChildKind::Blocking | ChildKind::Supervisor => false,
        };
        let allowed = "only for an actor or an async service whose placement is not Inline";
        check(!is_watched || can_be_watched, of, "watchdog", &limit, allowed)?;
        check(self.in_flight != Some(0), of, "in_flight", &0, "one or more")?;
        check(self.members != Some(0), of, "members", &0, "one or more")?;
        let ends = self.policy != RestartPolicy::Permanent;
        let allowed = "only for a child that ends: a transient or a temporary one";
        check(!self.significant || ends, of, "significant", &true, allowed)?;
        let watched = supervisor.auto_shutdown != AutoShutdown::Never;
        let allowed = "only where the supervisor's auto_shutdown is not Never";
        check(!self.significant || watched, of, "significant", &true, allowed)
    }

    fn terms(&self, supervisor: &Spec) -> Terms {
        let default = match self.kind {
            ChildKind::Supervisor => Shutdown::Infinite,
            ChildKind::Actor | ChildKind::Service | ChildKind::Blocking => {
                Shutdown::Timeout(supervisor.shutdown_timeout)
            }
        };
        Terms {
            policy: self.policy,
            shutdown: self.shutdown.unwrap_or(default),
            start_timeout: self.start_timeout,
            kind: self.kind,
            backoff: self.backoff.clone(),
            give_up_after: self.give_up_after,
            significant: self.significant,
            essential: self.essential
                || self.nested.as_ref().is_some_and(|nested| nested.has_essential()),
            elsewhere: self.elsewhere(),
        }
    }

    fn manners(&self) -> Manners {
        let on_stop = if self.drain { OnStop::Drain } else { OnStop::Nothing };
        let in_flight = self.in_flight.unwrap_or(u32::MAX);
        Manners { on_stop, while_down: self.while_down, in_flight }
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        match self.placement {
            Placement::Inline => None,
            Placement::Arbiter(_) | Placement::Dedicated | Placement::Pool => {
                Some(Elsewhere { watchdog: self.watchdog })
            }
        }
    }

    fn describe(&self) -> String {
        match self.kind {
            ChildKind::Actor if self.members.is_some() => "pool".to_owned(),
            ChildKind::Actor => format!("actor of type {}", type_name::<A>()),
            ChildKind::Service => "service".to_owned(),
            ChildKind::Blocking => "blocking service".to_owned(),
            ChildKind::Supervisor => "supervisor".to_owned(),
        }
    }
}
