//! What types can do: this file compiles, or it does not.

#![allow(missing_docs, reason = "a test binary has no public API")]

use std::{error::Error, fmt, hash::Hash, rc::Rc};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddError, CancellationToken, Child, ChildCounts, ChildError, ChildInfo, ChildKind,
    ChildSpec, ChildState, ChildToken, Event, Exit, Failure, PanicInfo, RemoveError, RestartPolicy,
    Shutdown, Spec, SpecError, StopReport, Supervisor, SupervisorState, SupervisorStatus, TreeNode,
    WhileDown,
};

/// An actor that cannot leave its thread.
struct Stays {
    _here: Rc<()>,
}

impl Actor for Stays {
    type Context = Context<Self>;
}

fn sends<T: Send>() {}
fn shares<T: Send + Sync + Clone + fmt::Debug>() {}
fn small<T: Copy + fmt::Debug + Eq + Hash + Send + Sync>() {}
fn errors<T: Error + Send + Sync + 'static>() {}

#[test]
fn specs_and_handles_can_be_sent_whatever_the_actor_is() {
    sends::<ChildSpec<Stays>>();
    sends::<Child<Stays>>();
    sends::<Add<Stays>>();
    sends::<Recipient<Add<Stays>>>();
    sends::<Supervisor>();
    sends::<Addr<Supervisor>>();
    shares::<Spec>();
}

#[test]
fn what_is_told_can_be_shared() {
    shares::<ChildInfo>();
    shares::<Event>();
    shares::<Failure>();
    shares::<PanicInfo>();
    shares::<TreeNode>();
    shares::<SupervisorStatus>();
    shares::<StopReport>();
}

#[test]
fn small_enums_are_values() {
    small::<RestartPolicy>();
    small::<Shutdown>();
    small::<WhileDown>();
    small::<ChildKind>();
    small::<ChildState>();
    small::<ChildToken>();
    fn equals<T: Copy + fmt::Debug + Eq>() {}
    equals::<SupervisorState>();
    equals::<ChildCounts>();
}

#[test]
fn errors_are_errors() {
    errors::<Failure>();
    errors::<SpecError>();
    errors::<AddError>();
    errors::<RemoveError>();
    errors::<ChildError>();
}

#[test]
fn whatever_a_service_returns_is_an_exit() {
    fn of<T: Into<Exit>>(returned: T) -> Exit {
        returned.into()
    }
    assert!(matches!(of(()), Exit::Normal));
    assert!(matches!(of(Ok::<(), fmt::Error>(())), Exit::Normal));
    assert!(matches!(of(Err::<(), _>("text")), Exit::Failed(error) if error.to_string() == "text"));
    assert!(matches!(of(Ok::<_, fmt::Error>(Exit::DoNotRestart)), Exit::DoNotRestart));
    assert!(
        matches!(of(Err::<Exit, _>(fmt::Error)), Exit::Failed(error) if error.is::<fmt::Error>())
    );
    assert!(matches!(of(Exit::TerminateTree("end".into())), Exit::TerminateTree(_)));
    drop(ChildSpec::service("for ever", |_: CancellationToken| async {
        loop {
            actix_rt::task::yield_now().await;
        }
    }));
}
