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
//! ```

mod http;
mod json;
mod recorder;
mod refusal;
mod store;
mod summary;
mod workers;

use std::{env, error::Error, net::TcpListener, path::PathBuf, time::Duration};

use actix_supervisor::{ChildSpec, Spec, Subscribe, Supervisor, install_panic_hook};

use crate::{recorder::Recorder, store::Store};

const WORKERS: usize = 4;

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    install_panic_hook();

    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let database = env::var_os("DATABASE")
        .map_or_else(|| env::temp_dir().join("actix-supervisor-webapp.sqlite"), PathBuf::from);

    // Opened once, here: like a child's mailbox, the socket outlives every incarnation of the server. Clients that connect
    // while none is running wait in its queue and are not refused.
    let socket = TcpListener::bind(("127.0.0.1", port))?;
    announce(&socket)?;

    // Every address is good from here on, before anything runs. So the parts are told of each other once, and no part has
    // to ask where another one is after a crash.
    let recorder = Recorder::spec();
    let store = Store::spec(database);
    let (workers, pool) = workers::pool(WORKERS, &store.addr())?;
    let root = Supervisor::with_spec("webapp", patience())?;
    let parts = http::Parts {
        root: root.addr(),
        recorder: recorder.addr(),
        store: store.addr(),
        pool,
        crash: http::CrashSwitch::default(),
    };
    root.addr().do_send(Subscribe(recorder.addr().recipient()));

    let report = root
        .child(recorder)
        .child(store)
        .child(ChildSpec::supervisor(workers))
        .child(http::service(parts, socket))
        .run()
        .await?;

    if report.is_clean() {
        Ok(())
    } else {
        Err(format!("left behind: {:?}", report.unstopped).into())
    }
}

/// A client waits [`refusal::LIMIT`] for its answer. The pause after too many failures is shorter than that, so that even a
/// request that arrives in a pause is answered, after it.
fn patience() -> Spec {
    Spec::default()
        .failure_threshold(10.0)
        .failure_decay(Duration::from_secs(10))
        .failure_backoff(Duration::from_secs(3))
}

#[expect(clippy::print_stdout, reason = "whoever asked for port 0 reads here which one it is")]
fn announce(socket: &TcpListener) -> std::io::Result<()> {
    println!("listening on http://{}", socket.local_addr()?);
    Ok(())
}
