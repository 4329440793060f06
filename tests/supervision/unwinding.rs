//! A second panic on the way out of a first one: it would end the process, were it not for the supervisor.

use std::{
    error::Error,
    fmt,
    future::pending,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildSpec, Failure, Join, RestartPolicy, Spec, Stop,
    SupervisedContext, Supervisor,
};

use crate::{
    puppet::{OnDrop, Puppet, life, tell},
    support::{
        Events, Journal, exact, failures, line, list, paused, secs, settle, sleep, start, status,
    },
};

pub fn bomb() -> OnDrop {
    OnDrop::new(|| panic!("and another"))
}

/// Never done, and panics when it is dropped, polled or not.
pub fn armed() -> impl Future<Output = ()> {
    let bomb = bomb();
    async move {
        let _bomb = bomb;
        pending::<()>().await;
    }
}

/// An error whose `Drop` panics, as often as it is told.
#[derive(Debug)]
struct BadError;

impl fmt::Display for BadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("boom")
    }
}

impl Error for BadError {}

impl Drop for BadError {
    fn drop(&mut self) {
        panic!("and another");
    }
}

/// Drops one reference to such an error, and survives if it was the last. (To forget it would leak what it is in.)
fn drop_bad(error: Arc<dyn Error + Send + Sync>) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(error)));
}

/// Panics whenever it is written.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("and another");
    }
}

impl Error for Unspeakable {}

type Act = fn(&mut Puppet, &mut Context<Puppet>);

const DOUBLE: [(&str, Act); 18] = [
    ("in `stopping`", |puppet, _| {
        puppet.on_stopping = Box::new(|_| panic!("and another"));
        panic!("boom");
    }),
    ("in `stopped`", |puppet, _| {
        puppet.on_stopped = Box::new(|| panic!("and another"));
        panic!("boom");
    }),
    ("in the actor's `Drop`", |puppet, _| {
        puppet.holds.push(bomb());
        panic!("boom");
    }),
    ("in the `Drop` of a spawned future", |puppet, ctx| {
        ctx.spawn(armed().into_actor(puppet));
        panic!("boom");
    }),
    ("in the `Drop` of a future that was there before", |puppet, ctx| {
        ctx.spawn(armed().into_actor(puppet));
        ctx.run_later(secs(1), |_, _| panic!("boom"));
    }),
    ("in the `Drop` of a future that it waits for", |puppet, ctx| {
        ctx.wait(armed().into_actor(puppet));
        panic!("boom");
    }),
    ("in the `Drop` of a timer", |_, ctx| {
        let bomb = bomb();
        ctx.run_later(secs(60), move |_, _| drop(bomb));
        panic!("boom");
    }),
    ("in the `Drop` of an interval", |_, ctx| {
        let bomb = bomb();
        ctx.run_interval(secs(60), move |_, _| {
            let _ = &bomb;
        });
        ctx.run_later(secs(1), |_, _| panic!("boom"));
    }),
    ("in the `Drop` of a message to itself", |_, ctx| {
        let bomb = bomb();
        ctx.notify_later(tell(move |_, _| drop(bomb)), secs(60));
        panic!("boom");
    }),
    ("in the payload's `Drop`", |_, _| panic::panic_any(bomb())),
    ("in the payload's payload's `Drop`", |_, _| {
        panic::panic_any(OnDrop::new(|| panic::panic_any(bomb())));
    }),
    ("in the `Drop` of an error that it fails with", |_, ctx| ctx.fail(BadError)),
    ("in the words of an error that it fails with", |_, ctx| ctx.fail(Unspeakable)),
    ("in the `Drop` of the error of a second `fail`", |_, ctx| {
        ctx.fail("boom");
        ctx.fail(BadError);
    }),
    ("in `Drop` after `fail`", |puppet, ctx| {
        puppet.holds.push(bomb());
        ctx.fail("boom");
    }),
    ("in `stopped` and in `Drop`", |puppet, ctx| {
        puppet.on_stopped = Box::new(|| panic!("boom"));
        puppet.holds.push(bomb());
        ctx.stop();
    }),
    ("in `stopping` and in `Drop`", |puppet, ctx| {
        puppet.on_stopping = Box::new(|_| panic!("boom"));
        puppet.holds.push(bomb());
        ctx.stop();
    }),
    ("in the payload's `Drop` and in the actor's", |puppet, _| {
        puppet.holds.push(bomb());
        panic::panic_any(bomb());
    }),
];

#[test]
fn a_second_panic_harms_nobody_and_the_first_one_is_told() {
    for (how, act) in DOUBLE {
        paused(async {
            let events = Events::default();
            let (bad, other) = (Puppet::spec("bad"), Puppet::spec("other"));
            let (addr, others_addr) = (bad.addr(), other.addr());
            let root = Supervisor::with_spec("root", events.hook(exact())).unwrap();
            let root = root.child(bad).child(other).start();
            for round in 1..=3 {
                let queued = addr.send(tell(act));
                let behind = addr.send(life());
                let _told = queued.await;
                sleep(secs(2)).await;
                assert_eq!(addr.send(life()).await, Ok(round + 1), "{how}");
                // It was handled by the one or by the other.
                assert!(behind.await.is_ok_and(|life| life == round || life == round + 1), "{how}");
            }
            let failed = failures(&events.take());
            assert_eq!(failed.len(), 3, "{how}");
            for failure in failed {
                match failure {
                    Failure::Panic(info) => {
                        let told = ["boom", "Box<dyn Any>"].contains(&&*info.message);
                        assert!(told, "{how}: {info:?}");
                    }
                    Failure::Error(error) if error.is::<Unspeakable>() => {}
                    Failure::Error(error) => {
                        assert_eq!(error.to_string(), "boom", "{how}");
                        if error.is::<BadError>() {
                            drop_bad(error);
                        }
                    }
                    failure => panic!("{how}: {failure:?}"),
                }
            }
            assert_eq!(others_addr.send(life()).await, Ok(1), "{how}");
            assert_eq!(status(&root).await.restarts, 3, "{how}");
            assert!(root.send(Stop).await.unwrap().is_clean(), "{how}");
            assert!(!addr.connected() && !others_addr.connected(), "{how}");
        });
    }
}

