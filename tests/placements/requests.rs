//! Requests about a child whose thread is stuck, with a watchdog and without one.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildError, ChildSpec, ChildState, Kill, Placement, Remove, RemoveAndWait, RemoveError,
    Replace, ReplaceError, Restart, Shutdown, Stop, Supervisor, Terminate,
};

use futures::future::join_all;

use crate::{
    place::{Stuck, each_of_its_own, patient, puppet, root, stick, thread_of, watched},
    puppet::{Puppet, life, tell},
    seen::{Events, paths, real},
    support::{info, list, status, token},
};

struct Case {
    root: Addr<Supervisor>,
    seen: Events,
    addr: Addr<Puppet>,
    child: actix_supervisor::ChildToken,
    stuck: Stuck,
}

fn short(spec: ChildSpec<Puppet>) -> ChildSpec<Puppet> {
    spec.shutdown(Shutdown::Timeout(Duration::from_millis(20))).mailbox_capacity(0)
}

/// Runs a test of a child that is stuck, on each kind of thread, and with a watchdog or without, all at the same time.
fn each_stuck(test: impl AsyncFn(&mut Case)) {
    real(async {
        let places = [Placement::Dedicated, Placement::Pool];
        let specs =
            places.iter().flat_map(|place| [puppet("child", place), watched("child", place)]);
        join_all(specs.map(async |spec| {
            let (addr, spec) = (spec.addr(), short(spec));
            let (root, seen) = root(patient(), [spec]);
            let (child, stuck) = (token(&root, "child").await, stick(&addr).await);
            let mut case = Case { root, seen, addr, child, stuck };
            test(&mut case).await;
            let Case { root, seen, stuck, .. } = case;
            stuck.release();
            seen.until("root/child: ChildCameBack").await;
            assert_eq!(status(&root).await.left_behind, 0);
            assert!(root.send(Stop).await.unwrap().is_clean());
        }))
        .await;
    });
}

#[test]
fn a_restart_goes_on_on_another_thread() {
    each_stuck(async |case| {
        let behind = case.addr.send(life());
        assert_eq!(case.root.send(Restart(case.child)).await.unwrap(), Ok(()));
        assert_eq!(behind.await, Ok(2));
        case.seen.until("root/child: StopTimeout").await;
        assert_eq!(status(&case.root).await.left_behind, 1);
    });
}

#[test]
fn a_kill_says_that_it_was_not_in_time_and_the_child_goes_on_elsewhere() {
    each_stuck(async |case| {
        let behind = case.addr.send(life());
        let answer = case.root.send(Kill(case.child)).await.unwrap();
        assert_eq!(answer, Err(ChildError::Timeout));
        case.seen.until("root/child: ChildFailed").await;
        assert_eq!(behind.await, Ok(2));
    });
}

#[test]
fn a_terminate_leaves_it_down_and_a_restart_brings_it_back() {
    each_stuck(async |case| {
        let behind = case.addr.send(life());
        let answer = case.root.send(Terminate(case.child)).await.unwrap();
        assert_eq!(answer, Err(ChildError::Timeout));
        assert_eq!(info(&case.root, "child").await.state, ChildState::Terminated);
        assert_eq!(case.root.send(Restart(case.child)).await.unwrap(), Ok(()));
        assert_eq!(behind.await, Ok(2));
    });
}

#[test]
fn a_removed_one_is_gone_and_its_mailbox_is_closed() {
    each_stuck(async |case| {
        let (token, behind) = (case.child, case.addr.send(life()));
        let waiting = case.root.send(RemoveAndWait { token, timeout: None });
        assert_eq!(waiting.await.unwrap(), Err(RemoveError::Timeout));
        assert_eq!(behind.await, Err(MailboxError::Closed));
        assert!(list(&case.root).await.is_empty());
        assert_eq!(status(&case.root).await.left_behind, 1);
    });
    each_stuck(async |case| {
        assert_eq!(case.root.send(Remove(case.child)).await.unwrap(), Ok(()));
        assert!(list(&case.root).await.is_empty());
        case.seen.until("root/child: ChildEnded").await;
        assert!(!case.addr.connected());
    });
}

