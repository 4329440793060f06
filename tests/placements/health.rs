//! Which threads have to answer for a tree to be ready.

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Health, Placement, Stop, Supervisor};
use tokio::task::yield_now;

use crate::{
    place::{each_elsewhere, patient, puppet, root, stick},
    puppet::life,
    seen::real,
    support::{now, secs},
};

/// A child may answer before those above its supervisor have heard that this one is ready.
async fn until_ready(root: &Addr<Supervisor>) {
    while !root.send(Health).await.unwrap().ready {
        yield_now().await;
    }
}

#[test]
fn a_stuck_thread_of_an_essential_child_does_not_answer_but_one_of_its_own_may_be_busy() {
    each_elsewhere(async |place| {
        let spec = puppet("child", &place).essential(true);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        addr.send(life()).await.unwrap();
        assert_eq!(root.send(Health).await.unwrap().to_string(), "ready");
        let stuck = stick(&addr).await;
        let health = root.send(Health).await.unwrap();
        let may_be_busy = matches!(place, Placement::Dedicated);
        assert_eq!((health.ready, health.live), (may_be_busy, may_be_busy), "{health}");
        if !may_be_busy {
            assert_eq!(health.to_string(), "not ready: root/child does not answer");
        }
        stuck.release();
        addr.send(life()).await.unwrap();
        assert!(root.send(Health).await.unwrap().ready);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn who_does_not_answer_is_told_and_not_the_supervisor_above_it() {
    each_elsewhere(async |place| {
        let stuck_one = puppet("stuck", &Placement::Pool).essential(true);
        let addr = stuck_one.addr();
        let below = Supervisor::with_spec("below", patient()).unwrap().child(stuck_one);
        let below = ChildSpec::supervisor(below).placement(place);
        let root = Supervisor::with_spec("root", patient()).unwrap().child(below).start();
        until_ready(&root).await;
        let stuck = stick(&addr).await;
        let health = root.send(Health).await.unwrap();
        assert_eq!(health.to_string(), "not ready: root/below/stuck does not answer");
        stuck.release();
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_supervisor_whose_thread_is_stuck_does_not_answer() {
    each_elsewhere(async |place| {
        let holds_it_up = puppet("inline", &Placement::Inline).essential(true);
        let addr = holds_it_up.addr();
        let below = Supervisor::with_spec("below", patient()).unwrap().child(holds_it_up);
        let below = ChildSpec::supervisor(below).placement(place);
        let root = Supervisor::with_spec("root", patient()).unwrap().child(below).start();
        until_ready(&root).await;
        let stuck = stick(&addr).await;
        let health = root.send(Health).await.unwrap();
        assert_eq!(health.to_string(), "not ready: root/below does not answer");
        stuck.release();
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_supervisor_below_is_given_less_time_than_it_is_waited_for_but_most_of_it() {
    real(async {
        let arbiter = Arbiter::new();
        let stuck_one = puppet("stuck", &Placement::Arbiter(arbiter.handle())).essential(true);
        let addr = stuck_one.addr();
        let below = Supervisor::with_spec("below", patient()).unwrap().child(stuck_one);
        let below = ChildSpec::supervisor(below);
        let root = Supervisor::with_spec("root", patient()).unwrap().child(below).start();
        until_ready(&root).await;
        let stuck = stick(&addr).await;
        tokio::time::pause();
        let asked = now();
        let health = root.send(Health).await.unwrap();
        assert_eq!(health.to_string(), "not ready: root/below/stuck does not answer");
        let took = now() - asked;
        assert!(secs(1) / 2 < took && took < secs(1), "{took:?}");
        tokio::time::resume();
        stuck.release();
        assert!(root.send(Stop).await.unwrap().is_clean());
        arbiter.stop();
    });
}
