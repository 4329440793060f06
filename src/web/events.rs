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

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};

    use futures::StreamExt;

    use super::*;
    use crate::event::{Event, EventKind};

    fn paused(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(test);
    }

    /// A hub to which so many events have come.
    fn hub(events: usize) -> Arc<Hub> {
        let hub = Arc::new(Hub::new());
        (0..events).for_each(|_| happen(&hub));
        hub
    }

    fn happen(hub: &Hub) {
        let (path, kind) = (vec!["root".into()], EventKind::SupervisorStarted);
        hub.record(&Event { path, kind });
    }

    fn open(
        hub: &Arc<Hub>,
        begin: &Begin,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        stream(Arc::clone(hub), begin, Texts::Shown, CancellationToken::new())
    }

    type Reading<'a, S> = Pin<&'a mut S>;

    async fn text<S: Stream<Item = Result<Bytes, Infallible>>>(
        stream: &mut Reading<'_, S>,
    ) -> String {
        let Ok(bytes) = stream.next().await.expect("it goes on");
        String::from_utf8(bytes.to_vec()).expect("it is text")
    }

    /// What the greeting says: the number of the next event, and whether that follows the last one that was read.
    async fn greeted(hub: &Arc<Hub>, begin: Begin) -> (u64, bool) {
        let mut stream = pin!(open(hub, &begin));
        let text = text(&mut stream).await;
        let (_, data) = text.split_once("data: ").expect("a greeting has data");
        let data: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
        (data["next"].as_u64().expect("a number"), data["resumed"] == true)
    }

    /// The numbers of the events in it.
    fn ids(text: &str) -> Vec<u64> {
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")?.split_once('-'));
        ids.map(|(_, id)| id.parse().expect("a number")).collect()
    }

    #[test]
    fn it_begins_with_the_last_ones_or_after_the_one_that_was_read_last() {
        paused(async {
            let hub = hub(10);
            let epoch = hub.epoch();
            assert_eq!(greeted(&hub, Begin::Last(0)).await, (11, false));
            assert_eq!(greeted(&hub, Begin::Last(3)).await, (8, false));
            assert_eq!(greeted(&hub, Begin::Last(99)).await, (1, false));
            assert_eq!(greeted(&hub, Begin::After { epoch, id: 7 }).await, (8, true));
            assert_eq!(greeted(&hub, Begin::After { epoch, id: 10 }).await, (11, true));
            assert_eq!(greeted(&hub, Begin::After { epoch, id: 11 }).await, (1, false));
            let epoch = epoch + 1;
            assert_eq!(greeted(&hub, Begin::After { epoch, id: 7 }).await, (1, false));
        });
    }

    #[test]
    fn who_begins_anew_has_missed_nothing_of_what_is_forgotten() {
        paused(async {
            let hub = hub(5_000);
            assert_eq!(greeted(&hub, Begin::Last(5_000)).await, (5_000 - 4_096 + 1, false));
            let mut stream = pin!(open(&hub, &Begin::Last(5_000)));
            text(&mut stream).await;
            let first = text(&mut stream).await;
            assert!(!first.contains("missed"), "{first}");
            assert_eq!(ids(&first).first(), Some(&905));
        });
    }

    #[test]
    fn each_event_is_told_once_in_its_order_and_few_at_a_time() {
        paused(async {
            let hub = hub(1_200);
            let mut stream = pin!(open(&hub, &Begin::Last(1_200)));
            text(&mut stream).await;
            let begun = now();
            let parts = [text(&mut stream).await, text(&mut stream).await, text(&mut stream).await];
            assert_eq!(parts.each_ref().map(|part| ids(part).len()), [500, 500, 200]);
            assert!(parts.iter().flat_map(|part| ids(part)).eq(1..=1_200));
            assert_eq!(now() - begun, 2 * PACE);
        });
    }

    #[test]
    fn what_happens_soon_after_goes_together_and_where_nothing_happens_there_is_a_sign_of_life() {
        paused(async {
            let hub = hub(0);
            let mut stream = pin!(open(&hub, &Begin::Last(0)));
            text(&mut stream).await;
            let begun = now();
            assert_eq!(text(&mut stream).await, "event: beat\ndata: {}\n\n");
            assert_eq!(now() - begun, BEAT);
            happen(&hub);
            assert_eq!(ids(&text(&mut stream).await), [1]);
            assert_eq!(now() - begun, BEAT);
            happen(&hub);
            happen(&hub);
            assert_eq!(ids(&text(&mut stream).await), [2, 3]);
            assert_eq!(now() - begun, BEAT + PACE);
        });
    }

    #[test]
    fn two_runs_have_epochs_of_their_own() {
        assert_ne!(hub(0).epoch(), hub(0).epoch());
    }
}
