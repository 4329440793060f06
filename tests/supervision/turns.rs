//! How much a child, or a supervisor, does before others on its thread have their turn.

use std::{
    cell::Cell,
    future::{poll_fn, ready},
    rc::Rc,
    sync::mpsc,
    task::Poll,
    thread,
    time::Duration,
};

use actix::{fut::wrap_future, prelude::*};
use actix_supervisor::{
    Add, Backoff, ChildSpec, EventKind, Placement, RemoveAndWait, Status, Stop, Supervisor, Tree,
};
use futures::{
    FutureExt,
    future::{Either, select},
};
use tokio::{task::yield_now, time::advance};

use crate::{
    puppet::{Puppet, life, tell},
    support::{boom, exact, paused, secs, settle, sleep, start},
};

thread_local! {
    /// How often others have had their turn.
    static TURNS: Cell<usize> = const { Cell::new(0) };
}

/// On this thread, as its supervisor's or as any other one.
fn place(elsewhere: bool) -> Placement {
    match elsewhere {
        true => Placement::Arbiter(Arbiter::current()),
        false => Placement::Inline,
    }
}

/// Begins to count them, until it is over.
fn count_turns() -> Rc<Cell<bool>> {
    let is_over = Rc::new(Cell::new(false));
    let ends = Rc::clone(&is_over);
    actix_rt::spawn(poll_fn(move |task| {
        TURNS.set(TURNS.get() + 1);
        task.waker().wake_by_ref();
        if ends.get() { Poll::Ready(()) } else { Poll::Pending }
    }));
    is_over
}

#[test]
fn messages_that_take_no_time_are_handled_128_in_one_turn_wherever_it_runs() {
    for elsewhere in [false, true] {
        paused(async {
            let root = start("root", exact());
            let spec = Puppet::spec("child").placement(place(elsewhere)).mailbox_capacity(0);
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            settle().await;
            let is_over = count_turns();
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
            assert!(first.iter().all(|turn| *turn == first[0]), "{elsewhere}: {first:?}");
            assert!(second.iter().all(|turn| *turn == second[0]), "{elsewhere}: {second:?}");
            assert_ne!(first[0], second[0], "{elsewhere}: others have had their turn");
        });
    }
}

fn idle() -> impl ActorFuture<Puppet, Output = ()> {
    wrap_future(ready(()))
}

/// What a handler does with its context, after which Actix polls all of that again.
const ERRANDS: [fn(&mut Context<Puppet>); 4] = [
    |ctx| {
        ctx.spawn(idle());
    },
    |ctx| {
        ctx.run_later(secs(9), |_, _| {});
    },
    |ctx| {
        let later = ctx.run_later(secs(9), |_, _| {});
        ctx.cancel_future(later);
    },
    |ctx| ctx.wait(idle()),
];

#[test]
fn a_stop_is_heard_after_128_messages_whatever_their_handlers_do_with_their_context() {
    for errand in ERRANDS {
        for elsewhere in [false, true] {
            paused(async {
                let spec = Puppet::spec("child").placement(place(elsewhere)).mailbox_capacity(0);
                let addr = spec.addr();
                let root = start("root", exact());
                let child = root.send(Add(spec)).await.unwrap().unwrap();
                settle().await;
                let (noted, notes) = mpsc::channel();
                for _ in 0..1_000 {
                    let noted = noted.clone();
                    addr.do_send(tell(move |_, ctx| {
                        noted.send(()).unwrap();
                        errand(ctx);
                    }));
                }
                let removal = RemoveAndWait { token: child.token(), timeout: None };
                root.send(removal).await.unwrap().unwrap();
                assert_eq!(notes.try_iter().count(), 128);
            });
        }
    }
}

/// One of them leads to the next one, and so on.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
enum Again {
    Told,
    Notified,
}

