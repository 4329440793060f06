//! What has happened lately in a tree, for whoever looks at it: one for each root, whoever asks.

use std::{
    backtrace::Backtrace,
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
/// How many of both are kept of all children together.
const ALL: usize = 32_768;
/// Of how many failures the backtrace is kept: of the last ones in the tree, since they are large.
const BACKTRACES: usize = 256;

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
    /// How much all logs hold together.
    held: usize,
    /// By the numbers of their events.
    backtraces: VecDeque<(u64, Arc<Backtrace>)>,
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
        let backtrace = shorten(&mut event.kind);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let (id, forgotten) = self.memory().keep(event, backtrace, at, now());
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
        let first = memory.events.front().map_or(1, |record| record.id);
        let skip = usize::try_from(id.saturating_sub(first)).unwrap_or(usize::MAX);
        Batch {
            missed: first.saturating_sub(id),
            records: memory.events.iter().skip(skip).take(most).map(Arc::clone).collect(),
        }
    }

    pub(super) fn about(&self, child: ChildToken) -> Option<About> {
        let memory = self.memory();
        memory.children.get(&child).map(|log| log.about(&memory.backtraces, now()))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn keep(
        &mut self,
        event: Event,
        backtrace: Option<Arc<Backtrace>>,
        at: u64,
        now: Instant,
    ) -> (u64, Option<Arc<Record>>) {
        self.latest += 1;
        if let Some(backtrace) = backtrace {
            push(&mut self.backtraces, (self.latest, backtrace), BACKTRACES);
        }
        let record = Arc::new(Record { id: self.latest, at, event: Guarded::new(event) });
        let oldest = self.events.len() >= EVENTS;
        let forgotten = if oldest { self.events.pop_front() } else { None };
        self.events.push_back(Arc::clone(&record));
        if let Some(token) = record.event.kind.token() {
            // It adds two at most: an event, and a failure.
            let is_new = !self.children.contains_key(&token);
            if self.held + 2 > ALL || (is_new && self.children.len() >= CHILDREN) {
                self.forget_half();
            }
            let log = self.children.entry(token).or_insert_with(|| Log::new(now));
            self.held -= log.held();
            log.add(record, now);
            self.held += log.held();
        }
        (self.latest, forgotten)
    }

    /// Half of them at once, so that it costs little for each.
    fn forget_half(&mut self) {
        let mut last: Vec<u64> = self.children.values().map(|log| log.last).collect();
        let middle = last.len() / 2;
        let (_, &mut median, _) = last.select_nth_unstable(middle);
        self.children.retain(|_, log| log.last >= median);
        self.held = self.children.values().map(Log::held).sum();
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
    pub(super) failures: Vec<(Arc<Record>, Option<Arc<Backtrace>>)>,
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

    fn held(&self) -> usize {
        self.history.len() + self.failures.len()
    }

    fn about(&self, backtraces: &VecDeque<(u64, Arc<Backtrace>)>, now: Instant) -> About {
        let since = now.saturating_duration_since(self.since);
        let backtrace = |record: &Record| {
            let place = backtraces.binary_search_by_key(&record.id, |&(id, _)| id).ok()?;
            Some(Arc::clone(&backtraces[place].1))
        };
        let mut spent = self.spent;
        if let Some(phase) = self.phase {
            spent[phase as usize] += since;
        }
        About {
            phase: self.phase,
            since,
            spent,
            history: self.history.iter().map(Arc::clone).collect(),
            failures: self.failures.iter().map(|it| (Arc::clone(it), backtrace(it))).collect(),
        }
    }
}

fn push<T>(to: &mut VecDeque<T>, new: T, most: usize) {
    if to.len() == most {
        to.pop_front();
    }
    to.push_back(new);
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

/// What is kept is bounded, and so is each message in it. (That of an error belongs to the error.) Returns the backtrace of a panic, which
/// is kept elsewhere.
fn shorten(kind: &mut EventKind) -> Option<Arc<Backtrace>> {
    let failure = match kind {
        EventKind::ChildFailed { failure, .. }
        | EventKind::ChildStopped { failure: Some(failure), .. }
        | EventKind::SupervisorStopped { failure: Some(failure), .. }
        | EventKind::ChildEnded {
            reason:
                EndReason::Failed(failure) | EndReason::GaveUp(failure) | EndReason::Stranded(failure),
            ..
        } => failure,
        _ => return None,
    };
    let mut failure = failure;
    while let Failure::LimitReached { last, .. } = failure {
        failure = last;
    }
    let Failure::Panic(panic) = failure else { return None };
    panic.message = clipped(std::mem::take(&mut panic.message));
    panic.backtrace.take()
}

#[cfg(test)]
mod tests {
    use std::backtrace::Backtrace;

    use super::*;
    use crate::failure::PanicInfo;

    fn token(child: u64) -> ChildToken {
        ChildToken { supervisor: 1, child }
    }

    fn panicked(child: u64) -> Event {
        let backtrace = Some(Arc::new(Backtrace::disabled()));
        let panic = PanicInfo { message: "a bug".into(), location: None, backtrace };
        let kind = EventKind::ChildFailed {
            name: "child".into(),
            token: token(child),
            failure: Failure::Panic(panic),
            failures: 1.0,
            threshold: 5.0,
            restarting: true,
        };
        Event { path: vec!["root".into(), "child".into()], kind }
    }

    #[test]
    fn however_many_children_fail_what_is_kept_of_them_is_bounded() {
        let hub = Hub::new();
        for child in (0..40).flat_map(|_| 0..2_000) {
            hub.record(&panicked(child));
        }
        let memory = hub.memory();
        let kept: usize =
            memory.children.values().map(|log| log.history.len() + log.failures.len()).sum();
        assert!((16_384..=32_768).contains(&kept), "{kept}");
        assert!(memory.children.contains_key(&token(1_999)), "it has failed last");
    }

    #[test]
    fn as_much_is_kept_as_there_is_room_for_and_then_half_of_it() {
        let hub = Hub::new();
        let held = || hub.memory().held;
        // An event and a failure each.
        (0..5).flat_map(|_| 0..3_276).for_each(|child| hub.record(&panicked(child)));
        (0..4).for_each(|_| hub.record(&panicked(3_276)));
        assert_eq!(held(), ALL);
        hub.record(&panicked(3_276));
        assert!(held() <= ALL / 2 + 12, "{}", held());

        // Of one who has failed that often, an event is one more only.
        let hub = Hub::new();
        let held = || hub.memory().held;
        (0..6).for_each(|_| hub.record(&panicked(0)));
        for child in (0..5).flat_map(|_| 1..3_500) {
            hub.record(&panicked(child));
            assert!(held() <= ALL, "{}", held());
        }
    }

    #[test]
    fn of_too_many_children_the_half_is_kept_of_which_was_told_last() {
        let hub = Hub::new();
        let known = |child| hub.about(token(child)).is_some();
        let count = || hub.memory().children.len();
        (0..4_096).for_each(|child| hub.record(&panicked(child)));
        hub.record(&panicked(0));
        assert_eq!(count(), 4_096);
        hub.record(&panicked(4_096));
        assert_eq!(count(), 2_048 + 1);
        assert!(known(0) && known(2_049) && known(4_096) && !known(2_048));
    }

    #[test]
    fn a_child_spends_its_time_in_phases() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(async {
            let hub = Hub::new();
            let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
            let (name, token) = ("child".to_owned(), token(7));
            let tell = |kind| hub.record(&Event { path: vec!["root".into(), name.clone()], kind });
            tell(EventKind::ChildStarted { name: name.clone(), token });
            pass(2).await;
            tell(EventKind::ChildReady { name: name.clone(), token });
            pass(3).await;
            hub.record(&panicked(7));
            pass(4).await;
            let about = hub.about(token).expect("it is known");
            assert!(matches!(about.phase, Some(Phase::Waiting)));
            assert_eq!(about.since, Duration::from_secs(4));
            assert_eq!(about.spent, [2, 3, 4, 0].map(Duration::from_secs));
        });
    }

    #[test]
    fn backtraces_are_kept_of_the_last_failures_only() {
        let hub = Hub::new();
        for child in 0..1_000 {
            hub.record(&panicked(child));
        }
        let kept = |child| {
            let about = hub.about(token(child)).expect("it is known");
            assert_eq!(about.failures.len(), 1);
            about.failures[0].1.is_some()
        };
        assert_eq!((0..1_000).filter(|&child| kept(child)).count(), 256);
        assert!(kept(999) && kept(744) && !kept(743));
        let memory = hub.memory();
        let in_events = memory.events.iter().any(|record| match &record.event.kind {
            EventKind::ChildFailed { failure: Failure::Panic(panic), .. } => {
                panic.backtrace.is_some()
            }
            _ => false,
        });
        assert!(!in_events);
    }
}
