//! What makes no sense is refused, and says why.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, CancellationToken, ChildSpec, Placement, PlacementError, Replace,
    ReplaceError, ServiceActor, Spec, SpecError, Stop, Supervisor,
};

use crate::{
    place::{LIMIT, each_elsewhere, patient, puppet, root, thread_of},
    puppet::{Puppet, life},
    seen::real,
    support::{list, token},
};

fn error<A: Actor<Context = Context<A>>>(spec: ChildSpec<A>) -> SpecError {
    Supervisor::new("root").try_child(spec).map(drop).expect_err("it makes no sense")
}

fn blocking() -> ChildSpec<ServiceActor> {
    ChildSpec::blocking("blocking", |_: CancellationToken| {})
}

#[test]
fn a_watchdog_is_for_actors_and_services_on_another_thread() {
    real(async {
        let nested = || ChildSpec::supervisor(Supervisor::new("nested"));
        let errors = [
            error(puppet("inline", &Placement::Inline).watchdog(LIMIT)),
            error(blocking().watchdog(LIMIT)),
            error(nested().watchdog(LIMIT)),
            error(nested().placement(Placement::Dedicated).watchdog(LIMIT)),
        ];
        for error in errors {
            assert_eq!((error.field, error.value.as_str()), ("watchdog", "1s"));
            assert!(error.to_string().contains("not Inline"), "{error}");
        }
    });
    each_elsewhere(async |place| {
        let error = error(puppet("child", &place).watchdog(Duration::ZERO));
        assert_eq!((error.field, error.allowed), ("watchdog", "more than zero"));
    });
}

#[test]
fn a_blocking_service_has_a_thread_already() {
    each_elsewhere(async |place| {
        let error = error(blocking().placement(place));
        assert_eq!(error.field, "placement");
        assert!(error.allowed.contains("a thread of its own"), "{error}");
    });
}

#[test]
fn a_pool_without_a_thread_is_none() {
    let error = Supervisor::with_spec("root", Spec::default().arbiters(0)).map(drop).unwrap_err();
    assert_eq!((error.field, error.value.as_str()), ("arbiters", "0"));
    assert_eq!(error.allowed, "one or more");
}

#[test]
fn what_is_added_or_replaced_must_have_a_place() {
    real(async {
        let spec = puppet("child", &Placement::Dedicated);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let (child, before) = (token(&root, "child").await, thread_of(&addr).await);
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        let dead = || puppet("dead", &Placement::Arbiter(handle.clone()));
        let (late, waiting) = (dead().addr(), dead());
        for answer in [root.send(Add(dead())).await, root.send(AddAndWait(waiting)).await] {
            match answer.unwrap() {
                Err(AddError::Placement(error @ PlacementError::ArbiterStopped)) => {
                    assert!(error.to_string().contains("the arbiter has stopped"), "{error}");
                }
                answer => panic!("{answer:?}"),
            }
        }
        assert!(!late.connected());
        assert_eq!(
            root.send(Replace(child, dead())).await.unwrap(),
            Err(ReplaceError::Placement(PlacementError::ArbiterStopped)),
        );
        assert_eq!(addr.send(life()).await, Ok(1), "it goes on as before");
        assert_eq!(thread_of(&addr).await, before);
        assert_eq!(list(&root).await.len(), 1);
        let inline = Puppet::spec("inline").watchdog(LIMIT);
        match root.send(Replace(child, inline)).await.unwrap() {
            Err(ReplaceError::Spec(error)) => assert_eq!(error.field, "watchdog"),
            answer => panic!("{answer:?}"),
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
