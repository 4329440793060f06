//! Readiness: whether all that is essential is there, in this supervisor and below it.
//!
//! Each supervisor counts what is missing among its own children, and is told by those of them that are supervisors what
//! they mean for the tree. So whether a tree is ready is known at its root without a question to anybody.

use super::{End, Machine, Phase, Standing};

/// How many of those that have failed for good are remembered. One is enough for the tree not to be ready.
const LOST: usize = 16;

impl Machine {
    /// A supervisor below has told what it means for the tree.
    pub(super) fn note_below(&mut self, id: u64, life: u64, standing: Standing) {
        let Some(child) = self.children.get(id) else { return };
        if child.life == life && child.state.is_up() {
            self.children.set_below(id, standing);
        }
    }

    /// An essential child that failed for good is missed from then on.
    pub(super) fn note_loss(&mut self, id: u64, end: End) {
        let has_failed = match end {
            End::Failed | End::GaveUp | End::Stranded => true,
            End::Finished | End::Stopped | End::WithGroup | End::Removed => false,
        };
        let is_essential = self.children.get(id).is_some_and(|child| child.is_essential());
        if has_failed && is_essential && self.lost.len() < LOST {
            self.lost.push(id);
        }
    }

    /// Works out anew what it means for the tree that it is in.
    pub(super) fn note_standing(&mut self) {
        if !self.restarts_anything() {
            // Its children are let go one by one: that they are fewer makes nothing ready.
            if self.standing == Standing::Whole {
                self.standing = Standing::Lacking;
            }
            return;
        }
        let has_lost = self.settings.bereft || !self.lost.is_empty();
        let matters = has_lost || self.children.essential() > 0 || self.settings.needs_one_ready;
        let lacks = match self.settings.needs_one_ready {
            // Who is ready does the work, also in a pause.
            true => self.is_deserted(),
            false => self.children.missing() > 0 || self.phase != Phase::Running,
        };
        let is_whole = self.up && self.leaving.is_none() && !has_lost && !lacks;
        self.standing = match (matters, is_whole) {
            (false, _) => Standing::Indifferent,
            (true, true) => Standing::Whole,
            (true, false) => Standing::Lacking,
        };
        self.was_ready |= self.up
            && match self.standing {
                Standing::Whole => true,
                Standing::Lacking => false,
                // Nobody has said what matters, so all does.
                Standing::Indifferent => {
                    let counts = self.children.counts();
                    counts.starting == 0 && counts.backing_off == 0
                }
            };
    }

    /// Whether none of its children is ready, of which one has to be.
    pub(crate) fn is_deserted(&self) -> bool {
        self.settings.needs_one_ready && self.children.counts().running == 0
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether a tree with this one at its root is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.up
            && self.leaving.is_none()
            && self.restarts_anything()
            && self.standing != Standing::Lacking
    }

    /// Whether all that has to be ready was ever ready, at the same time.
    pub(crate) fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Whether its declared children have been started.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Whether an orderly stop was asked for that has not begun yet.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether this child was essential and has failed for good; of the first ones only.
    pub(crate) fn is_lost(&self, id: u64) -> bool {
        self.lost.contains(&id)
    }
}
