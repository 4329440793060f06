//! Runs an application for as long as you like while all of it keeps crashing, and counts every message.
//!
//! ```text
//! soak
//! ├── store       actor on a thread of its own: every worker writes to it, and asks it
//! ├── workers     supervisor; its actors share three threads, with a watchdog each
//! ├── pool        four actors behind one address
//! ├── group       supervisor, rest for one: three actors that start in order
//! ├── moody       supervisor that pauses when too much fails
//! ├── fragile     supervisor that fails when too much fails
//! ├── slow        actor with a backoff
//! ├── sessions    supervisor of what comes and goes
//! ├── recorder    subscriber to all events
//! ├── ticker      async service
//! └── drive       blocking service
//! ```
//!
//! ```sh
//! cargo run --release --example soak -- --seconds 60
//! ```
//!
//! Other settings are `--rate` (messages a second), `--crashes` (a second), `--threads` (that send), `--seed` (of who crashes,
//! and how), and `--svg FILE` (a chart). The report goes to the standard output, as Markdown. The exit status is not 0
//! if a message was lost or handled twice, if anything was left behind, or if memory has grown.
//!
//! A message is lost if its sender waits for an answer in vain, or if it was neither handled nor in hand at a failure: so those
//! sent to a part of the tree and those that it began to handle have to be the same ones, in number and in the sum of their
//! fingerprints. Only a session may be removed with messages in its mailbox; their senders get an error.

mod app;
mod chaos;
mod chart;
mod ending;
mod load;
mod measure;
mod report;
mod sessions;
mod settings;
mod target;
mod worker;

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use actix_supervisor::install_panic_hook;

use crate::{app::App, measure::Measures, settings::Settings};

#[actix::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    install_panic_hook(); // Prints nothing of a child's panic.
    let settings = Settings::from_args()?;
    let measures = Arc::new(Measures::new(&settings));
    let threads_before = measure::threads();
    let app = App::start(&measures)?;

    let sampler = measure::Sampler::start(&measures, &settings);
    let senders = load::start(&app, &measures, &settings);
    let chaos = chaos::start(&app, &measures, &settings);
    let sessions = sessions::start(&app, &measures, &settings);
    tokio::time::sleep(Duration::from_secs(settings.seconds)).await;
    let samples = sampler.stop();

    for sender in senders {
        sender.await?;
    }
    chaos.await?;
    sessions.await?;
    let end = ending::end(app, &measures, threads_before).await?;

    let report = report::Report { settings, measures, samples, end };
    if let Some(file) = &report.settings.svg {
        std::fs::write(file, chart::draw(&report.samples))?;
    }
    report.print();
    Ok(report.verdict())
}
