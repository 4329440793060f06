//! What a supervisor that went down without order has left: incarnations that were told to end, and have not yet.
//!
//! One that ends in order has ended what is below it first. One that is dropped, with its arbiter or its system, cannot: what runs
//! on other threads may have a message in hand. So the supervisor above waits for that before it takes the end for one (I1).

use std::{
    collections::HashMap,
    future::poll_fn,
    mem,
    sync::Arc,
    task::{self, Poll},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, timeout_at},
};

use super::{
    blueprint::{Blueprint, Declared},
    entry::Entry,
    shell::{Shell, now},
};
use crate::{
    child::{Handle, LeftBehind, Nested, Notice, Running, Whereabouts, panics},
    info::ChildKind,
    rows::Rows,
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

/// Adds what a nested supervisor has left behind, each thread once, and forgets those that have returned.
pub(super) fn remember(all: &mut Vec<LeftBehind>, more: Vec<LeftBehind>, name: &str) {
    all.retain(LeftBehind::is_running);
    for mut left in more {
        if !all.iter().any(|known| known.is(&left)) {
            left.path.insert(0, name.to_owned());
            all.push(left);
        }
    }
}

impl Shell {
    /// It goes down without order: what runs on other threads has yet to end.
    fn leave_remains(&mut self, children: &Rows<Entry>) {
        let mut remains = Remains::of(mem::replace(&mut self.inbox, unbounded_channel().1));
        children.iter().for_each(|(id, entry)| remains.add(id, entry));
        let mut plan = self.blueprint.plan();
        plan.outbox = None;
        plan.left_behind = self.threads.left_behind().collect();
        plan.left_behind.append(&mut self.left_behind);
        plan.remains = (!remains.is_empty()).then_some(remains);
    }
}

impl Drop for Shell {
    /// What is left of its children ends, and the declared ones wait for the next incarnation.
    fn drop(&mut self) {
        self.waiting.desert();
        self.desk.turnstile.open();
        let mut children = mem::take(&mut self.children);
        if !self.is_root && !self.machine.is_over() {
            self.leave_remains(&children);
        }
        for (id, entry) in children.drain() {
            let Entry { child, last_failure, life, handle, place: _ } = entry;
            if let Some(handle) = handle {
                // On another thread it may take its time, in which the next one may have begun (I1).
                handle.fence();
            }
            match self.declared.contains(&id) && !self.machine.is_forgotten(id) {
                true => {
                    let declared = Declared { child, life, last_failure };
                    self.blueprint.plan().declared.insert(id, declared);
                }
                false => {
                    child.kept.close();
                    panics::discard(last_failure);
                }
            }
        }
    }
}
