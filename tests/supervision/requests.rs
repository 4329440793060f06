//! Requests about one child, in every state of the child and of its supervisor.

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildError, ChildSpec, ChildState, Failure, Join, Kill, List,
    Remove, RemoveError, Restart, RestartPolicy, Resume, Shutdown, Status, Stop, Subscribe,
    Supervisor, SupervisorState, Terminate, Tree,
};
use futures::future::join_all;

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, fragile, info, list, now, paused, secs, settle,
    sleep, start, states, status, token,
};

/// Everything that a supervisor tells about itself, to show that nothing has changed.
async fn whole(root: &Addr<Supervisor>) -> String {
    format!("{:?}", root.send(Tree).await.unwrap())
}

/// A supervisor that pauses at the first failure, with one child, and the events of it.
fn one(spec: ChildSpec<Probe>) -> (Addr<Supervisor>, Events) {
    let events = Events::default();
    let root = Supervisor::with_spec("root", events.hook(fragile())).unwrap();
    (root.child(spec).start(), events)
}

#[test]
fn a_restart_stops_the_child_in_order_and_is_no_failure() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let (root, events) = one(spec);
        settle().await;
        events.take();
        journal.take();
        let token = token(&root, "probe").await;
        assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        assert_eq!(
            journal.take(),
            [
                "probe: stopping",
                "probe: stopped",
                "probe: dropped",
                "probe: made 2",
                "probe: started"
            ]
        );
        assert_eq!(
            events.lines(),
            ["root/probe: ChildStopped", "root/probe: ChildRestarted", "root/probe: ChildReady"]
        );
        let child = info(&root, "probe").await;
        assert_eq!((child.token, child.restarts, child.state), (token, 1, ChildState::Running));
        assert!(child.last_failure.is_none());
        let status = status(&root).await;
        assert_eq!((status.failures, status.restarts), (0.0, 1));
        assert_eq!(status.state, SupervisorState::Running);
    });
}

#[test]
fn a_restart_is_answered_when_the_new_incarnation_was_started_and_not_before() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::hung("probe", &journal).shutdown(Shutdown::Timeout(secs(3)));
        let (root, events) = one(spec);
        let begun = now();
        let token = token(&root, "probe").await;
        let restart = root.send(Restart(token));
        let again = root.send(Restart(token));
        assert_eq!((restart.await, again.await), (Ok(Ok(())), Ok(Ok(()))));
        assert_eq!(now() - begun, secs(3));
        assert_eq!(journal.count("probe: made 2"), 1);
        settle().await;
        assert_eq!(info(&root, "probe").await.restarts, 1);
        assert_eq!(events.lines().iter().filter(|line| line.ends_with("StopTimeout")).count(), 1);
    });
}

#[test]
fn a_child_that_starts_is_restarted_at_once() {
    paused(async {
        let journal = Journal::default();
        let (root, _) = one(Probes::slow("probe", &journal, secs(60)));
        settle().await;
        let begun = now();
        let child = info(&root, "probe").await;
        assert_eq!(child.state, ChildState::Starting);
        assert_eq!(root.send(Restart(child.token)).await, Ok(Ok(())));
        assert_eq!(now(), begun);
        assert_eq!(info(&root, "probe").await.state, ChildState::Starting);
        sleep(secs(60)).await;
        settle().await;
        assert_eq!(info(&root, "probe").await.state, ChildState::Running);
        assert_eq!(journal.count("probe: dropped"), 1);
    });
}

#[test]
fn a_restart_in_a_pause_brings_back_this_child_alone_and_the_pause_goes_on() {
    paused(async {
        let journal = Journal::default();
        let (a, b) = (Probes::spec("a", &journal), Probes::spec("b", &journal));
        let (a_addr, b_addr) = (a.addr(), b.addr());
        let root = Supervisor::with_spec("root", fragile()).unwrap().child(a).child(b).start();
        a_addr.send(Do::Panic).await.unwrap_err();
        b_addr.send(Do::Panic).await.unwrap_err();
        let until = status(&root).await.state;
        assert!(matches!(until, SupervisorState::Paused { .. }));
        let token = token(&root, "a").await;
        assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
        assert_eq!(a_addr.send(Do::Nothing).await, Ok(2));
        let expected =
            [("a".to_owned(), ChildState::Running), ("b".to_owned(), ChildState::BackingOff)];
        assert_eq!(states(&root).await, expected);
        assert_eq!(status(&root).await.state, until);
        sleep(secs(15)).await;
        assert_eq!(b_addr.send(Do::Nothing).await, Ok(2));
        assert_eq!(journal.count("a: made 3"), 0);
    });
}

