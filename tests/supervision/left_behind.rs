//! Threads that were left behind, and the report of a stop: through all levels, and true.

use std::{cell::RefCell, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    CancellationToken, ChildError, ChildSpec, Kill, Remove, RemoveAndWait, Replace, ReplaceError,
    Restart, Shutdown, Spec, Stop, Supervisor, Terminate,
};

use tokio::sync::mpsc::unbounded_channel;

#[cfg(target_os = "linux")]
use crate::threads::threads_named;
use crate::{
    puppet::OnDrop,
    support::{exact, list, paused, token},
    threads::{Events, Stubborn, paths, real},
};

const LIMIT: Duration = Duration::from_millis(20);

/// root/outer/inner/leaf, with this limit at both levels, or with that of a supervisor.
fn tree(limit: Option<Duration>) -> (Addr<Supervisor>, Addr<Supervisor>, Stubborn, Events) {
    let (leaf, stubborn) = Stubborn::spec("leaf");
    let spec = exact().shutdown_timeout(LIMIT);
    let inner = Supervisor::with_spec("inner", spec.clone()).unwrap().child(leaf);
    let (inner_addr, mut inner) = (inner.addr(), ChildSpec::supervisor(inner));
    if let Some(limit) = limit {
        inner = inner.shutdown(Shutdown::Timeout(limit));
    }
    let mut outer = ChildSpec::supervisor(Supervisor::new("outer").child(inner));
    if let Some(limit) = limit {
        outer = outer.shutdown(Shutdown::Timeout(limit));
    }
    let (spec, seen) = Events::hooked(spec);
    let root = Supervisor::with_spec("root", spec).unwrap().child(outer).start();
    (root, inner_addr, stubborn, seen)
}

#[test]
fn a_hung_thread_is_reported_with_its_whole_path_by_each_level_from_itself_on() {
    real(async {
        let (root, inner, mut leaf, _seen) = tree(None);
        leaf.called().await;
        let below = inner.send(actix_supervisor::Join);
        let report = root.send(Stop).await.unwrap();
        assert_eq!(paths(&report), ["root/outer/inner/leaf"]);
        assert_eq!(paths(&below.await.unwrap().unwrap()), ["inner/leaf"]);
        leaf.release();
    });
}

#[test]
fn with_equal_limits_at_every_level_the_report_names_the_leaf_only() {
    real(async {
        let (root, _inner, mut leaf, _seen) = tree(Some(LIMIT));
        leaf.called().await;
        let report = root.send(Stop).await.unwrap();
        assert_eq!(paths(&report), ["root/outer/inner/leaf"]);
        leaf.release();
    });
}

#[test]
fn two_hung_threads_of_one_supervisor_are_both_reported() {
    real(async {
        let [(a, mut in_a), (b, mut in_b)] = ["a", "b"].map(Stubborn::spec);
        let spec = exact().shutdown_timeout(LIMIT);
        let sub = Supervisor::with_spec("sub", spec.clone()).unwrap().child(a).child(b);
        let sub = ChildSpec::supervisor(sub);
        let root = Supervisor::with_spec("root", spec).unwrap().child(sub).start();
        in_a.called().await;
        in_b.called().await;
        let mut reported = paths(&root.send(Stop).await.unwrap());
        reported.sort_unstable();
        assert_eq!(reported, ["root/sub/a", "root/sub/b"]);
        in_a.release();
        in_b.release();
    });
}

#[test]
fn a_thread_that_was_left_behind_by_a_restart_and_has_returned_is_in_no_report() {
    real(async {
        let (root, _inner, mut leaf, seen) = tree(None);
        leaf.called().await;
        let outer = token(&root, "outer").await;
        // The second incarnation waits for the thread of the first one, and is left behind as well.
        for _ in 0..2 {
            root.send(Restart(outer)).await.unwrap().unwrap();
            seen.until("root/outer/inner/leaf: ChildRestarted").await;
            assert!(!leaf.was_called(), "not twice at a time");
        }
        leaf.release();
        assert!(!leaf.called().await.is_cancelled(), "called for the third one only");
        leaf.release();
        // It has stopped by itself, and is called once more.
        leaf.called().await;
        let stop = root.send(Stop);
        seen.until("root/outer/inner/leaf: StopTimeout").await;
        assert_eq!(paths(&stop.await.unwrap()), ["root/outer/inner/leaf"], "once");
        leaf.release();
    });
}

