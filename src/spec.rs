//! A supervisor's settings, checked in one place.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    error::SpecError,
    event::Event,
    policy::{AutoShutdown, OnLimit, OnPanic, ShutdownOrder, StartFailure, Strategy},
};

pub(crate) use crate::error::check;

/// Called for each event.
pub(crate) type EventHook = Arc<dyn Fn(&Event) + Send + Sync>;

/// A supervisor's settings.
///
/// The defaults are suture's: five failures in a short time are borne, the sixth one stops all restarts
/// for a quarter of a minute or a bit more; and one failure each ten seconds is borne for ever.
///
/// ```
/// use std::time::Duration;
/// use actix_supervisor::{Spec, Supervisor};
///
/// let spec = Spec::default()
///     .failure_threshold(10.0)
///     .failure_backoff(Duration::from_secs(5))
///     .shutdown_timeout(Duration::from_secs(30));
/// let supervisor = Supervisor::with_spec("workers", spec)?;
///
/// let refused = Supervisor::with_spec("workers", Spec::default().failure_threshold(-1.0));
/// assert_eq!(
///     refused.unwrap_err().to_string(),
///     r#"supervisor "workers": failure_threshold = -1.0 is not allowed; allowed: zero or more, and finite"#,
/// );
/// # Ok::<(), actix_supervisor::SpecError>(())
/// ```
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Spec {
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::failure_decay"))]
    pub(crate) failure_decay: Duration,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::failure_threshold"))]
    pub(crate) failure_threshold: f64,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::duration"))]
    pub(crate) failure_backoff: Duration,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::backoff_jitter"))]
    pub(crate) backoff_jitter: f64,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::duration"))]
    pub(crate) resume_spread: Duration,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::duration"))]
    pub(crate) shutdown_timeout: Duration,
    pub(crate) propagate_termination: bool,
    pub(crate) jitter_seed: Option<u64>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) event_hook: Option<EventHook>,
    pub(crate) strategy: Strategy,
    pub(crate) on_limit: OnLimit,
    pub(crate) give_up_after_pauses: Option<u32>,
    pub(crate) start_failure: StartFailure,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) shutdown_order: ShutdownOrder,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::duration"))]
    pub(crate) stop_delay: Duration,
    pub(crate) max_children: Option<usize>,
    pub(crate) on_panic: OnPanic,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serial::arbiters"))]
    pub(crate) arbiters: Option<usize>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            failure_decay: Duration::from_secs(30),
            failure_threshold: 5.0,
            failure_backoff: Duration::from_secs(15),
            backoff_jitter: 0.5,
            resume_spread: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(10),
            propagate_termination: true,
            jitter_seed: None,
            event_hook: None,
            strategy: Strategy::default(),
            on_limit: OnLimit::default(),
            give_up_after_pauses: None,
            start_failure: StartFailure::default(),
            auto_shutdown: AutoShutdown::default(),
            shutdown_order: ShutdownOrder::default(),
            stop_delay: Duration::ZERO,
            max_children: None,
            on_panic: OnPanic::default(),
            arbiters: None,
        }
    }
}

impl Spec {
    /// Who is restarted when a child fails; [`Strategy::OneForOne`] unless set.
    ///
    /// With [`OneForAll`](Strategy::OneForAll) and [`RestForOne`](Strategy::RestForOne), declared children start in order, each
    /// when the one before it is [ready](crate::ChildSpec::start_timeout).
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// What happens when the failure meter exceeds the threshold, or a child has
    /// [failed for good](crate::ChildSpec::give_up_after); [`OnLimit::Backoff`] unless set.
    ///
    /// A child with a long [backoff](crate::ChildSpec::backoff) may never fail often enough to exceed the threshold: give it a
    /// `give_up_after`.
    #[must_use]
    pub fn on_limit(mut self, what: OnLimit) -> Self {
        self.on_limit = what;
        self
    }

    /// After this many pauses in a row, the supervisor fails the next time that it would pause; never unless set.
    ///
    /// Pauses are in a row when none of them is followed by a [`failure_decay`](Self::failure_decay) without a failure. With 0 it never
    /// pauses.
    #[must_use]
    pub fn give_up_after_pauses(mut self, pauses: u32) -> Self {
        self.give_up_after_pauses = Some(pauses);
        self
    }

