//! What is wrong in a tree, asked level by level; and how long its stop may take.

use std::{sync::Arc, time::Duration};

use actix::Handler;
use futures::future::{BoxFuture, FutureExt, join_all};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Supervisor,
    blueprint::{Blueprint, Lost},
    entry::Entry,
    host::Host,
    reply::Reply,
    shell::Shell,
};
use crate::{
    child::Notice,
    health::{Health, HealthReport, PATIENCE, Trouble, Why},
    info::{ChildState, SupervisorState},
    machine::{Listed, Longest, Standing},
    placement::Placement,
    policy::ShutdownOrder,
};

impl Shell {
    /// What is wrong with this supervisor itself, and with essential children that are missing.
    fn own_troubles(&self) -> Vec<Trouble> {
        let name = || self.blueprint.bus.name().to_string();
        let own = |why| Trouble { path: vec![name()], why };
        let state = self.machine.state();
        let mut wrong = Vec::new();
        if self.machine.is_leaving() || state == SupervisorState::Stopping {
            wrong.push(own(Why::Stopping));
        } else if !self.machine.is_up() {
            wrong.push(own(Why::Starting));
        }
        if let SupervisorState::Paused { until } = state
            && self.machine.standing() == Standing::Lacking
        {
            wrong.push(own(Why::Paused { until }));
        }
        let plan = self.blueprint.plan();
        wrong.extend(plan.lost.iter().map(|Lost { name: child, failure }| Trouble {
            path: vec![name(), child.clone()],
            why: Why::FailedForGood(failure.clone()),
        }));
        drop(plan);
        // Of a pool that pauses or stops itself, that says enough.
        let is_deserted = wrong.is_empty() && self.machine.is_deserted();
        let missing = self.machine.list().filter(|listed| listed.is_missing || is_deserted);
        wrong.extend(missing.filter_map(|listed| {
            let entry = self.children.get(listed.id)?;
            let path = vec![name(), entry.child.name.to_string()];
            Some(Trouble { path, why: why(entry, listed)? })
        }));
        if is_deserted && wrong.is_empty() {
            // The last of them was removed, and has yet to end.
            wrong.push(own(Why::Stopping));
        }
        wrong
    }

    /// What is wrong here now, and below as soon as that has answered, or has failed to within this time.
    fn troubles(&self, within: Duration) -> impl Future<Output = Vec<Trouble>> + use<> {
        let name = self.blueprint.bus.name().to_string();
        let mut wrong = self.own_troubles();
        let mut asked: Vec<&Arc<Host>> = Vec::new();
        let mut answers = Vec::new();
        for listed in self.machine.list().filter(|listed| listed.is_essential) {
            let Some(entry) = self.children.get(listed.id) else { continue };
            if let Some(host) = entry.host() {
                if asked.iter().any(|known| Arc::ptr_eq(known, host)) {
                    continue;
                }
                asked.push(host);
            }
            let Some(answer) = ask(entry, within) else { continue };
            let child = entry.child.name.to_string();
            answers.push(async move {
                let silent = |_| vec![Trouble { path: vec![child], why: Why::Unresponsive }];
                timeout(within, answer).await.unwrap_or_else(silent)
            });
        }
        let answers = join_all(answers);
        async move {
            for mut below in answers.await.into_iter().flatten() {
                below.path.insert(0, name.clone());
                wrong.push(below);
            }
            wrong
        }
    }

    /// Answers to the supervisor above.
    pub(super) fn report_health(&self, reply: oneshot::Sender<Vec<Trouble>>, within: Duration) {
        let troubles = self.troubles(within);
        actix_rt::spawn(async move {
            // Who asked may be gone.
            let _ = reply.send(troubles.await);
        });
    }

    fn health(&self) -> impl Future<Output = HealthReport> + use<> {
        let (is_ready, troubles) = (self.machine.is_ready(), self.troubles(PATIENCE));
        async move { HealthReport::of(is_ready, troubles.await) }
    }
}

/// As what an essential child is missing. One that is running is a supervisor, and says itself what is wrong.
fn why(entry: &Entry, listed: Listed) -> Option<Why> {
    match listed.state {
        ChildState::Starting => Some(Why::Starting),
        ChildState::BackingOff => Some(Why::Down {
            last_failure: entry.last_failure.as_deref().cloned(),
            next_start: listed.next_start,
        }),
        ChildState::Stopping => Some(Why::Stopping),
        ChildState::Terminated => Some(Why::Terminated),
        ChildState::Running => None,
    }
}

