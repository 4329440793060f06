//! How children start, and what comes of those that cannot.

use std::{
    fmt::Debug,
    future::pending,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, ChildKind, ChildSpec, ChildState, Failure, RestartPolicy, Spec,
    SpecError, Stop, SupervisedContext, Supervisor, SupervisorState,
};

use crate::{
    puppet::{OnDrop, Puppet, life, tell},
    support::{
        Do, Events, Journal, Probes, boom, exact, failures, list, now, paused, secs, settle, sleep,
        start, states, status,
    },
};

/// What a start can come to grief with, by name; `good_from` is the first life that starts well.
fn spoilt(good_from: u32) -> Vec<(&'static str, ChildSpec<Puppet>)> {
    let spoil = |spoil: fn(&mut Context<Puppet>)| {
        Puppet::starting("bad", move |life, ctx| {
            if life < good_from {
                spoil(ctx);
            }
        })
    };
    let (mut panics, mut errs) = (0, 0);
    vec![
        (
            "panic in the factory",
            ChildSpec::actor("bad", move |_| {
                panics += 1;
                if panics < good_from { boom() } else { Puppet::new(panics) }
            }),
        ),
        (
            "error of the factory",
            ChildSpec::try_actor("bad", move |_| {
                errs += 1;
                if errs < good_from { Err("boom") } else { Ok(Puppet::new(errs)) }
            }),
        ),
        ("panic", spoil(|_| boom())),
        ("error", spoil(|ctx| ctx.fail("boom"))),
        ("stop", spoil(|ctx| ctx.stop())),
        ("terminate", spoil(|ctx| ctx.terminate())),
        ("panic in what it waits for", {
            spoil(|ctx| ctx.wait(fut::ready(()).map(|(), _, _| boom())))
        }),
        ("time-out", { spoil(|ctx| ctx.wait(fut::wrap_future(pending()))).start_timeout(secs(3)) }),
    ]
}

fn is_as_named(failure: &Failure, name: &str) -> bool {
    match failure {
        Failure::Panic(info) => name.starts_with("panic") && info.message == "boom",
        Failure::Error(error) => name.starts_with("error") && error.to_string() == "boom",
        Failure::StartTimeout(limit) => name == "time-out" && *limit == secs(3),
        Failure::Stopped => name == "stop" || name == "terminate",
        _ => false,
    }
}

#[test]
fn declared_and_added_children_run_and_are_listed_in_start_order() {
    paused(async {
        let journal = Journal::default();
        let root = Supervisor::new("root")
            .child(Probes::spec("c", &journal))
            .child(Probes::spec("a", &journal))
            .start();
        let added = root.send(Add(Probes::spec("b", &journal))).await.unwrap().unwrap();
        assert_eq!(added.name(), "b");
        assert_eq!(added.addr().send(Do::Nothing).await, Ok(1));
        let running = |name: &str| (name.to_owned(), ChildState::Running);
        assert_eq!(states(&root).await, [running("c"), running("a"), running("b")]);
        let made = journal.take().into_iter().filter(|entry| entry.contains("made"));
        assert_eq!(made.collect::<Vec<_>>(), ["c: made 1", "a: made 1", "b: made 1"]);

        let listed = list(&root).await;
        assert_eq!(listed[2].token, added.token());
        assert!(listed.iter().all(|child| child.kind == ChildKind::Actor && child.restarts == 0));
        assert!(listed.iter().all(|child| child.last_failure.is_none()));
        let counts = status(&root).await.children;
        assert_eq!((counts.running, counts.actors, counts.total()), (3, 3, 3));
    });
}

#[test]
fn messages_sent_before_the_start_are_handled_after_it_in_order() {
    paused(async {
        let journal = Journal::default();
        let (declared, added) =
            (Probes::spec("declared", &journal), Probes::spec("added", &journal));
        let addrs = [declared.addr(), added.addr()];
        for addr in &addrs {
            addr.do_send(Do::Note(1));
        }
        let answers = addrs.each_ref().map(|addr| addr.send(Do::Note(2)));
        let supervisor = Supervisor::new("root").child(declared);
        let early = supervisor.addr().send(Add(added));
        settle().await;
        assert_eq!(journal.take(), [""; 0]);

        supervisor.start();
        let child = early.await.unwrap().unwrap();
        assert!(child.addr() == addrs[1]);
        for answer in answers {
            assert_eq!(answer.await, Ok(1));
        }
        for name in ["declared", "added"] {
            let first = format!("{name}: handled 1 in life 1");
            let second = format!("{name}: handled 2 in life 1");
            let noted = journal.take();
            let own = noted.iter().filter(|entry| entry.starts_with(name)).cloned();
            let noted_by_others = noted.iter().filter(|entry| !entry.starts_with(name));
            noted_by_others.for_each(|entry| journal.note(entry));
            assert_eq!(own.skip(2).collect::<Vec<_>>(), [first, second]);
        }
    });
}

