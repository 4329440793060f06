//! How a supervisor looks now, and what is below it.

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::shell::{Shell, now};
use crate::{
    child::Notice,
    info::{AddrRef, Branch, ChildInfo, SupervisorStatus, TreeNode},
    machine::Listed,
    token::ChildToken,
};

impl Shell {
    pub(super) fn status(&self) -> SupervisorStatus {
        SupervisorStatus {
            name: self.blueprint.bus.name().to_string(),
            state: self.machine.state(),
            failures: self.machine.failures(now()),
            threshold: self.machine.threshold(),
            children: self.machine.counts(),
            restarts: self.machine.restarts(),
            left_behind: self.count_left_behind(),
        }
    }

    pub(super) fn list(&self) -> Vec<ChildInfo> {
        let info = |listed: Listed| {
            let entry = self.children.get(listed.id)?;
            let kept = Arc::downgrade(&entry.child.kept);
            Some(ChildInfo {
                token: self.token(listed.id),
                name: entry.child.name.to_string(),
                kind: entry.child.terms.kind,
                state: listed.state,
                essential: listed.is_essential,
                restarts: listed.restarts,
                last_failure: entry.last_failure.as_deref().cloned(),
                failures_in_row: listed.failures_in_row,
                next_start: listed.next_start,
                addr: AddrRef(kept),
            })
        };
        let mut list = Vec::with_capacity(self.machine.counts().total());
        list.extend(self.machine.list().filter_map(info));
        list
    }

    /// This supervisor now, and what those below it will answer.
    pub(super) fn branch(&self) -> Branch {
        let (status, children) = (self.status(), self.list());
        let ask = |child: &ChildInfo| {
            let nested = self.children.get(child.token.child)?.child.nested()?;
            let (reply, answer) = oneshot::channel();
            // One without an incarnation has no status.
            nested.tell(Notice::Tree(reply)).then_some((child.token, answer))
        };
        let below = children.iter().filter_map(ask).collect();
        Branch { status, children, below }
    }

    pub(super) fn report_tree(&self, reply: oneshot::Sender<Branch>) {
        // Who asked may be gone.
        let _ = reply.send(self.branch());
    }
}

impl Branch {
    /// With all below it that answer by then. Each answers whoever has asked first, so that no level waits for another one.
    pub(super) fn grown(
        self,
        token: Option<ChildToken>,
        until: Instant,
    ) -> BoxFuture<'static, TreeNode> {
        let Self { status, children, below } = self;
        let below = below.into_iter().map(move |(token, answer)| async move {
            match timeout_at(until, answer).await {
                Ok(Ok(branch)) => Some(Ok(branch.grown(Some(token), until).await)),
                // It has ended meanwhile.
                Ok(Err(_)) => None,
                Err(_) => Some(Err(token)),
            }
        });
        let below = join_all(below);
        Box::pin(async move {
            let (mut supervisors, mut unanswered) = (Vec::new(), Vec::new());
            for answer in below.await.into_iter().flatten() {
                match answer {
                    Ok(node) => supervisors.push(node),
                    Err(token) => unanswered.push(token),
                }
            }
            TreeNode { token, status, children, supervisors, unanswered }
        })
    }
}
