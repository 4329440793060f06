//! Arbiters that are stopped: the application's, and those that a child's own code stops.

use actix::prelude::*;
use actix_supervisor::{
    CancellationToken, ChildSpec, EndReason, EventKind, Failure, Join, OnLimit, Placement,
    RestartPolicy, Spec, Stop, Supervisor,
};

use crate::{
    place::{
        each_of_its_own, failure, keep_until_the_thread_ends, patient, puppet, root, stick,
        thread_of,
    },
    puppet::{OnDrop, Puppet, life, tell},
    seen::{Events, real},
    support::{list, status},
};

/// A handle to an arbiter that has stopped.
fn dead() -> Placement {
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    arbiter.stop();
    arbiter.join().expect("it has not panicked");
    Placement::Arbiter(handle)
}

async fn fails_for_good(seen: &Events) {
    let event = seen.until("root/child: ChildFailed").await;
    assert!(matches!(failure(&event), Failure::ArbiterStopped), "{event}");
    let event = seen.until("root/child: ChildEnded").await;
    let EventKind::ChildEnded { reason, .. } = event.kind else { panic!("{event}") };
    assert!(matches!(reason, EndReason::Stranded(Failure::ArbiterStopped)), "{reason:?}");
    assert_eq!(reason.to_string(), "there is nowhere to start it again: its arbiter was stopped");
}

