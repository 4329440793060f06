//! Specs that take another one's place.

use std::sync::mpsc;

use actix::prelude::*;
use actix_supervisor::{
    Add, Backoff, CancellationToken, ChildError, ChildSpec, ChildState, ChildToken, Decision,
    Replace, ReplaceError, Restart, RestartPolicy, ServiceActor, Shutdown, Stop, Supervisor,
    Terminate, WhileDown,
};

use crate::{
    puppet::Puppet,
    support::{
        Do, Events, Journal, Probe, Probes, exact, info, list, now, paused, secs, settle, sleep,
        start, states, status, token,
    },
    times::patient,
};

/// A supervisor with a child between two others.
struct Bench {
    root: Addr<Supervisor>,
    probe: Addr<Probe>,
    token: ChildToken,
    journal: Journal,
    events: Events,
}

impl Bench {
    async fn new(set: impl FnOnce(ChildSpec<Probe>) -> ChildSpec<Probe>) -> Self {
        let (journal, events) = (Journal::default(), Events::default());
        let spec = set(Probes::spec("old", &journal));
        let probe = spec.addr();
        let root = Supervisor::with_spec("root", events.hook(patient())).unwrap();
        let root = root.child(Probes::spec("before", &journal)).child(spec);
        let root = root.child(Probes::spec("after", &journal)).start();
        let token = token(&root, "old").await;
        settle().await;
        journal.take();
        events.take();
        Self { root, probe, token, journal, events }
    }

    fn spec(&self) -> ChildSpec<Probe> {
        Probes::spec("new", &self.journal)
    }

    async fn replace(&self, spec: ChildSpec<Probe>) -> Result<(), ReplaceError> {
        self.root.send(Replace(self.token, spec)).await.unwrap()
    }
}

#[test]
fn a_running_child_is_stopped_in_order_and_the_new_one_has_its_place_and_its_messages() {
    paused(async {
        let bench = Bench::new(|spec| spec).await;
        let spec = bench.spec();
        let its_own = spec.addr();
        let replaced = bench.root.send(Replace(bench.token, spec));
        let answers = [1, 2].map(|number| bench.probe.send(Do::Note(number)));
        assert_eq!(replaced.await.unwrap(), Ok(()));
        for answer in answers {
            // The number of the new factory's first probe.
            assert_eq!(answer.await, Ok(1));
        }
        assert_eq!(
            bench.journal.take(),
            [
                "old: stopping",
                "old: stopped",
                "old: dropped",
                "new: made 1",
                "new: started",
                "new: handled 1 in life 1",
                "new: handled 2 in life 1",
            ]
        );
        let names: Vec<_> = list(&bench.root).await.into_iter().map(|child| child.name).collect();
        assert_eq!(names, ["before", "new", "after"]);
        let new = info(&bench.root, "new").await;
        assert_eq!((new.token, new.restarts, new.state), (bench.token, 1, ChildState::Running));
        assert_eq!(new.addr::<Probe>(), Some(bench.probe.clone()));
        assert!(!its_own.connected(), "the new spec's own address is closed");
        assert_eq!(status(&bench.root).await.failures, 0.0);
        let lines = bench.events.lines();
        assert_eq!(
            lines[1..],
            ["root/new: ChildRestarted", "root/new: ChildReady"].map(String::from)
        );
        bench.probe.do_send(Do::Panic);
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(2), "the new factory from now on");
    });
}

#[test]
fn one_that_backs_off_stays_down_as_long_as_it_was_to_and_the_new_terms_hold_then() {
    paused(async {
        let bench = Bench::new(|spec| spec.backoff(Backoff::constant(secs(10)))).await;
        let failed_at = now();
        bench.probe.do_send(Do::Panic);
        settle().await;
        let kept = bench.probe.send(Do::Note(7));
        let spec = bench.spec().backoff(Backoff::constant(secs(3)));
        assert_eq!(bench.replace(spec).await, Ok(()));
        assert_eq!(bench.journal.take(), ["old: dropped"]);
        let down = info(&bench.root, "new").await;
        assert_eq!(
            (down.state, down.next_start),
            (ChildState::BackingOff, Some(failed_at + secs(10)))
        );
        assert_eq!(kept.await, Ok(1));
        assert_eq!(now(), failed_at + secs(10));
        let failed_at = now();
        bench.probe.do_send(Do::Panic);
        settle().await;
        assert_eq!(info(&bench.root, "new").await.next_start, Some(failed_at + secs(3)));
    });
}

