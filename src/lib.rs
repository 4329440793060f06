//! Supervision trees for Actix.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make times of their own"))]

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
    child::{Child, ChildSpec, ServiceActor, SupervisedContext, install_panic_hook},
    error::{AddError, ChildError, RemoveError, SpecError},
    event::{EndReason, Event, EventKind},
    failure::{BoxError, Exit, Failure, PanicInfo},
    info::{
        ChildCounts, ChildInfo, ChildKind, ChildState, StopReport, SupervisorState,
        SupervisorStatus, TreeNode, Unstopped,
    },
    messages::{
        Add, AddAndWait, Join, Kill, List, Remove, RemoveAndWait, Restart, Resume, Status, Stop,
        Subscribe, Terminate, Tree,
    },
    policy::{RestartPolicy, Shutdown, WhileDown},
    spec::Spec,
    supervisor::Supervisor,
    token::ChildToken,
};
