//! Supervisors that stop by themselves, and how all of them stop.

use actix::prelude::*;
use actix_supervisor::{
    Add, AddError, AutoShutdown, Backoff, ChildSpec, ChildState, Failure, Kill, Remove,
    RemoveAndWait, Restart, RestartPolicy, Spec, StopReport, Strategy, Supervisor, SupervisorState,
    Terminate,
};

use crate::support::{
    Do, Journal, Probe, Probes, exact, info, paused, secs, settle, sleep, start, states, status,
    token,
};

const ANY: AutoShutdown = AutoShutdown::AnySignificant;
const ALL: AutoShutdown = AutoShutdown::AllSignificant;

/// Two significant children, one of each policy that ends, and a permanent one behind them.
struct Bench {
    root: Addr<Supervisor>,
    transient: Addr<Probe>,
    temporary: Addr<Probe>,
    journal: Journal,
    served: tokio::task::JoinHandle<Result<StopReport, Failure>>,
}

impl Bench {
    async fn new(spec: Spec) -> Self {
        let journal = Journal::default();
        let transient = Probes::spec("transient", &journal).restart(RestartPolicy::Transient);
        let temporary = Probes::spec("temporary", &journal).restart(RestartPolicy::Temporary);
        let (transient, temporary) = (transient.significant(true), temporary.significant(true));
        let addrs = (transient.addr(), temporary.addr());
        let root = Supervisor::with_spec("root", spec).unwrap().child(transient).child(temporary);
        let root = root.child(Probes::spec("permanent", &journal));
        let (addr, served) = (root.addr(), actix_rt::spawn(root.serve()));
        settle().await;
        journal.take();
        Self { root: addr, transient: addrs.0, temporary: addrs.1, journal, served }
    }

    async fn of(when: AutoShutdown) -> Self {
        Self::new(exact().auto_shutdown(when)).await
    }

    /// Tells one of them, and returns whether all has stopped then, in good order.
    async fn after(&self, probe: &Addr<Probe>, what: Do) -> bool {
        probe.do_send(what);
        settle().await;
        self.has_stopped()
    }

    fn has_stopped(&self) -> bool {
        self.served.is_finished()
    }

    async fn remains(&self) -> bool {
        !self.has_stopped() && status(&self.root).await.state == SupervisorState::Running
    }
}

#[test]
fn any_significant_child_that_ends_by_itself_stops_the_supervisor_in_good_order() {
    for what in [Do::Stop, Do::Finish] {
        paused(async {
            let bench = Bench::of(ANY).await;
            assert!(bench.after(&bench.transient, what).await, "{what:?}");
            let dropped =
                bench.journal.take().into_iter().filter(|entry| entry.contains("dropped"));
            let dropped: Vec<_> = dropped.collect();
            assert_eq!(dropped, ["transient: dropped", "permanent: dropped", "temporary: dropped"]);
            assert!(bench.served.await.unwrap().unwrap().is_clean());
        });
    }
}

#[test]
fn a_temporary_one_does_so_however_it_ends() {
    for what in [Do::Stop, Do::Finish, Do::Panic, Do::Fail] {
        paused(async {
            let bench = Bench::of(ANY).await;
            assert!(bench.after(&bench.temporary, what).await, "{what:?}");
            assert!(bench.served.await.unwrap().is_ok());
        });
    }
    paused(async {
        let bench = Bench::of(ANY).await;
        let temporary = token(&bench.root, "temporary").await;
        assert_eq!(bench.root.send(Kill(temporary)).await.unwrap(), Ok(()));
        settle().await;
        assert!(bench.has_stopped());
    });
}

#[test]
fn one_that_is_restarted_has_not_ended() {
    for when in [ANY, ALL] {
        paused(async {
            let bench = Bench::of(when).await;
            assert!(!bench.after(&bench.transient, Do::Panic).await);
            assert_eq!(bench.transient.send(Do::Nothing).await, Ok(2));
        });
    }
}

#[test]
fn all_significant_waits_for_the_last_of_them() {
    paused(async {
        let bench = Bench::of(ALL).await;
        assert!(!bench.after(&bench.transient, Do::Stop).await);
        assert!(bench.remains().await);
        assert!(bench.after(&bench.temporary, Do::Panic).await);
        assert!(bench.served.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn one_that_waits_for_its_restart_is_waited_for() {
    paused(async {
        let bench = Bench::new(exact().auto_shutdown(ALL).failure_threshold(0.0)).await;
        assert!(!bench.after(&bench.transient, Do::Panic).await);
        assert_eq!(info(&bench.root, "transient").await.state, ChildState::BackingOff);
        assert!(!bench.after(&bench.temporary, Do::Stop).await);
        assert_eq!(bench.transient.send(Do::Nothing).await, Ok(2));
        assert!(bench.after(&bench.transient, Do::Stop).await);
    });
}

#[test]
fn children_that_are_not_significant_end_without_more_ado() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact().auto_shutdown(ANY));
        let spec = Probes::spec("x", &journal).restart(RestartPolicy::Temporary);
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        child.addr().do_send(Do::Panic);
        settle().await;
        assert_eq!(status(&root).await.state, SupervisorState::Running);
    });
}

#[test]
fn what_is_removed_terminated_or_restarted_on_request_has_not_ended_by_itself() {
    for when in [ANY, ALL] {
        paused(async {
            let bench = Bench::of(when).await;
            let transient = token(&bench.root, "transient").await;
            let temporary = token(&bench.root, "temporary").await;
            assert_eq!(bench.root.send(Restart(transient)).await.unwrap(), Ok(()));
            assert_eq!(bench.root.send(Terminate(transient)).await.unwrap(), Ok(()));
            let token = temporary;
            let removed = bench.root.send(RemoveAndWait { token, timeout: None }).await.unwrap();
            assert_eq!(removed, Ok(()));
            assert_eq!(bench.root.send(Remove(transient)).await.unwrap(), Ok(()));
            settle().await;
            assert!(bench.remains().await, "{when:?}");
        });
    }
}

