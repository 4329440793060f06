//! What systemd is told, by a real process that it has started: here a Unix datagram socket stands in its place. The process is
//! this very program, told to run one hidden test, and what it is to do it reads from its standard input.

#![cfg(unix)]
#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    env, fs,
    io::{self, BufRead, Write},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio, exit},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    BoxError, ChildSpec, OnLimit, Placement, Spec, StartFailure, SupervisedContext, Supervisor,
};
use tokio::sync::{Notify, mpsc::unbounded_channel};

const ROLE: &str = "SUPERVISOR_SYSTEMD_ROLE";

/// A guard against hanging, far above what anything here takes.
const GUARD: Duration = Duration::from_secs(60);

/// What systemd reads of a datagram; a longer one it ignores, with all words in it.
const LONGEST: usize = 4_096;

/// The store of the application: it is ready when `ready` has been read.
struct Store;

impl Actor for Store {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        say("the store is stopping");
        Running::Stop
    }
}

/// What it is told by the test.
#[derive(Message)]
#[rtype(result = "()")]
struct Line(String);

impl Handler<Line> for Store {
    type Result = ();

    fn handle(&mut self, Line(line): Line, ctx: &mut Context<Self>) {
        match &*line {
            // What is written to a database that hangs.
            "hang" => drop(STUCK.lock().map(|stuck| stuck.as_ref().map(mpsc::Receiver::recv))),
            "fail" => ctx.fail("the disk is gone"),
            other => panic!("told to {other}"),
        }
    }
}

static STUCK: Mutex<Option<mpsc::Receiver<()>>> = Mutex::new(None);

fn say(what: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{what}").and_then(|()| out.flush()).expect("somebody reads it");
}

#[test]
fn the_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let ended = System::new().block_on(application(&role));
    exit(i32::from(ended.is_err()));
}

async fn application(role: &str) -> Result<(), BoxError> {
    let (lines, mut told) = unbounded_channel::<String>();
    let (release, stuck) = mpsc::channel();
    *STUCK.lock().unwrap() = Some(stuck);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match &*line {
                "go on" => release.send(()).unwrap(),
                _ => drop(lines.send(line)),
            }
        }
    });
    let spec = Spec::default()
        .on_limit(OnLimit::Escalate)
        .failure_threshold(0.0)
        .start_failure(StartFailure::Escalate)
        .stop_delay(Duration::from_millis(50));
    let failure = match role {
        "fails at the start" => Some("no disk".to_owned()),
        "fails at length" => Some("é".repeat(10_000)),
        _ => None,
    };
    let (mut ready, be_ready) = (Some(()), Arc::new(Notify::new()));
    let waits = be_ready.clone();
    let store = ChildSpec::try_actor("store", move |ctx: &mut Context<Store>| {
        if let Some(failure) = &failure {
            return Err(failure.clone());
        }
        if ready.take().is_some() {
            let waits = waits.clone();
            ctx.wait(async move { waits.notified().await }.into_actor(&Store));
        }
        Ok(Store)
    });
    let addr = store.addr();
    actix::spawn(async move {
        while let Some(line) = told.recv().await {
            match &*line {
                "ready" => be_ready.notify_one(),
                _ => addr.do_send(Line(line)),
            }
        }
    });
    let store = match role {
        "has arbiters" => store.placement(Placement::Arbiter(Arbiter::new().handle())),
        _ => store,
    };
    Supervisor::with_spec("app", spec)?.child(store.essential(true)).run().await?;
    Ok(())
}

struct Process {
    child: Child,
    to: ChildStdin,
    socket: UnixDatagram,
    path: PathBuf,
    /// What has been received, of the last datagram, and has not been waited for.
    words: Vec<String>,
}

static SOCKETS: AtomicU32 = AtomicU32::new(0);

