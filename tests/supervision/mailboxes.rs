//! What becomes of messages, and of addresses, while incarnations come and go.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use actix::{dev::ToEnvelope, prelude::*};
use actix_supervisor::{
    Add, ChildInfo, ChildSpec, Remove, RemoveAndWait, RestartPolicy, ServiceActor, Spec, Stop,
    SupervisedContext, Supervisor, WhileDown,
};

use crate::{
    puppet::{OnDrop, Puppet, Tell, life, tell},
    support::{
        Do, Journal, Probe, Probes, exact, list, now, paused, secs, settle, sleep, start, status,
    },
};

/// A spec that pauses at the first failure.
fn touchy() -> Spec {
    exact().failure_threshold(0.0)
}

fn boom() -> Tell {
    tell(|_, _| panic!("boom"))
}

#[test]
fn only_the_message_in_hand_is_lost_and_its_sender_knows_at_once_also_before_a_pause() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("probe", &journal);
        let addr = spec.addr();
        let _root = Supervisor::with_spec("root", touchy()).unwrap().child(spec).start();
        let before = addr.send(Do::Note(1));
        let poisoned = addr.send(Do::Panic);
        let behind = addr.send(Do::Note(2));
        let begin = now();
        assert_eq!(before.await, Ok(1));
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(now(), begin);
        sleep(secs(5)).await;
        addr.do_send(Do::Note(3));
        let late = addr.send(Do::Note(4));
        assert_eq!((behind.await, late.await), (Ok(2), Ok(2)));
        assert_eq!((now() - begin).as_secs(), 15);
        let handled: Vec<_> =
            journal.take().into_iter().filter(|entry| entry.contains("handled")).collect();
        let handled_in = |number, life| format!("probe: handled {number} in life {life}");
        assert_eq!(
            handled,
            [handled_in(1, 1), handled_in(2, 2), handled_in(3, 2), handled_in(4, 2)]
        );
    });
}

#[test]
fn a_child_that_rejects_while_it_is_down_gives_each_sender_an_error_at_once() {
    paused(async {
        let spec = Puppet::spec("child").while_down(WhileDown::Reject).mailbox_capacity(0);
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", touchy()).unwrap().child(spec).start();
        assert_eq!(addr.send(life()).await, Ok(1));
        let begin = now();
        let poisoned = addr.send(boom());
        let queued: Vec<_> = (0..1000).map(|_| addr.send(life())).collect();
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        for queued in queued {
            assert_eq!(queued.await, Err(MailboxError::Closed));
        }
        for _ in 0..3 {
            assert_eq!(addr.send(life()).await, Err(MailboxError::Closed));
        }
        assert_eq!(now(), begin);
        assert!(addr.connected());
        sleep(secs(16)).await;
        assert_eq!(addr.send(life()).await, Ok(2));

        addr.send(boom()).await.unwrap_err();
        root.send(Stop).await.unwrap();
        assert!(!addr.connected());
    });
}

#[test]
fn a_child_that_rejects_while_it_is_down_keeps_its_messages_over_a_restart_at_once() {
    paused(async {
        let spec = Puppet::spec("child").while_down(WhileDown::Reject);
        let addr = spec.addr();
        let early = addr.send(life());
        let _root = Supervisor::new("root").child(spec).start();
        let poisoned = addr.send(boom());
        let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
        assert_eq!(early.await, Ok(1));
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        for behind in behind {
            assert_eq!(behind.await, Ok(2));
        }
    });
}

#[test]
fn a_broken_incarnation_handles_nothing_more_whatever_stopping_says() {
    let breaks: [fn(&mut Context<Puppet>); 2] = [|_| panic!("boom"), |ctx| ctx.fail("boom")];
    paused(async {
        for break_it in breaks {
            let spec = Puppet::spec("child");
            let (addr, journal) = (spec.addr(), Journal::default());
            let _root = Supervisor::with_spec("root", touchy()).unwrap().child(spec).start();
            let noting = journal.clone();
            let _poisoned = addr.send(tell(move |puppet, ctx| {
                puppet.on_stopping = Box::new(|_| Running::Continue);
                ctx.run_interval(secs(1), move |_, _| noting.note("ticked"));
                ctx.notify(life());
                break_it(ctx);
            }));
            let behind: Vec<_> = (0..10).map(|_| addr.send(life())).collect();
            for behind in behind {
                assert_eq!(behind.await, Ok(2));
            }
            assert_eq!(journal.take(), [""; 0]);
        }
    });
}

