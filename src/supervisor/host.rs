//! Threads of a supervisor's own, on which children run.

use std::{
    io,
    pin::pin,
    sync::{Arc, OnceLock},
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
    time::timeout,
};

use crate::child::Job;

/// How long the end of a supervisor waits for threads that have nothing to do any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread with an arbiter of its own. It ends when this is dropped, as soon as it is free.
pub(super) struct Host {
    jobs: UnboundedSender<Job>,
    thread: thread::ThreadId,
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
        let system = System::try_current();
        // The system takes no name with a zero in it.
        let builder = thread::Builder::new().name(name.replace('\0', ""));
        let thread = builder.spawn(move || {
            let runner = System::with_tokio_rt(|| runtime);
            let _ = arbiter.set(Arbiter::current());
            if let Some(system) = system {
                // What its actors ask for is the application's.
                System::set_current(system);
            }
            runner.block_on(serve(inbox, &stopped));
        })?;
        let id = thread.thread().id();
        Ok((Self { jobs, thread: id }, Ending(thread)))
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
