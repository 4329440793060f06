//! What ends the process nevertheless: nothing in it can be caught. The guide lists these.

use std::{cell::RefCell, hint::black_box};

use actix_supervisor::Stop;

use crate::{
    apart::apart,
    place::{Place, World},
    puppet::{OnDrop, life},
};

fn bomb() -> OnDrop {
    OnDrop::new(|| panic!("and another"))
}

#[test]
fn a_destructor_that_panics_while_a_panic_unwinds_past_it() {
    let all = apart(&Place::ALL, async |place| {
        let world = World::start(place);
        let act = |_: &mut _, _: &mut _| {
            let _on_the_stack = bomb();
            panic!("boom");
        };
        world.bad_does(act).await;
    });
    for ended in all {
        ended.assert_aborted(&[": boom", ": and another", "during cleanup"]);
    }
}

#[test]
fn two_destructors_that_panic_in_one_drop() {
    let all = apart(&Place::ALL, async |place| {
        let world = World::start(place);
        world
            .bad_does(|puppet, ctx| {
                puppet.holds.extend([bomb(), bomb()]);
                actix::ActorContext::stop(ctx);
            })
            .await;
        world.goes_on().await;
        // On a thread of its own it may be dropped only now.
        let _its_next_life = world.bad.send(life()).await;
    });
    for ended in all {
        ended.assert_aborted(&[": and another", "during cleanup"]);
    }
}

#[test]
fn a_destructor_of_a_thread_local_that_panics_when_its_thread_ends() {
    thread_local! {
        static LAST: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
    }

    let all = apart(&Place::ALL, async |place| {
        let world = World::start(place);
        world.bad_does(|_, _| LAST.set(Some(bomb()))).await;
        world.goes_on().await;
        world.root.send(Stop).await.expect("it answers");
        if place == Place::Arbiter {
            world.arbiter.stop();
            world.arbiter.join().expect("it does not panic, it aborts");
        }
    });
    for ended in all {
        ended.assert_aborted(&["and another", "thread local panicked on drop"]);
    }
}

fn recurse(depth: u64) -> u64 {
    // The condition is for the compiler, which else sees that it never ends.
    if black_box(depth) == u64::MAX { depth } else { black_box(recurse(depth + 1)) + 1 }
}

#[test]
fn a_recursion_without_a_limit() {
    let all = apart(&Place::ALL, async |place| {
        World::start(place).bad_does(|_, _| assert!(recurse(0) > 0)).await;
    });
    for ended in all {
        ended.assert_aborted(&["has overflowed its stack"]);
    }
}

#[test]
fn an_abort() {
    for ended in apart(&[Place::Dedicated], async |place| {
        World::start(place).bad_does(|_, _| std::process::abort()).await;
    }) {
        ended.assert_aborted(&[]);
    }
}

extern "C" fn foreign() {
    panic!("boom");
}

#[test]
fn a_panic_in_a_function_that_foreign_code_calls() {
    let all = apart(&Place::ALL, async |place| {
        World::start(place).bad_does(|_, _| foreign()).await;
    });
    for ended in all {
        ended.assert_aborted(&[": boom", "in a function that cannot unwind"]);
    }
}
