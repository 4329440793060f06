//! What a supervisor tells of itself and of what is below it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Nested;
use crate::{info::TreeNode, token::ChildToken};

/// A tree, as far as it is known without waiting for anybody.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) node: TreeNode,
    pub(crate) awaited: Vec<Awaited>,
}

/// A supervisor that was asked, and will answer in the same way.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// The way down to the one above it, without the one that the branch begins with.
    pub(crate) above: Vec<ChildToken>,
    pub(crate) token: ChildToken,
    pub(crate) answer: oneshot::Receiver<Branch>,
}

/// One supervisor, without those below it.
pub(crate) struct Sight {
    pub(crate) node: TreeNode,
    pub(crate) below: Vec<(ChildToken, Arc<dyn Nested>)>,
}

/// What is seen of a nested supervisor.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once, thousands of times in a row"
)]
pub(crate) enum Look {
    Seen(Sight),
    /// It is on another thread, or has yet to hear of something.
    Asked(oneshot::Receiver<Branch>),
    /// It has no incarnation, and so no status.
    Down,
}
