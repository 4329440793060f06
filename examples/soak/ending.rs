//! The orderly end, and the balance of the books.

use std::{sync::Arc, time::Duration};

use actix::{Addr, MailboxError};
use actix_supervisor::{ChildState, List, Restart, Stop, StopReport, Supervisor};
use tokio::time::{sleep, timeout};

use crate::{
    app::App,
    load::{Ids, PATIENCE, ask},
    measure::{self, Measures, now},
    target::Target,
    worker::Act,
};

/// Threads that were told to end have done so after this.
const THREADS_END: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
/// Who sends the last messages, as a number of a sender.
const SENDER: u64 = (1 << 15) + 1;

pub(crate) struct End {
    /// Messages to each part.
    pub(crate) parts: Vec<Part>,
    pub(crate) stopped: StopReport,
    /// Threads that were not there before.
    pub(crate) threads_left: u64,
}

pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
}

/// Waits for what is under way, stops the application, and closes the books.
pub(crate) async fn end(
    app: App,
    measures: &Arc<Measures>,
    threads_before: u64,
) -> Result<End, MailboxError> {
    let begin = now();
    while measures.under_way() > 0 && begin.elapsed() < PATIENCE * 2 {
        sleep(LOOK).await;
    }
    for supervisor in &app.supervisors {
        bring_back(supervisor).await?;
    }
    // A mailbox is a queue: when this one is answered, all that was sent before has been taken. What the workers tell the
    // store, they have told it by then, and the store comes last.
    let mut ids = Ids::of(SENDER);
    for target in &app.targets {
        ask(target.clone(), ids.next(), Act::Work, Arc::clone(measures)).await;
    }
    let stopped = match timeout(PATIENCE, app.root.send(Stop)).await {
        Ok(report) => report?,
        Err(_) => panic!("the application does not stop within {PATIENCE:?}"),
    };
    let begin = now();
    while measure::threads() > threads_before && begin.elapsed() < THREADS_END {
        sleep(LOOK).await;
    }
    let threads_left = measure::threads().saturating_sub(threads_before);
    let parts = app.targets.iter().map(balance).collect();
    Ok(End { parts, stopped, threads_left })
}

fn balance(target: &Target) -> Part {
    let (lost, twice) = target.books.balance();
    Part { name: target.name.clone(), sent: target.books.sent.count(), lost, twice }
}

/// Starts again what was taken down and not brought up, since its supervisor failed in between.
async fn bring_back(supervisor: &Addr<Supervisor>) -> Result<(), MailboxError> {
    for child in supervisor.send(List).await? {
        if child.state == ChildState::Terminated {
            let _ = supervisor.send(Restart(child.token)).await?;
        }
    }
    Ok(())
}
