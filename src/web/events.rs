//! Events as they happen, as server-sent events: resumed after a reconnection, and bounded however slow a client is.
//!
//! The ring of events belongs to the hub, and each reader has its place in it. A reader that falls behind costs nothing: it is told how
//! many it has missed.

use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};

use actix_web::web::Bytes;
use futures::{Stream, stream};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    hub::{Batch, Hub},
    view::{self, Texts},
};
use crate::clock::now;

/// Ten flushes a second at most: what comes in between goes together.
const PACE: Duration = Duration::from_millis(100);
/// How many events go together at most.
const MOST: usize = 500;
/// A sign of life, so that whoever listens knows that nothing has happened.
const BEAT: Duration = Duration::from_secs(3);

/// Where a reader begins.
pub(super) enum Begin {
    /// With the last so many, and then what comes.
    Last(u64),
    /// After the one with this id, of any run of the process.
    After { epoch: u64, id: u64 },
}

impl Begin {
    /// After an id as it was sent: the epoch, in hexadecimal, and the number.
    pub(super) fn after(id: &str) -> Option<Self> {
        let (epoch, id) = id.trim().split_once('-')?;
        Some(Self::After { epoch: u64::from_str_radix(epoch, 16).ok()?, id: id.parse().ok()? })
    }
}

struct Reader {
    hub: Arc<Hub>,
    changes: watch::Receiver<u64>,
    /// The number of the next event.
    next: u64,
    pace: Instant,
    /// What is to be said before anything else.
    greeting: Option<String>,
    texts: Texts,
    until: CancellationToken,
}

pub(super) fn stream(
    hub: Arc<Hub>,
    begin: &Begin,
    texts: Texts,
    until: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let latest = hub.latest();
    let (next, resumed) = match *begin {
        Begin::After { epoch, id } if epoch == hub.epoch() && id <= latest => (id + 1, true),
        // All that this run of the process can still tell is news.
        Begin::After { .. } => (1, false),
        Begin::Last(count) => ((latest + 1).saturating_sub(count).max(1), false),
    };
    // Who begins anew has missed nothing, and who has come back from another run nothing of this one that it could have seen.
    let next = if resumed { next } else { next + hub.from(next, 0).missed };
    let hello = json!({ "epoch": format!("{:x}", hub.epoch()), "next": next, "resumed": resumed });
    let greeting = Some(format!("retry: 1000\nevent: hello\ndata: {hello}\n\n"));
    let changes = hub.changes();
    let reader = Reader { hub, changes, next, pace: now(), greeting, texts, until };
    stream::unfold(reader, |mut reader| async move {
        let until = reader.until.clone();
        let text = until.run_until_cancelled(reader.text()).await?;
        Some((Ok(Bytes::from(text)), reader))
    })
}

impl Reader {
    /// What is sent next, as soon as there is something.
    async fn text(&mut self) -> String {
        if let Some(greeting) = self.greeting.take() {
            return greeting;
        }
        sleep_until(self.pace).await;
        self.changes.borrow_and_update();
        let mut batch = self.hub.from(self.next, MOST);
        if batch.is_empty() {
            // The sender is the hub, which is held here.
            if timeout(BEAT, self.changes.changed()).await.is_err() {
                return "event: beat\ndata: {}\n\n".to_owned();
            }
            batch = self.hub.from(self.next, MOST);
        }
        self.pace = now() + PACE;
        self.written(&batch)
    }

    fn written(&mut self, batch: &Batch) -> String {
        let mut text = String::new();
        if batch.missed > 0 {
            let _ = write!(text, "event: missed\ndata: {}\n\n", json!({ "missed": batch.missed }));
        }
        for record in &batch.records {
            let (epoch, id) = (self.hub.epoch(), record.id);
            // JSON has no line breaks.
            let event = view::event(record, self.texts);
            let _ = write!(text, "id: {epoch:x}-{id}\ndata: {event}\n\n");
            self.next = id + 1;
        }
        text
    }
}
