//! The status with which a process ends, for whoever has started it.

use std::{error::Error, process::ExitCode};

use log::Level;

use crate::{
    child::panics,
    error::SpecError,
    failure::{BoxError, Failure},
    info::StopReport,
};

/// The status with which a process ends, by what has ended it.
///
/// | status | what | `sysexits.h` |
/// | --- | --- | --- |
/// | 0 | an orderly stop | `EX_OK` |
/// | 1 | an error of the application's own | |
/// | 70 | the supervisor gave up, or a child asked for the [end of the tree](crate::Exit::TerminateTree) | `EX_SOFTWARE` |
/// | 75 | the supervisor gave up before the tree was ever ready: what it needs may not be there yet | `EX_TEMPFAIL` |
/// | 78 | a [`SpecError`](crate::SpecError): the configuration is bad, and will be so the next time | `EX_CONFIG` |
///
/// So a platform can be told to start a process again after 70 and 75, and not after 78: see
/// [deployment](https://docs.rs/actix-supervisor/latest/actix_supervisor/deployment/). A second signal ends it with [128 + its number](crate::Supervisor::run).
///
/// A file of settings that cannot be read is an error of the application's own, also where what it says is refused in the words of a
/// `SpecError`. Where that is the only error there can be, `ExitCodes::default().other(78).of(Err(error))` says what it is.
///
/// ```no_run
/// use std::process::ExitCode;
/// use actix_supervisor::{BoxError, CancellationToken, ChildSpec, ExitCodes, Spec, StopReport, Supervisor};
///
/// #[actix_rt::main]
/// async fn main() -> ExitCode {
///     ExitCodes::default().of(application().await)
/// }
///
/// async fn application() -> Result<StopReport, BoxError> {
///     let threshold = std::env::var("THRESHOLD")?.parse()?; // 1
///     let spec = Spec::default().failure_threshold(threshold);
///     let server = ChildSpec::service("server", |stop: CancellationToken| async move {
///         stop.cancelled().await;
///     });
///     let root = Supervisor::with_spec("app", spec)?; // 78
///     Ok(root.child(server).run().await?) // 0, 70 or 75
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCodes {
    stopped: u8,
    left_behind: u8,
    other: u8,
    gave_up: u8,
    at_start: u8,
    configuration: u8,
}

impl Default for ExitCodes {
    fn default() -> Self {
        Self { stopped: 0, left_behind: 0, other: 1, gave_up: 70, at_start: 75, configuration: 78 }
    }
}

impl ExitCodes {
    /// After an orderly stop; 0 unless set.
    #[must_use]
    pub fn stopped(mut self, code: u8) -> Self {
        self.stopped = code;
        self
    }

    /// After a stop that has [left something behind](crate::StopReport::unstopped); 0 unless set, since that was asked for too.
    #[must_use]
    pub fn left_behind(mut self, code: u8) -> Self {
        self.left_behind = code;
        self
    }

    /// After an error that is not of this crate; 1 unless set.
    #[must_use]
    pub fn other(mut self, code: u8) -> Self {
        self.other = code;
        self
    }

    /// After a [`Failure`](crate::Failure) of a supervisor; 70 unless set.
    #[must_use]
    pub fn gave_up(mut self, code: u8) -> Self {
        self.gave_up = code;
        self
    }

    /// After a failure of a supervisor that was never ready: [`at_start`](crate::Failure::LimitReached); 75 unless set.
    #[must_use]
    pub fn at_start(mut self, code: u8) -> Self {
        self.at_start = code;
        self
    }

    /// After a [`SpecError`](crate::SpecError); 78 unless set.
    #[must_use]
    pub fn configuration(mut self, code: u8) -> Self {
        self.configuration = code;
        self
    }

    /// The status for this end, of [`run`](crate::Supervisor::run) or of a function around it. An error that wraps one of this crate, as
    /// its [source](Error::source), counts as that one.
    ///
    /// An error is written to the log, unless `run` has done so: what `main` returns as an [`ExitCode`] is printed by nobody.
    pub fn of<E: Into<BoxError>>(self, ended: Result<StopReport, E>) -> ExitCode {
        ExitCode::from(self.status(ended.map_err(Into::into)))
    }

    fn status(self, ended: Result<StopReport, BoxError>) -> u8 {
        let error = match ended {
            Ok(report) if report.is_clean() => return self.stopped,
            Ok(_) => return self.left_behind,
            Err(error) => error,
        };
        let first: &(dyn Error + 'static) = &*error;
        if let Some(failure) = find::<Failure>(first) {
            return match failure {
                Failure::LimitReached { at_start: true, .. } => self.at_start,
                _ => self.gave_up,
            };
        }
        panics::log(Level::Error, format_args!("ended by an error: {error}"));
        match find::<SpecError>(first) {
            Some(_) => self.configuration,
            None => self.other,
        }
    }
}

/// The first error of this type: this one, or down through its sources.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| find(error.source()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::Unstopped;

    fn gave_up(at_start: bool) -> Failure {
        let path = ["root".to_owned(), "child".to_owned()];
        let last = Box::new(Failure::Stopped);
        Failure::LimitReached { path, failures: 6.0, threshold: 5.0, last, at_start }
    }

    fn bad() -> SpecError {
        SpecError { of: "it".into(), field: "name", value: "\"\"".into(), allowed: "not empty" }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the application has ended")]
    struct Wrapped(#[source] Failure);

    fn ends() -> [Result<StopReport, BoxError>; 8] {
        let unclean = StopReport {
            unstopped: vec![Unstopped { path: vec!["root".into()] }],
            ..StopReport::default()
        };
        [
            Ok(StopReport::default()),
            Ok(unclean),
            Err("no database".into()),
            Err(gave_up(false).into()),
            Err(gave_up(true).into()),
            Err(Wrapped(gave_up(true)).into()),
            Err(Failure::Killed.into()),
            Err(bad().into()),
        ]
    }

    #[test]
    fn each_end_has_a_status_of_its_own() {
        let codes = ends().map(|end| ExitCodes::default().status(end));
        assert_eq!(codes, [0, 0, 1, 70, 75, 75, 70, 78]);
    }

    #[test]
    fn what_the_process_returns_is_that_status() {
        let ended: Result<StopReport, Failure> = Err(gave_up(true));
        assert_eq!(ExitCodes::default().of(ended), ExitCode::from(75));
    }

    #[test]
    fn each_status_can_be_another_one() {
        let others = ExitCodes::default()
            .stopped(10)
            .left_behind(11)
            .other(12)
            .gave_up(13)
            .at_start(14)
            .configuration(15);
        let codes = ends().map(|end| others.status(end));
        assert_eq!(codes, [10, 11, 12, 13, 14, 14, 13, 15]);
    }
}
