//! What follows a failure.

use actix::prelude::*;
use actix_supervisor::{ChildState, Failure, Stop, Supervisor, SupervisorState};

use crate::support::{
    Do, Events, Journal, Probe, exact, list, paused, secs, settle, sleep, states, status,
};

#[test]
fn messages_behind_the_one_that_panicked_are_answered_by_the_next_incarnation_in_order() {
    paused(async {
        let journal = Journal::default();
        let spec = Probe::spec("probe", &journal);
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
        let spec = Probe::spec("probe", &journal);
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
        println!("{:#?}", events.lines());
    });
}
