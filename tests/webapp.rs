//! The application among the examples, run as a process of its own: no accepted document is lost, whatever crashes, and no
//! client is left without an answer.

#![cfg(unix)]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, Once,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};

/// A guard against hanging, far above what anything here takes.
const GUARD: Duration = Duration::from_secs(60);

const CLIENTS: u64 = 4;

/// What was accepted: documents by their id.
type Accepted = BTreeMap<i64, Value>;

#[test]
fn no_accepted_document_is_lost_whatever_crashes() {
    const DOCUMENTS: u64 = 100;
    let place = Place::new("crashes");
    let webapp = Webapp::start(&place);

    let accepted = clients(|client| {
        let mut accepted = Accepted::new();
        for number in 0..DOCUMENTS {
            // Few enough failures of each part for the limits of the application: it does not pause.
            match number {
                10 | 60 => drop(webapp.post("/crash/worker", "")),
                20 | 70 => webapp.poison("worker"),
                35 => webapp.poison("store"),
                _ if number == 40 + 10 * client => drop(webapp.post("/crash/http", "")),
                _ => {}
            }
            let document = json!({ "client": client, "number": number });
            match webapp.post("/documents", &document.to_string()) {
                Answer::Response(201, receipt) => {
                    accepted.insert(receipt["id"].as_i64().unwrap(), document);
                }
                Answer::CutOff => {} // when the server itself went down
                other @ Answer::Response(..) => {
                    panic!("{document} was in no hands at a crash, and got {other:?}")
                }
            }
        }
        accepted
    });

    // A crash of the server cuts off what each client has in hand, at most.
    let cut_off = CLIENTS * DOCUMENTS - accepted.len() as u64;
    assert!(cut_off <= CLIENTS * CLIENTS, "{cut_off} requests were cut off");
    for (id, document) in &accepted {
        assert_eq!(webapp.get(&format!("/documents/{id}")), *document);
    }
    let stats = webapp.get("/stats");
    assert!(stats["documents"].as_u64() >= Some(accepted.len() as u64), "{stats}");
    assert_eq!(stats["documents"], stats["keys"]["number"]["count"], "half a document: {stats}");

    assert!(webapp.stop().success());
    assert_eq!(place.stored(accepted.keys()), accepted);
}

#[test]
fn only_the_request_in_hand_at_a_crash_fails_and_it_says_so() {
    let place = Place::new("in-hand");
    let webapp = Webapp::start(&place);
    let document = json!({ "weight": 3 }).to_string();

    let Answer::Response(503, lost) = webapp.post("/documents?crash=worker", &document) else {
        panic!("the first worker failed with it in hand");
    };
    assert_eq!(lost["error"], "crashed");
    assert!(lost["message"].as_str().unwrap().starts_with("worker-1 failed"), "{lost}");

    let Answer::Response(503, lost) = webapp.post("/documents?crash=store", &document) else {
        panic!("the store failed with it in hand");
    };
    assert_eq!(lost["error"], "crashed");
    assert!(lost["message"].as_str().unwrap().starts_with("store failed"), "{lost}");
    assert_eq!(webapp.get("/stats")["documents"], 0, "the store failed before the commit");

    let Answer::Response(201, receipt) = webapp.post("/documents", &document) else {
        panic!("all parts are back");
    };
    assert_eq!(receipt["summary"]["weight"]["sum"], 3.0);
    assert!(webapp.stop().success());
}

#[test]
fn each_crash_is_a_restart_in_the_tree_and_two_events() {
    let place = Place::new("observed");
    let webapp = Webapp::start(&place);

    // The one who keeps the events goes first: it starts afresh.
    for part in ["recorder", "store", "worker", "http", "workers"] {
        drop(webapp.post(&format!("/crash/{part}"), ""));
        let path = match part {
            "worker" => "webapp/workers/worker-1".to_owned(),
            part => format!("webapp/{part}"),
        };
        eventually(&format!("{part} is back"), || {
            let events = webapp.get("/events");
            let kinds = events.as_array().unwrap().iter().filter(|event| event["path"] == path);
            let kinds: Vec<_> = kinds.map(|event| event["kind"].as_str().unwrap()).collect();
            kinds.contains(&"ChildRestarted")
                && (part == "recorder" || kinds.contains(&"ChildFailed"))
        });
    }

    let tree = webapp.get("/tree");
    let restarts: BTreeMap<_, _> = tree["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| (child["name"].as_str().unwrap(), child["restarts"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        restarts,
        BTreeMap::from([("recorder", 1), ("store", 1), ("workers", 1), ("http", 1)])
    );
    assert_eq!(tree["restarts"], 4);
    assert_eq!(webapp.get("/health"), json!({ "status": "ok", "supervisor": "Running" }));
    assert!(webapp.stop().success());
}

