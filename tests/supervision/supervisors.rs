//! How supervisors are made and started, and how they end.

use std::{thread, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    Add, CancellationToken, ChildSpec, Exit, Failure, Join, List, Spec, Status, Stop, Supervisor,
    SupervisorState,
};
use tokio::sync::oneshot;

use crate::{
    puppet::{Puppet, life, tell},
    support::{Do, Journal, Probe, Probes, list, paused, secs, settle, sleep, status},
    threads::real,
};

fn with_probe(name: &str) -> (Supervisor, Addr<Probe>) {
    let spec = Probes::spec("probe", &Journal::default());
    let addr = spec.addr();
    (Supervisor::new(name).child(spec), addr)
}

#[test]
fn an_address_is_good_before_the_start_and_what_was_sent_to_it_is_handled_after_it() {
    paused(async {
        let (root, probe) = with_probe("root");
        let addr = root.addr();
        let (early, at_probe) = (addr.send(List), probe.send(Do::Nothing));
        assert!(addr.connected());
        let started = root.start();
        assert_eq!(started, addr);
        assert_eq!(early.await.unwrap().len(), 1);
        assert_eq!(at_probe.await, Ok(1));
        assert_eq!(status(&addr).await.name, "root");
    });
}

#[test]
fn a_supervisor_that_is_never_started_leaves_nobody_waiting() {
    paused(async {
        let (root, probe) = with_probe("root");
        let addr = root.addr();
        let waiting = (addr.send(Status), probe.send(Do::Nothing));
        drop(root);
        assert_eq!(waiting.0.await.unwrap_err(), MailboxError::Closed);
        assert_eq!(waiting.1.await, Err(MailboxError::Closed));
        assert!(!addr.connected() && !probe.connected());
    });
}

#[test]
fn create_gives_the_factory_an_address_and_both_reach_the_supervisor() {
    paused(async {
        let (mut inside, mut own, mut probe) = (None, None, None);
        let addr = Supervisor::create(|ctx| {
            let (root, child) = with_probe("root");
            inside = Some(ctx.address());
            own = Some(root.addr());
            probe = Some(child);
            root
        });
        let (inside, own) = (inside.unwrap(), own.unwrap());
        for addr in [&addr, &inside, &own] {
            assert_eq!(list(addr).await.len(), 1);
        }
        assert_eq!(probe.unwrap().send(Do::Nothing).await, Ok(1));
        let (joined, stopped) = (inside.send(Join), addr.send(Stop));
        assert!(stopped.await.unwrap().is_clean());
        assert!(joined.await.unwrap().is_ok());
        for addr in [addr, inside, own] {
            assert_eq!(addr.send(Status).await.unwrap_err(), MailboxError::Closed);
        }
    });
}

#[test]
fn start_in_arbiter_runs_it_on_another_thread_and_both_addresses_reach_it() {
    real(async {
        let arbiter = Arbiter::new();
        let (sender, receiver) = oneshot::channel();
        let addr = Supervisor::start_in_arbiter(&arbiter.handle(), |_ctx| {
            let puppet = Puppet::spec("puppet");
            let child = puppet.addr();
            let root = Supervisor::new("root").child(puppet);
            let _ = sender.send((root.addr(), child, thread::current().id()));
            root
        });
        let early = addr.send(Status).await.unwrap();
        assert_eq!(early.name, "root");
        let (own, child, there) = receiver.await.unwrap();
        assert_ne!(there, thread::current().id());
        let (sender, receiver) = oneshot::channel();
        let where_it_runs = tell(move |_, _| {
            let _ = sender.send(thread::current().id());
        });
        child.send(where_it_runs).await.unwrap();
        assert_eq!(receiver.await.unwrap(), there);
        child.send(tell(|_, _| panic!("told to"))).await.unwrap_err();
        assert_eq!(child.send(life()).await, Ok(2));
        for addr in [&addr, &own] {
            assert_eq!(list(addr).await[0].restarts, 1);
        }
        let added = own.send(Add(Puppet::spec("added"))).await.unwrap().unwrap();
        assert_eq!(added.addr().send(life()).await, Ok(1));
        assert!(own.send(Stop).await.unwrap().is_clean());
        assert_eq!(child.send(life()).await, Err(MailboxError::Closed));
        arbiter.stop();
    });
}

#[test]
fn it_answers_from_any_thread() {
    real(async {
        let (root, probe) = with_probe("root");
        let root = root.start();
        let (sender, receiver) = oneshot::channel();
        thread::spawn(move || {
            let answer = System::new().block_on(async move {
                let listed = list(&root).await.len();
                let life = probe.send(Do::Nothing).await;
                (listed, life, root.send(Stop).await.unwrap())
            });
            let _ = sender.send(answer);
        });
        let (listed, life, report) = receiver.await.unwrap();
        assert_eq!((listed, life), (1, Ok(1)));
        assert!(report.is_clean());
    });
}

