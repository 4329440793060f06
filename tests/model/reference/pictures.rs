//! What can be seen of it.

use super::{
    parts::{At, Kid, Mode, Then, Why},
    world::World,
};
use crate::{
    picture::Picture,
    program::{Name, What},
};

impl World {
    pub fn picture(&mut self) -> Picture {
        let mut tree = Vec::new();
        if !self.bosses[&Name::ROOT].has_ended {
            self.draw(Name::ROOT, &mut tree);
        }
        let mut answers = std::mem::take(&mut self.answers);
        answers.sort();
        Picture {
            tree,
            told: std::mem::take(&mut self.told),
            answers,
            handled: std::mem::take(&mut self.handled),
        }
    }

    /// "`List`: the children, in start order; not those being removed."
    pub fn listed(&self, supervisor: Name) -> Vec<Name> {
        let children = self.bosses[&supervisor].children.iter().copied();
        children.filter(|name| self.kids[name].at != At::Stopping(Then::Remove)).collect()
    }

    fn draw(&self, supervisor: Name, tree: &mut Vec<String>) {
        let boss = &self.bosses[&supervisor];
        let state = match boss.mode {
            Mode::Down => return,
            Mode::Running => "Running".to_owned(),
            Mode::Paused { until } => format!("Paused until {until}"),
            Mode::Stopping(_) => "Stopping".to_owned(),
        };
        let listed = self.listed(supervisor);
        let kids: Vec<&Kid> = listed.iter().map(|name| &self.kids[name]).collect();
        let count = |state: &str| kids.iter().filter(|kid| kid.state() == state).count();
        let kinds = |kind: &str| kids.iter().filter(|kid| kid.kind() == kind).count();
        tree.push(format!(
            "{supervisor} {state}, meter {:.6}, restarts {}, starting {} running {} backing off {} stopping {} \
             terminated {}, actors {} services {} blocking {} supervisors {}",
            self.meter(supervisor),
            kids.iter().map(|kid| kid.restarts()).sum::<u64>(),
            count("Starting"),
            count("Running"),
            count("BackingOff"),
            count("Stopping"),
            count("Terminated"),
            kinds("Actor"),
            kinds("Service"),
            kinds("Blocking"),
            kinds("Supervisor"),
        ));
        for (name, kid) in listed.iter().zip(kids) {
            let next_start = match (kid.at, &boss.mode) {
                (At::Down(Why::Due(at)), Mode::Paused { until }) => Some(at.max(*until)),
                (At::Down(Why::Due(at)), _) => Some(at),
                (At::Down(Why::Pause), Mode::Paused { until }) => Some(*until),
                _ => None,
            };
            tree.push(format!(
                "{supervisor}/{name} {} {}, restarts {}, in row {}, next start {next_start:?}, last failure {:?}",
                kid.kind(),
                kid.state(),
                kid.restarts(),
                kid.failures_in_row,
                kid.last_failure,
            ));
        }
        for name in listed {
            if let Name::Supervisor(_) = name {
                self.draw(name, tree);
            }
        }
    }
}

impl Kid {
    fn restarts(&self) -> u64 {
        self.starts.saturating_sub(1)
    }

    fn kind(&self) -> &'static str {
        match self.what {
            What::Actor(_) => "Actor",
            What::Service(_) => "Service",
            What::Blocking(_) => "Blocking",
            What::Supervisor(..) => "Supervisor",
        }
    }

    fn state(&self) -> &'static str {
        match self.at {
            At::Starting => "Starting",
            At::Running => "Running",
            At::Stopping(_) => "Stopping",
            At::Down(Why::Terminated) => "Terminated",
            // Its first turn has yet to come.
            At::Down(_) if !self.ever_started => "Starting",
            At::Down(_) => "BackingOff",
        }
    }
}