#[test]
fn a_terminated_one_stays_so_until_it_is_restarted() {
    paused(async {
        let bench = Bench::new(|spec| spec).await;
        assert_eq!(bench.root.send(Terminate(bench.token)).await.unwrap(), Ok(()));
        bench.journal.take();
        assert_eq!(bench.replace(bench.spec()).await, Ok(()));
        sleep(secs(60)).await;
        assert_eq!(info(&bench.root, "new").await.state, ChildState::Terminated);
        assert_eq!(bench.journal.take(), [] as [&str; 0]);
        assert_eq!(bench.root.send(Restart(bench.token)).await.unwrap(), Ok(()));
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn one_that_is_stopping_ends_up_where_it_was_to_with_the_new_spec() {
    paused(async {
        let bench = Bench::new(|spec| spec.shutdown(Shutdown::Timeout(secs(5)))).await;
        bench.probe.do_send(Do::RefuseToStop);
        let restarted = bench.root.send(Restart(bench.token));
        settle().await;
        let replaced = bench.root.send(Replace(bench.token, bench.spec()));
        assert_eq!(restarted.await.unwrap(), Ok(()));
        assert_eq!(replaced.await.unwrap(), Ok(()));
        assert_eq!(bench.journal.count("new: made 1"), 1, "it was waited for, and is made once");
        assert_eq!(bench.probe.send(Do::RefuseToStop).await, Ok(1));

        bench.root.do_send(Terminate(bench.token));
        settle().await;
        let third = Probes::spec("third", &bench.journal);
        assert_eq!(bench.replace(third).await, Ok(()));
        assert_eq!(info(&bench.root, "third").await.state, ChildState::Stopping);
        sleep(secs(10)).await;
        assert_eq!(info(&bench.root, "third").await.state, ChildState::Terminated);
        assert_eq!(bench.root.send(Restart(bench.token)).await.unwrap(), Ok(()));
        assert_eq!(bench.journal.count("third: made 1"), 1);
    });
}

#[test]
fn one_that_is_starting_begins_anew() {
    paused(async {
        let journal = Journal::default();
        let root = Supervisor::with_spec("root", patient()).unwrap();
        let root = root.child(Probes::slow("old", &journal, secs(60))).start();
        let old = token(&root, "old").await;
        assert_eq!(root.send(Replace(old, Probes::spec("new", &journal))).await.unwrap(), Ok(()));
        settle().await;
        assert_eq!(states(&root).await, [("new".to_owned(), ChildState::Running)]);
    });
}

#[test]
fn the_new_policy_rule_and_limits_hold() {
    paused(async {
        let bench = Bench::new(|spec| spec.decide(|_| Decision::Escalate)).await;
        let spec = bench.spec().restart(RestartPolicy::Transient).give_up_after(2);
        assert_eq!(bench.replace(spec.shutdown(Shutdown::Timeout(secs(2)))).await, Ok(()));
        bench.probe.do_send(Do::Panic);
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(2), "no rule, no escalation");
        assert_eq!(bench.probe.send(Do::RefuseToStop).await, Ok(2));
        let asked_at = now();
        assert_eq!(bench.root.send(Restart(bench.token)).await.unwrap(), Ok(()));
        assert_eq!(now() - asked_at, secs(2));
        bench.probe.do_send(Do::Panic);
        settle().await;
        assert!(!bench.probe.connected(), "it has given up");
    });
}

#[test]
fn the_new_answer_to_senders_holds_at_once() {
    paused(async {
        let backoff = || Backoff::constant(secs(30));
        let bench = Bench::new(|spec| spec.backoff(backoff())).await;
        bench.probe.do_send(Do::Panic);
        settle().await;
        let queued = bench.probe.send(Do::Nothing);
        let failed_at = now();
        let reject = bench.spec().backoff(backoff()).while_down(WhileDown::Reject);
        assert_eq!(bench.replace(reject).await, Ok(()));
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert!(now() - failed_at < secs(1));
        assert_eq!(bench.replace(bench.spec()).await, Ok(()));
        assert_eq!(bench.probe.send(Do::Nothing).await, Ok(1), "it is kept again");
    });
}

#[test]
fn the_old_factory_is_dropped() {
    paused(async {
        let (root, (held, dropped)) = (start("root", exact()), mpsc::channel::<()>());
        let (journal, mut make) = (Journal::default(), Probe::maker("old", &Journal::default()));
        let spec = ChildSpec::actor("old", move |_| {
            let _held = &held;
            make()
        });
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Empty));
        let replaced = root.send(Replace(child.token(), Probes::spec("new", &journal))).await;
        assert_eq!(replaced.unwrap(), Ok(()));
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    });
}

/// That the child is as it was, and that the refused spec's address is closed.
async fn assert_unchanged(bench: &Bench) {
    settle().await;
    assert_eq!(bench.journal.take(), [] as [&str; 0]);
    assert_eq!(info(&bench.root, "old").await.restarts, 0);
    assert_eq!(bench.probe.send(Do::Nothing).await, Ok(1));
}

