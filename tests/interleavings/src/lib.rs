//! Every order in which the threads of a pool can call and be called. Run it by
//! `RUSTFLAGS="--cfg loom" cargo test --release --manifest-path tests/interleavings/Cargo.toml`.
#![cfg(loom)]

#[allow(dead_code, reason = "what the model does not need")]
#[path = "../../../src/child/crew.rs"]
mod crew;

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc as StdArc, task::Waker};

    use loom::{
        sync::{Arc, Condvar, Mutex},
        thread,
    };

    use crate::crew::{Crew, Member, Seat};

    /// A mailbox that wakes its one waker once, as Actix's does, behind the pool's lock.
    #[derive(Default)]
    struct Mailbox {
        messages: Mutex<VecDeque<u32>>,
        waker: Mutex<Option<Waker>>,
    }

    impl Mailbox {
        fn send(&self, message: u32) {
            self.messages.lock().unwrap().push_back(message);
            let waker = self.waker.lock().unwrap().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }

        /// As the receiver's `poll_next`: it registers the waker before it looks for the last time.
        fn poll(&self, waker: &Waker) -> Option<u32> {
            let first = self.messages.lock().unwrap().pop_front();
            first.or_else(|| {
                *self.waker.lock().unwrap() = Some(waker.clone());
                self.messages.lock().unwrap().pop_front()
            })
        }
    }

    /// A member's task: polled again whenever it was woken.
    struct Task {
        seat: Seat,
        woken: Mutex<bool>,
        wake: Condvar,
        /// It takes no more messages. Set under the mailbox's lock.
        is_fenced: Mutex<bool>,
        /// It is to end.
        is_asked: Mutex<bool>,
        /// It has something else to do, and is stuck in that until all messages have been handled.
        is_to_be_busy: Mutex<bool>,
    }

    impl Member for Task {
        fn seat(&self) -> Option<&Seat> {
            Some(&self.seat)
        }

        fn wake(&self) {
            *self.woken.lock().unwrap() = true;
            self.wake.notify_one();
        }
    }

    impl Task {
        fn new() -> StdArc<Self> {
            StdArc::new(Self {
                seat: Seat::default(),
                woken: Mutex::new(true),
                wake: Condvar::new(),
                is_fenced: Mutex::new(false),
                is_asked: Mutex::new(false),
                is_to_be_busy: Mutex::new(false),
            })
        }

        fn park(&self) {
            let mut woken = self.woken.lock().unwrap();
            while !*woken {
                woken = self.wake.wait(woken).unwrap();
            }
            *woken = false;
        }
    }

    struct Pool {
        crew: StdArc<Crew>,
        mailbox: Mailbox,
        /// The lock that is held while a member looks into the mailbox.
        intake: Mutex<()>,
        handled: Mutex<usize>,
        progress: Condvar,
        messages: usize,
        /// Who handles the first message is stuck until all others have been handled.
        first_is_long: bool,
        tasks: Vec<StdArc<Task>>,
    }

    impl Pool {
        fn new(members: usize, messages: usize, first_is_long: bool) -> Arc<Self> {
            Arc::new(Self {
                crew: StdArc::default(),
                mailbox: Mailbox::default(),
                intake: Mutex::new(()),
                handled: Mutex::new(0),
                progress: Condvar::new(),
                messages,
                first_is_long,
                tasks: (0..members).map(|_| Task::new()).collect(),
            })
        }

        /// One look into the mailbox, as the pump's.
        fn take(&self, task: &StdArc<Task>) -> Option<u32> {
            let _intake = self.intake.lock().unwrap();
            if *task.is_fenced.lock().unwrap() {
                return None;
            }
            task.seat.looks(&self.crew);
            let next = self.mailbox.poll(&self.crew.waker());
            match next {
                Some(_) => self.crew.call_one(),
                None => task.seat.finds_nothing(),
            }
            next
        }

        fn handle(&self, message: u32) {
            let mut handled = self.handled.lock().unwrap();
            while self.first_is_long && message == 0 && *handled + 1 < self.messages {
                handled = self.progress.wait(handled).unwrap();
            }
            *handled += 1;
            self.progress.notify_all();
            if *handled == self.messages {
                self.tasks.iter().for_each(|task| task.wake());
            }
        }

        /// From another thread, as if this member's own one were stuck.
        fn fence(&self, index: usize) {
            let task = &self.tasks[index];
            let intake = self.intake.lock().unwrap();
            *task.is_fenced.lock().unwrap() = true;
            drop(intake);
            task.seat.goes(&self.crew);
        }

        fn keep_busy(&self, index: usize) {
            let task = &self.tasks[index];
            *task.is_to_be_busy.lock().unwrap() = true;
            task.wake();
        }

        fn wait_for_the_others(&self) {
            let mut handled = self.handled.lock().unwrap();
            while *handled < self.messages {
                handled = self.progress.wait(handled).unwrap();
            }
        }

        fn ask(&self, index: usize) {
            let task = &self.tasks[index];
            *task.is_asked.lock().unwrap() = true;
            task.wake();
        }

        /// A member's life; one that dies of its first call does not look any more.
        fn run(&self, index: usize, dies: bool) {
            let task = &self.tasks[index];
            let mut is_first = true;
            loop {
                task.park();
                if *self.handled.lock().unwrap() == self.messages {
                    return;
                }
                if dies && !is_first || *task.is_asked.lock().unwrap() {
                    task.seat.goes(&self.crew);
                    return;
                }
                is_first = false;
                task.seat.begins(&self.crew);
                while let Some(message) = self.take(task) {
                    self.handle(message);
                }
                if *task.is_to_be_busy.lock().unwrap() {
                    self.wait_for_the_others();
                }
                task.seat.rests(&self.crew, || StdArc::clone(task) as StdArc<dyn Member>);
            }
        }
    }

    /// If a wake-up is lost, all threads wait for ever, and loom says so.
    fn explore(members: usize, messages: usize, first_is_long: bool, one_dies: bool) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let pool = Pool::new(members, messages, first_is_long);
            let threads: Vec<_> = (0..members)
                .map(|index| {
                    let pool = Arc::clone(&pool);
                    thread::spawn(move || pool.run(index, one_dies && index == 0))
                })
                .collect();
            for message in 0..messages {
                pool.mailbox.send(message as u32);
            }
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(*pool.handled.lock().unwrap(), messages);
        });
    }

    /// Two members, one message, and a thread that does something to one of them.
    fn explore_with(does: fn(&Pool)) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let pool = Pool::new(2, 1, false);
            let mut threads: Vec<_> = (0..2)
                .map(|index| {
                    let pool = Arc::clone(&pool);
                    thread::spawn(move || pool.run(index, false))
                })
                .collect();
            let other = Arc::clone(&pool);
            threads.push(thread::spawn(move || does(&other)));
            pool.mailbox.send(0);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(*pool.handled.lock().unwrap(), 1);
        });
    }

    #[test]
    fn no_call_is_lost_with_a_member_that_is_asked_to_stop() {
        explore_with(|pool| pool.ask(0));
    }

    #[test]
    fn no_call_is_lost_with_a_member_that_is_fenced() {
        explore_with(|pool| pool.fence(0));
    }

    #[test]
    fn who_is_busy_with_something_else_is_not_called() {
        explore_with(|pool| pool.keep_busy(0));
    }

    #[test]
    fn no_call_is_lost() {
        explore(2, 2, false, false);
    }

    #[test]
    fn no_call_is_lost_with_a_member_that_was_called_and_dies() {
        explore(2, 2, false, true);
    }

    #[test]
    fn whoever_takes_a_message_has_another_one_look_for_more() {
        explore(2, 2, true, false);
    }

    #[test]
    fn one_member_alone_misses_nothing() {
        explore(1, 2, false, false);
    }
}
