//! The web server, as a service under supervision, and its routes.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix::Addr;
use actix_supervisor::{
    BoxError, CancellationToken, ChildSpec, Health, Kill, List, ServiceActor, Shutdown, Status,
    Supervisor, Tree,
};
use actix_web::{
    App, HttpResponse, HttpServer, Responder, get, post,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    json,
    recorder::{self, Recall, Recorder},
    refusal::{LIMIT, Refusal, ask},
    store::{self, Fetch, Store, Total, Totals},
    workers::{self, Bug, Digest, Pool},
};

/// All that the routes talk to. The addresses stay good through every restart, of the parts and of the server.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) root: Addr<Supervisor>,
    pub(crate) recorder: Addr<Recorder>,
    pub(crate) store: Addr<Store>,
    pub(crate) pool: Pool,
    pub(crate) crash: CrashSwitch,
}

/// How long the server may finish its requests at a stop: a little longer than any of them takes, so that each is answered.
const GRACE: Duration = LIMIT.saturating_add(Duration::from_secs(2));

/// A route runs on a thread of the server; this is how it makes the service itself fail.
pub(crate) type CrashSwitch = Arc<Notify>;

pub(crate) fn service(parts: Parts, socket: TcpListener) -> ChildSpec<ServiceActor> {
    ChildSpec::service("http", move |stop| {
        let socket = socket.try_clone();
        serve(parts.clone(), socket, stop)
    })
    .shutdown(Shutdown::Timeout(GRACE + Duration::from_secs(2)))
}

async fn serve(
    parts: Parts,
    socket: std::io::Result<TcpListener>,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    let crash = parts.crash.clone();
    let parts = Data::new(parts);
    #[cfg(feature = "web")]
    let until = stop.clone();
    let app = move || {
        let app = App::new();
        // An application that more than its developer can reach keeps both of these behind a login.
        #[cfg(feature = "web")]
        let app = app.service(
            actix_supervisor::web::scope(parts.root.clone())
                .show_failures(true)
                .allow_control()
                .until(until.clone()),
        );
        app.app_data(parts.clone())
            .service(post_document)
            .service(get_document)
            .service(get_stats)
            .service(get_tree)
            .service(get_events)
            .service(get_health)
            .service(get_livez)
            .service(get_readyz)
            .service(post_crash)
    };
    let mut server = HttpServer::new(app)
        .workers(2)
        .disable_signals() // they are the root supervisor's
        .shutdown_timeout(GRACE.as_secs())
        .listen(socket?)?
        .run();
    let handle = server.handle();

    tokio::select! {
        ended = &mut server => Ok(ended?),
        () = stop.cancelled() => {
            // The server only finishes its requests while it is polled.
            let (ended, ()) = tokio::join!(server, handle.stop(true));
            Ok(ended?)
        }
        // Its requests are cut off when the server is dropped.
        () = crash.notified() => Err("crashed on request".into()),
    }
}

/// `?crash=worker` or `?crash=store`: fail with this document in hand.
#[derive(Deserialize)]
struct Drill {
    crash: Option<Bug>,
}

#[post("/documents")]
async fn post_document(
    body: String,
    drill: Query<Drill>,
    parts: Data<Parts>,
) -> Result<impl Responder, Refusal> {
    let digest = Digest { body, crash: drill.crash };
    let receipt = parts.pool.digest(digest).await?;
    Ok(HttpResponse::Created().json(receipt))
}

#[get("/documents/{id}")]
async fn get_document(id: Path<i64>, parts: Data<Parts>) -> Result<impl Responder, Refusal> {
    let body = ask("store", &parts.store, Fetch(*id)).await??;
    let body = body.ok_or(Refusal::Unknown(*id))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

#[get("/stats")]
async fn get_stats(parts: Data<Parts>) -> Result<Json<Totals>, Refusal> {
    ask("store", &parts.store, Total).await?.map(Json)
}

#[get("/tree")]
async fn get_tree(parts: Data<Parts>) -> Result<Json<Value>, Refusal> {
    let tree = ask("webapp", &parts.root, Tree).await?;
    Ok(Json(json::tree(&tree)))
}

#[get("/events")]
async fn get_events(parts: Data<Parts>) -> Result<Json<Vec<Value>>, Refusal> {
    let events = ask("recorder", &parts.recorder, Recall).await?;
    let events = events.iter().map(|(number, event)| json::event(*number, event));
    Ok(Json(events.collect()))
}

/// Healthy is what can answer: the supervisor, and the store out of its database.
#[get("/health")]
async fn get_health(parts: Data<Parts>) -> Result<impl Responder, Refusal> {
    let status = ask("webapp", &parts.root, Status).await?;
    ask("store", &parts.store, Fetch(0)).await??;
    Ok(Json(json!({ "status": "ok", "supervisor": json::state(&status.state) })))
}

/// Alive is what answers. If it does not, the platform starts the process again.
#[get("/livez")]
async fn get_livez(parts: Data<Parts>) -> Result<impl Responder, Refusal> {
    ask("webapp", &parts.root, Status).await?;
    Ok(HttpResponse::Ok())
}

/// Ready is what can do its work. If it cannot, the platform sends its requests elsewhere.
#[get("/readyz")]
async fn get_readyz(parts: Data<Parts>) -> Result<impl Responder, Refusal> {
    let health = ask("webapp", &parts.root, Health).await?;
    let mut answer = match health.ready {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    let wrong: Vec<_> = health.wrong.iter().map(ToString::to_string).collect();
    Ok(answer.json(json!({ "ready": health.ready, "wrong": wrong })))
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Worker,
    Workers,
    Store,
    Http,
    Recorder,
}

/// Each part fails in a way of its own: by a panic, by an error, killed from outside.
#[post("/crash/{part}")]
async fn post_crash(part: Path<Part>, parts: Data<Parts>) -> Result<impl Responder, Refusal> {
    match *part {
        Part::Worker => parts.pool.crash_one(),
        Part::Workers => kill(&parts.root, workers::SUPERVISOR).await?,
        Part::Store => parts.store.do_send(store::Crash),
        Part::Http => parts.crash.notify_one(),
        Part::Recorder => parts.recorder.do_send(recorder::Crash),
    }
    Ok(HttpResponse::Accepted().json(json!({ "crashing": part.into_inner() })))
}

async fn kill(root: &Addr<Supervisor>, name: &str) -> Result<(), Refusal> {
    let children = ask("webapp", root, List).await?;
    for child in children.iter().filter(|child| child.name == name) {
        // One that has ended since is gone either way.
        let _ = ask("webapp", root, Kill(child.token)).await?;
    }
    Ok(())
}
