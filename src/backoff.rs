//! How long a child waits before each of its restarts, as a pure value.

use std::{sync::Arc, time::Duration};

use crate::error::{SpecError, check};

/// The delay before each restart of one child, by the number of its failures in a row.
///
/// Failures are in a row when none of them comes after the child was ready for
/// [`reset_after`](Self::reset_after). The ideas are those of Akka's `BackoffSupervisor` and of systemd's `RestartSteps`.
///
/// ```
/// use std::time::Duration;
/// use actix_supervisor::Backoff;
///
/// // 100 ms, 200 ms, 400 ms, … up to 10 s, each up to a fifth longer
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)).jitter(0.2);
/// # let _ = backoff;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Backoff {
    delays: Delays,
    jitter: f64,
    reset_after: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
enum Delays {
    Constant(Duration),
    Exponential { first: Duration, max: Duration, factor: f64 },
    Steps(Arc<[Duration]>),
}

/// A child that has run for this long is healthy, if nobody says otherwise.
pub(crate) const HEALTHY: Duration = Duration::from_secs(10);

impl Backoff {
    /// The same delay each time.
    pub fn constant(delay: Duration) -> Self {
        Self::new(Delays::Constant(delay))
    }

    /// `first`, then each time [`factor`](Self::factor) times as much (twice, unless set), up to `max`, before
    /// its [jitter](Self::jitter).
    ///
    /// # Panics
    ///
    /// If `first` is zero or above `max`.
    pub fn exponential(first: Duration, max: Duration) -> Self {
        sensible(Self::try_exponential(first, max))
    }

    pub(crate) fn try_exponential(first: Duration, max: Duration) -> Result<Self, SpecError> {
        let of = || "Backoff::exponential".to_owned();
        check(!first.is_zero(), of, "first", &first, "more than zero")?;
        check(
            first <= max,
            of,
            "first",
            &format_args!("{first:?} (and max = {max:?})"),
            "at most max",
        )?;
        Ok(Self::new(Delays::Exponential { first, max, factor: 2.0 }))
    }

    /// These delays, one after the other; the last one repeats.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn steps(delays: impl Into<Vec<Duration>>) -> Self {
        sensible(Self::try_steps(delays.into()))
    }

    pub(crate) fn try_steps(delays: Vec<Duration>) -> Result<Self, SpecError> {
        let of = || "Backoff::steps".to_owned();
        check(!delays.is_empty(), of, "delays", &delays, "at least one")?;
        Ok(Self::new(Delays::Steps(delays.into())))
    }

    fn new(delays: Delays) -> Self {
        Self { delays, jitter: 0.0, reset_after: None }
    }

    /// How many times as long as the one before each delay is; 2.0 unless set.
    ///
    /// # Panics
    ///
    /// If it is below 1 or not finite, or the delays are not [exponential](Self::exponential).
    pub fn factor(self, by: f64) -> Self {
        sensible(self.try_factor(by))
    }

    pub(crate) fn try_factor(mut self, by: f64) -> Result<Self, SpecError> {
        let of = || "Backoff::factor".to_owned();
        let allowed = "1.0 or more, and finite";
        check(by.is_finite() && by >= 1.0, of, "factor", &by, allowed)?;
        match &mut self.delays {
            Delays::Exponential { factor, .. } => *factor = by,
            Delays::Constant(_) | Delays::Steps(_) => {
                check(false, of, "factor", &by, "only for exponential delays")?;
            }
        }
        Ok(self)
    }

    /// Makes each delay `d` uniform in `[d, d * (1 + share))`; 0.0 unless set.
    ///
    /// # Panics
    ///
    /// If it is not between 0 and 1.
    pub fn jitter(self, share: f64) -> Self {
        sensible(self.try_jitter(share))
    }

    pub(crate) fn try_jitter(self, share: f64) -> Result<Self, SpecError> {
        let of = || "Backoff::jitter".to_owned();
        check((0.0..=1.0).contains(&share), of, "share", &share, "between 0.0 and 1.0")?;
        Ok(Self { jitter: share, ..self })
    }

    /// After this time as a ready child its next failure is the first one again.
    ///
    /// Unless set: as long as the last delay, and at least 10 s.
    ///
    /// # Panics
    ///
    /// If it is zero: no failure would ever be in a row with another.
    pub fn reset_after(self, healthy: Duration) -> Self {
        sensible(self.try_reset_after(healthy))
    }

    pub(crate) fn try_reset_after(self, healthy: Duration) -> Result<Self, SpecError> {
        let of = || "Backoff::reset_after".to_owned();
        check(!healthy.is_zero(), of, "healthy", &healthy, "more than zero")?;
        Ok(Self { reset_after: Some(healthy), ..self })
    }

    /// The delay after this many failures in a row before the latest.
    pub(crate) fn delay(&self, failures_before: u32, rng: &mut fastrand::Rng) -> Duration {
        let delay = match &self.delays {
            Delays::Constant(delay) => *delay,
            Delays::Exponential { first, max, factor } => {
                let grown = first.as_secs_f64() * factor.powf(f64::from(failures_before));
                // Too much for a `Duration` is more than `max`.
                Duration::try_from_secs_f64(grown).map_or(*max, |grown| grown.min(*max))
            }
            Delays::Steps(steps) => {
                let last = steps.len() - 1;
                steps[usize::try_from(failures_before).map_or(last, |step| step.min(last))]
            }
        };
        stretch(delay, self.jitter, rng)
    }

    /// For how long the child has to be ready until its failures are forgotten.
    pub(crate) fn healthy(&self, last_delay: Duration) -> Duration {
        self.reset_after.unwrap_or_else(|| last_delay.max(HEALTHY))
    }
}

