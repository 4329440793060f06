//! Supervisors of supervisors, and one supervisor with as many leaves.

use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Stop, Supervisor, Tree, TreeNode};

use super::Idle;
use crate::{
    jobs::{DEPTH, LEAVES, WIDTH},
    meter::{Gate, Outcome, nanos},
};

fn with_leaves(supervisor: Supervisor, leaves: usize) -> Supervisor {
    (0..leaves).fold(supervisor, |it, _| it.child(ChildSpec::actor("leaf", |_ctx| Idle)))
}

fn subtree(depth: u32) -> Supervisor {
    let supervisor = Supervisor::new("node");
    match depth {
        1 => with_leaves(supervisor, WIDTH),
        _ => {
            (0..WIDTH).fold(supervisor, |it, _| it.child(ChildSpec::supervisor(subtree(depth - 1))))
        }
    }
}

pub(super) async fn nested() -> Outcome {
    measure(|| subtree(DEPTH)).await
}

pub(super) async fn flat() -> Outcome {
    measure(|| with_leaves(Supervisor::new("root"), LEAVES)).await
}

fn leaves(node: &TreeNode) -> usize {
    node.status.children.actors + node.supervisors.iter().map(leaves).sum::<usize>()
}

async fn measure(tree: impl FnOnce() -> Supervisor) -> Outcome {
    Gate::expect(LEAVES);
    let begin = Instant::now();
    let root = tree().start();
    Gate::all().await;
    let start = nanos(begin);
    // The last ones have started, and their supervisors have yet to hear of it.
    tokio::time::sleep(Duration::from_millis(100)).await;

    let begin = Instant::now();
    let node = root.send(Tree).await.map_err(|_| "it did not answer")?;
    let tree = nanos(begin);
    if leaves(&node) != LEAVES {
        return Err("leaves are missing");
    }
    drop(node);

    let begin = Instant::now();
    root.send(Stop).await.map_err(|_| "it did not stop")?;
    Ok(vec![("start", start), ("tree", tree), ("stop", nanos(begin))])
}
