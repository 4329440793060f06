//! A backoff: the delay before each restart of one child, longer from failure to failure. After a healthy
//! time it begins anew, and who fails too often in a row is given up.
//!
//! ```text
//! $ cargo run --example 08_backoff
//!  0 s  feed: connection refused
//!  1 s  feed: connection refused
//!  3 s  feed: connection refused
//!  5 s  (3 failures in a row, the next start is at 7 s)
//!  7 s  feed: connected
//! 37 s  feed: connection reset
//! 38 s  feed: connection refused
//! 40 s  feed: connection refused
//! 44 s  feed: connection refused
//! 44 s  feed ended: failed too often in a row: connection refused
//! ```

#![allow(clippy::print_stdout)]

use std::{error::Error, io, time::Duration};

use actix::Actor;
use actix_supervisor::{Backoff, CancellationToken, ChildSpec, EventKind, List, Spec, Supervisor};
use tokio::time::{Instant, pause, sleep};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn feed(attempt: u32, begin: Instant) -> io::Result<()> {
    if attempt == 4 {
        println!("{:2} s  feed: connected", begin.elapsed().as_secs());
        sleep(seconds(30)).await;
        println!("{:2} s  feed: connection reset", begin.elapsed().as_secs());
        return Err(io::Error::other("connection reset"));
    }
    println!("{:2} s  feed: connection refused", begin.elapsed().as_secs());
    Err(io::Error::other("connection refused"))
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    pause(); // tokio's clock: it goes on as soon as nothing else is to be done
    #[expect(clippy::disallowed_methods, reason = "it shows times")]
    let begin = Instant::now();

    let spec = Spec::default().event_hook(move |event| {
        if let EventKind::ChildEnded { name, reason, .. } = &event.kind {
            println!("{:2} s  {name} ended: {reason}", begin.elapsed().as_secs());
        }
    });
    let mut attempt = 0;
    let feed = ChildSpec::service("feed", move |_stop: CancellationToken| {
        attempt += 1;
        feed(attempt, begin)
    });
    let feed = feed.backoff(Backoff::exponential(seconds(1), seconds(60))).give_up_after(4);

    let root = Supervisor::with_spec("root", spec)?.child(feed).start();
    sleep(seconds(5)).await;
    let children = root.send(List).await?;
    if let Some(next) = children[0].next_start {
        let (now, next) = (begin.elapsed().as_secs(), next - begin);
        let row = children[0].failures_in_row;
        println!("{now:2} s  ({row} failures in a row, the next start is at {} s)", next.as_secs());
    }
    sleep(seconds(60)).await;
    Ok(())
}
