//! A child's task between two incarnations.
//!
//! Most children that fail are started again at once, by the same incarnation of their supervisor, and so on the same
//! thread. Their task stands by for that: to end it and to spawn another one would take a fifth of a restart. Meanwhile it has the
//! incarnation that has ended, and that is where the next one is left for it.

use std::{mem, sync::Arc, task::Poll};

use actix::{Actor, Context};

use super::{incarnation::Incarnation, runner::Launch};

impl<A: Actor<Context = Context<A>>> Incarnation<A> {
    /// This one has ended, and its task stands by. The next one starts there, unless its supervisor is on another thread now.
    pub(super) fn is_followed_by(&self, launch: Launch<A>) {
        let is_same = |desk| self.desk_of_thread().is_some_and(|ours| Arc::ptr_eq(ours, desk));
        match launch.desk().is_some_and(is_same) {
            true => {
                self.slots().next = launch;
                self.poll_soon();
            }
            false => {
                self.poll_soon();
                launch.run();
            }
        }
    }

    /// What its task is to do next, when this one has ended.
    pub(super) fn next(&self) -> Poll<Launch<A>> {
        let next = mem::take(&mut self.slots().next);
        match next.is_nothing() && self.kept.has_stand_by(self) {
            true => Poll::Pending,
            false => Poll::Ready(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
        tasks: Arc<Mutex<Vec<task::Id>>>,
    }

    impl Child {
        fn new(policy: RestartPolicy) -> Self {
            let tasks = Arc::<Mutex<Vec<_>>>::default();
            let actor = Mayfly(Arc::clone(&tasks));
            let spec = ChildSpec::actor("mayfly", move |_ctx| Mayfly(Arc::clone(&actor.0)));
            let taken = spec.restart(policy).take_on(&Spec::default(), &mut Alike::default());
            let Ok((taken_on, _)) = taken else { panic!("it makes sense") };
            Self { kept: taken_on.kept, tasks }
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
    }

    impl Above {
        fn new() -> Self {
            let (outbox, inbox) = unbounded_channel();
            Self { desk: Desk::new(1, outbox), inbox, life: 0 }
        }

        fn start(&mut self, child: &Child) -> Arc<dyn Handle> {
            self.life += 1;
            let desk = Arc::clone(&self.desk);
            let parent = Some(Parent { desk, child: 0, life: self.life });
            let span = Span::of_child(|| "above".to_owned(), "mayfly", self.life);
            Arc::clone(&child.kept).start(Link { parent, span })
        }

        /// How the incarnation that was started last has ended.
        async fn end(&mut self) -> (ExitClass, Option<Arc<Failure>>) {
            match self.inbox.recv().await {
                Some(Notice::Exited { life, exit, failure, .. }) if life == self.life => {
                    (exit, failure)
                }
                other => panic!("{other:?}"),
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
    fn a_task_that_stands_by_ends_when_nothing_follows_at_once() {
        let down = |child: &Child| Arc::clone(&child.kept).down();
        let close = |child: &Child| child.kept.close();
        for over in [&down as &dyn Fn(&Child), &close] {
            System::new().block_on(async {
                let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
                drop(above.start(&child));
                above.end().await;
                assert!(child.has_a_task(), "it stands by");
                over(&child);
                yield_now().await;
                assert!(!child.has_a_task());
            });
        }
    }

    #[test]
    fn what_does_not_come_back_leaves_no_task_behind() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Transient), Above::new());
            drop(above.start(&child));
            assert_eq!(above.end().await.0, ExitClass::Stopped);
            assert!(!child.has_a_task());
        });
    }

    #[test]
    fn what_was_asked_to_stop_leaves_no_task_behind() {
        System::new().block_on(async {
            let (child, mut above) = (Child::new(RestartPolicy::Permanent), Above::new());
            let handle = above.start(&child);
            handle.ask();
            drop(handle);
            assert_eq!(above.end().await.0, ExitClass::Stopped);
            assert!(!child.has_a_task());
        });
    }

    #[test]
    fn under_another_incarnation_of_its_supervisor_it_is_started_in_a_task_of_its_own() {
        System::new().block_on(async {
            let child = Child::new(RestartPolicy::Permanent);
            let (mut above, mut next) = (Above::new(), Above::new());
            above.start(&child);
            above.end().await;
            next.start(&child);
            next.end().await;
            let [first, second] = child.tasks()[..] else { panic!("two lives") };
            assert_ne!(first, second);
            child.kept.close();
            yield_now().await;
            assert!(!child.has_a_task());
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
            assert_eq!(child.tasks().len(), 1);
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
            let handle = above.start(&child);
            assert!(handle.is_running());
        });
        drop(thread);
        let (_, failure) = runtime.block_on(above.end());
        assert!(matches!(failure.as_deref(), Some(Failure::ArbiterStopped)));
        assert!(!child.has_a_task());
    }
}
