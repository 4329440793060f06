//! Something that keeps a thread.

use std::sync::{Mutex, mpsc};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Something that keeps a thread until it is released, or dropped: for watchdogs and limits, on the [`real`](super::real) clock.
///
/// ```
/// use actix::prelude::*;
/// use actix_supervisor::test_kit::{Stuck, real};
///
/// # real(async {
/// let (block, mut stuck) = Stuck::new();
/// let thread = std::thread::spawn(block); // or in a handler of an actor
/// stuck.is_stuck().await;
/// stuck.release();
/// thread.join().unwrap();
/// # });
/// ```
#[derive(Debug)]
pub struct Stuck {
    is_stuck: UnboundedReceiver<()>,
    _release: mpsc::Sender<()>,
}

impl Stuck {
    /// What to do on the thread, and the end of it.
    pub fn new() -> (impl FnOnce() + Send + 'static, Self) {
        let (block, stuck) = Self::each_time();
        (move || block(), stuck)
    }

    /// What to do on the thread, as often as one likes.
    pub fn each_time() -> (impl Fn() + Send + Sync + 'static, Self) {
        let (sticks, is_stuck) = unbounded_channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let block = move || {
            let _ = sticks.send(());
            // An error: it is to go on.
            let _ = released.lock().map(|released| released.recv());
        };
        (block, Self { is_stuck, _release: release })
    }

    /// Waits until it is.
    ///
    /// # Panics
    ///
    /// If what was to be done there was dropped.
    pub async fn is_stuck(&mut self) {
        self.is_stuck.recv().await.unwrap_or_else(|| panic!("it was never stuck"));
    }

    /// Lets the thread go on.
    pub fn release(self) {}
}
