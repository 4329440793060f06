//! How a supervisor looks now, and what is below it.

use std::{
    collections::VecDeque,
    mem,
    pin::pin,
    sync::Arc,
    thread::{self, ThreadId},
    vec,
};

use futures::future::{Either, select};
use tokio::{
    sync::oneshot,
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::shell::{Shell, now};
use crate::{
    child::{Awaited, Branch, Look, Nested, Sight},
    info::{AddrRef, ChildInfo, SupervisorStatus, TreeNode},
    machine::Listed,
    token::ChildToken,
};

/// How many children and supervisors are looked at in one go.
const SLICE: usize = 1024;

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

    /// This supervisor now, and those that are below it.
    pub(super) fn sight(&self) -> Sight {
        let (status, children) = (self.status(), self.list());
        let mut below = Vec::with_capacity(status.children.supervisors);
        if status.children.supervisors > 0 {
            below.extend(children.iter().filter_map(|child| {
                let nested = self.children.get(child.token.child)?.child.nested()?;
                Some((child.token, Arc::clone(nested)))
            }));
        }
        let supervisors = Vec::with_capacity(below.len());
        let node = TreeNode { token: None, status, children, supervisors, unanswered: Vec::new() };
        Sight { node, below }
    }

    /// Answers to the supervisor above.
    pub(super) fn report_tree(&self, reply: oneshot::Sender<Branch>) {
        let mut walk = Walk::from(self);
        match walk.go_on() {
            // Who asked may be gone.
            Some(branch) => drop(reply.send(branch)),
            None => {
                actix_rt::spawn(async move {
                    let _ = reply.send(walk.finished().await);
                });
            }
        }
    }
}

/// The way down a tree, along those that are on this thread. They are looked at, which takes a quarter of the time of a
/// question and its answer.
pub(super) struct Walk {
    here: ThreadId,
    /// From the one that it has begun with to the one that it is at.
    levels: Vec<Level>,
    awaited: Vec<Awaited>,
}

/// A supervisor, and those below it that have yet to be looked at.
struct Level {
    node: TreeNode,
    below: vec::IntoIter<(ChildToken, Arc<dyn Nested>)>,
}

impl From<Sight> for Level {
    fn from(Sight { node, below }: Sight) -> Self {
        Self { node, below: below.into_iter() }
    }
}

impl From<&Shell> for Walk {
    fn from(shell: &Shell) -> Self {
        let (here, levels) = (thread::current().id(), vec![Level::from(shell.sight())]);
        Self { here, levels, awaited: Vec::new() }
    }
}

impl Walk {
    /// Goes on for a slice. Returns what there is when all has been seen that can be.
    pub(super) fn go_on(&mut self) -> Option<Branch> {
        let mut seen = 0;
        while seen < SLICE {
            let level = self.levels.last_mut()?;
            let Some((token, nested)) = level.below.next() else {
                let Level { node, .. } = self.levels.pop()?;
                match self.levels.last_mut() {
                    Some(above) => above.node.supervisors.push(node),
                    None => return Some(Branch { node, awaited: mem::take(&mut self.awaited) }),
                }
                continue;
            };
            match nested.look(self.here) {
                Look::Seen(mut sight) => {
                    sight.node.token = Some(token);
                    seen += 1 + sight.node.children.len();
                    match sight.below.is_empty() {
                        true => level.node.supervisors.push(sight.node),
                        false => self.levels.push(sight.into()),
                    }
                }
                Look::Asked(answer) => {
                    let above = self.levels.iter().filter_map(|level| level.node.token).collect();
                    self.awaited.push(Awaited { above, token, answer });
                }
                Look::Down => {}
            }
        }
        None
    }

    /// Goes on slice by slice, between which others have their turn.
    pub(super) async fn finished(mut self) -> Branch {
        loop {
            yield_now().await;
            if let Some(branch) = self.go_on() {
                return branch;
            }
        }
    }
}

impl Branch {
    /// With all that answer by then. Each answers whoever has asked first, so that no level waits for another one; and so it
    /// does not matter in which order they are listened to.
    pub(super) async fn completed(self, until: Instant) -> TreeNode {
        let Self { node: mut root, awaited } = self;
        let mut awaited = VecDeque::from(awaited);
        let mut too_late = pin!(sleep_until(until));
        while let Some(Awaited { above, token, answer }) = awaited.pop_front() {
            match select(answer, too_late.as_mut()).await {
                Either::Left((Ok(branch), _)) => {
                    let node = TreeNode { token: Some(token), ..branch.node };
                    insert(&mut at(&mut root, &above).supervisors, node, |node| node.token);
                    awaited.extend(branch.awaited.into_iter().map(|further| Awaited {
                        above: [&above[..], &[token], &further.above[..]].concat(),
                        ..further
                    }));
                }
                // It has ended meanwhile.
                Either::Left((Err(_), _)) => {}
                Either::Right(_) => {
                    insert(&mut at(&mut root, &above).unanswered, token, |token| Some(*token));
                }
            }
        }
        root
    }
}

/// The node to which this way leads, each of which has been put in its place before anything below it.
fn at<'a>(root: &'a mut TreeNode, way: &[ChildToken]) -> &'a mut TreeNode {
    way.iter().fold(root, |node, token| {
        let place = place_of(&node.supervisors, Some(*token), |node| node.token);
        &mut node.supervisors[place]
    })
}

/// Puts it in its place in the start order.
fn insert<T>(all: &mut Vec<T>, one: T, token: impl Fn(&T) -> Option<ChildToken>) {
    let place = place_of(all, token(&one), token);
    all.insert(place, one);
}

/// Children are numbered in start order.
fn place_of<T>(
    all: &[T],
    token: Option<ChildToken>,
    of: impl Fn(&T) -> Option<ChildToken>,
) -> usize {
    let number = |token: Option<ChildToken>| token.map(|token| token.child);
    all.partition_point(|other| number(of(other)) < number(token))
}

#[cfg(test)]
mod tests {
    use actix::{Actor, System};

    use super::*;
    use crate::{child::ChildSpec, messages::List, supervisor::Supervisor};

    #[test]
    fn one_on_this_thread_is_looked_at_and_one_on_another_thread_is_asked() {
        System::new().block_on(async {
            let below = Supervisor::new("below");
            let blueprint = Arc::clone(&below.blueprint);
            let here = thread::current().id();
            assert!(matches!(blueprint.look(here), Look::Down));
            let below_addr = below.addr();
            let _root = Supervisor::new("root").child(ChildSpec::supervisor(below)).start();
            below_addr.send(List).await.expect("it runs");
            let elsewhere = thread::spawn(|| thread::current().id()).join().expect("a thread");
            assert!(matches!(blueprint.look(here), Look::Seen(_)));
            assert!(matches!(blueprint.look(elsewhere), Look::Asked(_)));
        });
    }

    #[test]
    fn whoever_answers_late_is_put_in_its_place_in_the_start_order() {
        let token = |child| ChildToken { supervisor: 1, child };
        let (mut all, of) = (Vec::new(), |token: &ChildToken| Some(*token));
        [3, 0, 7, 1].into_iter().for_each(|child| insert(&mut all, token(child), of));
        assert_eq!(all, [0, 1, 3, 7].map(token));
        let places = [0, 1, 3, 7].map(|child| place_of(&all, Some(token(child)), of));
        assert_eq!(places, [0, 1, 2, 3]);
    }
}
