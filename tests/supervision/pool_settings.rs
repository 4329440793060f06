//! What of its supervisor's settings a pool takes over, and what not: who has the pool knows of no supervisor in between.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use actix::prelude::*;
use actix_supervisor::{
    AutoShutdown, ChildSpec, RestartPolicy, Shutdown, ShutdownOrder, Spec, Stop, Strategy,
    SupervisedContext, Supervisor,
};

use crate::{
    puppet::{Puppet, life, tell},
    support::{Events, exact, now, paused, secs, settle, status},
};

/// A pool of so many, and how many members were made.
fn pool_of(size: usize) -> (ChildSpec<Puppet>, Arc<AtomicU32>) {
    let made = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&made);
    let pool = ChildSpec::pool("pool", size, move |_| {
        Puppet::new(counted.fetch_add(1, Ordering::Relaxed) + 1)
    });
    (pool, made)
}

fn pair() -> ChildSpec<Puppet> {
    pool_of(2).0
}

fn root_of(spec: Spec, pool: ChildSpec<Puppet>) -> Addr<Supervisor> {
    Supervisor::with_spec("root", spec.failure_threshold(1_000.0)).unwrap().child(pool).start()
}

#[test]
fn a_member_that_fails_is_restarted_alone_also_where_its_pool_belongs_to_a_group() {
    paused(async {
        let (pool, made) = pool_of(2);
        let addr = pool.addr();
        let _root = root_of(exact().strategy(Strategy::OneForAll), pool);
        settle().await;
        addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
        settle().await;
        assert_eq!(made.load(Ordering::Relaxed), 3, "the other one is still the first");
    });
}

#[test]
fn its_members_stop_at_the_same_time_whatever_the_order_of_others() {
    paused(async {
        let stubborn = || {
            let mut puppet = Puppet::new(1);
            puppet.on_stopping = Box::new(|_| Running::Continue);
            puppet
        };
        let pool = ChildSpec::pool("pair", 2, move |_| stubborn());
        let pool = pool.shutdown(Shutdown::Timeout(secs(2)));
        let root = root_of(exact().shutdown_order(ShutdownOrder::Reverse), pool);
        settle().await;
        let begun = now();
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!((now() - begun).as_secs(), 2);
    });
}

#[test]
fn the_delay_of_a_stop_is_waited_for_once() {
    paused(async {
        let root = root_of(exact().stop_delay(secs(5)), pair());
        settle().await;
        let begun = now();
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!((now() - begun).as_secs(), 5);
    });
}

#[test]
fn each_of_its_events_is_told_to_the_hook_once() {
    paused(async {
        let (spec, events) = Events::hooked(exact());
        let root = root_of(spec, pair());
        settle().await;
        assert!(root.send(Stop).await.unwrap().is_clean());
        let lines = events.lines();
        let ready = lines.iter().filter(|line| line.ends_with(": ChildReady"));
        assert_eq!(ready.count(), 3, "the pool and its two members: {lines:#?}");
    });
}

#[test]
fn a_significant_pool_ends_the_supervisor_with_its_last_member_and_not_with_its_first() {
    paused(async {
        let pool = pair().restart(RestartPolicy::Transient).significant(true);
        let addr = pool.addr();
        let settings = exact().auto_shutdown(AutoShutdown::AnySignificant);
        let root = Supervisor::with_spec("root", settings).unwrap().child(pool);
        let (root, served) = (root.addr(), actix_rt::spawn(root.serve()));
        let finish = || tell(|_, ctx| ctx.finish());
        let _ = addr.send(finish()).await;
        settle().await;
        assert_eq!(status(&root).await.children.running, 1);
        assert!(addr.send(life()).await.is_ok(), "the other one goes on");
        let _ = addr.send(finish()).await;
        assert!(served.await.unwrap().is_ok());
    });
}

#[test]
fn it_has_as_many_members_as_it_is_given_however_few_children_its_supervisor_may_have() {
    paused(async {
        let (pool, made) = pool_of(3);
        let _root = root_of(exact().max_children(1), pool);
        settle().await;
        assert_eq!(made.load(Ordering::Relaxed), 3);
    });
}
