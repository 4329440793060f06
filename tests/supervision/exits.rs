//! What ends an incarnation, and what comes of it, under each policy: a table.

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, EventKind, Failure, Join,
    RestartPolicy::{self, Permanent, Temporary, Transient},
    SupervisedContext, Supervisor,
};
use futures::stream;

use crate::{
    ends::{Act, As, in_factory, in_started, is, restarts},
    puppet::{OnDrop, Puppet, life, tell},
    support::{
        Events, Journal, exact, failures, list, paused, secs, settle, sleep, states, status,
    },
};

const WHEN_TOLD: [(&str, As, Act); 28] = [
    ("panic in a handler", As::Panic, |_, _| panic!("boom")),
    ("panic in a future it waits for", As::Panic, |_, ctx| {
        ctx.wait(fut::ready(()).map(|(), _, _| panic!("boom")));
    }),
    ("panic in a spawned future", As::Panic, |puppet, ctx| {
        ctx.spawn(sleep(secs(1)).into_actor(puppet).map(|(), _, _| panic!("boom")));
    }),
    ("panic in a plain future of its context", As::Panic, |puppet, ctx| {
        ctx.spawn(async { panic!("boom") }.into_actor(puppet));
    }),
    ("panic in a timer", As::Panic, |_, ctx| {
        ctx.run_later(secs(1), |_, _| panic!("boom"));
    }),
    ("panic in an interval", As::Panic, |_, ctx| {
        ctx.run_interval(secs(1), |_, _| panic!("boom"));
    }),
    ("panic in a stream's handler", As::Panic, |_, ctx| {
        ctx.add_stream(stream::iter([Item::Panic]));
    }),
    ("panic in a stream", As::Panic, |_, ctx| {
        ctx.add_stream(stream::poll_fn(|_| panic!("boom")));
    }),
    ("panic at a stream's end", As::Panic, |_, ctx| {
        ctx.add_stream(stream::iter([]));
    }),
    ("panic in `stopping`", As::Panic, |puppet, ctx| {
        puppet.on_stopping = Box::new(|_| panic!("boom"));
        ctx.stop();
    }),
    ("panic in `stopped`", As::Panic, |puppet, ctx| {
        puppet.on_stopped = Box::new(|| panic!("boom"));
        ctx.stop();
    }),
    ("panic in `Drop`", As::Panic, |puppet, ctx| {
        puppet.holds.push(OnDrop::new(|| panic!("boom")));
        ctx.stop();
    }),
    ("panic in `Drop` after `finish`", As::Panic, |puppet, ctx| {
        puppet.holds.push(OnDrop::new(|| panic!("boom")));
        ctx.finish();
    }),
    ("fail in a handler", As::Error, |_, ctx| ctx.fail("boom")),
    ("fail in a timer", As::Error, |_, ctx| {
        ctx.run_later(secs(1), |_, ctx| ctx.fail("boom"));
    }),
    ("fail in a stream's handler", As::Error, |_, ctx| {
        ctx.add_stream(stream::iter([Item::Fail]));
    }),
    ("fail in `stopping`", As::Error, |puppet, ctx| {
        puppet.on_stopping = Box::new(|ctx| {
            ctx.fail("boom");
            Running::Stop
        });
        ctx.stop();
    }),
    ("fail in `stopping`, which then says `Continue`", As::Error, |puppet, ctx| {
        puppet.on_stopping = Box::new(|ctx| {
            ctx.fail("boom");
            Running::Continue
        });
        ctx.stop();
    }),
    ("fail with a `stopping` that says `Continue`", As::Error, |puppet, ctx| {
        puppet.on_stopping = Box::new(|_| Running::Continue);
        ctx.fail("boom");
    }),
    ("fail, then a panic in `stopped`", As::Error, |puppet, ctx| {
        puppet.on_stopped = Box::new(|| panic!("another"));
        ctx.fail("boom");
    }),
    ("fail twice", As::Error, |_, ctx| {
        ctx.fail("boom");
        ctx.fail("another");
    }),
    ("fail after `finish`", As::Error, |_, ctx| {
        ctx.finish();
        ctx.fail("boom");
    }),
    ("stop", As::Stopped, |_, ctx| ctx.stop()),
    ("terminate", As::Stopped, |_, ctx| ctx.terminate()),
    ("terminate in `stopping`, which then says `Continue`", As::Stopped, |puppet, ctx| {
        puppet.on_stopping = Box::new(|ctx| {
            ctx.terminate();
            Running::Continue
        });
        ctx.stop();
    }),
    ("stop in a timer", As::Stopped, |_, ctx| {
        ctx.run_later(secs(1), |_, ctx| ctx.stop());
    }),
    ("finish", As::Finished, |_, ctx| ctx.finish()),
    ("finish in a timer", As::Finished, |_, ctx| {
        ctx.run_later(secs(1), |_, ctx| ctx.finish());
    }),
];

enum Item {
    Panic,
    Fail,
}

impl StreamHandler<Item> for Puppet {
    fn handle(&mut self, item: Item, ctx: &mut Self::Context) {
        match item {
            Item::Panic => panic!("boom"),
            Item::Fail => ctx.fail("boom"),
        }
    }

    fn finished(&mut self, _ctx: &mut Self::Context) {
        panic!("boom");
    }
}