impl Process {
    fn start(role: &str, watchdog: Option<Duration>) -> Self {
        // A socket's path must be short.
        let number = SOCKETS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sd-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(GUARD)).unwrap();
        let mut command = Command::new(env::current_exe().expect("this program"));
        command
            .args(["the_process", "--exact", "--nocapture"])
            .env(ROLE, role)
            .env("NOTIFY_SOCKET", &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(limit) = watchdog {
            command.env("WATCHDOG_USEC", limit.as_micros().to_string());
        }
        let mut child = command.spawn().expect("it starts");
        let to = child.stdin.take().expect("a pipe");
        Self { child, to, socket, path, words: Vec::new() }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.to, "{line}").expect("it reads");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The next words, of one datagram.
    fn next(&mut self) -> Vec<String> {
        let mut buffer = [0; 65_536];
        let length = self.socket.recv(&mut buffer).expect("it says something");
        assert!(length <= LONGEST, "systemd ignores a datagram of {length} bytes");
        let text = std::str::from_utf8(&buffer[..length]).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// All words up to this one, without those of the watchdog.
    fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut words = std::mem::take(&mut self.words);
        loop {
            if let Some(at) = words.iter().position(|word| word == wanted) {
                self.words = words.split_off(at + 1);
                words.retain(|word| word != "WATCHDOG=1" || wanted == "WATCHDOG=1");
                return words;
            }
            words.extend(self.next());
        }
    }

    fn end(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn it_is_told_when_the_tree_is_ready_what_is_wrong_and_that_it_stops() {
    let mut process = Process::start("serves", None);
    let waits = "STATUS=not ready: app/store is starting";
    assert_eq!(process.until(waits), [waits], "and nothing before");
    process.tell("ready");
    assert_eq!(process.until("STATUS=ready"), ["READY=1", "STATUS=ready"]);
    process.signal("TERM");
    let over = "STATUS=everything has stopped";
    let words = process.until(over);
    assert_eq!(words.first().map(String::as_str), Some("STOPPING=1"), "{words:?}");
    assert_eq!(process.end(), Some(0));
}

#[test]
fn a_failure_is_its_last_status() {
    for role in ["serves", "fails at the start"] {
        let mut process = Process::start(role, None);
        let failure = match role {
            "serves" => {
                process.tell("ready");
                process.until("READY=1");
                process.tell("fail");
                "the disk is gone"
            }
            _ => "no disk",
        };
        process.until(&format!(
            "STATUS=ended by a failure: app gave up over its child store: {failure}"
        ));
        assert_eq!(process.end(), Some(1));
    }
}

#[test]
fn a_long_failure_keeps_no_word_from_systemd() {
    let mut process = Process::start("fails at length", None);
    let words = loop {
        let words = process.next();
        if words.iter().any(|word| word == "STOPPING=1") {
            break words;
        }
    };
    assert!(words[1].starts_with("STATUS=ended by a failure: app gave up"), "{words:?}");
    assert!(words[1].ends_with("éé…"), "{words:?}");
    assert_eq!(process.end(), Some(1));
}

#[test]
fn it_is_told_that_the_process_is_alive_while_every_essential_arbiter_answers() {
    let mut process = Process::start("has arbiters", Some(Duration::from_millis(600)));
    process.tell("ready");
    process.until("READY=1");
    for _ in 0..3 {
        process.until("WATCHDOG=1");
    }
    process.tell("hang");
    let stuck = "STATUS=not ready: app/store does not answer";
    let last = loop {
        let words = process.next();
        if words.iter().any(|word| word == stuck) {
            break words;
        }
    };
    assert_eq!(last, [stuck], "it is not told that the process is alive");
    process.socket.set_read_timeout(Some(Duration::from_millis(900))).unwrap();
    let silence = process.socket.recv(&mut [0; 64]);
    assert!(silence.is_err(), "longer than systemd would wait");
    process.socket.set_read_timeout(Some(GUARD)).unwrap();
    process.tell("go on");
    process.until("STATUS=ready");
    process.until("WATCHDOG=1");
}
