//! Two hundred children on four threads, under load, with all that can go wrong at the same time.
//!
//! `SUPERVISOR_STORM_STEPS` is how many messages there are, and `SUPERVISOR_STORM_SEED` repeats the choices of a run.

#[path = "model/setting.rs"]
mod setting;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use self::setting::setting;
use actix::prelude::*;
use actix_supervisor::{
    ChildInfo, ChildSpec, ChildState, ChildToken, Event, EventKind, Failure, Kill, List, Placement,
    Restart, Spec, Status, Stop, SupervisedContext, Supervisor, Terminate, Tree,
    install_panic_hook,
};
use futures::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::{
    sync::{mpsc::unbounded_channel, oneshot},
    task::yield_now,
    time::timeout,
};

const CHILDREN: usize = 200;
const THREADS: usize = 4;
const SENDERS: usize = 4;
const CONTROLLERS: usize = 4;
/// After so many of a sender's messages one of its handlers is stuck until it is found, or until the end; but not more often than
/// [`MOST_STUCK`].
const STUCK_EVERY: u32 = 5_000;
const MOST_STUCK: u32 = 5;
/// Longer than a thread with fifty children waits for its turn on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);
/// How many answers a sender waits for at most before it goes on.
const WINDOW: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Work,
    Panic,
    Fail,
    Stop,
    StopArbiter,
    GetStuck,
}

/// A message. Numbers of one sender go up. The answer is the number's complement.
#[derive(Clone, Copy, Message)]
#[rtype(result = "u32")]
struct Job {
    sender: usize,
    number: u32,
    act: Act,
}

/// What all incarnations of one child have done.
#[derive(Default)]
struct Record {
    begun: Mutex<Vec<(usize, u32)>>,
    is_busy: AtomicBool,
}

/// Who is stuck, and what lets it go on.
type Stuck = Vec<(usize, mpsc::Sender<()>)>;

/// Those who are stuck wait here.
#[derive(Clone, Default)]
struct Gates(Arc<Mutex<Stuck>>);

impl Gates {
    fn wait(&self, child: usize) {
        let (release, released) = mpsc::channel::<()>();
        self.0.lock().unwrap().push((child, release));
        // An error: it is to go on.
        let _ = released.recv();
    }

    fn release(&self, which: impl Fn(usize) -> bool) {
        self.0.lock().unwrap().retain(|(child, _)| !which(*child));
    }
}