impl Handler<Again> for Puppet {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, again: Again, ctx: &mut Self::Context) -> Self::Result {
        match again {
            Again::Told => ctx.address().do_send(again),
            Again::Notified => {
                ctx.notify(again);
            }
        }
        Box::pin(ready(()).into_actor(self))
    }
}

#[test]
fn others_have_their_turn_beside_an_actor_that_keeps_itself_busy() {
    for again in [Again::Told, Again::Notified] {
        for elsewhere in [false, true] {
            paused(async move {
                let root = start("root", exact());
                let spec = Puppet::spec("child").placement(place(elsewhere));
                let child = root.send(Add(spec)).await.unwrap().unwrap();
                child.addr().do_send(again);
                assert_eq!(child.addr().send(life()).await, Ok(1));
                assert_eq!(root.send(Status).await.unwrap().children.running, 1);
                assert!(root.send(Stop).await.unwrap().is_clean());
            });
        }
    }
}

/// Takes as long as a turn may on another thread than the supervisor's.
fn take_long() {
    // The clock has gone on by then; nobody waits for the turn that this leaves to others.
    let _ = advance(Duration::from_millis(1)).now_or_never();
}

/// A piece of work, of which an actor notifies itself until none is left.
#[derive(Message)]
#[rtype(result = "()")]
struct Piece {
    left: usize,
    work: fn(),
    noted: mpsc::Sender<usize>,
}

impl Handler<Piece> for Puppet {
    type Result = ();

    fn handle(&mut self, piece: Piece, ctx: &mut Self::Context) {
        piece.noted.send(TURNS.get()).unwrap();
        (piece.work)();
        if let Some(left) = piece.left.checked_sub(1) {
            ctx.notify(Piece { left, ..piece });
        }
    }
}

#[test]
fn work_of_which_an_actor_notifies_itself_piece_by_piece_goes_on_though_nothing_else_happens() {
    for elsewhere in [false, true] {
        for work in [|| {}, take_long] {
            paused(async move {
                let root = start("root", exact());
                let spec = Puppet::spec("child").placement(place(elsewhere));
                let child = root.send(Add(spec)).await.unwrap().unwrap();
                settle().await;
                let (noted, notes) = mpsc::channel();
                child.addr().do_send(Piece { left: 999, work, noted });
                sleep(secs(9)).await;
                assert_eq!(notes.try_iter().count(), 1_000);
            });
        }
    }
}

#[test]
fn others_have_their_turn_after_each_piece_of_long_work_of_which_an_actor_notifies_itself() {
    paused(async {
        let root = start("root", exact());
        let spec = Puppet::spec("child").placement(place(true));
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        settle().await;
        let is_over = count_turns();
        let (noted, notes) = mpsc::channel();
        child.addr().do_send(Piece { left: 9, work: take_long, noted });
        let mut turns = Vec::new();
        while turns.len() < 10 {
            yield_now().await;
            turns.extend(notes.try_iter());
        }
        is_over.set(true);
        assert!(turns.is_sorted_by(|one, next| one < next), "{turns:?}");
    });
}

/// In the place of a turn: it was another one.
const OTHER: usize = usize::MAX;

#[test]
fn one_that_has_taken_long_goes_behind_those_that_were_woken_from_another_thread() {
    for notifies_itself in [false, true] {
        paused(async move {
            let root = start("root", exact());
            let spec = Puppet::spec("busy").placement(place(true)).mailbox_capacity(0);
            let busy = root.send(Add(spec)).await.unwrap().unwrap();
            let other = Puppet::new(1).start();
            settle().await;
            let (noted, notes) = mpsc::channel();
            let notes_itself = noted.clone();
            let woken = tell(move |_, _| notes_itself.send(OTHER).unwrap());
            busy.addr().do_send(tell(move |_, _| {
                thread::spawn(move || other.do_send(woken)).join().unwrap();
            }));
            let (pieces, left) = if notifies_itself { (1, 9) } else { (10, 0) };
            for _ in 0..pieces {
                let noted = noted.clone();
                busy.addr().do_send(Piece { left, work: take_long, noted });
            }
            sleep(secs(9)).await;
            let turns: Vec<_> = notes.try_iter().collect();
            assert_eq!(turns.len(), 11);
            assert!(turns[..4].contains(&OTHER), "{notifies_itself}: {turns:?}");
        });
    }
}

