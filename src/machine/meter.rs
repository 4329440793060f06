//! The failure meter: a count that halves every half-life. suture's.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meter {
    half_life: Duration,
    count: f64,
    /// When the count was right: that of the last failure, or of the reset after it.
    at: Option<Instant>,
}

impl Meter {
    pub(crate) fn new(half_life: Duration) -> Self {
        Self { half_life, count: 0.0, at: None }
    }

    /// What it reads now.
    pub(crate) fn read(&self, now: Instant) -> f64 {
        if self.at == Some(now) {
            return self.count; // It was raised for this very failure.
        }
        let elapsed = self.quiet(now).unwrap_or_default();
        self.count * (-elapsed.as_secs_f64() / self.half_life.as_secs_f64()).exp2()
    }

    /// Counts one more failure, and reads.
    pub(crate) fn raise(&mut self, now: Instant) -> f64 {
        self.count = self.read(now) + 1.0;
        self.at = Some(now);
        self.count
    }

    pub(crate) fn reset(&mut self, now: Instant) {
        self.count = 0.0;
        self.at = Some(now);
    }

    /// How long it was neither raised nor reset, if it ever was.
    pub(crate) fn quiet(&self, now: Instant) -> Option<Duration> {
        self.at.map(|at| now.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_LIFE: Duration = Duration::from_secs(30);

    /// The reading after each of the failures at these times, in seconds.
    fn readings(times: &[f64]) -> Vec<f64> {
        let (start, mut meter) = (Instant::now(), Meter::new(HALF_LIFE));
        times.iter().map(|&at| meter.raise(start + Duration::from_secs_f64(at))).collect()
    }

    #[test]
    fn two_failures_now_and_one_a_half_life_later_are_exactly_two() {
        assert_eq!(readings(&[0.0, 0.0, 30.0]), [1.0, 2.0, 2.0]);
    }

    #[test]
    fn failures_at_one_instant_add_up_exactly() {
        assert_eq!(readings(&[7.0; 6]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_failure_every_ten_seconds_stays_below_five_for_ever() {
        let times: Vec<f64> = (0..360).map(|k| f64::from(k) * 10.0).collect();
        assert!(readings(&times).iter().all(|&count| count <= 5.0));
    }

    #[test]
    fn a_failure_every_nine_and_a_half_seconds_exceeds_five_at_the_twentieth() {
        let times: Vec<f64> = (0..30).map(|k| f64::from(k) * 9.5).collect();
        assert_eq!(readings(&times).iter().position(|&count| count > 5.0), Some(19));
    }

    #[test]
    fn it_reads_zero_before_the_first_failure_and_after_a_reset() {
        let (now, mut meter) = (Instant::now(), Meter::new(HALF_LIFE));
        assert_eq!(meter.read(now), 0.0);
        meter.raise(now);
        meter.reset(now);
        assert_eq!(meter.read(now), 0.0);
        assert_eq!(meter.read(now + HALF_LIFE), 0.0);
    }

    #[test]
    fn it_is_quiet_from_the_last_failure_on_or_from_the_last_reset() {
        let (now, mut meter) = (Instant::now(), Meter::new(HALF_LIFE));
        assert_eq!(meter.quiet(now), None);
        meter.raise(now);
        assert_eq!(meter.quiet(now + HALF_LIFE), Some(HALF_LIFE));
        meter.reset(now + HALF_LIFE);
        assert_eq!(meter.quiet(now + HALF_LIFE), Some(Duration::ZERO));
    }

    #[test]
    fn a_reading_changes_nothing_and_a_clock_that_goes_back_does_no_harm() {
        let (now, mut meter) = (Instant::now() + HALF_LIFE, Meter::new(HALF_LIFE));
        meter.raise(now);
        let before = meter.clone();
        assert_eq!(meter.read(now - HALF_LIFE), 1.0);
        assert_eq!(meter, before);
    }

    #[test]
    fn extreme_times_stay_finite() {
        let (now, mut meter) = (Instant::now(), Meter::new(Duration::from_nanos(1)));
        meter.raise(now);
        assert_eq!(meter.read(now + Duration::from_secs(1 << 30)), 0.0);
    }
}
