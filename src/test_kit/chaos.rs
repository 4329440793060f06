//! Kills children at random.

use std::{fmt, sync::Arc, time::Duration};

use actix::Addr;
use fastrand::Rng;
use futures::future::{Either, select};

use crate::{
    CancellationToken, ChildInfo, ChildKind, ChildSpec, ChildState, ChildToken, Kill, ServiceActor,
    Supervisor, Tree, TreeNode,
};

type Spare = Arc<dyn Fn(&[String]) -> bool + Send + Sync>;

/// Kills children of a tree at random: does it bear that? Named after Netflix's Chaos Monkey.
///
/// Each time it takes one of the children that are up, at any depth, and sends a [`Kill`] to its supervisor. Times and choices come from a
/// seed, so on a [paused](super::paused) clock a run can be repeated. In a test:
///
/// ```
/// use std::time::Duration;
/// use actix::prelude::*;
/// use actix_supervisor::{Backoff, Health, Spec, Supervisor, test_kit::{Chaos, Journal, Probe, paused}};
///
/// # paused(async {
/// let journal = Journal::default();
/// let store = Probe::spec("store", &journal).essential(true);
/// let cache = Probe::spec("cache", &journal).backoff(Backoff::constant(Duration::from_secs(1)));
/// let spec = Spec::default().failure_threshold(100.0);
/// let root = Supervisor::with_spec("root", spec)?.child(store).child(cache).start();
///
/// let chaos = Chaos::seeded(7).every(Duration::from_secs(10)).spare(|path| path == ["root", "store"]);
/// let killed = chaos.kill(&root, 5).await;
/// assert_eq!(killed, vec![["root", "cache"]; 5]);
/// assert!(root.send(Health).await?.ready);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// As a drill in a staging system, one child more:
///
/// ```
/// use std::time::Duration;
/// use actix_supervisor::{Supervisor, test_kit::Chaos};
///
/// let mut app = Supervisor::new("app");
/// if std::env::var_os("CHAOS").is_some() {
///     let drill = Chaos::random().every(Duration::from_secs(60));
///     let root = app.addr();
///     app = app.child(drill.service("chaos", root));
/// }
/// ```
#[derive(Clone)]
pub struct Chaos {
    rng: Rng,
    mean: Duration,
    supervisors: bool,
    spare: Spare,
}