#[test]
fn sigterm_finishes_what_was_accepted_and_exits_with_success() {
    let place = Place::new("sigterm");
    let webapp = Webapp::start(&place);
    let (first, started) = channel();

    let accepted = thread::scope(|scope| {
        let posting = scope.spawn(|| {
            clients(|client| {
                let mut accepted = Accepted::new();
                for number in 0_u64.. {
                    let document = json!({ "client": client, "number": number });
                    match webapp.post("/documents", &document.to_string()) {
                        Answer::Response(201, receipt) => {
                            accepted.insert(receipt["id"].as_i64().unwrap(), document);
                            let _ = first.send(());
                        }
                        Answer::CutOff => break,
                        other @ Answer::Response(..) => panic!("{document} got {other:?}"),
                    }
                }
                accepted
            })
        });
        started.recv_timeout(GUARD).expect("a document is accepted");
        webapp.signal("TERM");
        posting.join().unwrap()
    });

    assert!(webapp.wait().success());
    assert_eq!(place.stored(accepted.keys()), accepted);
}

#[test]
fn a_killed_process_finds_its_documents_again() {
    let place = Place::new("sigkill");
    let webapp = Webapp::start(&place);
    let accepted = clients(|client| {
        (0..10_u64)
            .map(|number| {
                let document = json!({ "client": client, "number": number });
                match webapp.post("/documents", &document.to_string()) {
                    Answer::Response(201, receipt) => (receipt["id"].as_i64().unwrap(), document),
                    other => panic!("{document} got {other:?}"),
                }
            })
            .collect()
    });
    webapp.signal("KILL");
    assert!(!webapp.wait().success());

    let webapp = Webapp::start(&place);
    for (id, document) in &accepted {
        assert_eq!(webapp.get(&format!("/documents/{id}")), *document);
    }
    assert!(webapp.stop().success());
}

#[test]
fn a_bad_request_is_refused_and_harms_nothing() {
    let place = Place::new("refused");
    let webapp = Webapp::start(&place);
    for body in ["", "{", "[1, 2]", "3", r#"{"a": [1e308, 1e308]}"#] {
        let Answer::Response(400, refusal) = webapp.post("/documents", body) else {
            panic!("{body:?} is not an object of finite numbers");
        };
        assert_eq!(refusal["error"], "invalid");
    }
    let Answer::Response(404, refusal) = webapp.request("GET", "/documents/1", "") else {
        panic!("nothing was stored");
    };
    assert_eq!(refusal["error"], "unknown");
    assert_eq!(webapp.get("/tree")["restarts"], 0);
    assert!(webapp.stop().success());
}

#[test]
fn a_platform_is_told_whether_it_is_alive_and_ready_and_how_it_has_ended() {
    let place = Place::new("platform");
    let webapp = Webapp::start_with(&place, &[("STOP_DELAY", "300")]);
    eventually("it is ready", || webapp.request("GET", "/readyz", "").is(200));
    webapp.get("/livez");
    webapp.signal("TERM");
    eventually("it is not ready any more", || webapp.request("GET", "/readyz", "").is(503));
    let Answer::Response(503, health) = webapp.request("GET", "/readyz", "") else {
        panic!("it has 300 s to be taken out of the load balancer");
    };
    assert_eq!(health, json!({ "ready": false, "wrong": ["webapp is stopping"] }));
    assert!(webapp.post("/documents", "{}").is(201), "who has not noticed yet is served");
    webapp.signal("TERM");
    assert_eq!(webapp.wait().code(), Some(143), "the second signal does not wait");
}

#[test]
fn the_status_says_what_has_ended_the_process() {
    let place = Place::new("status");
    let ended = |name: &str, value: &str| {
        let output = Command::new(program())
            .envs([("PORT", "0"), ("RUST_LOG", "off")])
            .env("DATABASE", place.database())
            .env(name, value)
            .output();
        output.unwrap().status.code()
    };
    assert_eq!(ended("DATABASE", "/dev/null/documents"), Some(75), "what it needs is not there");
    assert_eq!(ended("THRESHOLD", "-1"), Some(78), "refused by a spec");
    assert_eq!(ended("PORT", "none"), Some(78), "refused by the application");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_eq!(ended("PORT", &port), Some(1), "an error of its own");
}

