//! A child that does not clean up.

use std::{cell::RefCell, mem, rc::Rc};

use actix::prelude::*;
use actix_supervisor::{CancellationToken, SupervisedContext};

use crate::{
    apart::lives,
    place::{Place, World},
    puppet::OnDrop,
};

/// Something that keeps itself.
struct Cycle {
    _itself: RefCell<Option<Rc<Cycle>>>,
    _memory: Vec<u8>,
}

fn leak_a_cycle() {
    let cycle = Rc::new(Cycle { _itself: RefCell::new(None), _memory: vec![0; 1 << 16] });
    *cycle._itself.borrow_mut() = Some(Rc::clone(&cycle));
}

#[test]
fn a_child_that_leaks_all_that_it_is_given() {
    lives(&Place::ALL, async |place| {
        let world = World::with(place, |spec| spec.in_flight(1));
        for _ in 0..100 {
            world
                .bad_does(|puppet, ctx| {
                    leak_a_cycle();
                    mem::forget(ctx.address());
                    mem::forget(mem::take(&mut puppet.holds));
                    mem::forget(OnDrop::new(|| panic!("it is never dropped")));
                    mem::forget(CancellationToken::new().drop_guard());
                    // It has this message in hand for ever, and so takes no other one.
                    mem::forget(ctx.in_hand());
                    ctx.fail("it is full");
                })
                .await;
        }
        world.goes_on_and_stops(101).await;
    });
}

#[test]
fn a_child_that_leaks_threads() {
    lives(&Place::ALL, async |place| {
        let world = World::start(place);
        for _ in 0..20 {
            world
                .bad_does(|_, _| {
                    std::thread::spawn(std::thread::park);
                    let addr = Arbiter::new();
                    mem::forget(addr);
                    panic!("boom");
                })
                .await;
        }
        world.goes_on_and_stops(21).await;
    });
}
