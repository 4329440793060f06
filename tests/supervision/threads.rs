//! For tests about threads: a real clock, a blocking service that ends when the test says so, and
//! events to wait for.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use actix::prelude::*;
use actix_supervisor::{CancellationToken, ChildSpec, Event, ServiceActor, Spec, StopReport};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{guard, line};

/// Runs a test on an Actix system with the real clock.
pub fn real<T>(test: impl Future<Output = T>) -> T {
    let _guard = guard();
    System::new().block_on(test)
}

/// A blocking service that ignores its token, and returns when it is released.
pub struct Stubborn {
    calls: UnboundedReceiver<CancellationToken>,
    release: mpsc::Sender<()>,
    running: Arc<AtomicUsize>,
}

/// Counts the calls that are running at the same time.
struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stubborn {
    pub fn spec(name: &str) -> (ChildSpec<ServiceActor>, Self) {
        let (called, calls): (UnboundedSender<CancellationToken>, _) = unbounded_channel();
        let (release, released) = mpsc::channel::<()>();
        let running = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&running);
        let spec = ChildSpec::blocking(name, move |token: CancellationToken| {
            let others = count.fetch_add(1, Ordering::SeqCst);
            let _call = Call(Arc::clone(&count));
            assert_eq!(others, 0, "called twice at a time");
            let _ = called.send(token);
            // An error: the test is over.
            let _ = released.recv();
        });
        (spec, Self { calls, release, running })
    }

    /// Waits until its thread has called it, and returns the token of that call.
    pub async fn called(&mut self) -> CancellationToken {
        self.calls.recv().await.expect("it is called")
    }

    /// Waits until it is called, which is true, or nobody can call it any more.
    pub async fn is_ever_called(&mut self) -> bool {
        self.calls.recv().await.is_some()
    }

    pub fn was_called(&mut self) -> bool {
        self.calls.try_recv().is_ok()
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }

    /// Lets one call return.
    pub fn release(&self) {
        self.release.send(()).expect("the service is still there");
    }
}

/// The events of a supervisor, for tests that wait for one.
pub struct Seen(UnboundedReceiver<Event>);

impl Seen {
    pub fn hook(spec: Spec) -> (Spec, Self) {
        let (seen, events) = unbounded_channel();
        let spec = spec.event_hook(move |event| {
            let _ = seen.send(event.clone());
        });
        (spec, Self(events))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Event {
        self.0.recv().await.expect("the supervisor runs")
    }

    /// Waits for this line, and returns the event.
    pub async fn until(&mut self, wanted: &str) -> Event {
        loop {
            let event = self.next().await;
            if line(&event) == wanted {
                return event;
            }
        }
    }

    /// What has come since, as lines.
    pub fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).map(|event| line(&event)).collect()
    }
}

/// Who was left behind, with the whole path.
pub fn paths(report: &StopReport) -> Vec<String> {
    report.unstopped.iter().map(|left| left.path.join("/")).collect()
}

/// How many threads of this name there are. A name's first 15 bytes are what the system keeps.
#[cfg(target_os = "linux")]
pub fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    // One that has ended meanwhile has none.
    names.filter(|of| of.as_ref().is_ok_and(|of| of.trim() == name)).count()
}
