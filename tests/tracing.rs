//! What `tracing` is told: an event for each decision, and a span for each incarnation. A program of its own, for its subscriber.

#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use actix::prelude::*;
use actix_supervisor::{
    CancellationToken, ChildSpec, ChildState, Placement, Restart, ServiceActor, Spec, Stop,
    SupervisedContext, Supervisor,
    test_kit::{list, paused, real, settle},
};
use log::{LevelFilter, Log, Metadata, Record};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context as LayerContext, prelude::*, registry::LookupSpan};

type Fields = BTreeMap<&'static str, String>;

/// An event, and the fields of the spans that it was in.
#[derive(Clone, Debug)]
struct Told {
    level: Level,
    target: String,
    fields: Fields,
    spans: Vec<Fields>,
}

static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn all<T: Clone>(of: &Mutex<Vec<T>>) -> Vec<T> {
    of.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

struct Collector;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, of: &span::Attributes<'_>, id: &span::Id, ctx: LayerContext<'_, S>) {
        let mut fields = Fields::new();
        of.record(&mut Reader(&mut fields));
        assert_ne!(fields.get("child").map(String::as_str), Some("panics"), "the subscriber");
        ctx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_exit(&self, id: &span::Id, ctx: LayerContext<'_, S>) {
        assert!(!is_of("panics at an exit", id, &ctx), "the subscriber, at an exit");
    }

    fn on_close(&self, id: span::Id, ctx: LayerContext<'_, S>) {
        assert!(!is_of("panics at a close", &id, &ctx), "the subscriber, at a close");
    }