impl Chaos {
    /// With this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            mean: Duration::from_secs(1),
            supervisors: false,
            spare: Arc::new(|_path| false),
        }
    }

    /// With a seed that nobody knows.
    pub fn random() -> Self {
        Self::seeded(fastrand::u64(..))
    }

    /// How much time lies between two kills on average; a second unless set. The times are spread as those of independent failures
    /// are: exponentially.
    #[must_use]
    pub fn every(mut self, mean: Duration) -> Self {
        self.mean = mean;
        self
    }

    /// Whether it kills nested supervisors too, [pools](ChildSpec::pool) included, with all that is below them; false unless set.
    #[must_use]
    pub fn supervisors(mut self, yes: bool) -> Self {
        self.supervisors = yes;
        self
    }

    /// Spares those whose path this is true for: names, from the supervisor at the root down to the child. What is below a spared
    /// supervisor is spared only if its own path is. Called several times, it spares what any of them does.
    #[must_use]
    pub fn spare(mut self, by: impl Fn(&[String]) -> bool + Send + Sync + 'static) -> Self {
        let others = self.spare;
        self.spare = Arc::new(move |path| others(path) || by(path));
        self
    }

    /// Kills as many times, and returns the paths of those that it has killed, in that order: fewer if the supervisor has ended.
    /// A time at which nobody is up whom it may kill does not count.
    pub async fn kill(mut self, root: &Addr<Supervisor>, times: usize) -> Vec<Vec<String>> {
        let mut killed = Vec::with_capacity(times);
        while killed.len() < times {
            tokio::time::sleep(self.wait()).await;
            match self.kill_one(root).await {
                Some(victim) => killed.extend(victim),
                None => break,
            }
        }
        killed
    }

    /// A service that kills until it is stopped; it spares itself. Take it on at the supervisor whose tree it is about, or elsewhere.
    pub fn service(
        self,
        name: impl Into<String>,
        root: Addr<Supervisor>,
    ) -> ChildSpec<ServiceActor> {
        let name = name.into();
        let own = name.clone();
        let chaos = self.spare(move |path| path.last() == Some(&own));
        // The next incarnation does not begin anew.
        let mut seeds = chaos.rng.clone();
        ChildSpec::service(name, move |stop: CancellationToken| {
            let (mut chaos, root) = (chaos.clone(), root.clone());
            chaos.rng = seeds.fork();
            async move {
                let drill = Box::pin(async move {
                    loop {
                        tokio::time::sleep(chaos.wait()).await;
                        if chaos.kill_one(&root).await.is_none() {
                            return;
                        }
                    }
                });
                match select(drill, Box::pin(stop.cancelled())).await {
                    Either::Left(_) | Either::Right(_) => {}
                }
            }
        })
    }

    fn wait(&mut self) -> Duration {
        // Never zero, whose logarithm is infinite.
        let share = 1.0 - self.rng.f64();
        let time = self.mean.as_secs_f64() * -share.ln();
        Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX)
    }

    /// The path of the one that it has killed, if there was one to kill; `None` if the supervisor has ended.
    async fn kill_one(&mut self, root: &Addr<Supervisor>) -> Option<Option<Vec<String>>> {
        let tree = root.send(Tree).await.ok()?;
        let mut victims = Vec::new();
        self.collect(&tree, root, &mut Vec::new(), &mut victims);
        if victims.is_empty() {
            return Some(None);
        }
        let Victim { supervisor, token, path } =
            victims.swap_remove(self.rng.usize(..victims.len()));
        // Whoever does not end at once, a blocking service, is not waited for.
        supervisor.do_send(Kill(token));
        Some(Some(path))
    }

    fn collect(
        &self,
        node: &TreeNode,
        supervisor: &Addr<Supervisor>,
        above: &mut Vec<String>,
        victims: &mut Vec<Victim>,
    ) {
        above.push(node.status.name.clone());
        for child in &node.children {
            let path = [&above[..], std::slice::from_ref(&child.name)].concat();
            if self.may_kill(child) && !(self.spare)(&path) {
                victims.push(Victim { supervisor: supervisor.clone(), token: child.token, path });
            }
            let below = node.supervisors.iter().find(|below| below.token == Some(child.token));
            if let (Some(below), Some(addr)) = (below, child.addr::<Supervisor>()) {
                self.collect(below, &addr, above, victims);
            }
        }
        above.pop();
    }

    fn may_kill(&self, child: &ChildInfo) -> bool {
        let is_up = match child.state {
            ChildState::Starting | ChildState::Running => true,
            ChildState::BackingOff | ChildState::Stopping | ChildState::Terminated => false,
        };
        is_up && (self.supervisors || child.kind != ChildKind::Supervisor)
    }
}

struct Victim {
    supervisor: Addr<Supervisor>,
    token: ChildToken,
    path: Vec<String>,
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("every", &self.mean)
            .field("supervisors", &self.supervisors)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_between_kills_are_short_and_long_with_the_mean_that_was_asked_for() {
        let mut chaos = Chaos::seeded(1).every(Duration::from_secs(60));
        let times: Vec<f64> = (0..10_000).map(|_| chaos.wait().as_secs_f64()).collect();
        let mean = times.iter().sum::<f64>() / 10_000.0;
        assert!((57.0..63.0).contains(&mean), "{mean}");
        // As if by chance: a tenth of them within a tenth of the mean, and one in twenty after three times the mean.
        let share = |is: fn(f64) -> bool| times.iter().filter(|&&time| is(time)).count();
        assert!((800..1_100).contains(&share(|time| time < 6.0)));
        assert!((400..600).contains(&share(|time| time > 180.0)));
    }

    #[test]
    fn it_is_printed_for_debugging_with_what_was_asked_for() {
        let chaos = Chaos::seeded(1).every(Duration::from_secs(60));
        assert_eq!(format!("{chaos:?}"), "Chaos { every: 60s, supervisors: false, .. }");
    }
}
