//! What a logger that panics at each line changes: nothing. A program of its own, for its logger.

#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    future::Future,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    Add, Child, ChildInfo, ChildSpec, ChildState, Decision, List, Replace, RestartPolicy, Stop,
    Supervisor, test_kit::paused,
};
use log::{LevelFilter, Log, Metadata, Record};

struct Panicky(Mutex<Vec<String>>);

static LOGGER: Panicky = Panicky(Mutex::new(Vec::new()));

impl Log for Panicky {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == "actix_supervisor" {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
            panic!("the logger panics");
        }
    }

    fn flush(&self) {}
}

/// Whether a line that ends so was to be logged.
fn was_logged(end: &str) -> bool {
    let lines = LOGGER.0.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().any(|line| line.ends_with(end))
}

fn test<T>(test: impl Future<Output = T>) -> T {
    static SET: Once = Once::new();
    SET.call_once(|| {
        log::set_logger(&LOGGER).expect("no other logger");
        log::set_max_level(LevelFilter::Trace);
    });
    paused(test)
}

/// Panics when it is dropped, if it has something to say.
struct Bomb(Option<&'static str>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(message) = self.0 {
            panic!("{message}");
        }
    }
}

/// Answers with the number of its incarnation.
struct Worker {
    life: u32,
    _bomb: Bomb,
}

impl Worker {
    fn spec(last_words: Option<&'static str>) -> ChildSpec<Worker> {
        let mut life = 0;
        ChildSpec::actor("worker", move |_| {
            life += 1;
            Worker { life, _bomb: Bomb(last_words.filter(|_| life == 1)) }
        })
    }
}

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
enum Work {
    Panic,
    Answer,
}

impl Handler<Work> for Worker {
    type Result = u32;

    fn handle(&mut self, work: Work, _ctx: &mut Self::Context) -> u32 {
        match work {
            Work::Panic => panic!("the handler panics"),
            Work::Answer => self.life,
        }
    }
}

async fn root_with(spec: ChildSpec<Worker>) -> (Addr<Supervisor>, Child<Worker>) {
    let root = Supervisor::new("root").start();
    let child = root.send(Add(spec)).await.unwrap().unwrap();
    (root, child)
}

/// What is told of the only child.
async fn only(root: &Addr<Supervisor>) -> ChildInfo {
    let [child] = <[_; 1]>::try_from(root.send(List).await.unwrap()).unwrap();
    child
}

/// Its answer, which it must not be long in giving.
async fn answer(worker: &Addr<Worker>) -> Result<u32, MailboxError> {
    let answer = tokio::time::timeout(Duration::from_secs(60), worker.send(Work::Answer));
    answer.await.expect("it answers")
}

#[test]
fn a_child_that_panics_once_more_on_its_way_down_is_restarted() {
    test(async {
        let (root, child) = root_with(Worker::spec(Some("and so does its end"))).await;
        child.addr().send(Work::Panic).await.unwrap_err();
        assert_eq!(answer(&child.addr()).await, Ok(2));
        assert!(was_logged("which had failed already, panicked: and so does its end"));
        let worker = only(&root).await;
        assert_eq!((worker.state, worker.restarts), (ChildState::Running, 1));
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_rule_that_panics_counts_as_restart() {
    test(async {
        let spec = Worker::spec(None).restart(RestartPolicy::Temporary);
        let (root, child) = root_with(spec.decide(|_| panic!("the rule panics"))).await;
        for life in 2..=3 {
            child.addr().send(Work::Panic).await.unwrap_err();
            assert_eq!(answer(&child.addr()).await, Ok(life));
        }
        assert!(was_logged("panicked: the rule panics"));
        assert_eq!(only(&root).await.restarts, 2);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_rule_that_panics_when_it_is_dropped_is_replaced() {
    test(async {
        let bomb = Bomb(Some("the old rule panics"));
        let spec = Worker::spec(None).decide(move |_| {
            let _held = &bomb;
            Decision::End
        });
        let (root, child) = root_with(spec).await;
        let replace = Replace(child.token(), Worker::spec(None));
        assert_eq!(root.send(replace).await.unwrap(), Ok(()));
        assert!(was_logged("panicked: the old rule panics"));
        child.addr().send(Work::Panic).await.unwrap_err();
        assert_eq!(answer(&child.addr()).await, Ok(2));
        assert_eq!(only(&root).await.restarts, 2);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}
