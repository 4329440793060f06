//! How what runs below a supervisor talks to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc::UnboundedSender, oneshot};

use super::{Branch, Look, turnstile::Turnstile};
use crate::{
    bus::Bus,
    failure::{Failure, Outcome},
    health::Trouble,
    machine::{Longest, Standing},
    policy::ExitClass,
    record::Span,
    token::ChildToken,
};

/// What a supervisor is told from below, or by the supervisor above it.
#[derive(Debug)]
pub(crate) enum Notice {
    /// An incarnation is ready.
    Ready { child: u64, life: u64 },
    /// An incarnation has ended, and has been dropped.
    Exited { child: u64, life: u64, exit: ExitClass, failure: Option<Arc<Failure>> },
    /// An incarnation has answered a probe.
    Alive { child: u64, life: u64 },
    /// An incarnation was given up with its thread: it is as good as ended.
    Abandoned { child: u64, life: u64 },
    /// The thread of this incarnation was given up over another one.
    Stranded { child: u64, life: u64 },
    /// An incarnation, a supervisor, tells what it means for the readiness of the tree.
    Standing { child: u64, life: u64, standing: Standing },
    /// The supervisor above wants to know what is wrong here and below; each is to answer within this time.
    Health(oneshot::Sender<Vec<Trouble>>, Duration),
    /// The threads that were to end before the supervisor have ended.
    Joined,
    /// The supervisor above wants to know what is here and below.
    Tree(oneshot::Sender<Branch>),
    /// The pool is to have so many members. The answer is whether it has: not while it stops.
    Resize { members: usize, reply: oneshot::Sender<bool> },
    /// The supervisor above ends this one at once.
    Kill,
    /// There is more to do than one slice.
    Tick,
}

/// An incarnation's way to its supervisor, and its number: what it says is about this life only (I3).
#[derive(Debug)]
pub(crate) struct Link {
    /// `None` for the supervisor at the root, which has nobody to talk to.
    pub(crate) parent: Option<Parent>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) desk: Arc<Desk>,
    pub(crate) child: u64,
    pub(crate) life: u64,
}

/// What those below a supervisor know of its incarnation.
#[derive(Debug)]
pub(crate) struct Desk {
    /// What its tokens bear.
    pub(crate) supervisor: u64,
    pub(crate) outbox: UnboundedSender<Notice>,
    pub(crate) turnstile: Turnstile,
}

impl Desk {
    pub(crate) fn new(supervisor: u64, outbox: UnboundedSender<Notice>) -> Arc<Self> {
        Arc::new(Self { supervisor, outbox, turnstile: Turnstile::default() })
    }
}

impl Link {
    pub(super) fn ready(&self) {
        self.tell(|child, life| Notice::Ready { child, life });
    }

    pub(super) fn exited(&self, outcome: Outcome) {
        let (exit, failure) = outcome.in_brief();
        self.tell(|child, life| Notice::Exited { child, life, exit, failure });
    }

    pub(super) fn alive(&self) {
        self.tell(|child, life| Notice::Alive { child, life });
    }

    pub(super) fn standing(&self, standing: Standing) {
        self.tell(|child, life| Notice::Standing { child, life, standing });
    }

    pub(super) fn token(&self) -> Option<ChildToken> {
        let Parent { desk, child, .. } = self.parent.as_ref()?;
        Some(ChildToken { supervisor: desk.supervisor, child: *child })
    }

    fn tell(&self, notice: impl FnOnce(u64, u64) -> Notice) {
        if let Some(Parent { desk, child, life }) = &self.parent {
            // A supervisor that is gone needs to know nothing more.
            let _ = desk.outbox.send(notice(*child, *life));
        }
    }
}

/// Something that may be running on a thread which was left behind.
pub(crate) trait Running: Send + Sync {
    fn is_running(&self) -> bool;
    fn thread(&self) -> Whereabouts;
}

/// On which thread something runs, or was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Others may be on the same one.
    On(ThreadId),
    ItsOwn,
    /// It has not begun, and waits for a thread that is busy with something else.
    Waiting,
}

/// The calls of a blocking child, one at a time: by whichever incarnation, and of whichever spec.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    turn: Arc<Mutex<()>>,
    is_calling: Arc<AtomicBool>,
}

/// A turn to call. The next one comes when it is dropped.
pub(super) struct Call {
    is_calling: Arc<AtomicBool>,
    _turn: OwnedMutexGuard<()>,
}

impl Calls {
    /// Waits for its turn; from then on the child counts as being in a call.
    pub(super) async fn turn(&self) -> Call {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        self.is_calling.store(true, Ordering::Release);
        Call { is_calling: Arc::clone(&self.is_calling), _turn: turn }
    }

    pub(crate) fn left_behind(&self, path: Vec<String>) -> LeftBehind {
        let left = Arc::clone(&self.is_calling) as Arc<dyn Running>;
        LeftBehind { path, left, thread: Whereabouts::ItsOwn }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.is_calling.store(false, Ordering::Release);
    }
}

impl Running for AtomicBool {
    fn is_running(&self) -> bool {
        self.load(Ordering::Acquire)
    }

    fn thread(&self) -> Whereabouts {
        Whereabouts::ItsOwn
    }
}

/// Something that was left behind while its thread was running.
#[derive(Clone)]
pub(crate) struct LeftBehind {
    /// Names, down from the supervisor that knows of it, without that one's own.
    pub(crate) path: Vec<String>,
    pub(crate) left: Arc<dyn Running>,
    pub(crate) thread: Whereabouts,
}

impl LeftBehind {
    pub(crate) fn is_running(&self) -> bool {
        self.left.is_running()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.left, &other.left)
    }
}

/// A supervisor, as the one above it sees it.
pub(crate) trait Nested: Send + Sync {
    /// Its events go to this one's hooks and subscribers too.
    fn adopt(&self, parent: &Arc<Bus>);
    /// Tells its running incarnation; returns whether there is one to tell.
    fn tell(&self, notice: Notice) -> bool;
    fn is_pool(&self) -> bool;
    /// The pool is to have so many members, from its next incarnation on if it has none now. It answers whether that is done.
    fn resize(&self, members: usize) -> oneshot::Receiver<bool>;
    /// Its incarnation has ended and is gone.
    fn ended(&self, outcome: &Outcome);
    /// It is about to be asked to stop, and does not come back: nobody is to wait for what is below it.
    fn will_not_return(&self);
    /// It does not come back: closes the mailboxes of its declared children.
    fn close_children(&self);
    /// Whether something that was declared at or below it is essential.
    fn has_essential(&self) -> bool;
    /// How long the end of all that is declared at and below it may take.
    fn longest(&self) -> Longest;
    /// What its last incarnation has left behind, below it.
    fn left_behind(&self) -> Vec<LeftBehind>;
    /// If its last incarnation went down without order: resolves when what ran below it has ended too, but for what is stuck.
    fn remains(self: Arc<Self>) -> Option<BoxFuture<'static, ()>>;
    /// Looks at its incarnation, if that is on this thread and knows of all that it was told, and asks it otherwise.
    fn look(&self, here: ThreadId) -> Look;
}
