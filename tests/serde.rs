//! What is written as JSON, and what is read from TOML.

#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    AutoShutdown, Backoff, CancellationToken, ChildSpec, Decision, Event, Failure, Health, OnLimit,
    OnPanic, Placement, RestartPolicy, ServiceActor, Shutdown, ShutdownOrder, Spec, StartFailure,
    Stop, StopReport, Strategy, Supervisor, Tree, WhileDown,
    test_kit::{paused, settle},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("it serialises")
}

fn quiet(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
}

#[derive(Debug)]
struct Layered(&'static str, Option<Box<Layered>>);

impl fmt::Display for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Layered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

fn layered() -> Layered {
    let innermost = Layered("innermost", None);
    Layered("outer", Some(Box::new(Layered("inner", Some(Box::new(innermost))))))
}

#[test]
fn a_failure_is_its_kind_its_message_and_its_sources() {
    let error = Failure::Error(Arc::new(layered()));
    let expected = json!({"kind": "error", "message": "outer", "sources": ["inner", "innermost"]});
    assert_eq!(json(&error), expected);
    assert_eq!(
        json(&Failure::StartTimeout(Duration::from_millis(2_500))),
        json!({
            "kind": "start_timeout", "message": "not ready within 2.5s", "sources": [], "limit": 2.5
        })
    );
    assert_eq!(json(&Failure::Killed)["kind"], "killed");
}

/// A tree that has just paused, since a service in it fails at once, and the events of that.
async fn troubled() -> (Addr<Supervisor>, Vec<Value>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let spec = Spec::default()
        .backoff_jitter(0.0)
        .failure_threshold(0.0)
        .event_hook(move |event: &Event| heard.lock().unwrap().push(json(event)));
    let below = Supervisor::new("below").child(quiet("leaf"));
    let root = Supervisor::with_spec("root", spec)
        .unwrap()
        .child(ChildSpec::supervisor(below))
        .child(ChildSpec::service("bad", |_| async { Err::<(), _>(layered()) }).essential(true))
        .start();
    settle().await;
    let events = std::mem::take(&mut *events.lock().unwrap());
    (root, events)
}

#[test]
fn a_tree_tells_times_as_seconds_from_now() {
    paused(async {
        let (root, _) = troubled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let tree = json(&root.send(Tree).await.unwrap());
        assert_eq!((&tree["token"], &tree["status"]["name"]), (&Value::Null, &json!("root")));
        let until = tree["status"]["state"]["paused"]["until"].as_f64().unwrap();
        assert!((until - 10.0).abs() < 0.01, "{tree}");
        assert_eq!(tree["status"]["children"]["backing_off"], 1);
        let [below, bad] = &tree["children"].as_array().unwrap()[..] else { panic!("{tree}") };
        assert_eq!((&below["kind"], &below["state"]), (&json!("supervisor"), &json!("running")));
        assert_eq!(below["next_start"], Value::Null);
        assert_eq!((&bad["kind"], &bad["state"]), (&json!("service"), &json!("backing_off")));
        assert_eq!(bad["next_start"], tree["status"]["state"]["paused"]["until"]);
        assert_eq!((&below["essential"], &bad["essential"]), (&json!(false), &json!(true)));
        assert_eq!(bad["last_failure"]["sources"], json!(["inner", "innermost"]));
        assert_eq!(bad.get("addr"), None);
        let nested = &tree["supervisors"][0];
        assert_eq!(
            (&nested["token"], &nested["status"]["state"]),
            (&below["token"], &json!("running"))
        );
        assert!(nested["token"].as_str().unwrap().starts_with('#'), "{tree}");
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn an_event_is_one_object_with_its_kind() {
    paused(async {
        let (root, events) = troubled().await;
        let of = |kind: &str| {
            let mut found = events.iter().filter(|event| event["kind"] == kind);
            found.next().unwrap_or_else(|| panic!("no {kind} in {events:#?}")).clone()
        };
        assert_eq!(of("SupervisorStarted"), json!({"path": ["root"], "kind": "SupervisorStarted"}));
        let failed = of("ChildFailed");
        assert_eq!(failed["path"], json!(["root", "bad"]));
        assert_eq!((&failed["name"], &failed["failure"]["kind"]), (&json!("bad"), &json!("error")));
        assert_eq!((&failed["failures"], &failed["restarting"]), (&json!(1.0), &json!(true)));
        let pause = json!({"path": ["root"], "kind": "BackoffEntered", "pause": 15.0});
        assert_eq!(of("BackoffEntered"), pause);
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn an_end_says_why() {
    paused(async {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&ends);
        let spec = Spec::default().event_hook(move |event: &Event| {
            if event.kind.name() == "ChildEnded" {
                heard.lock().unwrap().push(json(event)["reason"].clone());
            }
        });
        let temporary = RestartPolicy::Temporary;
        let failing = ChildSpec::service("fails", |_| async { Err::<(), _>("broken") });
        let root = Supervisor::with_spec("root", spec)
            .unwrap()
            .child(failing.restart(temporary))
            .child(ChildSpec::service("stops", |_| async {}).restart(temporary))
            .start();
        settle().await;
        root.send(Stop).await.unwrap();
        let failure = json!({"kind": "error", "message": "broken", "sources": []});
        let expected = [json!({"end": "failed", "failure": failure}), json!({"end": "stopped"})];
        assert_eq!(*ends.lock().unwrap(), expected);
    });
}

#[test]
fn health_tells_what_is_wrong() {
    paused(async {
        let root = Supervisor::with_spec("root", Spec::default().failure_threshold(0.0)).unwrap();
        let bad = ChildSpec::service("bad", |_| async { Err::<(), _>("broken") });
        let spec = bad.restart(RestartPolicy::Temporary).essential(true);
        let root = root.child(spec).child(quiet("good").essential(true)).start();
        settle().await;
        let failure = json!({"kind": "error", "message": "broken", "sources": []});
        let trouble = json!({"path": ["root", "bad"], "why": {"failed_for_good": failure}});
        let expected = json!({"ready": false, "live": true, "wrong": [trouble]});
        assert_eq!(json(&root.send(Health).await.unwrap()), expected);
        root.send(Stop).await.unwrap();
    });
}

#[test]
fn a_report_names_what_was_left_behind() {
    assert_eq!(json(&StopReport::default()), json!({"unstopped": [], "threads": 0}));
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let file = toml::Deserializer::parse(text).map_err(|error| error.to_string())?;
    serde_path_to_error::deserialize(file)
        .map_err(|error| format!("{}: {}", error.path(), error.inner().message()))
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    spec: Spec,
    backoff: Option<Backoff>,
    shutdown: Option<Shutdown>,
    placement: Option<Placement>,
}

#[test]
fn nothing_in_the_file_is_the_default() {
    let file: File = read("[spec]\n").unwrap();
    assert_eq!(format!("{:?}", file.spec), format!("{:?}", Spec::default()));
}

#[test]
fn every_setting_of_a_supervisor_can_be_read() {
    let file: File = read(
        r#"
        [spec]
        strategy = "rest_for_one"
        on_limit = "escalate"
        give_up_after_pauses = 3
        start_failure = "escalate"
        auto_shutdown = "any_significant"
        shutdown_order = "concurrent"
        max_children = 100
        on_panic = "abort"
        arbiters = 4
        failure_decay = "1min"
        failure_threshold = 7
        failure_backoff = "1m 30s"
        backoff_jitter = 0.25
        resume_spread = "500ms"
        shutdown_timeout = "20s"
        stop_delay = "3s"
        propagate_termination = false
        jitter_seed = 42
        "#,
    )
    .unwrap();
    let expected = Spec::default()
        .strategy(Strategy::RestForOne)
        .on_limit(OnLimit::Escalate)
        .give_up_after_pauses(3)
        .start_failure(StartFailure::Escalate)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .shutdown_order(ShutdownOrder::Concurrent)
        .max_children(100)
        .on_panic(OnPanic::Abort)
        .arbiters(4)
        .failure_decay(Duration::from_secs(60))
        .failure_threshold(7.0)
        .failure_backoff(Duration::from_secs(90))
        .backoff_jitter(0.25)
        .resume_spread(Duration::from_millis(500))
        .shutdown_timeout(Duration::from_secs(20))
        .stop_delay(Duration::from_secs(3))
        .propagate_termination(false)
        .jitter_seed(42);
    assert_eq!(format!("{:?}", file.spec), format!("{expected:?}"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_path_and_the_words_of_the_spec() {
    let table = [
        ("[spec]\nfailure_decay = '0s'", "spec.failure_decay: spec: failure_decay = 0ns is not"),
        (
            "[spec]\nfailure_threshold = -1",
            "spec.failure_threshold: spec: failure_threshold = -1.0",
        ),
        (
            "[spec]\nfailure_threshold = nan",
            "spec.failure_threshold: spec: failure_threshold = NaN",
        ),
        ("[spec]\nbackoff_jitter = 2", "spec.backoff_jitter: spec: backoff_jitter = 2.0 is not"),
        ("[spec]\narbiters = 0", "spec.arbiters: spec: arbiters = 0 is not allowed; allowed: one"),
        ("[spec]\nmax_children = -1", "spec.max_children: invalid value: integer `-1`"),
        (
            "[spec]\nshutdown_timeout = 15",
            "spec.shutdown_timeout: invalid type: integer `15`, expected a duration with its unit, such as \"15s\"",
        ),
        ("[spec]\nshutdown_timeout = '15'", r#"spec.shutdown_timeout: "15" is no duration"#),
        ("[spec]\nstrategy = 'one'", "spec.strategy: unknown variant `one`, expected one of"),
        ("[spec]\nevent_hook = 1", "spec.event_hook: unknown field `event_hook`"),
        ("[spec]\nfailures = 1", "spec.failures: unknown field `failures`"),
        ("[backoff]", "backoff: a backoff has one of"),
        ("[backoff]\nconstant = '1s'\nsteps = ['1s']", "backoff: a backoff has one of"),
        ("[backoff]\nsteps = []", "backoff.steps: Backoff::steps: delays = [] is not allowed"),
        ("[backoff]\nsteps = ['1s', 'x']", "backoff.steps"),
        ("[backoff]\nconstant = '1s'\njitter = 2", "backoff.jitter: Backoff::jitter: share = 2.0"),
        ("[backoff]\nconstant = '1s'\nreset_after = '0s'", "backoff.reset_after: Backoff::reset"),
        ("[backoff]\nconstant = '1s'\nfactor = 2", "backoff.factor: unknown field `factor`"),
        (
            "[backoff]\nexponential = { first = '2s', max = '1s' }",
            "backoff.exponential: Backoff::exponential: first = 2s (and max = 1s) is not allowed",
        ),
        (
            "[backoff]\nexponential = { first = '1s', max = '2s', factor = 0.5 }",
            "backoff.exponential: Backoff::factor: factor = 0.5 is not allowed",
        ),
        (
            "shutdown = 'soon'",
            r#"shutdown: "soon" is neither "kill" nor "infinite", and no duration: expected number"#,
        ),
        ("placement = 'arbiter'", "placement: unknown variant `arbiter`"),
    ];
    for (text, refusal) in table {
        let error = read::<File>(text).expect_err(text);
        assert!(error.starts_with(refusal), "{text}\n  {error}\n  {refusal}");
    }
}

#[test]
fn backoffs_are_read_in_each_of_their_shapes() {
    let table = [
        ("constant = '5s'", Backoff::constant(Duration::from_secs(5))),
        (
            "steps = ['1s', '1min']\njitter = 0.5\nreset_after = '1h'",
            Backoff::steps([Duration::from_secs(1), Duration::from_secs(60)])
                .jitter(0.5)
                .reset_after(Duration::from_secs(3_600)),
        ),
        (
            "exponential = { first = '100ms', max = '10s' }",
            Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)),
        ),
        (
            "exponential = { first = '100ms', max = '10s', factor = 3 }",
            Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)).factor(3.0),
        ),
    ];
    for (text, expected) in table {
        let file: File = read(&format!("[backoff]\n{text}")).expect(text);
        assert_eq!(file.backoff, Some(expected), "{text}");
    }
}

#[test]
fn a_shutdown_and_a_placement_are_words_or_a_time() {
    let shutdown = |text: &str| read::<File>(&format!("shutdown = '{text}'")).unwrap().shutdown;
    assert_eq!(shutdown("kill"), Some(Shutdown::Kill));
    assert_eq!(shutdown("infinite"), Some(Shutdown::Infinite));
    assert_eq!(shutdown("1m 5s"), Some(Shutdown::Timeout(Duration::from_secs(65))));
    assert_eq!(json(&Shutdown::Timeout(Duration::from_secs(65))), "1m 5s");
    let placement = |text: &str| read::<File>(&format!("placement = '{text}'")).unwrap().placement;
    assert!(matches!(placement("inline"), Some(Placement::Inline)));
    assert!(matches!(placement("dedicated"), Some(Placement::Dedicated)));
    assert!(matches!(placement("pool"), Some(Placement::Pool)));
}

#[test]
fn policies_are_written_as_they_are_read() {
    fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(
        policy: T,
        text: &str,
    ) {
        assert_eq!(json(&policy), text);
        assert_eq!(serde_json::from_value::<T>(json!(text)).unwrap(), policy);
    }
    there_and_back(RestartPolicy::Transient, "transient");
    there_and_back(WhileDown::Reject, "reject");
    there_and_back(Strategy::OneForAll, "one_for_all");
    there_and_back(OnLimit::Backoff, "backoff");
    there_and_back(StartFailure::Retry, "retry");
    there_and_back(AutoShutdown::AllSignificant, "all_significant");
    there_and_back(ShutdownOrder::Reverse, "reverse");
    there_and_back(OnPanic::Restart, "restart");
    there_and_back(Decision::Escalate, "escalate");
}

#[test]
fn what_a_shutdown_may_be_is_said_where_it_is_something_else() {
    let refused = serde_json::from_value::<Shutdown>(json!(15)).unwrap_err().to_string();
    let expected = r#"expected "kill", "infinite", or a duration such as "15s""#;
    assert!(refused.contains(expected), "{refused}");
}
