//! A pool of workers that block, each on a thread of its own, behind one address. One that panics is replaced alone.
//!
//! ```text
//! $ cargo run --example 12_pool
//! 3 jobs at the same time, on workers-1, workers-2, workers-3
//! the job in hand at a panic: Mailbox has closed
//! root/workers/workers-…: failed: the input is bad
//! 3 jobs at the same time, on workers-1, workers-2, workers-3
//! resized to 5: workers-1, workers-2, workers-3, workers-4, workers-5
//! 5 jobs at the same time, on workers-1, workers-2, workers-3, workers-4, workers-5
//! resized to 2: workers-1, workers-2
//! everything has stopped
//! ```

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    sync::{Arc, Barrier},
    thread,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, ChildSpec, EventKind, Failure, Placement, Resize, Spec, Stop, Supervisor, Tree,
    install_panic_hook,
};

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

/// It blocks its thread until as many jobs as the barrier wants are being done.
#[derive(Message)]
#[rtype(result = "String")]
struct Job(Arc<Barrier>);

impl Handler<Job> for Worker {
    type Result = String;

    fn handle(&mut self, Job(all): Job, _ctx: &mut Self::Context) -> String {
        all.wait();
        thread::current().name().unwrap_or_default().to_owned()
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct BadJob;

impl Handler<BadJob> for Worker {
    type Result = ();

    fn handle(&mut self, _: BadJob, _ctx: &mut Self::Context) {
        panic!("the input is bad");
    }
}

/// With fewer free members than jobs, this would wait for ever.
async fn at_the_same_time(workers: &Addr<Worker>, jobs: usize) -> Result<(), MailboxError> {
    let all = Arc::new(Barrier::new(jobs));
    let answers: Vec<_> = (0..jobs).map(|_| workers.send(Job(Arc::clone(&all)))).collect();
    let mut threads = Vec::new();
    for answer in answers {
        threads.push(answer.await?);
    }
    threads.sort();
    println!("{jobs} jobs at the same time, on {}", threads.join(", "));
    Ok(())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    install_panic_hook();

    let (tell, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let spec = Spec::default().event_hook(move |event| {
        if let EventKind::ChildFailed { failure: Failure::Panic(panic), .. } = &event.kind {
            // Which member it was is a matter of chance.
            let path = event.path.join("/").trim_end_matches(char::is_numeric).to_owned();
            let _ = tell.send(format!("{path}…: failed: {}", panic.message));
        }
    });
    let root = Supervisor::with_spec("root", spec)?.start();
    let pool = ChildSpec::pool("workers", 3, |_ctx| Worker).placement(Placement::Dedicated);
    let pool = root.send(Add(pool)).await??;
    let workers = pool.addr();

    at_the_same_time(&workers, 3).await?;
    if let Err(error) = workers.send(BadJob).await {
        println!("the job in hand at a panic: {error}");
    }
    println!("{}", failures.recv().await.unwrap_or_default());
    // Its member was replaced, on the same thread.
    at_the_same_time(&workers, 3).await?;

    root.send(Resize(pool.token(), 5)).await??;
    println!("resized to 5: {}", members(&root).await?);
    at_the_same_time(&workers, 5).await?;
    root.send(Resize(pool.token(), 2)).await??;
    println!("resized to 2: {}", members(&root).await?);

    println!("{}", root.send(Stop).await?);
    Ok(())
}

/// A pool is a supervisor of its members.
async fn members(root: &Addr<Supervisor>) -> Result<String, MailboxError> {
    let tree = root.send(Tree).await?;
    let members = tree.supervisors.iter().flat_map(|pool| &pool.children);
    let names: Vec<_> = members.map(|member| member.name.as_str()).collect();
    Ok(names.join(", "))
}
