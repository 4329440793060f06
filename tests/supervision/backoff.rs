//! A child's backoff, on real restarts.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Backoff, ChildInfo, ChildSpec, ChildState, Restart, Resume, Spec, Supervisor, SupervisorState,
};

use crate::{
    support::{
        Do, Journal, Probe, Probes, fragile, info, list, now, paused, secs, settle, sleep, status,
    },
    times::{Starts, patient},
};

/// A supervisor with a probe.
pub struct Bench {
    pub root: Addr<Supervisor>,
    pub probe: Addr<Probe>,
    pub journal: Journal,
    pub starts: Starts,
}

impl Bench {
    pub fn with(backoff: Backoff) -> Self {
        Self::new(patient(), |spec| spec.backoff(backoff))
    }

    pub fn new(spec: Spec, set: impl FnOnce(ChildSpec<Probe>) -> ChildSpec<Probe>) -> Self {
        let (journal, starts) = (Journal::default(), Starts::default());
        let child = set(starts.of_probe("probe", &journal));
        let probe = child.addr();
        let root = Supervisor::with_spec("root", spec).unwrap().child(child).start();
        Self { root, probe, journal, starts }
    }

    pub async fn info(&self) -> ChildInfo {
        info(&self.root, "probe").await
    }

    /// Lets it fail; returns for how long it is down then.
    pub async fn fail(&self) -> Duration {
        settle().await;
        let failed_at = now();
        self.probe.do_send(Do::Fail);
        settle().await;
        self.info().await.next_start.map_or(Duration::ZERO, |at| at - failed_at)
    }

    /// Lets it fail, and waits until it is up again and has been so for some time.
    async fn fail_and_run(&self, healthy: Duration) -> Duration {
        let down = self.fail().await;
        // A part of it has gone by.
        sleep(down.saturating_sub(Duration::from_millis(1)) + healthy).await;
        down
    }
}

#[test]
fn restarts_follow_the_delays() {
    let exponential = |max| Backoff::exponential(secs(1), secs(max));
    let table = [
        (Backoff::constant(secs(2)), [2, 2, 2, 2, 2]),
        (exponential(5), [1, 2, 4, 5, 5]),
        (exponential(20).factor(3.0), [1, 3, 9, 20, 20]),
        (exponential(20).factor(1.0), [1, 1, 1, 1, 1]),
        (Backoff::steps([secs(1), secs(5), secs(2)]), [1, 5, 2, 2, 2]),
        (Backoff::steps([secs(0), secs(0), secs(3)]), [0, 0, 3, 3, 3]),
    ];
    for (backoff, seconds) in table {
        paused(async {
            let starts = Starts::default();
            let spec = starts.of_failing("x").backoff(backoff.clone());
            let _root = Supervisor::with_spec("root", patient()).unwrap().child(spec).start();
            while starts.count() < 6 {
                sleep(secs(1)).await;
            }
            assert_eq!(starts.gaps()[..5], seconds.map(secs), "{backoff:?}");
        });
    }
}

#[test]
fn jitter_stretches_each_delay_by_its_share_at_most_and_a_seed_repeats_it() {
    let gaps = |seed| {
        paused(async {
            let starts = Starts::default();
            let spec = starts.of_failing("x").backoff(Backoff::constant(secs(10)).jitter(0.5));
            let settings = patient().jitter_seed(seed);
            let _root = Supervisor::with_spec("root", settings).unwrap().child(spec).start();
            sleep(secs(1_500)).await;
            starts.gaps()
        })
    };
    let first = gaps(1);
    assert!(first.len() >= 99, "{}", first.len());
    // The clock has steps of a millisecond.
    assert!(first.iter().all(|gap| (secs(10)..=secs(15)).contains(gap)), "{first:?}");
    assert!(first.iter().any(|&gap| gap < secs(11)) && first.iter().any(|&gap| gap > secs(14)));
    assert_eq!(gaps(1), first);
    assert_ne!(gaps(2), first);
}

#[test]
fn after_a_healthy_time_the_next_delay_is_the_first_one_again() {
    paused(async {
        let bench = Bench::with(Backoff::exponential(secs(1), secs(60)).reset_after(secs(5)));
        assert_eq!(bench.fail_and_run(Duration::from_millis(4_990)).await, secs(1));
        assert_eq!(bench.fail_and_run(Duration::from_millis(4_990)).await, secs(2));
        assert_eq!(bench.fail_and_run(secs(5)).await, secs(4));
        assert_eq!(bench.fail_and_run(secs(0)).await, secs(1));
        assert_eq!(bench.fail().await, secs(2));
        assert_eq!(bench.info().await.failures_in_row, 2);
    });
}

#[test]
fn unless_told_otherwise_ten_seconds_are_healthy() {
    paused(async {
        let bench = Bench::with(Backoff::exponential(secs(1), secs(60)));
        assert_eq!(bench.fail_and_run(Duration::from_millis(9_990)).await, secs(1));
        assert_eq!(bench.fail_and_run(secs(10)).await, secs(2));
        assert_eq!(bench.fail().await, secs(1));
    });
}

#[test]
fn after_a_delay_of_more_than_ten_seconds_it_has_to_be_healthy_for_as_long() {
    paused(async {
        let bench = Bench::with(Backoff::steps([secs(40), secs(60), secs(90)]));
        assert_eq!(bench.fail_and_run(Duration::from_millis(39_990)).await, secs(40));
        assert_eq!(bench.fail_and_run(secs(60)).await, secs(60));
        assert_eq!(bench.fail().await, secs(40));
    });
}

