//! What supervisors tell: each decision once, in order, to the hooks and the subscribers of every level.

use std::sync::Arc;

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, EndReason, Event, EventKind, Failure, Kill, Remove, Restart, RestartPolicy,
    Spec, Status, Stop, Subscribe, Supervisor, Terminate,
};

use crate::support::{
    Do, Events, Journal, Probe, Probes, exact, fragile, info, line, list, paused, secs, settle,
    sleep, start, status, token,
};

#[test]
fn each_decision_is_one_event_in_the_order_decided() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let spec = Probes::spec("p", &journal);
        let addr = spec.addr();
        let spec = events.hook(exact().failure_threshold(1.0));
        let root = Supervisor::with_spec("r", spec).unwrap().child(Probes::spec("q", &journal));
        let root = root.start();
        let p = root.send(Add(Probes::spec("p", &journal))).await.unwrap().unwrap();
        drop(addr);
        settle().await;
        let started = ["r: SupervisorStarted", "r/q: ChildStarted", "r/p: ChildStarted"];
        let ready = ["r/q: ChildReady", "r/p: ChildReady"];
        let lines = events.lines();
        assert_eq!(lines.len(), 5);
        for in_order in [&started[..], &ready[..]] {
            let found = lines.iter().filter(|line| in_order.contains(&line.as_str()));
            assert!(found.eq(in_order), "{lines:?}");
        }

        p.addr().send(Do::Panic).await.unwrap_err();
        settle().await;
        let restarted = ["r/p: ChildFailed", "r/p: ChildRestarted", "r/p: ChildReady"];
        assert_eq!(events.lines(), restarted);
        p.addr().send(Do::Fail).await.unwrap();
        sleep(secs(16)).await;
        let paused = ["r/p: ChildFailed", "r: BackoffEntered", "r: BackoffLeft"];
        assert_eq!(events.lines(), [&paused[..], &restarted[1..]].concat());
        root.send(Restart(p.token())).await.unwrap().unwrap();
        settle().await;
        assert_eq!(events.lines(), [&["r/p: ChildStopped"], &restarted[1..]].concat());
        root.send(Terminate(p.token())).await.unwrap().unwrap();
        assert_eq!(events.lines(), ["r/p: ChildStopped"]);
        root.send(Remove(p.token())).await.unwrap().unwrap();
        assert_eq!(events.lines(), ["r/p: ChildEnded"]);
        root.send(Stop).await.unwrap();
        assert_eq!(events.lines(), ["r/q: ChildStopped", "r: SupervisorStopped"]);
    });
}

#[test]
fn a_childs_events_have_its_name_and_token_and_a_failure_tells_of_the_meter() {
    paused(async {
        let events = Events::default();
        let spec = Probes::spec("probe", &Journal::default()).restart(RestartPolicy::Temporary);
        let root = Supervisor::with_spec("root", events.hook(exact())).unwrap().start();
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        child.addr().send(Do::Fail).await.unwrap();
        settle().await;
        let told: Vec<_> = events.take().into_iter().skip(1).map(|event| event.kind).collect();
        for kind in &told {
            let (name, its) = match kind {
                EventKind::ChildStarted { name, token, .. }
                | EventKind::ChildReady { name, token, .. }
                | EventKind::ChildFailed { name, token, .. }
                | EventKind::ChildEnded { name, token, .. } => (name, token),
                other => panic!("{other:?}"),
            };
            assert_eq!((&**name, *its), ("probe", child.token()));
        }
        let EventKind::ChildFailed { failures, threshold, restarting, .. } = told[2] else {
            panic!("{told:?}")
        };
        assert_eq!((failures, threshold, restarting), (0.0, 5.0, false));
        let EventKind::ChildEnded { reason, .. } = &told[3] else { panic!("{told:?}") };
        assert!(matches!(reason, EndReason::Failed(Failure::Error(_))), "{reason:?}");
    });
}

/// root/middle/inner/leaf with hooks at root and middle.
struct Levels {
    root: Addr<Supervisor>,
    middle: Addr<Supervisor>,
    inner: Addr<Supervisor>,
    leaf: Addr<Probe>,
    at_root: Events,
    at_middle: Events,
}

