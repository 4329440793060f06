//! Threads of a supervisor's own, on which children run.

use std::{
    collections::BTreeSet,
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use actix::{Arbiter, ArbiterHandle, System};
use futures::future::select;
use tokio::{
    runtime,
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{Instant, timeout},
};

use crate::child::{Job, Turns};

/// How long the end of a supervisor waits for threads that have nothing to do any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread with an arbiter of its own. It ends when this is dropped, as soon as it is free.
pub(super) struct Host {
    jobs: UnboundedSender<Job>,
    thread: thread::ThreadId,
    turns: Turns,
    /// Who has a place there. A lock for the compiler alone: only their supervisor asks.
    children: Mutex<BTreeSet<u64>>,
}

/// A child's place on a thread, which is kept for as long as somebody has one.
pub(super) struct Place {
    host: Arc<Host>,
    child: u64,
}

/// A thread that has ended, or will.
pub(super) struct Ending(thread::JoinHandle<()>);

impl Host {
    /// Starts a thread of this name.
    pub(super) fn new(name: &str) -> io::Result<(Self, Ending)> {
        let arbiter = Arc::new(OnceLock::<ArbiterHandle>::new());
        let stopped = Arc::new(Notify::new());
        let runtime = runtime(Arc::clone(&arbiter), Arc::clone(&stopped))?;
        let (jobs, inbox) = unbounded_channel();
        let (turns, system) = (Turns::default(), System::try_current());
        let turns_of_thread = turns.clone();
        // The system takes no name with a zero in it.
        let builder = thread::Builder::new().name(name.replace('\0', ""));
        let thread = builder.spawn(move || {
            turns_of_thread.become_this_threads();
            let runner = System::with_tokio_rt(|| runtime);
            let _ = arbiter.set(Arbiter::current());
            if let Some(system) = system {
                // What its actors ask for is the application's.
                System::set_current(system);
            }
            runner.block_on(serve(inbox, &stopped));
        })?;
        let id = thread.thread().id();
        let children = Mutex::default();
        Ok((Self { jobs, thread: id, turns, children }, Ending(thread)))
    }

    /// Has it run there, unless the thread is gone: then the job is dropped.
    pub(super) fn run(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    pub(super) fn thread(&self) -> thread::ThreadId {
        self.thread
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// When it last turned to the code of any child.
    pub(super) fn last_turn(&self) -> Option<Instant> {
        self.turns.last()
    }

    /// Who has a place there, in the order of their numbers.
    pub(super) fn children(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn new(host: Arc<Host>, child: u64) -> Self {
        host.children().insert(child);
        Self { host, child }
    }

    pub(super) fn host(&self) -> &Arc<Host> {
        &self.host
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.host.children().remove(&self.child);
    }
}

/// An arbiter's loop ends without a word to anybody. So each time that the thread has nothing to do it looks whether its
/// arbiter is still there.
fn runtime(
    arbiter: Arc<OnceLock<ArbiterHandle>>,
    stopped: Arc<Notify>,
) -> io::Result<runtime::Runtime> {
    let look = move || {
        if arbiter.get().is_some_and(|arbiter| !arbiter.alive()) {
            stopped.notify_one();
        }
    };
    runtime::Builder::new_current_thread().enable_all().on_thread_park(look).build()
}

/// Until the host is dropped, or somebody stops the arbiter.
async fn serve(mut inbox: UnboundedReceiver<Job>, stopped: &Notify) {
    let jobs = async {
        while let Some(job) = inbox.recv().await {
            job();
        }
    };
    select(pin!(jobs), pin!(stopped.notified())).await;
}

impl Ending {
    pub(super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

/// Waits for threads to end, but not for ever.
///
/// A join blocks for as long as what the user's code keeps in thread-locals takes to be dropped. So a thread of its own does it.
pub(super) async fn join(threads: Vec<Ending>) {
    let (joins, joined) = oneshot::channel::<()>();
    let spawned = thread::Builder::new().spawn(move || {
        for Ending(thread) in threads {
            // Its panic, if it had one, was its own affair.
            let _ = thread.join();
        }
        drop(joins);
    });
    if spawned.is_ok() {
        let _ = timeout(PATIENCE, joined).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_who_has_a_place_on_it() {
        let (host, _ending) = Host::new("host").unwrap();
        let (host, other) = (Arc::new(host), Arc::new(Host::new("other").unwrap().0));
        let who = |host: &Host| host.children().iter().copied().collect::<Vec<_>>();
        let places = [3, 1, 2].map(|child| Place::new(Arc::clone(&host), child));
        let elsewhere = Place::new(Arc::clone(&other), 1);
        assert_eq!((who(&host), who(&other)), (vec![1, 2, 3], vec![1]));
        let [three, one, two] = places;
        drop(one);
        assert_eq!((who(&host), who(&other)), (vec![2, 3], vec![1]));
        drop((three, two, elsewhere));
        assert_eq!((who(&host), who(&other)), (vec![], vec![]));
    }
}
