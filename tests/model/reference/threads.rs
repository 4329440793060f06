//! What ends at the pace of a thread: at one instant, with others, in any order.

use actix_supervisor::Strategy;

use super::{parts::At, world::World};
use crate::program::{Name, What};

impl World {
    pub fn is_on_a_thread(&self, name: Name) -> bool {
        self.kids.get(&name).is_some_and(|kid| matches!(kid.what, What::Blocking(_)))
    }

    pub fn note_thread(&mut self, name: Name) {
        let mut above = Some(name);
        while let Some(name) = above {
            self.threads.insert(name);
            above = self.parents.get(&name).copied();
        }
    }

    /// Whether it is on a thread, or something below it is or was.
    pub fn has_threads(&self, name: Name) -> bool {
        self.threads.contains(&name)
    }

    /// Whether others have ended, or are about to, at the instant at which this one ends, and there are threads among them.
    pub fn is_a_race_of_threads(&self, name: Name) -> bool {
        let (now, boss) = (self.now, &self.bosses[&self.kids[&name].parent]);
        let others = boss.children.iter().filter(|&&other| other != name);
        let mut involved = others.filter(|other| {
            let kid = &self.kids[other];
            let is_about_to_end = matches!(kid.at, At::Stopping(_)) && kid.stopped_at == now;
            let has_ended = boss.ends.iter().any(|(at, who, _)| *at == now && who == *other);
            is_about_to_end || has_ended || kid.started_at == now
        });
        match self.has_threads(name) {
            true => involved.next().is_some(),
            false => involved.any(|&other| self.has_threads(other)),
        }
    }

    /// Whether the next one of its group has begun by then is not said.
    pub fn ends_while_its_group_starts(&mut self, name: Name) {
        let parent = self.kids[&name].parent;
        self.is_ambiguous |= self.bosses[&parent].settings.strategy != Strategy::OneForOne;
    }
}
