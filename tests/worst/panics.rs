//! Panics in the worst places.

use std::{
    hint::black_box,
    panic::panic_any,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use actix::prelude::*;
use actix_supervisor::Failure;

use crate::{
    apart::lives,
    place::{Place, World},
    puppet::{OnDrop, Puppet},
};

/// How often it may call itself: that takes about half of a thread's stack.
const DEEP: u32 = 4_000;

/// The bad child does this three times, and each time the next incarnation answers.
async fn is_restarted(place: Place, message: &str, act: fn(&mut Puppet, &mut Context<Puppet>)) {
    let mut world = World::start(place);
    for _ in 0..3 {
        world.bad_does(act).await;
        match world.failure().await {
            Failure::Panic(panic) => assert_eq!(panic.message, message),
            failure => panic!("{failure}"),
        }
        world.goes_on().await;
    }
    world.goes_on_and_stops(4).await;
}

fn bomb() -> OnDrop {
    OnDrop::new(|| panic!("and another"))
}

#[test]
fn a_drop_that_panics_after_the_panic_of_a_handler() {
    lives(&Place::ALL, async |place| {
        is_restarted(place, "boom", |puppet, ctx| {
            puppet.holds.push(bomb());
            ctx.spawn(std::future::pending::<()>().into_actor(puppet));
            panic!("boom");
        })
        .await;
    });
}

#[test]
fn drops_that_panic_one_after_the_other_in_every_thing_that_an_actor_has() {
    lives(&Place::ALL, async |place| {
        is_restarted(place, "boom", |puppet, ctx| {
            puppet.holds.push(bomb());
            puppet.on_stopped = Box::new(|| panic!("and another"));
            puppet.on_stopping = Box::new(|_| panic!("and another"));
            panic_later(puppet, ctx);
        })
        .await;
    });
}

/// In a future, while another one waits.
fn panic_later(puppet: &mut Puppet, ctx: &mut Context<Puppet>) {
    let boom = async { panic!("boom") };
    ctx.spawn(boom.into_actor(puppet));
}

#[test]
fn a_payload_whose_drop_panics() {
    lives(&Place::ALL, async |place| {
        is_restarted(place, "Box<dyn Any>", |_, _| panic_any(bomb())).await;
    });
}

#[test]
fn a_payload_whose_drop_panics_with_such_a_payload_and_so_on_for_ever() {
    struct ForEver;

    impl Drop for ForEver {
        fn drop(&mut self) {
            panic_any(Self);
        }
    }

    lives(&Place::ALL, async |place| {
        is_restarted(place, "Box<dyn Any>", |_, _| panic_any(ForEver)).await;
    });
}

/// Counts down the calls of [`recurse`] that have not been unwound.
struct Frame(Arc<AtomicU32>);

impl Drop for Frame {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn recurse(left: u32, frames: &Arc<AtomicU32>) -> u32 {
    assert!(left > 0, "too deep");
    frames.fetch_add(1, Ordering::Relaxed);
    let _frame = Frame(Arc::clone(frames));
    black_box(recurse(left - 1, frames)) + 1
}

#[test]
fn a_recursion_that_panics_at_its_limit() {
    lives(&Place::ALL, async |place| {
        let mut world = World::start(place);
        let frames = Arc::new(AtomicU32::new(0));
        for _ in 0..3 {
            let frames = Arc::clone(&frames);
            world.bad_does(move |_, _| assert_eq!(recurse(DEEP, &frames), DEEP)).await;
            let failure = world.failure().await;
            assert!(matches!(&failure, Failure::Panic(panic) if panic.message == "too deep"));
        }
        assert_eq!(frames.load(Ordering::Relaxed), 0, "all is unwound");
        world.goes_on_and_stops(4).await;
    });
}

#[test]
fn a_destructor_of_a_thread_local_that_catches_its_panic() {
    thread_local! {
        static LAST: std::cell::RefCell<Option<OnDrop>> = const { std::cell::RefCell::new(None) };
    }

    lives(&Place::ALL, async |place| {
        let world = World::start(place);
        let what = || drop(std::panic::catch_unwind(|| panic!("the last thing that it does")));
        world.bad_does(move |_, _| LAST.set(Some(OnDrop::new(what)))).await;
        world.goes_on_and_stops(1).await;
    });
}
