//! When a child is ready, and what comes of one that is not ready in time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, CancellationToken, ChildKind, ChildSpec, ChildState, Failure, RestartPolicy,
    Shutdown, Stop,
};

use crate::{
    puppet::{Puppet, life},
    support::{
        Events, Journal, Probe, exact, failures, list, now, paused, secs, settle, sleep, start,
        status,
    },
};

#[test]
fn an_actor_is_ready_when_started_has_run_and_what_it_waits_for_is_done() {
    paused(async {
        let slow = || {
            Puppet::starting("slow", |_, ctx| {
                ctx.wait(fut::wrap_future(sleep(secs(2))));
                ctx.wait(fut::wrap_future(sleep(secs(3))));
            })
        };
        let events = Events::default();
        let root = start("root", events.hook(exact()));
        let (begin, early) = (now(), slow());
        let answer = early.addr().send(life());
        let added = root.send(Add(early)).await.unwrap().unwrap();
        assert_eq!(now(), begin, "Add does not wait");
        assert_eq!(list(&root).await[0].state, ChildState::Starting);
        assert_eq!(events.lines(), ["root: SupervisorStarted", "root/slow: ChildStarted"]);
        assert_eq!(answer.await, Ok(1));
        let took = now() - begin;
        assert!(took >= secs(5) && took < secs(6), "{took:?}");
        assert_eq!(list(&root).await[0].state, ChildState::Running);
        assert_eq!(events.lines(), ["root/slow: ChildReady"]);

        let begin = now();
        let waited = root.send(AddAndWait(slow())).await.unwrap().unwrap();
        let took = now() - begin;
        assert!(took >= secs(5) && took < secs(6), "{took:?}");
        assert_eq!(list(&root).await[1].state, ChildState::Running);
        assert_eq!(waited.addr().send(life()).await, Ok(1));
        assert_ne!(waited.token(), added.token());
    });
}

#[test]
fn a_service_is_ready_when_it_has_been_polled_once() {
    paused(async {
        let polls = Arc::new(AtomicU32::new(0));
        let polled = Arc::clone(&polls);
        let serve = move |stop: CancellationToken| {
            let polled = Arc::clone(&polled);
            async move {
                polled.fetch_add(1, Ordering::Relaxed);
                stop.cancelled().await;
            }
        };
        let root = start("root", exact());
        root.send(AddAndWait(ChildSpec::service("service", serve))).await.unwrap().unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        let listed = list(&root).await;
        assert_eq!((listed[0].kind, listed[0].state), (ChildKind::Service, ChildState::Running));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_blocking_service_is_ready_when_its_thread_has_called_it() {
    paused(async {
        let (tells_thread, threads) = mpsc::channel();
        let serve = move |stop: CancellationToken| {
            tells_thread.send(std::thread::current().name().map(str::to_owned)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(stop.cancelled());
        };
        let spec = ChildSpec::blocking("blocking", serve).shutdown(Shutdown::Infinite);
        let root = start("root", exact());
        root.send(AddAndWait(spec)).await.unwrap().unwrap();
        assert_eq!(list(&root).await[0].state, ChildState::Running);
        assert_eq!(threads.recv().unwrap().as_deref(), Some("blocking"));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_blocking_service_that_fails_as_soon_as_it_is_called_was_ready_each_time() {
    paused(async {
        let root = start("root", exact());
        for round in 0..300 {
            let spec = ChildSpec::blocking("job", |_| Err::<(), _>("broken"))
                .restart(RestartPolicy::Temporary)
                // A thread takes real time, of which a paused clock knows nothing.
                .shutdown(Shutdown::Infinite);
            let added = root.send(AddAndWait(spec)).await;
            assert!(matches!(added, Ok(Ok(_))), "round {round}: {added:?}");
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn an_incarnation_that_is_not_ready_in_time_is_killed_at_its_limit_each_time() {
    paused(async {
        let journal = Journal::default();
        let events = Events::default();
        let mut make = Probe::maker("late", &journal);
        let spec = ChildSpec::actor("late", move |ctx: &mut Context<Probe>| {
            ctx.wait(fut::wrap_future(sleep(secs(3))));
            make()
        });
        let root = start("root", events.hook(exact()));
        let begin = now();
        root.send(Add(spec.start_timeout(secs(2)))).await.unwrap().unwrap();
        sleep(Duration::from_millis(1999)).await;
        assert_eq!(journal.take(), ["late: made 1", "late: started"]);
        sleep(Duration::from_millis(2001)).await;
        settle().await;
        let dropped = ["late: dropped", "late: made 2", "late: started"];
        let again = ["late: dropped", "late: made 3", "late: started"];
        assert_eq!(journal.take(), [dropped, again].concat());
        assert_eq!((now() - begin).as_secs(), 4);
        let failed = failures(&events.take());
        let too_late = |failure: &Failure| matches!(failure, Failure::StartTimeout(limit) if *limit == secs(2));
        assert!(failed.iter().all(too_late));
        assert_eq!(failed.len(), 2);
        assert_eq!(list(&root).await[0].restarts, 2);
    });
}

#[test]
fn an_incarnation_that_is_ready_in_time_is_left_alone() {
    paused(async {
        let spec = Puppet::starting("just", |_, ctx| {
            ctx.wait(fut::wrap_future(sleep(Duration::from_millis(1990))));
        });
        let root = start("root", exact());
        let child = root.send(AddAndWait(spec.start_timeout(secs(2)))).await.unwrap().unwrap();
        sleep(secs(60)).await;
        assert_eq!(child.addr().send(life()).await, Ok(1));
        assert_eq!(status(&root).await.failures, 0.0);
    });
}
