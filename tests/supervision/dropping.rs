//! What panics when it is dropped, on ordinary ways: a stop, a removal, an unread answer.

use std::sync::Arc;

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, Backoff, CancellationToken, ChildError, ChildSpec, Decision,
    Failure, Kill, RemoveAndWait, Replace, ReplaceError, RestartPolicy, Shutdown, Stop, Supervisor,
    WhileDown,
};
use tokio::time::timeout;

use crate::{
    puppet::{OnDrop, Puppet, Tell, life, tell},
    support::{exact, list, paused, secs, settle, start, status},
    unwinding::{armed, bomb},
};

#[test]
fn a_drop_that_panics_when_its_actor_is_stopped_removed_killed_or_late_does_no_harm() {
    paused(async {
        let root = Supervisor::with_spec("root", exact()).unwrap().child(Puppet::spec("other"));
        let root = root.start();
        let arm = |puppet: &mut Puppet, _: &mut Context<Puppet>| puppet.holds.push(bomb());
        for shutdown in [Shutdown::Kill, Shutdown::Timeout(secs(1)), Shutdown::Infinite] {
            let spec = Puppet::spec("bad").shutdown(shutdown);
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            child.addr().send(tell(arm)).await.unwrap();
            assert_eq!(root.send(Kill(child.token())).await.unwrap(), Ok(()));
            assert_eq!(child.addr().send(tell(arm)).await, Ok(2));
            let failure = list(&root).await[1].last_failure.clone();
            assert!(matches!(failure, Some(Failure::Killed)), "{failure:?}");
            if shutdown == Shutdown::Timeout(secs(1)) {
                let hang = tell(|puppet, _| puppet.on_stopping = Box::new(|_| Running::Continue));
                child.addr().send(hang).await.unwrap();
            }
            let message = RemoveAndWait { token: child.token(), timeout: None };
            assert_eq!(root.send(message).await.unwrap(), Ok(()));
        }
        let late = Puppet::starting("late", |_, ctx| {
            ctx.wait(fut::wrap_future(armed()));
        });
        let answer = root.send(AddAndWait(late.start_timeout(secs(1)))).await.unwrap();
        assert!(matches!(answer, Err(AddError::Start(Failure::StartTimeout(_)))), "{answer:?}");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_factory_that_panics_when_it_is_dropped_does_no_harm() {
    paused(async {
        let root = start("root", exact());
        for policy in [RestartPolicy::Permanent, RestartPolicy::Temporary] {
            let bomb = bomb();
            let spec = ChildSpec::actor("bad", move |_| {
                let _ = &bomb;
                Puppet::new(1)
            });
            let child = root.send(Add(spec.restart(policy))).await.unwrap().unwrap();
            let behind = child.addr().send(life());
            if policy == RestartPolicy::Permanent {
                let message = RemoveAndWait { token: child.token(), timeout: None };
                assert_eq!(root.send(message).await.unwrap(), Ok(()));
            } else {
                child.addr().send(tell(|_, _| panic!("boom"))).await.unwrap_err();
            }
            let _ = behind.await;
            settle().await;
            assert!(!child.addr().connected());
            assert_eq!(list(&root).await.len(), 0);
        }
        let bomb = bomb();
        let refused = ChildSpec::actor("", move |_| {
            let _ = &bomb;
            Puppet::new(1)
        });
        let answer = root.send(Add(refused)).await.unwrap();
        assert!(matches!(answer, Err(AddError::Spec(_))), "{answer:?}");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_message_that_panics_when_it_is_dropped_leaves_no_other_sender_waiting() {
    paused(async {
        for policy in [WhileDown::Queue, WhileDown::Reject] {
            let root = start("root", exact().failure_threshold(0.0));
            let spec = Puppet::spec("bad").while_down(policy).mailbox_capacity(0);
            let child = root.send(Add(spec)).await.unwrap().unwrap();
            child.addr().do_send(tell(|_, _| panic!("boom")));
            let senders: Vec<_> = (0..300)
                .map(|number| {
                    let bomb = (number % 3 == 0).then(bomb);
                    child.addr().send(tell(move |_, _| drop(bomb)))
                })
                .collect();
            settle().await;
            if policy == WhileDown::Queue {
                assert_eq!(status(&root).await.children.backing_off, 1);
                let message = RemoveAndWait { token: child.token(), timeout: None };
                assert_eq!(root.send(message).await.unwrap(), Ok(()));
            }
            for sender in senders {
                assert_eq!(sender.await, Err(MailboxError::Closed));
            }
            assert_eq!(child.addr().connected(), policy == WhileDown::Reject);
            assert_eq!(list(&root).await.len(), usize::from(policy == WhileDown::Reject));
            assert!(root.send(Stop).await.unwrap().is_clean());
            assert!(!child.addr().connected());
        }
    });
}

#[derive(Message)]
#[rtype(result = "OnDrop")]
struct Answer;

impl Handler<Answer> for Puppet {
    type Result = MessageResult<Answer>;

    fn handle(&mut self, Answer: Answer, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(bomb())
    }
}

#[test]
fn an_answer_that_panics_when_nobody_takes_it_is_a_panic_like_any_other() {
    paused(async {
        let root = start("root", exact());
        let child = root.send(Add(Puppet::spec("bad"))).await.unwrap().unwrap();
        child.addr().do_send(Answer);
        assert_eq!(child.addr().send(life()).await, Ok(2));
        assert_eq!(status(&root).await.restarts, 1);
    });
}

/// A rule that panics when it is dropped.
fn rule() -> impl Fn(&Failure) -> Decision + Send + Sync + 'static {
    let bomb = std::sync::Mutex::new(bomb());
    move |_| {
        let _held = bomb.lock();
        Decision::Restart
    }
}

#[test]
fn rules_that_panic_when_they_are_dropped_change_no_supervisors_end() {
    paused(async {
        let declared = |name| Puppet::spec(name).decide(rule());
        let nested = Supervisor::new("nested").child(declared("c")).child(declared("d"));
        let nested_addr = nested.addr();
        let root = Supervisor::new("root").child(declared("a")).child(declared("b"));
        let root = root.child(ChildSpec::supervisor(nested));
        let addr = root.addr();
        let served = actix_rt::spawn(root.serve());
        for name in ["e", "f"] {
            addr.send(Add(declared(name))).await.unwrap().unwrap();
            nested_addr.send(Add(declared(name))).await.unwrap().unwrap();
        }
        drop(Supervisor::new("never started").child(declared("g")).child(declared("h")));
        assert!(addr.send(Stop).await.unwrap().is_clean());
        assert!(served.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn what_is_replaced_and_what_is_refused_may_panic_when_it_is_dropped() {
    paused(async {
        let root = start("root", exact());
        let spec = || Puppet::spec("a").decide(rule());
        let child = root.send(Add(spec())).await.unwrap().unwrap();
        let armed_spec = || {
            let spec = spec();
            let bomb = bomb();
            spec.addr().do_send(tell(move |_, _| drop(bomb)));
            spec
        };
        assert_eq!(root.send(Replace(child.token(), armed_spec())).await.unwrap(), Ok(()));
        assert_eq!(child.addr().send(life()).await, Ok(1));
        let refused = root.send(Add(armed_spec().give_up_after(0))).await.unwrap();
        assert!(matches!(refused, Err(AddError::Spec(_))), "{refused:?}");
        assert_eq!(status(&root).await.children.running, 1);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

/// Specs with messages in their mailboxes whose `Drop`s panic, and with one more behind those.
struct Loaded {
    bombs: usize,
    /// Else nobody but the spec has its address.
    keeps_addrs: bool,
    addrs: Vec<Addr<Puppet>>,
    behind: Vec<Request<Puppet, Tell>>,
}

impl Loaded {
    fn spec(&mut self, name: &str) -> ChildSpec<Puppet> {
        self.load(Puppet::spec(name))
    }

    fn pool(&mut self, name: &str) -> ChildSpec<Puppet> {
        self.load(ChildSpec::pool(name, 2, |_| Puppet::new(1)))
    }

    fn load(&mut self, spec: ChildSpec<Puppet>) -> ChildSpec<Puppet> {
        for _ in 0..self.bombs {
            let bomb = bomb();
            spec.addr().do_send(tell(move |_, _| drop(bomb)));
        }
        self.behind.push(spec.addr().send(life()));
        self.addrs.extend(self.keeps_addrs.then(|| spec.addr()));
        spec
    }

    /// Fails unless the mailboxes are closed, and the senders of those behind have all been told.
    async fn assert_told(self) {
        assert!(self.addrs.iter().all(|addr| !addr.connected()));
        for (number, behind) in self.behind.into_iter().enumerate() {
            let told = timeout(secs(60), behind).await;
            assert_eq!(told, Ok(Err(MailboxError::Closed)), "{number}, behind {}", self.bombs);
        }
    }
}

#[test]
fn a_mailbox_that_no_child_gets_is_emptied_whatever_its_messages_do_when_they_are_dropped() {
    for (bombs, keeps_addrs) in [(1, true), (1, false), (2, true), (2, false)] {
        paused(async {
            let (addrs, behind) = (Vec::new(), Vec::new());
            let mut loaded = Loaded { bombs, keeps_addrs, addrs, behind };
            let (root, other) = (start("root", exact().max_children(2)), start("other", exact()));
            let child = root.send(Add(Puppet::spec("child"))).await.unwrap().unwrap();
            let refused = root.send(Add(loaded.spec(""))).await.unwrap();
            assert!(matches!(refused, Err(AddError::Spec(_))), "{refused:?}");
            let serve = |stop: CancellationToken| async move { stop.cancelled().await };
            let service = ChildSpec::service("service", serve);
            let service = root.send(Add(service)).await.unwrap().unwrap();
            for one_too_many in [loaded.spec("single"), loaded.pool("pool")] {
                let refused = root.send(AddAndWait(one_too_many)).await.unwrap();
                assert!(matches!(refused, Err(AddError::TooManyChildren { .. })), "{refused:?}");
            }

            let replaced = root.send(Replace(child.token(), loaded.spec("new"))).await.unwrap();
            assert_eq!(replaced, Ok(()));
            let refused = root.send(Replace(child.token(), loaded.spec(""))).await.unwrap();
            assert!(matches!(refused, Err(ReplaceError::Spec(_))), "{refused:?}");
            let refused = root.send(Replace(service.token(), loaded.spec("an actor"))).await;
            assert!(matches!(refused, Ok(Err(ReplaceError::WrongType { .. }))), "{refused:?}");
            let refused = other.send(Replace(child.token(), loaded.spec("elsewhere"))).await;
            assert_eq!(refused, Ok(Err(ReplaceError::Child(ChildError::WrongSupervisor))));

            drop(loaded.spec("nobody's"));
            let declared = [loaded.spec("single"), loaded.pool("pool")];
            drop(declared.into_iter().fold(Supervisor::new("never started"), Supervisor::child));
            for one_too_many in [loaded.spec("single"), loaded.pool("pool")] {
                let full = Supervisor::with_spec("full", exact().max_children(0)).unwrap();
                let refused = full.try_child(one_too_many);
                assert!(refused.is_err_and(|error| error.field == "max_children"));
            }

            assert_eq!(child.addr().send(life()).await, Ok(1));
            let hang = tell(|puppet, _| puppet.on_stopping = Box::new(|_| Running::Continue));
            child.addr().send(hang).await.unwrap();
            let stopped = root.send(Stop);
            for late in [loaded.spec("single"), loaded.pool("pool")] {
                let refused = root.send(Add(late)).await.unwrap();
                assert!(matches!(refused, Err(AddError::Stopping)), "{refused:?}");
            }
            assert!(stopped.await.unwrap().is_clean());
            let gone = root.send(Add(loaded.spec("too late"))).await;
            assert!(matches!(gone, Err(MailboxError::Closed)), "{gone:?}");
            loaded.assert_told().await;
            assert_eq!(status(&other).await.children.running, 0);
        });
    }
}

#[test]
fn of_a_child_that_has_ended_nothing_is_kept() {
    #[derive(Debug, thiserror::Error)]
    #[error("it holds something")]
    struct Holds(Arc<()>);

    paused(async {
        let held = Arc::new(());
        let error = Arc::clone(&held);
        let spec = ChildSpec::service("child", move |_| {
            let error = Holds(Arc::clone(&error));
            async { Err::<(), _>(error) }
        });
        let root = Supervisor::new("root").child(spec.restart(RestartPolicy::Temporary)).start();
        settle().await;
        assert!(list(&root).await.is_empty());
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

/// An error whose `Drop` panics.
#[derive(Debug, thiserror::Error)]
#[error("it is armed")]
struct Armed;

impl Drop for Armed {
    fn drop(&mut self) {
        panic!("and another");
    }
}

#[test]
fn failures_that_panic_when_they_are_dropped_do_no_harm_when_their_supervisor_has_ended() {
    paused(async {
        let failing = |name| {
            let spec = ChildSpec::service(name, |_| async { Err::<(), _>(Armed) });
            spec.backoff(Backoff::constant(secs(60)))
        };
        let nested = Supervisor::new("nested").child(failing("a")).child(failing("b"));
        let nested_addr = nested.addr();
        let nested = ChildSpec::supervisor(nested).restart(RestartPolicy::Transient);
        let root = Supervisor::new("root").child(nested).start();
        settle().await;
        assert_eq!(status(&nested_addr).await.children.backing_off, 2);
        assert!(nested_addr.send(Stop).await.unwrap().is_clean());
        settle().await;
        assert!(list(&root).await.is_empty());
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
