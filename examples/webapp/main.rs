//! A web application in which every part may crash, and no accepted work is lost.
//!
//! Clients post JSON documents. A pool of workers sums up the numbers in them, and a store commits both to SQLite. Only
//! then is the client told `201 Created`: from that moment on the document survives a crash of any part.
//!
//! ```text
//! webapp
//! ├── recorder    actor: the last events of the whole tree
//! ├── store       actor: the database; the only one that touches the file
//! ├── workers     supervisor
//! │   ├── worker-1 … worker-4    actors: a document in, its numbers summed up
//! └── http        service: the web server
//! ```
//!
//! Children start from the top and stop from the bottom: at SIGINT or SIGTERM the server first finishes the requests that
//! it has, while all that these need still runs.
//!
//! ```sh
//! PORT=8080 DATABASE=/tmp/webapp.sqlite cargo run --example webapp
//!
//! curl localhost:8080/documents -d '{"room": {"temperature": 20.5}, "doors": [1, 0, 1]}'
//! curl localhost:8080/documents/1
//! curl localhost:8080/stats
//! curl -X POST localhost:8080/crash/store       # or worker, workers, http, recorder
//! curl 'localhost:8080/documents?crash=worker' -d '{"doors": [1]}'    # crashes with this document in hand
//! curl localhost:8080/tree
//! curl localhost:8080/events
//! curl localhost:8080/health
//! curl localhost:8080/livez localhost:8080/readyz    # what a platform asks
//! ```
//!
//! With the feature `web` a browser shows all this at `/supervisor`: `cargo run --example webapp --features web`, choose a worker there, kill it, and watch.
//!
//! As a process it tells whoever has started it how it has ended, by its status (`ExitCodes`), and takes its settings from the
//! environment: `PORT`, `DATABASE`, `STOP_DELAY` (seconds) and `THRESHOLD` (failures). `docs/deployment.md` says what they should be.

mod http;
mod json;
mod recorder;
mod refusal;
mod store;
mod summary;
mod workers;

use std::{env, net::TcpListener, path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use actix_supervisor::{
    BoxError, ChildSpec, ExitCodes, Spec, StartFailure, StopReport, Subscribe, Supervisor,
    install_panic_hook,
};

use crate::{recorder::Recorder, store::Store};

const WORKERS: usize = 4;

#[actix::main]
async fn main() -> ExitCode {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    install_panic_hook();
    match Settings::from_env() {
        Ok(settings) => ExitCodes::default().of(application(settings).await),
        // What cannot be read now can be read no better the next time: the status of a bad configuration.
        Err(error) => ExitCodes::default().other(78).of(Err(error)),
    }
}

struct Settings {
    port: u16,
    database: PathBuf,
    stop_delay: Duration,
    threshold: f64,
}

impl Settings {
    fn from_env() -> Result<Self, BoxError> {
        let database = env::var_os("DATABASE")
            .map_or_else(|| env::temp_dir().join("actix-supervisor-webapp.sqlite"), PathBuf::from);
        Ok(Self {
            port: number("PORT", 8080)?,
            database,
            stop_delay: Duration::from_secs(number("STOP_DELAY", 0)?),
            threshold: number("THRESHOLD", 10.0)?,
        })
    }
}

fn number<N: FromStr<Err: std::fmt::Display>>(name: &str, default: N) -> Result<N, BoxError> {
    let Ok(value) = env::var(name) else { return Ok(default) };
    value.parse().map_err(|error| format!("{name}={value}: {error}").into())
}

async fn application(settings: Settings) -> Result<StopReport, BoxError> {
    // Opened once, here: like a child's mailbox, the socket outlives every incarnation of the server. Clients that connect
    // while none is running wait in its queue and are not refused.
    let socket = TcpListener::bind(("127.0.0.1", settings.port))?;
    announce(&socket)?;

    // Every address is good from here on, before anything runs. So the parts are told of each other once, and no part has
    // to ask where another one is after a crash.
    let recorder = Recorder::spec();
    let store = Store::spec(settings.database.clone());
    let (workers, pool) = workers::pool(WORKERS, &store.addr())?;
    let root = Supervisor::with_spec("webapp", patience(&settings))?;
    let parts = http::Parts {
        root: root.addr(),
        recorder: recorder.addr(),
        store: store.addr(),
        pool,
        crash: http::CrashSwitch::default(),
    };
    root.addr().do_send(Subscribe(recorder.addr().recipient()));

    // What no request can be answered without: the platform sends none while one of them is missing.
    let root = root
        .child(recorder)
        .child(store.essential(true))
        .child(ChildSpec::supervisor(workers).essential(true))
        .child(http::service(parts, socket).essential(true));
    announce_stop(&root);
    Ok(root.run().await?)
}

/// The platform has to give at least as long before it kills: `terminationGracePeriodSeconds`, `TimeoutStopSec`.
fn announce_stop(root: &Supervisor) {
    match root.worst_case_stop() {
        Some(time) => log::info!("a stop takes {time:?} at most"),
        None => log::warn!("a stop may take for ever"),
    }
}

/// A client waits [`refusal::LIMIT`] for its answer. The pause after too many failures is shorter than that, so that even a
/// request that arrives in a pause is answered, after it.
fn patience(settings: &Settings) -> Spec {
    Spec::default()
        .failure_threshold(settings.threshold)
        .failure_decay(Duration::from_secs(10))
        .failure_backoff(Duration::from_secs(3))
        // What cannot start at all ends the process, and the platform tries again later, elsewhere.
        .start_failure(StartFailure::Escalate)
        .stop_delay(settings.stop_delay)
}

#[expect(clippy::print_stdout, reason = "whoever asked for port 0 reads here which one it is")]
fn announce(socket: &TcpListener) -> std::io::Result<()> {
    println!("listening on http://{}", socket.local_addr()?);
    if cfg!(feature = "web") {
        log::info!("the tree is at http://{}/supervisor", socket.local_addr()?);
    }
    Ok(())
}
