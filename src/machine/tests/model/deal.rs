//! A child's terms, as numbers that the model can count with.

use std::time::Duration;

use crate::{
    backoff::Backoff,
    info::ChildKind,
    machine::Terms,
    policy::{RestartPolicy, Shutdown},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Deal {
    pub(super) policy: RestartPolicy,
    pub(super) shutdown: Shutdown,
    pub(super) start_timeout: Option<Duration>,
    pub(super) kind: ChildKind,
    pub(super) delays: Option<Delays>,
    pub(super) reset_after: Option<Duration>,
    pub(super) give_up_after: Option<u32>,
    pub(super) significant: bool,
    pub(super) essential: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Delays {
    Constant(Duration),
    Doubling { first: Duration, max: Duration },
    Steps([Duration; 3]),
}

impl Deal {
    pub(super) fn can_be_killed(&self) -> bool {
        self.kind != ChildKind::Blocking
    }

    /// Of supervisors, what is below them would have a say; there is nothing here.
    pub(super) fn is_essential(&self) -> bool {
        self.essential && self.kind != ChildKind::Supervisor
    }

    /// How long it waits after its first failure, its second in a row, and so on.
    pub(super) fn delay(&self, failures_in_row: u32) -> Duration {
        match self.delays {
            None => Duration::ZERO,
            Some(Delays::Constant(delay)) => delay,
            Some(Delays::Doubling { first, max }) => {
                let mut delay = first;
                for _ in 1..failures_in_row {
                    delay = (delay * 2).min(max);
                }
                delay
            }
            Some(Delays::Steps([first, ..])) if failures_in_row == 1 => first,
            Some(Delays::Steps([_, second, _])) if failures_in_row == 2 => second,
            Some(Delays::Steps([.., last])) => last,
        }
    }

    /// For how long it has to be ready until its failures are not in a row any more.
    pub(super) fn healthy_after(&self, last_delay: Duration) -> Duration {
        match (self.delays, self.reset_after) {
            (Some(_), Some(healthy)) => healthy,
            (Some(_), None) if last_delay > Duration::from_secs(10) => last_delay,
            (Some(_), None) | (None, _) => Duration::from_secs(10),
        }
    }
}

impl From<Deal> for Terms {
    fn from(deal: Deal) -> Self {
        let backoff = deal.delays.map(|delays| match delays {
            Delays::Constant(delay) => Backoff::constant(delay),
            Delays::Doubling { first, max } => Backoff::exponential(first, max),
            Delays::Steps(steps) => Backoff::steps(steps),
        });
        let backoff = match deal.reset_after {
            Some(healthy) => backoff.map(|backoff| backoff.reset_after(healthy)),
            None => backoff,
        };
        Self {
            policy: deal.policy,
            shutdown: deal.shutdown,
            start_timeout: deal.start_timeout,
            kind: deal.kind,
            backoff,
            give_up_after: deal.give_up_after,
            significant: deal.significant,
            essential: deal.is_essential(),
            elsewhere: None,
        }
    }
}
