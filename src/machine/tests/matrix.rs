//! How an incarnation ends × policy × the child's own rule × strategy × what its supervisor does: what has to come
//! of it follows from a few rules, and is tried on the machine.

mod bench;

use std::collections::BTreeSet;

use self::{Fate::*, Situation::*, bench::Bench};
use crate::{
    info::{ChildState, SupervisorState},
    machine::{Action, End, Forced, StopCause},
    policy::{Decision, ExitClass, RestartPolicy, Strategy},
};

/// The child that the matrix is about. Those beside it are permanent.
const IT: u64 = 1;
const LAST: u64 = 3;

const POLICIES: [RestartPolicy; 3] =
    [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];
const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
const DECISIONS: [Option<Decision>; 4] =
    [None, Some(Decision::Restart), Some(Decision::End), Some(Decision::Escalate)];

/// How the incarnation ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Exit(ExitClass),
    /// Somebody asks for it.
    Killed,
}

const WAYS: [How; 6] = [
    How::Exit(ExitClass::Failed),
    How::Exit(ExitClass::Stranded),
    How::Exit(ExitClass::Stopped),
    How::Exit(ExitClass::Finished),
    How::Exit(ExitClass::TerminateTree),
    How::Killed,
];

/// What its supervisor does. The child is ready, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Situation {
    Running,
    /// The child is not ready yet.
    Early,
    /// The last child has failed. Under `OneForAll` the child was restarted on request since.
    Paused,
    /// The first child has failed, and the last one is being stopped.
    GroupStops,
    /// The first child is back, and the child is on its way.
    GroupStartsIt,
    /// The child is back as well, and the one after it is on its way.
    GroupStartsTheNext,
    /// The last child is being stopped.
    Stopping,
}

const SITUATIONS: [Situation; 7] =
    [Running, Early, Paused, GroupStops, GroupStartsIt, GroupStartsTheNext, Stopping];

impl Situation {
    /// Whether the child can be up in it.
    fn occurs(self, strategy: Strategy, policy: RestartPolicy) -> bool {
        // Once swept down, a temporary child does not come back.
        let survives = policy != RestartPolicy::Temporary;
        match self {
            Running | Early | Stopping => true,
            Paused => strategy != Strategy::OneForAll || survives,
            GroupStops => strategy != Strategy::OneForOne,
            GroupStartsIt | GroupStartsTheNext => strategy != Strategy::OneForOne && survives,
        }
    }

