//! Many messages, from four threads and in real time, to an actor that panics at every hundredth one.
//!
//! `LOAD_MESSAGES` is how many there are: a million in `.ci/run`.

#[path = "model/setting.rs"]
mod setting;

use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use self::setting::setting;
use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, Spec, Status, Stop, Supervisor, SupervisorState, install_panic_hook,
};
use tokio::{sync::oneshot, time::timeout};

const SENDERS: u32 = 4;
const MESSAGES: u32 = 200_000;
/// An incarnation's last message is its hundredth: it panics at it.
const LIFESPAN: u32 = 100;

/// How much memory may come on top of what is in use after the first tenth, in KiB: far more than what the
/// allocator's moods account for, and less than five bytes a message, or half a kilobyte a restart, where there are a
/// million of them.
const GROWTH: u64 = 4 << 10;

/// A message, with a number of its own. The answer is the number's complement.
#[derive(Message)]
#[rtype(result = "u32")]
struct Work(u32);

impl Work {
    /// Every tenth message is a request, the others are sent and forgotten.
    fn is_request(id: u32) -> bool {
        id % 10 == 9
    }
}

/// The numbers of the messages that were handled, in order.
type Log = Arc<Mutex<Vec<u32>>>;

struct Worker {
    left: u32,
    log: Log,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Work> for Worker {
    type Result = u32;

    fn handle(&mut self, Work(id): Work, _ctx: &mut Self::Context) -> u32 {
        self.left -= 1;
        assert!(self.left > 0, "{id} is one too many");
        self.log.lock().expect("no panic while logging").push(id);
        !id
    }
}

/// What a sender has seen.
#[derive(Default)]
struct Report {
    /// The requests that were answered with an error.
    refused: Vec<u32>,
    /// The memory that was in use after each tenth of the messages.
    resident: Vec<u64>,
}

/// Sends these messages. A request waits for its answer, so few messages are under way at any time.
async fn send(ids: Range<u32>, to: Addr<Worker>) -> Report {
    let (mut report, tenth) = (Report::default(), ids.len() as u32 / 10);
    for id in ids {
        if !Work::is_request(id) {
            to.do_send(Work(id));
            continue;
        }
        match to.send(Work(id)).await {
            Ok(answer) => assert_eq!(answer, !id),
            Err(_) => report.refused.push(id),
        }
        if (id + 1) % tenth == 0 {
            report.resident.extend(resident());
        }
    }
    report
}

/// The memory that is in use, in KiB, where the system tells.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Runs the load; returns what each sender has seen.
async fn load(to: &Addr<Worker>, share: u32) -> Vec<Report> {
    let reports: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (to, (reply, report)) = (to.clone(), oneshot::channel());
            Arbiter::new().spawn(async move {
                let ids = sender * share..(sender + 1) * share;
                let _ = reply.send(send(ids, to).await);
            });
            report
        })
        .collect();
    let mut all = Vec::new();
    for report in reports {
        all.push(report.await.expect("a sender gets the right answers"));
    }
    all
}

#[test]
fn only_the_messages_in_hand_are_lost_at_thousands_of_panics() {
    install_panic_hook(); // Prints nothing of a child's panic.
    let messages = setting("LOAD_MESSAGES", MESSAGES);
    let (share, restarts) = (messages / SENDERS, messages / LIFESPAN);
    let mut log = vec![u32::MAX; messages as usize]; // Its memory is in use before we look at that.
    log.clear();
    let log = Log::new(Mutex::new(log));

    let reports = System::new().block_on(async {
        let log = Arc::clone(&log);
        let spec = ChildSpec::actor("worker", move |_| Worker { left: LIFESPAN, log: log.clone() });
        let worker = spec.addr();
        let never_pauses = Spec::default().failure_threshold(f64::MAX);
        let root = Supervisor::with_spec("root", never_pauses).unwrap().child(spec).start();

        let reports =
            timeout(Duration::from_secs(300), load(&worker, share)).await.expect("none hangs");

        let status = root.send(Status).await.unwrap();
        assert_eq!(status.restarts, u64::from(restarts));
        assert_eq!(status.state, SupervisorState::Running);
        assert_eq!(status.children.running, 1);
        assert!(root.send(Stop).await.unwrap().is_clean());
        reports
    });

    // The supervisor has ended: no incarnation is left, and no factory.
    let log = Arc::into_inner(log).expect("nothing has leaked").into_inner().unwrap();
    for sender in 0..SENDERS {
        assert!(log.iter().filter(|&id| id / share == sender).is_sorted(), "out of order");
    }
    let handled: BTreeSet<u32> = log.iter().copied().collect();
    assert_eq!(handled.len(), log.len(), "handled twice");
    let lost: Vec<u32> = (0..messages).filter(|id| !handled.contains(id)).collect();
    assert_eq!(lost.len(), restarts as usize, "only the message in hand at a panic is lost");
    let lost_requests: Vec<u32> = lost.into_iter().filter(|&id| Work::is_request(id)).collect();
    let refused: Vec<u32> = reports.iter().flat_map(|report| report.refused.clone()).collect();
    assert_eq!(lost_requests, refused, "who sent a lost request has got an error");

    for Report { resident, .. } in reports {
        let (first, most) = (resident.first(), resident.iter().max());
        let growth = most.zip(first).map_or(0, |(most, first)| most - first);
        assert!(growth <= GROWTH, "memory grows: {resident:?} KiB");
    }
}