#[test]
fn it_is_healthy_from_when_it_is_ready_and_not_from_its_start() {
    paused(async {
        let (journal, backoff) = (Journal::default(), Backoff::exponential(secs(1), secs(60)));
        let spec = Probes::slow("probe", &journal, secs(8)).backoff(backoff.reset_after(secs(5)));
        let probe = spec.addr();
        let root = Supervisor::with_spec("root", patient()).unwrap().child(spec).start();
        for failures_in_row in 1..=3 {
            sleep(secs(12)).await;
            probe.do_send(Do::Fail);
            settle().await;
            assert_eq!(info(&root, "probe").await.failures_in_row, failures_in_row);
            sleep(info(&root, "probe").await.next_start.unwrap() - now()).await;
        }
    });
}

#[test]
fn a_healthy_time_before_a_restart_on_request_counts_too() {
    paused(async {
        let bench = Bench::with(Backoff::exponential(secs(1), secs(60)));
        bench.fail_and_run(secs(0)).await;
        assert_eq!(bench.fail_and_run(secs(10)).await, secs(2));
        let token = bench.info().await.token;
        assert_eq!(bench.root.send(Restart(token)).await.unwrap(), Ok(()));
        assert_eq!(bench.fail_and_run(secs(0)).await, secs(1));
        assert_eq!(bench.root.send(Restart(token)).await.unwrap(), Ok(()));
        assert_eq!(bench.fail().await, secs(2), "it was not healthy for long enough");
    });
}

#[test]
fn a_child_restarts_when_its_backoff_and_the_pause_are_over() {
    paused(async {
        let journal = Journal::default();
        let starts = [(); 3].map(|()| Starts::default());
        let specs = [
            starts[0].of_probe("none", &journal),
            starts[1].of_probe("short", &journal).backoff(Backoff::constant(secs(5))),
            starts[2].of_probe("long", &journal).backoff(Backoff::constant(secs(20))),
        ];
        let addrs = specs.each_ref().map(ChildSpec::addr);
        let root = Supervisor::with_spec("root", fragile()).unwrap();
        let root = specs.into_iter().fold(root, Supervisor::child).start();
        settle().await;
        let failed_at = now();
        for addr in addrs {
            addr.do_send(Do::Panic);
        }
        settle().await;
        let due = |info: ChildInfo| info.next_start.unwrap() - failed_at;
        let due: Vec<_> = list(&root).await.into_iter().map(due).collect();
        assert_eq!(due, [15, 15, 20].map(secs));
        sleep(secs(10)).await;
        let due = |info: ChildInfo| info.next_start.unwrap() - failed_at;
        let due: Vec<_> = list(&root).await.into_iter().map(due).collect();
        assert_eq!(due, [15, 15, 20].map(secs), "its own backoff is over, the pause is not");
        sleep(secs(30)).await;
        assert_eq!(starts.map(|starts| starts.since(failed_at)[1]), [15, 15, 20].map(secs));
    });
}

#[test]
fn the_spread_after_a_pause_is_for_those_who_waited_for_it() {
    paused(async {
        let journal = Journal::default();
        let starts = [(); 4].map(|()| Starts::default());
        let of = |index: usize| starts[index].of_probe("probe", &journal);
        let specs = [
            of(0),
            of(1).backoff(Backoff::constant(secs(5))),
            of(2).backoff(Backoff::constant(secs(3))),
            of(3).backoff(Backoff::constant(secs(17))),
        ];
        let addrs = specs.each_ref().map(ChildSpec::addr);
        let root = Supervisor::with_spec("root", fragile().resume_spread(secs(6))).unwrap();
        let _root = specs.into_iter().fold(root, Supervisor::child).start();
        settle().await;
        let failed_at = now();
        for addr in addrs {
            addr.do_send(Do::Panic);
        }
        sleep(secs(40)).await;
        let restarted = starts.map(|starts| starts.since(failed_at)[1]);
        assert_eq!(restarted, [15, 19, 17, 17].map(secs), "in the order in which they were due");
    });
}

#[test]
fn a_resume_ends_the_pause_and_not_the_backoff() {
    paused(async {
        let bench = Bench::new(fragile(), |spec| spec.backoff(Backoff::constant(secs(5))));
        assert_eq!(bench.fail().await, secs(15));
        bench.root.send(Resume).await.unwrap();
        assert_eq!(status(&bench.root).await.state, SupervisorState::Running);
        assert_eq!(bench.info().await.state, ChildState::BackingOff);
        sleep(secs(10)).await;
        assert_eq!(bench.starts.gaps().len(), 1);
        assert_eq!(bench.info().await.state, ChildState::Running);
    });
}

#[test]
fn what_is_listed_tells_of_the_failures_in_a_row_and_of_the_next_start() {
    paused(async {
        let bench = Bench::with(Backoff::constant(secs(7)));
        settle().await;
        let before = bench.info().await;
        assert_eq!((before.failures_in_row, before.next_start), (0, None));
        let failed_at = now();
        bench.probe.do_send(Do::Panic);
        settle().await;
        let down = bench.info().await;
        assert_eq!((down.failures_in_row, down.next_start), (1, Some(failed_at + secs(7))));
        assert_eq!((down.state, down.restarts), (ChildState::BackingOff, 0));
        sleep(secs(7)).await;
        let up = bench.info().await;
        assert_eq!((up.failures_in_row, up.next_start), (1, None));
        assert_eq!((up.state, up.restarts), (ChildState::Running, 1));
    });
}
