//! What is kept of a supervisor while its incarnations come and go.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::ThreadId,
};

use actix::{Actor, Addr, Context};
use futures::future::BoxFuture;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{
    Supervisor,
    pool::{self, Members},
    remains::Remains,
    shell::Shell,
};
use crate::{
    bus::Bus,
    child::{Alike, ChildSpec, LeftBehind, Look, Nested, Notice, TakenOn, panics},
    error::SpecError,
    failure::{Failure, Outcome},
    info::StopReport,
    machine::Longest,
    spec::{Spec, check},
    token,
};

/// How a supervisor has ended.
pub(super) type Ended = Result<StopReport, Failure>;

pub(super) struct Blueprint {
    /// What its tokens bear.
    pub(super) id: u64,
    pub(super) spec: Spec,
    pub(super) addr: Addr<Supervisor>,
    pub(super) bus: Arc<Bus>,
    /// Whether another incarnation may follow the one that runs.
    returns: AtomicBool,
    /// How many children it ever had. Each has the next number.
    children: AtomicU64,
    /// For whoever watches it.
    #[cfg(all(feature = "systemd", unix))]
    pub(super) condition: std::sync::OnceLock<tokio::sync::watch::Sender<Condition>>,
    plan: Mutex<Plan>,
}

/// What a platform is told of a tree.
#[cfg(all(feature = "systemd", unix))]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Condition {
    pub(crate) is_ready: bool,
    pub(crate) is_stopping: bool,
}

/// What changes.
#[derive(Default)]
pub(super) struct Plan {
    /// The declared children, while no incarnation has them.
    pub(super) declared: BTreeMap<u64, Declared>,
    /// The way to the running incarnation.
    pub(super) outbox: Option<UnboundedSender<Notice>>,
    /// That incarnation, for those who look at it on its own thread.
    pub(super) shell: Option<(ThreadId, Weak<Mutex<Shell>>)>,
    /// How the last incarnation has ended, where it said so itself.
    pub(super) ended: Option<Ended>,
    pub(super) report: StopReport,
    /// If it is a pool.
    pub(super) members: Option<Members>,
    /// Essential children that have failed for good, under any incarnation.
    pub(super) lost: Vec<Lost>,
    pub(super) alike: Alike,
    /// What that report names.
    pub(super) left_behind: Vec<LeftBehind>,
    /// If it went down without order.
    pub(super) remains: Option<Remains>,
    stops: Vec<oneshot::Sender<StopReport>>,
    joins: Vec<oneshot::Sender<Ended>>,
}

/// A child that has failed for good.
pub(super) struct Lost {
    pub(super) name: String,
    pub(super) failure: Failure,
}

/// A child that was declared before the start: it comes back when its supervisor is restarted.
pub(super) struct Declared {
    pub(super) child: TakenOn,
    /// The number of its last incarnation.
    pub(super) life: u64,
    pub(super) last_failure: Option<Arc<Failure>>,
}

impl Blueprint {
    pub(super) fn new(name: String, spec: Spec, addr: Addr<Supervisor>) -> Self {
        let bus = Arc::new(Bus::new(Arc::from(name), spec.event_hook.clone()));
        Self {
            id: token::next_supervisor(),
            spec,
            addr,
            bus,
            returns: AtomicBool::new(true),
            children: AtomicU64::new(0),
            #[cfg(all(feature = "systemd", unix))]
            condition: Default::default(),
            plan: Mutex::default(),
        }
    }

