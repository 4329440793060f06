//! Which child runs on which thread, and what becomes of threads that are stuck.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Weak},
    thread,
};

use log::Level;
use tokio::time::Instant;

use super::{
    entry::{Ended, Entry},
    host::{self, Ending, Host, Place},
    shell::{Shell, now},
};
use crate::{
    child::{Handle, LeftBehind, Link, Notice, Running, Whereabouts},
    event::EventKind,
    failure::{Failure, Outcome},
    placement::Placement,
};

/// The threads of one supervisor.
#[derive(Default)]
pub(super) struct Threads {
    pool: Vec<Arc<Host>>,
    /// How many of the pool there ever were, for their names.
    made: usize,
    /// Of all that may not have ended yet, but for those that are stuck.
    endings: Vec<(Weak<Host>, Ending)>,
    abandoned: Vec<Abandoned>,
}

/// An incarnation that was given up with its thread.
struct Abandoned {
    child: u64,
    life: u64,
    name: Arc<str>,
    since: Instant,
    handle: Arc<dyn Handle>,
    thread: Whereabouts,
}

impl Threads {
    fn make(&mut self, name: &str) -> io::Result<Arc<Host>> {
        let (host, ending) = Host::new(name)?;
        let host = Arc::new(host);
        self.endings.retain(|(_, ending)| !ending.is_over());
        self.endings.push((Arc::downgrade(&host), ending));
        Ok(host)
    }

    /// The thread of the pool that has the fewest children, or a new one if there may be more.
    fn of_pool(&mut self, supervisor: &str, size: usize) -> io::Result<Arc<Host>> {
        self.pool.retain(|host| host.is_alive());
        let idlest = self.pool.iter().min_by_key(|host| host.children().len());
        match idlest {
            Some(host) if self.pool.len() >= size || host.children().is_empty() => {
                Ok(Arc::clone(host))
            }
            _ => {
                self.made += 1;
                let host = self.make(&format!("{supervisor}-{}", self.made))?;
                self.pool.push(Arc::clone(&host));
                Ok(host)
            }
        }
    }

    /// The thread that a child has for itself, from its first start on; after a `Replace` it may have had one of the pool.
    fn own(&mut self, last: Option<Box<Place>>, name: &str) -> io::Result<Arc<Host>> {
        let is_of_pool = |host: &Arc<Host>| self.pool.iter().any(|it| Arc::ptr_eq(it, host));
        let last = last.as_ref().map(|place| place.host());
        match last.filter(|host| host.is_alive() && !is_of_pool(host)) {
            Some(host) => Ok(Arc::clone(host)),
            None => self.make(name),
        }
    }

    /// This one is stuck: nothing more is started on it, and nobody waits for its end. Returns whether that is news.
    fn give_up(&mut self, stuck: &Arc<Host>) -> bool {
        self.pool.retain(|host| !Arc::ptr_eq(host, stuck));
        let known = self.endings.len();
        self.endings.retain(|(host, _)| !Weak::ptr_eq(host, &Arc::downgrade(stuck)));
        self.endings.len() < known
    }

    /// Has all threads end, and resolves when they have; `None` if there is none.
    pub(super) fn end(&mut self) -> Option<impl Future<Output = ()> + use<>> {
        self.pool.clear();
        let endings = std::mem::take(&mut self.endings).into_iter().map(|(_, ending)| ending);
        let endings: Vec<_> = endings.collect();
        (!endings.is_empty()).then(|| host::join(endings))
    }

    pub(super) fn left_behind(&self) -> impl Iterator<Item = LeftBehind> + '_ {
        let left_behind = |gone: &Abandoned| LeftBehind {
            path: vec![gone.name.to_string()],
            left: Arc::clone(&gone.handle) as Arc<dyn Running>,
            thread: gone.thread,
        };
        self.abandoned.iter().map(left_behind)
    }
}

impl Shell {
    /// Starts an incarnation where its spec says.
    pub(super) fn launch(&mut self, id: u64, link: Link) {
        let Some(entry) = self.children.get_mut(id) else { return };
        let (kept, placement) = (Arc::clone(&entry.child.kept), entry.child.placement().clone());
        // Only a thread of its own is kept. One of the pool that it has left may be the idlest of all.
        let last = entry.place.take();
        if let Placement::Inline = placement {
            let ended = Ended::task_of(&mut self.ended, id);
            entry.handle = Some(kept.start(link, entry.child.terms.policy, ended));
            return;
        }
        let (life, name) = (entry.life, Arc::clone(&entry.child.name));
        let (handle, job) = kept.start_elsewhere(link);
        entry.handle = Some(handle);
        let host = match placement {
            Placement::Dedicated => self.threads.own(last, &name),
            Placement::Pool | Placement::Inline => {
                drop(last);
                self.host_of_pool()
            }
            Placement::Arbiter(arbiter) => {
                // If that is gone, the job is dropped, and says so.
                arbiter.spawn_fn(job);
                return;
            }
        };
        match host {
            Ok(host) => {
                host.run(job);
                if let Some(entry) = self.children.get_mut(id) {
                    entry.place = Some(Box::new(Place::new(host, id)));
                }
            }
            Err(error) => {
                let (exit, failure) = Outcome::Failed(Failure::error(error)).in_brief();
                let _ = self.desk.outbox.send(Notice::Exited { child: id, life, exit, failure });
                // What it says comes too late.
                drop(job);
            }
        }
    }

