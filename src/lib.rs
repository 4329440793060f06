//! Supervision trees for Actix.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make times of their own"))]

mod backoff;
mod bus;
mod child;
mod error;
mod event;
mod failure;
mod info;
mod machine;
mod messages;
mod policy;
mod signals;
mod spec;
mod supervisor;
mod token;

pub use tokio_util::sync::CancellationToken;

pub use crate::{
    backoff::Backoff,
    child::{Child, ChildSpec, ServiceActor, SupervisedContext, install_panic_hook},
    error::{AddError, ChildError, RemoveError, ReplaceError, SpecError},
    event::{EndReason, Event, EventKind},
    failure::{BoxError, Exit, Failure, PanicInfo},
    info::{
        ChildCounts, ChildInfo, ChildKind, ChildState, StopReport, SupervisorState,
        SupervisorStatus, TreeNode, Unstopped,
    },
    messages::{
        Add, AddAndWait, Join, Kill, List, Remove, RemoveAndWait, Replace, Restart, Resume, Status,
        Stop, Subscribe, Terminate, Tree,
    },
    policy::{
        AutoShutdown, Decision, OnLimit, OnPanic, RestartPolicy, Shutdown, ShutdownOrder,
        StartFailure, Strategy, WhileDown,
    },
    spec::Spec,
    supervisor::Supervisor,
    token::ChildToken,
};
