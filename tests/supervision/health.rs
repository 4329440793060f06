//! Whether a tree is ready, and what is wrong if not.

use actix::{fut::wrap_future, prelude::*};
use actix_supervisor::{
    Add, AddAndWait, Backoff, ChildSpec, Failure, Health, HealthReport, OnLimit, Placement, Remove,
    Restart, Resume, Shutdown, ShutdownOrder, Spec, StartFailure, Stop, SupervisedContext,
    Supervisor, Terminate, Tree, Why,
};

use crate::{
    puppet::{Puppet, tell},
    support::{
        Do, Journal, Probe, Probes, boom, exact, fragile, info, list, paused, secs, settle, sleep,
        start, token,
    },
};

async fn health(of: &Addr<Supervisor>) -> HealthReport {
    of.send(Health).await.expect("it runs")
}

/// As one line.
async fn told(of: &Addr<Supervisor>) -> String {
    health(of).await.to_string()
}

fn supervisor(name: &str, spec: Spec) -> Supervisor {
    Supervisor::with_spec(name, spec).expect("a sensible spec")
}

#[test]
fn a_tree_is_ready_when_all_that_is_essential_is_at_any_depth() {
    paused(async {
        let journal = Journal::default();
        let store = Probes::slow("store", &journal, secs(2)).essential(true);
        let cache = Probes::slow("cache", &journal, secs(60));
        let below = supervisor("below", exact()).child(cache).child(store);
        let above = supervisor("above", exact()).child(ChildSpec::supervisor(below));
        let root = supervisor("root", exact()).child(ChildSpec::supervisor(above)).start();
        settle().await;
        assert_eq!(told(&root).await, "not ready: root/above/below/store is starting");
        sleep(secs(2)).await;
        assert_eq!(told(&root).await, "ready");
        assert_eq!(root.send(Stop).await.map(|report| report.is_clean()), Ok(true));
    });
}

