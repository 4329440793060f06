//! What `install_panic_hook` changes, for a whole process: so each test runs in a process of its own.

#![allow(missing_docs, reason = "a test binary has no public API")]
#![allow(clippy::print_stderr, reason = "what is written is what is tested")]

use std::{
    env, panic,
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, EventKind, Failure, PanicInfo, Spec, Stop, Supervisor, install_panic_hook,
};

/// The variable that tells a process of ours that it is one.
const ROLE: &str = "ACTIX_SUPERVISOR_TEST_ROLE";

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Work(fn());

impl Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, Work(work): Work, _ctx: &mut Self::Context) {
        work();
    }
}

/// What is told of the panics of a child that does this work.
fn panics_of(work: &[fn()]) -> Vec<PanicInfo> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&panics);
    let spec = Spec::default().event_hook(move |event| {
        if let EventKind::ChildFailed { failure: Failure::Panic(info), .. } = &event.kind {
            told.lock().unwrap().push(info.clone());
        }
    });
    System::new().block_on(async {
        let worker = ChildSpec::actor("worker", |_| Worker);
        let addr = worker.addr();
        let root = Supervisor::with_spec("root", spec).unwrap().child(worker).start();
        for &work in work {
            let _ = addr.send(Work(work)).await;
        }
        root.send(Stop).await.unwrap();
    });
    panics.lock().unwrap().drain(..).collect()
}

/// Whether this process is the one that plays the role; its name is the test's that wants it.
fn plays(role: &str) -> bool {
    env::var(ROLE).is_ok_and(|played| played == role)
}

/// Runs one of this file's tests in a process of its own, in its role.
fn play(role: &str, backtrace: Option<&str>) -> Output {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--exact", role, "--nocapture", "--test-threads=1"]).env(ROLE, role);
    process.env_remove("RUST_LIB_BACKTRACE").env_remove("RUST_BACKTRACE");
    if let Some(backtrace) = backtrace {
        process.env("RUST_BACKTRACE", backtrace);
    }
    let output = process.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn written(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The line after this one.
macro_rules! next_line {
    () => {
        format!("{}:{}:", file!(), line!() + 1)
    };
}

#[test]
fn without_the_hook_a_panic_has_no_place_and_is_printed() {
    let role = "without_the_hook_a_panic_has_no_place_and_is_printed";
    if !plays(role) {
        let written = written(&play(role, Some("1")));
        assert!(written.contains("a child's panic"), "{written}");
        return;
    }
    let panics = panics_of(&[|| panic!("a child's panic")]);
    assert_eq!(panics[0].message, "a child's panic");
    assert!(panics[0].location.is_none() && panics[0].backtrace.is_none());
}

#[test]
fn with_the_hook_a_childs_panic_has_its_place_and_is_not_printed_and_others_are() {
    let role = "with_the_hook_a_childs_panic_has_its_place_and_is_not_printed_and_others_are";
    if !plays(role) {
        let written = written(&play(role, None));
        assert!(!written.contains("a child's panic"), "{written}");
        assert!(written.contains("the hook before: another thread's panic"), "{written}");
        assert!(written.contains("the hook before: a panic that was nobody's"), "{written}");
        return;
    }
    panic::set_hook(Box::new(|info| {
        let message = info.payload().downcast_ref::<&str>().unwrap_or(&"");
        // With --nocapture this goes to the process's own.
        eprintln!("the hook before: {message}");
    }));
    install_panic_hook();
    install_panic_hook();

    let place = next_line!();
    let work: fn() = || panic!("a child's panic");
    let in_a_thread: fn() = || {
        // A child's, yet not on its way.
        let thread = thread::spawn(|| panic!("another thread's panic"));
        thread.join().unwrap_err();
    };
    let panics = panics_of(&[work, in_a_thread, work]);
    assert_eq!(panics.len(), 2);
    for info in &panics {
        let location = info.location.as_deref().unwrap();
        assert!(location.starts_with(&place), "{location}");
        assert!(info.backtrace.is_none());
        assert_eq!(info.to_string(), format!("panicked at {location}: a child's panic"));
    }
    panic::catch_unwind(|| panic!("a panic that was nobody's")).unwrap_err();
}

#[test]
fn with_the_hook_a_panic_has_a_backtrace_where_rust_backtrace_asks_for_one() {
    let role = "with_the_hook_a_panic_has_a_backtrace_where_rust_backtrace_asks_for_one";
    if !plays(role) {
        for (backtrace, expected) in [(None, "no"), (Some("0"), "no"), (Some("1"), "a")] {
            let written = written(&play(role, backtrace));
            assert!(written.contains(&format!("{expected} backtrace")), "{written}");
            assert!(!written.contains("panicked at"), "{written}");
        }
        return;
    }
    install_panic_hook();
    fn somewhere_deep() {
        panic!("deep")
    }
    match &panics_of(&[somewhere_deep])[0].backtrace {
        None => eprintln!("no backtrace"),
        Some(backtrace) => {
            assert!(backtrace.to_string().contains("somewhere_deep"), "{backtrace}");
            eprintln!("a backtrace");
        }
    }
}

#[test]
fn with_the_hook_a_panic_that_a_child_has_caught_itself_is_not_taken_for_a_later_one() {
    let role = "with_the_hook_a_panic_that_a_child_has_caught_itself_is_not_taken_for_a_later_one";
    if !plays(role) {
        play(role, None);
        return;
    }
    install_panic_hook();
    let catches: fn() = || drop(panic::catch_unwind(|| panic!("caught")));
    let place = next_line!();
    let fails: fn() = || panic!("late");
    let panics = panics_of(&[catches, fails]);
    assert_eq!(panics.len(), 1);
    assert_eq!(panics[0].message, "late");
    let location = panics[0].location.as_deref().unwrap();
    assert!(location.starts_with(&place), "{location}");
}
