//! How an incarnation ends: what it says itself ([`Exit`]) and what its supervisor records ([`Failure`]).

use std::{backtrace::Backtrace, error::Error, fmt, sync::Arc, time::Duration};

use crate::policy::ExitClass;

/// Any error, as a factory, a service or [`fail`](crate::SupervisedContext::fail) takes it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an incarnation ended that nobody had asked to end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// It panicked: in its factory, a handler, a future, a timer, a hook, or its `Drop`.
    Panic(PanicInfo),
    /// It failed with an error of its own: `ctx.fail`, a service's or a factory's `Err`.
    ///
    /// Displays as that error, whose source is also this failure's source.
    Error(Arc<dyn Error + Send + Sync>),
    /// It stopped by itself, and its policy wants it to run.
    Stopped,
    /// It was ended by [`Kill`](crate::Kill), or with the supervisor above it.
    Killed,
    /// It was not ready within its [`start_timeout`](crate::ChildSpec::start_timeout).
    StartTimeout(Duration),
    /// Its thread did not answer for this long: see [`ChildSpec::watchdog`](crate::ChildSpec::watchdog).
    Unresponsive(Duration),
    /// The arbiter that it ran on, or was to run on, was stopped.
    ArbiterStopped,
    /// A supervisor has given up over a failure of one of its children: that is its own failure.
    ///
    /// `last`, which is its source too, leads down to the first failure, level by level.
    #[non_exhaustive]
    LimitReached {
        /// The supervisor's name, and the child's.
        path: [String; 2],
        /// The supervisor's failure meter.
        failures: f64,
        /// Above this reading of the meter the limit was reached; a child may also have been given up for another reason.
        threshold: f64,
        /// The child's failure.
        last: Box<Failure>,
        /// Whether the supervisor was never ready before: at no time was every [essential](crate::ChildSpec::essential) child of it
        /// ready, or every child where none is marked; of an essential pool, any member.
        at_start: bool,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(panic) => write!(f, "{panic}"),
            Self::Error(error) => write!(f, "{error}"),
            Self::Stopped => f.write_str("stopped by itself"),
            Self::Killed => f.write_str("killed"),
            Self::StartTimeout(limit) => write!(f, "not ready within {limit:?}"),
            Self::Unresponsive(time) => write!(f, "unresponsive for {time:?}"),
            Self::ArbiterStopped => f.write_str("its arbiter was stopped"),
            Self::LimitReached { path: [supervisor, child], last, .. } => {
                write!(f, "{supervisor} gave up over its child {child}: {last}")
            }
        }
    }
}

/// By hand: a derived `source` would be the box around `last`, which is no `Failure` to whoever looks for one.
impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::LimitReached { last, .. } => Some(&**last),
            Self::Panic(_)
            | Self::Stopped
            | Self::Killed
            | Self::StartTimeout(_)
            | Self::Unresponsive(_)
            | Self::ArbiterStopped => None,
        }
    }
}

impl Failure {
    /// The name of the variant in a word, for a label: `panic`, `error`, `stopped`, `killed`, `start_timeout`, `unresponsive`,
    /// `arbiter_stopped` or `limit_reached`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Panic(_) => "panic",
            Self::Error(_) => "error",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::StartTimeout(_) => "start_timeout",
            Self::Unresponsive(_) => "unresponsive",
            Self::ArbiterStopped => "arbiter_stopped",
            Self::LimitReached { .. } => "limit_reached",
        }
    }

    /// The failure that all of this began with: down through [`LimitReached::last`](Self::LimitReached).
    pub fn root_cause(&self) -> &Failure {
        match self {
            Self::LimitReached { last, .. } => last.root_cause(),
            _ => self,
        }
    }

    /// Who has failed, by name: from the supervisor that has given up down to the child that began it. Empty for any
    /// other failure than [`LimitReached`](Self::LimitReached).
    pub fn path(&self) -> Vec<&str> {
        match self {
            Self::LimitReached { path: [supervisor, child], last, .. } => {
                let below = last.path();
                let rest = if below.is_empty() { vec![child.as_str()] } else { below };
                [vec![supervisor.as_str()], rest].concat()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn error(error: impl Into<BoxError>) -> Self {
        Self::Error(Arc::from(error.into()))
    }
}

/// A caught panic.
#[derive(Clone)]
pub struct PanicInfo {
    /// What it said, or `Box<dyn Any>` where its payload is not text.
    pub message: String,
    /// `file:line:column`, once [`install_panic_hook`](crate::install_panic_hook) was called.
    pub location: Option<String>,
    /// Where it came from, once [`install_panic_hook`](crate::install_panic_hook) was called and where
    /// `RUST_BACKTRACE` asks for it. Displaying it for the first time takes long: do it on a thread that has the time.
    pub backtrace: Option<Arc<Backtrace>>,
}

/// Without the backtrace, which would be pages long.
impl fmt::Debug for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicInfo")
            .field("message", &self.message)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "panicked at {location}: {}", self.message),
            None => write!(f, "panicked: {}", self.message),
        }
    }
}