#[test]
fn a_terminated_child_is_down_keeps_its_mailbox_and_comes_back_by_a_restart_only() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let (root, events) = one(spec);
        let token = token(&root, "probe").await;
        settle().await;
        events.take();
        assert_eq!(root.send(Terminate(token)).await, Ok(Ok(())));
        assert_eq!(journal.count("probe: dropped"), 1, "answered when it has stopped");
        assert_eq!(events.lines(), ["root/probe: ChildStopped"]);
        let down = whole(&root).await;
        assert_eq!(info(&root, "probe").await.state, ChildState::Terminated);
        assert_eq!(info(&root, "probe").await.addr::<Probe>(), Some(addr.clone()));
        assert_eq!(root.send(Terminate(token)).await, Ok(Ok(())));
        assert_eq!(root.send(Kill(token)).await, Ok(Ok(())));
        let waiting = addr.send(Do::Nothing);
        sleep(secs(3600)).await;
        assert_eq!(whole(&root).await, down);
        assert!(events.lines().is_empty());
        assert_eq!(root.send(Restart(token)).await, Ok(Ok(())));
        assert_eq!(waiting.await, Ok(2));
        assert_eq!(events.lines(), ["root/probe: ChildRestarted", "root/probe: ChildReady"]);
    });
}

#[test]
fn a_child_that_waits_for_a_pause_to_end_can_be_terminated_and_stays_down_after_it() {
    paused(async {
        let spec = Probes::spec("probe", &Journal::default());
        let addr = spec.addr();
        let (root, events) = one(spec);
        addr.send(Do::Panic).await.unwrap_err();
        let (begun, token) = (now(), token(&root, "probe").await);
        events.take();
        assert_eq!(root.send(Terminate(token)).await, Ok(Ok(())));
        assert_eq!(now(), begun);
        sleep(secs(60)).await;
        assert_eq!(events.lines(), ["root/probe: ChildStopped", "root: BackoffLeft"]);
        assert_eq!(info(&root, "probe").await.state, ChildState::Terminated);
    });
}

#[test]
fn a_child_that_starts_can_be_terminated_and_killed() {
    paused(async {
        let journal = Journal::default();
        let a = Probes::slow("a", &journal, secs(60));
        let b = Probes::slow("b", &journal, secs(60));
        let root = Supervisor::with_spec("root", exact()).unwrap().child(a).child(b).start();
        let (a, b) = (token(&root, "a").await, token(&root, "b").await);
        let begun = now();
        assert_eq!(root.send(Terminate(a)).await, Ok(Ok(())));
        assert_eq!(root.send(Kill(b)).await, Ok(Ok(())));
        assert_eq!(now(), begun);
        assert_eq!(status(&root).await.failures, 1.0);
        let children = list(&root).await;
        assert_eq!((children[0].state, children[0].restarts), (ChildState::Terminated, 0));
        assert_eq!((children[1].state, children[1].restarts), (ChildState::Starting, 1));
    });
}

#[test]
fn a_kill_ends_the_incarnation_at_once_and_counts_as_a_failure() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::hung("probe", &journal);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        let token = token(&root, "probe").await;
        let begun = now();
        settle().await;
        journal.take();
        for kill in 1..=5 {
            assert_eq!(root.send(Kill(token)).await, Ok(Ok(())));
            assert_eq!(status(&root).await.failures.round(), f64::from(kill));
            assert_eq!(addr.send(Do::Nothing).await, Ok(kill + 1));
        }
        assert_eq!(&journal.take()[..3], ["probe: dropped", "probe: made 2", "probe: started"]);
        assert_eq!(now() - begun, std::time::Duration::from_millis(1));
        assert_eq!(root.send(Kill(token)).await, Ok(Ok(())));
        let child = info(&root, "probe").await;
        assert_eq!(child.state, ChildState::BackingOff);
        assert!(matches!(child.last_failure, Some(Failure::Killed)));
    });
}

#[test]
fn a_kill_without_an_incarnation_is_ok_and_changes_nothing() {
    paused(async {
        let spec = Probes::spec("probe", &Journal::default());
        let addr = spec.addr();
        let (root, events) = one(spec);
        addr.send(Do::Panic).await.unwrap_err();
        let token = token(&root, "probe").await;
        let (before, _) = (whole(&root).await, events.take());
        assert_eq!(root.send(Kill(token)).await, Ok(Ok(())));
        assert_eq!(whole(&root).await, before);
        assert!(events.lines().is_empty());
    });
}

