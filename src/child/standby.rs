//! A child's task between two incarnations.
//!
//! Most children that fail are started again as soon as their supervisor hears of it. Their task stands by until then: to end it
//! and to spawn another one took a sixth of a restart. Meanwhile it has the incarnation that has ended, and that is where
//! the next one is left for it.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use actix::{Actor, Context};

use super::{incarnation::Incarnation, kept::Kept, link::Link, runner::Launch};
use crate::policy::{ExitClass, RestartPolicy};

impl<A: Actor<Context = Context<A>>> Incarnation<A> {
    /// It has ended by itself, in this way. Whether its task is to stand by.
    pub(super) fn is_to_stand_by(&self, exit: ExitClass) -> bool {
        let stands_by = self.link.parent.is_some() && self.policy.restarts(exit);
        self.stands_by.store(stands_by, Ordering::Relaxed);
        stands_by
    }

    /// Whether its task waits for what is to follow.
    pub(super) fn stands_by(&self) -> bool {
        self.stands_by.load(Ordering::Relaxed)
    }

    /// The next one starts in its task.
    pub(super) fn is_followed_by(
        &self,
        kept: Arc<Kept<A>>,
        link: Link,
        policy: RestartPolicy,
    ) -> Arc<Self> {
        let mut slots = self.slots();
        let next = Incarnation::here(kept, link, policy, slots.waker.clone());
        slots.next = Launch::of(Arc::clone(&next));
        self.stands_by.store(false, Ordering::Relaxed);
        if let Some(waker) = &slots.waker {
            waker.wake_by_ref();
        }
        next
    }

