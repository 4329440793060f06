//! A ratio of two times, as something that Criterion can measure.

use std::time::Duration;

use criterion::{
    Bencher, Throughput,
    measurement::{Measurement, ValueFormatter},
};

/// How many times as long the one takes as the other.
pub(crate) struct Ratio;

impl Ratio {
    /// Measures the two in turn.
    pub(crate) fn measure(
        bencher: &mut Bencher<'_, Self>,
        one: impl Fn() -> Duration,
        other: impl Fn() -> Duration,
    ) {
        bencher.iter_custom(|rounds| {
            let ratio = |_| one().div_duration_f64(other());
            let mut ratios: Vec<f64> = (0..rounds).map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            // A median, so that what else the machine does counts little. Criterion wants a sum.
            rounds as f64 * ratios[ratios.len() / 2]
        });
    }
}

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        unreachable!("only `measure` knows both sides")
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Ratio {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "×"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _values: &mut [f64]) -> &'static str {
        "×"
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "×"
    }
}
