//! Who asks for something that takes for ever, and goes away, leaves nothing behind.
#![cfg(target_os = "linux")]

use std::fs;

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, Replace, Restart, Shutdown, Status, Supervisor, Terminate};

const REQUESTS: u32 = 20_000;

/// In KiB. Kept answers would take four times as much for one kind of request alone.
const GROWTH: u64 = 3 << 10;

/// Answers every stop request with a no.
struct Stubborn;

impl Actor for Stubborn {
    type Context = Context<Self>;

    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        Running::Continue
    }
}

fn stubborn() -> ChildSpec<Stubborn> {
    ChildSpec::actor("stubborn", |_| Stubborn).shutdown(Shutdown::Infinite)
}

/// Memory in use, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Makes requests, each of which is given up as soon as it has been served.
async fn abandon<T>(root: &Addr<Supervisor>, request: impl Fn() -> T) {
    for _ in 0..REQUESTS {
        let asked = request();
        root.send(Status).await.expect("it runs");
        drop(asked);
    }
}

#[test]
fn abandoned_requests_take_no_memory() {
    System::new().block_on(async {
        let root = Supervisor::new("root").start();
        let token = root.send(Add(stubborn())).await.unwrap().unwrap().token();
        // Whatever grows once.
        abandon(&root, || root.send(Restart(token))).await;
        let before = resident();
        abandon(&root, || root.send(Restart(token))).await;
        abandon(&root, || root.send(Terminate(token))).await;
        abandon(&root, || root.send(Restart(token))).await;
        abandon(&root, || root.send(Replace(token, stubborn()))).await;
        let growth = resident().saturating_sub(before);
        assert!(growth < GROWTH, "{growth} KiB for {} requests", 4 * REQUESTS);
    });
}