    pub(super) fn returns(&self) -> bool {
        self.returns.load(Ordering::Relaxed)
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn declare<A>(&self, spec: ChildSpec<A>) -> Result<(), SpecError>
    where
        A: Actor<Context = Context<A>>,
    {
        let mut alike = mem::take(&mut self.plan().alike);
        let taken = self.take_on(spec, &mut alike);
        let mut plan = self.plan();
        plan.alike = alike;
        let (child, _) = taken?;
        let max = self.spec.max_children.unwrap_or(usize::MAX);
        let of = || format!("supervisor {:?}", self.bus.name());
        let allowed = "as many as there are declared children, or more";
        check(plan.declared.len() < max, of, "max_children", &max, allowed)?;
        let id = self.next_child();
        plan.declared.insert(id, Declared { child, life: 0, last_failure: None });
        Ok(())
    }

    pub(super) fn next_child(&self) -> u64 {
        self.children.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn take_on<A>(
        &self,
        spec: ChildSpec<A>,
        alike: &mut Alike,
    ) -> Result<(TakenOn, Addr<A>), SpecError>
    where
        A: Actor<Context = Context<A>>,
    {
        let (child, addr) = match spec.is_pool() {
            true => pool::take_on(spec, &self.spec),
            false => spec.take_on(&self.spec, alike),
        }?;
        if let Some(nested) = child.nested() {
            nested.adopt(&self.bus);
        }
        Ok((child, addr))
    }

    /// Resolves when the incarnation that is running, or the next one, has ended.
    pub(super) fn join(&self) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        self.answer_join(sender);
        receiver
    }

    /// Answers when the incarnation that is running, or the next one, has ended.
    pub(super) fn answer_join(&self, sender: oneshot::Sender<Ended>) {
        push_open(&mut self.plan().joins, sender, oneshot::Sender::is_closed);
    }

    /// As [`answer_join`](Self::answer_join), for those who have asked for the end.
    pub(super) fn answer_stop(&self, sender: oneshot::Sender<StopReport>) {
        push_open(&mut self.plan().stops, sender, oneshot::Sender::is_closed);
    }
}

/// Forgets those who do not wait any more whenever there is no place: so they never pile up.
pub(super) fn push_open<T>(waiting: &mut Vec<T>, one: T, has_gone: impl Fn(&T) -> bool) {
    if waiting.len() == waiting.capacity() {
        waiting.retain(|other| !has_gone(other));
        waiting.reserve(waiting.len());
    }
    waiting.push(one);
}

impl Nested for Blueprint {
    fn adopt(&self, parent: &Arc<Bus>) {
        self.bus.set_parent(parent);
    }

    fn tell(&self, notice: Notice) -> bool {
        self.plan().outbox.as_ref().is_some_and(|outbox| outbox.send(notice).is_ok())
    }

    fn is_pool(&self) -> bool {
        self.plan().members.is_some()
    }

    fn resize(&self, members: usize) -> oneshot::Receiver<bool> {
        let (reply, answer) = oneshot::channel();
        let mut plan = self.plan();
        match &plan.outbox {
            Some(outbox) => {
                // One that ends meanwhile drops the question.
                let _ = outbox.send(Notice::Resize { members, reply });
            }
            None => {
                plan.set_size(members);
                let _ = reply.send(true);
            }
        }
        answer
    }

    fn ended(&self, outcome: &Outcome) {
        let mut plan = self.plan();
        plan.outbox = None;
        plan.shell = None;
        let report = plan.report.clone();
        let ended = plan.ended.take().unwrap_or_else(|| match outcome.clone().into_failure() {
            Some(failure) => Err(failure),
            None => Ok(report.clone()),
        });
        let (stops, joins) = (mem::take(&mut plan.stops), mem::take(&mut plan.joins));
        drop(plan);
        // Who has gone away since needs no answer.
        for stop in stops {
            let _ = stop.send(report.clone());
        }
        for join in joins {
            let _ = join.send(ended.clone());
        }
        panics::discard(ended);
    }

    fn will_not_return(&self) {
        self.returns.store(false, Ordering::Relaxed);
    }

    fn close_children(&self) {
        let declared = mem::take(&mut self.plan().declared);
        for Declared { child, last_failure, .. } in declared.into_values() {
            child.kept.close();
            panics::discard(last_failure);
        }
    }

