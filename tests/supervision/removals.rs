//! Remove and RemoveAndWait.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, CancellationToken, ChildError, ChildSpec, EndReason, EventKind, Kill, Remove,
    RemoveAndWait, RemoveError, Restart, Shutdown, Stop, Supervisor, Terminate,
};

use crate::support::{
    Do, Events, Journal, Probes, exact, fragile, list, now, paused, secs, settle, sleep, start,
    status, token,
};

fn wait(token: actix_supervisor::ChildToken, limit: Option<Duration>) -> RemoveAndWait {
    RemoveAndWait { token, timeout: limit }
}

#[test]
fn a_removed_child_is_forgotten_at_once_stopped_in_order_and_gone() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let root = start("root", events.hook(exact()));
        let child = root.send(Add(Probes::spec("probe", &journal))).await.unwrap().unwrap();
        settle().await;
        events.take();
        journal.take();
        let removed = root.send(Remove(child.token()));
        let (listed, status_then) = (root.send(actix_supervisor::List), status(&root));
        assert_eq!(removed.await, Ok(Ok(())));
        assert!(listed.await.unwrap().is_empty());
        assert_eq!(status_then.await.children.total(), 0);
        settle().await;
        assert_eq!(journal.take(), ["probe: stopping", "probe: stopped", "probe: dropped"]);
        let seen = events.take();
        let ended = match &seen[..] {
            [stopped, ended] => {
                assert!(matches!(stopped.kind, EventKind::ChildStopped { failure: None, .. }));
                &ended.kind
            }
            _ => panic!("{seen:?}"),
        };
        assert!(matches!(ended, EventKind::ChildEnded { reason: EndReason::Removed, .. }));
        assert_eq!(child.addr().send(Do::Nothing).await, Err(MailboxError::Closed));
    });
}

#[test]
fn the_token_of_a_removed_child_is_not_found_also_while_it_still_stops() {
    paused(async {
        let root = start("root", exact());
        let hung = Probes::hung("hung", &Journal::default()).shutdown(Shutdown::Timeout(secs(5)));
        let child = root.send(Add(hung)).await.unwrap().unwrap();
        let token = child.token();
        assert_eq!(root.send(Remove(token)).await, Ok(Ok(())));
        for _ in ["stopping", "gone"] {
            assert_eq!(root.send(Remove(token)).await, Ok(Err(RemoveError::NotFound)));
            assert_eq!(root.send(wait(token, None)).await, Ok(Err(RemoveError::NotFound)));
            assert_eq!(root.send(Restart(token)).await, Ok(Err(ChildError::NotFound)));
            assert_eq!(root.send(Terminate(token)).await, Ok(Err(ChildError::NotFound)));
            assert_eq!(root.send(Kill(token)).await, Ok(Err(ChildError::NotFound)));
            sleep(secs(6)).await;
        }
        let next =
            root.send(Add(Probes::spec("next", &Journal::default()))).await.unwrap().unwrap();
        assert_ne!(next.token(), token);
    });
}

#[test]
fn another_supervisors_token_is_refused_and_does_nothing() {
    paused(async {
        let journal = Journal::default();
        let (one, other) = (start("one", exact()), start("other", exact()));
        let child = one.send(Add(Probes::spec("probe", &journal))).await.unwrap().unwrap();
        other.send(Add(Probes::spec("other's", &journal))).await.unwrap().unwrap();
        settle().await;
        journal.take();
        let token = child.token();
        assert_eq!(other.send(Remove(token)).await, Ok(Err(RemoveError::WrongSupervisor)));
        assert_eq!(other.send(wait(token, None)).await, Ok(Err(RemoveError::WrongSupervisor)));
        assert_eq!(other.send(Restart(token)).await, Ok(Err(ChildError::WrongSupervisor)));
        assert_eq!(other.send(Terminate(token)).await, Ok(Err(ChildError::WrongSupervisor)));
        assert_eq!(other.send(Kill(token)).await, Ok(Err(ChildError::WrongSupervisor)));
        settle().await;
        assert!(journal.take().is_empty());
        assert_eq!(child.addr().send(Do::Nothing).await, Ok(1));
        other.send(Stop).await.unwrap();
    });
}

#[test]
fn remove_and_wait_is_answered_when_the_child_has_ended() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        let noted = journal.clone();
        let spec = ChildSpec::service("slow", move |stop: CancellationToken| {
            let journal = noted.clone();
            async move {
                stop.cancelled().await;
                sleep(secs(3)).await;
                journal.note("returned");
            }
        });
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        let begun = now();
        assert_eq!(root.send(wait(child.token(), Some(secs(5)))).await, Ok(Ok(())));
        assert_eq!((now() - begun, journal.take()), (secs(3), vec!["returned".to_owned()]));
    });
}

#[test]
fn remove_and_wait_times_out_on_a_hung_child_while_the_supervisor_stays_responsive() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        let hung = Probes::hung("hung", &journal).shutdown(Shutdown::Infinite);
        let child = root.send(Add(hung)).await.unwrap().unwrap();
        let begun = now();
        let removal = root.send(wait(child.token(), Some(secs(2))));
        settle().await;
        let other = root.send(Add(Probes::spec("other", &journal))).await.unwrap().unwrap();
        assert_eq!(other.addr().send(Do::Nothing).await, Ok(1));
        assert_eq!(list(&root).await.len(), 1);
        assert!(now() - begun < secs(1));
        assert_eq!(removal.await, Ok(Err(RemoveError::Timeout)));
        assert_eq!(now() - begun, secs(2));
        assert_eq!(list(&root).await.len(), 1, "it is forgotten all the same");
        child.addr().do_send(Do::Terminate);
        settle().await;
        assert_eq!(child.addr().send(Do::Nothing).await, Err(MailboxError::Closed));
    });
}