#[test]
fn one_that_takes_long_before_its_first_message_has_that_in_the_same_turn() {
    paused(async {
        let root = start("root", exact());
        let (noted, notes) = mpsc::channel();
        let starts = noted.clone();
        let spec = Puppet::starting("child", move |_, _| {
            starts.send(TURNS.get()).unwrap();
            take_long();
        });
        let spec = spec.placement(place(true));
        let addr = spec.addr();
        let is_over = count_turns();
        let first = addr.send(tell(move |_, _| noted.send(TURNS.get()).unwrap()));
        root.send(Add(spec)).await.unwrap().unwrap();
        first.await.unwrap();
        is_over.set(true);
        let turns: Vec<_> = notes.try_iter().collect();
        assert!(matches!(turns[..], [starts, handles] if starts == handles), "{turns:?}");
    });
}

#[test]
fn a_supervisor_decides_about_128_failures_in_one_turn_also_where_each_one_sets_its_timer() {
    paused(async {
        let (noted, notes) = mpsc::channel();
        let settings = exact().failure_threshold(f64::MAX).event_hook(move |event| {
            if let EventKind::ChildFailed { .. } = event.kind {
                noted.send(TURNS.get()).unwrap();
            }
        });
        let root = start("root", settings);
        let mut children = Vec::new();
        for delay in (1..=1_000).rev() {
            let spec = Puppet::spec("child").placement(place(true));
            let spec = spec.backoff(Backoff::constant(secs(delay)));
            children.push(root.send(Add(spec)).await.unwrap().unwrap());
        }
        settle().await;
        let is_over = count_turns();
        children.iter().for_each(|child| child.addr().do_send(tell(|_, _| boom())));
        let mut turns = Vec::new();
        while turns.len() < children.len() {
            yield_now().await;
            turns.extend(notes.try_iter());
        }
        is_over.set(true);
        let most = turns.chunk_by(|one, next| one == next).map(<[_]>::len).max();
        assert_eq!(most, Some(128), "{turns:?}");
    });
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
/// And this many while many of them end.
const WHILE_MANY_END: usize = 16;

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
        for most in [AT_A_TIME, WHILE_MANY_END, WHILE_MANY_END] {
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
fn a_supervisor_does_not_stand_in_line_behind_its_siblings() {
    paused(async {
        let (root, children, _notes) = crowd(8 * AT_A_TIME);
        let below = Supervisor::new("below");
        let below_addr = below.addr();
        let _root = root.child(ChildSpec::supervisor(below)).start();
        settle().await;
        let (noted, notes) = mpsc::channel();
        for child in &children {
            let noted = noted.clone();
            child.do_send(tell(move |_, _| noted.send(()).unwrap()));
        }
        below_addr.send(Status).await.unwrap();
        assert!(notes.try_iter().count() <= 2 * AT_A_TIME);
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

#[test]
fn a_request_is_served_after_what_has_happened_before_it_and_before_what_follows_from_that() {
    paused(async {
        let mut number = 0;
        let spec = ChildSpec::actor("child", move |_ctx| {
            number += 1;
            match number {
                2..100 => boom(),
                _ => Puppet::new(number),
            }
        });
        let addr = spec.addr();
        let settings = exact().failure_threshold(f64::MAX);
        let root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
        settle().await;
        addr.do_send(tell(|_, _| boom()));
        let status = root.send(Status).await.unwrap();
        assert_eq!((status.failures, status.restarts), (1.0, 1));
        assert_eq!(addr.send(life()).await, Ok(100));
        assert_eq!(root.send(Status).await.unwrap().restarts, 99);
    });
}