#[test]
fn a_failed_first_start_answers_its_caller_and_leaves_no_trace() {
    paused(async {
        let policies =
            [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];
        for policy in policies {
            for (how, spec) in spoilt(u32::MAX) {
                let root = start("root", exact());
                let (addr, begin) = (spec.addr(), now());
                let queued = addr.send(life());
                let answer = root.send(AddAndWait(spec.restart(policy))).await.unwrap();
                let Err(AddError::Start(failure)) = answer else { panic!("{how}: {answer:?}") };
                assert!(is_as_named(&failure, how), "{how}: {failure:?}");
                assert_eq!((now() - begin).as_secs(), if how == "time-out" { 3 } else { 0 });
                assert_eq!(queued.await, Err(MailboxError::Closed), "{how}");
                assert!(!addr.connected(), "{how}");
                assert_eq!(states(&root).await, [], "{how}");
                let status = status(&root).await;
                assert_eq!((status.failures, status.restarts), (0.0, 0), "{how}");
                assert_eq!(status.children.total(), 0, "{how}");
                assert_eq!(status.state, SupervisorState::Running, "{how}");
            }
        }
    });
}

#[test]
fn a_first_start_that_ends_well_before_it_is_ready_is_not_told_as_another_childs_failure() {
    paused(async {
        let other = Puppet::spec("other");
        let addr = other.addr();
        let root = Supervisor::new("root").child(other).start();
        addr.send(tell(|_, _| panic!("somebody else's"))).await.unwrap_err();
        settle().await;
        let spec = Puppet::starting("done", |_, ctx| ctx.finish());
        match root.send(AddAndWait(spec)).await.unwrap() {
            Err(AddError::Start(Failure::Stopped)) => {}
            answer => panic!("{answer:?}"),
        }
        assert_eq!(list(&root).await.len(), 1);
    });
}

#[test]
fn a_child_by_add_that_fails_before_it_was_ever_ready_is_restarted_like_any() {
    paused(async {
        for (how, spec) in spoilt(3) {
            let events = Events::default();
            let root = start("root", events.hook(exact()));
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            assert_eq!(child.addr().send(life()).await, Ok(3), "{how}");
            let failed = failures(&events.take());
            assert_eq!(failed.len(), 2, "{how}");
            assert!(failed.iter().all(|failure| is_as_named(failure, how)), "{how}");
            assert_eq!(list(&root).await[0].restarts, 2, "{how}");
        }
    });
}

#[derive(Default)]
struct Ticker(Arc<AtomicU32>);

