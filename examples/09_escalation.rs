//! What cannot be repaired below is handed up, level by level, and at last to whoever has started the
//! process: systemd, Kubernetes, or you.
//!
//! ```text
//! $ cargo run --example 09_escalation
//! database: attempt 1
//! app/storage/database: failed: the disk is full (1.00 of 1 failures, will be restarted)
//! database: attempt 2
//! app/storage/database: failed: the disk is full (2.00 of 1 failures, not restarted)
//! app/storage: too many failures (2.00 of 1), the supervisor fails
//! app/storage: failed: storage gave up over its child database: the disk is full (1.00 of 1 failures, will be restarted)
//! database: attempt 3
//! app/storage/database: failed: the disk is full (1.00 of 1 failures, will be restarted)
//! database: attempt 4
//! app/storage/database: failed: the disk is full (2.00 of 1 failures, not restarted)
//! app/storage: too many failures (2.00 of 1), the supervisor fails
//! app/storage: failed: storage gave up over its child database: the disk is full (2.00 of 1 failures, not restarted)
//! app: too many failures (2.00 of 1), the supervisor fails
//! web: stopped in order
//! at the bottom of it, app/storage/database: the disk is full
//! exit status 1
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;

use actix_supervisor::{CancellationToken, ChildSpec, EventKind, OnLimit, Spec, Supervisor};

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Each level bears one failure, and no second one.
    let strict = Spec::default().on_limit(OnLimit::Escalate).failure_threshold(1.0);

    let mut attempt = 0;
    let database = ChildSpec::service("database", move |_stop: CancellationToken| {
        attempt += 1;
        println!("database: attempt {attempt}");
        async { Err::<(), _>("the disk is full") }
    });
    let web = ChildSpec::service("web", |stop: CancellationToken| async move {
        stop.cancelled().await;
        println!("web: stopped in order");
    });
    let storage = Supervisor::with_spec("storage", strict.clone())?.child(database);
    let spec = strict.event_hook(|event| match event.kind {
        EventKind::ChildFailed { .. } | EventKind::LimitReached { .. } => println!("{event}"),
        _ => {}
    });
    let app = Supervisor::with_spec("app", spec)?;
    let app = app.child(web).child(ChildSpec::supervisor(storage));

    if let Err(failure) = app.run().await {
        println!("at the bottom of it, {}: {}", failure.path().join("/"), failure.root_cause());
        // Here your `main` returns an error or `ExitCode::FAILURE`, so that a service manager starts the process anew.
        println!("exit status 1");
    }
    Ok(())
}