#[test]
fn all_addresses_of_a_child_are_equal_in_every_incarnation() {
    paused(async {
        let spec = Puppet::spec("child");
        let addr = spec.addr();
        let root = start("root", exact());
        let child = root.send(Add(spec)).await.unwrap().unwrap();
        assert!(child.addr() == addr && child.clone().addr() == addr);
        for life in 1..=3 {
            let (inside, same) = (addr.clone(), Arc::new(AtomicU32::new(0)));
            let noted = Arc::clone(&same);
            let compare = tell(move |_, ctx| {
                noted.store(u32::from(ctx.address() == inside), Ordering::Relaxed);
            });
            assert_eq!(addr.send(compare).await, Ok(life));
            assert_eq!(same.load(Ordering::Relaxed), 1);
            assert!(list(&root).await[0].addr::<Puppet>() == Some(addr.clone()));
            addr.send(boom()).await.unwrap_err();
        }
    });
}

#[test]
fn a_listed_child_has_an_address_of_its_own_type_until_it_has_ended() {
    paused(async {
        let spec = Puppet::spec("child");
        let addr = spec.addr();
        let root = Supervisor::with_spec("root", touchy()).unwrap().child(spec).start();
        let info: ChildInfo = list(&root).await.remove(0);
        assert!(info.addr::<Puppet>().is_some());
        assert!(info.addr::<Probe>().is_none());
        assert!(info.addr::<ServiceActor>().is_none());
        addr.send(boom()).await.unwrap_err();
        settle().await;
        assert!(info.addr::<Puppet>().is_some(), "a pause is no end");
        root.send(RemoveAndWait { token: info.token, timeout: None }).await.unwrap().unwrap();
        assert!(info.addr::<Puppet>().is_none());
    });
}

#[test]
fn an_address_works_after_a_hundred_restarts_and_from_another_thread() {
    paused(async {
        let spec = Puppet::spec("child");
        let (addr, recipient) = (spec.addr(), spec.addr().recipient::<Tell>());
        let weak = addr.downgrade();
        let settings = exact().failure_threshold(1e9);
        let root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
        for life in 1..=100 {
            assert_eq!(addr.send(tell(|_, ctx| ctx.fail("boom"))).await, Ok(life));
        }
        assert_eq!(addr.send(life()).await, Ok(101));
        assert_eq!(recipient.send(life()).await, Ok(101));
        assert!(weak.upgrade() == Some(addr.clone()));
        let elsewhere = tokio::task::spawn_blocking(move || {
            System::new().block_on(async move {
                addr.send(boom()).await.unwrap_err();
                addr.send(life()).await
            })
        });
        assert_eq!(elsewhere.await.unwrap(), Ok(102));
        assert_eq!(status(&root).await.restarts, 101);
    });
}

/// How many messages go in before it is full, up to a thousand.
fn room<A>(addr: &Addr<A>) -> usize
where
    A: Actor + Handler<Tell>,
    A::Context: ToEnvelope<A, Tell>,
{
    let full = (0..1000).position(|_| matches!(addr.try_send(life()), Err(SendError::Full(_))));
    full.unwrap_or(1000)
}

#[test]
fn a_mailbox_has_the_capacity_that_actix_gives_to_it_in_every_incarnation() {
    paused(async {
        for capacity in [None, Some(0), Some(1), Some(40)] {
            let plain = Puppet::create(|ctx| {
                if let Some(capacity) = capacity {
                    ctx.set_mailbox_capacity(capacity);
                }
                Puppet::new(1)
            });
            let expected = room(&plain);
            assert_eq!(expected == 1000, capacity == Some(0));

            let mut spec = Puppet::spec("child");
            if let Some(capacity) = capacity {
                spec = spec.mailbox_capacity(capacity);
            }
            let addr = spec.addr();
            let _root = Supervisor::new("root").child(spec).start();
            for life_now in 1..=3 {
                assert_eq!(room(&addr.clone()), expected, "{capacity:?}");
                // It goes in all the same.
                addr.do_send(tell(|_, _| panic!("boom")));
                assert_eq!(addr.clone().send(life()).await, Ok(life_now + 1));
            }
        }
    });
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Later(OnDrop);

impl Handler<Later> for Puppet {
    type Result = ResponseActFuture<Self, u32>;

    fn handle(&mut self, Later(guard): Later, _ctx: &mut Self::Context) -> Self::Result {
        let answer = sleep(secs(60)).into_actor(self).map(move |(), puppet, _| {
            let _guard = guard;
            puppet.life
        });
        Box::pin(answer)
    }
}

#[test]
fn the_old_incarnation_is_dropped_with_all_that_it_had_at_the_failure_before_the_next_is_made() {
    paused(async {
        let journal = Journal::default();
        let (made, mut lives) = (journal.clone(), 0);
        let spec = ChildSpec::actor("child", move |_| {
            lives += 1;
            made.note(format!("made {lives}"));
            Puppet::new(lives)
        });
        let addr = spec.addr();
        let _root = Supervisor::with_spec("root", touchy()).unwrap().child(spec).start();
        let noting = |what: &'static str| {
            let journal = journal.clone();
            move || journal.note(what)
        };
        let guard = OnDrop::new(noting("an answer was dropped"));
        let in_flight = addr.send(Later(guard));
        settle().await;
        let held = OnDrop::new(noting("the actor was dropped"));
        let timer = OnDrop::new(noting("a timer was dropped"));
        let future = OnDrop::new(noting("a future was dropped"));
        let late = noting("something ran after its end");
        let poisoned = addr.send(tell(move |puppet, ctx| {
            puppet.holds.push(held);
            let ran = late.clone();
            ctx.run_interval(secs(1), move |_, _| {
                let _ = (&timer, ran());
            });
            let ran = late.clone();
            ctx.spawn(sleep(secs(1)).into_actor(puppet).map(move |(), _, _| {
                let _ = (&future, ran());
            }));
            ctx.add_message_stream(futures::stream::once(async move {
                sleep(secs(1)).await;
                late();
                life()
            }));
            panic!("boom");
        }));
        let begin = now();
        assert_eq!(poisoned.await, Err(MailboxError::Closed));
        assert_eq!(in_flight.await, Err(MailboxError::Closed));
        assert_eq!(now(), begin);
        let mut dropped = journal.take();
        dropped[1..].sort();
        assert_eq!(
            dropped,
            [
                "made 1",
                "a future was dropped",
                "a timer was dropped",
                "an answer was dropped",
                "the actor was dropped",
            ]
        );
        sleep(secs(30)).await;
        assert_eq!(journal.take(), ["made 2"]);
    });
}

