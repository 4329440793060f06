//! Children that come and go leave nothing behind.
#![cfg(target_os = "linux")]

use std::fs;

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, Exit, List, RemoveAndWait, Spec, Status, Supervisor};

const CHILDREN: u32 = 10_000;

/// In KiB. A tenth of what so many children take when they are there at once.
const GROWTH: u64 = 2 << 10;

struct Short;

impl Actor for Short {
    type Context = Context<Self>;
}

/// Memory in use, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Some are removed, others have done what they were for.
async fn come_and_go(root: &Addr<Supervisor>, children: u32) {
    for _ in 0..children / 2 {
        let child = root.send(Add(ChildSpec::actor("removed", |_| Short))).await.unwrap().unwrap();
        let removed = RemoveAndWait { token: child.token(), timeout: None };
        root.send(removed).await.unwrap().unwrap();
        let job = ChildSpec::service("done", |_| async { Exit::DoNotRestart });
        root.send(Add(job)).await.unwrap().unwrap();
    }
    while root.send(Status).await.unwrap().children.total() > 0 {}
}

#[test]
fn ten_thousand_short_lived_children_leave_no_memory_behind() {
    System::new().block_on(async {
        let spec = Spec::default().event_hook(|_| {});
        let root = Supervisor::with_spec("root", spec).unwrap().start();
        // Whatever grows once.
        come_and_go(&root, CHILDREN / 4).await;
        let before = resident();
        come_and_go(&root, CHILDREN).await;
        let growth = resident().saturating_sub(before);
        assert!(root.send(List).await.unwrap().is_empty());
        assert!(growth < GROWTH, "{growth} KiB for {CHILDREN} children");
    });
}
