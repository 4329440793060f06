//! How much a child, or a supervisor, does before others on its thread have their turn.

use std::{cell::Cell, future::poll_fn, rc::Rc, sync::mpsc, task::Poll};

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, Placement, Status, Supervisor, Tree};
use futures::future::{Either, select};

use crate::{
    puppet::{Puppet, tell},
    support::{exact, paused, settle, start},
};

thread_local! {
    /// How often others have had their turn.
    static TURNS: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn messages_that_take_no_time_are_handled_128_in_one_turn_wherever_it_runs() {
    for place in ["inline", "elsewhere"] {
        paused(async {
            let placement = match place {
                "inline" => Placement::Inline,
                _ => Placement::Arbiter(Arbiter::current()),
            };
            let root = start("root", exact());
            let spec = Puppet::spec("child").placement(placement).mailbox_capacity(0);
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            settle().await;
            let is_over = Rc::new(Cell::new(false));
            let ends = Rc::clone(&is_over);
            actix_rt::spawn(poll_fn(move |task| {
                TURNS.set(TURNS.get() + 1);
                task.waker().wake_by_ref();
                if ends.get() { Poll::Ready(()) } else { Poll::Pending }
            }));
            let (noted, notes) = mpsc::channel();
            let note = || {
                let noted = noted.clone();
                tell(move |_, _| noted.send(TURNS.get()).unwrap())
            };
            (1..256).for_each(|_| child.addr().do_send(note()));
            child.addr().send(note()).await.unwrap();
            is_over.set(true);
            let turns: Vec<_> = notes.try_iter().collect();
            assert_eq!(turns.len(), 256);
            let (first, second) = turns.split_at(128);
            assert!(first.iter().all(|turn| *turn == first[0]), "{place}: {first:?}");
            assert!(second.iter().all(|turn| *turn == second[0]), "{place}: {second:?}");
            assert_ne!(first[0], second[0], "{place}: others have had their turn");
        });
    }
}

#[test]
fn others_have_their_turn_while_a_large_tree_is_told() {
    paused(async {
        let sub = || ChildSpec::supervisor(Supervisor::new("sub"));
        let large = (0..2_000).fold(Supervisor::new("large"), |root, _| root.child(sub())).start();
        let small = start("small", exact());
        settle().await;
        match select(Box::pin(large.send(Tree)), Box::pin(small.send(Status))).await {
            Either::Left(_) => panic!("all of it was told in one go"),
            Either::Right((status, tree)) => {
                assert_eq!(status.unwrap().children.total(), 0);
                let tree = tree.await.unwrap();
                assert_eq!(tree.supervisors.len(), 2_000);
                let tokens = tree.supervisors.iter().map(|sub| sub.token);
                assert!(tokens.eq(tree.children.iter().map(|child| Some(child.token))));
            }
        }
    });
}
