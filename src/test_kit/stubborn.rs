//! A blocking service that ends when the test says so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{CancellationToken, ChildSpec, ServiceActor};

/// A blocking service that ignores its token, and returns when it is released. For the [`real`](super::real) clock.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::{Shutdown, Stop, Supervisor, test_kit::{Stubborn, real}};
///
/// # real(async {
/// let (spec, mut service) = Stubborn::spec("stubborn");
/// let root = Supervisor::new("root").child(spec.shutdown(Shutdown::Kill)).start();
/// service.called().await;
/// assert_eq!(root.send(Stop).await?.unstopped.len(), 1); // its thread is left behind,
/// assert!(service.is_running());
/// service.release(); // until now
/// # Ok::<(), MailboxError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
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
    /// Its spec, and what the test has of it.
    pub fn spec(name: &str) -> (ChildSpec<ServiceActor>, Self) {
        let (called, calls) = unbounded_channel();
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
    ///
    /// # Panics
    ///
    /// If nobody can call it any more.
    pub async fn called(&mut self) -> CancellationToken {
        self.calls.recv().await.unwrap_or_else(|| panic!("nobody can call it any more"))
    }

    /// Waits until it is called, which is true, or nobody can call it any more.
    pub async fn is_ever_called(&mut self) -> bool {
        self.calls.recv().await.is_some()
    }

    /// Whether there was a call that nobody has waited for.
    pub fn was_called(&mut self) -> bool {
        self.calls.try_recv().is_ok()
    }

    /// Whether a call has not returned yet.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }

    /// Lets one call return.
    pub fn release(&self) {
        // An error: the service is gone, and so is its call.
        let _ = self.release.send(());
    }
}
