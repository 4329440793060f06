//! Services that are async. For blocking ones, see `blocking`.

use std::{
    future::{pending, ready},
    io,
    panic::panic_any,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    AddAndWait, CancellationToken, ChildSpec, ChildState, EventKind, Exit, Failure, Restart,
    RestartPolicy, ServiceActor, Shutdown, Stop, Supervisor, Terminate,
};
use tokio::time::timeout;

use crate::{
    puppet::OnDrop,
    support::{
        Events, Journal, exact, failures, fragile, info, line, list, now, paused, secs, settle,
        sleep, start, status, token,
    },
};

/// What comes of a service after it was ready, as kinds of events, and its failure.
async fn fate(spec: ChildSpec<ServiceActor>) -> (Vec<String>, Option<Failure>) {
    let events = Events::default();
    let root = Supervisor::with_spec("root", events.hook(fragile())).unwrap().child(spec).start();
    settle().await;
    let seen = events.take();
    let lines = seen.iter().map(line).filter(|line| line.starts_with("root/"));
    let lines = lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    root.do_send(Stop);
    (lines, failures(&seen).pop())
}

#[test]
fn a_service_that_returns_well_ends_or_is_restarted_as_its_policy_says() {
    paused(async {
        let ends = ["ChildStarted", "ChildReady", "ChildEnded"];
        let specs: [ChildSpec<ServiceActor>; 4] = [
            ChildSpec::service("()", |_| async {}),
            ChildSpec::service("Ok(())", |_| ready(Ok::<(), io::Error>(()))),
            ChildSpec::service("Ok(Exit)", |_| ready(Ok::<Exit, io::Error>(Exit::Normal))),
            ChildSpec::service("Exit", |_| ready(Exit::Normal)),
        ];
        for spec in specs {
            let (events, failure) = fate(spec.restart(RestartPolicy::Transient)).await;
            assert_eq!(events, ends);
            assert!(failure.is_none());
        }
        let (events, failure) = fate(ChildSpec::service("permanent", |_| async {})).await;
        assert_eq!(events, ["ChildStarted", "ChildReady", "ChildFailed"]);
        assert!(matches!(failure, Some(Failure::Stopped)));
        for policy in [RestartPolicy::Permanent, RestartPolicy::Transient] {
            let done = ChildSpec::service("done", |_| ready(Exit::DoNotRestart)).restart(policy);
            assert_eq!(fate(done).await.0, ends);
        }
    });
}

#[test]
fn a_service_that_returns_an_error_has_failed_with_it() {
    paused(async {
        let specs: [ChildSpec<ServiceActor>; 4] = [
            ChildSpec::service("io", |_| ready(Err::<(), _>(io::Error::other("broken")))),
            ChildSpec::service("text", |_| ready(Err::<(), _>("broken"))),
            ChildSpec::service("exit", |_| ready(Err::<Exit, _>("broken".to_owned()))),
            ChildSpec::service("failed", |_| ready(Exit::Failed("broken".into()))),
        ];
        for spec in specs {
            let (events, failure) = fate(spec.restart(RestartPolicy::Transient)).await;
            assert_eq!(events, ["ChildStarted", "ChildFailed"]);
            let Some(Failure::Error(error)) = failure else { panic!("{failure:?}") };
            assert_eq!(error.to_string(), "broken");
        }
    });
}

#[test]
fn a_panic_before_the_future_and_in_it_is_a_failure_whatever_its_payload() {
    paused(async {
        let early = ChildSpec::service("early", |_| -> std::future::Ready<()> { panic!("early") });
        let late = ChildSpec::service("late", |_| async { panic_any(7_u8) });
        let later = ChildSpec::service("later", |_| async {
            tokio::task::yield_now().await;
            panic!("later")
        });
        for (spec, message) in [(early, "early"), (late, "Box<dyn Any>"), (later, "later")] {
            let (events, failure) = fate(spec).await;
            assert_eq!(events.last().unwrap(), "ChildFailed");
            let Some(Failure::Panic(panic)) = failure else { panic!("{failure:?}") };
            assert_eq!(panic.message, message);
        }
    });
}

#[test]
fn a_time_out_or_cancel_error_of_somebody_else_is_a_failure_when_nobody_asked_it_to_stop() {
    paused(async {
        let late = ChildSpec::service("late", |_| timeout(Duration::ZERO, pending::<()>()));
        let cancelled = ChildSpec::service("cancelled", |_| async {
            let handle = tokio::task::spawn_local(pending::<()>());
            handle.abort();
            handle.await
        });
        let own = ChildSpec::service("own token", |stop| async move {
            stop.cancel();
            stop.cancelled().await;
            Err::<(), _>("cancelled")
        });
        for spec in [late, cancelled, own] {
            let (events, failure) = fate(spec.restart(RestartPolicy::Transient)).await;
            assert_eq!(events.last().unwrap(), "ChildFailed");
            assert!(matches!(failure, Some(Failure::Error(_))), "{failure:?}");
        }
    });
}