    fn on_event(&self, event: &Event<'_>, ctx: LayerContext<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let scope = ctx.event_scope(event).into_iter().flatten();
        let spans = scope.filter_map(|span| span.extensions().get::<Fields>().cloned()).collect();
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        let told = Told { level, target, fields, spans };
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

/// Whether it is the span of the child of this name.
fn is_of<S: Subscriber + for<'a> LookupSpan<'a>>(
    name: &str,
    id: &span::Id,
    ctx: &LayerContext<'_, S>,
) -> bool {
    let span = ctx.span(id).expect("it is open");
    let fields = span.extensions();
    fields.get::<Fields>().and_then(|fields| fields.get("child")).is_some_and(|child| child == name)
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn test<T>(test: impl Future<Output = T>) -> T {
    with_clock(true, test)
}

fn with_clock<T>(is_paused: bool, test: impl Future<Output = T>) -> T {
    static SET: Once = Once::new();
    SET.call_once(|| {
        log::set_logger(&Logger).expect("no other logger");
        log::set_max_level(LevelFilter::Trace);
        let subscriber = tracing_subscriber::registry().with(Collector);
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
    });
    if is_paused { paused(test) } else { real(test) }
}

/// The events about what is below this root, and itself.
fn told(root: &str) -> Vec<Told> {
    let is_its = |told: &Told| {
        let supervisor = told.fields.get("supervisor");
        supervisor.is_some_and(|path| path.split('/').next() == Some(root))
    };
    all(&TOLD).into_iter().filter(is_its).collect()
}

fn of_kind(events: &[Told], kind: &str) -> Told {
    let mut found = events.iter().filter(|told| told.fields["event"] == kind);
    found.next().unwrap_or_else(|| panic!("no {kind} in {events:#?}")).clone()
}

/// The fields as text, without the token, whose number depends on what ran before.
fn text(fields: &Fields) -> String {
    let known = fields.iter().filter(|(name, _)| **name != "token");
    known.map(|(name, value)| format!("{name}={value} ")).collect()
}

/// What was told with this message, in which spans.
fn spans_of(message: &str) -> Vec<String> {
    let found = all(&TOLD).into_iter().find(|told| told.fields["message"] == message);
    let found = found.unwrap_or_else(|| panic!("nobody said {message}"));
    found.spans.iter().map(text).collect()
}

fn failing(name: &str) -> ChildSpec<ServiceActor> {
    ChildSpec::service(name, |_| async { Err::<(), _>("broken") })
}

#[test]
fn a_decision_is_an_event_with_its_fields_in_place_of_the_log() {
    test(async {
        let spec = Spec::default().failure_threshold(0.0).backoff_jitter(0.0);
        let inner = Supervisor::with_spec("inner", spec).unwrap().child(failing("bad"));
        let root = Supervisor::new("decisions").child(ChildSpec::supervisor(inner)).start();
        settle().await;
        root.send(Stop).await.unwrap();

        let events = told("decisions");
        let failed = of_kind(&events, "ChildFailed");
        assert_eq!((failed.level, &*failed.target), (Level::WARN, "actix_supervisor"));
        assert_eq!(
            text(&failed.fields),
            "child=bad error=broken event=ChildFailed failure=error failures=1.0 \
             message=decisions/inner/bad: failed: broken (1.00 of 0 failures, will be restarted) \
             restarting=true supervisor=decisions/inner threshold=0.0 "
        );
        assert!(failed.fields["token"].starts_with('#'), "{failed:?}");
        let paused = of_kind(&events, "BackoffEntered");
        assert_eq!(paused.level, Level::ERROR);
        assert_eq!(
            text(&paused.fields),
            "event=BackoffEntered \
             message=decisions/inner: too many failures, nothing is restarted for 15.0s \
             pause=15.0 supervisor=decisions/inner "
        );
        let stopped = of_kind(&events, "SupervisorStopped");
        assert_eq!((stopped.level, &*stopped.fields["unstopped"]), (Level::INFO, "0"));
        let logged = all(&LOGGED);
        assert!(logged.iter().all(|line| !line.contains("decisions")), "{logged:?}");
    });
}

#[test]
fn other_lines_are_events_too() {
    test(async {
        let spec = Spec::default().event_hook(|_| panic!("the hook panics"));
        let root = Supervisor::with_spec("hooked", spec).unwrap().start();
        root.send(Stop).await.unwrap();
        let said = |told: &Told| told.fields["message"].contains("the hook panics");
        assert!(all(&TOLD).iter().any(said));
        assert!(all(&LOGGED).iter().all(|line| !line.contains("the hook panics")));
    });
}

/// Says in which call it is.
struct Talker(&'static str);

impl Actor for Talker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        tracing::info!("{}: started", self.0);
        ctx.run_later(Duration::from_secs(1), |talker, _| tracing::info!("{}: timer", talker.0));
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        tracing::info!("{}: dropped", self.0);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fail;

impl Handler<Fail> for Talker {
    type Result = ();

    fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
        tracing::info!("{}: failing", self.0);
        ctx.fail("told to");
    }
}

fn talker(name: &'static str) -> ChildSpec<Talker> {
    let mut life = 0;
    ChildSpec::actor(name, move |_| {
        life += 1;
        tracing::info!("{name}: made {life}");
        Talker(name)
    })
}

#[test]
fn an_incarnation_runs_in_its_span_from_its_making_to_its_drop() {
    test(async {
        let spec = talker("talker");
        let addr = spec.addr();
        let inner = Supervisor::new("inner").child(spec);
        let root = Supervisor::new("spans").child(ChildSpec::supervisor(inner)).start();
        tokio::time::sleep(Duration::from_secs(2)).await;
        for what in ["made 1", "started", "timer"] {
            let spans = spans_of(&format!("talker: {what}"));
            assert_eq!(spans, ["child=talker life=1 supervisor=spans/inner "], "{what}");
        }
        addr.send(Fail).await.unwrap();
        settle().await;
        let first = ["child=talker life=1 supervisor=spans/inner "];
        assert_eq!(spans_of("talker: failing"), first);
        assert_eq!(spans_of("talker: dropped"), first);
        let second = ["child=talker life=2 supervisor=spans/inner "];
        assert_eq!(spans_of("talker: made 2"), second);
        root.send(Stop).await.unwrap();

        let events = told("spans");
        let failed = of_kind(&events, "ChildFailed");
        let by: Vec<String> = failed.spans.iter().map(text).collect();
        assert_eq!(by, ["child=inner life=1 supervisor=spans "], "its supervisor decided");
        let started = of_kind(&events, "SupervisorStarted");
        assert_eq!(started.spans.iter().map(text).collect::<Vec<_>>(), ["child=spans life=1 "]);
        tracing::info!("nobody's");
        assert!(spans_of("nobody's").is_empty());
    });
}

#[test]
fn a_span_goes_where_its_incarnation_goes() {
    with_clock(false, async {
        let (tells, told) = tokio::sync::oneshot::channel();
        let mut tells = Some(tells);
        let blocking = ChildSpec::blocking("blocking", move |_: CancellationToken| {
            tracing::info!("on a thread of its own");
            tells.take().map(|tells| tells.send(()));
        });
        let root = Supervisor::new("threads")
            .child(talker("elsewhere").placement(Placement::Dedicated))
            .child(blocking)
            .start();
        told.await.unwrap();
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
    let spans = spans_of("on a thread of its own");
    assert_eq!(spans, ["child=blocking life=1 supervisor=threads "]);
    assert_eq!(spans_of("elsewhere: dropped"), ["child=elsewhere life=1 supervisor=threads "]);
}

#[test]
fn a_subscriber_that_panics_harms_nothing() {
    test(async {
        let root = Supervisor::new("panicked-at").child(talker("panics")).start();
        settle().await;
        assert!(spans_of("panics: started").is_empty(), "it has no span");
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

#[test]
fn a_subscriber_that_panics_where_a_span_is_left_is_no_failure_of_a_child() {
    for name in ["panics at an exit", "panics at a close"] {
        test(async {
            let root = Supervisor::new("left").child(talker(name)).start();
            settle().await;
            for restarts in 0..3 {
                let child = list(&root).await.remove(0);
                let failed = child.last_failure.is_some();
                assert_eq!((child.state, child.restarts), (ChildState::Running, restarts));
                assert!(!failed, "{name}: {child:?}");
                assert_eq!(root.send(Restart(child.token)).await.unwrap(), Ok(()));
                settle().await;
            }
            assert!(root.send(Stop).await.unwrap().is_clean());
        });
    }
}
