//! What a supervised actor can do: all that an actor can, and a word to its supervisor.

use std::{collections::HashSet, time::Duration};

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, ChildToken, Failure, Join, Restart, SupervisedContext, Supervisor,
};

use crate::{
    puppet::{Puppet, Tell, life, tell},
    support::{Do, Journal, Probes, exact, list, now, paused, secs, settle, sleep, start, status},
};

fn note_child(journal: &Journal, place: &str, ctx: &Context<Puppet>) {
    let token = ctx.child().map_or("nobody".to_owned(), |token| token.to_string());
    journal.note(format!("{place}: {token}"));
}

#[test]
fn an_actor_knows_its_token_in_every_place_of_every_incarnation() {
    paused(async {
        let journal = Journal::default();
        let (noted, mut lives) = (journal.clone(), 0);
        let spec = ChildSpec::actor("child", move |ctx| {
            lives += 1;
            note_child(&noted, "factory", ctx);
            let mut puppet = Puppet::new(lives);
            let stopping = noted.clone();
            puppet.on_stopping = Box::new(move |ctx| {
                note_child(&stopping, "stopping", ctx);
                Running::Stop
            });
            puppet
        });
        let root = start("root", exact());
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        let token = child.token();
        for _ in 0..2 {
            let noted = journal.clone();
            let told = tell(move |puppet, ctx| {
                note_child(&noted, "handler", ctx);
                let timer = noted.clone();
                ctx.run_later(secs(1), move |_, ctx| note_child(&timer, "timer", ctx));
                let future = noted.clone();
                ctx.spawn(async {}.into_actor(puppet).map(move |(), _, ctx| {
                    note_child(&future, "future", ctx);
                }));
            });
            child.addr().send(told).await.unwrap();
            sleep(secs(2)).await;
            assert_eq!(root.send(Restart(token)).await.unwrap(), Ok(()));
            let noted = journal.take();
            assert!(noted.iter().all(|entry| entry.ends_with(&format!(": {token}"))), "{noted:?}");
            let places: HashSet<_> =
                noted.iter().filter_map(|entry| entry.split(": ").next()).collect();
            let all = ["factory", "handler", "timer", "future", "stopping"];
            assert_eq!(places, HashSet::from(all));
            child.addr().send(life()).await.unwrap();
        }
        assert_eq!(list(&root).await[0].token, token);
    });
}

#[test]
fn an_actor_that_is_not_supervised_is_stopped_by_what_it_says_to_a_supervisor() {
    let words: [fn(&mut Context<Puppet>); 3] =
        [|ctx| ctx.fail("boom"), |ctx| ctx.finish(), |ctx| ctx.terminate_tree("boom")];
    paused(async {
        for word in words {
            let addr = Puppet::new(1).start();
            let alone = tell(|_, ctx| assert_eq!(ctx.child(), None));
            assert_eq!(addr.send(alone).await, Ok(1));
            let journal = Journal::default();
            let stopped = journal.clone();
            let _told = addr.send(tell(move |puppet, ctx| {
                puppet.on_stopped = Box::new(move || stopped.note("stopped"));
                word(ctx);
            }));
            settle().await;
            assert!(!addr.connected());
            assert_eq!(journal.take(), ["stopped"]);
        }
    });
}

#[test]
fn an_unsupervised_actor_made_by_a_supervised_one_is_not_taken_for_it() {
    paused(async {
        let root = start("root", exact());
        let child = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap();
        let journal = Journal::default();
        let noted = journal.clone();
        let make = tell(move |_, ctx| {
            let same_type = Puppet::create(|own| {
                note_child(&noted, "made", own);
                own.fail("its own affair");
                let mut puppet = Puppet::new(100);
                let noted = noted.clone();
                puppet.on_stopped = Box::new(move || noted.note("stopped"));
                puppet
            });
            same_type.do_send(life());
            let lives_on = Puppet::new(200).start();
            lives_on.do_send(tell(|_, ctx| assert_eq!(ctx.child(), None)));
            note_child(&noted, "maker", ctx);
        });
        assert_eq!(child.addr().send(make).await, Ok(1));
        settle().await;
        let maker = format!("maker: {}", child.token());
        assert_eq!(journal.take(), ["made: nobody", maker.as_str(), "stopped"]);
        assert_eq!(child.addr().send(life()).await, Ok(1));
        assert_eq!(status(&root).await.failures, 0.0);
    });
}