#[test]
fn a_list_says_what_is_essential_by_itself_or_for_what_is_below_it() {
    paused(async {
        let journal = Journal::default();
        let store = Probes::spec("store", &journal).essential(true);
        let (below, idle) = (supervisor("below", exact()).child(store), Supervisor::new("idle"));
        let root = supervisor("root", exact())
            .child(ChildSpec::supervisor(below))
            .child(ChildSpec::supervisor(idle))
            .child(Probes::spec("cache", &journal))
            .child(Probes::spec("server", &journal).essential(true));
        let root = root.start();
        settle().await;
        let marked = list(&root).await.into_iter().filter(|child| child.essential);
        assert_eq!(marked.map(|child| child.name).collect::<Vec<_>>(), ["below", "server"]);
        let tree = root.send(Tree).await.unwrap();
        assert!(tree.supervisors[0].children[0].essential, "{tree}");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn each_reason_is_told_with_its_path() {
    paused(async {
        let journal = Journal::default();
        let probe = |name| Probes::spec(name, &journal).essential(true);
        let (down, terminated) = (probe("down").backoff(Backoff::constant(secs(9))), probe("off"));
        let lost = probe("lost").give_up_after(1);
        let addrs = [down.addr(), lost.addr()];
        let root = supervisor("root", exact());
        let root = root.child(down).child(terminated).child(lost).child(probe("well")).start();
        settle().await;
        assert!(health(&root).await.ready);

        for addr in addrs {
            addr.send(Do::Fail).await.unwrap();
        }
        let off = token(&root, "off").await;
        root.send(Terminate(off)).await.unwrap().unwrap();
        let report = health(&root).await;
        assert!(!report.ready && report.live);
        let paths: Vec<_> = report.wrong.iter().map(|trouble| trouble.path.join("/")).collect();
        assert_eq!(paths, ["root/lost", "root/down", "root/off"]);
        let due = info(&root, "down").await.next_start;
        assert!(matches!(
            &report.wrong[1].why,
            Why::Down { last_failure: Some(Failure::Error(_)), next_start, .. } if *next_start == due
        ));
        let all = "root/lost has failed for good: told to fail; root/down is down: told to fail; \
                   root/off was stopped on request";
        assert_eq!(report.to_string(), format!("not ready: {all}"));
        sleep(secs(9)).await;
        root.send(Restart(off)).await.unwrap().unwrap();
        assert_eq!(told(&root).await, "not ready: root/lost has failed for good: told to fail");
    });
}

#[test]
fn what_has_failed_for_good_is_missed_also_after_a_restart_of_its_supervisor() {
    paused(async {
        let journal = Journal::default();
        let lost = Probes::spec("lost", &journal).essential(true).give_up_after(1);
        let (lost_addr, kept) = (lost.addr(), Probes::spec("kept", &journal).essential(true));
        let kept_addr = kept.addr();
        let below = supervisor("below", exact()).child(lost).child(kept);
        let root = supervisor("root", exact()).child(ChildSpec::supervisor(below)).start();
        lost_addr.send(Do::Fail).await.unwrap();
        let wrong = "not ready: root/below/lost has failed for good: told to fail";
        assert_eq!(told(&root).await, wrong);
        root.send(Restart(token(&root, "below").await)).await.unwrap().unwrap();
        assert_eq!(kept_addr.send(Do::Nothing).await, Ok(2));
        settle().await;
        assert_eq!(told(&root).await, wrong);
    });
}

#[test]
fn a_pause_above_something_essential_makes_a_tree_not_ready() {
    paused(async {
        let journal = Journal::default();
        let (frail, well) = (Probes::spec("frail", &journal), Probes::spec("well", &journal));
        let frail_addr = frail.addr();
        let below = supervisor("below", exact()).child(well.essential(true));
        let root = supervisor("root", fragile());
        let root = root.child(ChildSpec::supervisor(below)).child(frail).start();
        settle().await;
        assert!(health(&root).await.ready);
        frail_addr.send(Do::Fail).await.unwrap();
        assert_eq!(told(&root).await, "not ready: root pauses all restarts");
        root.send(Resume).await.unwrap();
        assert!(health(&root).await.ready);
    });
}

#[test]
fn a_supervisor_that_is_down_takes_what_is_essential_below_it_along() {
    paused(async {
        let journal = Journal::default();
        let bomb = Probes::spec("bomb", &journal);
        let addr = bomb.addr();
        let below = supervisor("below", exact());
        let below = below.child(Probes::spec("store", &journal).essential(true));
        let escalates = fragile().on_limit(OnLimit::Escalate);
        let middle =
            supervisor("middle", escalates).child(ChildSpec::supervisor(below)).child(bomb);
        let nested = ChildSpec::supervisor(middle).backoff(Backoff::constant(secs(5)));
        let root = supervisor("root", exact()).child(nested).start();
        settle().await;
        assert!(health(&root).await.ready);
        addr.send(Do::Fail).await.unwrap();
        settle().await;
        let wrong =
            "not ready: root/middle is down: middle gave up over its child bomb: told to fail";
        assert_eq!(told(&root).await, wrong);
        sleep(secs(6)).await;
        assert_eq!(told(&root).await, "ready");
    });
}

#[test]
fn what_is_added_counts_while_it_is_there() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        assert!(health(&root).await.ready);
        let spec = Probes::slow("late", &journal, secs(1)).essential(true);
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        assert!(!health(&root).await.ready);
        sleep(secs(1)).await;
        assert!(health(&root).await.ready);
        root.send(Remove(child.token())).await.unwrap().unwrap();
        assert!(health(&root).await.ready);
    });
}