impl Actor for Ticker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(Duration::from_millis(1), |ticker, _| {
            ticker.0.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// Each is a test of its own, so that none takes long.
fn does_not_spin_the_arbiter(settings: &Spec, is_tried: fn(&str) -> bool) {
    paused(async {
        for (how, spec) in spoilt(u32::MAX).into_iter().filter(|(how, _)| is_tried(how)) {
            let ticker = Ticker::default();
            let ticks = Arc::clone(&ticker.0);
            ticker.start();
            // Else thousands of events are printed.
            let root = start("root", settings.clone().event_hook(|_| {}));
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            for milliseconds in 1..=2 {
                tokio::time::advance(Duration::from_millis(1)).await;
                let mut turns = 0;
                while ticks.load(Ordering::Relaxed) < milliseconds {
                    tokio::task::yield_now().await;
                    turns += 1;
                    assert!(turns < 500, "{how}: no tick {milliseconds}");
                }
            }
            assert_eq!(status(&root).await.children.total(), 1, "{how}");
            assert!(root.send(Stop).await.unwrap().is_clean(), "{how}");
            assert!(!child.addr().connected(), "{how}");
        }
    });
}

#[test]
fn a_child_that_can_never_start_does_not_spin_the_arbiter() {
    does_not_spin_the_arbiter(&exact(), |_| true);
}

#[test]
fn a_child_that_can_never_start_does_not_spin_the_arbiter_where_nothing_pauses() {
    let tireless = Spec::default().failure_threshold(f64::MAX);
    does_not_spin_the_arbiter(&tireless, |how| !how.starts_with("panic"));
}

#[test]
fn a_child_whose_start_panics_does_not_spin_the_arbiter_where_nothing_pauses() {
    let tireless = Spec::default().failure_threshold(f64::MAX);
    does_not_spin_the_arbiter(&tireless, |how| how.starts_with("panic"));
}

#[test]
fn a_child_that_can_never_start_does_not_spin_the_arbiter_where_pauses_take_no_time() {
    does_not_spin_the_arbiter(&exact().failure_backoff(Duration::ZERO), |_| true);
}

fn refused<T: Debug>(answer: Result<T, AddError>) -> SpecError {
    match answer {
        Err(AddError::Spec(error)) => error,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_senseless_spec_is_refused_by_name_wherever_it_is_given() {
    paused(async {
        type Make = fn() -> ChildSpec<Puppet>;
        let table: [(Make, &str, &str); 4] = [
            (|| Puppet::spec(""), "name", "\"\""),
            (|| Puppet::spec("c").start_timeout(Duration::ZERO), "start_timeout", "0ns"),
            (
                || Puppet::spec("c").mailbox_capacity(usize::MAX),
                "mailbox_capacity",
                "18446744073709551615",
            ),
            (
                || Puppet::spec("c").mailbox_capacity(usize::MAX / 4),
                "mailbox_capacity",
                "4611686018427387903",
            ),
        ];
        let root = start("root", exact());
        for (spec, field, value) in table {
            let tried = Supervisor::new("s").try_child(spec()).unwrap_err();
            let added = refused(root.send(Add(spec())).await.unwrap());
            let waited = refused(root.send(AddAndWait(spec())).await.unwrap());
            for error in [&tried, &added, &waited] {
                assert_eq!((error.field, error.value.as_str()), (field, value));
                let text = error.to_string();
                assert!(text.contains(field) && text.contains(error.allowed), "{text}");
            }
            let declare = || Supervisor::new("s").child(spec());
            assert!(std::panic::catch_unwind(declare).is_err(), "{field}");
        }
        assert_eq!(states(&root).await, []);
        assert_eq!(Supervisor::with_spec("", Spec::default()).unwrap_err().field, "name");
        assert!(std::panic::catch_unwind(|| Supervisor::new("")).is_err());
    });
}

#[test]
fn names_may_repeat_and_tokens_do_not() {
    paused(async {
        let root = Supervisor::new("twin").child(Puppet::spec("twin")).start();
        let added = root.send(Add(Puppet::spec("twin"))).await.unwrap().unwrap();
        let listed = list(&root).await;
        assert_eq!(listed.iter().map(|child| &*child.name).collect::<Vec<_>>(), ["twin", "twin"]);
        assert_ne!(listed[0].token, listed[1].token);
        assert_eq!(listed[1].token, added.token());
    });
}

struct Stays(Rc<u32>);

impl Actor for Stays {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

impl Handler<Count> for Stays {
    type Result = u32;

    fn handle(&mut self, Count: Count, _ctx: &mut Self::Context) -> u32 {
        *self.0
    }
}

#[test]
fn an_actor_that_cannot_leave_its_thread_is_added_from_another_one() {
    paused(async {
        let root = start("root", exact());
        let (addr, adder) = (root.clone(), root.clone().recipient::<Add<Stays>>());
        let added = tokio::task::spawn_blocking(move || {
            System::new().block_on(async {
                let first = addr.send(Add(ChildSpec::actor("a", |_| Stays(Rc::new(1))))).await;
                let second = adder.send(Add(ChildSpec::actor("b", |_| Stays(Rc::new(2))))).await;
                let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
                assert_eq!(first.addr().send(Count).await, Ok(1));
                [first, second]
            })
        });
        let [first, second] = added.await.unwrap();
        assert_eq!(first.addr().send(Count).await, Ok(1));
        assert_eq!(second.addr().send(Count).await, Ok(2));
        assert_eq!(list(&root).await.len(), 2);
    });
}

#[test]
fn what_a_failing_factory_has_spawned_is_gone_before_the_next_one_runs() {
    paused(async {
        let journal = Journal::default();
        let (noted, mut lives) = (journal.clone(), 0);
        let spec = ChildSpec::try_actor("late", move |ctx: &mut Context<Puppet>| {
            lives += 1;
            noted.note(format!("factory {lives}"));
            let (dropped, late) = (noted.clone(), noted.clone());
            let guard = OnDrop::new(move || dropped.note("dropped"));
            ctx.run_later(secs(1), move |_, _| {
                let _guard = &guard;
                late.note("a timer of a broken incarnation ran");
            });
            if lives == 1 { Err(io::Error::other("not yet")) } else { Ok(Puppet::new(lives)) }
        });
        let addr = spec.addr();
        let _root = Supervisor::new("root").child(spec).start();
        assert_eq!(addr.send(life()).await, Ok(2));
        assert_eq!(journal.take(), ["factory 1", "dropped", "factory 2"]);
        sleep(secs(2)).await;
        assert_eq!(journal.count("a timer of a broken incarnation ran"), 1);
    });
}