#[test]
fn supervised_actors_that_are_made_in_each_others_handlers_keep_their_tokens_apart() {
    paused(async {
        let root = start("root", exact());
        let outer = root.send(Add(Puppet::spec("outer"))).await.unwrap().unwrap();
        let journal = Journal::default();
        let noted = journal.clone();
        let nest = tell(move |_, ctx| {
            let in_factory = noted.clone();
            let inner = ChildSpec::actor("inner", move |own| {
                note_child(&in_factory, "inner", own);
                Puppet::new(1)
            });
            let _started = Supervisor::new("nested").child(inner).start();
            note_child(&noted, "outer", ctx);
        });
        outer.addr().send(nest).await.unwrap();
        settle().await;
        let entries = journal.take();
        let own = format!("outer: {}", outer.token());
        assert_eq!(entries.len(), 2);
        assert!(entries.contains(&own), "{entries:?}");
        let inner = entries.iter().find(|entry| entry.starts_with("inner")).unwrap();
        assert!(inner.starts_with("inner: #"), "{inner}");
        assert_ne!(inner.split_once(' ').unwrap().1, outer.token().to_string());
    });
}

#[test]
fn a_failing_actor_runs_stopped_once_and_is_not_asked_in_stopping() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        let child = root.send(Add(Probes::spec("child", &journal))).await.unwrap().unwrap();
        assert_eq!(child.addr().send(Do::Fail).await, Ok(1));
        assert_eq!(child.addr().send(Do::Nothing).await, Ok(2));
        let entries = journal.take();
        assert_eq!(entries[2..4], ["child: stopped", "child: dropped"]);
        child.addr().do_send(Do::TerminateTree);
        root.send(Join).await.unwrap().unwrap_err();
        assert_eq!(journal.take(), ["child: stopped", "child: dropped"]);
    });
}

#[test]
fn a_stop_that_stopping_refuses_is_none() {
    paused(async {
        let journal = Journal::default();
        let root = start("root", exact());
        let child = root.send(Add(Probes::spec("child", &journal))).await.unwrap().unwrap();
        child.addr().send(Do::RefuseToStop).await.unwrap();
        let stop = child.addr().send(Do::Stop);
        let behind = child.addr().send(Do::Note(1));
        assert_eq!((stop.await, behind.await), (Ok(1), Ok(1)));
        sleep(secs(60)).await;
        assert_eq!(child.addr().send(Do::Nothing).await, Ok(1));
        let entries = journal.take();
        assert_eq!(entries[2..], ["child: stopping", "child: handled 1 in life 1"]);
    });
}

#[test]
fn an_actor_that_cancels_the_handle_of_what_is_running_still_hears() {
    paused(async {
        let root = start("root", exact());
        let child = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap();
        let addr = child.addr();
        for _ in 0..3 {
            let deaf = addr.send(tell(|_, ctx| {
                let running = ctx.handle();
                ctx.cancel_future(running);
            }));
            let behind: Vec<_> = (0..3).map(|_| addr.send(life())).collect();
            assert_eq!(deaf.await, Ok(1));
            for behind in behind {
                assert_eq!(behind.await, Ok(1));
            }
        }
        // The handle of another context may have the same number.
        addr.send(tell(|_, ctx| {
            for _ in 0..10 {
                let handle = ctx.run_later(secs(1), |_, _| {});
                ctx.cancel_future(handle);
            }
            ctx.cancel_future(SpawnHandle::default());
        }))
        .await
        .unwrap();
        assert_eq!(addr.send(life()).await, Ok(1));
        assert_eq!(status(&root).await.failures, 0.0);
        assert_eq!(list(&root).await[0].restarts, 0);
    });
}