#[test]
fn a_pool_is_ready_as_long_as_one_of_its_members_is() {
    paused(async {
        let journal = Journal::default();
        let mut make = Probe::maker("worker", &journal);
        let pool = ChildSpec::pool("pool", 2, move |_| make()).essential(true);
        let addr = pool.addr();
        let root =
            supervisor("root", fragile()).child(pool.backoff(Backoff::constant(secs(1)))).start();
        settle().await;
        assert!(health(&root).await.ready);
        addr.send(Do::Fail).await.unwrap();
        assert_eq!(
            told(&root).await,
            "ready",
            "the other one takes the messages; and no pause is above"
        );
        addr.send(Do::Fail).await.unwrap();
        assert_eq!(told(&root).await, "not ready: root/pool pauses all restarts");
    });
}

#[test]
fn a_pool_of_which_nobody_starts_is_not_ready_if_it_is_essential() {
    paused(async {
        let pool = |name| {
            ChildSpec::pool(name, 2, |_ctx| -> Probe { boom() })
                .backoff(Backoff::constant(secs(60)))
        };
        let root = supervisor("root", exact()).child(pool("spare")).start();
        settle().await;
        assert_eq!(told(&root).await, "ready", "nobody has said that it matters");
        let essential = root.send(AddAndWait(pool("pool").essential(true))).await.unwrap().unwrap();
        let wrong = health(&root).await.wrong;
        assert_eq!(wrong.len(), 2);
        assert!(wrong.iter().all(|member| matches!(member.why, Why::Down { .. })), "{wrong:?}");
        assert_eq!(wrong[0].path[..2], ["root", "pool"]);
        root.send(Remove(essential.token())).await.unwrap().unwrap();
        settle().await;
        assert_eq!(told(&root).await, "ready");
    });
}

#[test]
fn a_pool_whose_last_member_was_removed_is_stopping() {
    paused(async {
        let pool = ChildSpec::pool("pool", 1, |_ctx| Puppet::new(1)).essential(true);
        let addr = pool.addr();
        let root = supervisor("root", exact()).child(pool).start();
        settle().await;
        let works = tell(|_, ctx| {
            let in_hand = ctx.in_hand();
            ctx.spawn(wrap_future(async move {
                sleep(secs(2)).await;
                drop(in_hand);
            }));
        });
        addr.send(works).await.unwrap();
        let below = list(&root).await[0].addr::<Supervisor>().expect("it is one");
        let member = list(&below).await[0].token;
        below.send(Remove(member)).await.unwrap().unwrap();
        assert_eq!(told(&root).await, "not ready: root/pool is stopping");
        sleep(secs(3)).await;
        assert_eq!(told(&root).await, "ready", "there is none");
    });
}

