//! Short questions to a supervisor.

use actix::{Addr, MailboxError};

use crate::{ChildInfo, ChildState, ChildToken, List, Status, Supervisor, SupervisorStatus};

/// Its [`Status`].
///
/// # Panics
///
/// If it has ended.
pub async fn status(supervisor: &Addr<Supervisor>) -> SupervisorStatus {
    supervisor.send(Status).await.unwrap_or_else(|error| ended(error))
}

/// Its [`List`].
///
/// # Panics
///
/// If it has ended.
pub async fn list(supervisor: &Addr<Supervisor>) -> Vec<ChildInfo> {
    supervisor.send(List).await.unwrap_or_else(|error| ended(error))
}

/// Name and state of each child.
///
/// # Panics
///
/// If it has ended.
pub async fn states(supervisor: &Addr<Supervisor>) -> Vec<(String, ChildState)> {
    list(supervisor).await.into_iter().map(|child| (child.name, child.state)).collect()
}

/// What it tells of its first child of this name.
///
/// # Panics
///
/// If it has ended, or has no such child.
pub async fn info(supervisor: &Addr<Supervisor>, name: &str) -> ChildInfo {
    let mut children = list(supervisor).await.into_iter();
    children.find(|child| child.name == name).unwrap_or_else(|| panic!("no child {name:?}"))
}

/// The token of its first child of this name.
///
/// # Panics
///
/// If it has ended, or has no such child.
pub async fn token(supervisor: &Addr<Supervisor>, name: &str) -> ChildToken {
    info(supervisor, name).await.token
}

fn ended(error: MailboxError) -> ! {
    panic!("the supervisor has ended: {error}")
}
