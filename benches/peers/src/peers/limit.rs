//! The limit: local Tokio tasks, caught through their `JoinHandle`s and spawned again. No mailbox, no policy, no
//! tree; what a child needs of these is made by hand, as cheaply as it can be.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::{pending, poll_fn},
    rc::Rc,
    time::Instant,
};

use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::{JoinHandle, JoinSet, LocalSet, spawn_local},
};

use super::ours::Fate;
use crate::{
    jobs::{BATCH, Job, LEAVES, ROUNDS, draw},
    meter::{Gate, Memory, Outcome, current_thread, latencies, median, nanos, rate, rounds},
};

pub(crate) fn run(job: Job, n: usize) -> Outcome {
    LocalSet::new().block_on(&current_thread(), async {
        match job {
            Job::RestartStop => restarts(n, Fate::Stop).await,
            Job::RestartPanic => restarts(n, Fate::Panic).await,
            Job::Answer => answers(n).await,
            Job::Messages => messages(n).await,
            Job::Idle(_) => idle(n).await,
            Job::StopConcurrent => stop(n).await,
            Job::StopReverse => stop_in_reverse(n).await,
            Job::StormStop => storm(n, Fate::Stop).await,
            Job::StormPanic => storm(n, Fate::Panic).await,
            Job::Remove => remove(n).await,
            Job::Churn => churn(n).await,
            Job::Flat => flat().await,
            Job::Nested => Err("has no supervisors"),
            Job::Pause | Job::Backoff => Err("neither pauses nor waits"),
        }
    })
}

async fn mayfly(fate: Fate) {
    match (Gate::more(), fate) {
        (false, _) => pending().await,
        (true, Fate::Stop) => {}
        (true, Fate::Panic) => panic!("as it was told"),
    }
}

async fn restarts(n: usize, fate: Fate) -> Outcome {
    Gate::expect(n);
    let begin = Instant::now();
    let _supervisor = spawn_local(async move {
        loop {
            let _ended = spawn_local(mayfly(fate)).await;
        }
    });
    Gate::all().await;
    let restarts = rate(n, begin);
    Ok(vec![("restarts", restarts), ("services", restarts)])
}

enum Told {
    Number(u64),
    Answer(u64, oneshot::Sender<u64>),
    Report,
    End(Fate),
}

/// A mailbox that outlives the tasks that read it.
type Mailbox = Rc<RefCell<UnboundedReceiver<Told>>>;

async fn worker(mailbox: Mailbox) {
    let mut sum = 0_u64;
    while let Some(told) = poll_fn(|task| mailbox.borrow_mut().poll_recv(task)).await {
        match told {
            Told::Number(number) => sum = sum.wrapping_add(number),
            Told::Answer(number, to) => {
                sum = sum.wrapping_add(number);
                let _gone = to.send(sum);
            }
            Told::Report => Gate::arrive(),
            Told::End(Fate::Stop) => return,
            Told::End(Fate::Panic) => panic!("as it was told"),
        }
    }
}

fn mailbox() -> (UnboundedSender<Told>, Mailbox) {
    let (sender, receiver) = unbounded_channel();
    (sender, Rc::new(RefCell::new(receiver)))
}

/// A worker, and a task that spawns it again.
fn supervised_worker() -> UnboundedSender<Told> {
    let (sender, mailbox) = mailbox();
    spawn_local(async move {
        loop {
            let _ended = spawn_local(worker(Rc::clone(&mailbox))).await;
        }
    });
    sender
}

async fn ask(worker: &UnboundedSender<Told>, number: u64) -> Result<u64, &'static str> {
    let (answer, answered) = oneshot::channel();
    worker.send(Told::Answer(number, answer)).map_err(|_| "it has ended")?;
    answered.await.map_err(|_| "it did not answer")
}

async fn answers(n: usize) -> Outcome {
    let worker = supervised_worker();
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begin = Instant::now();
        worker.send(Told::End(Fate::Panic)).map_err(|_| "it has ended")?;
        ask(&worker, 1).await?;
        times.push(nanos(begin));
    }
    latencies(&times)
}