    fn host_of_pool(&mut self) -> io::Result<Arc<Host>> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let size = self.blueprint.spec.arbiters.unwrap_or_else(cores);
        self.threads.of_pool(self.blueprint.bus.name(), size)
    }

    /// Goes on without an incarnation whose thread is stuck, and with all that is on that thread.
    pub(super) fn abandon(&mut self, child: u64, life: u64) {
        let Some(entry) = self.children.get_mut(child).filter(|entry| entry.is_in(life)) else {
            return;
        };
        let (Some(handle), name) = (entry.handle.clone(), Arc::clone(&entry.child.name)) else {
            return;
        };
        handle.fence();
        let (thread, place) = (entry.thread(), entry.place.take());
        self.threads.abandoned.push(Abandoned { child, life, name, since: now(), handle, thread });
        let _ = self.desk.outbox.send(Notice::Abandoned { child, life });
        if let Some(place) = place {
            self.clear(place.host());
        }
    }

    /// Another child on the same thread of the supervisor's, in whose code that thread is.
    pub(super) fn who_is_busy_beside(&self, child: u64) -> Option<(u64, u64)> {
        let there = self.children.get(child)?.host()?.children();
        let entries = there.iter().filter_map(|&id| Some((id, self.children.get(id)?)));
        let is_busy = |entry: &Entry| entry.handle.as_ref().is_some_and(|it| it.is_busy());
        let (id, busy) = entries.into_iter().find(|(_, entry)| is_busy(entry))?;
        (id != child).then_some((id, busy.life))
    }

    /// Everybody leaves this thread.
    fn clear(&mut self, stuck: &Arc<Host>) {
        if !self.threads.give_up(stuck) {
            return;
        }
        for &child in stuck.children().iter() {
            if let Some(entry) = self.children.get(child)
                && entry.handle.is_some()
            {
                let _ = self.desk.outbox.send(Notice::Stranded { child, life: entry.life });
            }
        }
    }

    /// An incarnation has ended. If it was given up, its thread is free again.
    pub(super) fn note_return(&mut self, child: u64, life: u64) {
        let abandoned = &mut self.threads.abandoned;
        let Some(index) =
            abandoned.iter().position(|gone| gone.child == child && gone.life == life)
        else {
            return;
        };
        let Abandoned { name, since, .. } = abandoned.swap_remove(index);
        let (token, after) = (self.token(child), now().saturating_duration_since(since));
        self.tell(Some(&name), Level::Warn, || EventKind::ChildCameBack {
            name: name.to_string(),
            token,
            after,
        });
    }

    /// How many threads are stuck in what was left behind on them.
    pub(super) fn count_left_behind(&self) -> usize {
        let entries = self.machine.overdue().filter_map(|id| self.children.get(id));
        let abandoned = self.threads.abandoned.iter().map(|gone| gone.thread);
        let below = self.left_behind.iter().filter(|left| left.is_running());
        let below = below.map(|left| left.thread);
        count_threads(entries.map(Entry::thread).chain(abandoned).chain(below))
    }

    /// Of children that can neither stop nor be ended.
    pub(super) fn give_up_stuck_threads(&mut self) {
        let left_behind: Vec<u64> = self.machine.left_behind().collect();
        for id in left_behind {
            if let Some(host) = self.children.get(id).and_then(Entry::host) {
                self.threads.give_up(host);
            }
        }
    }
}

/// Each thread once. Where one has not begun it is something else that its thread is stuck in.
pub(super) fn count_threads(threads: impl Iterator<Item = Whereabouts>) -> usize {
    let mut known = HashSet::new();
    let counts = |thread: &Whereabouts| match *thread {
        Whereabouts::On(id) => known.insert(id),
        Whereabouts::ItsOwn => true,
        Whereabouts::Waiting => false,
    };
    threads.filter(counts).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_threads_that_have_ended_nothing_is_kept() {
        let mut threads = Threads::default();
        drop(threads.make("first").expect("a thread"));
        while !threads.endings.iter().all(|(_, ending)| ending.is_over()) {
            thread::yield_now();
        }
        let _host = threads.make("second").expect("a thread");
        assert_eq!(threads.endings.len(), 1);
    }
}