#[test]
fn serve_resolves_with_the_report_when_it_has_stopped() {
    paused(async {
        let (root, probe) = with_probe("root");
        let addr = root.addr();
        let (served, stopped) = tokio::join!(root.serve(), async {
            sleep(secs(5)).await;
            addr.send(Stop).await.unwrap()
        });
        assert_eq!(served.unwrap(), stopped);
        assert!(stopped.is_clean());
        assert_eq!(probe.send(Do::Nothing).await, Err(MailboxError::Closed));
    });
}

#[test]
fn serve_and_join_fail_with_the_error_that_ended_the_tree() {
    paused(async {
        let spec = ChildSpec::service("service", |_: CancellationToken| async {
            sleep(secs(1)).await;
            Exit::TerminateTree("the disk is gone".into())
        });
        let root = Supervisor::new("root").child(spec);
        let joined = root.addr().send(Join);
        let served = root.serve().await;
        for ended in [served, joined.await.unwrap()] {
            let Err(Failure::Error(error)) = ended else { panic!("{ended:?}") };
            assert_eq!(error.to_string(), "the disk is gone");
        }
    });
}

#[test]
fn a_supervisor_without_propagation_at_the_root_fails_too() {
    paused(async {
        let spec = ChildSpec::service("service", |_| async { Exit::TerminateTree("over".into()) });
        let settings = Spec::default().propagate_termination(false);
        let served = Supervisor::with_spec("root", settings).unwrap().child(spec).serve().await;
        assert!(matches!(served, Err(Failure::Error(_))), "{served:?}");
    });
}

#[test]
fn a_served_supervisor_goes_on_when_the_future_is_dropped_and_a_join_tells_of_its_end() {
    paused(async {
        let (root, probe) = with_probe("root");
        let addr = root.addr();
        tokio::time::timeout(secs(1), root.serve()).await.unwrap_err();
        let joined = addr.send(Join);
        settle().await;
        probe.send(Do::Panic).await.unwrap_err();
        assert_eq!(probe.send(Do::Nothing).await, Ok(2));
        assert_eq!(status(&addr).await.state, SupervisorState::Running);
        addr.do_send(Stop);
        assert!(joined.await.unwrap().unwrap().is_clean());
    });
}

#[test]
#[should_panic(expected = "name = \"\" is not allowed")]
fn an_empty_name_is_refused() {
    let _ = Supervisor::new("");
}

#[test]
#[should_panic(expected = "child \"\": name")]
fn a_declared_child_without_a_name_is_refused() {
    let _ = Supervisor::new("root").child(Probes::spec("", &Journal::default()));
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name_value_and_what_is_allowed() {
    let refused = [
        (Spec::default().failure_decay(Duration::ZERO), "failure_decay", "0ns"),
        (Spec::default().failure_threshold(f64::NAN), "failure_threshold", "NaN"),
        (Spec::default().failure_threshold(f64::INFINITY), "failure_threshold", "inf"),
        (Spec::default().failure_threshold(-0.5), "failure_threshold", "-0.5"),
        (Spec::default().backoff_jitter(-0.1), "backoff_jitter", "-0.1"),
        (Spec::default().backoff_jitter(1.5), "backoff_jitter", "1.5"),
        (Spec::default().backoff_jitter(f64::NAN), "backoff_jitter", "NaN"),
    ];
    for (spec, field, value) in refused {
        let error = Supervisor::with_spec("root", spec).unwrap_err();
        assert_eq!((error.field, &*error.value), (field, value));
        let text = error.to_string();
        assert!(text.contains(field) && text.contains(value) && text.contains(error.allowed));
        assert!(text.contains("root"), "{text}");
    }
    assert_eq!(Supervisor::with_spec("", Spec::default()).unwrap_err().field, "name");
    let extremes = Spec::default()
        .failure_threshold(0.0)
        .failure_backoff(Duration::ZERO)
        .backoff_jitter(1.0)
        .resume_spread(Duration::MAX)
        .shutdown_timeout(Duration::ZERO);
    Supervisor::with_spec("root", extremes).unwrap();
    let bad = Supervisor::new("root").try_child(Probes::spec("", &Journal::default()));
    assert_eq!(bad.unwrap_err().field, "name");
}

#[test]
fn a_pause_of_zero_is_over_at_once() {
    paused(async {
        let spec = Probes::spec("probe", &Journal::default());
        let addr = spec.addr();
        let settings = Spec::default().failure_threshold(0.0).failure_backoff(Duration::ZERO);
        let root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
        for life in 1..=10 {
            assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            addr.send(Do::Panic).await.unwrap_err();
        }
        root.send(Stop).await.unwrap();
    });
}
