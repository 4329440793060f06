//! The tree as JSON, made at most so often that it costs little, for however many look at it.

use std::{sync::Arc, time::Duration};

use actix::{Addr, MailboxError};
use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    Mounted,
    hub::Hub,
    view::{self, Texts},
};
use crate::{
    clock::now,
    info::{ChildInfo, ChildKind, ChildState, SupervisorStatus, TreeNode},
    messages::Tree,
    supervisor::Supervisor,
    token::ChildToken,
};

/// How long a tree may take; `Tree` itself waits up to a second for those on other threads.
const LIMIT: Duration = Duration::from_secs(5);
/// For how long a picture is good at least; and for how many times of what it took to make it.
const FRESH: Duration = Duration::from_millis(250);
const SHARE: u32 = 10;

/// The last picture, with texts and without: each is made by one who asks, and the others wait for it.
#[derive(Default)]
pub(super) struct Pictures {
    hidden: Mutex<Option<Picture>>,
    shown: Mutex<Option<Picture>>,
}

struct Picture {
    good_until: Instant,
    json: Bytes,
}

pub(super) async fn ask(root: &Addr<Supervisor>) -> Result<TreeNode, MailboxError> {
    timeout(LIMIT, root.send(Tree)).await.unwrap_or(Err(MailboxError::Timeout))
}

pub(super) async fn json(mounted: &Mounted) -> Result<Bytes, MailboxError> {
    let hub = mounted.hub().await?;
    let pictures = &hub.pictures;
    let mut picture = match mounted.texts {
        Texts::Hidden => pictures.hidden.lock().await,
        Texts::Shown => pictures.shown.lock().await,
    };
    let begun = now();
    if let Some(picture) = picture.as_ref().filter(|picture| begun < picture.good_until) {
        return Ok(picture.json.clone());
    }
    // What is told after this number may not be in the tree yet.
    let latest = hub.latest();
    let tree = ask(&mounted.root).await?;
    let json = Bytes::from(drawn(&hub, latest, &tree, mounted.texts));
    let done = now();
    let good_for = FRESH.max(done.saturating_duration_since(begun) * SHARE);
    *picture = Some(Picture { good_until: done + good_for.min(LIMIT), json: json.clone() });
    Ok(json)
}

fn drawn(hub: &Arc<Hub>, latest: u64, tree: &TreeNode, texts: Texts) -> Vec<u8> {
    let envelope = Envelope {
        epoch: format!("{:x}", hub.epoch()),
        latest,
        failures_shown: texts == Texts::Shown,
        tree: Node::of(tree, texts),
    };
    serde_json::to_vec(&envelope).unwrap_or_default()
}

#[derive(Serialize)]
struct Envelope<'a> {
    epoch: String,
    latest: u64,
    failures_shown: bool,
    tree: Node<'a>,
}

#[derive(Serialize)]
struct Node<'a> {
    token: Option<ChildToken>,
    status: &'a SupervisorStatus,
    children: Vec<Line<'a>>,
    supervisors: Vec<Node<'a>>,
    unanswered: &'a [ChildToken],
}

#[derive(Serialize)]
struct Line<'a> {
    token: ChildToken,
    name: &'a str,
    kind: ChildKind,
    state: ChildState,
    essential: bool,
    restarts: u64,
    failures_in_row: u32,
    /// In seconds from now.
    next_start: Option<f64>,
    last_failure: Option<Value>,
}

impl<'a> Node<'a> {
    fn of(tree: &'a TreeNode, texts: Texts) -> Self {
        Self {
            token: tree.token,
            status: &tree.status,
            children: tree.children.iter().map(|child| Line::of(child, texts)).collect(),
            supervisors: tree.supervisors.iter().map(|below| Self::of(below, texts)).collect(),
            unanswered: &tree.unanswered,
        }
    }
}

impl<'a> Line<'a> {
    fn of(child: &'a ChildInfo, texts: Texts) -> Self {
        let left = |until: Instant| until.saturating_duration_since(now()).as_secs_f64();
        Self {
            token: child.token,
            name: &child.name,
            kind: child.kind,
            state: child.state,
            essential: child.essential,
            restarts: child.restarts,
            failures_in_row: child.failures_in_row,
            next_start: child.next_start.map(left),
            last_failure: child.last_failure.as_ref().map(|failure| view::failure(failure, texts)),
        }
    }
}
