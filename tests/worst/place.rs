//! A bad child at some place, and those around it.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, Event, EventKind, Failure, Placement, Spec, Status, Stop, Supervisor,
    SupervisorState, test_kit::Events,
};

use crate::puppet::{Puppet, life, tell};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Inline,
    Arbiter,
    Dedicated,
    Pool,
}

impl Place {
    pub const ALL: [Place; 4] = [Self::Inline, Self::Arbiter, Self::Dedicated, Self::Pool];
    /// Threads that are the supervisor's, and not its own.
    pub const OF_THE_SUPERVISOR: [Place; 2] = [Self::Dedicated, Self::Pool];
}

/// A supervisor of three children.
pub struct World {
    pub root: Addr<Supervisor>,
    pub bad: Addr<Puppet>,
    /// At the same place: on the same thread, unless each has its own.
    pub near: Addr<Puppet>,
    /// On the supervisor's thread.
    pub far: Addr<Puppet>,
    pub seen: Events,
    pub arbiter: Arbiter,
}

impl World {
    pub fn start(place: Place) -> Self {
        Self::with(place, |spec| spec)
    }

    /// With more to say about the bad one.
    pub fn with(place: Place, more: impl FnOnce(ChildSpec<Puppet>) -> ChildSpec<Puppet>) -> Self {
        let arbiter = Arbiter::new();
        let placement = match place {
            Place::Inline => Placement::Inline,
            Place::Arbiter => Placement::Arbiter(arbiter.handle()),
            Place::Dedicated => Placement::Dedicated,
            Place::Pool => Placement::Pool,
        };
        let at = |name| Puppet::spec(name).placement(placement.clone());
        let (bad, near, far) = (more(at("bad")), at("near"), Puppet::spec("far"));
        let [bad_addr, near_addr, far_addr] = [&bad, &near, &far].map(ChildSpec::addr);
        let spec = Spec::default().failure_threshold(f64::MAX).arbiters(1);
        let (spec, seen) = Events::hooked(spec.shutdown_timeout(Duration::from_secs(60)));
        let root = Supervisor::with_spec("root", spec).expect("a sensible spec");
        let root = root.child(bad).child(near).child(far).start();
        Self { root, bad: bad_addr, near: near_addr, far: far_addr, seen, arbiter }
    }

    /// Has the bad one do this. Whether it is answered is up to what it does.
    pub async fn bad_does(
        &self,
        what: impl FnOnce(&mut Puppet, &mut Context<Puppet>) + Send + 'static,
    ) {
        let _ = self.bad.send(tell(what)).await;
    }

    /// How the bad one has failed.
    pub async fn failure(&mut self) -> Failure {
        let event = self.seen.until("root/bad: ChildFailed").await;
        let EventKind::ChildFailed { failure, .. } = event.kind else { unreachable!("{event}") };
        failure
    }

    /// Waits until the bad one has ended for good.
    pub async fn end(&mut self) -> Event {
        self.seen.until("root/bad: ChildEnded").await
    }

    /// Siblings and supervisor answer.
    pub async fn goes_on(&self) {
        assert_eq!(self.far.send(life()).await, Ok(1));
        self.near.send(life()).await.expect("it answers");
        self.supervisor_answers().await;
    }

    pub async fn supervisor_answers(&self) {
        let status = self.root.send(Status).await.expect("it answers");
        assert_eq!(status.state, SupervisorState::Running);
    }

    /// The bad one is in this life, all others answer, and all of it stops in order.
    pub async fn goes_on_and_stops(self, lives: u32) {
        assert_eq!(self.bad.send(life()).await, Ok(lives));
        self.goes_on().await;
        self.stops().await;
    }

    pub async fn stops(self) {
        let report = self.root.send(Stop).await.expect("it answers");
        assert!(report.is_clean(), "{report}");
        assert!(!self.bad.connected() && !self.near.connected() && !self.far.connected());
        self.arbiter.stop();
    }
}