#[test]
fn another_type_of_actor_is_refused_and_nothing_changes() {
    paused(async {
        let bench = Bench::new(|spec| spec).await;
        let service = ChildSpec::service("service", |_: CancellationToken| async {});
        let addr = service.addr();
        let refused = bench.root.send(Replace(bench.token, service)).await.unwrap().unwrap_err();
        assert!(matches!(&refused, ReplaceError::WrongType { child, .. } if child == "old"));
        assert!(refused.to_string().ends_with("service"), "{refused}");
        assert!(!addr.connected());
        let nested = ChildSpec::supervisor(Supervisor::new("nested"));
        let refused = bench.root.send(Replace(bench.token, nested)).await.unwrap();
        assert!(matches!(refused, Err(ReplaceError::WrongType { .. })));
        let another = ChildSpec::actor("another", |_| Puppet::new(1));
        let refused = bench.root.send(Replace(bench.token, another)).await.unwrap().unwrap_err();
        assert!(refused.to_string().ends_with("Puppet"), "{refused}");
        let pool = ChildSpec::pool("pool", 1, |_| Puppet::new(1));
        let refused = bench.root.send(Replace(bench.token, pool)).await.unwrap().unwrap_err();
        assert!(refused.to_string().ends_with("pool"), "{refused}");
        assert_unchanged(&bench).await;
    });
}

#[test]
fn a_blocking_service_and_an_async_one_do_not_take_each_others_place_and_a_supervisor_nobodys() {
    paused(async {
        let forever = || {
            ChildSpec::service(
                "async",
                |stop: CancellationToken| async move { stop.cancelled().await },
            )
        };
        let thread = || -> ChildSpec<ServiceActor> {
            ChildSpec::blocking("thread", |stop: CancellationToken| {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.expect("a runtime").block_on(stop.cancelled());
            })
        };
        // A thread takes real time, of which a paused clock knows nothing.
        let thread = || thread().shutdown(Shutdown::Infinite);
        let root = Supervisor::new("root").child(forever()).child(thread());
        let root = root.child(ChildSpec::supervisor(Supervisor::new("nested"))).start();
        let [first, second, third] = [
            token(&root, "async").await,
            token(&root, "thread").await,
            token(&root, "nested").await,
        ];
        let refusals = [
            root.send(Replace(first, thread())).await.unwrap(),
            root.send(Replace(second, forever())).await.unwrap(),
            root.send(Replace(third, ChildSpec::supervisor(Supervisor::new("x")))).await.unwrap(),
        ];
        for refused in refusals {
            assert!(matches!(refused, Err(ReplaceError::WrongType { .. })), "{refused:?}");
        }
        assert_eq!(root.send(Replace(first, forever())).await.unwrap(), Ok(()));
        assert_eq!(root.send(Replace(second, thread())).await.unwrap(), Ok(()));
        assert_eq!(status(&root).await.restarts, 2);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_spec_that_makes_no_sense_is_refused_and_nothing_changes() {
    paused(async {
        let bench = Bench::new(|spec| spec).await;
        let refused = bench.replace(bench.spec().give_up_after(0)).await;
        assert!(
            matches!(refused, Err(ReplaceError::Spec(error)) if error.field == "give_up_after")
        );
        let refused = bench.replace(Probes::spec("", &bench.journal)).await;
        assert!(matches!(refused, Err(ReplaceError::Spec(error)) if error.field == "name"));
        let refused = bench.spec().restart(RestartPolicy::Temporary).significant(true);
        let refused = bench.replace(refused).await;
        assert!(matches!(refused, Err(ReplaceError::Spec(error)) if error.field == "significant"));
        assert_unchanged(&bench).await;
    });
}

#[test]
fn a_token_that_is_not_good_here_is_refused_and_nothing_changes() {
    paused(async {
        let bench = Bench::new(|spec| spec).await;
        let elsewhere = start("elsewhere", exact());
        let spec = bench.spec();
        let addr = spec.addr();
        let refused = elsewhere.send(Replace(bench.token, spec)).await.unwrap();
        assert_eq!(refused, Err(ReplaceError::Child(ChildError::WrongSupervisor)));
        assert!(!addr.connected());
        assert_unchanged(&bench).await;
        bench.probe.do_send(Do::Finish);
        settle().await;
        let refused = bench.replace(bench.spec()).await;
        assert_eq!(refused, Err(ReplaceError::Child(ChildError::NotFound)));
    });
}

#[test]
fn a_token_of_another_supervisor_replaces_no_child_of_the_same_number() {
    paused(async {
        let bench = Bench::new(|spec| spec).await;
        let (journal, elsewhere) = (Journal::default(), start("elsewhere", exact()));
        elsewhere.send(Add(Probes::spec("first", &journal))).await.unwrap().unwrap();
        let second = elsewhere.send(Add(Probes::spec("second", &journal))).await.unwrap().unwrap();
        let number = |token: ChildToken| token.to_string().split_once('.').unwrap().1.to_owned();
        assert_eq!(number(second.token()), number(bench.token));
        let other = Probes::spec("other", &journal);
        let refused = elsewhere.send(Replace(bench.token, other)).await.unwrap();
        assert_eq!(refused, Err(ReplaceError::Child(ChildError::WrongSupervisor)));
        assert_eq!(elsewhere.send(Restart(second.token())).await.unwrap(), Ok(()));
        assert_eq!(second.addr().send(Do::Nothing).await, Ok(2));
        assert_eq!(journal.count("other: made 1"), 0);
    });
}