struct Worker {
    index: usize,
    record: Arc<Record>,
    gates: Gates,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Job> for Worker {
    type Result = u32;

    fn handle(&mut self, job: Job, ctx: &mut Self::Context) -> u32 {
        assert!(!self.record.is_busy.swap(true, Ordering::SeqCst), "two at a time");
        self.record.begun.lock().unwrap().push((job.sender, job.number));
        // One that is stuck, or broken, is not the only one any more.
        self.record.is_busy.store(false, Ordering::SeqCst);
        match job.act {
            Act::Work => {}
            Act::Panic => panic!("told to panic"),
            Act::Fail => ctx.fail("told to fail"),
            Act::Stop => ctx.stop(),
            Act::StopArbiter => {
                Arbiter::current().stop();
            }
            Act::GetStuck => self.gates.wait(self.index),
        }
        !job.number
    }
}

struct Sent {
    child: usize,
    job: Job,
    /// Unless nobody asked for one.
    answer: Option<Result<u32, MailboxError>>,
}

/// Sends its share; waits for the last answers when it is told that nobody is stuck any more.
async fn send(
    (sender, seed, messages): (usize, u64, u32),
    to: Vec<Addr<Worker>>,
    all_are_sent: oneshot::Sender<()>,
    nobody_is_stuck: oneshot::Receiver<()>,
) -> Vec<Sent> {
    let mut rng = fastrand::Rng::with_seed(seed + sender as u64);
    let (mut sent, mut under_way) = (Vec::new(), FuturesUnordered::new());
    let stuck = (messages / STUCK_EVERY).clamp(1, MOST_STUCK);
    let every = messages / (stuck + 1);
    for number in 0..messages {
        let act = match rng.u32(..2000) {
            _ if sender == 0 && number > 0 && number % every == 0 => Act::GetStuck,
            0 => Act::StopArbiter,
            1..=10 => Act::Panic,
            11..=20 => Act::Fail,
            21..=30 => Act::Stop,
            _ => Act::Work,
        };
        let (child, job) = (rng.usize(..to.len()), Job { sender, number, act });
        if rng.u32(..4) == 0 && act != Act::GetStuck {
            to[child].do_send(job);
            sent.push(Sent { child, job, answer: None });
            continue;
        }
        let answer = to[child].send(job);
        under_way.push(async move { Sent { child, job, answer: Some(answer.await) } });
        if under_way.len() == WINDOW {
            sent.extend(under_way.next().await);
        }
    }
    let _ = all_are_sent.send(());
    let _ = nobody_is_stuck.await;
    sent.extend(under_way.collect::<Vec<_>>().await);
    sent
}

/// Stops, kills and restarts children, and asks about them.
async fn control(
    (seed, requests): (u64, u32),
    root: Addr<Supervisor>,
    children: Vec<ChildToken>,
) -> u32 {
    let (mut rng, mut answered) = (fastrand::Rng::with_seed(seed), 0);
    for _ in 0..requests {
        let child = children[rng.usize(..children.len())];
        // Whatever the answer is, there is one.
        match rng.u32(..8) {
            0 | 1 => drop(root.send(Kill(child)).await.unwrap()),
            2 | 3 => drop(root.send(Restart(child)).await.unwrap()),
            4 => {
                let _ = root.send(Terminate(child)).await.unwrap();
                let _ = root.send(Restart(child)).await.unwrap();
            }
            5 => drop(root.send(Status).await.unwrap()),
            6 => drop(root.send(Tree).await.unwrap()),
            _ => assert_eq!(root.send(List).await.unwrap().len(), children.len()),
        }
        answered += 1;
        yield_now().await;
    }
    answered
}

/// Restarts what was left terminated, until nothing is.
async fn bring_back(root: &Addr<Supervisor>) {
    loop {
        let listed = root.send(List).await.unwrap();
        let is_down = |child: &ChildInfo| match child.state {
            ChildState::Terminated | ChildState::Stopping => true,
            ChildState::Starting | ChildState::Running | ChildState::BackingOff => false,
        };
        let down: Vec<_> = listed.into_iter().filter(is_down).collect();
        if down.is_empty() {
            return;
        }
        for child in down {
            let _ = root.send(Restart(child.token)).await.unwrap();
        }
    }
}

/// Compares what was sent with what was done.
fn check(all: &[Sent], records: &[Arc<Record>]) {
    let mut expected = vec![BTreeSet::new(); CHILDREN];
    for Sent { child, job, answer } in all {
        expected[*child].insert((job.sender, job.number));
        match (answer, job.act) {
            (None, _) => {}
            // It was in hand.
            (Some(answer), Act::Panic) => assert_eq!(*answer, Err(MailboxError::Closed)),
            (Some(answer), act) => assert_eq!(*answer, Ok(!job.number), "{act:?} of {child}"),
        }
    }
    for (child, (record, expected)) in records.iter().zip(expected).enumerate() {
        let begun = record.begun.lock().unwrap();
        let handled: BTreeSet<_> = begun.iter().copied().collect();
        assert_eq!(handled.len(), begun.len(), "child {child}: a message was handled twice");
        let lost: Vec<_> = expected.difference(&handled).collect();
        assert!(lost.is_empty(), "child {child} never saw {lost:?}");
        for sender in 0..SENDERS {
            let in_order = begun.iter().filter(|(of, _)| *of == sender).is_sorted();
            assert!(in_order, "child {child}: messages of sender {sender} are out of order");
        }
    }
}

#[cfg(target_os = "linux")]
fn threads_of_the_pool() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    // The test itself is `storm-` and a hash.
    let is_of_pool = |name: &str| {
        let number = name.trim().strip_prefix("storm-");
        number.is_some_and(|number| number.len() < 6 && number.parse::<u32>().is_ok())
    };
    names.filter(|name| name.as_ref().is_ok_and(|name| is_of_pool(name))).count()
}

#[cfg(not(target_os = "linux"))]
fn threads_of_the_pool() -> usize {
    0
}

