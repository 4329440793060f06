//! The supervisor's own reports as JSON.

use actix_supervisor::{ChildInfo, Event, EventKind, SupervisorState, TreeNode};
use serde_json::{Value, json};

pub(crate) fn tree(node: &TreeNode) -> Value {
    let status = &node.status;
    json!({
        "name": status.name,
        "state": state(&status.state),
        "failures": status.failures,
        "threshold": status.threshold,
        "restarts": status.restarts,
        "children": node.children.iter().map(child).collect::<Vec<_>>(),
        "supervisors": node.supervisors.iter().map(tree).collect::<Vec<_>>(),
    })
}

pub(crate) fn state(state: &SupervisorState) -> &'static str {
    match state {
        SupervisorState::Running => "Running",
        SupervisorState::Paused { .. } => "Paused",
        SupervisorState::Stopping => "Stopping",
    }
}

fn child(info: &ChildInfo) -> Value {
    json!({
        "name": info.name,
        "kind": format!("{:?}", info.kind),
        "state": format!("{:?}", info.state),
        "essential": info.essential,
        "restarts": info.restarts,
        "last_failure": info.last_failure.as_ref().map(ToString::to_string),
    })
}

pub(crate) fn event(number: u64, event: &Event) -> Value {
    json!({
        "number": number,
        "path": event.path.join("/"),
        "kind": kind(&event.kind),
        "text": event.to_string(),
    })
}

fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::ChildStarted { .. } => "ChildStarted",
        EventKind::ChildReady { .. } => "ChildReady",
        EventKind::ChildFailed { .. } => "ChildFailed",
        EventKind::ChildRestarted { .. } => "ChildRestarted",
        EventKind::ChildEnded { .. } => "ChildEnded",
        EventKind::ChildStopped { .. } => "ChildStopped",
        EventKind::StopTimeout { .. } => "StopTimeout",
        EventKind::BackoffEntered { .. } => "BackoffEntered",
        EventKind::BackoffLeft => "BackoffLeft",
        EventKind::SupervisorStarted => "SupervisorStarted",
        EventKind::SupervisorStopped { .. } => "SupervisorStopped",
        _ => "Other",
    }
}
