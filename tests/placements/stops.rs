//! How children are stopped, wherever they run.

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, ChildState, Kill, Remove, RemoveAndWait, Restart, Shutdown, ShutdownOrder, Stop,
    Supervisor, SupervisorState, Terminate,
};
use futures::{FutureExt, future::join_all};

use crate::{
    place::{each_elsewhere, each_placement, patient, puppet, root, stick},
    puppet::{OnDrop, Puppet, life, tell},
    support::{Journal, info, list, status, token},
};

/// Notes what becomes of it, and on which thread.
async fn note(addr: &Addr<Puppet>, name: &'static str, journal: &Journal) {
    let (stopped, dropped) = (journal.clone(), journal.clone());
    let noting = tell(move |puppet, _| {
        let own = std::thread::current().id();
        puppet.on_stopped = Box::new(move || {
            assert_eq!(std::thread::current().id(), own);
            stopped.note(format!("{name} stopped"));
        });
        puppet.holds.push(OnDrop::new(move || {
            let is_own = std::thread::current().id() == own;
            dropped.note(format!("{name} dropped{}", if is_own { "" } else { " elsewhere" }));
        }));
    });
    addr.send(noting).await.unwrap();
}

#[test]
fn a_stop_ends_them_in_reverse_order_each_on_its_own_thread() {
    each_placement(async |place| {
        for order in [ShutdownOrder::Reverse, ShutdownOrder::Concurrent] {
            let journal = Journal::default();
            let specs = ["a", "b", "c"].map(|name| puppet(name, &place));
            let addrs = specs.each_ref().map(|spec| spec.addr());
            let (root, _seen) = root(patient().shutdown_order(order), specs);
            for (name, addr) in ["a", "b", "c"].into_iter().zip(&addrs) {
                note(addr, name, &journal).await;
            }
            let report = root.send(Stop).await.unwrap();
            assert!(report.is_clean(), "{report}");
            let mut story = journal.take();
            let mut expected: Vec<_> = ["c", "b", "a"]
                .into_iter()
                .flat_map(|name| [format!("{name} stopped"), format!("{name} dropped")])
                .collect();
            if order == ShutdownOrder::Concurrent {
                story.sort();
                expected.sort();
            }
            assert_eq!(story, expected);
            for addr in &addrs {
                assert!(!addr.connected());
                assert_eq!(addr.send(life()).await, Err(MailboxError::Closed));
            }
        }
    });
}

#[test]
fn what_drains_handles_what_is_in_its_mailbox_by_then_and_no_more() {
    each_placement(async |place| {
        let spec = puppet("child", &place).drain(true).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, seen) = root(patient(), [spec]);
        seen.until("root/child: ChildReady").await;
        let queued: Vec<_> = (0..1000).map(|_| addr.send(life())).collect();
        let report = root.send(Stop);
        let (answers, report) = tokio::join!(join_all(queued), report);
        assert!(answers.iter().all(|answer| *answer == Ok(1)));
        assert!(report.unwrap().is_clean());
        assert_eq!(addr.send(life()).await, Err(MailboxError::Closed));
    });
}

#[test]
fn what_refuses_to_stop_is_dropped_at_its_limit_on_its_own_thread() {
    each_placement(async |place| {
        let limit = Shutdown::Timeout(std::time::Duration::from_millis(20));
        let (journal, spec) = (Journal::default(), puppet("child", &place).shutdown(limit));
        let addr = spec.addr();
        let (root, seen) = root(patient(), [spec]);
        note(&addr, "child", &journal).await;
        let refusing = tell(|puppet, _| puppet.on_stopping = Box::new(|_| Running::Continue));
        addr.send(refusing).await.unwrap();
        let report = root.send(Stop).await.unwrap();
        assert!(report.is_clean(), "{report}");
        let event = seen.until("root/child: StopTimeout").await;
        assert!(event.to_string().ends_with("dropped"), "{event}");
        assert_eq!(journal.take(), ["child dropped"]);
    });
}

#[test]
fn each_request_does_what_it_says() {
    each_placement(async |place| {
        let (journal, specs) = (Journal::default(), ["a", "b"].map(|name| puppet(name, &place)));
        let [a, b] = specs.each_ref().map(|spec| spec.addr());
        let (root, seen) = root(patient(), specs);
        let (a_token, b_token) = (token(&root, "a").await, token(&root, "b").await);

        note(&a, "a", &journal).await;
        root.send(Restart(a_token)).await.unwrap().unwrap();
        assert_eq!(journal.take(), ["a stopped", "a dropped"]);
        assert_eq!(a.send(life()).await, Ok(2));

        note(&a, "a", &journal).await;
        root.send(Terminate(a_token)).await.unwrap().unwrap();
        assert_eq!(journal.take(), ["a stopped", "a dropped"]);
        assert_eq!(info(&root, "a").await.state, ChildState::Terminated);
        let waiting = a.send(life());
        root.send(Restart(a_token)).await.unwrap().unwrap();
        assert_eq!(waiting.await, Ok(3));

        note(&a, "a", &journal).await;
        root.send(Kill(a_token)).await.unwrap().unwrap();
        assert_eq!(journal.take(), ["a dropped"], "no hook runs");
        assert_eq!(a.send(life()).await, Ok(4));
        seen.until("root/a: ChildFailed").await;

        note(&a, "a", &journal).await;
        let token = a_token;
        root.send(RemoveAndWait { token, timeout: None }).await.unwrap().unwrap();
        assert_eq!(journal.take(), ["a stopped", "a dropped"]);
        assert!(!a.connected());
        root.send(Remove(b_token)).await.unwrap().unwrap();
        seen.until("root/b: ChildEnded").await;
        assert!(!b.connected());
        assert!(list(&root).await.is_empty());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_request_overtakes_what_waits_behind_a_busy_handler() {
    each_elsewhere(async |place| {
        let spec = puppet("child", &place).mailbox_capacity(0);
        let addr = spec.addr();
        let (root, _seen) = root(patient(), [spec]);
        let token = token(&root, "child").await;
        for life_after in [2, 3] {
            let busy = stick(&addr).await;
            let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
            let asked = actix_rt::spawn(match life_after {
                2 => root.send(Restart(token)).boxed_local(),
                _ => root.send(Kill(token)).boxed_local(),
            });
            assert_eq!(info(&root, "child").await.state, ChildState::Stopping);
            busy.release();
            asked.await.unwrap().unwrap().unwrap();
            assert!(join_all(behind).await.iter().all(|by| *by == Ok(life_after)));
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_busy_member_of_a_pool_that_is_to_stop_takes_no_more_messages() {
    each_elsewhere(async |place| {
        let members = ChildSpec::pool("pool", 1, |_| Puppet::new(1)).placement(place);
        let (addr, members) = (members.addr(), members.mailbox_capacity(0));
        let root = Supervisor::new("root").child(members).start();
        let pool = info(&root, "pool").await.addr::<Supervisor>().unwrap();
        let busy = stick(&addr).await;
        let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
        let stopped = actix_rt::spawn(root.send(Stop));
        while status(&pool).await.state != SupervisorState::Stopping {
            tokio::task::yield_now().await;
        }
        busy.release();
        assert!(stopped.await.unwrap().unwrap().is_clean());
        assert!(join_all(behind).await.iter().all(|end| *end == Err(MailboxError::Closed)));
    });
}