    /// A supervisor that stops refuses requests.
    fn allows(self, how: How) -> bool {
        self != Stopping || how != How::Killed
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It has failed, and comes back.
    Back,
    /// It has failed, and is gone.
    Gone,
    /// It has failed for good, and is gone.
    GivenUp,
    /// It has not failed, and is gone.
    Done(End),
    /// The supervisor fails.
    Escalated,
    /// It ends the whole tree.
    Tree,
    /// Everything ends, and so does it.
    Released { is_failure: bool },
}

/// The rules.
fn fate(policy: RestartPolicy, how: How, decision: Option<Decision>, situation: Situation) -> Fate {
    let is_failure = match how {
        How::Killed | How::Exit(ExitClass::Failed | ExitClass::Hindered | ExitClass::Stranded) => {
            true
        }
        How::Exit(ExitClass::Stopped) => policy == RestartPolicy::Permanent,
        How::Exit(ExitClass::Finished | ExitClass::TerminateTree) => false,
    };
    match how {
        How::Exit(ExitClass::Finished) => Done(End::Finished),
        How::Exit(ExitClass::Stopped) if !is_failure => Done(End::Stopped),
        How::Exit(
            ExitClass::Failed
            | ExitClass::Hindered
            | ExitClass::Stranded
            | ExitClass::TerminateTree,
        ) if situation == Stopping => match policy {
            RestartPolicy::Temporary => Gone,
            RestartPolicy::Permanent | RestartPolicy::Transient => Released { is_failure: true },
        },
        _ if situation == Stopping => Released { is_failure: false },
        How::Exit(ExitClass::TerminateTree) => Tree,
        How::Exit(
            ExitClass::Failed | ExitClass::Hindered | ExitClass::Stranded | ExitClass::Stopped,
        )
        | How::Killed => {
            let back = if how == How::Exit(ExitClass::Stranded) { GivenUp } else { Back };
            match decision {
                Some(Decision::Restart) => back,
                Some(Decision::End) => Gone,
                Some(Decision::Escalate) => Escalated,
                None if policy == RestartPolicy::Temporary => Gone,
                None => back,
            }
        }
    }
}

/// Who goes down with a child, and comes back with it.
fn group(strategy: Strategy, child: u64) -> BTreeSet<u64> {
    match strategy {
        Strategy::OneForOne => BTreeSet::from([child]),
        Strategy::OneForAll => (0..=LAST).collect(),
        Strategy::RestForOne => (child..=LAST).collect(),
    }
}

/// Whom a group that is under way will start again, whatever comes of the child.
fn pending(bench: &Bench, situation: Situation) -> BTreeSet<u64> {
    match situation {
        // Most of them are still to be stopped.
        GroupStops => (0..=LAST).collect(),
        Running | Early | Paused | GroupStartsIt | GroupStartsTheNext | Stopping => {
            (0..=LAST).filter(|&child| !bench.is_up(child)).collect()
        }
    }
}

/// What is told of the child.
fn told(actions: &[Action]) -> Vec<Action> {
    let is_about_it = |action: &&Action| match **action {
        Action::Failed { child, .. }
        | Action::Start { child, .. }
        | Action::Ended { child, .. }
        | Action::Released { child }
        | Action::Stopped { child } => child == IT,
        _ => false,
    };
    actions.iter().filter(is_about_it).cloned().collect()
}

fn asked(actions: &[Action]) -> Vec<u64> {
    let asked = |action: &Action| match *action {
        Action::Ask { child, .. } => Some(child),
        _ => None,
    };
    actions.iter().filter_map(asked).collect()
}

fn started(actions: &[Action]) -> Vec<u64> {
    let started = |action: &Action| match *action {
        Action::Start { child, .. } => Some(child),
        _ => None,
    };
    actions.iter().filter_map(started).collect()
}

/// One case of the matrix.
#[derive(Clone, Copy, Debug)]
struct Case {
    strategy: Strategy,
    situation: Situation,
    policy: RestartPolicy,
    how: How,
    decision: Option<Decision>,
}

impl Case {
    fn check(self) {
        let Self { strategy, situation, policy, how, decision } = self;
        let mut bench = Bench::new(policy, strategy, situation);
        let fate = fate(policy, how, decision, situation);
        let (lives, pending) = (bench.lives(), pending(&bench, situation));
        let (meter, now) = (bench.machine.failures(bench.now), bench.now);
        let with_it = match fate {
            Back => group(strategy, IT),
            Escalated | Tree => (0..=LAST).collect(),
            Gone | GivenUp | Done(_) | Released { .. } => BTreeSet::from([IT]),
        };
        let last_up = with_it.iter().rev().find(|&&child| child != IT && bench.is_up(child));
        let last_up = last_up.map(|&child| (child, bench.state(child)));

        let actions = bench.end(how, decision);

        let is_counted = fate == Back && situation != Paused;
        let reading = bench.machine.failures(now);
        assert_eq!(reading, meter + f64::from(u8::from(is_counted)), "{self:?}");
        let starts_at_once = situation != Paused && last_up.is_none();
        assert_eq!(told(&actions), self.expected(fate, reading, starts_at_once, lives), "{self:?}");
        // One after the other, the last started first.
        let to_ask = last_up.filter(|&(_, state)| state != Some(ChildState::Stopping));
        let to_ask = to_ask.map(|(child, _)| child);
        assert_eq!(asked(&actions), Vec::from_iter(to_ask), "{self:?}");

        let actions = [actions, bench.settle()].concat();
        let cause = match fate {
            Escalated => Some(StopCause::Escalated { child: IT }),
            Tree => Some(StopCause::TerminateTree { child: IT }),
            Released { .. } => Some(StopCause::Asked),
            Gone | GivenUp | Done(_) if situation == Stopping => Some(StopCause::Asked),
            Back | Gone | GivenUp | Done(_) => None,
        };
        match cause {
            Some(cause) => {
                assert_eq!(actions.last(), Some(&Action::Finish { cause }), "{self:?}");
                assert_eq!(started(&actions), [0; 0], "{self:?}");
            }
            None => {
                assert_eq!(bench.machine.state(), SupervisorState::Running, "{self:?}");
                let mut expected = lives;
                for child in pending.union(&with_it) {
                    expected[usize::try_from(*child).expect("one of four")] += 1;
                }
                if fate != Back {
                    assert_eq!(bench.state(IT), None, "{self:?}");
                    expected[1] = 0;
                }
                assert_eq!(bench.lives(), expected, "{self:?}");
                let started = started(&actions);
                assert!(strategy == Strategy::OneForOne || started.is_sorted(), "{self:?}");
            }
        }
    }

    /// What is to be told of the child when it has ended.
    fn expected(
        self,
        fate: Fate,
        failures: f64,
        starts_at_once: bool,
        lives: [u64; 4],
    ) -> Vec<Action> {
        let child = IT;
        let forced = (self.how == How::Killed).then_some(Forced::Killed);
        let failed = |restarting| Action::Failed { child, forced, failures, restarting };
        match fate {
            Back if starts_at_once => {
                vec![failed(true), Action::Start { child, life: lives[1] + 1 }]
            }
            Back => vec![failed(true)],
            GivenUp => vec![failed(false), Action::Ended { child, end: End::Stranded }],
            Gone | Tree => vec![failed(false), Action::Ended { child, end: End::Failed }],
            Done(end) => vec![Action::Ended { child, end }],
            Escalated | Released { is_failure: true } => {
                vec![failed(false), Action::Released { child }]
            }
            Released { is_failure: false } => {
                vec![Action::Stopped { child }, Action::Released { child }]
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for strategy in STRATEGIES {
        for situation in SITUATIONS {
            for policy in POLICIES.into_iter().filter(|&policy| situation.occurs(strategy, policy))
            {
                for how in WAYS.into_iter().filter(|&how| situation.allows(how)) {
                    let decided = |decision| Case { strategy, situation, policy, how, decision };
                    cases.extend(DECISIONS.map(decided));
                }
            }
        }
    }
    cases
}

#[test]
fn every_end_in_every_situation_comes_to_what_the_rules_say() {
    let cases = cases();
    assert_eq!(cases.len(), 1140);
    cases.into_iter().for_each(Case::check);
}
