//! How time goes on: what is to happen now, in a queue, and what is to happen later.

use super::{
    parts::{At, Cause, Exit, Happening, Mode, Then, Why},
    world::World,
};
use crate::program::{Millis, Name};

impl World {
    /// Plays what is to happen up to this time.
    pub fn pass_to(&mut self, time: Millis) {
        loop {
            while let Some(happening) = self.happenings.pop_front() {
                self.play(happening);
                self.reject_where_down();
            }
            let Some(next) = self.alarms.iter().map(|&(at, _)| at).min() else { break };
            if next > time {
                break;
            }
            self.now = next;
            let alarms = std::mem::take(&mut self.alarms).into_iter();
            let (due, later): (Vec<_>, _) = alarms.partition(|&(at, _)| at == next);
            self.alarms = later;
            let due: Vec<_> =
                due.into_iter().filter(|(_, alarm)| self.is_about_something(alarm)).collect();
            self.is_ambiguous |= due.len() > 1 && !self.are_alike(&due);
            for (_, happening) in due {
                self.soon(happening);
            }
        }
        self.now = time;
    }

    /// An answer is true when it is given: what has happened to its children by then is known to a supervisor.
    pub fn serve_notices(&mut self, supervisor: Name) {
        let is_notice = |happening: &Happening| match happening {
            Happening::Ready(name, _) | Happening::Exited(name, ..) => {
                self.parents.get(name) == Some(&supervisor)
            }
            _ => false,
        };
        let happenings = std::mem::take(&mut self.happenings).into_iter();
        let (notices, others): (Vec<_>, Vec<_>) = happenings.partition(is_notice);
        self.happenings = others.into();
        for notice in notices {
            self.play(notice);
        }
    }

    fn is_about_something(&self, alarm: &Happening) -> bool {
        use Happening::*;
        match alarm {
            Later(name, life, _) | StopsAfterAll(name, life) => self.is_up(*name, *life),
            WaitOver(name, life, number) => {
                self.is_up(*name, *life)
                    && self.kids[name].body.as_ref().is_some_and(|body| body.waits_for(*number))
            }
            StartLimit(name, life) => {
                self.is_up(*name, *life) && self.kids[name].at == At::Starting
            }
            StopLimit(name, life, number) => {
                self.is_up(*name, *life)
                    && matches!(self.kids[name].at, At::Stopping(_))
                    && self.kids[name].stop_number == *number
            }
            Due(name, at) => {
                self.kids.get(name).is_some_and(|kid| kid.at == At::Down(Why::Due(*at)))
            }
            PauseEnds(name, until) => {
                let boss = self.bosses.get(name);
                boss.is_some_and(|boss| boss.mode == Mode::Paused { until: *until })
            }
            AskerGivesUp(..) => true,
            Begin(..) | Turn(..) | Ask(..) | Kill(..) | Ready(..) | Exited(..) | Handle(..) => true,
        }
    }

    /// Whether all of these are decided by one supervisor, which does so in the order in which it has planned them.
    fn are_alike(&self, alarms: &[(Millis, Happening)]) -> bool {
        let by = |(_, alarm): &(Millis, Happening)| match alarm {
            Happening::StartLimit(name, _)
            | Happening::StopLimit(name, _, _)
            | Happening::Due(name, _) => self.parents.get(name).copied(),
            _ => None,
        };
        let first = alarms.first().and_then(by);
        first.is_some() && alarms.iter().all(|alarm| by(alarm) == first)
    }

    fn is_up(&self, name: Name, life: u64) -> bool {
        let kid = self.kids.get(&name);
        kid.is_some_and(|kid| kid.starts == life && !matches!(kid.at, At::Down(_)))
    }

    fn play(&mut self, happening: Happening) {
        use Happening::*;
        match happening {
            // What is killed before it has begun never does.
            Begin(name, life) if self.is_up(name, life) && !self.kids[&name].is_killed => {
                match name {
                    Name::Supervisor(_) => self.begin_supervisor(name),
                    Name::Child(_) => self.begin_body(name),
                }
            }
            Turn(name, life) if self.is_up(name, life) => self.turn(name),
            Ask(name, life) if self.is_up(name, life) => match name {
                Name::Supervisor(_) => self.stop_supervisor(name, Cause::Order),
                Name::Child(_) => self.body_is_asked(name),
            },
            Kill(name, life) if self.is_up(name, life) => match name {
                Name::Supervisor(_) if self.bosses[&name].mode != Mode::Down => {
                    self.kill_supervisor(name);
                }
                Name::Supervisor(_) | Name::Child(_) => {
                    self.body_ends(name, Exit::Failed("killed".to_owned()))
                }
            },
            Later(name, life, how) if self.is_up(name, life) => self.later(name, how),
            WaitOver(name, life, number) if self.is_up(name, life) => self.wait_over(name, number),
            StopsAfterAll(name, life) if self.is_up(name, life) => self.stops_after_all(name),
            Ready(name, life) if self.is_up(name, life) => self.ready(name),
            Exited(name, life, exit) if self.is_up(name, life) => self.exited(name, exit),
            StartLimit(name, life) if self.is_up(name, life) => {
                // "Not ready within `start_timeout`: it is killed, and that is `Failure::StartTimeout`."
                if self.kids[&name].at == At::Starting {
                    self.kill(name, Then::FailStartTimeout);
                }
            }
            StopLimit(name, life, number) if self.is_up(name, life) => {
                self.lose_patience(name, number);
            }
            Due(name, at) => {
                if self.kids.get(&name).is_some_and(|kid| kid.at == At::Down(Why::Due(at))) {
                    self.come_back(name);
                    let parent = self.kids[&name].parent;
                    self.go_on(parent);
                }
            }
            PauseEnds(name, until) => {
                let boss = self.bosses.get(&name);
                if boss.is_some_and(|boss| boss.mode == Mode::Paused { until }) {
                    self.leave_pause(name);
                }
            }
            AskerGivesUp(name, asker) => self.asker_gives_up(name, &asker),
            Handle(name, asker, step) => self.handle(name, asker, *step),
            Begin(..) | Turn(..) | Ask(..) | Kill(..) | Later(..) | WaitOver(..)
            | StopsAfterAll(..) | Ready(..) | Exited(..) | StartLimit(..) | StopLimit(..) => {}
        }
    }
}