#[test]
fn remove_and_wait_without_a_timeout_waits_for_as_long_as_the_child_is_given() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let root = start("root", events.hook(exact()));
        let hung = Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(4)));
        let child = root.send(Add(hung)).await.unwrap().unwrap();
        settle().await;
        events.take();
        journal.take();
        let begun = now();
        assert_eq!(root.send(wait(child.token(), None)).await, Ok(Ok(())));
        assert_eq!((now() - begun).as_secs(), 4);
        assert_eq!(journal.take(), ["hung: stopping", "hung: dropped"]);
        assert_eq!(
            events.lines(),
            ["root/hung: StopTimeout", "root/hung: ChildStopped", "root/hung: ChildEnded"]
        );
    });
}

#[test]
fn a_child_that_starts_or_is_down_is_removed_at_once() {
    paused(async {
        let journal = Journal::default();
        let failing = Probes::spec("failing", &journal);
        let addr = failing.addr();
        let root = Supervisor::with_spec("root", fragile())
            .unwrap()
            .child(Probes::slow("starting", &journal, secs(60)))
            .child(failing)
            .child(Probes::spec("terminated", &journal))
            .start();
        let terminated = token(&root, "terminated").await;
        root.send(Terminate(terminated)).await.unwrap().unwrap();
        addr.send(Do::Panic).await.unwrap_err();
        let waiting = addr.send(Do::Nothing);
        let begun = now();
        for child in list(&root).await {
            assert_eq!(root.send(wait(child.token, None)).await, Ok(Ok(())), "{child:?}");
            assert_eq!(root.send(Remove(child.token)).await, Ok(Err(RemoveError::NotFound)));
        }
        assert_eq!(waiting.await, Err(MailboxError::Closed));
        assert_eq!(now(), begun);
        sleep(secs(60)).await;
        assert_eq!(journal.count("failing: made 2"), 0);
        assert_eq!(journal.count("starting: dropped"), 1);
        assert_eq!(status(&root).await.children.total(), 0);
    });
}

#[test]
fn a_removal_overrides_what_was_asked_before_it() {
    paused(async {
        let root = start("root", exact());
        let hung =
            || Probes::hung("hung", &Journal::default()).shutdown(Shutdown::Timeout(secs(2)));
        let one = root.send(Add(hung())).await.unwrap().unwrap();
        let two = root.send(Add(hung())).await.unwrap().unwrap();
        let restart = root.send(Restart(one.token()));
        let terminate = root.send(Terminate(two.token()));
        settle().await;
        let begun = now();
        let removals = [root.send(wait(one.token(), None)), root.send(wait(two.token(), None))];
        assert_eq!(restart.await, Ok(Err(ChildError::Stopping)));
        assert_eq!(now(), begun, "told at once");
        for removal in removals {
            assert_eq!(removal.await, Ok(Ok(())));
        }
        assert_eq!(terminate.await, Ok(Ok(())), "it has stopped");
        assert_eq!((now() - begun).as_secs(), 1, "the limit ran from the first request");
        assert!(list(&root).await.is_empty());
        assert_eq!(one.addr().send(Do::Nothing).await, Err(MailboxError::Closed));
    });
}

#[test]
fn a_stop_waits_within_its_limit_for_a_child_that_is_being_removed() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        root.send(Add(Probes::spec("first", &journal))).await.unwrap().unwrap();
        let hung = Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(5)));
        let child = root.send(Add(hung)).await.unwrap().unwrap();
        let begun = now();
        let removal = root.send(wait(child.token(), None));
        sleep(secs(2)).await;
        let stop = root.send(Stop);
        settle().await;
        assert_eq!(journal.count("first: stopping"), 0, "one after the other");
        assert_eq!(removal.await, Ok(Ok(())));
        assert!(stop.await.unwrap().is_clean());
        assert_eq!((now() - begun).as_secs(), 5);
        assert_eq!(journal.count("hung: stopping"), 1);
        assert_eq!(journal.count("first: stopped"), 1);
    });
}

#[test]
fn a_removed_child_that_fails_while_it_stops_moves_neither_the_meter_nor_the_state() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let root = start("root", events.hook(fragile()));
        let hung = Probes::hung("hung", &journal);
        let child = root.send(Add(hung)).await.unwrap().unwrap();
        let removal = root.send(wait(child.token(), None));
        settle().await;
        let before = format!("{:?}", status(&root).await);
        assert!(child.addr().send(Do::Panic).await.is_err());
        assert_eq!(removal.await, Ok(Ok(())));
        assert_eq!(format!("{:?}", status(&root).await), before);
        assert_eq!(journal.count("hung: made 2"), 0);
        let lines = events.lines();
        assert_eq!(&lines[lines.len() - 2..], ["root/hung: ChildStopped", "root/hung: ChildEnded"]);
    });
}
