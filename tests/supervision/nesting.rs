//! Groups above and below groups: when a nested one is ready, and what it answers until then.

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, ChildSpec, ChildState, List, Spec, Stop, Strategy, Supervisor,
    SupervisorState, Tree,
};

use crate::support::{
    Do, Journal, Probes, exact, info, now, paused, secs, settle, sleep, states, status,
};

fn all() -> Spec {
    exact().strategy(Strategy::OneForAll)
}

fn supervisor(name: &str, spec: Spec) -> Supervisor {
    Supervisor::with_spec(name, spec).expect("a sensible spec")
}

/// A group of two probes that need two seconds each until they are ready.
fn slow_group(journal: &Journal) -> Supervisor {
    let slow = |name| Probes::slow(name, journal, secs(2));
    supervisor("nested", all()).child(slow("x")).child(slow("y"))
}

fn made(journal: &Journal) -> Vec<String> {
    journal.take().into_iter().filter(|entry| entry.contains("made")).collect()
}

#[test]
fn a_group_waits_until_the_children_of_a_nested_group_are_ready() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        paused(async {
            let journal = Journal::default();
            let root = supervisor("root", exact().strategy(strategy));
            let root = root.child(ChildSpec::supervisor(slow_group(&journal)));
            let root = root.child(Probes::spec("last", &journal)).start();
            settle().await;
            assert_eq!(made(&journal), ["x: made 1"]);
            sleep(secs(2)).await;
            assert_eq!(made(&journal), ["y: made 1"]);
            sleep(secs(1)).await;
            assert_eq!(info(&root, "nested").await.state, ChildState::Starting);
            assert_eq!(made(&journal), [] as [&str; 0]);
            sleep(secs(1)).await;
            assert_eq!(info(&root, "nested").await.state, ChildState::Running);
            assert_eq!(made(&journal), ["last: made 1"]);
        });
    }
}

#[test]
fn a_nested_supervisor_that_restarts_one_by_one_is_ready_when_its_children_were_started() {
    paused(async {
        let journal = Journal::default();
        let nested = supervisor("nested", exact()).child(Probes::slow("x", &journal, secs(60)));
        let root = supervisor("root", all()).child(ChildSpec::supervisor(nested));
        let _root = root.child(Probes::spec("last", &journal)).start();
        settle().await;
        assert_eq!(made(&journal), ["x: made 1", "last: made 1"]);
    });
}

#[test]
fn an_empty_nested_group_is_ready_at_once() {
    paused(async {
        let journal = Journal::default();
        let root = supervisor("root", all()).child(ChildSpec::supervisor(supervisor("n", all())));
        let root = root.child(Probes::spec("last", &journal)).start();
        settle().await;
        assert_eq!(made(&journal), ["last: made 1"]);
        assert_eq!(status(&root).await.children.running, 2);
    });
}

#[test]
fn readiness_goes_up_through_three_levels() {
    paused(async {
        let journal = Journal::default();
        let mid = supervisor("mid", all()).child(ChildSpec::supervisor(slow_group(&journal)));
        let mid = mid.child(Probes::slow("m", &journal, secs(3)));
        let root = supervisor("root", all()).child(ChildSpec::supervisor(mid));
        let root = root.child(Probes::spec("last", &journal)).start();
        sleep(secs(6)).await;
        assert_eq!(made(&journal), ["x: made 1", "y: made 1", "m: made 1"]);
        assert_eq!(info(&root, "mid").await.state, ChildState::Starting);
        sleep(secs(1)).await;
        settle().await;
        assert_eq!(made(&journal), ["last: made 1"]);
    });
}

#[test]
fn a_group_that_is_added_and_waited_for_is_ready_with_all_its_children() {
    paused(async {
        let journal = Journal::default();
        let root = supervisor("root", exact()).start();
        let asked_at = now();
        let nested = ChildSpec::supervisor(slow_group(&journal));
        let added = root.send(AddAndWait(nested)).await.unwrap().unwrap();
        assert_eq!(now() - asked_at, secs(4));
        assert_eq!(status(&added.addr()).await.children.running, 2);
    });
}