#[test]
fn one_that_is_down_on_request_is_not_waited_for() {
    paused(async {
        let bench = Bench::of(ALL).await;
        let transient = token(&bench.root, "transient").await;
        assert_eq!(bench.root.send(Terminate(transient)).await.unwrap(), Ok(()));
        assert!(bench.remains().await);
        assert!(bench.after(&bench.temporary, Do::Stop).await);
    });
}

#[test]
fn one_that_is_on_its_way_down_on_request_is_not_waited_for() {
    for remove in [true, false] {
        paused(async {
            let bench = Bench::of(ALL).await;
            let transient = token(&bench.root, "transient").await;
            assert_eq!(bench.transient.send(Do::RefuseToStop).await, Ok(1));
            match remove {
                true => assert_eq!(bench.root.send(Remove(transient)).await.unwrap(), Ok(())),
                false => bench.root.do_send(Terminate(transient)),
            }
            settle().await;
            bench.temporary.do_send(Do::Stop);
            settle().await;
            // It is given its time, and nothing else is waited for.
            assert_eq!(status(&bench.root).await.state, SupervisorState::Stopping, "{remove}");
            sleep(secs(10)).await;
            assert!(bench.has_stopped());
        });
    }
}

#[test]
fn what_is_swept_down_with_its_group_has_not_ended_by_itself() {
    for when in [ANY, ALL] {
        paused(async {
            let bench = Bench::new(exact().auto_shutdown(when).strategy(Strategy::OneForAll)).await;
            assert!(!bench.after(&bench.transient, Do::Panic).await);
            assert!(!bench.temporary.connected(), "it was temporary");
            assert_eq!(bench.transient.send(Do::Nothing).await, Ok(2));
            assert!(bench.remains().await, "{when:?}");
            assert!(bench.after(&bench.transient, Do::Stop).await);
        });
    }
}

#[test]
fn a_significant_child_that_gives_up_has_ended_by_itself() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("x", &journal).restart(RestartPolicy::Transient).give_up_after(2);
        let spec = spec.significant(true).backoff(Backoff::constant(secs(1)));
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact().auto_shutdown(ANY)).unwrap().child(spec);
        let served = actix_rt::spawn(root.serve());
        addr.do_send(Do::Panic);
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        addr.do_send(Do::Panic);
        assert!(served.await.unwrap().is_ok());
    });
}

#[test]
fn a_nested_supervisor_that_stops_by_itself_ends_normally_and_its_policy_applies() {
    for policy in [RestartPolicy::Permanent, RestartPolicy::Transient] {
        paused(async {
            let journal = Journal::default();
            let leaf = Probes::spec("leaf", &journal).restart(RestartPolicy::Transient);
            let leaf = leaf.significant(true);
            let addr = leaf.addr();
            let nested = Supervisor::with_spec("nested", exact().auto_shutdown(ANY)).unwrap();
            // What has ended does not come back with its supervisor, but the others do.
            let nested = nested.child(leaf).child(Probes::spec("rest", &journal));
            let nested = ChildSpec::supervisor(nested).restart(policy);
            let root = Supervisor::with_spec("root", exact()).unwrap().child(nested).start();
            settle().await;
            addr.do_send(Do::Stop);
            settle().await;
            assert!(!addr.connected());
            let restarted = usize::from(policy == RestartPolicy::Permanent);
            assert_eq!(journal.count("rest: made 2"), restarted, "{policy:?}");
            assert_eq!(states(&root).await.len(), restarted);
        });
    }
}

#[test]
fn a_significant_supervisor_passes_its_end_on() {
    paused(async {
        let journal = Journal::default();
        let leaf = Probes::spec("leaf", &journal).restart(RestartPolicy::Transient);
        let addr = leaf.addr();
        let nested = Supervisor::with_spec("nested", exact().auto_shutdown(ALL)).unwrap();
        let nested = ChildSpec::supervisor(nested.child(leaf.significant(true)));
        let nested = nested.restart(RestartPolicy::Transient).significant(true);
        let root = Supervisor::with_spec("root", exact().auto_shutdown(ALL)).unwrap().child(nested);
        let served = actix_rt::spawn(root.serve());
        settle().await;
        addr.do_send(Do::Finish);
        assert!(served.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn significance_is_refused_where_it_means_nothing() {
    paused(async {
        let journal = Journal::default();
        let spec = |policy| Probes::spec("x", &journal).restart(policy).significant(true);
        let supervisor = |when| {
            Supervisor::with_spec("root", exact().auto_shutdown(when)).expect("a sensible spec")
        };
        let permanent = supervisor(ANY).try_child(spec(RestartPolicy::Permanent)).unwrap_err();
        let never = supervisor(AutoShutdown::Never).try_child(spec(RestartPolicy::Transient));
        for error in [permanent, never.unwrap_err()] {
            assert_eq!(
                (error.field, &*error.value, &*error.of),
                ("significant", "true", "child \"x\"")
            );
        }
        let root = start("root", exact());
        let added = root.send(Add(spec(RestartPolicy::Temporary))).await.unwrap();
        assert!(matches!(added, Err(AddError::Spec(error)) if error.field == "significant"));
        assert_eq!(journal.take(), [] as [&str; 0]);
    });
}