async fn storm(seed: u64, messages: u32) {
    let gates = Gates::default();
    let records: Vec<_> = (0..CHILDREN).map(|_| Arc::new(Record::default())).collect();
    let (seen, mut events) = unbounded_channel();
    let spec = Spec::default().failure_threshold(f64::MAX).arbiters(THREADS);
    let spec = spec.shutdown_timeout(LIMIT).event_hook(move |event: &Event| {
        let _ = seen.send(event.clone());
    });
    let mut root = Supervisor::with_spec("storm", spec).unwrap();
    let mut addrs = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let (record, gates) = (Arc::clone(record), gates.clone());
        let spec = ChildSpec::actor(index.to_string(), move |_| Worker {
            index,
            record: record.clone(),
            gates: gates.clone(),
        });
        let spec = spec.placement(Placement::Pool).watchdog(LIMIT).mailbox_capacity(0);
        addrs.push(spec.addr());
        root = root.child(spec);
    }
    let root = root.start();
    let tokens = root.send(List).await.unwrap().into_iter().map(|child| child.token).collect();
    let tokens: Vec<ChildToken> = tokens;

    // Half of those who are stuck go on when they are found, the others at the end.
    let (found, mut rng) = (gates.clone(), fastrand::Rng::with_seed(!seed));
    let stays_stuck = Arc::new(AtomicBool::new(false));
    let stays = Arc::clone(&stays_stuck);
    let watching = actix::spawn(async move {
        let mut told = BTreeMap::<&'static str, u32>::new();
        while let Some(event) = events.recv().await {
            *told.entry(event.kind.name()).or_default() += 1;
            if let EventKind::ChildFailed { name, failure: Failure::Unresponsive(_), .. } =
                &event.kind
            {
                let name: usize = name.parse().unwrap();
                if rng.bool() && !stays.load(Ordering::SeqCst) {
                    found.release(|child| child == name);
                }
            }
        }
        told
    });

    let (mut all_sent, mut go_on, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for sender in 0..SENDERS {
        let share = (sender, seed, messages / SENDERS as u32);
        let (sent, is_sent) = oneshot::channel();
        let (free, nobody_is_stuck) = oneshot::channel();
        let ((reply, report), to) = (oneshot::channel(), addrs.clone());
        Arbiter::new().spawn(async move {
            let _ = reply.send(send(share, to, sent, nobody_is_stuck).await);
            Arbiter::current().stop();
        });
        all_sent.push(is_sent);
        go_on.push(free);
        reports.push(report);
    }
    let requests = messages / 100;
    let controllers = (0..CONTROLLERS as u64)
        .map(|index| control((seed ^ (index + 1), requests), root.clone(), tokens.clone()));
    let answered = join_all(controllers).await;
    assert_eq!(answered, [requests; CONTROLLERS], "every request was answered");
    for sent in all_sent {
        sent.await.expect("no sender has panicked");
    }

    // One more message to each child: what was sent before has been handled when it is answered.
    bring_back(&root).await;
    let last = Job { sender: SENDERS, number: 0, act: Act::Work };
    for answer in join_all(addrs.iter().map(|addr| addr.send(last))).await {
        assert_eq!(answer, Ok(!0));
    }
    gates.release(|_| true);
    for free in go_on {
        free.send(()).expect("it waits");
    }
    let mut all = Vec::new();
    for report in reports {
        all.extend(report.await.expect("no sender has panicked"));
    }
    check(&all, &records);
    while root.send(Status).await.unwrap().left_behind > 0 {
        yield_now().await;
    }

    // One is stuck for good, and all others of its thread move away.
    stays_stuck.store(true, Ordering::SeqCst);
    let for_good = addrs[0].send(Job { sender: SENDERS, number: 1, act: Act::GetStuck });
    while root.send(Status).await.unwrap().left_behind == 0 {
        yield_now().await;
    }
    let report = root.send(Stop).await.unwrap();
    assert!(report.unstopped.iter().any(|left| left.path == ["storm", "0"]), "{report}");
    assert!(report.unstopped.len() < CHILDREN / 2, "those of one thread: {report}");
    assert!(addrs.iter().all(|addr| !addr.connected()));
    if cfg!(target_os = "linux") {
        while threads_of_the_pool() > 1 {
            yield_now().await;
        }
        assert_eq!(threads_of_the_pool(), 1, "the one that is stuck");
    }
    gates.release(|_| true);
    assert_eq!(for_good.await, Ok(!1));
    while threads_of_the_pool() > 0 {
        yield_now().await;
    }
    drop(root);
    let told = watching.await.unwrap();
    let _ = writeln!(io::stderr(), "{} messages: {told:?}", all.len());
}

#[test]
fn two_hundred_children_weather_a_storm() {
    install_panic_hook(); // Prints nothing of a child's panic.
    let seed = setting("SUPERVISOR_STORM_SEED", fastrand::u64(..u64::MAX / 2));
    let messages = setting("SUPERVISOR_STORM_STEPS", 20_000);
    let _ = writeln!(io::stderr(), "storm: SUPERVISOR_STORM_SEED={seed} of {messages} steps");
    let limit = Duration::from_secs(300 + u64::from(messages / 100));
    System::new().block_on(async {
        timeout(limit, storm(seed, messages)).await.expect("nothing hangs");
    });
}
