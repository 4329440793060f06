//! What `run` tells systemd: that the tree is ready, what is wrong, that it stops, and that it is alive.

use std::{
    io,
    time::{Duration, Instant},
};

use actix::Addr;
use actix_rt::task::{JoinHandle, spawn_blocking};
use log::Level;
use sd_notify::NotifyState;
use tokio::{sync::watch, time::timeout};

use crate::{
    child::panics,
    failure::Failure,
    health::{Health, HealthReport},
    info::StopReport,
    supervisor::{Condition, Supervisor},
};

/// How often a tree in which something is wrong is asked what that is by now.
const LOOK: Duration = Duration::from_secs(1);

/// How long the last word to systemd may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many letters a status has at most, each of up to four bytes.
const LONGEST: usize = 1_000;

/// Talks to systemd, while a tree runs, where that is what has started the process.
pub(crate) struct Notifier(Option<JoinHandle<()>>);

impl Notifier {
    pub(crate) fn start(root: &Supervisor) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self(None);
        }
        let condition = root.watch_condition();
        let teller = Teller { root: root.addr(), said: Said::default(), watchdog: Watchdog::new() };
        Self(Some(actix_rt::spawn(teller.tell_all(condition))))
    }

    /// The tree has ended: that is what systemd shows from now on.
    pub(crate) async fn end(self, ended: &Result<StopReport, Failure>) {
        let Some(task) = self.0 else { return };
        task.abort();
        let status = match ended {
            Ok(report) => one_line(&report.to_string()),
            Err(failure) => one_line(&format!("ended by a failure: {failure}")),
        };
        let told = say(vec![Word::Stopping, Word::Status(status)]);
        let _ = timeout(PATIENCE, told).await;
    }
}

/// What has been said already.
#[derive(Default)]
struct Said {
    ready: bool,
    stopping: bool,
    status: String,
}

struct Teller {
    root: Addr<Supervisor>,
    said: Said,
    watchdog: Option<Watchdog>,
}

impl Teller {
    async fn tell_all(mut self, mut condition: watch::Receiver<Condition>) {
        loop {
            let now = *condition.borrow_and_update();
            self.tell_condition(now).await;
            let Some(is_well) = self.tell_health(now).await else { return };
            let look = if is_well { None } else { Some(LOOK) };
            let next = look.into_iter().chain(self.watchdog.as_ref().map(Watchdog::due_in)).min();
            let changed = condition.changed();
            let is_over = match next {
                Some(time) => matches!(timeout(time, changed).await, Ok(Err(_))),
                None => changed.await.is_err(),
            };
            if is_over {
                return;
            }
        }
    }

    /// What cannot wait for an answer of anybody.
    async fn tell_condition(&mut self, now: Condition) {
        let mut words = Vec::new();
        if now.is_ready && !self.said.ready {
            self.said.ready = true;
            words.push(Word::Ready);
        }
        if now.is_stopping && !self.said.stopping {
            self.said.stopping = true;
            words.push(Word::Stopping);
        }
        say(words).await;
    }

    /// What is wrong, and that all that has to answers does. Returns whether all is well; `None` when the tree has ended.
    async fn tell_health(&mut self, now: Condition) -> Option<bool> {
        let health = self.root.send(Health).await.ok()?;
        let mut words = Vec::new();
        let status = status(&health, now);
        if status != self.said.status {
            self.said.status.clone_from(&status);
            words.push(Word::Status(status));
        }
        let is_due = self.watchdog.as_mut().is_some_and(Watchdog::is_due);
        if is_due && health.live {
            words.push(Word::Watchdog);
        }
        say(words).await;
        Some(health.ready)
    }
}

fn status(health: &HealthReport, now: Condition) -> String {
    if now.is_stopping { "stopping".to_owned() } else { one_line(&health.to_string()) }
}

