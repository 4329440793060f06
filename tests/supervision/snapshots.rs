//! What List, Status and Tree tell agrees, whatever is going on.

use actix::prelude::*;
use actix_supervisor::{
    Add, CancellationToken, ChildCounts, ChildInfo, ChildKind, ChildSpec, ChildState, Kill, List,
    Remove, Restart, Shutdown, Status, Stop, SupervisedContext, Supervisor, SupervisorState,
    Terminate, Tree, TreeNode,
};

use crate::{
    puppet::{Puppet, tell},
    support::{
        Do, Journal, Probes, exact, fragile, info, list, paused, secs, settle, sleep, start, status,
    },
};

fn counted(children: &[ChildInfo]) -> (ChildCounts, u64) {
    let mut counts = ChildCounts::default();
    for child in children {
        *match child.state {
            ChildState::Starting => &mut counts.starting,
            ChildState::Running => &mut counts.running,
            ChildState::BackingOff => &mut counts.backing_off,
            ChildState::Stopping => &mut counts.stopping,
            ChildState::Terminated => &mut counts.terminated,
        } += 1;
        *match child.kind {
            ChildKind::Actor => &mut counts.actors,
            ChildKind::Service => &mut counts.services,
            ChildKind::Blocking => &mut counts.blocking,
            ChildKind::Supervisor => &mut counts.supervisors,
        } += 1;
    }
    (counts, children.iter().map(|child| child.restarts).sum())
}

/// What a tree tells at one moment agrees.
async fn agree(root: &Addr<Supervisor>) -> ChildCounts {
    let TreeNode { status, children, .. } = root.send(Tree).await.unwrap();
    assert_eq!(counted(&children), (status.children, status.restarts));
    assert_eq!(status.children.total(), children.len());
    assert!(children.is_sorted_by_key(|child| child.token), "in start order");
    status.children
}

/// When nothing goes on, all three messages tell the same.
async fn agree_in_quiet(root: &Addr<Supervisor>) -> ChildCounts {
    settle().await;
    let counts = agree(root).await;
    let (list, status, tree) = (root.send(List), root.send(Status), root.send(Tree));
    let (list, status, tree) = (list.await.unwrap(), status.await.unwrap(), tree.await.unwrap());
    assert!(format!("{list:?}") == format!("{:?}", tree.children), "the list is another one");
    assert_eq!(format!("{status:?}"), format!("{:?}", tree.status));
    counts
}

fn quiet(name: String) -> ChildSpec<actix_supervisor::ServiceActor> {
    ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
}

#[test]
fn counts_and_lists_agree_with_two_thousand_children_some_restarting_and_some_removed() {
    paused(async {
        let journal = Journal::default();
        let root = Supervisor::with_spec("root", exact()).unwrap().start();
        let mut probes = Vec::new();
        for number in 0..1000 {
            let spec = match number % 4 {
                0 => Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(5))),
                1 => Probes::slow("slow", &journal, secs(3)),
                _ => Probes::spec("probe", &journal),
            };
            probes.push(root.send(Add(spec)).await.unwrap().unwrap());
            root.send(Add(quiet(format!("service {number}")))).await.unwrap().unwrap();
        }
        let begun = agree_in_quiet(&root).await;
        assert_eq!((begun.starting, begun.running), (250, 1750));
        let mut asked = Vec::new();
        for (number, probe) in probes.iter().enumerate() {
            let token = probe.token();
            match number % 10 {
                0 | 1 => asked.push(actix::spawn(root.send(Restart(token)))),
                2 | 3 => asked.push(actix::spawn(root.send(Terminate(token)))),
                4 | 5 => root.do_send(Remove(token)),
                6 if number < 500 => asked.push(actix::spawn(root.send(Kill(token)))),
                7 => probe.addr().do_send(Do::Panic),
                _ => {}
            }
            if number % 100 == 0 {
                agree(&root).await;
            }
        }
        let during = agree_in_quiet(&root).await;
        assert_eq!(during.total(), 1800);
        assert!(matches!(status(&root).await.state, SupervisorState::Paused { .. }), "{during:?}");
        assert!(during.stopping > 0 && during.backing_off > 0, "{during:?}");
        for seconds in 1..=40 {
            sleep(secs(1)).await;
            let counts = agree_in_quiet(&root).await;
            assert_eq!(counts.total(), 1800, "after {seconds} s");
        }
        for answer in asked {
            assert_eq!(answer.await.unwrap(), Ok(Ok(())));
        }
        let after = agree(&root).await;
        assert_eq!((after.running, after.terminated, after.services), (1600, 200, 1000));
        let stop = root.send(Stop);
        settle().await;
        agree(&root).await;
        assert!(stop.await.unwrap().is_clean());
    });
}