/// With each placement that a spec may have in its place, all at the same time.
fn each_replaced(watched_after: bool) {
    let places: [fn(&mut Option<Arbiter>) -> Placement; 4] = [
        |_| Placement::Inline,
        |arbiter| Placement::Arbiter(arbiter.insert(Arbiter::new()).handle()),
        |_| Placement::Dedicated,
        |_| Placement::Pool,
    ];
    thread::scope(|scope| {
        for after in places {
            scope.spawn(move || replaced(watched_after, after));
        }
    });
}

fn replaced(watched_after: bool, after: fn(&mut Option<Arbiter>) -> Placement) {
    let arbiter = Mutex::new(None);
    each_stuck(async |case| {
        let behind = case.addr.send(life());
        let place = after(&mut arbiter.lock().unwrap());
        let spec = match (&place, watched_after) {
            (Placement::Inline, _) | (_, false) => puppet("child", &place),
            (_, true) => watched("child", &place),
        };
        let answer = case.root.send(Replace(case.child, short(spec))).await.unwrap();
        assert!(matches!(answer, Ok(()) | Err(ReplaceError::Child(ChildError::Timeout))));
        assert_eq!(behind.await, Ok(1), "the first one of its spec");
        let here = thread::current().id();
        assert_eq!(thread_of(&case.addr).await == here, matches!(place, Placement::Inline));
    });
}

#[test]
fn a_new_spec_takes_effect_wherever_it_places_the_child() {
    each_replaced(false);
}

#[test]
fn a_new_spec_with_a_watchdog_takes_effect_wherever_it_places_the_child() {
    each_replaced(true);
}

#[test]
fn a_stop_after_a_new_spec_that_places_it_inline_reports_the_thread() {
    each_of_its_own(async |place| {
        let spec = short(puppet("child", &place));
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let (child, stuck) = (token(&root, "child").await, stick(&addr).await);
        root.do_send(Replace(child, short(Puppet::spec("child"))));
        let report = root.send(Stop).await.unwrap();
        assert_eq!(paths(&report), ["root/child"]);
        stuck.release();
    });
}

#[test]
fn a_factory_that_was_replaced_while_it_was_stuck_does_not_come_back() {
    each_of_its_own(async |place| {
        let (block, mut stuck) = Stuck::each_time();
        let old = ChildSpec::actor("child", move |_| {
            block();
            Puppet::new(1)
        });
        let (addr, old) = (old.addr(), short(old.placement(place.clone())));
        let (root, seen) = root(patient(), [old]);
        let child = token(&root, "child").await;
        stuck.is_stuck().await;
        let mut lives = 100;
        let new = ChildSpec::actor("child", move |_| {
            lives += 1;
            Puppet::new(lives)
        });
        let answer = root.send(Replace(child, short(new.placement(place)))).await.unwrap();
        assert!(matches!(answer, Ok(()) | Err(ReplaceError::Child(ChildError::Timeout))));
        assert_eq!(addr.send(life()).await, Ok(101));
        stuck.release();
        seen.until("root/child: ChildCameBack").await;
        addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        assert_eq!(addr.send(life()).await, Ok(102));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

/// Once it is gone, tells so when its thread has nothing more to do about it.
struct Telltale(mpsc::Sender<()>);

impl Actor for Telltale {
    type Context = Context<Self>;
}

impl Drop for Telltale {
    fn drop(&mut self) {
        let gone = self.0.clone();
        Arbiter::current().spawn_fn(move || gone.send(()).unwrap_or_default());
    }
}

#[test]
fn a_removal_with_a_timeout_is_answered_also_where_the_child_is_gone_before_anybody_waits() {
    const LONG: Duration = Duration::from_secs(20);
    real(async {
        let there = Arbiter::new();
        let (gone, is_gone) = mpsc::channel();
        let spec = ChildSpec::actor("child", move |_ctx| Telltale(gone.clone()));
        let addr = spec.addr();
        let spec = spec.placement(Placement::Arbiter(there.handle()));
        let root = Supervisor::new("root").child(spec).start();
        let child = token(&root, "child").await;
        let removal = root.send(RemoveAndWait { token: child, timeout: Some(LONG) });
        // Its supervisor has this in hand next, and nothing else until the child is gone.
        let next = ChildSpec::service("next", move |_stop| {
            is_gone.recv_timeout(LONG).expect("it is removed");
            async {}
        });
        root.send(Add(next)).await.unwrap().unwrap();
        assert_eq!(removal.await.unwrap(), Ok(()));
        assert!(!addr.connected());
        there.stop();
    });
}
