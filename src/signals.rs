//! `run`: a supervisor as the main thing of a process.

use std::{fmt, pin::pin};

use actix::Addr;
use futures::future::{Either, select};

use log::Level;

use crate::{
    child::panics, failure::Failure, info::StopReport, messages::Stop, supervisor::Supervisor,
};

impl Supervisor {
    /// As [`serve`](Self::serve), and SIGINT (Ctrl-C) and SIGTERM stop it in an orderly way.
    ///
    /// A second signal ends the process at once, with the status that a shell gives to a process which
    /// that signal has killed: 128 + its number.
    ///
    /// With the feature `systemd`, and where systemd has started the process, it is told when the tree is
    /// [ready](crate::Health), in one line what is wrong, that it stops, and, where a watchdog is set, that it is alive: as long as the
    /// supervisors and the arbiters of all essential children answer.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    /// use actix_supervisor::{CancellationToken, ChildSpec, ExitCodes, Supervisor};
    ///
    /// #[actix_rt::main]
    /// async fn main() -> ExitCode {
    ///     let server = ChildSpec::service("server", |stop: CancellationToken| async move {
    ///         stop.cancelled().await;
    ///     });
    ///     let root = Supervisor::new("app").child(server.essential(true));
    ///     ExitCodes::default().of(root.run().await)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve). [`ExitCodes`](crate::ExitCodes) makes a status of it; returned from `main` as it is, its `Debug` form
    /// is printed and the process exits with status 1.
    ///
    /// # Panics
    ///
    /// If no Actix system is running on this thread, or the system does not let the process listen for signals.
    pub async fn run(self) -> Result<StopReport, Failure> {
        let watch = actix_rt::spawn(watch(Signals::new(), self.addr()));
        #[cfg(all(feature = "systemd", unix))]
        let notifier = crate::systemd::Notifier::start(&self);
        let ended = self.serve().await;
        watch.abort();
        #[cfg(all(feature = "systemd", unix))]
        notifier.end(&ended).await;
        if let Err(failure) = &ended {
            panics::log(Level::Error, format_args!("ended by a failure: {failure}"));
        }
        ended
    }
}

async fn watch(mut signals: Signals, supervisor: Addr<Supervisor>) {
    let first = signals.next().await;
    panics::log(Level::Info, format_args!("{first}: stopping; once more to end at once"));
    supervisor.do_send(Stop);
    let second = signals.next().await;
    panics::log(Level::Error, format_args!("{second} once more: ending at once"));
    std::process::exit(128 + second.number);
}

#[derive(Clone, Copy)]
struct Signal {
    name: &'static str,
    number: i32,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const SIGINT: Signal = Signal { name: "SIGINT", number: 2 };

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).unwrap_or_else(|error| panic!("no signals: {error}"));
        Self {
            interrupt: listen(SignalKind::interrupt()),
            terminate: listen(SignalKind::terminate()),
        }
    }

    async fn next(&mut self) -> Signal {
        const SIGTERM: Signal = Signal { name: "SIGTERM", number: 15 };
        let (interrupt, terminate) = (pin!(self.interrupt.recv()), pin!(self.terminate.recv()));
        match select(interrupt, terminate).await {
            Either::Left(_) => SIGINT,
            Either::Right(_) => SIGTERM,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> Signal {
        if let Err(error) = tokio::signal::ctrl_c().await {
            panics::log(Level::Error, format_args!("no signals: {error}"));
            std::future::pending::<()>().await;
        }
        SIGINT
    }
}
