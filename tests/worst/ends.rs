//! A child that takes away what it runs on.

use std::{thread, time::Duration};

use actix::prelude::*;
use actix_supervisor::{EndReason, EventKind, Failure, Stop};

use crate::{
    apart::lives,
    place::{Place, World},
    puppet::{Puppet, life, tell},
};

fn exit_arbiter(_: &mut Puppet, _: &mut Context<Puppet>) {
    Arbiter::current().stop();
}

#[test]
fn a_child_that_exits_its_arbiter_comes_back_on_another_thread() {
    lives(&Place::OF_THE_SUPERVISOR, async |place| {
        let mut world = World::start(place);
        for _ in 0..3 {
            world.bad_does(exit_arbiter).await;
            let failure = world.failure().await;
            assert!(matches!(failure, Failure::ArbiterStopped), "{failure}");
            world.goes_on().await;
        }
        world.goes_on_and_stops(4).await;
    });
}

#[test]
fn a_child_that_exits_an_arbiter_of_the_applications_has_ended_and_is_told() {
    lives(&[Place::Arbiter], async |place| {
        let mut world = World::start(place);
        world.bad_does(exit_arbiter).await;
        let event = world.end().await;
        let EventKind::ChildEnded { reason, .. } = event.kind else { unreachable!() };
        assert!(matches!(reason, EndReason::Stranded(Failure::ArbiterStopped)), "{reason}");
        assert_eq!(world.bad.send(life()).await, Err(MailboxError::Closed));
        assert_eq!(world.far.send(life()).await, Ok(1));
        world.supervisor_answers().await;
        world.stops().await;
    });
}

/// The program's own future goes on, and the supervisor with it; what is told to the arbiter afterwards is another matter.
#[test]
fn a_child_that_exits_the_arbiter_of_the_system_goes_on() {
    lives(&[Place::Inline], async |place| {
        let world = World::start(place);
        world.bad_does(exit_arbiter).await;
        world.goes_on().await;
        world.bad_does(|_, _| panic!("boom")).await;
        world.goes_on_and_stops(2).await;
    });
}

#[test]
fn a_child_that_stops_the_system_does_not_stop_the_programs_own_future() {
    lives(&Place::ALL, async |place| {
        let mut world = World::start(place);
        world.bad_does(|_, _| System::current().stop()).await;
        if place == Place::Arbiter {
            // With the system go the arbiters that the application has made.
            world.end().await;
            assert_eq!(world.far.send(life()).await, Ok(1));
            world.supervisor_answers().await;
            return world.stops().await;
        }
        world.goes_on().await;
        world.bad_does(|_, _| panic!("boom")).await;
        world.goes_on_and_stops(2).await;
    });
}

fn block_for_ever() -> ! {
    loop {
        thread::park();
    }
}

#[test]
fn a_child_that_blocks_for_ever_goes_on_elsewhere_if_it_is_watched() {
    lives(&Place::OF_THE_SUPERVISOR, async |place| {
        let mut world = World::with(place, |spec| spec.watchdog(Duration::from_secs(1)));
        let _stuck = world.bad.send(tell(|_, _| block_for_ever()));
        let failure = world.failure().await;
        assert!(matches!(failure, Failure::Unresponsive(_)), "{failure}");
        world.near.send(life()).await.expect("it answers");
        // On a busy machine the next one may have been found too slow as well.
        assert!(world.bad.send(life()).await.expect("it answers") >= 2);
        world.goes_on().await;
        let report = world.root.send(Stop).await.expect("it answers");
        assert!(!report.is_clean(), "the thread is still there");
    });
}