    /// What its task is to do next.
    pub(super) fn next(&self) -> Poll<Launch<A>> {
        let next = mem::take(&mut self.slots().next);
        match next.is_nothing() && self.stands_by() {
            true => Poll::Pending,
            false => Poll::Ready(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicUsize};

    use actix::{ActorContext, System};
    use tokio::{
        sync::mpsc::{UnboundedReceiver, unbounded_channel},
        task::{self, LocalSet, yield_now},
    };

    use super::*;
    use crate::{
        child::{Alike, ChildSpec, Desk, Handle, Link, Notice, Parent, kept::AnyKept},
        failure::Failure,
        policy::{ExitClass, RestartPolicy},
        record::Span,
        spec::Spec,
    };

    /// Stops when it has started, and writes down in which task that was.
    struct Mayfly(Arc<Mutex<Vec<task::Id>>>);

    impl Actor for Mayfly {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            self.0.lock().unwrap().push(task::id());
            ctx.stop();
        }
    }

    struct Child {
        kept: Arc<dyn AnyKept>,
        policy: RestartPolicy,
        /// How often it was made.
        made: Arc<AtomicUsize>,
        tasks: Arc<Mutex<Vec<task::Id>>>,
    }

    impl Child {
        fn new(policy: RestartPolicy) -> Self {
            let tasks = Arc::<Mutex<Vec<_>>>::default();
            let made = Arc::<AtomicUsize>::default();
            let (written, counted) = (Arc::clone(&tasks), Arc::clone(&made));
            let spec = ChildSpec::actor("mayfly", move |_ctx| {
                counted.fetch_add(1, Ordering::Relaxed);
                Mayfly(Arc::clone(&written))
            });
            let taken = spec.restart(policy).take_on(&Spec::default(), &mut Alike::default());
            let Ok((taken_on, _)) = taken else { panic!("it makes sense") };
            Self { kept: taken_on.kept, policy, made, tasks }
        }

        fn tasks(&self) -> Vec<task::Id> {
            self.tasks.lock().unwrap().clone()
        }

        /// Whether there is a task that has to do with it.
        fn has_a_task(&self) -> bool {
            Arc::strong_count(&self.kept) > 1
        }
    }

    /// A supervisor, as far as it is needed here.
    struct Above {
        desk: Arc<Desk>,
        inbox: UnboundedReceiver<Notice>,
        life: u64,
        last: Option<Arc<dyn Handle>>,
    }

    impl Above {
        fn new() -> Self {
            let (outbox, inbox) = unbounded_channel();
            Self { desk: Desk::new(1, outbox), inbox, life: 0, last: None }
        }

        fn link(&mut self) -> Link {
            self.life += 1;
            let desk = Arc::clone(&self.desk);
            let parent = Some(Parent { desk, child: 0, life: self.life });
            Link { parent, span: Span::of_child(|| "above".to_owned(), "mayfly", self.life) }
        }

        fn start(&mut self, child: &Child) -> &dyn Handle {
            let link = self.link();
            let (kept, last) = (Arc::clone(&child.kept), self.last.take());
            &**self.last.insert(kept.start(link, child.policy, last))
        }

        /// How the incarnation that was started last has ended.
        async fn end(&mut self) -> (ExitClass, Option<Arc<Failure>>) {
            loop {
                match self.inbox.recv().await.expect("this one has its outbox") {
                    Notice::Exited { life, exit, failure, .. } if life == self.life => {
                        return (exit, failure);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn what_is_started_again_at_once_goes_on_in_its_task() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
            for _ in 0..3 {
                above.start(&child);
                assert_eq!(above.end().await.0, ExitClass::Stopped);
            }
            let [first, second, third] = child.tasks()[..] else { panic!("three lives") };
            assert_eq!([second, third], [first, first]);
        });
    }

    #[test]
    fn a_task_that_stands_by_ends_when_it_is_dismissed_and_when_it_is_fenced() {
        let ways: [fn(&dyn Handle); 2] = [|last| last.dismiss(), |last| last.fence()];
        for over in ways {
            System::new().block_on(async {
                let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
                above.start(&child);
                above.end().await;
                let last = above.last.take().expect("it was started");
                yield_now().await;
                assert!(Arc::strong_count(&last) > 1, "it stands by");
                over(&*last);
                drop(last);
                yield_now().await;
                assert!(!child.has_a_task());
            });
        }
    }

    #[test]
    fn what_does_not_come_back_leaves_no_task_behind() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Transient), Above::new());
            above.start(&child);
            assert_eq!(above.end().await.0, ExitClass::Stopped);
            drop(above.last);
            assert!(!child.has_a_task());
        });
    }

    #[test]
    fn what_was_asked_to_stop_or_killed_leaves_no_task_behind() {
        let requests: [fn(&dyn Handle); 2] = [|handle| handle.ask(), |handle| handle.kill()];
        for request in requests {
            System::new().block_on(async {
                let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
                request(above.start(&child));
                above.end().await;
                drop(above.last);
                assert!(!child.has_a_task());
            });
        }
    }

    #[test]
    fn what_is_elsewhere_or_has_nobody_above_it_leaves_no_task_behind() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
            let (handle, job) = Arc::clone(&child.kept).start_elsewhere(above.link());
            drop(handle);
            job();
            above.end().await;
            assert!(!child.has_a_task());
            let link = Link { parent: None, ..above.link() };
            drop(Arc::clone(&child.kept).start(link, RestartPolicy::Permanent, None));
            yield_now().await;
            assert_eq!(child.tasks().len(), 2);
            assert!(!child.has_a_task());
        });
    }

    #[test]
    fn after_one_whose_task_has_ended_it_starts_in_another_one() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
            above.start(&child).ask();
            above.end().await;
            above.start(&child);
            above.end().await;
            let [first, second] = child.tasks()[..] else { panic!("two lives") };
            assert_ne!(first, second);
        });
    }

    #[test]
    fn what_is_killed_before_it_begins_is_not_made() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
            above.start(&child);
            above.end().await;
            above.start(&child).kill();
            assert!(matches!(above.end().await.1.as_deref(), Some(Failure::Killed)));
            assert_eq!(child.made.load(Ordering::Relaxed), 1);
            drop(above.last);
            assert!(!child.has_a_task());
        });
    }

    #[test]
    fn a_start_whose_task_is_dropped_first_is_told_as_a_failure() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
        let thread = LocalSet::new();
        thread.block_on(&runtime, async {
            above.start(&child);
            above.end().await;
            above.start(&child);
        });
        drop(thread);
        let (_, failure) = runtime.block_on(above.end());
        assert!(matches!(failure.as_deref(), Some(Failure::ArbiterStopped)));
        drop(above.last);
        assert!(!child.has_a_task());
    }
}
