//! Children that fail too often in a row, and supervisors that pause too often.

use actix::prelude::*;
use actix_supervisor::{
    Backoff, ChildSpec, ChildState, EndReason, EventKind, Failure, OnLimit, RestartPolicy,
    Strategy, Supervisor, SupervisorState,
};

use crate::{
    support::{
        Do, Events, Journal, Probes, exact, failures, fragile, info, paused, secs, settle, sleep,
        states, status,
    },
    times::{Starts, patient},
};

#[test]
fn a_child_that_fails_too_often_in_a_row_ends_and_the_event_says_why() {
    paused(async {
        let (events, starts) = (Events::default(), Starts::default());
        let spec = starts.of_failing("x").backoff(Backoff::constant(secs(2))).give_up_after(3);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap();
        let root = root.child(spec).start();
        sleep(secs(100)).await;
        assert_eq!(starts.gaps(), [secs(2), secs(2)]);
        assert_eq!(states(&root).await, []);
        assert!(!addr.connected());
        let events = events.take();
        let restarting = events.iter().filter_map(|event| match &event.kind {
            EventKind::ChildFailed { restarting, .. } => Some(*restarting),
            _ => None,
        });
        assert_eq!(restarting.collect::<Vec<_>>(), [true, true, false]);
        let ends: Vec<_> =
            events.iter().filter(|event| event.kind.name() == "ChildEnded").collect();
        let [end] = &*ends else { panic!("once: {ends:?}") };
        assert_eq!(end.path, ["root", "x"]);
        let EventKind::ChildEnded { reason: EndReason::GaveUp(failure), .. } = &end.kind else {
            panic!("{end:?}")
        };
        assert!(matches!(failure, Failure::Error(_)) && failure.to_string() == "told to fail");
        assert_eq!(end.to_string(), "root/x: ended: failed too often in a row: told to fail");
    });
}

#[test]
fn what_has_given_up_pauses_nobody() {
    paused(async {
        let (journal, starts) = (Journal::default(), Starts::default());
        let probe = Probes::spec("probe", &journal);
        let addr = probe.addr();
        let root = Supervisor::with_spec("root", fragile()).unwrap().child(probe);
        let root = root.child(starts.of_failing("x").give_up_after(1)).start();
        settle().await;
        assert_eq!(starts.count(), 1);
        assert_eq!(status(&root).await.state, SupervisorState::Running);
        assert_eq!(status(&root).await.failures, 0.0);
        assert_eq!(addr.send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn failures_with_a_healthy_time_between_them_are_borne_for_ever() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal).give_up_after(2);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", patient()).unwrap().child(spec).start();
        for _ in 0..20 {
            sleep(secs(10)).await;
            addr.do_send(Do::Panic);
        }
        settle().await;
        assert_eq!(info(&root, "probe").await.failures_in_row, 1);
        sleep(secs(9)).await;
        addr.do_send(Do::Panic);
        settle().await;
        assert_eq!(states(&root).await, []);
    });
}

#[test]
fn stops_of_a_permanent_child_count_like_any_failure() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal).give_up_after(3);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", patient()).unwrap().child(spec).start();
        for _ in 0..3 {
            addr.do_send(Do::Stop);
            settle().await;
        }
        assert_eq!(journal.count("probe: made 3"), 1);
        assert_eq!(states(&root).await, []);
    });
}

