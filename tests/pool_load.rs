//! Pools under load from four threads, wherever their members run: no message is handled twice, none is lost, nobody hangs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, Placement, Resize, Spec, Stop, Supervisor, install_panic_hook,
};
use tokio::{sync::oneshot, time::timeout};

const SENDERS: u32 = 4;
const SHARE: u32 = 20_000;
/// One message in so many is one that its handler panics over.
const BOMBS: u32 = 500;

#[derive(Message)]
#[rtype(result = "u32")]
struct Work(u32);

/// How often each message was handled, those included that were not survived.
type Log = Arc<Mutex<BTreeMap<u32, u32>>>;

struct Worker(Log);

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Work> for Worker {
    type Result = u32;

    fn handle(&mut self, Work(id): Work, _ctx: &mut Self::Context) -> u32 {
        *self.0.lock().expect("no panic while logging").entry(id).or_default() += 1;
        assert!(id % BOMBS != 0, "{id} is a bomb");
        !id
    }
}

/// Sends its share in small batches, and returns how many requests failed.
async fn send(sender: u32, to: Addr<Worker>) -> Vec<u32> {
    let ids: Vec<u32> = (sender * SHARE..(sender + 1) * SHARE).collect();
    let mut failed = Vec::new();
    for batch in ids.chunks(16) {
        let asked: Vec<_> = batch.iter().map(|&id| (id, to.send(Work(id)))).collect();
        for (id, answer) in asked {
            match answer.await {
                Ok(answer) => assert_eq!(answer, !id),
                Err(_) => failed.push(id),
            }
        }
    }
    failed
}

fn storm(placement: Placement) {
    install_panic_hook();
    System::new().block_on(async {
        let log = Log::default();
        let workers = {
            let log = Arc::clone(&log);
            ChildSpec::pool("workers", 6, move |_| Worker(Arc::clone(&log))).placement(placement)
        };
        let spec = Spec::default().failure_threshold(1e9).arbiters(3).event_hook(|_| {});
        let root = Supervisor::with_spec("root", spec).unwrap().start();
        let pool = root.send(Add(workers)).await.unwrap().unwrap();

        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (addr, (done, report)) = (pool.addr(), oneshot::channel());
                thread::spawn(move || {
                    let failed = System::new().block_on(send(sender, addr));
                    let _ = done.send(failed);
                });
                report
            })
            .collect();
        for size in [2, 9, 1, 6].into_iter().cycle().take(40) {
            root.send(Resize(pool.token(), size)).await.unwrap().unwrap();
            tokio::task::yield_now().await;
        }
        let mut failed = Vec::new();
        for report in senders {
            let report = timeout(Duration::from_secs(100), report).await;
            failed.extend(report.expect("nobody hangs").expect("no sender panics"));
        }
        let bombs: Vec<u32> = (0..SENDERS * SHARE).step_by(BOMBS as usize).collect();
        failed.sort_unstable();
        assert_eq!(failed, bombs, "only the sender of the message in hand gets an error");
        assert!(root.send(Stop).await.unwrap().is_clean());
        let log = log.lock().unwrap();
        assert_eq!(log.len() as u32, SENDERS * SHARE);
        assert!(log.values().all(|&times| times == 1), "once each");
    });
}

#[test]
fn members_on_one_thread() {
    storm(Placement::Inline);
}

#[test]
fn members_on_threads_of_their_own() {
    storm(Placement::Dedicated);
}

#[test]
fn members_on_a_few_threads() {
    storm(Placement::Pool);
}
