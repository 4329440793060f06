//! What follows a failure, and what it counts.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildState, Failure, RemoveAndWait, Restart, Stop, SupervisedContext, Supervisor,
    SupervisorState, Terminate,
};
use tokio::time::advance;

use crate::{
    pausing::is_paused,
    puppet::{Puppet, life, tell},
    support::{
        Do, Events, Journal, Probes, exact, is_failure, list, paused, secs, settle, sleep, start,
        states, status,
    },
};

#[test]
fn messages_behind_the_one_that_panicked_are_answered_by_the_next_incarnation_in_order() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let root = Supervisor::new("root").child(spec).start();

        let poisoned = addr.send(Do::Panic);
        let behind: Vec<_> = (1..=3).map(|number| addr.send(Do::Note(number))).collect();
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        for answer in behind {
            assert_eq!(answer.await, Ok(2));
        }
        assert_eq!(
            journal.take(),
            [
                "probe: made 1",
                "probe: started",
                "probe: dropped",
                "probe: made 2",
                "probe: started",
                "probe: handled 1 in life 2",
                "probe: handled 2 in life 2",
                "probe: handled 3 in life 2",
            ]
        );
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!(addr.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(journal.take(), ["probe: stopping", "probe: stopped", "probe: dropped"]);
        assert!(!root.connected());
    });
}

#[test]
fn five_failures_at_one_instant_restart_and_the_sixth_pauses() {
    paused(async {
        let journal = Journal::default();
        let events = Events::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap().child(spec).start();
        for life in 1..=6 {
            assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            assert!(addr.send(Do::Panic).await.is_err());
        }
        let paused = status(&root).await;
        assert!(matches!(paused.state, SupervisorState::Paused { .. }), "{paused:?}");
        assert_eq!(paused.failures, 6.0);
        assert_eq!(paused.restarts, 5);
        assert_eq!(states(&root).await, [("probe".to_owned(), ChildState::BackingOff)]);
        assert!(matches!(list(&root).await[0].last_failure, Some(Failure::Panic(_))));
        sleep(secs(15)).await;
        settle().await;
        assert_eq!(status(&root).await.state, SupervisorState::Running);
        assert_eq!(status(&root).await.failures, 0.0);
        assert_eq!(addr.send(Do::Nothing).await, Ok(7));
    });
}

#[test]
fn a_failure_every_ten_seconds_never_pauses_and_every_nine_and_a_half_pauses_at_the_twentieth() {
    async fn fails(times: usize, every: Duration) -> Option<usize> {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        for time in 1..=times {
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            if is_paused(&root).await {
                return Some(time);
            }
            advance(every).await;
        }
        assert_eq!(addr.send(life()).await, Ok(times as u32 + 1));
        None
    }
    paused(async {
        assert_eq!(fails(360, secs(10)).await, None);
        assert_eq!(fails(40, Duration::from_millis(9500)).await, Some(20));
    });
}

#[test]
fn two_failures_and_one_more_a_half_life_later_are_exactly_two() {
    paused(async {
        let spec = Puppet::spec("bad");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        for _ in 0..2 {
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        }
        assert_eq!(status(&root).await.failures, 2.0);
        advance(secs(30)).await;
        assert_eq!(status(&root).await.failures, 1.0);
        addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        assert_eq!(status(&root).await.failures, 2.0);
    });
}

#[test]
fn a_child_that_fails_while_it_is_stopped_on_request_counts_for_nothing() {
    paused(async {
        let spoil: [fn(&mut Puppet); 3] = [
            |puppet| puppet.on_stopping = Box::new(|_| panic!("boom")),
            |puppet| puppet.on_stopped = Box::new(|| panic!("boom")),
            |puppet| {
                puppet.on_stopping = Box::new(|ctx| {
                    ctx.terminate_tree("boom");
                    Running::Stop
                });
            },
        ];
        for spoil in spoil {
            let events = Events::default();
            let root = start("root", events.hook(exact()));
            let child = root.send(Add(Puppet::spec("bad"))).await.unwrap().unwrap();
            let (addr, token) = (child.addr(), child.token());
            addr.send(tell(move |puppet, _| spoil(puppet))).await.unwrap();
            assert_eq!(root.send(Restart(token)).await.unwrap(), Ok(()));
            assert_eq!(addr.send(tell(move |puppet, _| spoil(puppet))).await, Ok(2));
            assert_eq!(root.send(Terminate(token)).await.unwrap(), Ok(()));
            assert_eq!(root.send(Restart(token)).await.unwrap(), Ok(()));
            assert_eq!(addr.send(tell(move |puppet, _| spoil(puppet))).await, Ok(3));
            assert_eq!(list(&root).await[0].restarts, 2);
            let waited = RemoveAndWait { token, timeout: None };
            assert_eq!(root.send(waited).await.unwrap(), Ok(()));
            let status = status(&root).await;
            assert_eq!((status.failures, status.state), (0.0, SupervisorState::Running));
            assert!(!events.take().iter().any(is_failure));
        }
    });
}
