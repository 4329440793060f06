//! A supervisor that stops while threads are stuck, with a watchdog and without one.

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, Kill, Placement, RemoveAndWait, Shutdown, ShutdownOrder, Stop, Supervisor, Tree,
    TreeNode,
};

use crate::{
    place::{Stuck, by_turns_elsewhere, each_elsewhere, patient, puppet, root, stick, watched},
    puppet::{Puppet, life},
    seen::paths,
    support::{now, secs, status, token},
};

const SHORT: Shutdown = Shutdown::Timeout(std::time::Duration::from_millis(20));

#[test]
fn a_stop_goes_on_without_a_stuck_thread_and_reports_it() {
    each_elsewhere(async |place| {
        let kinds = [puppet("child", &place).shutdown(SHORT), watched("child", &place)];
        for spec in kinds.into_iter().map(|spec| spec.mailbox_capacity(0)) {
            let addr = spec.addr();
            let (root, seen) = root(patient(), [spec, Puppet::spec("inline")]);
            let stuck = stick(&addr).await;
            let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
            let report = root.send(Stop).await.unwrap();
            assert_eq!(paths(&report), ["root/child"]);
            for behind in behind {
                assert_eq!(behind.await, Err(MailboxError::Closed));
            }
            seen.until("root/child: StopTimeout").await;
            assert!(!addr.connected());
            stuck.release();
        }
    });
}

#[test]
fn threads_that_never_come_back_are_counted_and_reported_one_by_one() {
    each_elsewhere(async |place| {
        let names = ["a", "b", "c"];
        let arbiters = names.map(|_| Arbiter::new());
        let specs: Vec<_> = names
            .into_iter()
            .zip(&arbiters)
            .map(|(name, arbiter)| match place {
                Placement::Arbiter(_) => watched(name, &Placement::Arbiter(arbiter.handle())),
                _ => watched(name, &place),
            })
            .map(|spec| spec.restart(actix_supervisor::RestartPolicy::Temporary))
            .collect();
        let addrs: Vec<_> = specs.iter().map(ChildSpec::addr).collect();
        let settings = patient().arbiters(3).shutdown_order(ShutdownOrder::Concurrent);
        let (root, seen) = root(settings, specs);
        let mut kept = Vec::new();
        for (count, (name, addr)) in names.into_iter().zip(&addrs).enumerate() {
            kept.push(stick(addr).await);
            seen.until(&format!("root/{name}: ChildEnded")).await;
            assert_eq!(status(&root).await.left_behind, count + 1);
        }
        let report = root.send(Stop).await.unwrap();
        assert_eq!(report.threads, 3);
        let mut left = paths(&report);
        left.sort();
        assert_eq!(left, ["root/a", "root/b", "root/c"]);
        drop(kept);
    });
}

#[test]
fn a_stuck_thread_below_is_reported_by_each_level_with_its_whole_path() {
    each_elsewhere(async |place| {
        let leaf = puppet("leaf", &place).shutdown(SHORT);
        let addr = leaf.addr();
        let sub = Supervisor::with_spec("sub", patient()).unwrap().child(leaf);
        let (sub_addr, sub) = (sub.addr(), ChildSpec::supervisor(sub));
        let root = Supervisor::new("root").child(sub.placement(Placement::Dedicated)).start();
        let stuck = stick(&addr).await;
        let below = sub_addr.send(actix_supervisor::Join);
        let report = root.send(Stop).await.unwrap();
        assert_eq!(paths(&report), ["root/sub/leaf"]);
        assert_eq!(paths(&below.await.unwrap().unwrap()), ["sub/leaf"]);
        stuck.release();
    });
}

