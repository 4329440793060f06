//! Which threads there are: their names, how they are filled, and when they end.

use std::{collections::HashMap, thread::ThreadId, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    Add, Backoff, ChildSpec, Kill, Placement, RemoveAndWait, Replace, Restart, Stop, Supervisor,
    Terminate,
};

#[cfg(target_os = "linux")]
use crate::seen::threads_named;
use crate::{
    place::{
        Stuck, ask, each_elsewhere, each_of_its_own, each_placement, end_of_thread_of,
        keep_until_the_thread_ends, patient, puppet, root, thread_name_of, thread_of,
    },
    puppet::{OnDrop, Puppet, tell},
    seen::real,
    support::token,
};

/// Waits until the system has cleared up after threads that have ended.
#[cfg(target_os = "linux")]
async fn no_thread_is_named(name: &str) {
    while threads_named(name) > 0 {
        tokio::task::yield_now().await;
    }
}

/// How many of them run on each thread, in no order.
async fn filling(addrs: &[Addr<Puppet>]) -> Vec<usize> {
    let mut threads = HashMap::<ThreadId, usize>::new();
    for addr in addrs {
        *threads.entry(thread_of(addr).await).or_default() += 1;
    }
    let mut filling: Vec<_> = threads.into_values().collect();
    filling.sort_unstable();
    filling
}