#[test]
fn the_mailbox_of_a_child_that_has_ended_is_closed_and_what_is_in_it_gets_an_error() {
    type End = fn(&mut Context<Puppet>);
    let ends: [(RestartPolicy, End); 3] = [
        (RestartPolicy::Temporary, |_| panic!("boom")),
        (RestartPolicy::Transient, |ctx| ctx.stop()),
        (RestartPolicy::Permanent, |ctx| ctx.finish()),
    ];
    paused(async {
        for (policy, end) in ends {
            let spec = Puppet::spec("child").restart(policy);
            let addr = spec.addr();
            let root = Supervisor::new("root").child(spec).start();
            let last = addr.send(tell(move |_, ctx| end(ctx)));
            let behind = addr.send(life());
            assert_eq!(last.await.is_ok(), policy != RestartPolicy::Temporary);
            assert_eq!(behind.await, Err(MailboxError::Closed));
            assert_eq!(addr.send(life()).await, Err(MailboxError::Closed));
            assert!(matches!(addr.try_send(life()), Err(SendError::Closed(_))));
            assert!(!addr.connected());
            assert_eq!(list(&root).await.len(), 0);
        }
        let root = start("root", exact());
        let child = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap();
        let addr = child.addr();
        root.do_send(Remove(child.token()));
        settle().await;
        assert!(!addr.connected());
        assert!(root.send(Remove(child.token())).await.unwrap().is_err());
    });
}

/// Sends itself again when it is dropped and was not handled, but a thousand times at most.
struct Tenacious {
    to: Addr<Puppet>,
    sent: Arc<AtomicU32>,
}

impl Message for Tenacious {
    type Result = ();
}

impl Handler<Tenacious> for Puppet {
    type Result = ();

    fn handle(&mut self, message: Tenacious, _ctx: &mut Self::Context) {
        message.sent.store(u32::MAX, Ordering::Relaxed);
    }
}

impl Drop for Tenacious {
    fn drop(&mut self) {
        if self.sent.load(Ordering::Relaxed) < 1_000 {
            let sent = self.sent.fetch_add(1, Ordering::Relaxed);
            let (to, again) = (self.to.clone(), Arc::clone(&self.sent));
            if self.to.try_send(Self { to, sent: again }).is_err() {
                self.sent.store(sent + 2_000, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn a_message_that_sends_itself_again_finds_the_mailbox_of_what_has_ended_or_was_refused_closed() {
    paused(async {
        for is_refused in [false, true] {
            let root = start("root", exact());
            let spec = Puppet::spec("child").mailbox_capacity(0);
            let (addr, sent) = (spec.addr(), Arc::new(AtomicU32::new(0)));
            addr.do_send(tell(|_, ctx| ctx.finish()));
            addr.do_send(Tenacious { to: addr.clone(), sent: Arc::clone(&sent) });
            let spec = if is_refused { spec.in_flight(0) } else { spec };
            let is_taken_on = root.send(Add(spec)).await.unwrap().is_ok();
            assert_eq!(is_taken_on, !is_refused);
            settle().await;
            assert!(!addr.connected());
            assert_eq!(sent.load(Ordering::Relaxed), 2_000, "tried again once, in vain");
        }
    });
}