    fn has_essential(&self) -> bool {
        let plan = self.plan();
        plan.declared.values().any(|declared| declared.child.terms.essential)
    }

    fn longest(&self) -> Longest {
        self.worst_case()
    }

    fn left_behind(&self) -> Vec<LeftBehind> {
        self.plan().left_behind.clone()
    }

    fn remains(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        self.plan().remains.as_ref()?;
        Some(Box::pin(self.outlast_remains()))
    }

    fn look(&self, here: ThreadId) -> Look {
        let shell = {
            let plan = self.plan();
            let shell = plan.shell.as_ref().filter(|(thread, _)| *thread == here);
            shell.and_then(|(_, shell)| shell.upgrade())
        };
        if let Some(shell) = shell
            // Not while it is in a handler of its own, of whatever called this.
            && let Ok(shell) = shell.try_lock()
            && shell.inbox.is_empty()
        {
            return Look::Seen(shell.sight());
        }
        let (reply, answer) = oneshot::channel();
        if self.tell(Notice::Tree(reply)) { Look::Asked(answer) } else { Look::Down }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use actix::System;
    use tokio::task::yield_now;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::policy::{RestartPolicy, WhileDown};

    #[test]
    fn who_does_not_wait_any_more_takes_no_place() {
        let (mut waiting, mut kept) = (Vec::new(), Vec::new());
        for index in 0..10_000 {
            let (sender, receiver) = oneshot::channel::<()>();
            push_open(&mut waiting, sender, oneshot::Sender::is_closed);
            if index % 1_000 == 0 {
                kept.push(receiver);
            }
        }
        assert!(waiting.len() < 100, "{}", waiting.len());
        let open = waiting.iter().filter(|sender| !sender.is_closed());
        assert_eq!(open.count(), kept.len());
    }

    #[test]
    fn those_who_wait_are_looked_through_only_when_there_is_no_place() {
        let (mut waiting, looks) = (Vec::with_capacity(64), Cell::new(0));
        let stays = |_: &u64| {
            looks.set(looks.get() + 1);
            false
        };
        for index in 0..64 {
            push_open(&mut waiting, index, stays);
        }
        assert_eq!(looks.get(), 0);
        // From then on at twice as many, and twice as many again.
        for index in 64..1_000 {
            push_open(&mut waiting, index, stays);
        }
        assert!(looks.get() <= 64 + 128 + 256 + 512, "{}", looks.get());
    }

    #[test]
    fn children_on_the_same_terms_share_them_and_those_of_one_name_share_that() {
        let supervisor = Supervisor::new("root");
        let mut alike = Alike::default();
        let mut child = |name: &str, policy| {
            let service = ChildSpec::service(name, |_: CancellationToken| async {});
            let taken_on = supervisor.blueprint.take_on(service.restart(policy), &mut alike);
            taken_on.expect("it makes sense").0
        };
        let [one, another] = [RestartPolicy::Transient; 2].map(|policy| child("one", policy));
        assert!(Arc::ptr_eq(&one.terms, &another.terms));
        assert!(Arc::ptr_eq(&one.name, &another.name));
        let other = child("other", RestartPolicy::Permanent);
        assert_ne!(one.terms, other.terms);
        assert_eq!(&*other.name, "other");
    }

    #[test]
    fn what_rejects_the_messages_of_a_child_that_is_down_is_gone_with_its_mailbox() {
        System::new().block_on(async {
            let service = ChildSpec::service("service", |_: CancellationToken| async {});
            let service = service.while_down(WhileDown::Reject);
            let taken_on =
                Supervisor::new("root").blueprint.take_on(service, &mut Alike::default());
            let Ok((TakenOn { kept, .. }, _)) = taken_on else { panic!("it makes sense") };
            Arc::clone(&kept).down();
            yield_now().await;
            assert_eq!(Arc::strong_count(&kept), 2, "it waits for messages");
            kept.close();
            yield_now().await;
            assert_eq!(Arc::strong_count(&kept), 1);
        });
    }
}
