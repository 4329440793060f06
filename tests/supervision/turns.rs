//! How much a child, or a supervisor, does before others on its thread have their turn.

use std::{cell::Cell, future::poll_fn, rc::Rc, sync::mpsc, task::Poll};

use actix::prelude::*;
use actix_supervisor::{Add, ChildSpec, Placement, Status, Stop, Supervisor, Tree};
use futures::future::{Either, select};

use crate::{
    puppet::{Puppet, life, tell},
    support::{boom, exact, paused, settle, start},
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

/// That many of a supervisor's children have their turn before others have theirs.
const AT_A_TIME: usize = 256;
/// And this many while some of them end.
const WHILE_SOME_END: usize = 16;

/// A supervisor of so many children, and who of them has started for the first time.
fn crowd(children: usize) -> (Supervisor, Vec<Addr<Puppet>>, mpsc::Receiver<usize>) {
    let (noted, notes) = mpsc::channel();
    let specs: Vec<_> = (0..children)
        .map(|number| {
            let noted = noted.clone();
            Puppet::starting("child", move |life, _| {
                if life == 1 {
                    noted.send(number).unwrap();
                }
            })
            .placement(Placement::Inline)
        })
        .collect();
    let addrs = specs.iter().map(ChildSpec::addr).collect();
    let settings = exact().failure_threshold(f64::MAX);
    let root = Supervisor::with_spec("root", settings).unwrap();
    (specs.into_iter().fold(root, Supervisor::child), addrs, notes)
}

#[test]
fn others_have_their_turn_while_many_children_fail_at_once() {
    paused(async {
        let (root, children, _notes) = crowd(8 * AT_A_TIME);
        let root = root.start();
        let small = start("small", exact());
        let plain = Puppet::new(1).start();
        settle().await;
        let (noted, notes) = mpsc::channel();
        for child in &children {
            let noted = noted.clone();
            child.do_send(tell(move |_, _| {
                noted.send(()).unwrap();
                boom();
            }));
        }
        for most in [AT_A_TIME, WHILE_SOME_END, WHILE_SOME_END] {
            small.send(Status).await.unwrap();
            assert!(notes.try_iter().count() <= 2 * most);
            plain.send(tell(|_, _| {})).await.unwrap();
            assert!(notes.try_iter().count() <= 2 * most);
            root.send(Status).await.unwrap();
            assert!(notes.try_iter().count() <= 2 * most);
        }
        for child in &children {
            assert_eq!(child.send(life()).await, Ok(2));
        }
        assert_eq!(root.send(Status).await.unwrap().restarts, children.len() as u64);
    });
}

#[test]
fn many_children_have_their_turns_in_the_order_in_which_they_were_due() {
    paused(async {
        let (root, children, started) = crowd(5 * AT_A_TIME + 7);
        let _root = root.start();
        settle().await;
        assert!(started.try_iter().eq(0..children.len()), "as they start");
        let (noted, notes) = mpsc::channel();
        let note = |number| {
            let noted = noted.clone();
            tell(move |_, _| noted.send(number).unwrap())
        };
        let reversed = || children.iter().enumerate().rev();
        for (number, child) in reversed() {
            child.do_send(note(number));
        }
        settle().await;
        assert!(notes.try_iter().eq(reversed().map(|(number, _)| number)), "as they are told");
    });
}

#[test]
fn a_stop_reaches_those_who_wait_for_their_turn() {
    paused(async {
        let (root, children, _notes) = crowd(4 * AT_A_TIME);
        let root = root.start();
        settle().await;
        for child in &children {
            child.do_send(tell(|_, ctx| ctx.stop()));
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert!(children.iter().all(|child| !child.connected()));
    });
}
