//! Answers as text, as the reference says them.

use actix::Actor;
use actix_supervisor::{
    AddError, Child, ChildError, Failure, RemoveError, ReplaceError, StopReport,
};

pub fn changed(changed: Result<(), ChildError>) -> String {
    match changed {
        Ok(()) => "Ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

pub fn removed(removed: Result<(), RemoveError>) -> String {
    match removed {
        Ok(()) => "Ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

pub fn replaced(replaced: Result<(), ReplaceError>) -> String {
    match replaced {
        Ok(()) => "Ok".to_owned(),
        Err(ReplaceError::Child(error)) => format!("{error:?}"),
        Err(error) => format!("unexpected: {error}"),
    }
}

pub fn added<A: Actor>(added: Result<Child<A>, AddError>) -> String {
    match added {
        Ok(_) => "Ok".to_owned(),
        Err(AddError::Stopping) => "Stopping".to_owned(),
        Err(AddError::TooManyChildren { .. }) => "TooManyChildren".to_owned(),
        Err(AddError::Start(failure)) => format!("Start({failure})"),
        Err(AddError::Interrupted) => "Interrupted".to_owned(),
        Err(error) => format!("unexpected: {error}"),
    }
}

pub fn stopped(report: StopReport) -> String {
    if report.is_clean() { "clean" } else { "not clean" }.to_owned()
}

pub fn joined(ended: Result<StopReport, Failure>) -> String {
    match ended {
        Ok(report) => stopped(report),
        Err(failure) => failure.to_string(),
    }
}
