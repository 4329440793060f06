//! A child that sends a million messages at once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use actix::prelude::*;
use actix_supervisor::{Failure, Kill, List, Status};

use crate::{
    apart::lives,
    place::{Place, World},
    puppet::{Puppet, life},
};

const MILLION: u32 = 1_000_000;

/// Counts itself when it is handled.
#[derive(Message)]
#[rtype(result = "()")]
struct Note(Arc<AtomicU32>);

impl Handler<Note> for Puppet {
    type Result = ();

    fn handle(&mut self, Note(handled): Note, _ctx: &mut Self::Context) {
        handled.fetch_add(1, Ordering::Relaxed);
    }
}

async fn floods_its_own_mailbox(place: Place) {
    let world = World::start(place);
    let bad = world.root.send(List).await.expect("it answers")[0].token;
    let handled = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&handled);
    world
        .bad_does(move |_, ctx| {
            let itself = ctx.address();
            (0..MILLION).for_each(|_| itself.do_send(Note(Arc::clone(&count))));
        })
        .await;
    world.goes_on().await;
    if place == Place::Inline {
        assert!(handled.load(Ordering::Relaxed) < MILLION, "nobody waits for all of them");
    }
    world.root.send(Kill(bad)).await.expect("it answers").expect("it is there");
    assert_eq!(world.bad.send(life()).await, Ok(2));
    assert_eq!(handled.load(Ordering::Relaxed), MILLION, "the next one had the rest");
    world.goes_on_and_stops(2).await;
}

async fn floods_its_supervisor(place: Place) {
    let mut world = World::start(place);
    let root = world.root.clone();
    world
        .bad_does(move |_, _| {
            (0..MILLION).for_each(|_| root.do_send(Status));
            panic!("boom");
        })
        .await;
    // It is restarted while the supervisor still has most of them to answer.
    assert_eq!(world.bad.send(life()).await, Ok(2));
    assert_eq!(world.far.send(life()).await, Ok(1));
    let failure = world.failure().await;
    assert!(matches!(failure, Failure::Panic(_)), "{failure}");
    world.goes_on_and_stops(2).await;
}

#[test]
fn a_child_that_floods_its_own_mailbox() {
    lives(&[Place::Inline], async |place| floods_its_own_mailbox(place).await);
}

#[test]
fn a_child_on_a_thread_of_its_own_that_floods_its_own_mailbox() {
    lives(&[Place::Dedicated], async |place| floods_its_own_mailbox(place).await);
}

#[test]
fn a_child_that_floods_the_mailbox_of_its_supervisor() {
    lives(&[Place::Inline], async |place| floods_its_supervisor(place).await);
}

#[test]
fn a_child_on_a_thread_of_its_own_that_floods_the_mailbox_of_its_supervisor() {
    lives(&[Place::Dedicated], async |place| floods_its_supervisor(place).await);
}