fn levels() -> Levels {
    let (at_root, at_middle) = (Events::default(), Events::default());
    let leaf = Probes::spec("leaf", &Journal::default());
    let leaf_addr = leaf.addr();
    let inner = Supervisor::with_spec("inner", fragile()).unwrap().child(leaf);
    let inner_addr = inner.addr();
    let middle = Supervisor::with_spec("middle", at_middle.hook(exact()))
        .unwrap()
        .child(ChildSpec::supervisor(inner));
    let middle_addr = middle.addr();
    let root = Supervisor::with_spec("root", at_root.hook(exact()))
        .unwrap()
        .child(ChildSpec::supervisor(middle))
        .start();
    let (middle, inner, leaf) = (middle_addr, inner_addr, leaf_addr);
    Levels { root, middle, inner, leaf, at_root, at_middle }
}

#[test]
fn a_path_goes_from_the_hooks_own_supervisor_down_to_what_it_is_about() {
    paused(async {
        let Levels { root, middle, inner, leaf, at_root, at_middle } = levels();
        settle().await;
        let subscribed =
            [Events::of(&inner).await, Events::of(&middle).await, Events::of(&root).await];
        at_root.take();
        at_middle.take();
        leaf.send(Do::Panic).await.unwrap_err();
        settle().await;
        let below = |above: &str| {
            vec![format!("{above}inner/leaf: ChildFailed"), format!("{above}inner: BackoffEntered")]
        };
        assert_eq!(subscribed[0].lines(), below(""));
        assert_eq!(subscribed[1].lines(), below("middle/"));
        assert_eq!(subscribed[2].lines(), below("root/middle/"));
        assert_eq!(at_middle.lines(), below("middle/"));
        assert_eq!(at_root.lines(), below("root/middle/"));

        let other = root.send(Add(Probes::spec("other", &Journal::default()))).await;
        other.unwrap().unwrap();
        settle().await;
        assert_eq!(at_root.lines(), ["root/other: ChildStarted", "root/other: ChildReady"]);
        assert!(at_middle.lines().is_empty(), "its own subtree only");
        root.send(Stop).await.unwrap();
        settle().await;
        let ends = [
            "root/other: ChildStopped",
            "root/middle/inner: SupervisorStopped",
            "root/middle/inner: ChildStopped",
            "root/middle: SupervisorStopped",
            "root/middle: ChildStopped",
            "root: SupervisorStopped",
        ];
        assert_eq!(at_root.lines(), ends);
        assert_eq!(subscribed[0].lines(), ["inner: SupervisorStopped"]);
    });
}

#[test]
fn a_subscription_lasts_over_the_restart_of_its_supervisor() {
    paused(async {
        let Levels { middle, inner, root, .. } = levels();
        let subscribed = Events::of(&inner).await;
        settle().await;
        subscribed.take();
        let token = token(&middle, "inner").await;
        middle.send(Kill(token)).await.unwrap().unwrap();
        settle().await;
        let lines = subscribed.lines();
        let expected = [
            "inner/leaf: ChildStopped",
            "inner: SupervisorStopped",
            "inner: SupervisorStarted",
            "inner/leaf: ChildRestarted",
            "inner/leaf: ChildReady",
        ];
        assert_eq!(lines, expected);
        root.send(Stop).await.unwrap();
    });
}

/// Hears of events until it is told to stop or to panic.
struct Hearer {
    journal: Journal,
    panics: bool,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Actor for Hearer {
    type Context = Context<Self>;
}

impl Handler<Event> for Hearer {
    type Result = ();

    fn handle(&mut self, event: Event, _ctx: &mut Self::Context) {
        self.journal.note(line(&event));
        assert!(!self.panics, "a subscriber panics");
    }
}

impl Handler<Leave> for Hearer {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[test]
fn a_subscriber_that_is_gone_or_panics_harms_nothing() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        let stays = Events::of(&root).await;
        for panics in [true, false] {
            let hearer = Hearer { journal: journal.clone(), panics }.start();
            root.send(Subscribe(hearer.clone().recipient())).await.unwrap();
            if !panics {
                hearer.send(Leave).await.unwrap();
            }
        }
        for name in ["one", "two"] {
            let spec = Probes::spec(name, &Journal::default());
            root.send(Add(spec)).await.unwrap().unwrap();
            settle().await;
        }
        assert_eq!(journal.take(), ["root/one: ChildStarted"], "of the one that panics");
        assert_eq!(stays.lines().len(), 4);
        assert_eq!(status(&root).await.children.running, 2);
    });
}

