//! Pools, as supervisors of their members.

use std::{sync::Arc, time::Duration};

use actix::{Actor, Addr, Context};

use super::{
    Supervisor,
    blueprint::{Declared, Plan},
    shell::Shell,
};
use crate::{
    child::{Alike, ChildSpec, Pool, TakenOn},
    error::SpecError,
    info::SupervisorState,
    machine::{Request, Terms},
    policy::{AutoShutdown, ShutdownOrder, Strategy},
    spec::Spec,
};

/// What a supervisor needs to know if it is a pool.
pub(super) struct Members {
    /// Makes the member with this number.
    make: Box<dyn Fn(u64) -> TakenOn + Send + Sync>,
    /// What each of them is taken on with.
    pub(super) terms: Terms,
    /// The tree is not ready without one of them.
    pub(super) essential: bool,
    /// How many there are to be.
    size: usize,
    /// How many were made so far.
    made: u64,
}

impl Members {
    fn next(&mut self) -> TakenOn {
        self.made += 1;
        (self.make)(self.made)
    }
}

/// Takes on a pool: a supervisor of its members, with the settings of the one above it.
pub(super) fn take_on<A>(
    spec: ChildSpec<A>,
    settings: &Spec,
) -> Result<(TakenOn, Addr<A>), SpecError>
where
    A: Actor<Context = Context<A>>,
{
    let Pool { name, addr, size, policy, significant, essential, template } =
        spec.into_pool(settings)?;
    let of_pool = Spec {
        strategy: Strategy::OneForOne,
        shutdown_order: ShutdownOrder::Concurrent,
        event_hook: None,
        // It ends when nobody is left to take a message, and not before.
        auto_shutdown: AutoShutdown::Never,
        // Who has the pool knows of no supervisor in between.
        propagate_termination: true,
        stop_delay: Duration::ZERO,
        ..settings.clone()
    };
    let supervisor = Supervisor::with_spec(name, of_pool)?;
    let blueprint = Arc::clone(&supervisor.blueprint);
    let pool = ChildSpec::supervisor(supervisor)
        .restart(policy)
        .significant(significant)
        .essential(essential);
    let (mut taken, _) = pool.take_on(settings, &mut Alike::default())?;
    taken.kept = template.cover(taken.kept);
    let terms = template.terms().clone();
    let make = Box::new(move |number| template.member(number));
    blueprint.plan().members = Some(Members { make, terms, essential, size, made: 0 });
    Ok((taken, addr))
}

impl Plan {
    /// If it is a pool: declares as many members as there are to be. Returns those that are too many.
    pub(super) fn declare_members(&mut self, next_child: impl Fn() -> u64) -> Vec<Declared> {
        let Some(mut members) = self.members.take() else { return Vec::new() };
        while self.declared.len() < members.size {
            let (id, child) = (next_child(), members.next());
            self.declared.insert(id, Declared { child, life: 0, last_failure: None });
        }
        let mut excess = Vec::new();
        while self.declared.len() > members.size {
            excess.extend(self.declared.pop_last().map(|(_, last)| last));
        }
        self.members = Some(members);
        excess
    }

    pub(super) fn set_size(&mut self, size: usize) {
        if let Some(members) = &mut self.members {
            members.size = size;
        }
    }
}

impl Shell {
    /// The pool is to have another size: takes on members, or removes those that came last. Returns whether that is done:
    /// one that stops takes nobody on any more.
    pub(super) fn resize(&mut self, size: usize, ctx: &mut Context<Supervisor>) -> bool {
        if self.machine.state() == SupervisorState::Stopping {
            return false;
        }
        let present: Vec<u64> = self.machine.list().map(|listed| listed.id).collect();
        let more = {
            let mut plan = self.blueprint.plan();
            plan.set_size(size);
            let Some(members) = &mut plan.members else { return false };
            let missing = size.saturating_sub(present.len());
            (0..missing).map(|_| members.next()).collect::<Vec<_>>()
        };
        for member in more {
            let id = self.add(member, false, ctx);
            self.declared.insert(id);
        }
        for &id in present.iter().skip(size) {
            if let Some(entry) = self.children.get(id) {
                entry.child.kept.leave_the_queue();
            }
            // Refused only where everything stops anyway.
            let _ = self.request(self.token(id), Request::Remove, ctx);
        }
        true
    }
}