#[test]
fn a_service_that_never_returns_runs_until_it_is_dropped_at_its_limit() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let noted = journal.clone();
        let spec = ChildSpec::service("loop", move |stop: CancellationToken| {
            let (journal, held) = (noted.clone(), noted.clone());
            tokio::task::spawn_local(async move {
                stop.cancelled().await;
                journal.note("cancelled");
            });
            let guard = OnDrop::new(move || held.note("dropped"));
            async move {
                let _guard = guard;
                loop {
                    sleep(secs(1)).await;
                }
            }
        });
        let root = Supervisor::with_spec("root", events.hook(exact()))
            .unwrap()
            .child(spec.shutdown(Shutdown::Timeout(secs(4))))
            .start();
        sleep(secs(100)).await;
        assert_eq!(info(&root, "loop").await.state, ChildState::Running);
        let begun = now();
        let stop = root.send(Stop);
        settle().await;
        assert_eq!(journal.take(), ["cancelled"]);
        assert!(stop.await.unwrap().is_clean());
        assert_eq!((now() - begun).as_secs(), 4);
        assert_eq!(journal.take(), ["dropped"]);
        assert!(events.lines().contains(&"root/loop: StopTimeout".to_owned()));
    });
}

#[test]
fn a_service_that_heeds_its_token_ends_in_order_with_every_request() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let noted = journal.clone();
        let spec = ChildSpec::service("service", move |stop: CancellationToken| {
            let journal = noted.clone();
            async move {
                journal.note(format!("called, cancelled: {}", stop.is_cancelled()));
                stop.cancelled().await;
                journal.note("cleaned up");
            }
        });
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap().child(spec).start();
        let token = token(&root, "service").await;
        settle().await;
        assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
        settle().await;
        assert_eq!(root.send(Terminate(token)).await, Ok(Ok(())));
        assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
        settle().await;
        assert!(root.send(Stop).await.unwrap().is_clean());
        let called = ["called, cancelled: false", "cleaned up"];
        assert_eq!(journal.take(), [called, called, called].concat());
        assert!(failures(&events.take()).is_empty());
    });
}

#[test]
fn what_a_service_returns_when_it_was_asked_to_stop_counts_for_nothing() {
    paused(async {
        let returns: [fn() -> Exit; 4] = [
            || Exit::Failed("on the way".into()),
            || Exit::TerminateTree("on the way".into()),
            || Exit::DoNotRestart,
            || panic!("on the way"),
        ];
        for returned in returns {
            let events = Events::default();
            let spec = ChildSpec::service("service", move |stop: CancellationToken| async move {
                stop.cancelled().await;
                returned()
            });
            let root =
                Supervisor::with_spec("root", events.hook(fragile())).unwrap().child(spec).start();
            let token = token(&root, "service").await;
            settle().await;
            events.take();
            assert_eq!(root.send(Terminate(token)).await, Ok(Ok(())));
            assert_eq!(info(&root, "service").await.state, ChildState::Terminated);
            assert_eq!(status(&root).await.failures, 0.0);
            assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
            settle().await;
            assert!(root.send(Stop).await.unwrap().is_clean());
            let seen = events.take();
            let stopped = |kind: &EventKind| matches!(kind, EventKind::ChildStopped { .. });
            assert_eq!(seen.iter().filter(|event| stopped(&event.kind)).count(), 2, "{seen:?}");
            assert!(failures(&seen).is_empty());
        }
    });
}

#[test]
fn what_a_service_has_spawned_with_its_token_is_cancelled_when_it_fails() {
    paused(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let spec = ChildSpec::service("service", move |stop: CancellationToken| {
            let journal = noted.clone();
            tokio::task::spawn_local(async move {
                stop.cancelled().await;
                journal.note("cancelled");
            });
            async {
                sleep(secs(1)).await;
                Err::<(), _>("failed")
            }
        });
        let root = Supervisor::with_spec("root", fragile()).unwrap().child(spec).start();
        sleep(secs(2)).await;
        assert_eq!(journal.take(), ["cancelled"]);
        assert_eq!(list(&root).await[0].state, ChildState::BackingOff);
    });
}

#[test]
fn a_job_that_is_done_at_its_first_poll_was_ready() {
    paused(async {
        let root = start("root", exact());
        let jobs = [
            ChildSpec::service("stops", |_| async {}),
            ChildSpec::service("is done", |_| ready(Exit::DoNotRestart)),
        ];
        for job in jobs {
            let spec = job.restart(RestartPolicy::Transient);
            assert!(root.send(AddAndWait(spec)).await.unwrap().is_ok());
            settle().await;
            assert!(list(&root).await.is_empty());
        }
    });
}
