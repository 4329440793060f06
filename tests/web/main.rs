//! The routes of the feature `web`, asked as a browser asks them.

#![allow(missing_docs, reason = "a test binary has no public API")]

mod control;
mod failures;
mod fresh;
mod probes;
mod shown;
mod stream;

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{
    Backoff, CancellationToken, ChildSpec, ServiceActor, Spec, Stop, Supervisor, web,
};
use actix_web::{
    App, Error,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
    rt::System,
    test::{self, TestRequest},
};
use futures::future::poll_fn;
use serde_json::{Value, json};

/// A guard against hanging, far above what anything here takes.
const GUARD: Duration = Duration::from_secs(30);
const SECRET: &str = "the password is 1234";

fn run<T>(test: impl Future<Output = T>) -> T {
    System::new().block_on(async { tokio::time::timeout(GUARD, test).await.expect("it hangs") })
}

fn quiet(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
}

/// Panics once for each time that it is told to.
struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Worker {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("{SECRET}");
    }
}

fn worker(name: &str) -> ChildSpec<Worker> {
    ChildSpec::actor(name, |_| Worker)
}

async fn app(scope: web::Scope) -> impl Service<Req, Response = Res, Error = Error> {
    test::init_service(App::new().service(scope)).await
}

type Req = actix_http::Request;
type Res = ServiceResponse<BoxBody>;

async fn get(app: &impl Service<Req, Response = Res, Error = Error>, path: &str) -> (u16, String) {
    let response = test::call_service(app, TestRequest::get().uri(path).to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
}

async fn json_of(app: &impl Service<Req, Response = Res, Error = Error>, path: &str) -> Value {
    let (status, body) = get(app, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect(&body)
}

/// A stream of events that is being read.
struct Stream {
    body: BoxBody,
    read: String,
}

impl Stream {
    async fn open(
        app: &impl Service<Req, Response = Res, Error = Error>,
        path: &str,
        after: Option<&str>,
    ) -> Self {
        let mut request = TestRequest::get().uri(path);
        if let Some(after) = after {
            request = request.insert_header(("Last-Event-ID", after));
        }
        let response = test::call_service(app, request.to_request()).await;
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// The next block: its fields, by name.
    async fn next(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let fields = block.lines().map(|line| line.split_once(": ").expect(line));
                let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let fields = fields.collect();
                self.read = rest.to_owned();
                return Some(fields);
            }
            let mut body = std::pin::Pin::new(&mut self.body);
            let bytes = poll_fn(|task| body.as_mut().poll_next(task)).await?.unwrap();
            self.read.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn named(&mut self, event: &str) -> Value {
        loop {
            let fields = self.next().await.expect("the stream goes on");
            if fields.iter().any(|(name, value)| name == "event" && value == event) {
                return data(&fields);
            }
        }
    }

    /// The next thing that has happened, with its id.
    async fn happened(&mut self) -> (String, Value) {
        loop {
            let fields = self.next().await.expect("the stream goes on");
            if let Some((_, id)) = fields.iter().find(|(name, _)| name == "id") {
                return (id.clone(), data(&fields));
            }
        }
    }

    async fn until(&mut self, kind: &str) -> (String, Value) {
        loop {
            let (id, event) = self.happened().await;
            if event["kind"] == kind {
                return (id, event);
            }
        }
    }
}

fn data(fields: &[(String, String)]) -> Value {
    let (_, data) = fields.iter().find(|(name, _)| name == "data").unwrap();
    serde_json::from_str(data).unwrap()
}