#[test]
fn readiness_falls_first_at_a_stop_and_children_stop_after_the_delay() {
    paused(async {
        let journal = Journal::default();
        let probe = Probes::spec("probe", &journal).essential(true);
        let addr = probe.addr();
        let root = supervisor("root", exact().stop_delay(secs(5))).child(probe).start();
        settle().await;
        assert!(health(&root).await.ready);
        journal.take();
        let stop = root.send(Stop);
        let stop = actix::spawn(stop);
        settle().await;
        assert_eq!(told(&root).await, "not ready: root is stopping");
        assert_eq!(addr.send(Do::Fail).await, Ok(1));
        sleep(secs(4)).await;
        assert_eq!(addr.send(Do::Nothing).await, Ok(2), "what fails meanwhile is restarted");
        assert!(!journal.take().contains(&"probe: stopping".to_owned()));
        sleep(secs(1)).await;
        assert_eq!(journal.take(), ["probe: stopping", "probe: stopped", "probe: dropped"]);
        assert!(stop.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn a_failure_tells_whether_its_supervisor_was_ever_ready() {
    paused(async {
        for first_start_fails in [true, false] {
            let journal = Journal::default();
            let mut make = Probe::maker("store", &journal);
            let store = ChildSpec::try_actor("store", move |_| match first_start_fails {
                true => Err("no database"),
                false => Ok(make()),
            });
            let addr = store.addr();
            let escalates = exact().start_failure(StartFailure::Escalate).failure_threshold(0.0);
            let escalates = escalates.on_limit(OnLimit::Escalate);
            let below = supervisor("below", escalates.clone()).child(store.essential(true));
            let root = supervisor("root", escalates).child(ChildSpec::supervisor(below));
            let ended = actix::spawn(root.serve());
            settle().await;
            addr.do_send(Do::Fail);
            match ended.await.unwrap() {
                Err(Failure::LimitReached { at_start, .. }) => {
                    assert_eq!(at_start, first_start_fails);
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn the_worst_case_of_a_stop_is_the_sum_of_the_limits_or_the_longest_one() {
    let journal = Journal::default();
    let probe =
        |name: &str, limit| Probes::spec(name, &journal).shutdown(Shutdown::Timeout(secs(limit)));
    let below = |spec: Spec| {
        let below = supervisor("below", spec.stop_delay(secs(1)));
        ChildSpec::supervisor(below.child(probe("a", 2)).child(probe("b", 4)))
    };
    let at_once = || exact().shutdown_order(ShutdownOrder::Concurrent);
    let root = |spec: Spec| supervisor("root", spec.stop_delay(secs(10)));
    let worst = |root: Supervisor| root.worst_case_stop();
    assert_eq!(worst(root(exact())), Some(secs(10)));
    assert_eq!(worst(root(exact()).child(below(exact())).child(probe("c", 20))), Some(secs(37)));
    assert_eq!(worst(root(exact()).child(below(at_once())).child(probe("c", 20))), Some(secs(35)));
    assert_eq!(worst(root(at_once()).child(below(exact())).child(probe("c", 20))), Some(secs(30)));
    let limited = below(exact()).shutdown(Shutdown::Timeout(secs(3)));
    assert_eq!(worst(root(exact()).child(limited)), Some(secs(13)));
    let by_default = Probes::spec("default", &journal);
    assert_eq!(worst(root(exact().shutdown_timeout(secs(3))).child(by_default)), Some(secs(13)));
    let killed = Probes::spec("killed", &journal).shutdown(Shutdown::Kill);
    assert_eq!(worst(root(exact()).child(killed)), Some(secs(10)));
    let endless = Probes::spec("endless", &journal).shutdown(Shutdown::Infinite);
    assert_eq!(worst(root(exact()).child(below(exact())).child(endless)), None);
}

#[test]
fn the_worst_case_of_a_stop_knows_of_threads_and_pools() {
    let journal = Journal::default();
    let limit = Shutdown::Timeout(secs(2));
    let dedicated = Probes::spec("own", &journal).placement(Placement::Dedicated);
    // After its limit it is killed, which may show only after a second that it is stuck.
    let root = Supervisor::new("root").child(dedicated.shutdown(limit));
    assert_eq!(root.worst_case_stop(), Some(secs(3)));
    let mut make = Probe::maker("worker", &journal);
    let pool = ChildSpec::pool("pool", 5, move |_| make()).shutdown(limit);
    assert_eq!(Supervisor::new("root").child(pool).worst_case_stop(), Some(secs(2)));

    // A nested supervisor on a thread of its own may be stuck, with all limits below it.
    let below = || Supervisor::new("below").child(Probes::spec("a", &journal).shutdown(limit));
    let worst =
        |below: ChildSpec<Supervisor>| Supervisor::new("root").child(below).worst_case_stop();
    let dedicated = || ChildSpec::supervisor(below()).placement(Placement::Dedicated);
    assert_eq!(worst(ChildSpec::supervisor(below())), Some(secs(2)));
    assert_eq!(worst(dedicated()), None);
    assert_eq!(worst(dedicated().shutdown(Shutdown::Timeout(secs(1)))), Some(secs(11)));
    // One that is killed waits for what it has on other threads.
    let own = Probes::spec("own", &journal).shutdown(limit).placement(Placement::Dedicated);
    let killed = ChildSpec::supervisor(Supervisor::new("below").child(own));
    assert_eq!(worst(killed.shutdown(Shutdown::Timeout(secs(1)))), Some(secs(2)));
}