/// What a puppet may do while it starts, in its first life.
fn when_started() -> Vec<(&'static str, As, ChildSpec<Puppet>)> {
    vec![
        ("panic in `started`", As::Panic, in_started(|_| panic!("boom"))),
        ("fail in `started`", As::Error, in_started(|ctx| ctx.fail("boom"))),
        ("stop in `started`", As::Stopped, in_started(|ctx| ctx.stop())),
        ("terminate in `started`", As::Stopped, in_started(|ctx| ctx.terminate())),
        ("finish in `started`", As::Finished, in_started(|ctx| ctx.finish())),
        ("panic in the factory", As::Panic, in_factory(|_| panic!("boom"))),
        ("error of the factory", As::Error, in_factory(|_| Err("boom"))),
        (
            "fail in the factory",
            As::Error,
            in_factory(|ctx| {
                ctx.fail("boom");
                Ok(())
            }),
        ),
        (
            "stop in the factory",
            As::Stopped,
            in_factory(|ctx| {
                ctx.stop();
                Ok(())
            }),
        ),
        (
            "finish in the factory",
            As::Finished,
            in_factory(|ctx| {
                ctx.finish();
                Ok(())
            }),
        ),
    ]
}

async fn check(how: &str, reported: As, policy: RestartPolicy, spec: ChildSpec<Puppet>, act: Act) {
    let how = format!("{how}, {policy:?}");
    let (events, addr, other) = (Events::default(), spec.addr(), Puppet::spec("other"));
    let others_addr = other.addr();
    let root = Supervisor::with_spec("root", events.hook(exact())).unwrap();
    let root = root.child(other).child(spec.restart(policy)).start();
    let _told = addr
        .send(tell(move |puppet, ctx| {
            if puppet.life == 1 {
                act(puppet, ctx);
            }
        }))
        .await;
    sleep(secs(2)).await;
    settle().await;

    let (told, restarts) = (events.take(), restarts(policy, reported));
    let failed = failures(&told);
    let is_failure = restarts || matches!(reported, As::Panic | As::Error);
    assert_eq!(failed.len(), usize::from(is_failure), "{how}: {failed:?}");
    assert!(failed.iter().all(|failure| is(reported, failure)), "{how}: {failed:?}");
    for event in &told {
        if let EventKind::ChildFailed { name, failures, restarting, threshold, .. } = &event.kind {
            let meter = if restarts { 1.0 } else { 0.0 };
            assert_eq!((*failures, *threshold, *restarting), (meter, 5.0, restarts), "{how}");
            assert_eq!((name.as_str(), event.path.join("/").as_str()), ("bad", "root/bad"));
        }
    }
    let count = |kind: fn(&EventKind) -> bool| told.iter().filter(|e| kind(&e.kind)).count();
    let ended = count(|kind| matches!(kind, EventKind::ChildEnded { .. }));
    let restarted = count(|kind| matches!(kind, EventKind::ChildRestarted { .. }));
    assert_eq!((restarted, ended), (usize::from(restarts), usize::from(!restarts)), "{how}");

    assert_eq!(others_addr.send(life()).await, Ok(1), "{how}");
    let (listed, status) = (list(&root).await, status(&root).await);
    assert_eq!(status.restarts, u64::from(restarts), "{how}");
    assert_eq!(status.failures > 0.0, restarts, "{how}");
    if restarts {
        assert_eq!(addr.send(life()).await, Ok(2), "{how}");
        assert_eq!(listed[1].restarts, 1, "{how}");
        assert!(is(reported, listed[1].last_failure.as_ref().unwrap()), "{how}");
    } else {
        assert_eq!(addr.send(life()).await, Err(MailboxError::Closed), "{how}");
        assert!(!addr.connected(), "{how}");
        assert_eq!(listed.len(), 1, "{how}");
    }
}

#[test]
fn an_end_is_reported_and_followed_as_the_policy_says() {
    paused(async {
        for policy in [Permanent, Transient, Temporary] {
            for (how, reported, act) in WHEN_TOLD {
                check(how, reported, policy, Puppet::spec("bad"), act).await;
            }
            for (how, reported, spec) in when_started() {
                check(how, reported, policy, spec, |_, _| {}).await;
            }
        }
    });
}

#[test]
fn terminate_tree_stops_the_others_and_ends_the_supervisor_whatever_the_policy() {
    let acts: [Act; 3] = [
        |_, ctx| ctx.terminate_tree("boom"),
        |_, ctx| {
            ctx.run_later(secs(1), |_, ctx| ctx.terminate_tree("boom"));
        },
        |puppet, ctx| {
            puppet.on_stopping = Box::new(|_| Running::Continue);
            ctx.terminate_tree("boom");
        },
    ];
    paused(async {
        for policy in [Permanent, Transient, Temporary] {
            for act in acts {
                let journal = Journal::default();
                let (stopped, bad) = (journal.clone(), Puppet::spec("bad").restart(policy));
                let (other, addr) = (Puppet::spec("other"), bad.addr());
                let others_addr = other.addr();
                let root = Supervisor::new("root").child(other).child(bad).start();
                let noting = tell(move |puppet, _| {
                    puppet.on_stopped = Box::new(move || stopped.note("stopped"));
                });
                others_addr.send(noting).await.unwrap();
                let ended = root.send(Join);
                addr.do_send(tell(act));
                match ended.await.unwrap() {
                    Err(failure @ Failure::Error(_)) => assert_eq!(failure.to_string(), "boom"),
                    ended => panic!("{ended:?}"),
                }
                assert_eq!(journal.take(), ["stopped"]);
                assert!(!root.connected() && !addr.connected() && !others_addr.connected());
            }
        }
    });
}

#[test]
fn a_permanent_child_that_stops_for_the_sixth_time_pauses_its_supervisor() {
    paused(async {
        let spec = Puppet::spec("stops");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", exact()).unwrap().child(spec).start();
        for life in 1..=6 {
            assert_eq!(addr.send(tell(|_, ctx| ctx.stop())).await, Ok(life));
        }
        assert_eq!(status(&root).await.failures, 6.0);
        assert_eq!(status(&root).await.children.backing_off, 1);
        assert_eq!(states(&root).await.len(), 1);
    });
}
