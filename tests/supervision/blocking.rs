//! Blocking services, on threads of their own: a real clock, and no sleeping on it.

use std::{thread, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    CancellationToken, ChildError, ChildSpec, ChildState, EventKind, Exit, Failure, Kill,
    RemoveAndWait, RemoveError, Restart, RestartPolicy, ServiceActor, Shutdown, Spec, Stop,
    Supervisor, Terminate,
};
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    support::{exact, info, list, status, token},
    threads::{Events, Stubborn, real},
};

type Returns = fn() -> Exit;

const SHORT: Shutdown = Shutdown::Timeout(Duration::from_millis(20));

fn blocks_until_cancelled(stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(stop.cancelled());
}

fn one(spec: ChildSpec<ServiceActor>) -> (Addr<Supervisor>, Events) {
    let (settings, seen) = Events::hooked(exact());
    (Supervisor::with_spec("root", settings).unwrap().child(spec).start(), seen)
}

#[test]
fn a_blocking_service_runs_on_a_thread_with_its_name_and_stops_by_its_token() {
    real(async {
        let (named, mut names) = unbounded_channel();
        let here = thread::current().id();
        let spec = ChildSpec::blocking("a rather long\0 name", move |stop: CancellationToken| {
            let current = thread::current();
            let _ = named.send((current.name().map(str::to_owned), current.id() != here));
            blocks_until_cancelled(&stop);
        });
        let (root, seen) = one(spec.shutdown(Shutdown::Infinite));
        assert_eq!(names.recv().await, Some((Some("a rather long name".to_owned()), true)));
        seen.until("root/a rather long\0 name: ChildReady").await;
        assert!(root.send(Stop).await.unwrap().is_clean());
        seen.until("root/a rather long\0 name: ChildStopped").await;
    });
}

#[test]
fn a_panic_and_an_error_and_a_return_of_a_blocking_service_mean_what_they_mean_elsewhere() {
    real(async {
        let returns: [(Returns, &str); 5] = [
            (|| panic!("broken"), "panicked: broken"),
            (|| Err::<(), _>("broken").into(), "broken"),
            (|| Exit::Normal, "stopped by itself"),
            (|| Exit::DoNotRestart, ""),
            (|| Exit::TerminateTree("broken".into()), "broken"),
        ];
        for (returned, said) in returns {
            let spec = ChildSpec::blocking("service", move |_| returned());
            let (settings, seen) = Events::hooked(Spec::default().failure_threshold(0.0));
            let root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
            match said {
                "" => drop(seen.until("root/service: ChildEnded").await),
                said => {
                    let event = seen.until("root/service: ChildFailed").await;
                    let EventKind::ChildFailed { failure, .. } = event.kind else { unreachable!() };
                    assert_eq!(failure.to_string(), said);
                }
            }
            root.do_send(Stop);
        }
    });
}