#[test]
fn a_hook_that_panics_at_each_event_harms_nothing_and_is_called_for_the_next_all_the_same() {
    paused(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let spec = exact().event_hook(move |event| {
            noted.note(line(event));
            panic!("the hook panics");
        });
        let probe = Probes::spec("probe", &Journal::default());
        let addr = probe.addr();
        let root = Supervisor::with_spec("root", spec).unwrap().child(probe).start();
        let subscribed = Events::of(&root).await;
        addr.send(Do::Panic).await.unwrap_err();
        assert_eq!(addr.send(Do::Nothing).await, Ok(2));
        assert!(root.send(Stop).await.unwrap().is_clean());
        settle().await;
        let expected = [
            "root: SupervisorStarted",
            "root/probe: ChildStarted",
            "root/probe: ChildReady",
            "root/probe: ChildFailed",
            "root/probe: ChildRestarted",
            "root/probe: ChildReady",
            "root/probe: ChildStopped",
            "root: SupervisorStopped",
        ];
        assert_eq!(journal.take(), expected);
        assert_eq!(subscribed.lines().last().unwrap(), "root: SupervisorStopped");
    });
}

#[test]
fn a_hook_may_send_to_its_supervisor_whatever_happens_there() {
    paused(async {
        let probe = Probes::spec("probe", &Journal::default());
        let addr = probe.addr();
        let itself = Arc::new(std::sync::OnceLock::<Addr<Supervisor>>::new());
        let sender = Arc::clone(&itself);
        let spec = exact().failure_threshold(1000.0).event_hook(move |event| {
            let Some(root) = sender.get() else { return };
            root.do_send(Status);
            match &event.kind {
                EventKind::ChildFailed { .. } => {
                    root.do_send(Add(Probes::spec("helper", &Journal::default())));
                }
                EventKind::ChildStarted { name, token, .. } if name == "helper" => {
                    root.do_send(Kill(*token));
                    root.do_send(Remove(*token));
                }
                _ => {}
            }
        });
        let root = Supervisor::with_spec("root", spec).unwrap().child(probe);
        itself.set(root.addr()).unwrap();
        let root = root.start();
        for life in 1..=20 {
            assert_eq!(addr.send(Do::Nothing).await, Ok(life));
            addr.send(Do::Panic).await.unwrap_err();
        }
        // A helper is removed when it has been killed; that is a failure, which makes the next one.
        settle().await;
        assert!(info(&root, "probe").await.restarts >= 20);
        let seen = list(&root).await.len();
        assert!(seen >= 1, "it answers");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn an_event_is_one_line_whatever_the_names_hold() {
    paused(async {
        let events = Events::default();
        let hook = events.hook(Spec::default());
        let child = ChildSpec::<Probe>::actor("a\nb\r\u{7}", |_| panic!("one\ntwo"));
        let root = Supervisor::with_spec("new\nline", hook).unwrap().child(child).start();
        settle().await;
        root.send(Stop).await.unwrap();
        let seen = events.take();
        assert!(seen.len() > 10);
        for event in &seen {
            let text = event.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
            assert!(text.starts_with("new\\nline"), "{text:?}");
        }
        let failed = seen.iter().find(|event| matches!(event.kind, EventKind::ChildFailed { .. }));
        assert!(failed.unwrap().to_string().contains("one\\ntwo"));
        assert_eq!(seen[1].path, ["new\nline", "a\nb\r\u{7}"], "as they are");
    });
}

#[test]
fn who_subscribes_twice_is_told_once() {
    paused(async {
        let (journal, events) = (Journal::default(), Events::default());
        let (root, other) = (start("r", exact()), Events::default());
        let (subscriber, another) = (events.recipient(), other.recipient());
        for subscriber in [&subscriber, &another, &subscriber] {
            root.send(Subscribe(subscriber.clone())).await.unwrap();
        }
        root.send(Add(Probes::spec("p", &journal))).await.unwrap().unwrap();
        settle().await;
        assert_eq!(events.lines(), ["r/p: ChildStarted", "r/p: ChildReady"]);
        assert_eq!(other.lines(), ["r/p: ChildStarted", "r/p: ChildReady"]);
    });
}
