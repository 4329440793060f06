//! Stop requests and the messages that are in the mailbox when they come.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Add, Child, Remove, RemoveAndWait, Restart, Shutdown, Status, Stop, Supervisor, Terminate,
};

use crate::{
    puppet::{Puppet, life, tell},
    support::{
        Do, Events, Journal, Probe, Probes, exact, list, now, paused, secs, settle, sleep, start,
        status,
    },
};

const BACKLOG: u32 = 10_000;

/// A probe with a backlog of notes.
async fn busy(root: &Addr<Supervisor>, journal: &Journal, drain: bool) -> Child<Probe> {
    let child = root.send(Add(Probes::spec("busy", journal).drain(drain))).await.unwrap().unwrap();
    assert_eq!(child.addr().send(Do::Nothing).await, Ok(1));
    (0..BACKLOG).for_each(|number| child.addr().do_send(Do::Note(number)));
    child
}

fn handled(entries: &[String]) -> usize {
    entries.iter().filter(|entry| entry.contains("handled")).count()
}

#[test]
fn a_stop_request_does_not_wait_behind_a_backlog() {
    paused(async {
        for drops in [true, false] {
            let (root, journal) = (start("root", exact()), Journal::default());
            let child = busy(&root, &journal, false).await;
            let behind = child.addr().send(Do::Nothing);
            if drops {
                let message = RemoveAndWait { token: child.token(), timeout: None };
                assert_eq!(root.send(message).await.unwrap(), Ok(()));
            } else {
                assert!(root.send(Stop).await.unwrap().is_clean());
            }
            let entries = journal.take();
            let handled = handled(&entries);
            assert!(handled < 1000, "{handled}");
            assert_eq!(
                entries[entries.len() - 3..],
                ["busy: stopping", "busy: stopped", "busy: dropped"]
            );
            assert_eq!(behind.await, Err(MailboxError::Closed));
        }
    });
}

#[test]
fn a_backlog_is_kept_over_a_restart_and_a_terminate_on_request() {
    paused(async {
        let (root, journal) = (start("root", exact()), Journal::default());
        let child = busy(&root, &journal, false).await;
        // As a task of its own it has its turn as often as the child has.
        let (asked, token) = (root.clone(), child.token());
        let requests = actix_rt::spawn(async move {
            assert_eq!(asked.send(Restart(token)).await.unwrap(), Ok(()));
            assert_eq!(asked.send(Terminate(token)).await.unwrap(), Ok(()));
        });
        requests.await.unwrap();
        let last = child.addr().send(Do::Note(BACKLOG));
        sleep(secs(60)).await;
        let handled_so_far = handled(&list_of(&journal));
        assert!(handled_so_far < 1000, "{handled_so_far}");
        assert_eq!(root.send(Restart(child.token())).await.unwrap(), Ok(()));
        assert_eq!(last.await, Ok(3));
        let entries = journal.take();
        let noted = entries.iter().filter_map(|entry| entry.strip_prefix("busy: handled "));
        let numbers = noted.map(|noted| noted.split(' ').next().unwrap().parse().unwrap());
        assert_eq!(numbers.collect::<Vec<u32>>(), (0..=BACKLOG).collect::<Vec<_>>());
    });
}

/// A look without taking.
fn list_of(journal: &Journal) -> Vec<String> {
    let entries = journal.take();
    entries.iter().for_each(|entry| journal.note(entry));
    entries
}

#[test]
fn a_child_that_drains_handles_what_was_there_before_the_request_and_nothing_later() {
    paused(async {
        for drops in [true, false] {
            let (root, journal) = (start("root", exact()), Journal::default());
            let child = busy(&root, &journal, true).await;
            let before = child.addr().send(Do::Note(BACKLOG));
            let stopped = match drops {
                true => root.send(Remove(child.token())).await.map(drop),
                false => {
                    root.do_send(Stop);
                    root.send(Status).await.map(drop)
                }
            };
            stopped.unwrap();
            // The request has been taken down by now, and is passed on when the child has its turn.
            settle().await;
            let after = child.addr().send(Do::Note(BACKLOG + 1));
            assert_eq!(before.await, Ok(1));
            assert_eq!(after.await, Err(MailboxError::Closed));
            let entries = journal.take();
            assert_eq!(handled(&entries), BACKLOG as usize + 1);
            assert!(!child.addr().connected());
        }
    });
}

