//! When a child is ready, and in which order children start.

use std::sync::{Arc, Mutex};

use actix::{fut::wrap_future, prelude::*};
use actix_supervisor::{
    AddAndWait, AddError, Backoff, CancellationToken, ChildSpec, ChildState, Failure, Join,
    Placement, StartFailure, Stop, Strategy, Supervisor,
};
use tokio::sync::{Notify, oneshot};

use crate::{
    place::{each_placement, failure, patient, puppet, root},
    puppet::{Puppet, life, tell},
    support::{Journal, info, list, now, states},
};

/// A puppet that is ready when it is told so.
fn slow(name: &str, place: &Placement, journal: &Journal) -> (ChildSpec<Puppet>, Arc<Notify>) {
    let (go, (name_told, journal)) = (Arc::new(Notify::new()), (name.to_owned(), journal.clone()));
    let (told, mut lives) = (Arc::clone(&go), 0);
    let spec = ChildSpec::actor(name, move |ctx: &mut Context<Puppet>| {
        lives += 1;
        journal.note(format!("{name_told} {lives}"));
        let told = Arc::clone(&told);
        ctx.wait(wrap_future::<_, Puppet>(async move { told.notified().await }));
        Puppet::new(lives)
    });
    (spec.placement(place.clone()), go)
}