#[test]
fn a_child_whose_arbiter_was_dead_before_the_start_has_failed_for_good() {
    real(async {
        let spec = puppet("child", &dead());
        let (addr, other) = (spec.addr(), Puppet::spec("other"));
        let (others_addr, early) = (other.addr(), addr.send(life()));
        let (root, seen) = root(Spec::default(), [other, spec]);
        fails_for_good(&seen).await;
        assert_eq!(early.await, Err(MailboxError::Closed));
        assert!(!addr.connected());
        assert_eq!(others_addr.send(life()).await, Ok(1));
        assert_eq!(list(&root).await.len(), 1);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_child_whose_arbiter_is_stopped_while_it_runs_has_failed_for_good() {
    for policy in [RestartPolicy::Permanent, RestartPolicy::Transient] {
        real(async {
            let arbiter = Arbiter::new();
            let spec = puppet("child", &Placement::Arbiter(arbiter.handle())).restart(policy);
            let addr = spec.addr();
            let (root, seen) = root(Spec::default(), [spec]);
            assert_eq!(addr.send(life()).await, Ok(1));
            let stuck = stick(&addr).await;
            let behind = addr.send(life());
            arbiter.stop();
            stuck.release();
            fails_for_good(&seen).await;
            // The arbiter may take its time to stop.
            assert!(matches!(behind.await, Ok(1) | Err(MailboxError::Closed)));
            assert!(!addr.connected());
            assert!(list(&root).await.is_empty());
            assert!(root.send(Stop).await.unwrap().is_clean());
        });
    }
}

#[test]
fn a_temporary_child_whose_arbiter_is_stopped_ends_like_at_any_failure() {
    real(async {
        let arbiter = Arbiter::new();
        let place = Placement::Arbiter(arbiter.handle());
        let spec = puppet("child", &place).restart(RestartPolicy::Temporary);
        let addr = spec.addr();
        let (root, seen) = root(Spec::default(), [spec]);
        assert_eq!(addr.send(life()).await, Ok(1));
        arbiter.stop();
        let event = seen.until("root/child: ChildEnded").await;
        assert!(event.to_string().contains("arbiter"), "{event}");
        assert!(!addr.connected());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_supervisor_that_escalates_fails_over_a_dead_arbiter() {
    for is_dead_before in [true, false] {
        real(async {
            let (spec, seen) = Events::hooked(patient().on_limit(OnLimit::Escalate));
            let arbiter = Arbiter::new();
            let place = if is_dead_before { dead() } else { Placement::Arbiter(arbiter.handle()) };
            let root = Supervisor::with_spec("root", spec).unwrap().child(puppet("child", &place));
            let ended = root.serve();
            let stopping = async {
                if !is_dead_before {
                    let seen = seen;
                    seen.until("root/child: ChildReady").await;
                    arbiter.stop();
                }
            };
            let (ended, ()) = tokio::join!(ended, stopping);
            match ended {
                Err(Failure::LimitReached { last, path, .. }) => {
                    assert!(matches!(*last, Failure::ArbiterStopped), "{last}");
                    assert_eq!(path, ["root", "child"]);
                }
                ended => panic!("{ended:?}"),
            }
        });
    }
}

#[test]
fn a_thread_of_the_supervisors_own_whose_arbiter_a_child_stops_is_replaced() {
    each_of_its_own(async |place| {
        let spec = puppet("child", &place).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, seen) = root(patient().arbiters(1), [spec]);
        let mut threads = vec![thread_of(&addr).await];
        for lives in 1..=5 {
            addr.do_send(tell(|_, _| {
                Arbiter::current().stop();
            }));
            let event = seen.until("root/child: ChildFailed").await;
            assert!(matches!(failure(&event), Failure::ArbiterStopped), "{event}");
            assert_eq!(addr.send(life()).await, Ok(lives + 1));
            let thread = thread_of(&addr).await;
            assert!(!threads.contains(&thread));
            threads.push(thread);
        }
        assert_eq!(status(&root).await.restarts, 5);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn no_message_is_lost_or_handled_twice_when_a_child_stops_its_arbiter_under_load() {
    each_of_its_own(async |place| {
        let spec = puppet("child", &place).mailbox_capacity(0);
        let (addr, log) = (spec.addr(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
        let (root, _seen) = root(patient(), [spec]);
        let answers = (0..300_u32).map(|number| {
            let log = std::sync::Arc::clone(&log);
            addr.send(tell(move |_, _| {
                log.lock().unwrap().push(number);
                if number % 30 == 29 {
                    Arbiter::current().stop();
                }
            }))
        });
        let answers = futures::future::join_all(answers).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(*log.lock().unwrap(), (0..300).collect::<Vec<_>>());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn others_on_a_thread_of_the_pool_that_a_child_stops_fail_too_and_all_come_back() {
    real(async {
        let specs = ["a", "b", "c"].map(|name| puppet(name, &Placement::Pool));
        let addrs = specs.each_ref().map(|spec| spec.addr());
        let (root, _seen) = root(patient().arbiters(1), specs);
        let mut before = Vec::new();
        for addr in &addrs {
            before.push(thread_of(addr).await);
        }
        let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
        let last = OnDrop::new(move || {
            let _ = ended.send(());
        });
        addrs[1].do_send(tell(move |_, _| {
            keep_until_the_thread_ends(last);
            Arbiter::current().stop();
        }));
        end.recv().await.unwrap();
        for (addr, before) in addrs.iter().zip(before) {
            assert_ne!(thread_of(addr).await, before);
            assert_eq!(addr.send(life()).await, Ok(2));
        }
        assert_eq!(thread_of(&addrs[0]).await, thread_of(&addrs[2]).await, "it may have one only");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_service_that_stops_its_arbiter_is_called_again_on_a_new_thread() {
    each_of_its_own(async |place| {
        let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
        let service = ChildSpec::service("service", move |stop: CancellationToken| {
            let call = called.send(std::thread::current().id());
            async move {
                call.expect("the test is there");
                stop.cancelled().await;
            }
        });
        let stopper = puppet("stopper", &place);
        let addr = stopper.addr();
        let (spec, seen) = Events::hooked(patient().arbiters(1));
        let root = Supervisor::with_spec("root", spec).unwrap();
        let root = root.child(service.placement(place.clone())).child(stopper).start();
        let first = calls.recv().await.unwrap();
        addr.do_send(tell(|_, _| {
            Arbiter::current().stop();
        }));
        seen.until("root/stopper: ChildFailed").await;
        if matches!(place, Placement::Pool) {
            assert_ne!(calls.recv().await.unwrap(), first);
        }
        assert_eq!(addr.send(life()).await, Ok(2));
        let ended = root.send(Join);
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert!(ended.await.unwrap().is_ok());
    });
}

#[test]
fn a_child_that_fails_as_its_supervisor_goes_down_with_the_one_above_leaves_nobody_waiting() {
    real(async {
        let (above, below) = (Arbiter::new(), Arbiter::new());
        let leaf = Puppet::spec("leaf");
        let addr = leaf.addr();
        let nested = ChildSpec::supervisor(Supervisor::new("nested").child(leaf));
        let nested = nested.placement(Placement::Arbiter(below.handle()));
        let root = Supervisor::new("root").child(nested);
        above.spawn_fn(move || drop(root.start()));
        assert_eq!(addr.send(life()).await, Ok(1));
        let stuck = stick(&addr).await;
        let poisoned = addr.send(tell(|_, _| panic!("boom")));
        let behind = addr.send(life());
        above.stop();
        above.join().expect("it has not panicked");
        stuck.release();
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(behind.await, Err(MailboxError::Closed));
        below.stop();
    });
}
