//! Services: supervised code that is no actor, async or on a thread of its own.
//!
//! ```text
//! $ cargo run --example 03_services
//! feed: attempt 1
//! feed: attempt 2
//! feed: attempt 3
//! feed: connected
//! feed: closed
//! printer: on
//! printer: letter
//! printer: on
//! printer: invoice
//! printer: off
//! ```

#![allow(clippy::print_stdout)]

use std::{
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Duration,
};

use actix::Addr;
use actix_supervisor::{
    CancellationToken, ChildSpec, Failure, Stop, Supervisor, install_panic_hook,
};

#[actix::main]
async fn main() -> Result<(), Failure> {
    install_panic_hook();

    // An async service is called anew for every incarnation. What its closure owns is kept.
    let office = Supervisor::new("office");
    let (root, mut attempt) = (office.addr(), 0);
    let spec = ChildSpec::service("feed", move |stop| {
        attempt += 1;
        feed(attempt, root.clone(), stop)
    });
    office.child(spec).serve().await?;

    // A blocking one runs on a thread of its own, with its name.
    let (jobs, queue) = mpsc::channel();
    for job in ["letter", "jam", "invoice", "end of the day"] {
        let _ = jobs.send(job);
    }
    let office = Supervisor::new("office");
    let root = office.addr();
    let spec = ChildSpec::blocking("printer", move |stop| print(&queue, &root, &stop));
    office.child(spec).serve().await?;
    Ok(())
}

/// A panic and an error are failures alike: a service is called anew after either.
async fn feed(attempt: u32, root: Addr<Supervisor>, stop: CancellationToken) -> io::Result<()> {
    println!("feed: attempt {attempt}");
    match attempt {
        1 => return Err(io::ErrorKind::ConnectionRefused.into()),
        2 => panic!("an unexpected greeting"),
        _ => println!("feed: connected"),
    }
    root.do_send(Stop);
    // Whoever stops a service cancels its token, and waits for it within a limit.
    stop.cancelled().await;
    println!("feed: closed");
    Ok(())
}

fn print(
    jobs: &Receiver<&str>,
    root: &Addr<Supervisor>,
    stop: &CancellationToken,
) -> Result<(), &'static str> {
    println!("printer: on");
    // A thread cannot be stopped from outside: it has to look at the token now and then.
    while !stop.is_cancelled() {
        match jobs.recv_timeout(Duration::from_millis(5)) {
            Ok("jam") => return Err("a paper jam"),
            Ok("end of the day") => root.do_send(Stop),
            Ok(job) => println!("printer: {job}"),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
    println!("printer: off");
    Ok(())
}