/// Runs as many clients at a time, each on a thread, and puts together what was accepted from them.
fn clients(client: impl Fn(u64) -> Accepted + Sync) -> Accepted {
    thread::scope(|scope| {
        let client = &client;
        let running: Vec<_> =
            (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        running.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// Each look is a request, so it takes its time without a sleep.
fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    assert!((0..10_000).any(|_| happened()), "{what}: not in 10,000 looks");
}

/// A directory for one run of the application.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Place {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("webapp-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("documents.sqlite")
    }

    /// What the file holds under these ids, by a look of our own.
    fn stored<'a>(&self, ids: impl Iterator<Item = &'a i64>) -> Accepted {
        let database = Connection::open(self.database()).unwrap();
        let mut find = database.prepare("SELECT body FROM document WHERE id = ?").unwrap();
        ids.map(|id| {
            let body: String = find.query_row([id], |row| row.get(0)).unwrap();
            (*id, serde_json::from_str(&body).unwrap())
        })
        .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After a failure, the application's log is left for whoever looks for the cause.
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The running application.
struct Webapp {
    process: Child,
    address: SocketAddr,
    /// Its standard output, by lines.
    output: Mutex<Receiver<String>>,
}

#[derive(Debug)]
enum Answer {
    Response(u16, Value),
    /// The connection was refused, reset or closed before the answer was complete.
    CutOff,
}

impl Answer {
    fn is(&self, status: u16) -> bool {
        matches!(self, Answer::Response(is, _) if *is == status)
    }
}

impl Webapp {
    fn start(place: &Place) -> Webapp {
        Self::start_with(place, &[])
    }

    fn start_with(place: &Place, settings: &[(&str, &str)]) -> Webapp {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(place.0.join("log")).unwrap();
        let mut process = Command::new(program())
            .env("PORT", "0")
            .env("DATABASE", place.database())
            .env("RUST_LOG", "info")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (line, output) = channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        let announced = output.recv_timeout(GUARD).expect("it says where it listens");
        let address = announced.strip_prefix("listening on http://").unwrap();
        Webapp { process, address: address.parse().unwrap(), output: output.into() }
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, body)
    }

    /// A look that meets a crash of the server looks again.
    fn get(&self, path: &str) -> Value {
        for _ in 0..100 {
            match self.request("GET", path, "") {
                Answer::Response(200, body) => return body,
                Answer::CutOff => {}
                other @ Answer::Response(..) => panic!("GET {path} got {other:?}"),
            }
        }
        panic!("GET {path} is always cut off");
    }

    /// Posts a document that crashes this part, in whose hand it is.
    fn poison(&self, part: &str) {
        match self.post(&format!("/documents?crash={part}"), "{}") {
            Answer::Response(503, told) => assert_eq!(told["error"], "crashed", "{told}"),
            Answer::CutOff => {}
            other @ Answer::Response(..) => panic!("{part} crashed, and the client got {other:?}"),
        }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        match self.try_request(method, path, body) {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{method} {path} hangs: no answer within {GUARD:?}")
            }
            Err(_) => Answer::CutOff,
        }
    }

    fn try_request(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(GUARD))?;
        stream.set_write_timeout(Some(GUARD))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: webapp\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(parse(&response).unwrap_or(Answer::CutOff))
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.process.id().to_string())
            .status();
        assert!(status.unwrap().success());
    }

    fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Its output ends when it does, and that can be waited for with a limit.
    fn wait(mut self) -> ExitStatus {
        let output = self.output.get_mut().unwrap();
        assert_eq!(output.recv_timeout(GUARD), Err(RecvTimeoutError::Disconnected));
        self.process.wait().unwrap()
    }
}

impl Drop for Webapp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `None` if there is less than a whole response.
fn parse(response: &str) -> Option<Answer> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if length.is_some_and(|length: usize| body.len() < length) {
        return None;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer::Response(status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// The program stands beside this test. `cargo test` has built it; `cargo test --test webapp` alone has not.
fn program() -> PathBuf {
    static BUILD: Once = Once::new();
    let test = env::current_exe().unwrap(); // <target>/<profile>/deps/webapp-<hash>
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples/webapp");
    BUILD.call_once(|| {
        if !program.exists() {
            let name = match profile.file_name().and_then(|name| name.to_str()) {
                Some("debug") | None => "dev",
                Some(name) => name,
            };
            let status = Command::new(env!("CARGO"))
                .args(["build", "--example", "webapp", "--profile", name, "--target-dir"])
                .arg(profile.parent().unwrap())
                .status();
            assert!(status.unwrap().success());
        }
    });
    program
}
