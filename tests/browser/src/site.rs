//! A tree, and a server that shows it; each on a thread of its own.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    AddAndWait, Backoff, CancellationToken, ChildSpec, ServiceActor, Spec, Supervisor, web,
};
use actix_web::{App, HttpServer, dev::ServerHandle};

pub(crate) struct Site {
    pub(crate) root: Addr<Supervisor>,
    pub(crate) workers: Vec<Addr<Worker>>,
    pub(crate) port: u16,
    server: Option<(ServerHandle, CancellationToken)>,
}

pub(crate) struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

/// Panics with this message.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash(pub(crate) &'static str);

impl Handler<Crash> for Worker {
    type Result = ();

    fn handle(&mut self, Crash(message): Crash, _: &mut Self::Context) {
        panic!("{message}");
    }
}

fn quiet(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
}

/// A shop: a store, four workers that crash on request and have names of their own, and some services.
pub(crate) fn shop(names: [&'static str; 4]) -> (Supervisor, Vec<Addr<Worker>>) {
    let spec = Spec::default().failure_threshold(5.0).failure_backoff(Duration::from_secs(15));
    let mut workers = Supervisor::with_spec("workers", spec).expect("a spec");
    let mut addrs = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let mut worker = ChildSpec::actor(name, |_| Worker);
        if index == 3 {
            worker = worker.backoff(Backoff::constant(Duration::from_secs(20)));
        }
        addrs.push(worker.addr());
        workers = workers.child(worker);
    }
    let mail = Supervisor::new("mail").child(quiet("outbox")).child(quiet("smtp"));
    let root = Supervisor::new("shop")
        .child(quiet("store").essential(true))
        .child(quiet("search index"))
        .child(ChildSpec::supervisor(workers))
        .child(ChildSpec::supervisor(mail))
        .child(quiet("http"));
    (root, addrs)
}

impl Site {
    pub(crate) fn open(
        tree: impl FnOnce() -> (Supervisor, Vec<Addr<Worker>>) + Send + 'static,
    ) -> Self {
        let (tell, told) = channel();
        thread::spawn(move || {
            System::new().block_on(async move {
                let (root, workers) = tree();
                tell.send((root.addr(), workers)).expect("somebody waits");
                let _ = root.serve().await;
            });
        });
        let (root, workers) = told.recv().expect("a tree");
        let mut site = Self { root, workers, port: 0, server: None };
        site.serve();
        site
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/supervisor", self.port)
    }

    /// Starts the server, at the port that it had.
    pub(crate) fn serve(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let socket = TcpListener::bind(address).expect("the port is free");
        self.port = socket.local_addr().expect("an address").port();
        let (root, until) = (self.root.clone(), CancellationToken::new());
        let (tell, told) = channel();
        let stop = until.clone();
        thread::spawn(move || {
            System::new().block_on(async move {
                let app = move || {
                    let scope = web::scope(root.clone()).until(until.clone());
                    App::new().service(scope.show_failures(true).allow_control())
                };
                let server = HttpServer::new(app).workers(2).disable_signals();
                let server = server.listen(socket).expect("it listens").run();
                tell.send(server.handle()).expect("somebody waits");
                server.await.expect("it serves");
            });
        });
        self.server = Some((told.recv().expect("a server"), stop));
    }

    pub(crate) fn stop_serving(&mut self) {
        let (server, until) = self.server.take().expect("it serves");
        until.cancel();
        System::new().block_on(server.stop(true));
    }

    pub(crate) fn crash(&self, worker: usize, message: &'static str) {
        self.workers[worker].do_send(Crash(message));
    }

    pub(crate) fn add(&self, count: usize) {
        let root = self.root.clone();
        System::new().block_on(async move {
            for number in 0..count {
                let child = quiet(&format!("child-{number}"));
                root.send(AddAndWait(child)).await.expect("it answers").expect("it starts");
            }
        });
    }
}
