//! How many children of a supervisor have their turn before others on its thread have theirs.
//!
//! The thread has one queue for all tasks, first come first served. A hundred thousand children that are woken at once would stand in
//! it before whatever comes next, of this supervisor or not. So only some of them have their turn in one round of that
//! queue; the others stand in a line of their own, which moves on once a round.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{self, Waker},
};

/// How many have their turn in one round.
const AT_A_TIME: u32 = 256;
/// How many in a round after one in which many have ended: what follows from an end takes longer than a turn, and less time as long as
/// what it is about is in the cache.
const WHILE_MANY_END: u32 = 16;
/// That is so many.
const MANY: u32 = WHILE_MANY_END / 2;

/// What a supervisor's children on its own thread go through before each of their turns.
///
/// All of it happens on one thread. That it can be shared between threads is for those who only have to have it.
#[derive(Debug)]
pub(crate) struct Turnstile {
    /// How many may still pass in this round; none while there is a line.
    free: AtomicU32,
    /// How many have ended in this round.
    ended: AtomicU32,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    waiting: VecDeque<Waker>,
    /// The place of the first of them. Who has an earlier one may pass.
    first: NonZeroU64,
    /// Has the next round begin, while there is somebody to do so.
    keeper: Option<Waker>,
}

/// Where somebody stands in the line, if there.
pub(super) type Place = Option<NonZeroU64>;

impl Default for Turnstile {
    fn default() -> Self {
        let line = Line { waiting: VecDeque::new(), first: NonZeroU64::MIN, keeper: None };
        Self { free: AtomicU32::new(0), ended: AtomicU32::new(0), line: Mutex::new(line) }
    }
}

impl Turnstile {
    /// Whether it is this one's turn. If it is not, it will be woken for it.
    pub(super) fn lets_pass(&self, place: &mut Place, task: &task::Context<'_>) -> bool {
        let free = self.free.load(Ordering::Relaxed);
        match *place {
            None if free > 0 => {
                self.free.store(free - 1, Ordering::Relaxed);
                true
            }
            None => {
                *place = self.line().join(task.waker());
                place.is_none()
            }
            Some(number) => {
                let passes = number < self.line().first;
                if passes {
                    *place = None;
                }
                passes
            }
        }
    }