#[test]
fn what_a_removed_supervisor_has_left_behind_is_counted_until_it_returns() {
    each_elsewhere(async |place| {
        let leaf = puppet("leaf", &place).shutdown(SHORT);
        let addr = leaf.addr();
        let sub = ChildSpec::supervisor(Supervisor::new("sub").child(leaf));
        let root = Supervisor::new("root").child(sub).start();
        let sub = token(&root, "sub").await;
        let (block, mut stuck) = Stuck::new();
        let (dropped, mut drops) = tokio::sync::mpsc::unbounded_channel();
        let held = crate::puppet::OnDrop::new(move || {
            let _ = dropped.send(());
        });
        addr.do_send(crate::puppet::tell(move |puppet, _| {
            puppet.holds.push(held);
            block();
        }));
        stuck.is_stuck().await;
        root.send(RemoveAndWait { token: sub, timeout: None }).await.unwrap().unwrap();
        assert_eq!(status(&root).await.left_behind, 1);
        stuck.release();
        drops.recv().await.unwrap();
        while status(&root).await.left_behind > 0 {
            tokio::task::yield_now().await;
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_supervisor_on_a_stuck_thread_is_left_behind_and_holds_up_no_stop() {
    by_turns_elsewhere(async |place| {
        // On the same thread as its supervisor.
        let leaf = Puppet::spec("leaf");
        let addr = leaf.addr();
        let sub = ChildSpec::supervisor(Supervisor::new("sub").child(leaf));
        let sub = sub.placement(place.clone()).shutdown(SHORT);
        let root = Supervisor::new("root").child(sub).start();
        let stuck = stick(&addr).await;
        // The ten seconds that it is given to end those below it. Nobody but the root has anything to do in them.
        tokio::time::pause();
        let asked = now();
        let report = root.send(Stop).await.unwrap();
        assert_eq!(paths(&report), ["root/sub"]);
        // Not for the end of the thread as well.
        assert!(now() - asked < secs(11), "{:?}", now() - asked);
        stuck.release();
    });
}

#[test]
fn a_kill_from_above_goes_on_without_a_stuck_thread() {
    each_elsewhere(async |place| {
        let leaf = puppet("leaf", &place).shutdown(Shutdown::Timeout(secs(100_000)));
        let (addr, sub) = (leaf.addr(), Supervisor::with_spec("sub", patient()).unwrap());
        let sub = ChildSpec::supervisor(sub.child(leaf));
        let root = Supervisor::with_spec("root", patient()).unwrap().child(sub).start();
        let sub = token(&root, "sub").await;
        let stuck = stick(&addr).await;
        let behind = addr.send(life());
        root.send(Kill(sub)).await.unwrap().unwrap();
        let fresh = match place {
            Placement::Dedicated | Placement::Pool => Some(behind.await.unwrap()),
            Placement::Inline | Placement::Arbiter(_) => None,
        };
        assert!(fresh.is_none_or(|lives| lives == 2), "{fresh:?}");
        stuck.release();
        assert_eq!(addr.send(life()).await, Ok(2));
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn a_tree_is_told_without_a_supervisor_whose_thread_is_stuck_at_whatever_depth() {
    each_elsewhere(async |place| {
        let (leaf, a) = (Puppet::spec("leaf"), Puppet::spec("a"));
        let (addr, as_addr, free) = (leaf.addr(), a.addr(), Supervisor::new("free").child(a));
        let stuck = ChildSpec::supervisor(Supervisor::new("stuck").child(leaf));
        let middle =
            Supervisor::new("middle").child(stuck.placement(place.clone()).shutdown(SHORT));
        let middle = ChildSpec::supervisor(middle.child(ChildSpec::supervisor(free)));
        let root = Supervisor::new("root").child(middle.placement(Placement::Dedicated)).start();
        let names = |node: &TreeNode| -> Vec<String> {
            node.supervisors.iter().map(|node| node.status.name.clone()).collect()
        };
        assert_eq!(as_addr.send(life()).await, Ok(1));
        assert_eq!(addr.send(life()).await, Ok(1));
        let tree = root.send(Tree).await.unwrap();
        assert_eq!(names(&tree.supervisors[0]), ["stuck", "free"]);
        assert!(tree.supervisors[0].unanswered.is_empty());

        let stuck = stick(&addr).await;
        let tree = root.send(Tree).await.unwrap();
        assert!(tree.unanswered.is_empty());
        let middle = &tree.supervisors[0];
        assert_eq!(names(middle), ["free"]);
        let silent = middle.children.iter().find(|child| child.name == "stuck").unwrap();
        assert_eq!(middle.unanswered, [silent.token]);
        stuck.release();
        assert_eq!(addr.send(life()).await, Ok(1));
        let tree = root.send(Tree).await.unwrap();
        assert_eq!(names(&tree.supervisors[0]), ["stuck", "free"]);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