#[test]
fn a_tree_tells_of_every_level_and_of_a_supervisor_that_is_down_as_a_child_only() {
    paused(async {
        let journal = Journal::default();
        let inner = Supervisor::new("inner").child(Probes::spec("leaf", &journal));
        let middle = Supervisor::new("middle")
            .child(ChildSpec::supervisor(inner))
            .child(quiet("service".to_owned()));
        let other = Supervisor::new("other").child(Probes::spec("leaf", &journal));
        let root = Supervisor::with_spec("root", fragile())
            .unwrap()
            .child(ChildSpec::supervisor(middle))
            .child(Probes::spec("probe", &journal))
            .child(ChildSpec::supervisor(other))
            .start();
        settle().await;
        let tree = root.send(Tree).await.unwrap();
        let names = |children: &[ChildInfo]| {
            children.iter().map(|child| child.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(tree.status.name, "root");
        assert_eq!(names(&tree.children), ["middle", "probe", "other"]);
        let [middle, other] = &tree.supervisors[..] else { panic!("{tree:?}") };
        assert_eq!((&*middle.status.name, &*other.status.name), ("middle", "other"));
        assert_eq!(names(&middle.children), ["inner", "service"]);
        assert_eq!(middle.status.children.supervisors, 1);
        let inner = &middle.supervisors[0];
        assert_eq!((&*inner.status.name, names(&inner.children)), ("inner", vec!["leaf".into()]));
        assert!(inner.supervisors.is_empty());
        assert_eq!(inner.children[0].state, ChildState::Running);

        let middle = list(&root).await[0].token;
        root.send(Kill(middle)).await.unwrap().unwrap();
        let tree = root.send(Tree).await.unwrap();
        assert_eq!(tree.children[0].state, ChildState::BackingOff);
        assert_eq!(tree.supervisors.len(), 1);
        assert_eq!(tree.supervisors[0].status.name, "other");
    });
}

/// Has the puppet ask its supervisor, or the one above, and panic at once. What it is answered.
async fn asked_in_the_same_breath<M>(
    puppet: &Addr<Puppet>,
    of: &Addr<Supervisor>,
    ask: M,
) -> M::Result
where
    M: Message<Result: Send> + Send + 'static,
    Supervisor: Handler<M>,
{
    let (asks, asked) = tokio::sync::oneshot::channel();
    let supervisor = of.clone();
    let poisoned = tell(move |_, _| {
        let _ = asks.send(supervisor.send(ask));
        panic!("in the same breath");
    });
    puppet.send(poisoned).await.unwrap_err();
    asked.await.unwrap().await.unwrap()
}

#[test]
fn a_tree_on_one_thread_is_told_before_what_was_asked_after_it_is_answered() {
    paused(async {
        let below = Supervisor::new("below").child(quiet("service".to_owned()));
        let root = Supervisor::new("root").child(ChildSpec::supervisor(below)).start();
        settle().await;
        let told = Journal::default();
        let (tree, status) = (root.send(Tree), root.send(Status));
        let (first, second) = (told.clone(), told.clone());
        let asked = [
            actix::spawn(async move { first.note(tree.await.unwrap().supervisors[0].to_string()) }),
            actix::spawn(async move { second.note(status.await.unwrap().name) }),
        ];
        for answered in asked {
            answered.await.unwrap();
        }
        let told = told.take();
        assert!(told[0].starts_with("below") && told[1] == "root", "{told:?}");
    });
}

#[test]
fn what_was_sent_before_a_failure_and_is_handled_after_it_knows_of_it() {
    paused(async {
        let puppet = Puppet::spec("puppet");
        let addr = puppet.addr();
        let root = Supervisor::with_spec("root", fragile()).unwrap().child(puppet).start();
        let told = asked_in_the_same_breath(&addr, &root, Status).await;
        assert_eq!((told.failures, told.children.backing_off), (1.0, 1));
        assert!(matches!(told.state, SupervisorState::Paused { .. }));
    });
}

#[test]
fn a_tree_knows_of_a_failure_that_the_supervisor_below_has_yet_to_hear_of() {
    paused(async {
        let puppet = Puppet::spec("puppet");
        let addr = puppet.addr();
        let inner = Supervisor::with_spec("inner", fragile()).unwrap().child(puppet);
        let root = Supervisor::new("root").child(ChildSpec::supervisor(inner)).start();
        let tree = asked_in_the_same_breath(&addr, &root, Tree).await;
        assert_eq!(tree.supervisors[0].status.failures, 1.0);
        assert_eq!(tree.supervisors[0].children[0].state, ChildState::BackingOff);
    });
}

/// So many below each, down to the leaves.
fn bush(name: String, width: usize, levels: u32) -> Supervisor {
    (0..width).fold(Supervisor::new(&name), |top, index| {
        let below = format!("{name}.{index}");
        match levels {
            1 => top.child(quiet(below)),
            _ => top.child(ChildSpec::supervisor(bush(below, width, levels - 1))),
        }
    })
}

fn assert_bushy(node: &TreeNode, name: &str, width: usize, levels: u32) {
    let below: Vec<_> = (0..width).map(|index| format!("{name}.{index}")).collect();
    assert_eq!(node.status.name, name);
    assert!(node.children.iter().map(|child| &child.name).eq(&below));
    match levels {
        1 => assert!(node.supervisors.is_empty()),
        _ => {
            let tokens = node.supervisors.iter().map(|node| node.token);
            assert!(tokens.eq(node.children.iter().map(|child| Some(child.token))));
            for (node, name) in node.supervisors.iter().zip(&below) {
                assert_bushy(node, name, width, levels - 1);
            }
        }
    }
}

#[test]
fn a_tree_of_thousands_is_whole_and_in_start_order() {
    paused(async {
        let root = bush("root".to_owned(), 14, 3).start();
        settle().await;
        assert_bushy(&root.send(Tree).await.unwrap(), "root", 14, 3);
    });
}

#[test]
fn what_is_printed_for_debugging_says_what_it_is() {
    let supervisor = Supervisor::with_spec("workers", exact().max_children(7)).unwrap();
    let printed = format!("{supervisor:?}");
    for part in
        ["Supervisor { name: \"workers\"", "failure_threshold: 5.0", "max_children: Some(7)"]
    {
        assert!(printed.contains(part), "{printed}");
    }
    paused(async {
        let root = start("root", exact());
        let spec = Puppet::spec("child").in_flight(3);
        let printed = format!("{spec:?}");
        assert!(printed.contains("\"child\"") && printed.contains("Some(3)"), "{printed}");
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        let printed = format!("{child:?}");
        assert!(printed.starts_with("Child") && printed.contains("\"child\""), "{printed}");
        let printed = format!("{:?}", info(&root, "child").await);
        assert!(
            printed.contains("name: \"child\"") && printed.contains("addr: AddrRef"),
            "{printed}"
        );
        let printing = tell(|_, ctx| assert_eq!(format!("{:?}", ctx.in_hand()), "InFlight { .. }"));
        assert_eq!(child.addr().send(printing).await, Ok(1));
    });
}
