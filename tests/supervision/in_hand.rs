//! What one actor, without a pool, has in hand.

use std::sync::{Arc, Mutex};

use actix_supervisor::{Add, InFlight, Restart, SupervisedContext};

use crate::{
    puppet::{Puppet, Tell, life, tell},
    support::{exact, paused, secs, settle, sleep, start},
};

/// The messages that a test has an actor keep in hand.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Vec<InFlight>>>);

impl Held {
    fn one_more(&self) -> Tell {
        let held = self.0.clone();
        tell(move |_, ctx| held.lock().unwrap().push(ctx.in_hand()))
    }

    fn let_go_of_one(&self) {
        drop(self.0.lock().unwrap().pop());
    }
}

#[test]
fn a_child_takes_no_more_messages_than_it_may_have_in_hand() {
    paused(async {
        let (root, held) = (start("root", exact()), Held::default());
        let child = root.send(Add(Puppet::spec("busy").in_flight(2))).await.unwrap().unwrap();
        for _ in 0..2 {
            assert_eq!(child.addr().send(held.one_more()).await, Ok(1));
        }
        let next = actix_rt::spawn(child.addr().send(life()));
        sleep(secs(3)).await;
        assert!(!next.is_finished(), "it has enough in hand");
        held.let_go_of_one();
        assert_eq!(next.await.unwrap(), Ok(1));
    });
}

#[test]
fn a_child_that_finishes_what_it_has_in_hand_leaves_what_comes_to_its_next_incarnation() {
    paused(async {
        let (root, held) = (start("root", exact()), Held::default());
        let child = root.send(Add(Puppet::spec("busy"))).await.unwrap().unwrap();
        assert_eq!(child.addr().send(held.one_more()).await, Ok(1));
        root.do_send(Restart(child.token()));
        settle().await;
        let next = actix_rt::spawn(child.addr().send(life()));
        sleep(secs(1)).await;
        assert!(!next.is_finished(), "it still has something in hand");
        held.let_go_of_one();
        assert_eq!(next.await.unwrap(), Ok(2));
    });
}
