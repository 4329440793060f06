//! Terms and settings as specs.

use actix::prelude::*;
use actix_supervisor::{Backoff, ChildSpec, Decision, Failure, Placement, Spec};

use crate::{
    program::{Delays, Settings, Terms},
    scripted::millis,
};

pub fn with_terms<A: Actor<Context = Context<A>>>(
    spec: ChildSpec<A>,
    terms: &Terms,
) -> ChildSpec<A> {
    let place = match Arbiter::try_current() {
        Some(arbiter) if terms.elsewhere => Placement::Arbiter(arbiter),
        Some(_) | None => Placement::Inline,
    };
    let mut spec = spec
        .placement(place)
        .restart(terms.policy)
        .drain(terms.drain)
        .while_down(terms.while_down)
        .significant(terms.significant);
    if let Some(shutdown) = terms.shutdown {
        spec = spec.shutdown(shutdown);
    }
    if let Some(limit) = terms.start_timeout {
        spec = spec.start_timeout(millis(limit));
    }
    let backoff = match terms.delays {
        Delays::None => None,
        Delays::Constant(delay) => Some(Backoff::constant(millis(delay))),
        Delays::Doubling { first, max } => Some(Backoff::exponential(millis(first), millis(max))),
        Delays::Steps(steps) => Some(Backoff::steps(steps.map(millis))),
    };
    if let Some(backoff) = backoff {
        spec = spec.backoff(match terms.reset_after {
            Some(healthy) => backoff.reset_after(millis(healthy)),
            None => backoff,
        });
    }
    if let Some(most) = terms.give_up_after {
        spec = spec.give_up_after(most);
    }
    if let Some(rule) = terms.rule {
        spec = spec.decide(move |failure| -> Decision {
            match failure {
                Failure::Panic(_) => rule.panic,
                _ => rule.other,
            }
        });
    }
    spec
}

pub fn spec(settings: &Settings) -> Spec {
    let mut spec = Spec::default()
        .strategy(settings.strategy)
        .failure_decay(millis(settings.decay))
        .failure_threshold(settings.threshold)
        .on_limit(settings.on_limit)
        .failure_backoff(millis(settings.pause))
        .backoff_jitter(0.0)
        .resume_spread(millis(settings.spread))
        .shutdown_timeout(millis(settings.shutdown_timeout))
        .shutdown_order(settings.order)
        .start_failure(settings.start_failure)
        .auto_shutdown(settings.auto_shutdown)
        .propagate_termination(settings.propagate)
        .event_hook(|_| {});
    if let Some(most) = settings.max_children {
        spec = spec.max_children(most);
    }
    if let Some(pauses) = settings.give_up_after_pauses {
        spec = spec.give_up_after_pauses(pauses);
    }
    spec
}