/// A value in the program's own text that makes no sense is a bug to be found at once.
fn sensible(backoff: Result<Backoff, SpecError>) -> Backoff {
    backoff.unwrap_or_else(|error| panic!("{error}"))
}

/// Uniform in `[time, time * (1 + share))`.
pub(crate) fn stretch(time: Duration, share: f64, rng: &mut fastrand::Rng) -> Duration {
    let more = Duration::try_from_secs_f64(time.as_secs_f64() * share * rng.f64());
    more.ok().and_then(|more| time.checked_add(more)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn delays(backoff: &Backoff, count: u32) -> Vec<Duration> {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..count).map(|before| backoff.delay(before, &mut rng)).collect()
    }

    #[test]
    fn a_constant_delay_stays() {
        assert_eq!(delays(&Backoff::constant(millis(5)), 3), [millis(5); 3]);
    }

    #[test]
    fn the_kth_delay_is_first_times_factor_to_the_k_up_to_max() {
        let backoff = Backoff::exponential(millis(100), millis(1_000));
        let expected = [100, 200, 400, 800, 1_000, 1_000].map(millis);
        assert_eq!(delays(&backoff, 6), expected);
        assert_eq!(delays(&backoff.factor(3.0), 4), [100, 300, 900, 1_000].map(millis));
    }

    #[test]
    fn no_k_overflows() {
        let backoff = Backoff::exponential(millis(1), Duration::MAX).factor(1e300);
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(backoff.delay(u32::MAX, &mut rng), Duration::MAX);
        assert_eq!(backoff.jitter(1.0).delay(u32::MAX, &mut rng), Duration::MAX);
    }

    #[test]
    fn the_last_step_repeats() {
        let backoff = Backoff::steps([millis(1), millis(5)]);
        assert_eq!(delays(&backoff, 4), [1, 5, 5, 5].map(millis));
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(backoff.delay(u32::MAX, &mut rng), millis(5));
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_uses_them() {
        let backoff = Backoff::constant(millis(100)).jitter(0.5);
        let delays = delays(&backoff, 1_000);
        assert!(delays.iter().all(|delay| (millis(100)..millis(150)).contains(delay)));
        assert!(delays.iter().any(|&delay| delay < millis(105)));
        assert!(delays.iter().any(|&delay| delay > millis(145)));
    }

    #[test]
    fn a_child_is_healthy_after_its_last_delay_and_ten_seconds_unless_told_otherwise() {
        let backoff = Backoff::constant(millis(1));
        assert_eq!(backoff.healthy(millis(1)), Duration::from_secs(10));
        assert_eq!(backoff.healthy(Duration::from_secs(60)), Duration::from_secs(60));
        let backoff = backoff.reset_after(millis(7));
        assert_eq!(backoff.healthy(Duration::from_secs(60)), millis(7));
    }

    #[test]
    fn nonsense_is_refused_with_its_name_and_value() {
        fn refusal(make: impl FnOnce() -> Backoff) -> String {
            crate::child::panics::catch(make).expect_err("nonsense").message
        }
        let backoff = || Backoff::exponential(millis(1), millis(2));
        let table = [
            (refusal(|| Backoff::exponential(millis(0), millis(2))), "first = 0ns"),
            (refusal(|| Backoff::exponential(millis(3), millis(2))), "first = 3ms"),
            (refusal(|| Backoff::steps([])), "delays = []"),
            (refusal(|| backoff().factor(0.5)), "factor = 0.5"),
            (refusal(|| backoff().factor(f64::NAN)), "factor = NaN"),
            (refusal(|| Backoff::constant(millis(1)).factor(2.0)), "factor = 2.0"),
            (refusal(|| backoff().jitter(1.5)), "share = 1.5"),
            (refusal(|| backoff().jitter(f64::NAN)), "share = NaN"),
            (refusal(|| backoff().reset_after(millis(0))), "healthy = 0ns"),
        ];
        for (refusal, named) in table {
            assert!(refusal.contains(named), "{refusal}");
            assert!(refusal.contains("is not allowed; allowed: "), "{refusal}");
        }
    }
}
