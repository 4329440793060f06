//! What is told from below, by a timer, or by the supervisor above: it becomes inputs of the machine.

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use actix::{ActorFuture, Context};
use futures::future::BoxFuture;

use super::{
    Supervisor,
    deeds::abort_on,
    entry::{Ended, Entry},
    remains::remember,
    shell::{Shell, now},
};
use crate::{
    child::{
        Notice,
        panics::{self, Guarded},
    },
    failure::Failure,
    machine::Input,
    placement::Placement,
    policy::ExitClass,
};

/// How many notices are served in one go, so that a storm of failures lets others have their turn.
const SLICE: usize = 128;

/// Serves what is told from below, as it comes.
pub(super) struct Inbox;

impl ActorFuture<Supervisor> for Inbox {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        supervisor: &mut Supervisor,
        ctx: &mut Context<Supervisor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match &supervisor.shell {
            Some(shell) => Shell::open(shell).poll_inbox(ctx, task),
            None => Poll::Ready(()),
        }
    }
}

impl Shell {
    /// Serves the notices that are there, up to a slice: what has happened before a request is known when it is answered. What
    /// follows from that comes after it.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Supervisor>) {
        for _ in 0..self.inbox.len().min(SLICE) {
            let Ok(notice) = self.inbox.try_recv() else { return };
            if matches!(notice, Notice::Joined) {
                // Requests that wait behind this one are answered before it ends.
                let _ = self.desk.outbox.send(notice);
                return;
            }
            self.notice(notice, ctx);
        }
    }

    /// Serves notices as they come.
    fn poll_inbox(
        &mut self,
        ctx: &mut Context<Supervisor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if self.desk.turnstile.begin_round(task.waker()) {
            task.waker().wake_by_ref();
        }
        for _ in 0..SLICE {
            let Poll::Ready(Some(notice)) = self.inbox.poll_recv(task) else {
                return Poll::Pending;
            };
            let slice_is_full = matches!(notice, Notice::Tick);
            self.notice(notice, ctx);
            if slice_is_full {
                break;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn notice(&mut self, notice: Notice, ctx: &mut Context<Supervisor>) {
        match notice {
            Notice::Ready { child, life } => self.input(Input::Ready { child, life }, ctx),
            Notice::Exited { child, life, exit, failure } => {
                self.note_return(child, life);
                match self.remains_of(child, life) {
                    None => self.exited(child, life, exit, failure, ctx),
                    Some(remains) => self.tell_after(remains, child, life, exit, failure),
                }
            }
            Notice::Alive { child, life } => self.input(Input::Alive { child, life }, ctx),
            Notice::Abandoned { child, life } => {
                let entry = self.children.get(child);
                let exit = match entry.is_some_and(Entry::is_started_in_vain) {
                    true => ExitClass::Stranded,
                    false => ExitClass::Failed,
                };
                self.exited(child, life, exit, Some(Arc::new(Failure::Killed)), ctx);
            }
            Notice::Stranded { child, life } => self.input(Input::Move { child, life }, ctx),
            Notice::Joined => {
                if let Some(cause) = self.finishing.take() {
                    self.finish(cause, ctx);
                }
            }
            Notice::Standing { child, life, standing } => {
                self.input(Input::Standing { child, life, standing }, ctx);
            }
            Notice::Health(reply, within) => self.report_health(reply, within),
            Notice::Tree(reply) => self.report_tree(reply),
            Notice::Resize { members, reply } => {
                let is_done = self.resize(members, ctx);
                // Who asked may be gone.
                let _ = reply.send(is_done);
            }
            Notice::Kill => self.input(Input::Kill, ctx),
            Notice::Tick => {
                self.ticking = false;
                self.tick(ctx);
            }
        }
    }

    /// A deadline has come. Who keeps a thread busy that does not answer is known here, and not to the machine.
    pub(super) fn tick(&mut self, ctx: &mut Context<Supervisor>) {
        let silent = loop {
            let Some(silent) = self.machine.silent(now()) else { break None };
            let last = self.children.get(silent).and_then(Entry::last_turn);
            if !last.is_some_and(|last| self.machine.waits_for_its_turn(silent, last, now())) {
                break Some(silent);
            }
        };
        match silent.and_then(|over| Some((over, self.who_is_busy_beside(over)?))) {
            Some((over, (child, life))) => self.input(Input::Stuck { child, life, over }, ctx),
            None => self.input(Input::Tick, ctx),
        }
    }

    /// What this one is waited for that has just ended: as a supervisor that went down without order (I1).
    fn remains_of(&self, child: u64, life: u64) -> Option<BoxFuture<'static, ()>> {
        let entry = self.children.get(child).filter(|entry| entry.is_in(life))?;
        Arc::clone(entry.child.nested()?).remains()
    }

    fn tell_after(
        &self,
        remains: BoxFuture<'static, ()>,
        child: u64,
        life: u64,
        exit: ExitClass,
        failure: Option<Arc<Failure>>,
    ) {
        let (outbox, failure) = (self.desk.outbox.clone(), Guarded::new(failure));
        actix_rt::spawn(async move {
            remains.await;
            let failure = failure.into_inner();
            let _ = outbox.send(Notice::Exited { child, life, exit, failure });
        });
    }

    fn exited(
        &mut self,
        child: u64,
        life: u64,
        exit: ExitClass,
        failure: Option<Arc<Failure>>,
        ctx: &mut Context<Supervisor>,
    ) {
        let Some(entry) = self.children.get_mut(child).filter(|entry| entry.is_in(life)) else {
            // Of an earlier life (I3).
            return panics::discard(failure);
        };
        if let Some(Failure::Panic(panic)) = failure.as_deref() {
            abort_on(self.blueprint.spec.on_panic, &entry.child.name, panic);
        }
        let exit = entry.class_of(exit, failure.as_deref());
        let task = entry.handle.take();
        if !matches!(entry.child.placement(), Placement::Dedicated) {
            // Who is down keeps no place on a thread that is shared.
            entry.place = None;
        }
        if let Some(nested) = entry.child.nested() {
            remember(&mut self.left_behind, nested.left_behind(), &entry.child.name);
        }
        self.ended = Some(Ended { child, failure, task });
        let decision = self.decide(child, life, exit);
        self.input(Input::Exited { child, life, exit, decision }, ctx);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix::{Actor, Addr, AsyncContext, System};

    use super::*;
    use crate::{
        backoff::Backoff,
        child::{ChildSpec, SupervisedContext},
        messages::Status,
        supervisor::blueprint::Blueprint,
    };

    fn failing() -> ChildSpec<Failing> {
        ChildSpec::actor("child", |_ctx| Failing)
    }

    struct Failing;

    impl Actor for Failing {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.notify_later(Fail, Duration::ZERO);
        }
    }

    #[derive(actix::Message)]
    #[rtype(result = "()")]
    struct Fail;

    impl actix::Handler<Fail> for Failing {
        type Result = ();

        fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
            ctx.fail("as it was told");
        }
    }

    /// Counts who has the only child: its supervisor, and its task if there is one.
    fn uses(of: &Blueprint) -> impl Fn() -> usize {
        let shell = of.plan().shell.as_ref().and_then(|(_, shell)| shell.upgrade());
        let shell = shell.expect("it runs");
        let shell = Shell::open(&shell);
        let kept = Arc::downgrade(&shell.children.get(0).expect("a child").child.kept);
        move || kept.strong_count()
    }

    fn with_child(child: ChildSpec<Failing>) -> (Addr<Supervisor>, Arc<Blueprint>) {
        let root = Supervisor::new("root").child(child);
        let blueprint = Arc::clone(&root.blueprint);
        (root.start(), blueprint)
    }

    #[test]
    fn a_child_that_is_down_has_no_task() {
        System::new().block_on(async {
            let hour = Backoff::constant(Duration::from_secs(3600));
            let (root, blueprint) = with_child(failing().backoff(hour));
            while root.send(Status).await.expect("it runs").children.backing_off == 0 {}
            root.send(Status).await.expect("it runs");
            let uses = uses(&blueprint);
            assert_eq!(uses(), 1, "only its supervisor has it");
        });
    }

    #[test]
    fn a_child_that_has_given_up_leaves_no_task_behind() {
        System::new().block_on(async {
            let (root, blueprint) = with_child(failing().give_up_after(1));
            root.send(Status).await.expect("it runs");
            let uses = uses(&blueprint);
            while root.send(Status).await.expect("it runs").children.total() > 0 {}
            root.send(Status).await.expect("it runs");
            assert_eq!(uses(), 0);
        });
    }
}