#[test]
fn messages_after_the_request_are_left_to_the_next_incarnation() {
    paused(async {
        let (root, journal) = (start("root", exact()), Journal::default());
        let spec = Probes::spec("child", &journal).drain(true);
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        let before: Vec<_> = (0..10).map(|number| child.addr().send(Do::Note(number))).collect();
        let restarted = root.send(Restart(child.token()));
        assert_eq!(restarted.await.unwrap(), Ok(()));
        let after = child.addr().send(Do::Note(10));
        for before in before {
            assert_eq!(before.await, Ok(1));
        }
        assert_eq!(after.await, Ok(2));
    });
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Slow;

impl Handler<Slow> for Puppet {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, Slow: Slow, _ctx: &mut Self::Context) -> Self::Result {
        let slow = sleep(secs(3)).into_actor(self).map(|(), puppet, _| puppet.life);
        AtomicResponse::new(Box::pin(slow))
    }
}

#[test]
fn the_time_of_a_drain_is_part_of_the_limit_that_runs_from_the_request() {
    paused(async {
        for (limit, done) in [(10, 3), (8, 2)] {
            let events = Events::default();
            let root = start("root", events.hook(exact()));
            let spec = Puppet::spec("slow").drain(true).shutdown(Shutdown::Timeout(secs(limit)));
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            let answers: Vec<_> = (0..3).map(|_| child.addr().send(Slow)).collect();
            let begin = now();
            settle().await;
            let message = RemoveAndWait { token: child.token(), timeout: None };
            assert_eq!(root.send(message).await.unwrap(), Ok(()));
            assert_eq!((now() - begin).as_secs(), limit.min(9));
            let mut answered = 0;
            for answer in answers {
                answered += usize::from(answer.await.is_ok());
            }
            assert_eq!(answered, done);
            let late = events.lines().contains(&"root/slow: StopTimeout".to_owned());
            assert_eq!(late, done < 3);
        }
    });
}

#[test]
fn a_child_that_drains_and_fails_on_the_way_has_stopped_all_the_same() {
    paused(async {
        let (root, spec) = (start("root", exact()), Puppet::spec("child").drain(true));
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        let addr = child.addr();
        let before = addr.send(Slow);
        settle().await;
        let poisoned = addr.send(tell(|_, _| panic!("boom")));
        let behind = addr.send(life());
        assert_eq!(root.send(Restart(child.token())).await.unwrap(), Ok(()));
        assert_eq!(before.await, Ok(1));
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(behind.await, Ok(2));
        let listed = list(&root).await;
        assert_eq!(listed[0].restarts, 1);
        assert!(listed[0].last_failure.is_none());
        assert_eq!(status(&root).await.failures, 0.0);
    });
}

#[test]
fn a_child_that_drains_an_empty_mailbox_stops_at_once_and_one_that_is_not_ready_drains_when_it_is()
{
    paused(async {
        let root = start("root", exact());
        let idle = root.send(Add(Puppet::spec("idle").drain(true))).await.unwrap().unwrap();
        settle().await;
        let begin = now();
        let message = RemoveAndWait { token: idle.token(), timeout: None };
        assert_eq!(root.send(message).await.unwrap(), Ok(()));
        assert!(now() - begin < Duration::from_millis(2));

        let early = Puppet::starting("early", |_, ctx| {
            ctx.wait(fut::wrap_future(sleep(secs(4))));
        });
        let early = root.send(Add(early.drain(true))).await.unwrap().unwrap();
        let answer = early.addr().send(life());
        let begin = now();
        let message = RemoveAndWait { token: early.token(), timeout: None };
        assert_eq!(root.send(message).await.unwrap(), Ok(()));
        assert_eq!((now() - begin).as_secs(), 4);
        assert_eq!(answer.await, Ok(1));
    });
}