#[test]
fn each_runs_where_its_spec_says() {
    each_placement(async |place| {
        let spec = puppet("own", &place);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let here = std::thread::current().id();
        assert_eq!(thread_of(&addr).await == here, matches!(place, Placement::Inline));
        let name = thread_name_of(&addr).await;
        match place {
            Placement::Inline | Placement::Arbiter(_) => {}
            Placement::Dedicated => assert_eq!(name, "own"),
            Placement::Pool => assert_eq!(name, "root-1"),
        }
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn a_name_that_the_system_does_not_take_does_no_harm() {
    each_of_its_own(async |place| {
        for name in ["with\0zero", "\0", "ein sehr langer Name mit Umlauten: äöüß"] {
            let spec = puppet(name, &place);
            let addr = spec.addr();
            let root = Supervisor::new(name).child(spec).start();
            let told = thread_name_of(&addr).await;
            assert!(told.starts_with(&name.replace('\0', "")), "{told}");
            assert!(root.send(Stop).await.unwrap().is_clean());
        }
    });
}

#[test]
fn a_dedicated_thread_is_kept_across_restarts_and_ends_with_its_child() {
    real(async {
        let specs = ["a", "b"].map(|name| puppet(name, &Placement::Dedicated));
        let [a, b] = specs.each_ref().map(|spec| spec.addr());
        let (root, _seen) = root(patient(), specs);
        let a_token = token(&root, "a").await;
        let thread = thread_of(&a).await;
        assert_ne!(thread, thread_of(&b).await);
        let (mut as_end, mut bs_end) = (end_of_thread_of(&a).await, end_of_thread_of(&b).await);
        a.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        assert_eq!(thread_of(&a).await, thread);
        root.send(Kill(a_token)).await.unwrap().unwrap();
        assert_eq!(thread_of(&a).await, thread);
        root.send(Restart(a_token)).await.unwrap().unwrap();
        assert_eq!(thread_of(&a).await, thread);
        root.send(Terminate(a_token)).await.unwrap().unwrap();
        root.send(Restart(a_token)).await.unwrap().unwrap();
        assert_eq!(thread_of(&a).await, thread);
        assert!(as_end.try_recv().is_err());
        root.send(RemoveAndWait { token: a_token, timeout: None }).await.unwrap().unwrap();
        as_end.recv().await.unwrap();
        assert!(bs_end.try_recv().is_err());
        assert!(root.send(Stop).await.unwrap().is_clean());
        bs_end.try_recv().expect("it has ended by then");
    });
}

#[test]
fn a_pool_has_no_more_threads_than_it_may_and_is_filled_evenly() {
    for arbiters in [1, 3, 4] {
        real(async {
            let (root, _seen) = root(patient().arbiters(arbiters), []);
            let (mut addrs, mut tokens) = (Vec::new(), Vec::new());
            for index in 0..12 {
                let spec = puppet(&format!("child {index}"), &Placement::Pool);
                addrs.push(spec.addr());
                tokens.push(root.send(Add(spec)).await.unwrap().unwrap().token());
                let filling = filling(&addrs).await;
                assert_eq!(filling.len(), arbiters.min(index + 1), "{filling:?}");
                assert!(filling.last().unwrap() - filling[0] <= 1, "{filling:?}");
            }
            // What ends makes room, and what comes next takes it.
            for token in tokens.drain(..6) {
                root.send(RemoveAndWait { token, timeout: None }).await.unwrap().unwrap();
            }
            addrs.drain(..6);
            for index in 12..18 {
                let spec = puppet(&format!("child {index}"), &Placement::Pool);
                addrs.push(spec.addr());
                root.send(Add(spec)).await.unwrap().unwrap();
            }
            assert_eq!(filling(&addrs).await, vec![12 / arbiters; arbiters]);
            assert!(root.send(Stop).await.unwrap().is_clean());
        });
    }
}

#[test]
fn a_pool_stays_as_even_as_it_is_when_its_children_restart() {
    real(async {
        let specs = ["a", "b", "c", "d"].map(|name| puppet(name, &Placement::Pool));
        let addrs = specs.each_ref().map(|spec| spec.addr());
        let (root, _seen) = root(patient().arbiters(2), specs);
        assert_eq!(filling(&addrs).await, [2, 2]);
        for addr in addrs.iter().chain(&addrs).rev() {
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            assert_eq!(filling(&addrs).await, [2, 2]);
        }
        for name in ["d", "a", "b", "b", "c", "a"] {
            let token = token(&root, name).await;
            root.send(Restart(token)).await.unwrap().unwrap();
            assert_eq!(filling(&addrs).await, [2, 2]);
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_child_that_is_down_keeps_no_place_in_the_pool() {
    real(async {
        let delay = Backoff::constant(Duration::from_secs(3600));
        let specs = ["a", "b", "c", "d", "e", "f"].map(|name| puppet(name, &Placement::Pool));
        let specs = specs.map(|spec| spec.backoff(delay.clone()));
        let addrs = specs.each_ref().map(|spec| spec.addr());
        let (root, _seen) = root(patient().arbiters(2), specs);
        let mut threads = Vec::new();
        for addr in &addrs {
            threads.push(thread_of(addr).await);
        }
        // All on one of the two threads.
        root.send(Terminate(token(&root, "b").await)).await.unwrap().unwrap();
        root.send(Terminate(token(&root, "d").await)).await.unwrap().unwrap();
        root.send(Kill(token(&root, "f").await)).await.unwrap().unwrap();
        for name in ["g", "h", "i"] {
            let spec = puppet(name, &Placement::Pool);
            let addr = spec.addr();
            root.send(Add(spec)).await.unwrap().unwrap();
            assert_eq!(thread_of(&addr).await, threads[1], "where the fewest are");
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_restart_makes_no_thread_in_a_pool_that_has_an_idle_one() {
    real(async {
        let spec = puppet("child", &Placement::Pool);
        let addr = spec.addr();
        let (root, _seen) = root(patient().arbiters(4), [spec]);
        let thread = thread_of(&addr).await;
        for _ in 0..8 {
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            assert_eq!(thread_of(&addr).await, thread);
        }
        root.send(Stop).await.unwrap();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_pool_starts_with_its_first_child_and_no_thread_is_left_after_a_stop() {
    real(async {
        let spec = patient().arbiters(3);
        let root = Supervisor::with_spec("count-me", spec).unwrap().start();
        let inline = root.send(Add(Puppet::spec("inline"))).await.unwrap().unwrap();
        thread_of(&inline.addr()).await;
        assert_eq!(threads_named("count-me-1"), 0, "nobody needs it");
        let mut ends = Vec::new();
        for index in 0..6 {
            let spec = puppet(&format!("child {index}"), &Placement::Pool);
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            ends.push(end_of_thread_of(&child.addr()).await);
        }
        let named = |number| threads_named(&format!("count-me-{number}"));
        assert_eq!([1, 2, 3, 4].map(named), [1, 1, 1, 0]);
        assert!(root.send(Stop).await.unwrap().is_clean());
        for mut end in ends {
            end.try_recv().expect("it has ended by then");
        }
        for number in 1..=3 {
            no_thread_is_named(&format!("count-me-{number}")).await;
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn restarts_of_a_nested_supervisor_pile_no_threads_up() {
    each_of_its_own(async |place| {
        let leaf = puppet("pile-leaf", &place);
        let addr = leaf.addr();
        let sub = Supervisor::new("pile").child(leaf);
        let sub = ChildSpec::supervisor(sub).placement(place.clone());
        let root = Supervisor::with_spec("pile-root", patient()).unwrap().child(sub).start();
        let token = token(&root, "pile").await;
        for round in 0..20 {
            let mut end = end_of_thread_of(&addr).await;
            match round % 2 {
                0 => root.send(Restart(token)).await.unwrap().unwrap(),
                _ => root.send(Kill(token)).await.unwrap().unwrap(),
            }
            thread_of(&addr).await;
            end.recv().await.unwrap();
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
        for name in ["pile", "pile-leaf", "pile-1", "pile-root-1"] {
            no_thread_is_named(name).await;
        }
    });
}

#[test]
fn a_replaced_spec_moves_it_and_a_thread_of_its_own_ends() {
    each_placement(async |place| {
        let spec = puppet("dedicated", &Placement::Dedicated);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let child = token(&root, "dedicated").await;
        let (before, mut end) = (thread_of(&addr).await, end_of_thread_of(&addr).await);
        root.send(Replace(child, puppet("child", &place))).await.unwrap().unwrap();
        let after = thread_of(&addr).await;
        if matches!(place, Placement::Dedicated) {
            assert_eq!(after, before);
        } else {
            assert_ne!(after, before);
            end.recv().await.unwrap();
        }
        let back = puppet("dedicated", &Placement::Dedicated);
        root.send(Replace(child, back)).await.unwrap().unwrap();
        let name = thread_name_of(&addr).await;
        assert_eq!(name, "dedicated");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_thread_that_takes_long_to_end_holds_up_no_stop() {
    each_elsewhere(async |place| {
        let spec = puppet("child", &place);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let (ends, mut at_the_end) = tokio::sync::mpsc::unbounded_channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let last = OnDrop::new(move || {
            let _ = ends.send(());
            let _ = released.recv();
        });
        addr.send(tell(|_, _| keep_until_the_thread_ends(last))).await.unwrap();
        let report = root.send(Stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
        if !matches!(place, Placement::Arbiter(_)) {
            at_the_end.recv().await.unwrap();
        }
        drop(release);
    });
}

#[test]
fn a_stop_waits_for_the_ends_of_threads() {
    real(async {
        let spec = puppet("child", &Placement::Dedicated);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let (block, mut stuck) = Stuck::each_time();
        ask(&addr, |_, _| keep_until_the_thread_ends(OnDrop::new(block))).await;
        // While somebody is busy, no time passes on a clock that is paused: it waits for as long as it takes.
        tokio::time::pause();
        let busy = actix_rt::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let stopped = actix_rt::spawn(root.send(Stop));
        stuck.is_stuck().await;
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(!stopped.is_finished());
        stuck.release();
        assert!(stopped.await.unwrap().unwrap().is_clean());
        busy.abort();
    });
}