/// Asks a nested supervisor what is wrong, and the thread of another child whether it is free; `None` where there is nothing to ask.
fn ask(entry: &Entry, within: Duration) -> Option<BoxFuture<'static, Vec<Trouble>>> {
    if let Some(nested) = entry.child.nested() {
        let (reply, answer) = oneshot::channel();
        // Below it has to be known first who does not answer, so that this is told and not that the supervisor does not.
        let asked = nested.tell(Notice::Health(reply, within * 3 / 4));
        // One that ends meanwhile drops the question: what is above it learns of that in time.
        return asked.then(|| answer.map(Result::unwrap_or_default).boxed());
    }
    let (reply, answer) = oneshot::channel();
    let job = move || drop(reply.send(Vec::new()));
    match (entry.child.placement(), entry.host()) {
        (Placement::Arbiter(arbiter), _) => drop(arbiter.spawn_fn(job)),
        (Placement::Pool, Some(host)) => host.run(Box::new(job)),
        // A thread of its own may be busy for as long as it likes, unless a watchdog says otherwise.
        (Placement::Pool, None) | (Placement::Inline | Placement::Dedicated, _) => return None,
    }
    // One that is gone drops the question: its children fail.
    Some(answer.map(Result::unwrap_or_default).boxed())
}

impl Handler<Health> for Supervisor {
    type Result = Reply<HealthReport>;

    fn handle(&mut self, Health: Health, ctx: &mut Self::Context) -> Self::Result {
        Reply::when(self.running(ctx).health())
    }
}

impl Supervisor {
    /// How long an orderly stop takes at most, as far as that is declared by now; `None` if there is no limit.
    ///
    /// It is the sum of the limits of all children, or the longest one where they stop [at once](crate::ShutdownOrder::Concurrent), level by
    /// level, with the [delay](crate::Spec::stop_delay) before it, and with what it takes to find out that a thread is stuck. Compare
    /// it with the time that the platform gives, and then kills: `terminationGracePeriodSeconds`, `TimeoutStopSec`. Children that are added
    /// later come on top.
    ///
    /// A nested supervisor on [another thread](crate::Placement) has no limit unless its [`shutdown`](crate::ChildSpec::shutdown) sets
    /// one: what hangs on its thread would keep it from all limits below. What hangs on the root's own thread keeps everything.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_supervisor::{CancellationToken, ChildSpec, Shutdown, Spec, Supervisor};
    ///
    /// let service = |name, limit| {
    ///     ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
    ///         .shutdown(Shutdown::Timeout(Duration::from_secs(limit)))
    /// };
    /// let delayed = Spec::default().stop_delay(Duration::from_secs(5));
    /// let root = Supervisor::with_spec("app", delayed)?.child(service("store", 10)).child(service("http", 20));
    /// assert_eq!(root.worst_case_stop(), Some(Duration::from_secs(35)));
    /// # Ok::<(), actix_supervisor::SpecError>(())
    /// ```
    pub fn worst_case_stop(&self) -> Option<Duration> {
        self.blueprint.worst_case().stop
    }
}

impl Blueprint {
    pub(super) fn worst_case(&self) -> Longest {
        let plan = self.plan();
        let declared = plan.declared.values().map(|declared| {
            let child = &declared.child;
            child.terms.longest(child.nested().map(|nested| nested.longest()))
        });
        let members = plan.members.iter().map(|members| members.terms.longest(None));
        let (mut stop, mut kill) = (Some(Duration::ZERO), Duration::ZERO);
        for child in declared.chain(members) {
            let stops = stop.zip(child.stop);
            stop = match self.spec.shutdown_order {
                ShutdownOrder::Reverse => stops.map(|(all, one)| all.saturating_add(one)),
                ShutdownOrder::Concurrent => stops.map(|(all, one)| all.max(one)),
            };
            kill = kill.max(child.kill);
        }
        Longest { stop: stop.map(|stop| self.spec.stop_delay.saturating_add(stop)), kill }
    }
}
