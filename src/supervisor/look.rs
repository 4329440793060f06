//! How a supervisor looks now, and what is below it.

use std::{collections::VecDeque, pin::pin, sync::Arc};

use futures::future::{Either, select};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
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
            name: String::from(&**self.blueprint.bus.name()),
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
                // Not by its `Display`, which takes three times as long as the rest.
                name: String::from(&*entry.child.name),
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
    /// With all below it that answer by then. Each answers whoever has asked first, so that no level waits for another one; and so it
    /// does not matter in which order they are listened to.
    pub(super) async fn grown(self, until: Instant) -> TreeNode {
        let mut tree = Growing::default();
        tree.add(None, None, self);
        let mut too_late = pin!(sleep_until(until));
        while let Some((above, token, answer)) = tree.awaited.pop_front() {
            match select(answer, too_late.as_mut()).await {
                Either::Left((Ok(branch), _)) => tree.add(Some(above), Some(token), branch),
                // It has ended meanwhile.
                Either::Left((Err(_), _)) => {}
                Either::Right(_) => tree.nodes[above].1.unanswered.push(token),
            }
        }
        tree.into_root()
    }
}

/// A tree while its answers come.
#[derive(Default)]
struct Growing {
    /// Each with the place of the one above it, which comes before it.
    nodes: Vec<(Option<usize>, TreeNode)>,
    /// Whom the one at this place has asked.
    awaited: VecDeque<(usize, ChildToken, oneshot::Receiver<Branch>)>,
}

impl Growing {
    fn add(&mut self, above: Option<usize>, token: Option<ChildToken>, branch: Branch) {
        let Branch { status, children, below } = branch;
        let place = self.nodes.len();
        self.awaited.extend(below.into_iter().map(|(token, answer)| (place, token, answer)));
        let (supervisors, unanswered) = (Vec::new(), Vec::new());
        self.nodes.push((above, TreeNode { token, status, children, supervisors, unanswered }));
    }

    /// Each node goes to the one above it, the last first: what is below it is there by then.
    fn into_root(mut self) -> TreeNode {
        loop {
            let (above, mut node) = self.nodes.pop().expect("the root is the first of all");
            node.supervisors.reverse();
            match above {
                Some(above) => self.nodes[above].1.supervisors.push(node),
                None => return node,
            }
        }
    }
}
