//! What can be seen of the real tree.

use actix_supervisor::{
    ChildInfo, ChildState, EndReason, Event, EventKind, Failure, SupervisorState, Tree, TreeNode,
};
use tokio::time::Instant;

use super::Real;
use crate::{
    picture::{Picture, Told},
    program::Name,
};

impl Real {
    /// Looks at everything.
    pub async fn picture(&mut self) -> (Picture, Vec<String>) {
        let events = std::mem::take(&mut *self.events.lock().expect("no panic while noting"));
        let told = events.iter().map(|event| self.told(event)).collect();
        self.subscribers.all.extend(events);
        let mut tree = Vec::new();
        if let Ok(root) = self.root.send(Tree).await {
            self.draw(&root, &mut tree);
        }
        let (handled, mut answers, faults) = self.stage.with(|notes| {
            (
                std::mem::take(&mut notes.handled),
                std::mem::take(&mut notes.answers),
                std::mem::take(&mut notes.faults),
            )
        });
        answers.sort();
        (Picture { tree, told, answers, handled }, faults)
    }

    /// What a subscriber has missed, or was told twice or too late, if anything.
    pub fn missed(&self) -> Option<String> {
        self.subscribers.missed()
    }

    /// Whether somebody still waits for an answer though all is over.
    pub async fn leaves_somebody_waiting(&self) -> bool {
        self.root.send(Tree).await.is_err() && self.stage.with(|notes| notes.asked > 0)
    }

    fn draw(&mut self, node: &TreeNode, tree: &mut Vec<String>) {
        let status = &node.status;
        let since = |at: Instant| (at - self.begin).as_millis();
        let state = match status.state {
            SupervisorState::Running => "Running".to_owned(),
            SupervisorState::Paused { until } => format!("Paused until {}", since(until)),
            SupervisorState::Stopping => "Stopping".to_owned(),
        };
        let counts = &status.children;
        tree.push(format!(
            "{} {state}, meter {:.6}, restarts {}, starting {} running {} backing off {} stopping {} terminated {}, \
             actors {} services {} blocking {} supervisors {}",
            status.name,
            status.failures,
            status.restarts,
            counts.starting,
            counts.running,
            counts.backing_off,
            counts.stopping,
            counts.terminated,
            counts.actors,
            counts.services,
            counts.blocking,
            counts.supervisors,
        ));
        for child in &node.children {
            let ChildInfo { name, kind, state, restarts, failures_in_row, .. } = child;
            let next_start =
                child.next_start.filter(|_| *state == ChildState::BackingOff).map(since);
            let failure = child.last_failure.as_ref().map(Failure::to_string);
            tree.push(format!(
                "{}/{name} {kind:?} {state:?}, restarts {restarts}, in row {failures_in_row}, next start \
                 {next_start:?}, last failure {failure:?}",
                status.name,
            ));
        }
        for node in &node.supervisors {
            self.draw(node, tree);
        }
    }

    fn told(&mut self, event: &Event) -> Told {
        use EventKind::*;
        let names: Vec<Name> = event.path.iter().map(|name| parse(name)).collect();
        let about = match &event.kind {
            ChildStarted { token, .. } | ChildRestarted { token, .. } => Some(*token),
            ChildReady { token, .. }
            | ChildFailed { token, .. }
            | ChildEnded { token, .. }
            | ChildStopped { token, .. }
            | StopTimeout { token, .. } => Some(*token),
            _ => None,
        };
        let (by, about) = match (about, names.as_slice()) {
            (Some(token), [.., by, name]) => {
                self.tokens.insert(*name, token);
                (*by, Some(*name))
            }
            (None, [.., by]) => (*by, None),
            _ => unreachable!("a path that names nobody"),
        };
        let failed = |failure: &Option<Failure>| match failure {
            Some(failure) => format!(", {failure}"),
            None => String::new(),
        };
        let what = match &event.kind {
            ChildFailed { failure, failures, restarting, .. } => {
                let restarting = if *restarting { "restarting" } else { "for good" };
                format!("ChildFailed at {failures:.6}, {restarting}: {failure}")
            }
            ChildRestarted { restarts, .. } => format!("ChildRestarted {restarts}"),
            ChildEnded { reason, .. } => match reason {
                EndReason::Failed(failure) => format!("ChildEnded: Failed: {failure}"),
                EndReason::GaveUp(failure) => format!("ChildEnded: GaveUp: {failure}"),
                other => format!("ChildEnded: {other:?}"),
            },
            ChildStopped { failure, .. } => format!("ChildStopped{}", failed(failure)),
            BackoffEntered { pause } => format!("BackoffEntered for {}", pause.as_millis()),
            LimitReached { failures, .. } => format!("LimitReached at {failures:.6}"),
            SupervisorStopped { failure, .. } => format!("SupervisorStopped{}", failed(failure)),
            other => other.name().to_owned(),
        };
        Told { by, about, what }
    }
}

pub fn parse(name: &str) -> Name {
    let (kind, number) = name.split_at(1);
    let number = number.parse().expect("a number");
    if kind == "s" { Name::Supervisor(number) } else { Name::Child(number) }
}