async fn messages(rounds: usize) -> Outcome {
    let worker = supervised_worker();
    let (mut forget, mut reply) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        for number in 1..BATCH {
            worker.send(Told::Number(number as u64)).map_err(|_| "it has ended")?;
        }
        ask(&worker, 0).await?;
        forget.push(nanos(begin) / BATCH as f64);

        let begin = Instant::now();
        for number in 0..BATCH {
            ask(&worker, number as u64).await?;
        }
        reply.push(nanos(begin) / BATCH as f64);
    }
    Ok(vec![("forget", median(&forget)), ("reply", median(&reply))])
}

async fn idler() {
    Gate::arrive();
    pending().await
}

async fn start(n: usize) -> Vec<JoinHandle<()>> {
    Gate::expect(n);
    let mut tasks = Vec::with_capacity(n);
    tasks.extend((0..n).map(|_| spawn_local(idler())));
    Gate::all().await;
    tasks
}

async fn idle(n: usize) -> Outcome {
    let (before, begin) = (Memory::now(), Instant::now());
    let tasks = start(n).await;
    let add = nanos(begin) / n as f64;
    let memory = Memory::now().since(before, &tasks);
    drop(tasks);
    Ok([("add", add)].into_iter().chain(memory).collect())
}

async fn stop(n: usize) -> Outcome {
    let mut tasks = JoinSet::new();
    Gate::expect(n);
    (0..n).for_each(|_| drop(tasks.spawn_local(idler())));
    Gate::all().await;
    let begin = Instant::now();
    tasks.shutdown().await;
    Ok(vec![("stop", nanos(begin))])
}

async fn stop_in_reverse(n: usize) -> Outcome {
    let mut tasks = start(n).await;
    let begin = Instant::now();
    while let Some(task) = tasks.pop() {
        end(task).await;
    }
    Ok(vec![("stop", nanos(begin))])
}

async fn end(task: JoinHandle<()>) {
    task.abort();
    let _aborted = task.await;
}

async fn flat() -> Outcome {
    let begin = Instant::now();
    let mut tasks = start(LEAVES).await;
    let start = nanos(begin);
    let begin = Instant::now();
    while let Some(task) = tasks.pop() {
        end(task).await;
    }
    Ok(vec![("start", start), ("stop", nanos(begin))])
}

/// One task that looks after all of them, through one `JoinSet`.
async fn storm(n: usize, fate: Fate) -> Outcome {
    let (senders, mailboxes): (Vec<_>, Vec<_>) = (0..n).map(|_| mailbox()).unzip();
    let over = Rc::new(Cell::new(false));
    spawn_local(supervise(mailboxes, Rc::clone(&over)));
    tell(&senders, n, None).await?;
    let begin = Instant::now();
    tell(&senders, n, Some(fate)).await?;
    let back = nanos(begin);
    over.set(true);
    Ok(vec![("back", back)])
}

async fn tell(
    workers: &[UnboundedSender<Told>],
    n: usize,
    fate: Option<Fate>,
) -> Result<(), &'static str> {
    Gate::expect(n);
    for worker in workers {
        if let Some(fate) = fate {
            worker.send(Told::End(fate)).map_err(|_| "it has ended")?;
        }
        worker.send(Told::Report).map_err(|_| "it has ended")?;
    }
    Gate::all().await;
    Ok(())
}

async fn supervise(mailboxes: Vec<Mailbox>, over: Rc<Cell<bool>>) {
    let (mut tasks, mut children) = (JoinSet::new(), HashMap::new());
    for mailbox in mailboxes {
        let task = tasks.spawn_local(worker(Rc::clone(&mailbox)));
        children.insert(task.id(), mailbox);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        if let Some(mailbox) = children.remove(&id).filter(|_| !over.get()) {
            let task = tasks.spawn_local(worker(Rc::clone(&mailbox)));
            children.insert(task.id(), mailbox);
        }
    }
}

async fn remove(n: usize) -> Outcome {
    let mut tasks: HashMap<usize, _> = start(n).await.into_iter().enumerate().collect();
    let keys = draw(&mut (0..n).collect());
    let begin = Instant::now();
    for key in &keys {
        if let Some(task) = tasks.remove(key) {
            end(task).await;
        }
    }
    Ok(vec![("remove", nanos(begin) / keys.len() as f64)])
}

async fn churn(n: usize) -> Outcome {
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        for task in start(n).await {
            end(task).await;
        }
        after.push(Memory::now());
    }
    rounds(&after)
}
