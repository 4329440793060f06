//! What has happened lately in a tree, for whoever looks at it: one for each root, whoever asks.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::watch, time::Instant};

use super::{tree::Pictures, view::clipped};
use crate::{
    child::panics::Guarded,
    clock::now,
    event::{EndReason, Event, EventKind},
    failure::Failure,
    token::ChildToken,
};

/// How many events are kept for those who come later, or come back.
const EVENTS: usize = 4_096;
/// Of how many children the history is kept: of those about which something was told last.
const CHILDREN: usize = 4_096;
/// How many events of a child are kept, and how many of its failures, which come less often and say more.
const HISTORY: usize = 32;
const FAILURES: usize = 5;

/// It belongs to the root, and so it outlives every worker of every server, and all of them see the same.
pub(crate) struct Hub {
    /// Which run of the process this is: numbers of another one say nothing.
    epoch: u64,
    memory: Mutex<Memory>,
    latest: watch::Sender<u64>,
    pub(super) pictures: Pictures,
}

/// An event, with its number: the first one has 1.
pub(crate) struct Record {
    pub(super) id: u64,
    /// In milliseconds of Unix time.
    pub(super) at: u64,
    pub(super) event: Guarded<Event>,
}

#[derive(Default)]
struct Memory {
    latest: u64,
    events: VecDeque<Arc<Record>>,
    children: HashMap<ChildToken, Log>,
}

/// What a reader gets at a time.
pub(super) struct Batch {
    /// How many it can never get, since they came before those that are kept.
    pub(super) missed: u64,
    pub(super) records: Vec<Arc<Record>>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            epoch: fastrand::u64(..) >> 12,
            memory: Mutex::default(),
            latest: watch::Sender::new(0),
            pictures: Pictures::default(),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Called by the supervisor that decided, on its thread: what takes long is left to those who read.
    pub(crate) fn record(&self, event: &Event) {
        let mut event = event.clone();
        shorten(&mut event.kind);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let (id, forgotten) = self.memory().keep(event, at, now());
        drop(forgotten);
        self.latest.send_modify(|known| *known = id.max(*known));
    }

    pub(super) fn latest(&self) -> u64 {
        self.memory().latest
    }

    /// Tells when there is more to be read.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// What came from this number on.
    pub(super) fn from(&self, id: u64, most: usize) -> Batch {
        let memory = self.memory();
        let first = memory.events.front().map_or(memory.latest + 1, |record| record.id);
        let skip = usize::try_from(id.saturating_sub(first)).unwrap_or(usize::MAX);
        Batch {
            missed: first.saturating_sub(id),
            records: memory.events.iter().skip(skip).take(most).map(Arc::clone).collect(),
        }
    }

    pub(super) fn about(&self, child: ChildToken) -> Option<About> {
        self.memory().children.get(&child).map(|log| log.about(now()))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn keep(&mut self, event: Event, at: u64, now: Instant) -> (u64, Option<Arc<Record>>) {
        self.latest += 1;
        let record = Arc::new(Record { id: self.latest, at, event: Guarded::new(event) });
        let oldest = self.events.len() >= EVENTS;
        let forgotten = if oldest { self.events.pop_front() } else { None };
        self.events.push_back(Arc::clone(&record));
        if let Some(token) = record.event.kind.token() {
            if self.children.len() >= CHILDREN && !self.children.contains_key(&token) {
                self.forget_half();
            }
            self.children.entry(token).or_insert_with(|| Log::new(now)).add(record, now);
        }
        (self.latest, forgotten)
    }

    /// Half of them at once, so that it costs little for each.
    fn forget_half(&mut self) {
        let mut last: Vec<u64> = self.children.values().map(|log| log.last).collect();
        let middle = last.len() / 2;
        let (_, &mut median, _) = last.select_nth_unstable(middle);
        self.children.retain(|_, log| log.last >= median);
    }
}

/// As far as events tell: one that is stopping still runs.
#[derive(Clone, Copy)]
pub(super) enum Phase {
    Starting,
    Running,
    /// It has failed, and nothing has been started since.
    Waiting,
    /// It was stopped, or is gone.
    Stopped,
}

impl Phase {
    pub(super) const ALL: [(Self, &str); 4] = [
        (Self::Starting, "starting"),
        (Self::Running, "running"),
        (Self::Waiting, "waiting"),
        (Self::Stopped, "stopped"),
    ];
}

/// What is known of one child.
struct Log {
    last: u64,
    phase: Option<Phase>,
    since: Instant,
    spent: [Duration; 4],
    history: VecDeque<Arc<Record>>,
    failures: VecDeque<Arc<Record>>,
}

/// That, for somebody who asks.
pub(super) struct About {
    pub(super) phase: Option<Phase>,
    pub(super) since: Duration,
    /// In the order of [`Phase::ALL`].
    pub(super) spent: [Duration; 4],
    pub(super) history: Vec<Arc<Record>>,
    pub(super) failures: Vec<Arc<Record>>,
}

impl Log {
    fn new(now: Instant) -> Self {
        Self {
            last: 0,
            phase: None,
            since: now,
            spent: [Duration::ZERO; 4],
            history: VecDeque::new(),
            failures: VecDeque::new(),
        }
    }