#[test]
fn an_error_that_panics_when_it_is_dropped_hides_nothing() {
    paused(async {
        let (told, spec) = (Journal::default(), Puppet::spec("bad"));
        let (noted, addr) = (told.clone(), spec.addr());
        let settings = exact().event_hook(move |event| noted.note(line(event)));
        let root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
        for _ in 1..=6 {
            addr.send(tell(|_, ctx| ctx.fail(BadError))).await.unwrap();
        }
        assert_eq!(addr.send(life()).await, Ok(7));
        let ending = tell(|_, ctx| {
            ctx.finish();
            ctx.fail(BadError);
        });
        addr.send(ending).await.unwrap();
        sleep(secs(1)).await;
        let [failed, restarted] =
            ["ChildFailed", "ChildRestarted"].map(|kind| told.count(&format!("root/bad: {kind}")));
        assert_eq!((failed, restarted), (7, 7));
        assert_eq!(told.count("root: BackoffEntered"), 1);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn an_error_that_panics_when_it_is_dropped_changes_no_supervisors_end() {
    paused(async {
        let fail = || tell(|_, ctx| ctx.fail(BadError));
        let (bad, nested) = (Puppet::spec("bad"), Supervisor::new("nested"));
        let (addr, nested_addr) = (bad.addr(), nested.addr());
        let nested = ChildSpec::supervisor(nested.child(bad)).restart(RestartPolicy::Transient);
        let root = Supervisor::with_spec("root", quiet()).unwrap().child(nested).start();
        addr.send(fail()).await.unwrap();
        let added = nested_addr.send(Add(Puppet::spec("added"))).await.unwrap().unwrap().addr();
        added.send(fail()).await.unwrap();
        assert_eq!((addr.send(life()).await, added.send(life()).await), (Ok(2), Ok(2)));
        assert!(nested_addr.send(Stop).await.unwrap().is_clean());
        settle().await;
        // That was a normal end, which a transient child does not come back from.
        assert_eq!(list(&root).await.len(), 0);
        assert_eq!(status(&root).await.failures, 0.0);
        assert!(!addr.connected() && !added.connected());

        let ends = Supervisor::with_spec("ends", quiet().propagate_termination(false)).unwrap();
        let worker = Puppet::spec("worker");
        let addr = worker.addr();
        let spec = ChildSpec::supervisor(ends.child(worker));
        root.send(Add(spec)).await.unwrap().unwrap();
        addr.send(tell(|_, ctx| ctx.terminate_tree(BadError))).await.unwrap();
        settle().await;
        assert_eq!(list(&root).await.len(), 0);

        let declared = Puppet::spec("declared");
        let addr = declared.addr();
        let other = Supervisor::with_spec("other", quiet()).unwrap().child(declared).start();
        addr.send(fail()).await.unwrap();
        assert_eq!(addr.send(life()).await, Ok(2));
        let joined = other.send(Join);
        assert!(other.send(Stop).await.unwrap().is_clean());
        assert!(joined.await.unwrap().is_ok_and(|report| report.is_clean()));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

/// Its events are kept by nobody.
fn quiet() -> Spec {
    exact().event_hook(|_| {})
}

#[test]
fn errors_that_panic_are_logged_and_do_no_harm() {
    // Else nothing is written, and the errors have nothing to say.
    let mut logger = env_logger::builder();
    let _ = logger.filter_level(log::LevelFilter::Warn).is_test(true).try_init();
    paused(async {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::new("root").child(spec).start();
        for error in [Unspeakable, Unspeakable] {
            addr.send(tell(|_, ctx| ctx.fail(error))).await.unwrap();
        }
        assert_eq!(addr.send(life()).await, Ok(3));
        let spec = ChildSpec::try_actor("worse", |_| Err::<Puppet, _>(BadError));
        match root.send(AddAndWait(spec)).await.unwrap() {
            Err(AddError::Start(Failure::Error(error))) => drop_bad(error),
            answer => panic!("{answer:?}"),
        }
        assert_eq!(list(&root).await.len(), 1);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_system_that_goes_down_under_its_actors_survives_their_panics() {
    paused(async {
        for _ in 0..3 {
            let root = start("root", exact());
            let child = root.send(Add(Puppet::spec("bad"))).await.unwrap().unwrap();
            let arm = tell(|puppet, ctx| {
                puppet.on_stopping = Box::new(|_| panic!("boom"));
                puppet.on_stopped = Box::new(|| panic!("boom"));
                let bomb = bomb();
                ctx.run_later(secs(60), move |_, _| drop(bomb));
            });
            child.addr().send(arm).await.unwrap();
            let child = root.send(Add(Puppet::spec("bad"))).await.unwrap().unwrap();
            child.addr().send(tell(|puppet, _| puppet.holds.push(bomb()))).await.unwrap();
        }
    });
}