#[test]
fn a_killed_temporary_child_ends() {
    paused(async {
        let spec = Probes::spec("probe", &Journal::default()).restart(RestartPolicy::Temporary);
        let addr = spec.addr();
        let (root, events) = one(spec);
        let token = token(&root, "probe").await;
        settle().await;
        events.take();
        assert_eq!(root.send(Kill(token)).await, Ok(Ok(())));
        assert!(list(&root).await.is_empty());
        assert_eq!(events.lines(), ["root/probe: ChildFailed", "root/probe: ChildEnded"]);
        assert_eq!(status(&root).await.failures, 0.0);
        assert_eq!(addr.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(root.send(Kill(token)).await, Ok(Err(ChildError::NotFound)));
    });
}

#[test]
fn of_two_requests_about_a_stopping_child_the_later_one_says_what_follows() {
    paused(async {
        let spec = Probes::hung("probe", &Journal::default()).shutdown(Shutdown::Infinite);
        let (addr, (root, _)) = (spec.addr(), one(spec));
        let token = token(&root, "probe").await;

        let terminate = root.send(Terminate(token));
        let restart = root.send(Restart(token));
        settle().await;
        assert_eq!(info(&root, "probe").await.state, ChildState::Stopping);
        addr.do_send(Do::Terminate);
        assert_eq!((terminate.await, restart.await), (Ok(Ok(())), Ok(Ok(()))));
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));

        let restart = root.send(Restart(token));
        let terminate = root.send(Terminate(token));
        settle().await;
        assert_eq!(restart.await, Ok(Err(ChildError::Stopping)));
        let kill = root.send(Kill(token));
        assert_eq!((terminate.await, kill.await), (Ok(Ok(())), Ok(Ok(()))));
        let child = info(&root, "probe").await;
        assert_eq!(child.state, ChildState::Terminated);
        assert!(child.last_failure.is_none(), "it was on its way to stop: no failure");
        assert_eq!(status(&root).await.failures, 0.0);
    });
}

#[test]
fn all_who_wait_for_the_same_are_answered() {
    paused(async {
        let hung = Probes::hung("hung", &Journal::default()).shutdown(Shutdown::Timeout(secs(5)));
        let (root, _events) = one(hung);
        let token = token(&root, "hung").await;
        let (asked, all) = (now(), (0..100).map(|_| root.send(Terminate(token))));
        for answer in join_all(all).await {
            assert_eq!(answer, Ok(Ok(())));
        }
        assert_eq!(now() - asked, secs(5));
    });
}

#[test]
fn while_the_supervisor_stops_every_request_gets_a_clear_error_at_once() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        let hung = Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(9)));
        let busy = root.send(Add(hung)).await.unwrap().unwrap();
        let other = root.send(Add(Probes::hung("b", &journal).shutdown(Shutdown::Infinite)));
        let other = other.await.unwrap().unwrap();
        let restart = root.send(Restart(other.token()));
        let terminate = root.send(Terminate(busy.token()));
        settle().await;
        let stop = root.send(Stop);
        settle().await;
        let begun = now();
        assert_eq!(restart.await, Ok(Err(ChildError::Stopping)));
        for token in [busy.token(), other.token()] {
            assert_eq!(root.send(Restart(token)).await, Ok(Err(ChildError::Stopping)));
            assert_eq!(root.send(Terminate(token)).await, Ok(Err(ChildError::Stopping)));
            assert_eq!(root.send(Kill(token)).await, Ok(Err(ChildError::Stopping)));
            assert_eq!(root.send(Remove(token)).await, Ok(Err(RemoveError::Stopping)));
        }
        let refused = root.send(Add(Probes::spec("c", &journal))).await.unwrap();
        assert!(matches!(refused, Err(AddError::Stopping)));
        let refused = root.send(AddAndWait(Probes::spec("c", &journal))).await.unwrap();
        assert!(matches!(refused, Err(AddError::Stopping)));
        root.send(Resume).await.unwrap();
        assert_eq!(status(&root).await.state, SupervisorState::Stopping);
        assert_eq!(list(&root).await.len(), 2);
        assert_eq!(now(), begun);
        assert_eq!(journal.count("c: made 1"), 0);

        other.addr().do_send(Do::Terminate);
        assert_eq!(terminate.await, Ok(Ok(())));
        assert!(stop.await.unwrap().is_clean());
    });
}

#[test]
fn requests_to_a_supervisor_that_has_ended_find_its_mailbox_closed() {
    paused(async {
        let (root, events) = one(Probes::spec("probe", &Journal::default()));
        let token = token(&root, "probe").await;
        let listener = Events::of(&root).await;
        let subscriber = listener.recipient();
        root.send(Stop).await.unwrap();
        let closed = MailboxError::Closed;
        assert_eq!(root.send(Restart(token)).await.unwrap_err(), closed);
        assert_eq!(root.send(Terminate(token)).await.unwrap_err(), closed);
        assert_eq!(root.send(Kill(token)).await.unwrap_err(), closed);
        assert_eq!(root.send(Remove(token)).await.unwrap_err(), closed);
        assert_eq!(root.send(List).await.unwrap_err(), closed);
        assert_eq!(root.send(Status).await.unwrap_err(), closed);
        assert_eq!(root.send(Tree).await.unwrap_err(), closed);
        assert_eq!(root.send(Resume).await.unwrap_err(), closed);
        assert_eq!(root.send(Stop).await.unwrap_err(), closed);
        assert_eq!(root.send(Join).await.unwrap_err(), closed);
        assert_eq!(root.send(Subscribe(subscriber)).await.unwrap_err(), closed);
        let spec = Probes::spec("late", &Journal::default());
        assert_eq!(root.send(Add(spec)).await.unwrap_err(), closed);
        assert_eq!(events.lines().last().unwrap(), "root: SupervisorStopped");
    });
}