    fn add(&mut self, record: Arc<Record>, now: Instant) {
        self.last = record.id;
        if let Some(next) = phase_after(&record.event.kind) {
            if let Some(phase) = self.phase.replace(next) {
                self.spent[phase as usize] += now.saturating_duration_since(self.since);
            }
            self.since = now;
        }
        if let EventKind::ChildFailed { .. } = record.event.kind {
            push(&mut self.failures, Arc::clone(&record), FAILURES);
        }
        push(&mut self.history, record, HISTORY);
    }

    fn about(&self, now: Instant) -> About {
        let since = now.saturating_duration_since(self.since);
        let mut spent = self.spent;
        if let Some(phase) = self.phase {
            spent[phase as usize] += since;
        }
        About {
            phase: self.phase,
            since,
            spent,
            history: self.history.iter().map(Arc::clone).collect(),
            failures: self.failures.iter().map(Arc::clone).collect(),
        }
    }
}

fn push(to: &mut VecDeque<Arc<Record>>, record: Arc<Record>, most: usize) {
    if to.len() == most {
        to.pop_front();
    }
    to.push_back(record);
}

fn phase_after(kind: &EventKind) -> Option<Phase> {
    match kind {
        EventKind::ChildStarted { .. } | EventKind::ChildRestarted { .. } => Some(Phase::Starting),
        EventKind::ChildReady { .. } => Some(Phase::Running),
        EventKind::ChildFailed { .. } => Some(Phase::Waiting),
        EventKind::ChildEnded { .. } | EventKind::ChildStopped { .. } => Some(Phase::Stopped),
        EventKind::StopTimeout { .. }
        | EventKind::ChildCameBack { .. }
        | EventKind::BackoffEntered { .. }
        | EventKind::BackoffLeft
        | EventKind::LimitReached { .. }
        | EventKind::SupervisorStarted
        | EventKind::SupervisorStopped { .. } => None,
    }
}

/// What is kept is bounded, and so is each message in it. (That of an error belongs to the error.)
fn shorten(kind: &mut EventKind) {
    let failure = match kind {
        EventKind::ChildFailed { failure, .. }
        | EventKind::ChildStopped { failure: Some(failure), .. }
        | EventKind::SupervisorStopped { failure: Some(failure), .. }
        | EventKind::ChildEnded {
            reason:
                EndReason::Failed(failure) | EndReason::GaveUp(failure) | EndReason::Stranded(failure),
            ..
        } => failure,
        _ => return,
    };
    let mut failure = failure;
    while let Failure::LimitReached { last, .. } = failure {
        failure = last;
    }
    if let Failure::Panic(panic) = failure {
        panic.message = clipped(std::mem::take(&mut panic.message));
    }
}
