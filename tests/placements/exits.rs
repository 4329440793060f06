//! What ends an incarnation, and what comes of it, under each policy and wherever it runs.

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, Failure, Placement,
    RestartPolicy::{self, Permanent, Temporary, Transient},
    Stop, SupervisedContext, Supervisor,
};

use crate::{
    ends::{Act, As, in_factory, in_started, is, restarts},
    place::{each_placement, failure, patient, puppet, root},
    puppet::{OnDrop, Puppet, life, tell},
    support::status,
};

const WHEN_TOLD: [(&str, As, Act); 10] = [
    ("panic in a handler", As::Panic, |_, _| panic!("boom")),
    ("panic in a spawned future", As::Panic, |puppet, ctx| {
        ctx.spawn(async { tokio::task::yield_now().await }.into_actor(puppet).map(|(), _, _| {
            panic!("boom");
        }));
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
    ("fail in a handler", As::Error, |_, ctx| ctx.fail("boom")),
    ("fail, then a panic in `stopped`", As::Error, |puppet, ctx| {
        puppet.on_stopped = Box::new(|| panic!("another"));
        ctx.fail("boom");
    }),
    ("stop", As::Stopped, |_, ctx| ctx.stop()),
    ("terminate", As::Stopped, |_, ctx| ctx.terminate()),
    ("finish", As::Finished, |_, ctx| ctx.finish()),
];

/// What a puppet may do while it starts, in its first life.
fn when_started() -> Vec<(&'static str, As, ChildSpec<Puppet>)> {
    vec![
        ("panic in `started`", As::Panic, in_started(|_| panic!("boom"))),
        ("fail in `started`", As::Error, in_started(|ctx| ctx.fail("boom"))),
        ("stop in `started`", As::Stopped, in_started(|ctx| ctx.stop())),
        ("finish in `started`", As::Finished, in_started(|ctx| ctx.finish())),
        ("panic in the factory", As::Panic, in_factory(|_| panic!("boom"))),
        ("error of the factory", As::Error, in_factory(|_| Err("boom"))),
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

async fn check(
    place: &Placement,
    policy: RestartPolicy,
    end: (&str, As),
    bad: ChildSpec<Puppet>,
    act: Act,
) {
    let ((how, reported), addr) = (end, bad.addr());
    let how = format!("{how}, {policy:?}");
    let other = puppet("other", place);
    let others_addr = other.addr();
    let bad = bad.restart(policy).placement(place.clone());
    let (root, seen) = root(patient(), [other, bad]);
    addr.do_send(tell(move |puppet, ctx| {
        if puppet.life == 1 {
            act(puppet, ctx);
        }
    }));
    let restarts = restarts(policy, reported);
    if restarts || matches!(reported, As::Panic | As::Error) {
        let event = seen.until("root/bad: ChildFailed").await;
        assert!(is(reported, failure(&event)), "{how}: {event}");
    }
    if restarts {
        assert_eq!(addr.send(life()).await, Ok(2), "{how}");
    } else {
        seen.until("root/bad: ChildEnded").await;
        assert_eq!(addr.send(life()).await, Err(MailboxError::Closed), "{how}");
        assert!(!addr.connected(), "{how}");
    }
    assert_eq!(others_addr.send(life()).await, Ok(1), "{how}");
    let status = status(&root).await;
    assert_eq!(status.restarts, u64::from(restarts), "{how}");
    assert_eq!(status.failures > 0.0, restarts, "{how}");
    assert_eq!(status.children.total(), 1 + usize::from(restarts), "{how}");
    assert!(root.send(Stop).await.unwrap().is_clean(), "{how}");
}

#[test]
fn an_end_is_reported_and_followed_as_the_policy_says() {
    each_placement(async |place| {
        for policy in [Permanent, Transient, Temporary] {
            for (how, reported, act) in WHEN_TOLD {
                check(&place, policy, (how, reported), Puppet::spec("bad"), act).await;
            }
            for (how, reported, spec) in when_started() {
                check(&place, policy, (how, reported), spec, |_, _| {}).await;
            }
        }
    });
}

#[test]
fn terminate_tree_stops_the_others_and_ends_the_supervisor() {
    each_placement(async |place| {
        let (other, bad) = (puppet("other", &place), puppet("bad", &place));
        let (others_addr, addr) = (other.addr(), bad.addr());
        let root = Supervisor::with_spec("root", patient()).unwrap().child(other).child(bad);
        addr.do_send(tell(|_, ctx| ctx.terminate_tree("boom")));
        match root.serve().await {
            Err(failure @ Failure::Error(_)) => assert_eq!(failure.to_string(), "boom"),
            ended => panic!("{ended:?}"),
        }
        assert!(!addr.connected() && !others_addr.connected());
    });
}