    /// What happens when a child fails before it was ever ready; [`StartFailure::Retry`] unless set.
    ///
    /// A failed [`AddAndWait`](crate::AddAndWait) only answers its caller.
    #[must_use]
    pub fn start_failure(mut self, what: StartFailure) -> Self {
        self.start_failure = what;
        self
    }

    /// Whether it stops by itself when its significant children have ended; [`AutoShutdown::Never`] unless set.
    ///
    /// That is a normal end, to which its own policy applies where it is a child.
    #[must_use]
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> Self {
        self.auto_shutdown = when;
        self
    }

    /// In which order its children are asked when it stops; [`ShutdownOrder::Reverse`] unless set.
    #[must_use]
    pub fn shutdown_order(mut self, order: ShutdownOrder) -> Self {
        self.shutdown_order = order;
        self
    }

    /// How many children it has at most: an `Add` beyond that is refused, and so is a declaration; no limit unless set.
    #[must_use]
    pub fn max_children(mut self, children: usize) -> Self {
        self.max_children = Some(children);
        self
    }

    /// What a panic of a child means; [`OnPanic::Restart`] unless set.
    #[must_use]
    pub fn on_panic(mut self, what: OnPanic) -> Self {
        self.on_panic = what;
        self
    }

    /// How many threads it has at most for children with [`Placement::Pool`](crate::Placement::Pool), one or more; the
    /// number of cores unless set.
    ///
    /// A thread is started when a child needs it, and each child goes where the fewest are. They end with the supervisor.
    #[must_use]
    pub fn arbiters(mut self, threads: usize) -> Self {
        self.arbiters = Some(threads);
        self
    }

    /// The half-life of the failure meter; 30 s unless set, more than zero.
    ///
    /// At each failure `count = count * 0.5^(elapsed / decay) + 1`.
    #[must_use]
    pub fn failure_decay(mut self, half_life: Duration) -> Self {
        self.failure_decay = half_life;
        self
    }

    /// When the failure meter exceeds this, the supervisor pauses, or [fails](Self::on_limit); 5.0 unless set, zero or more.
    ///
    /// Zero: at the first failure.
    #[must_use]
    pub fn failure_threshold(mut self, failures: f64) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// How long a pause is, before its [jitter](Self::backoff_jitter); 15 s unless set.
    ///
    /// Nothing is restarted during a pause. When it is over, the meter is at zero and what waited is restarted.
    #[must_use]
    pub fn failure_backoff(mut self, pause: Duration) -> Self {
        self.failure_backoff = pause;
        self
    }

    /// A pause is uniform in `[b, b * (1 + share))`, so that supervisors which failed together do not
    /// come back together; 0.5 unless set, between 0 and 1.
    #[must_use]
    pub fn backoff_jitter(mut self, share: f64) -> Self {
        self.backoff_jitter = share;
        self
    }

    /// The restarts at the end of a pause are spread evenly over this time; zero unless set: all at once.
    ///
    /// Not in groups, whose members start by turns.
    #[must_use]
    pub fn resume_spread(mut self, time: Duration) -> Self {
        self.resume_spread = time;
        self
    }

    /// How long a stopping child is given where its own spec does not say; 10 s unless set.
    #[must_use]
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    /// How long an orderly stop waits before the first child is asked; zero unless set.
    ///
    /// [`Health`](crate::Health) tells at once that the tree is not ready any more. So whoever sends requests to this process, a
    /// load balancer for example, has the time to notice, and to send them elsewhere, while everything still runs. During the delay
    /// nothing else changes: what fails is restarted, and requests are carried out.
    ///
    /// A supervisor that fails, or is killed, does not wait. It is for the root of a tree: a nested supervisor waits
    /// whenever it is stopped, also for a restart.
    #[must_use]
    pub fn stop_delay(mut self, delay: Duration) -> Self {
        self.stop_delay = delay;
        self
    }

    /// Whether the supervisor above this one ends too when a child asks for the
    /// [end of the tree](crate::Exit::TerminateTree); true unless set.
    ///
    /// If not, this supervisor alone ends, and is not restarted.
    #[must_use]
    pub fn propagate_termination(mut self, yes: bool) -> Self {
        self.propagate_termination = yes;
        self
    }