#[test]
fn a_nested_group_whose_start_takes_too_long_is_restarted_as_a_whole() {
    paused(async {
        let journal = Journal::default();
        let nested = ChildSpec::supervisor(slow_group(&journal)).start_timeout(secs(3));
        let root = supervisor("root", exact()).child(nested).start();
        sleep(secs(4)).await;
        assert_eq!(
            journal.take(),
            [
                "x: made 1",
                "x: started",
                "y: made 1",
                "y: started",
                "y: dropped",
                "x: dropped",
                "x: made 2",
                "x: started",
            ]
        );
        let failure = info(&root, "nested").await.last_failure.unwrap();
        assert_eq!(failure.to_string(), "not ready within 3s");
    });
}

#[test]
fn a_failure_while_a_nested_group_starts_delays_it_and_is_its_own_affair() {
    paused(async {
        let journal = Journal::default();
        let first = Probes::spec("first", &journal);
        let first_addr = first.addr();
        let nested = supervisor("nested", all()).child(first);
        let nested = nested.child(Probes::slow("x", &journal, secs(2)));
        let root = supervisor("root", all()).child(ChildSpec::supervisor(nested));
        let root = root.child(Probes::spec("last", &journal)).start();
        sleep(secs(1)).await;
        first_addr.do_send(Do::Panic);
        sleep(secs(1)).await;
        assert_eq!(made(&journal), ["first: made 1", "x: made 1", "first: made 2", "x: made 2"]);
        assert_eq!(info(&root, "nested").await.state, ChildState::Starting);
        sleep(secs(1)).await;
        settle().await;
        assert_eq!(made(&journal), ["last: made 1"]);
        assert_eq!(status(&root).await.failures, 0.0);
    });
}

#[test]
fn a_nested_group_answers_while_it_starts() {
    paused(async {
        let journal = Journal::default();
        let nested = slow_group(&journal);
        let nested_addr = nested.addr();
        let root = supervisor("root", all()).child(ChildSpec::supervisor(nested)).start();
        settle().await;
        let asked_at = now();
        let both = ["x", "y"].map(|name| (name.to_owned(), ChildState::Starting));
        assert_eq!(states(&nested_addr).await, both);
        assert_eq!(status(&nested_addr).await.state, SupervisorState::Running);
        assert_eq!(root.send(Tree).await.unwrap().supervisors[0].children.len(), 2);
        let added = nested_addr.send(Add(Probes::spec("z", &journal))).await.unwrap().unwrap();
        assert_eq!(added.addr().send(Do::Nothing).await, Ok(1), "what is added starts at once");
        assert_eq!(now(), asked_at);
        sleep(secs(4)).await;
        assert_eq!(status(&nested_addr).await.children.running, 3);
        assert_eq!(info(&root, "nested").await.state, ChildState::Running);
    });
}

#[test]
fn a_nested_group_that_starts_is_stopped_at_once_and_its_parents_policy_applies() {
    paused(async {
        let journal = Journal::default();
        let nested = slow_group(&journal);
        let nested_addr = nested.addr();
        let root = supervisor("root", all()).child(ChildSpec::supervisor(nested));
        let root = root.child(Probes::spec("last", &journal)).start();
        settle().await;
        let asked_at = now();
        assert!(nested_addr.send(Stop).await.unwrap().is_clean());
        assert_eq!(now(), asked_at);
        // Permanent: it begins anew, and the one behind it still waits for it.
        settle().await;
        assert_eq!(
            journal.take(),
            [
                "x: made 1",
                "x: started",
                "x: stopping",
                "x: stopped",
                "x: dropped",
                "x: made 2",
                "x: started"
            ]
        );
        assert_eq!(info(&root, "nested").await.restarts, 1);
        sleep(secs(4)).await;
        settle().await;
        assert_eq!(made(&journal), ["y: made 1", "last: made 1"]);
    });
}

#[test]
fn a_whole_tree_that_starts_is_stopped_at_once() {
    paused(async {
        let journal = Journal::default();
        let root = supervisor("root", all()).child(ChildSpec::supervisor(slow_group(&journal)));
        let root = root.child(Probes::spec("last", &journal)).start();
        settle().await;
        let asked_at = now();
        assert_eq!(root.send(List).await.unwrap().len(), 2);
        assert!(root.send(Stop).await.unwrap().is_clean());
        assert_eq!(now(), asked_at);
        assert_eq!(made(&journal), ["x: made 1"]);
    });
}