/// What a service says when its future, or its blocking function, returns.
///
/// It rarely has to be written out: `()`, `Result<(), E>`, `Result<Exit, E>` and the `!` of an endless loop turn into it.
///
/// ```
/// use actix_supervisor::{CancellationToken, ChildSpec, Exit};
///
/// ChildSpec::service("ends well", |_: CancellationToken| async {});
/// ChildSpec::service("may fail", |_: CancellationToken| async { std::fs::read("settings").map(drop) });
/// ChildSpec::service("decides", |_: CancellationToken| async {
///     let settings = std::fs::read_to_string("settings")?;
///     Ok::<_, std::io::Error>(if settings.is_empty() { Exit::DoNotRestart } else { Exit::Normal })
/// });
/// ChildSpec::service("never returns", |_: CancellationToken| async {
///     loop {
///         actix_rt::time::sleep(std::time::Duration::from_secs(1)).await;
///     }
/// });
/// ```
#[derive(Debug)]
pub enum Exit {
    /// It stopped: restarted if its policy is [`Permanent`](crate::RestartPolicy::Permanent).
    Normal,
    /// It failed.
    Failed(BoxError),
    /// It is done: never restarted, whatever its policy. suture's `ErrDoNotRestart`.
    DoNotRestart,
    /// The whole tree has to go: its supervisor stops all children and ends with this error, and so
    /// do those above, up to one with [`propagate_termination(false)`](crate::Spec::propagate_termination).
    /// suture's `ErrTerminateSupervisorTree`.
    TerminateTree(BoxError),
}

/// Names the never type on stable Rust.
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

type Never = <fn() -> ! as Returns>::Output;

impl From<Never> for Exit {
    fn from(never: Never) -> Self {
        never
    }
}

impl From<()> for Exit {
    fn from((): ()) -> Self {
        Self::Normal
    }
}

impl<E: Into<BoxError>> From<Result<(), E>> for Exit {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Normal,
            Err(error) => Self::Failed(error.into()),
        }
    }
}

impl<E: Into<BoxError>> From<Result<Exit, E>> for Exit {
    fn from(result: Result<Exit, E>) -> Self {
        result.unwrap_or_else(|error| Self::Failed(error.into()))
    }
}

/// How an incarnation ended, as its runner tells the supervisor.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Stopped,
    Finished,
    Failed(Failure),
    TerminateTree(Failure),
}

impl Outcome {
    pub(crate) fn class(&self) -> ExitClass {
        match self {
            Self::Stopped => ExitClass::Stopped,
            Self::Finished => ExitClass::Finished,
            Self::Failed(_) => ExitClass::Failed,
            Self::TerminateTree(_) => ExitClass::TerminateTree,
        }
    }

    /// In two words: a supervisor's inbox has a place for each of many of them.
    pub(crate) fn in_brief(self) -> (ExitClass, Option<Arc<Failure>>) {
        (self.class(), self.into_failure().map(Arc::new))
    }

    pub(crate) fn into_failure(self) -> Option<Failure> {
        match self {
            Self::Stopped | Self::Finished => None,
            Self::Failed(failure) | Self::TerminateTree(failure) => Some(failure),
        }
    }
}

impl From<Exit> for Outcome {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Normal => Self::Stopped,
            Exit::DoNotRestart => Self::Finished,
            Exit::Failed(error) => Self::Failed(Failure::error(error)),
            Exit::TerminateTree(error) => Self::TerminateTree(Failure::error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::backtrace::Backtrace;

    use super::*;

    fn over(supervisor: &str, child: &str, last: Failure) -> Failure {
        let (path, last) = ([supervisor.to_owned(), child.to_owned()], Box::new(last));
        Failure::LimitReached { path, failures: 6.0, threshold: 5.0, last, at_start: false }
    }

    #[test]
    fn a_failure_of_supervisors_leads_down_to_what_began_it() {
        let failure = over("root", "below", over("below", "worker", Failure::Killed));
        assert_eq!(failure.path(), ["root", "below", "worker"]);
        assert_eq!(failure.root_cause().kind(), "killed");
        let said = "root gave up over its child below: below gave up over its child worker: killed";
        assert_eq!(failure.to_string(), said);
        let below = failure.source().expect("a failure of the one below");
        let killed = below.source().expect("a failure of the worker");
        assert!(matches!(killed.downcast_ref(), Some(Failure::Killed)));
        assert!(killed.source().is_none());
        assert!(Failure::Killed.path().is_empty());
        assert_eq!(Failure::Killed.root_cause().kind(), "killed");
    }

    #[test]
    fn a_panic_is_printed_for_debugging_without_its_backtrace() {
        let location = Some("src/main.rs:1:2".to_owned());
        let backtrace = Some(Arc::new(Backtrace::force_capture()));
        let panic = PanicInfo { message: "a bug".into(), location, backtrace };
        let printed = r#"PanicInfo { message: "a bug", location: Some("src/main.rs:1:2"), .. }"#;
        assert_eq!(format!("{panic:?}"), printed);
    }
}