    /// Makes every jitter of this supervisor repeatable, those of its children's backoffs included; random unless set.
    #[must_use]
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.jitter_seed = Some(seed);
        self
    }

    /// Called for each event of this supervisor and of those below it; at the root of a tree, in place of the log.
    ///
    /// Unless set, the supervisor at the root of a tree writes each event of the whole tree through
    /// [`log`], in one line, with the target `actix_supervisor`.
    ///
    /// It runs on the thread of the supervisor that tells, this one or one below it, so it must not block; where those are on
    /// [several threads](crate::Placement), it may be called by several at the same time. A panic in it is caught and logged.
    #[must_use]
    pub fn event_hook(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.event_hook = Some(Arc::new(hook));
        self
    }

    /// Refuses what makes no sense.
    pub(crate) fn check(&self, name: &str) -> Result<(), SpecError> {
        let of = || format!("supervisor {name:?}");
        check(!name.is_empty(), of, "name", &name, "not empty")?;
        self.check_settings(&of)
    }

    pub(crate) fn check_settings(&self, of: &dyn Fn() -> String) -> Result<(), SpecError> {
        let decay = self.failure_decay;
        check(!decay.is_zero(), of, "failure_decay", &decay, "more than zero")?;
        let threshold = self.failure_threshold;
        let sensible = threshold.is_finite() && threshold >= 0.0;
        check(sensible, of, "failure_threshold", &threshold, "zero or more, and finite")?;
        check(self.arbiters != Some(0), of, "arbiters", &0, "one or more")?;
        let jitter = self.backoff_jitter;
        let sensible = (0.0..=1.0).contains(&jitter);
        check(sensible, of, "backoff_jitter", &jitter, "between 0.0 and 1.0")
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("failure_decay", &self.failure_decay)
            .field("failure_threshold", &self.failure_threshold)
            .field("failure_backoff", &self.failure_backoff)
            .field("backoff_jitter", &self.backoff_jitter)
            .field("resume_spread", &self.resume_spread)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("propagate_termination", &self.propagate_termination)
            .field("jitter_seed", &self.jitter_seed)
            .field("strategy", &self.strategy)
            .field("on_limit", &self.on_limit)
            .field("give_up_after_pauses", &self.give_up_after_pauses)
            .field("start_failure", &self.start_failure)
            .field("auto_shutdown", &self.auto_shutdown)
            .field("shutdown_order", &self.shutdown_order)
            .field("stop_delay", &self.stop_delay)
            .field("max_children", &self.max_children)
            .field("on_panic", &self.on_panic)
            .field("arbiters", &self.arbiters)
            .field("event_hook", &self.event_hook.as_ref().map(|_| "Fn(&Event)"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_settings_are_refused_by_name_and_value() {
        let table = [
            (Spec::default().failure_decay(Duration::ZERO), "failure_decay", "0ns"),
            (Spec::default().failure_threshold(f64::NAN), "failure_threshold", "NaN"),
            (Spec::default().failure_threshold(f64::INFINITY), "failure_threshold", "inf"),
            (Spec::default().failure_threshold(-0.5), "failure_threshold", "-0.5"),
            (Spec::default().arbiters(0), "arbiters", "0"),
            (Spec::default().backoff_jitter(-0.1), "backoff_jitter", "-0.1"),
            (Spec::default().backoff_jitter(1.1), "backoff_jitter", "1.1"),
            (Spec::default().backoff_jitter(f64::NAN), "backoff_jitter", "NaN"),
        ];
        for (spec, field, value) in table {
            let error = spec.check("s").unwrap_err();
            assert_eq!((error.field, error.value.as_str()), (field, value));
            assert_eq!(error.of, "supervisor \"s\"");
        }
    }

    #[test]
    fn zero_means_zero_where_zero_makes_sense() {
        let spec = Spec::default()
            .failure_threshold(0.0)
            .failure_backoff(Duration::ZERO)
            .backoff_jitter(0.0)
            .shutdown_timeout(Duration::ZERO);
        assert_eq!(spec.check("s"), Ok(()));
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert_eq!(Spec::default().check("").unwrap_err().field, "name");
    }
}
