//! How a group goes down and comes back.

use actix_supervisor::Strategy;

use super::{
    parts::{At, Happening, Then, Why},
    world::World,
};
use crate::program::Name;

impl World {
    /// "The siblings of a group stop at the failure and all start when the failed one may." A failure during that merges
    /// into it: who has yet to stop or to start for it still has to.
    pub fn its_group_goes_down(&mut self, failed: Name) {
        let parent = self.kids[&failed].parent;
        let boss = self.boss(parent);
        let place = |name: Name| boss.children.iter().position(|&child| child == name);
        let first = match boss.settings.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => 0,
            Strategy::RestForOne => place(failed).expect("it is a child"),
        };
        let all = boss.children.clone();
        let from = |list: &[Name]| {
            let first =
                list.first().and_then(|&name| place(name)).map_or(first, |at| at.min(first));
            all[first..].to_vec()
        };
        let (to_stop, to_start) = (from(&boss.to_stop), from(&boss.to_start));
        boss.to_stop = to_stop;
        boss.to_start = to_start;
    }

    pub fn go_on_with_group(&mut self, supervisor: Name) {
        if self.is_stopping(supervisor) {
            self.boss(supervisor).to_stop.clear();
            self.boss(supervisor).to_start.clear();
        } else if self.group_is_down(supervisor)
            && self.group_may_come_back(supervisor)
            && self.group_is_back(supervisor)
            && !self.bosses[&supervisor].is_ready
        {
            self.boss(supervisor).is_ready = true;
            if let Some(kid) = self.kids.get(&supervisor) {
                let life = kid.starts;
                self.soon(Happening::Ready(supervisor, life));
            }
        }
    }

    /// In reverse order: each is asked when the one after it is down.
    fn group_is_down(&mut self, supervisor: Name) -> bool {
        while let Some(&name) = self.bosses[&supervisor].to_stop.last() {
            match self.kids.get(&name).map(|kid| kid.at) {
                Some(At::Starting | At::Running) => {
                    self.ask(name, Then::Group);
                    return false;
                }
                Some(At::Stopping(_)) => return false,
                Some(At::Down(_)) | None => drop(self.boss(supervisor).to_stop.pop()),
            }
        }
        true
    }

    /// "When the failed one may, pause and backoff included."
    fn group_may_come_back(&self, supervisor: Name) -> bool {
        let boss = &self.bosses[&supervisor];
        let is_paused = matches!(boss.mode, super::parts::Mode::Paused { .. });
        let members = boss.to_start.iter().filter_map(|name| self.kids.get(name));
        !is_paused
            && !members.map(|kid| kid.at).any(|at| matches!(at, At::Down(Why::Due(_) | Why::Pause)))
    }

    /// In order: each starts when the one before it is ready.
    fn group_is_back(&mut self, supervisor: Name) -> bool {
        while let Some(&name) = self.bosses[&supervisor].to_start.first() {
            match self.kids.get(&name).map(|kid| kid.at) {
                Some(At::Down(Why::Turn)) => {
                    self.start(name);
                    return false;
                }
                Some(At::Starting | At::Stopping(_)) => return false,
                Some(At::Running | At::Down(_)) | None => {
                    self.boss(supervisor).to_start.remove(0);
                }
            }
        }
        true
    }
}
