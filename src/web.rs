//! A live page of a tree, and what belongs to it, for any [actix-web](actix_web) application. Feature `web`.
//!
//! [`scope`] mounts into an application as its other services do:
//!
//! ```
//! use actix::prelude::*;
//! use actix_supervisor::{CancellationToken, ChildSpec, Supervisor, web};
//! use actix_web::{App, test};
//!
//! # actix_rt::System::new().block_on(async {
//! let ticker = ChildSpec::service("ticker", |stop: CancellationToken| async move {
//!     stop.cancelled().await;
//! });
//! let root = Supervisor::new("app").child(ticker).start();
//!
//! let app = App::new().service(web::scope(root).at("/supervisor"));
//!
//! let app = test::init_service(app).await;
//! let ask = test::TestRequest::get().uri("/supervisor/healthz").to_request();
//! assert_eq!(test::call_and_read_body(&app, ask).await, "ok\n");
//! # });
//! ```
//!
//! | path | |
//! | --- | --- |
//! | `/supervisor` | the page: the tree as it is, each child with its failures and its history, the events as they come |
//! | `tree.json` | the tree, as [`Tree`](crate::Tree) tells it, with the number of the last event before it |
//! | `events` | events as they happen, as [server-sent events]; `?last=100` begins with those; `Last-Event-ID` resumes |
//! | `child.json?token=%231.2` | what is known of a child: its last failures, its history, how long it was in which state |
//! | `healthz` | 200 if the supervisor answers within two seconds, else 503: a liveness probe |
//! | `readyz` | 200 if the tree is [ready](crate::Health), else 503, and a line that says what is wrong: a readiness probe |
//! | `metrics` | what [`metrics`](Scope::metrics) says, else 404 |
//! | `control/…` | POST of `{"token": "#1.2"}` to `restart`, `terminate`, `kill` or `resume`, where [allowed](Scope::allow_control) |
//!
//! # Who may see it
//!
//! **Put it behind the application's own authentication**, like any page about the inside of a process: wrap it in a scope with that
//! middleware, or let a server of its own serve it that listens where only you can reach it. It shows the names of children, and what they do. What
//! failures say, where a panic was, and its backtrace are shown only with [`show_failures(true)`](Scope::show_failures), since
//! they may hold secrets: otherwise only what [kind](crate::Failure::kind) of failure it was. It changes nothing without
//! [`allow_control`](Scope::allow_control).
//!
//! No answer may be cached, framed, or taken for something else than it is; the page loads nothing from anywhere else, and runs no script but its
//! own, whatever the children are called.
//!
//! # What it costs
//!
//! Nothing while nothing happens. An event is put into a ring of the last 4,096, and into the history of its child: the last 32 events of
//! each of at most 4,096 children, 32,768 of all together, and the last 256 backtraces. With messages of a usual length that is some ten to twenty megabytes at
//! most, which belong to the root and are kept from the first [`scope`] until its end, through all restarts of a server. All workers of all servers share
//! it. Nobody who looks holds up a supervisor: the tree is asked for at most four times a second, less often if it is large, for all who look
//! together, and who reads events too slowly is told how many were missed.
//!
//! [server-sent events]: https://html.spec.whatwg.org/multipage/server-sent-events.html