#[test]
fn a_blocking_service_that_heeds_its_token_is_in_no_report_after_its_supervisor_was_killed() {
    real(async {
        let (called, mut calls) = unbounded_channel();
        let leaf = ChildSpec::blocking("leaf", move |stop: CancellationToken| {
            let _ = called.send(());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(stop.cancelled());
        });
        let sub = Supervisor::new("sub").child(leaf);
        let root = Supervisor::new("root").child(ChildSpec::supervisor(sub)).start();
        calls.recv().await;
        let sub = token(&root, "sub").await;
        root.send(Kill(sub)).await.unwrap().unwrap();
        calls.recv().await;
        let report = root.send(Stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn a_thread_that_a_removed_supervisor_left_behind_is_reported_for_as_long_as_it_runs() {
    thread_local! {
        static LAST: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
    }
    for returns in [false, true] {
        real(async move {
            let (release, released) = std::sync::mpsc::channel::<()>();
            let (called, mut calls) = unbounded_channel();
            let (gone, mut exits) = unbounded_channel();
            let leaf = ChildSpec::blocking("leaf", move |_| {
                let gone = gone.clone();
                LAST.set(Some(OnDrop::new(move || {
                    let _ = gone.send(());
                })));
                let _ = called.send(());
                let _ = released.recv();
            });
            let leaf = leaf.shutdown(Shutdown::Timeout(LIMIT));
            let sub = ChildSpec::supervisor(Supervisor::new("sub").child(leaf));
            let root = Supervisor::new("root").child(sub).start();
            calls.recv().await;
            let token = token(&root, "sub").await;
            root.send(RemoveAndWait { token, timeout: None }).await.unwrap().unwrap();
            if returns {
                release.send(()).unwrap();
                exits.recv().await;
            }
            let report = root.send(Stop).await.unwrap();
            let expected: &[&str] = if returns { &[] } else { &["root/sub/leaf"] };
            assert_eq!(paths(&report), expected);
        });
    }
}

#[test]
fn a_declared_child_that_was_removed_and_left_behind_does_not_come_back() {
    real(async {
        let (leaf, mut stubborn) = Stubborn::spec("leaf");
        let sub = Supervisor::new("sub").child(leaf.shutdown(Shutdown::Timeout(LIMIT)));
        let addr = sub.addr();
        let (spec, seen) = Events::hooked(Spec::default());
        let root =
            Supervisor::with_spec("root", spec).unwrap().child(ChildSpec::supervisor(sub)).start();
        stubborn.called().await;
        let (sub, leaf) = (token(&root, "sub").await, token(&addr, "leaf").await);
        addr.send(Remove(leaf)).await.unwrap().unwrap();
        seen.until("root/sub/leaf: StopTimeout").await;
        root.send(Kill(sub)).await.unwrap().unwrap();
        assert!(list(&addr).await.is_empty());
        stubborn.release();
    });
}

#[test]
fn a_thread_of_a_spec_that_was_replaced_is_reported() {
    real(async {
        let (old, mut called) = Stubborn::spec("leaf");
        let limit = Shutdown::Timeout(LIMIT);
        let root = Supervisor::new("root").child(old.shutdown(limit)).start();
        called.called().await;
        let leaf = token(&root, "leaf").await;
        let (new, _new) = Stubborn::spec("leaf");
        let overdue = Err(ReplaceError::Child(ChildError::Timeout));
        assert_eq!(root.send(Replace(leaf, new.shutdown(limit))).await.unwrap(), overdue);
        assert_eq!(paths(&root.send(Stop).await.unwrap()), ["root/leaf"]);
        called.release();
    });
}

#[test]
fn a_stop_right_after_the_start_reports_a_thread_that_has_not_come_to_its_call_yet() {
    paused(async {
        let mut reported = 0;
        for round in 0..300 {
            let (spec, mut service) = Stubborn::spec("service");
            let root = Supervisor::new("root").child(spec.shutdown(Shutdown::Kill)).start();
            for _ in 0..round % 6 {
                tokio::task::yield_now().await;
            }
            let report = root.send(Stop).await.unwrap();
            assert_eq!(service.is_ever_called().await, !report.is_clean(), "round {round}");
            if !report.is_clean() {
                assert_eq!(paths(&report), ["root/service"]);
                service.release();
                reported += 1;
            }
        }
        assert!(reported > 0, "it was never in time");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn what_replaces_a_blocking_service_is_not_called_before_its_thread_has_returned() {
    real(async {
        let limit = Shutdown::Timeout(LIMIT);
        let (old, mut stubborn) = Stubborn::spec("old");
        let sub = Supervisor::new("sub").child(old.shutdown(limit));
        let addr = sub.addr();
        let root = Supervisor::new("root").child(ChildSpec::supervisor(sub)).start();
        stubborn.called().await;
        let (sub, leaf) = (token(&root, "sub").await, token(&addr, "old").await);
        let (new, mut successor) = Stubborn::spec("successor");
        addr.send(Replace(leaf, new.shutdown(limit))).await.unwrap().unwrap_err();
        root.send(Restart(sub)).await.unwrap().unwrap();
        // It is polled by then.
        addr.send(Terminate(leaf)).await.unwrap().unwrap();
        addr.send(Restart(leaf)).await.unwrap().unwrap();
        assert_eq!(threads_named("successor"), 0);
        stubborn.release();
        successor.called().await;
        successor.release();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn no_threads_pile_up_behind_one_that_is_left_behind() {
    real(async {
        let (leaf, mut stubborn) = Stubborn::spec("pile-up");
        let sub = Supervisor::new("sub").child(leaf.shutdown(Shutdown::Timeout(Duration::ZERO)));
        let root = Supervisor::new("root").child(ChildSpec::supervisor(sub)).start();
        stubborn.called().await;
        let sub = token(&root, "sub").await;
        for _ in 0..10 {
            root.send(Restart(sub)).await.unwrap().unwrap();
        }
        assert_eq!(threads_named("pile-up"), 1);
        stubborn.release();
        stubborn.called().await;
        stubborn.release();
    });
}

#[test]
fn an_error_of_a_killed_thread_that_panics_when_it_is_dropped_does_no_harm() {
    #[derive(Debug)]
    struct Bomb;
    impl std::fmt::Display for Bomb {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a bomb")
        }
    }
    impl std::error::Error for Bomb {}
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    real(async {
        let (called, mut calls) = unbounded_channel();
        let spec = ChildSpec::blocking("bomber", move |stop: CancellationToken| {
            let _ = called.send(());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(stop.cancelled());
            Err::<(), _>(Bomb)
        });
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        let bomber = token(&root, "bomber").await;
        for _ in 0..3 {
            calls.recv().await;
            assert_eq!(root.send(Kill(bomber)).await.unwrap(), Ok(()));
        }
        calls.recv().await;
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
