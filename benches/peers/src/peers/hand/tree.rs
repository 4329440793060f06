//! A tree by hand: lists of actors, and lists of those, each with a name and at a place of its own in memory, as a supervisor is.
//! They are lists and nothing more: what is left is what it costs to go from one to the next, and to tell what is there.

use std::{rc::Rc, time::Instant};

use actix::{WeakAddr, prelude::*};
use tokio::task::spawn_local;

use super::{super::ours::Idle, live, mailbox};
use crate::{
    jobs::{DEPTH, LEAVES, WIDTH},
    meter::{Gate, Outcome, nanos},
};

struct Leaf {
    name: Rc<str>,
    addr: Addr<Idle>,
}

struct List {
    name: Rc<str>,
    leaves: Vec<Leaf>,
    below: Vec<Rc<List>>,
}

/// What is told of a list.
struct Told {
    name: String,
    leaves: Vec<(String, WeakAddr<Idle>)>,
    below: Vec<Told>,
}

impl List {
    fn of_leaves(leaves: usize) -> Rc<Self> {
        let name = Rc::<str>::from("leaf");
        let leaves = (0..leaves).map(|_| {
            let (addr, mailbox) = mailbox();
            spawn_local(live(Idle, mailbox));
            Leaf { name: Rc::clone(&name), addr }
        });
        Rc::new(Self { name: Rc::from("node"), leaves: leaves.collect(), below: Vec::new() })
    }

    fn of_depth(depth: u32) -> Rc<Self> {
        match depth {
            1 => Self::of_leaves(WIDTH),
            _ => {
                let below = (0..WIDTH).map(|_| Self::of_depth(depth - 1)).collect();
                Rc::new(Self { name: Rc::from("node"), leaves: Vec::new(), below })
            }
        }
    }

    fn tell(&self) -> Told {
        let leaf = |leaf: &Leaf| (String::from(&*leaf.name), leaf.addr.downgrade());
        Told {
            name: String::from(&*self.name),
            leaves: self.leaves.iter().map(leaf).collect(),
            below: self.below.iter().map(|list| list.tell()).collect(),
        }
    }
}

impl Told {
    /// How many leaves that still run are in it.
    fn count(&self) -> usize {
        let is_named = !self.name.is_empty() && self.leaves.iter().all(|(name, _)| name == "leaf");
        let here = self.leaves.iter().filter(|(_, addr)| is_named && addr.upgrade().is_some());
        here.count() + self.below.iter().map(Self::count).sum::<usize>()
    }
}

pub(super) async fn nested() -> Outcome {
    measure(|| List::of_depth(DEPTH)).await
}

pub(super) async fn flat() -> Outcome {
    measure(|| List::of_leaves(LEAVES)).await
}

async fn measure(list: impl FnOnce() -> Rc<List>) -> Outcome {
    Gate::expect(LEAVES);
    let list = list();
    Gate::all().await;
    let begin = Instant::now();
    let told = list.tell();
    let tree = nanos(begin);
    match told.count() == LEAVES {
        true => Ok(vec![("tree", tree)]),
        false => Err("leaves are missing"),
    }
}