/// A line break would begin another word of the protocol; and of a datagram of more than 4,096 bytes systemd hears nothing, not even
/// that the process is alive.
fn one_line(text: &str) -> String {
    let mut chars = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut line: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// When systemd wants to hear that the process is alive.
struct Watchdog {
    /// A third of what it waits for: one word may come late.
    period: Duration,
    due: Instant,
}

impl Watchdog {
    fn new() -> Option<Self> {
        let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
        Some(Self { period: limit / 3, due: now() })
    }

    fn due_in(&self) -> Duration {
        self.due.saturating_duration_since(now())
    }

    /// Whether it is to be told now; if so, the next time is later.
    fn is_due(&mut self) -> bool {
        let is_due = self.due <= now();
        if is_due {
            self.due = now() + self.period;
        }
        is_due
    }
}

/// systemd's clock, which nobody pauses.
#[expect(clippy::disallowed_methods, reason = "systemd waits on the real clock")]
fn now() -> Instant {
    Instant::now()
}

enum Word {
    Ready,
    Status(String),
    Stopping,
    Watchdog,
}

/// Not on this thread: it would be blocked for as long as systemd does not listen.
async fn say(words: Vec<Word>) {
    if words.is_empty() {
        return;
    }
    let told = spawn_blocking(move || {
        let states: Vec<_> = words.iter().map(Word::state).collect();
        sd_notify::notify(&states)
    });
    let failed: Option<io::Error> = told.await.ok().and_then(Result::err);
    if let Some(error) = failed {
        panics::log(Level::Warn, format_args!("systemd cannot be told: {error}"));
    }
}

impl Word {
    fn state(&self) -> NotifyState<'_> {
        match self {
            Self::Ready => NotifyState::Ready,
            Self::Status(line) => NotifyState::Status(line),
            Self::Stopping => NotifyState::Stopping,
            Self::Watchdog => NotifyState::Watchdog,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix::{Actor, AsyncContext, System};

    use super::*;
    use crate::{AddAndWait, CancellationToken, ChildSpec, ServiceActor, Spec, Stop};

    #[test]
    fn that_the_process_is_alive_is_due_once_in_each_period() {
        let minute = Duration::from_secs(60);
        let mut watchdog = Watchdog { period: minute, due: now() };
        assert_eq!(watchdog.due_in(), Duration::ZERO);
        assert!(watchdog.is_due());
        assert!(!watchdog.is_due());
        let left = watchdog.due_in();
        assert!(minute / 2 < left && left <= minute, "{left:?}");
    }

    fn paused(test: impl Future<Output = ()>) {
        let system = System::with_tokio_rt(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().start_paused(true).build().expect("a runtime")
        });
        system.block_on(test);
    }

    fn quiet(name: &str) -> ChildSpec<ServiceActor> {
        ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
    }

    fn told(watched: &mut watch::Receiver<Condition>) -> (bool, bool) {
        let Condition { is_ready, is_stopping } = *watched.borrow_and_update();
        (is_ready, is_stopping)
    }

    #[test]
    fn whoever_watches_a_tree_learns_at_once_when_it_is_ready_and_when_it_stops_and_of_nothing_else()
     {
        paused(async {
            let spec = Spec::default().stop_delay(Duration::from_secs(9));
            let root = Supervisor::with_spec("root", spec).expect("it makes sense");
            let root = root.child(quiet("declared"));
            let mut watched = root.watch_condition();
            let root = root.start();
            watched.changed().await.expect("it runs");
            assert_eq!(told(&mut watched), (true, false));
            root.send(AddAndWait(quiet("more"))).await.expect("it runs").expect("it starts");
            assert!(!watched.has_changed().expect("it runs"));
            root.do_send(Stop);
            let before = crate::clock::now();
            watched.changed().await.expect("it runs");
            assert_eq!(told(&mut watched), (false, true));
            assert_eq!(crate::clock::now(), before);
        });
    }

    #[test]
    fn a_tree_is_at_no_time_ready_before_all_that_is_essential_below_is() {
        paused(async {
            let never_up = ChildSpec::actor("never up", |ctx| {
                ctx.wait(actix::fut::wrap_future::<_, Hung>(std::future::pending()));
                Hung
            });
            let below = Supervisor::new("below").child(quiet("first"));
            let below = below.child(never_up.essential(true));
            let root = Supervisor::new("root").child(ChildSpec::supervisor(below));
            let mut watched = root.watch_condition();
            let root = root.start();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!watched.has_changed().expect("it runs"));
            assert_eq!(told(&mut watched), (false, false));
            drop(root);
        });
    }

    struct Hung;

    impl Actor for Hung {
        type Context = actix::Context<Self>;
    }
}