    /// One has ended, in its turn or without one.
    pub(super) fn one_ends(&self) {
        self.ended.store(self.ended.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }

    /// Others have had their turn since the last round. Returns whether there has to be another one after this.
    pub(crate) fn begin_round(&self, keeper: &Waker) -> bool {
        let many_end = self.ended.load(Ordering::Relaxed) >= MANY;
        self.ended.store(0, Ordering::Relaxed);
        let most = if many_end { WHILE_MANY_END } else { AT_A_TIME };
        if self.free.load(Ordering::Relaxed) > 0 {
            self.free.store(most, Ordering::Relaxed);
            return false;
        }
        let mut line = self.line();
        line.keeper.get_or_insert_with(|| keeper.clone());
        let next = line.next(most as usize);
        if next.is_empty() {
            // What a crowd took is given back.
            line.waiting = VecDeque::new();
            self.free.store(most, Ordering::Relaxed);
            return false;
        }
        drop(line);
        next.into_iter().for_each(Waker::wake);
        true
    }

    /// From now on nobody waits: there is nobody any more who would begin another round.
    pub(crate) fn open(&self) {
        let mut line = self.line();
        line.keeper = None;
        let all = line.next(usize::MAX);
        drop(line);
        all.into_iter().for_each(Waker::wake);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Its place; `None` if it need not wait, since nobody would call it.
    fn join(&mut self, waker: &Waker) -> Place {
        let keeper = self.keeper.as_ref()?;
        if self.waiting.is_empty() {
            keeper.wake_by_ref();
        }
        let place = self.first.saturating_add(self.waiting.len() as u64);
        self.waiting.push_back(waker.clone());
        Some(place)
    }

    /// The first of those who wait. They may pass.
    fn next(&mut self, most: usize) -> Vec<Waker> {
        let next: Vec<_> = self.waiting.drain(..most.min(self.waiting.len())).collect();
        self.first = self.first.saturating_add(next.len() as u64);
        next
    }
}

#[cfg(test)]
mod tests {
    use std::{
        iter,
        sync::{Arc, atomic::AtomicUsize},
    };

    use futures::task::{ArcWake, waker};

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl ArcWake for Bell {
        fn wake_by_ref(bell: &Arc<Self>) {
            bell.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Bell {
        fn rings(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    struct Someone {
        bell: Arc<Bell>,
        place: Place,
    }

    impl Someone {
        fn crowd() -> impl Iterator<Item = Self> {
            iter::repeat_with(|| Self { bell: Arc::default(), place: None })
        }

        fn passes(&mut self, turnstile: &Turnstile) -> bool {
            let waker = waker(Arc::clone(&self.bell));
            turnstile.lets_pass(&mut self.place, &task::Context::from_waker(&waker))
        }
    }

    fn kept() -> (Turnstile, Arc<Bell>, Waker) {
        let (turnstile, bell) = (Turnstile::default(), Arc::<Bell>::default());
        let keeper = waker(Arc::clone(&bell));
        assert!(!turnstile.begin_round(&keeper));
        (turnstile, bell, keeper)
    }

    #[test]
    fn so_many_pass_in_a_round_and_the_next_ones_call_its_keeper_once() {
        let (turnstile, bell, keeper) = kept();
        let mut crowd: Vec<_> = Someone::crowd().take(AT_A_TIME as usize + 2).collect();
        let passed = crowd.iter_mut().filter_map(|one| one.passes(&turnstile).then_some(()));
        assert_eq!(passed.count(), AT_A_TIME as usize);
        assert_eq!(bell.rings(), 1);
        assert!(crowd.iter().all(|one| one.bell.rings() == 0));
        assert!(turnstile.begin_round(&keeper), "there has to be another round");
        assert_eq!(crowd.iter().filter(|one| one.bell.rings() == 1).count(), 2);
        let mut late = Someone::crowd().next().unwrap();
        assert!(!late.passes(&turnstile), "others go first");
        assert!(crowd[AT_A_TIME as usize..].iter_mut().all(|one| one.passes(&turnstile)));
        assert!(turnstile.begin_round(&keeper));
        assert!(late.passes(&turnstile));
        assert!(!turnstile.begin_round(&keeper), "nobody has come since");
        assert!(late.passes(&turnstile));
    }

    #[test]
    fn who_is_woken_by_something_else_meanwhile_keeps_its_place() {
        let (turnstile, _bell, keeper) = kept();
        for mut one in Someone::crowd().take(AT_A_TIME as usize) {
            assert!(one.passes(&turnstile));
        }
        let mut crowd: Vec<_> = Someone::crowd().take(AT_A_TIME as usize + 1).collect();
        for _ in 0..2 {
            assert!(crowd.iter_mut().all(|one| !one.passes(&turnstile)));
        }
        assert!(turnstile.begin_round(&keeper));
        let last = crowd.pop().unwrap();
        assert!(crowd.iter().all(|one| one.bell.rings() == 1));
        assert_eq!(last.bell.rings(), 0);
        assert!(crowd.iter_mut().all(|one| one.passes(&turnstile)));
    }

    #[test]
    fn fewer_pass_in_the_round_after_one_in_which_many_have_ended() {
        let (turnstile, _bell, keeper) = kept();
        let mut crowd: Vec<_> = Someone::crowd().take(4 * AT_A_TIME as usize).collect();
        let passes = |one: &mut Someone| one.passes(&turnstile);
        let end = |ends: u32| (0..ends).for_each(|_| turnstile.one_ends());
        end(MANY);
        assert!(!turnstile.begin_round(&keeper), "nobody waits");
        let passed = crowd.iter_mut().map(passes).filter(|&passes| passes);
        assert_eq!(passed.count(), WHILE_MANY_END as usize);
        for (ends, most) in [(MANY, WHILE_MANY_END), (MANY - 1, AT_A_TIME), (0, AT_A_TIME)] {
            end(ends);
            assert!(turnstile.begin_round(&keeper));
            let called = crowd.iter().filter(|one| one.bell.rings() == 1);
            assert_eq!(called.count(), most as usize);
        }
    }

    #[test]
    fn fewer_pass_after_many_have_ended_also_where_all_that_may_have_passed_and_nobody_waits() {
        let (turnstile, _bell, keeper) = kept();
        for most in [AT_A_TIME, WHILE_MANY_END, WHILE_MANY_END] {
            let mut crowd = Someone::crowd().take(most as usize);
            assert!(crowd.all(|mut one| one.passes(&turnstile)));
            (0..MANY).for_each(|_| turnstile.one_ends());
            assert!(!turnstile.begin_round(&keeper), "nobody waits");
        }
        let mut crowd: Vec<_> = Someone::crowd().take(AT_A_TIME as usize).collect();
        let passed = crowd.iter_mut().filter_map(|one| one.passes(&turnstile).then_some(()));
        assert_eq!(passed.count(), WHILE_MANY_END as usize);
    }

    #[test]
    fn nobody_waits_where_nobody_would_begin_another_round() {
        let turnstile = Turnstile::default();
        let passes = |mut one: Someone| one.passes(&turnstile);
        assert!(Someone::crowd().take(2).all(passes), "before the first one");
        let (turnstile, _bell, keeper) = kept();
        let mut crowd: Vec<_> = Someone::crowd().take(3 * AT_A_TIME as usize).collect();
        for one in &mut crowd {
            one.passes(&turnstile);
        }
        drop(keeper);
        turnstile.open();
        let waited = crowd.iter_mut().filter(|one| one.bell.rings() == 1);
        assert_eq!(waited.count(), 2 * AT_A_TIME as usize);
        assert!(crowd.iter_mut().all(|one| one.passes(&turnstile)));
    }
}
