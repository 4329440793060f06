//! What a supervisor that went down without order has left: incarnations that were told to end, and have not yet.
//!
//! One that ends in order has ended what is below it first. One that is dropped, with its arbiter or its system, cannot: what runs
//! on other threads may have a message in hand. So the supervisor above waits for that before it takes the end for one (I1).

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::Arc,
    task::{self, Poll},
};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, timeout_at},
};

use super::{
    blueprint::Blueprint,
    shell::{Entry, now, remember},
};
use crate::{
    child::{Handle, LeftBehind, Nested, Notice, Running, Whereabouts, panics},
    info::ChildKind,
};

pub(super) struct Remains {
    /// Where they tell of their ends.
    inbox: UnboundedReceiver<Notice>,
    running: HashMap<u64, Remnant>,
    /// Supervisors, which may have left something themselves.
    nested: Vec<(Arc<str>, Arc<dyn Nested>)>,
}

struct Remnant {
    life: u64,
    name: Arc<str>,
    handle: Arc<dyn Handle>,
    thread: Whereabouts,
    /// Then its thread counts as stuck. `None` for a supervisor: nobody else can end what is below it.
    until: Option<Instant>,
}

impl Remains {
    pub(super) fn of(inbox: UnboundedReceiver<Notice>) -> Self {
        Self { inbox, running: HashMap::new(), nested: Vec::new() }
    }

    pub(super) fn add(&mut self, id: u64, entry: &Entry) {
        let Some(handle) = entry.handle.clone() else { return };
        let name = Arc::clone(&entry.child.name);
        if let Some(nested) = entry.child.nested() {
            self.nested.push((Arc::clone(&name), Arc::clone(nested)));
        }
        // One that is gone has told of that already, and perhaps was heard.
        if handle.is_running() {
            let until = match entry.child.terms.kind {
                ChildKind::Supervisor => None,
                ChildKind::Actor | ChildKind::Service | ChildKind::Blocking => {
                    Some(now() + entry.child.terms.grace())
                }
            };
            let (life, thread) = (entry.life, entry.thread());
            self.running.insert(id, Remnant { life, name, handle, thread, until });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.nested.is_empty()
    }

    /// Resolves when no more of them runs, but for what is stuck.
    fn poll_ends(&mut self, task: &mut task::Context<'_>) -> Poll<()> {
        while !self.running.is_empty() {
            match self.inbox.poll_recv(task) {
                Poll::Ready(Some(notice)) => self.notice(notice),
                // Nobody is left to tell anything.
                Poll::Ready(None) => self.running.clear(),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn notice(&mut self, notice: Notice) {
        if let Notice::Exited { child, life, .. } = &notice
            && self.running.get(child).is_some_and(|remnant| remnant.life == *life)
        {
            self.running.remove(child);
        }
        panics::discard(notice);
    }

    fn deadline(&self) -> Option<Instant> {
        self.running.values().filter_map(|remnant| remnant.until).min()
    }

    /// Goes on without those that had their time.
    fn give_up(&mut self, now: Instant) -> Vec<LeftBehind> {
        let is_late = |remnant: &Remnant| remnant.until.is_some_and(|until| until <= now);
        let late = self.running.extract_if(|_, remnant| is_late(remnant));
        late.map(|(_, Remnant { name, handle, thread, .. })| LeftBehind {
            path: vec![name.to_string()],
            left: handle as Arc<dyn Running>,
            thread,
        })
        .collect()
    }
}

impl Blueprint {
    /// Resolves when what the last incarnation has left is gone, or stuck. If this is dropped, the next one goes on with that.
    pub(super) async fn outlast_remains(self: Arc<Self>) {
        let ends = || {
            poll_fn(|task| match &mut self.plan().remains {
                Some(remains) => remains.poll_ends(task),
                None => Poll::Ready(()),
            })
        };
        loop {
            let deadline = self.plan().remains.as_ref().and_then(Remains::deadline);
            match deadline {
                None => break ends().await,
                Some(deadline) if timeout_at(deadline, ends()).await.is_ok() => break,
                Some(_) => {
                    let mut plan = self.plan();
                    let left = plan.remains.as_mut().map(|remains| remains.give_up(now()));
                    plan.left_behind.extend(left.unwrap_or_default());
                }
            }
        }
        let nested = self.plan().remains.as_mut().map(|remains| remains.nested.clone());
        for (name, nested) in nested.unwrap_or_default() {
            if let Some(remains) = Arc::clone(&nested).remains() {
                remains.await;
            }
            remember(&mut self.plan().left_behind, nested.left_behind(), &name);
        }
        self.plan().remains = None;
    }
}