#[test]
fn a_failed_blocking_service_is_called_again_with_a_token_of_its_own() {
    real(async {
        let (called, mut calls) = unbounded_channel();
        let mut times = 0;
        let spec = ChildSpec::blocking("service", move |stop: CancellationToken| {
            times += 1;
            let _ = called.send((times, stop.is_cancelled()));
            match times {
                1 => panic!("the first time"),
                2 => Err("the second time"),
                _ => {
                    blocks_until_cancelled(&stop);
                    Ok(())
                }
            }
        });
        let (root, _seen) = one(spec);
        for times in 1..=3 {
            assert_eq!(calls.recv().await, Some((times, false)));
        }
        assert_eq!(info(&root, "service").await.restarts, 2);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_killed_blocking_service_has_failed_when_it_returns() {
    real(async {
        let (spec, mut service) = Stubborn::spec("service");
        let (root, seen) = one(spec.shutdown(Shutdown::Infinite));
        let (token, cancelled) = (token(&root, "service").await, service.called().await);
        seen.until("root/service: ChildReady").await;
        let kill = root.send(Kill(token));
        cancelled.cancelled().await;
        assert_eq!(info(&root, "service").await.state, ChildState::Stopping);
        assert_eq!(status(&root).await.failures, 0.0);
        service.release();
        assert_eq!(kill.await, Ok(Ok(())));
        assert!(matches!(info(&root, "service").await.last_failure, Some(Failure::Killed)));
        service.called().await;
        assert_eq!(info(&root, "service").await.restarts, 1);
        service.release();
    });
}

#[test]
fn a_restart_of_one_that_ignores_its_token_times_out_and_comes_when_it_has_returned() {
    real(async {
        let (spec, mut service) = Stubborn::spec("service");
        let (root, seen) = one(spec.shutdown(SHORT));
        let token = token(&root, "service").await;
        service.called().await;
        assert_eq!(root.send(Restart(token)).await, Ok(Err(ChildError::Timeout)));
        let event = seen.until("root/service: StopTimeout").await;
        assert!(matches!(event.kind, EventKind::StopTimeout { left_behind: true, .. }));
        assert_eq!(info(&root, "service").await.state, ChildState::Stopping);
        // Asked again, it stands; and it is still not called twice at a time.
        assert_eq!(root.send(Restart(token)).await, Ok(Err(ChildError::Timeout)));
        assert!(service.is_running() && !service.was_called());
        service.release();
        service.called().await;
        seen.until("root/service: ChildReady").await;
        let child = info(&root, "service").await;
        assert_eq!((child.state, child.restarts), (ChildState::Running, 1));
        assert!(child.last_failure.is_none());
        service.release();
    });
}

#[test]
fn a_terminate_and_a_kill_of_one_that_ignores_its_token_time_out_and_stand() {
    real(async {
        let (one_spec, mut killed) = Stubborn::spec("killed");
        let (two_spec, mut terminated) = Stubborn::spec("terminated");
        let (settings, seen) = Events::hooked(exact());
        let root = Supervisor::with_spec("root", settings)
            .unwrap()
            .child(one_spec.shutdown(SHORT))
            .child(two_spec.shutdown(SHORT))
            .start();
        let tokens = (token(&root, "killed").await, token(&root, "terminated").await);
        killed.called().await;
        terminated.called().await;
        let (kill, terminate) = (root.send(Kill(tokens.0)), root.send(Terminate(tokens.1)));
        assert_eq!(kill.await, Ok(Err(ChildError::Timeout)));
        assert_eq!(terminate.await, Ok(Err(ChildError::Timeout)));
        terminated.release();
        seen.until("root/terminated: ChildStopped").await;
        assert_eq!(info(&root, "terminated").await.state, ChildState::Terminated);
        assert_eq!(status(&root).await.failures, 0.0);
        killed.release();
        let event = seen.until("root/killed: ChildFailed").await;
        let EventKind::ChildFailed { failure, .. } = event.kind else { unreachable!() };
        assert!(matches!(failure, Failure::Killed));
        killed.called().await;
        killed.release();
    });
}

#[test]
fn the_removal_of_one_that_ignores_its_token_times_out_and_it_is_never_called_again() {
    real(async {
        let (spec, mut service) = Stubborn::spec("service");
        let (root, seen) = one(spec.shutdown(SHORT));
        let token = token(&root, "service").await;
        service.called().await;
        let removal = root.send(RemoveAndWait { token, timeout: None });
        assert_eq!(removal.await, Ok(Err(RemoveError::Timeout)));
        assert!(list(&root).await.is_empty());
        let again = root.send(RemoveAndWait { token, timeout: None });
        assert_eq!(again.await, Ok(Err(RemoveError::NotFound)));
        service.release();
        seen.until("root/service: ChildEnded").await;
        assert!(!service.was_called());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_removal_with_a_timeout_of_its_own_does_not_wait_for_the_childs_limit() {
    real(async {
        let (spec, mut service) = Stubborn::spec("service");
        let (root, seen) = one(spec.shutdown(Shutdown::Infinite));
        let token = token(&root, "service").await;
        service.called().await;
        let removal = root.send(RemoveAndWait { token, timeout: Some(Duration::from_millis(1)) });
        assert_eq!(removal.await, Ok(Err(RemoveError::Timeout)));
        service.release();
        seen.until("root/service: ChildEnded").await;
        assert!(!seen.lines().contains(&"root/service: StopTimeout".to_owned()));
    });
}

#[test]
fn a_hung_thread_holds_up_nothing_past_its_limit_and_is_reported_by_its_path() {
    real(async {
        let (spec, mut service) = Stubborn::spec("hung");
        let (killed_spec, mut killed) = Stubborn::spec("killed");
        let other = || {
            ChildSpec::blocking("other", |stop: CancellationToken| blocks_until_cancelled(&stop))
        };
        let (settings, seen) = Events::hooked(exact());
        let root = Supervisor::with_spec("root", settings)
            .unwrap()
            .child(other())
            .child(spec.shutdown(SHORT))
            .child(killed_spec.shutdown(Shutdown::Kill))
            .child(other())
            .start();
        service.called().await;
        killed.called().await;
        let (first, second) = (root.send(Stop), root.send(Stop));
        let report = first.await.unwrap();
        let paths: Vec<_> = report.unstopped.iter().map(|left| left.path.join("/")).collect();
        assert_eq!(paths, ["root/hung", "root/killed"]);
        assert!(!report.is_clean());
        assert_eq!(report.to_string(), "did not stop: root/hung, root/killed");
        assert_eq!(second.await.unwrap(), report);
        let lines = seen.lines();
        assert_eq!(lines.iter().filter(|line| line.ends_with("StopTimeout")).count(), 2);
        assert_eq!(lines.iter().filter(|line| line.ends_with("other: ChildStopped")).count(), 2);
        assert_eq!(lines.last().unwrap(), "root: SupervisorStopped");
        assert!(service.is_running() && killed.is_running());
        service.release();
        killed.release();
    });
}

#[test]
fn a_temporary_blocking_service_that_returns_ends_and_its_mailbox_closes() {
    real(async {
        let (spec, mut service) = Stubborn::spec("once");
        let addr = spec.addr();
        let (root, seen) = one(spec.restart(RestartPolicy::Temporary));
        service.called().await;
        service.release();
        seen.until("root/once: ChildEnded").await;
        assert!(list(&root).await.is_empty());
        assert!(!addr.connected());
    });
}

#[test]
fn whoever_asks_for_the_end_of_one_that_is_left_behind_at_once_is_answered_at_once() {
    real(async {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = std::sync::Mutex::new(released);
        let spec = ChildSpec::blocking("deaf", move |_| {
            let _ = released.lock().unwrap().recv();
        });
        let root = Supervisor::new("root").child(spec.shutdown(Shutdown::Kill)).start();
        while info(&root, "deaf").await.state != ChildState::Running {
            tokio::task::yield_now().await;
        }
        let deaf = token(&root, "deaf").await;
        assert_eq!(root.send(Terminate(deaf)).await.unwrap(), Err(ChildError::Timeout));
        drop(release);
    });
}