mod control;
mod events;
mod hub;
mod tree;
mod view;

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use actix::{Addr, Handler, MailboxError, Message, dev::ToEnvelope};
use actix_web::{
    HttpRequest, HttpResponse,
    dev::{AppService, HttpServiceFactory},
    http::{
        StatusCode,
        header::{CONTENT_SECURITY_POLICY, CacheControl, CacheDirective, ContentEncoding},
    },
    middleware::DefaultHeaders,
    web::{self as http, Data, Query, get, head, post, resource},
};
use serde::Deserialize;
use tokio::{sync::OnceCell, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use self::hub::Hub;
use self::view::Texts;
use crate::{
    child::panics,
    messages::{Observe, Status},
    supervisor::Supervisor,
    token::ChildToken,
};

/// How long a supervisor may take to answer a probe. [`Health`](crate::Health) itself waits up to a second for what it asks.
const PATIENCE: Duration = Duration::from_secs(2);

const PAGE: &str = include_str!("web/page.html");

/// The page of this supervisor and of all below it; see the [module](self).
///
/// Events are kept for it from now on, so make one early. `HttpServer` calls the closure that makes the application once for each of its threads: all
/// that they make are about the same events.
pub fn scope(root: Addr<Supervisor>) -> Scope {
    root.do_send(Observe);
    Scope {
        at: "/supervisor".to_owned(),
        mounted: Mounted {
            root,
            hub: OnceCell::new(),
            control: false,
            texts: Texts::Hidden,
            metrics: None,
            until: CancellationToken::new(),
        },
    }
}

/// What is mounted where, and how much it shows. Made by [`scope`].
#[must_use = "it has to be mounted: `App::service`"]
pub struct Scope {
    at: String,
    mounted: Mounted,
}

/// What the routes know.
struct Mounted {
    root: Addr<Supervisor>,
    hub: OnceCell<Arc<Hub>>,
    control: bool,
    texts: Texts,
    metrics: Option<Box<dyn Fn() -> String>>,
    until: CancellationToken,
}

impl Scope {
    /// Where it is mounted, `/supervisor` unless this says otherwise. A slash at the end means nothing.
    /// At `/` it takes all that the services before it have left, so there it comes last.
    pub fn at(mut self, path: &str) -> Self {
        self.at = path.trim_end_matches('/').to_owned();
        self
    }

    /// Shows what failures say: messages, places, backtraces. They may hold secrets, so that is off by default.
    pub fn show_failures(mut self, show: bool) -> Self {
        self.mounted.texts = if show { Texts::Shown } else { Texts::Hidden };
        self
    }

    /// Adds what changes something: restart, terminate and kill of a child, and the end of a pause.
    ///
    /// Only the page itself can ask for it: a POST of another site is refused, by what the browser says of where it comes from. Whoever may see the page
    /// may do it, so the application has to know who that is.
    pub fn allow_control(mut self) -> Self {
        self.mounted.control = true;
        self
    }

    /// Serves this text at `metrics`, in the format of Prometheus: what the exporter of the application's choice renders.
    pub fn metrics(mut self, render: impl Fn() -> String + 'static) -> Self {
        self.mounted.metrics = Some(Box::new(render));
        self
    }

    /// Ends the streams of events when this is cancelled; the pages that are open connect again as soon as they can.
    ///
    /// A server that stops in order waits for the requests that it has, and a stream of events has no end. So give the token with which its service is
    /// [stopped](crate::ChildSpec::service), if it is one.
    pub fn until(mut self, stop: CancellationToken) -> Self {
        self.mounted.until = stop;
        self
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("at", &self.at)
            .field("control", &self.mounted.control)
            .field("show_failures", &(self.mounted.texts == Texts::Shown))
            .finish_non_exhaustive()
    }
}

impl HttpServiceFactory for Scope {
    fn register(self, config: &mut AppService) {
        let headers = DefaultHeaders::new()
            .add(CacheControl(vec![CacheDirective::NoStore]))
            .add(("X-Content-Type-Options", "nosniff"))
            .add(("X-Frame-Options", "DENY"))
            .add(("Referrer-Policy", "no-referrer"))
            .add((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"));
        let control = self.mounted.control;
        let mut scope = http::scope(&self.at)
            .app_data(Data::new(self.mounted))
            .service(resource(["", "/"]).route(get().to(page)))
            .service(resource("/tree.json").route(get().to(tree_json)))
            .service(resource("/child.json").route(get().to(child_json)))
            .service(resource("/events").route(get().to(event_stream)))
            .service(resource("/healthz").route(get().to(healthz)).route(head().to(healthz)))
            .service(resource("/readyz").route(get().to(readyz)).route(head().to(readyz)))
            .service(resource("/metrics").route(get().to(metrics)));
        if control {
            let deeds = resource("/control/{deed}");
            scope = scope.service(deeds.route(post().to(control::handle)));
        }
        scope.wrap(headers).register(config);
    }
}

impl Mounted {
    async fn ask<M>(&self, message: M) -> Result<M::Result, MailboxError>
    where
        M: Message<Result: Send> + Send + 'static,
        Supervisor: Handler<M>,
        actix::Context<Supervisor>: ToEnvelope<Supervisor, M>,
    {
        let answer = timeout(PATIENCE, self.root.send(message)).await;
        answer.unwrap_or(Err(MailboxError::Timeout))
    }

    async fn hub(&self) -> Result<Arc<Hub>, MailboxError> {
        self.hub.get_or_try_init(|| self.ask(Observe)).await.map(Arc::clone)
    }
}

async fn page(mounted: Data<Mounted>) -> HttpResponse {
    let nonce = nonce();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    let control = if mounted.control { "allowed" } else { "none" };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(PAGE.replace("{{nonce}}", &nonce).replace("{{control}}", control))
}

/// A number that nobody can guess: the standard library's hash of nothing, under a key from the system.
fn nonce() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

async fn tree_json(mounted: Data<Mounted>) -> HttpResponse {
    match tree::json(&mounted).await {
        Ok(tree) => HttpResponse::Ok().content_type("application/json").body(tree),
        Err(error) => silent(error),
    }
}

#[derive(Deserialize)]
struct Which {
    token: String,
}

async fn child_json(which: Query<Which>, mounted: Data<Mounted>) -> HttpResponse {
    let Some(token) = ChildToken::parsed(&which.token) else {
        return text(StatusCode::BAD_REQUEST, "a token is like #1.2");
    };
    let hub = match mounted.hub().await {
        Ok(hub) => hub,
        Err(error) => return silent(error),
    };
    let texts = mounted.texts;
    // A backtrace takes long when it is written for the first time.
    match http::block(move || view::child(token, hub.about(token), texts)).await {
        Ok(child) => HttpResponse::Ok().json(child),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"),
    }
}

#[derive(Deserialize)]
struct From {
    last: Option<u64>,
    after: Option<String>,
}

async fn event_stream(
    request: HttpRequest,
    from: Query<From>,
    mounted: Data<Mounted>,
) -> HttpResponse {
    let hub = match mounted.hub().await {
        Ok(hub) => hub,
        Err(error) => return silent(error),
    };
    let header = request.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    let after = header.or(from.after.as_deref()).and_then(events::Begin::after);
    let begin = after.unwrap_or(events::Begin::Last(from.last.unwrap_or_default()));
    HttpResponse::Ok()
        .content_type("text/event-stream")
        // Neither the application nor a proxy may keep it back to make it smaller.
        .insert_header(ContentEncoding::Identity)
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events::stream(hub, &begin, mounted.texts, mounted.until.clone()))
}

async fn healthz(mounted: Data<Mounted>) -> HttpResponse {
    match mounted.ask(Status).await {
        Ok(_) => text(StatusCode::OK, "ok"),
        Err(error) => silent(error),
    }
}

async fn readyz(mounted: Data<Mounted>) -> HttpResponse {
    match mounted.ask(crate::Health).await {
        Ok(report) => {
            let ready = StatusCode::OK;
            let status = if report.ready { ready } else { StatusCode::SERVICE_UNAVAILABLE };
            text(status, &view::health(&report, mounted.texts))
        }
        Err(error) => silent(error),
    }
}

async fn metrics(mounted: Data<Mounted>) -> HttpResponse {
    let Some(render) = &mounted.metrics else {
        return text(StatusCode::NOT_FOUND, "no metrics");
    };
    // It is the user's code (I5).
    match panics::catch(render) {
        Ok(metrics) => {
            let prometheus = "text/plain; version=0.0.4; charset=utf-8";
            HttpResponse::Ok().content_type(prometheus).body(metrics)
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be rendered"),
    }
}

fn silent(error: MailboxError) -> HttpResponse {
    let said = match error {
        MailboxError::Closed => "the supervisor has ended",
        MailboxError::Timeout => "the supervisor does not answer",
    };
    text(StatusCode::SERVICE_UNAVAILABLE, said)
}

fn text(status: StatusCode, line: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(format!("{line}\n"))
}