#[test]
fn what_gives_up_in_a_pause_ends_there() {
    paused(async {
        let journal = Journal::default();
        let (first, second) = (Probes::spec("first", &journal), Probes::spec("second", &journal));
        let second = second.give_up_after(1);
        let addrs = [first.addr(), second.addr()];
        let root =
            Supervisor::with_spec("root", fragile()).unwrap().child(first).child(second).start();
        addrs[0].do_send(Do::Panic);
        settle().await;
        addrs[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(states(&root).await, [("first".to_owned(), ChildState::BackingOff)]);
        assert!(!addrs[1].connected());
    });
}

#[test]
fn a_group_is_not_swept_down_by_a_member_that_gives_up() {
    paused(async {
        let journal = Journal::default();
        let (a, b) = (Probes::spec("a", &journal), Probes::spec("b", &journal).give_up_after(2));
        let addrs = [a.addr(), b.addr()];
        let settings = patient().strategy(Strategy::OneForAll);
        let root = Supervisor::with_spec("root", settings).unwrap().child(a).child(b).start();
        settle().await;
        addrs[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(addrs[0].send(Do::Nothing).await, Ok(2));
        addrs[1].do_send(Do::Panic);
        settle().await;
        assert_eq!(addrs[0].send(Do::Nothing).await, Ok(2));
        assert_eq!(states(&root).await, [("a".to_owned(), ChildState::Running)]);
    });
}

#[test]
fn with_escalate_the_supervisor_fails_over_a_child_that_has_given_up() {
    paused(async {
        let (events, starts) = (Events::default(), Starts::default());
        let spec = starts.of_failing("x").backoff(Backoff::constant(secs(2))).give_up_after(3);
        let settings = events.hook(patient().on_limit(OnLimit::Escalate));
        let root = Supervisor::with_spec("root", settings).unwrap().child(spec);
        let failure = root.serve().await.unwrap_err();
        assert_eq!(starts.gaps(), [secs(2), secs(2)]);
        let Failure::LimitReached { path, last, .. } = &failure else { panic!("{failure:?}") };
        assert_eq!(path, &["root", "x"]);
        assert_eq!(last.to_string(), "told to fail");
        assert_eq!(failures(&events.take()).len(), 3);
    });
}

#[test]
fn a_supervisor_that_its_parent_has_given_up_on_is_gone_with_all_its_addresses() {
    paused(async {
        let journal = Journal::default();
        let leaf = Probes::spec("leaf", &journal);
        let leaf_addr = leaf.addr();
        let nested = fragile().on_limit(OnLimit::Escalate);
        let nested = Supervisor::with_spec("nested", nested).unwrap().child(leaf);
        let nested_addr = nested.addr();
        let spec = ChildSpec::supervisor(nested).give_up_after(2);
        let root = Supervisor::with_spec("root", patient()).unwrap();
        let root = root.child(spec.restart(RestartPolicy::Transient)).start();
        leaf_addr.do_send(Do::Panic);
        assert_eq!(leaf_addr.send(Do::Nothing).await, Ok(2));
        leaf_addr.do_send(Do::Panic);
        settle().await;
        assert_eq!(states(&root).await, []);
        assert!(!leaf_addr.connected() && !nested_addr.connected());
    });
}

#[test]
fn after_so_many_pauses_in_a_row_the_next_one_is_a_failure() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let settings = events.hook(fragile().give_up_after_pauses(2));
        let served =
            actix_rt::spawn(Supervisor::with_spec("root", settings).unwrap().child(spec).serve());
        for life in 1..=3 {
            // It is answered when the pause is over.
            assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            assert_eq!(addr.send(Do::Panic).await, Err(MailboxError::Closed));
        }
        assert!(matches!(served.await.unwrap(), Err(Failure::LimitReached { .. })));
        let lines = events.lines();
        let count = |kind: &str| lines.iter().filter(|line| line.ends_with(kind)).count();
        assert_eq!((count(": BackoffEntered"), count(": LimitReached")), (2, 1));
    });
}

#[test]
fn a_quiet_time_after_a_pause_ends_the_row_of_pauses() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let settings = fragile().failure_decay(secs(30)).give_up_after_pauses(1);
        let served =
            actix_rt::spawn(Supervisor::with_spec("root", settings).unwrap().child(spec).serve());
        for life in 1..=5 {
            assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            assert_eq!(addr.send(Do::Panic).await, Err(MailboxError::Closed));
            sleep(secs(15) + secs(30)).await;
            assert!(!served.is_finished());
        }
        assert_eq!(addr.send(Do::Panic).await, Err(MailboxError::Closed));
        sleep(secs(15) + secs(29)).await;
        assert_eq!(addr.send(Do::Panic).await, Err(MailboxError::Closed));
        assert!(served.await.unwrap().is_err());
    });
}

#[test]
fn a_limit_that_is_reached_while_a_group_restarts_ends_the_restart() {
    paused(async {
        let journal = Journal::default();
        let (a, b) = (Probes::spec("a", &journal), Probes::slow("b", &journal, secs(5)));
        let a_addr = a.addr();
        let spec = exact().failure_threshold(1.0).on_limit(OnLimit::Escalate);
        let root = Supervisor::with_spec("root", spec.strategy(Strategy::OneForAll))
            .unwrap()
            .child(a)
            .child(b);
        let served = actix_rt::spawn(root.serve());
        a_addr.do_send(Do::Panic);
        settle().await;
        assert_eq!(a_addr.send(Do::Nothing).await, Ok(2));
        // `b` is on its way for the second time.
        assert_eq!(a_addr.send(Do::Panic).await, Err(MailboxError::Closed));
        assert!(matches!(served.await.unwrap(), Err(Failure::LimitReached { .. })));
        assert_eq!(journal.count("a: made 3") + journal.count("b: made 3"), 0);
        assert_eq!(journal.take().last().map(String::as_str), Some("b: dropped"));
    });
}

#[test]
#[should_panic(expected = "child \"x\": give_up_after = 0 is not allowed; allowed: one or more")]
fn to_give_up_before_the_first_failure_is_refused() {
    let _root = Supervisor::new("root").child(Starts::default().of_failing("x").give_up_after(0));
}