#[test]
fn an_actor_that_cancels_a_timer_and_fails_in_the_same_breath_ends() {
    let breaths: [fn(&mut Puppet, &mut Context<Puppet>); 3] = [
        |_, ctx| ctx.fail("boom"),
        |_, ctx| {
            ctx.run_later(secs(1), |_, ctx| {
                let other = ctx.run_later(secs(1), |_, _| {});
                ctx.cancel_future(other);
                ctx.fail("boom");
            });
        },
        |puppet, ctx| {
            let other = ctx.run_interval(secs(60), |_, _| {});
            let cancels = sleep(secs(1)).into_actor(puppet).map(move |(), _, ctx| {
                ctx.cancel_future(other);
                ctx.fail("boom");
            });
            ctx.wait(cancels);
        },
    ];
    paused(async {
        for breath in breaths {
            let root = start("root", exact());
            let child = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap();
            child.addr().send(tell(breath)).await.unwrap();
            sleep(secs(2)).await;
            assert_eq!(child.addr().send(life()).await, Ok(2));
            let failure = list(&root).await.remove(0).last_failure;
            assert!(matches!(failure, Some(Failure::Error(_))), "{failure:?}");
        }
    });
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Atomic;

impl Handler<Atomic> for Puppet {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, Atomic: Atomic, _ctx: &mut Self::Context) -> Self::Result {
        let slow = sleep(secs(3)).into_actor(self).map(|(), puppet, _| puppet.life);
        AtomicResponse::new(Box::pin(slow))
    }
}

#[test]
fn messages_wait_while_their_actor_waits() {
    paused(async {
        let root = start("root", exact());
        let addr = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap().addr();
        let begin = now();
        let answers = [addr.send(Atomic), addr.send(Atomic)];
        let behind = addr.send(life());
        for (index, answer) in (1..).zip(answers) {
            assert_eq!(answer.await, Ok(1));
            assert_eq!((now() - begin).as_secs(), 3 * index);
        }
        assert_eq!(behind.await, Ok(1));
        addr.do_send(tell(|puppet, ctx| {
            ctx.wait(sleep(secs(2)).into_actor(puppet));
        }));
        assert_eq!(addr.send(life()).await, Ok(1));
        assert_eq!((now() - begin).as_secs(), 8);
    });
}

#[test]
fn timers_streams_and_messages_to_itself_work_as_in_any_actor() {
    paused(async {
        let root = start("root", exact());
        let addr = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap().addr();
        let journal = Journal::default();
        for _ in 0..2 {
            let noting = |what: &'static str| {
                let journal = journal.clone();
                tell(move |_, _| journal.note(what))
            };
            let (notified, late, streamed) =
                (noting("notified"), noting("later"), noting("streamed"));
            let (sent, ticks) = (noting("sent"), journal.clone());
            addr.send(tell(move |_, ctx| {
                ctx.address().do_send(sent);
                ctx.notify(notified);
                ctx.notify_later(late, Duration::from_millis(1500));
                ctx.run_interval(secs(1), move |_, _| ticks.note("tick"));
                ctx.add_message_stream(futures::stream::iter([streamed]));
            }))
            .await
            .unwrap();
            settle().await;
            let mut at_once = journal.take();
            at_once.sort();
            assert_eq!(at_once, ["notified", "sent", "streamed"]);
            sleep(secs(2)).await;
            assert_eq!(journal.take(), ["tick", "later", "tick"]);
            addr.send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            sleep(secs(5)).await;
            assert_eq!(journal.take(), [""; 0]);
        }
    });
}

#[test]
fn a_child_runs_on_when_nobody_holds_its_address() {
    paused(async {
        let journal = Journal::default();
        let ticks = journal.clone();
        let spec = Puppet::starting("child", move |_, ctx| {
            let ticks = ticks.clone();
            ctx.run_later(secs(5), move |_, _| ticks.note("tick"));
        });
        let root = Supervisor::new("root").child(spec).start();
        sleep(secs(6)).await;
        assert_eq!(journal.take(), ["tick"]);
        let addr = list(&root).await[0].addr::<Puppet>().unwrap();
        drop(root);
        assert_eq!(addr.recipient::<Tell>().send(life()).await, Ok(1));
    });
}

#[test]
fn tokens_of_two_supervisors_differ() {
    paused(async {
        let mut tokens: HashSet<ChildToken> = HashSet::new();
        for _ in 0..10 {
            let root = start("root", exact());
            for _ in 0..10 {
                tokens.insert(root.send(Add(Puppet::spec("c"))).await.unwrap().unwrap().token());
            }
        }
        assert_eq!(tokens.len(), 100);
    });
}