#[test]
fn it_is_ready_when_what_it_waits_for_is_done_and_not_before() {
    each_placement(async |place| {
        let (spec, go) = slow("slow", &place, &Journal::default());
        let (addr, (root, seen)) = (spec.addr(), root(patient(), []));
        let added = root.send(AddAndWait(spec));
        let early = addr.send(life());
        seen.until("root/slow: ChildStarted").await;
        assert_eq!(info(&root, "slow").await.state, ChildState::Starting);
        go.notify_one();
        assert_eq!(added.await.unwrap().unwrap().addr(), addr);
        assert_eq!(info(&root, "slow").await.state, ChildState::Running);
        seen.until("root/slow: ChildReady").await;
        assert_eq!(early.await, Ok(1));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_first_start_that_fails_is_the_answer_to_who_waits_for_it() {
    each_placement(async |place| {
        let (root, seen) = root(patient(), []);
        let spec = ChildSpec::try_actor("bad", |_| Err::<Puppet, _>("boom"));
        match root.send(AddAndWait(spec.placement(place.clone()))).await.unwrap() {
            Err(AddError::Start(Failure::Error(error))) => assert_eq!(error.to_string(), "boom"),
            answer => panic!("{answer:?}"),
        }
        seen.until("root/bad: ChildEnded").await;
        assert!(list(&root).await.is_empty());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_start_that_takes_too_long_is_a_failure_and_is_tried_again() {
    each_placement(async |place| {
        let (journal, limit) = (Journal::default(), std::time::Duration::from_millis(20));
        let (spec, go) = slow("slow", &place, &journal);
        let (addr, (root, seen)) = (spec.addr(), root(patient(), [spec.start_timeout(limit)]));
        let event = seen.until("root/slow: ChildFailed").await;
        assert!(
            matches!(failure(&event), Failure::StartTimeout(told) if *told == limit),
            "{event}"
        );
        let answer = addr.send(life());
        seen.until("root/slow: ChildRestarted").await;
        go.notify_one();
        // On a busy machine it may take more than two.
        let mut answer = std::pin::pin!(answer);
        let lives = loop {
            tokio::select! {
                lives = &mut answer => break lives.unwrap(),
                _ = seen.until("root/slow: ChildRestarted") => go.notify_one(),
            }
        };
        assert!(lives >= 2, "{lives}");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_first_start_that_fails_ends_a_supervisor_that_is_set_so() {
    each_placement(async |place| {
        let spec = ChildSpec::try_actor("bad", |_| Err::<Puppet, _>("boom"));
        let settings = patient().start_failure(StartFailure::Escalate);
        let bad = spec.placement(place.clone());
        let root = Supervisor::with_spec("root", settings).unwrap();
        let root = root.child(puppet("good", &place)).child(bad).start();
        // It may have ended before it is asked.
        if let Ok(ended) = root.send(Join).await {
            assert!(matches!(ended, Err(Failure::LimitReached { .. })), "{ended:?}");
        }
        assert!(!root.connected());
    });
}

#[test]
fn members_of_a_group_start_in_order_each_when_the_one_before_is_ready_and_stop_in_reverse() {
    each_placement(async |place| {
        for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
            let journal = Journal::default();
            let slows: Vec<_> =
                ["a", "b", "c"].map(|name| slow(name, &place, &journal)).into_iter().collect();
            let addrs: Vec<_> = slows.iter().map(|(spec, _)| spec.addr()).collect();
            let (specs, gos): (Vec<_>, Vec<_>) = slows.into_iter().unzip();
            let (root, seen) = root(patient().strategy(strategy), specs);
            for (name, go) in ["a", "b", "c"].into_iter().zip(&gos) {
                seen.until(&format!("root/{name}: ChildStarted")).await;
                let states = states(&root).await.into_iter();
                let ready = states.filter(|(_, state)| *state == ChildState::Running).count();
                assert!("abc".find(name) >= Some(ready), "{name} has started too early");
                go.notify_one();
                seen.until(&format!("root/{name}: ChildReady")).await;
            }
            assert_eq!(journal.take(), ["a 1", "b 1", "c 1"]);
            for addr in &addrs {
                let (name, journal) = (addr.send(life()).await.unwrap(), journal.clone());
                addr.send(tell(move |puppet, _| {
                    puppet.on_stopped = Box::new(move || journal.note(format!("stopped {name}")));
                }))
                .await
                .unwrap();
            }
            addrs[0].do_send(tell(|_, _| panic!("boom")));
            for (name, go) in ["a", "b", "c"].into_iter().zip(&gos) {
                seen.until(&format!("root/{name}: ChildRestarted")).await;
                go.notify_one();
                seen.until(&format!("root/{name}: ChildReady")).await;
            }
            let story = journal.take();
            assert_eq!(story, ["stopped 1", "stopped 1", "a 2", "b 2", "c 2"], "{strategy:?}");
            for addr in &addrs {
                assert_eq!(addr.send(life()).await, Ok(2));
            }
            assert!(root.send(Stop).await.unwrap().is_clean());
        }
    });
}

#[test]
fn a_service_runs_where_it_is_placed_and_heeds_its_token() {
    each_placement(async |place| {
        let (began, begun) = oneshot::channel();
        let began = Mutex::new(Some(began));
        let service = ChildSpec::service("service", move |stop: CancellationToken| {
            let began = began.lock().unwrap().take();
            async move {
                let _ = began.map(|began| began.send(std::thread::current().id()));
                stop.cancelled().await;
            }
        });
        let root = Supervisor::new("root").child(service.placement(place.clone())).start();
        let here = std::thread::current().id();
        assert_eq!(begun.await.unwrap() == here, matches!(place, Placement::Inline));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_restart_waits_for_the_backoff_and_what_fails_too_often_gives_up() {
    each_placement(async |place| {
        let delay = std::time::Duration::from_millis(50);
        let spec = puppet("child", &place).backoff(Backoff::constant(delay)).give_up_after(3);
        let (addr, (root, seen)) = (spec.addr(), root(patient(), []));
        let child = root.send(AddAndWait(spec)).await.unwrap().unwrap();
        for lives in 1..=3 {
            let begin = now();
            assert_eq!(addr.send(life()).await, Ok(lives));
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            seen.until("root/child: ChildFailed").await;
            if lives < 3 {
                seen.until("root/child: ChildRestarted").await;
                assert!(now() - begin >= delay);
            }
        }
        let event = seen.until("root/child: ChildEnded").await;
        assert!(event.to_string().contains("too often"), "{event}");
        assert!(!child.addr().connected());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
