//! Programs by dice.

use std::time::Duration;

use actix_supervisor::{
    AutoShutdown, Decision, OnLimit, RestartPolicy, Shutdown, ShutdownOrder, StartFailure,
    Strategy, WhileDown,
};
use fastrand::Rng;

use crate::program::{
    Child, Delays, How, Millis, Name, Program, Request, Rule, SCRIPT, SETTINGS, Script, Settings,
    Start, Step, Stopping, TERMS, Terms, What, Word,
};

/// One of these, by weight.
fn one_of<T: Clone>(rng: &mut Rng, choices: &[(u32, T)]) -> T {
    let mut at = rng.u32(0..choices.iter().map(|(weight, _)| weight).sum());
    for (weight, choice) in choices {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return choice.clone(),
        }
    }
    unreachable!("it is less than their sum")
}

/// Some tenths of a second. With steps that are a millisecond apart, what happens by itself never does so at the instant of a
/// step.
fn tenths(rng: &mut Rng, most: u64) -> Millis {
    100 * rng.u64(1..=10 * most)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Actor,
    Service,
    Blocking,
    Supervisor,
}

struct Dice {
    rng: Rng,
    names: u16,
    /// Who has been given a name so far, and by which supervisor.
    children: Vec<(Name, Name, Kind)>,
    supervisors: Vec<Name>,
    /// What ends supervisors is rare in calm programs.
    calm: bool,
    /// Where actors and services are placed.
    elsewhere: bool,
    /// How many of thirty children are on threads, more or less.
    threads: u32,
}

impl Program {
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let calm = rng.u8(0..4) > 0;
        let (depth, most) =
            one_of(&mut rng, &[(30, (1, 4)), (20, (2, 4)), (10, (3, 4)), (3, (4, 5))]);
        // Some are large: they have two hundred children, and supervisors among them.
        let most = one_of(&mut rng, &[(400, most), (4, 40), (1, 200)]);
        let elsewhere = rng.u8(0..4) == 0;
        let threads = one_of(&mut rng, &[(3, 0), (1, 6)]);
        let mut dice = Dice {
            rng,
            names: 0,
            children: Vec::new(),
            supervisors: vec![Name::ROOT],
            calm,
            elsewhere,
            threads,
        };
        let mut root = dice.settings();
        let children = dice.children(Name::ROOT, depth, most);
        root.max_children = one_of(&mut dice.rng, &[(5, None), (1, Some(children.len() + 1))]);
        let length = dice.rng.usize(1..25);
        let steps = (0..length).map(|_| dice.step()).collect();
        Self { root, children, steps }
    }
}

impl Dice {
    fn children(&mut self, parent: Name, depth: u32, most: usize) -> Vec<Child> {
        (0..self.rng.usize(0..=most)).map(|_| self.child(parent, depth)).collect()
    }

    fn child(&mut self, parent: Name, depth: u32) -> Child {
        self.names += 1;
        let terms = self.terms();
        if depth > 1 && self.names < 200 && self.rng.u8(0..5) < 2 {
            let name = Name::Supervisor(self.names);
            self.supervisors.push(name);
            self.children.push((parent, name, Kind::Supervisor));
            let (settings, children) = (self.settings(), self.children(name, depth - 1, 3));
            let terms = Terms { elsewhere: false, ..terms };
            return Child { name, terms, what: What::Supervisor(settings, children) };
        }
        let name = Name::Child(self.names);
        let kinds = [(24, Kind::Actor), (6, Kind::Service), (self.threads, Kind::Blocking)];
        let kind = one_of(&mut self.rng, &kinds);
        self.children.push((parent, name, kind));
        self.of_kind(kind, name, terms)
    }

    fn of_kind(&mut self, kind: Kind, name: Name, terms: Terms) -> Child {
        let script = self.script();
        match kind {
            Kind::Actor => Child { name, terms, what: What::Actor(script) },
            Kind::Service | Kind::Supervisor => Child { name, terms, what: What::Service(script) },
            Kind::Blocking => {
                // What is left behind is for other tests.
                let shutdown = Some(Shutdown::Infinite);
                let terms = Terms { shutdown, elsewhere: false, ..terms };
                let stopping = match script.stopping {
                    Stopping::Refuses => Stopping::Obeys,
                    stopping => stopping,
                };
                Child { name, terms, what: What::Blocking(Script { stopping, ..script }) }
            }
        }
    }

    fn settings(&mut self) -> Settings {
        let rng = &mut self.rng;
        if rng.u8(0..4) == 0 {
            return SETTINGS;
        }
        Settings {
            strategy: one_of(
                rng,
                &[(4, Strategy::OneForOne), (2, Strategy::OneForAll), (2, Strategy::RestForOne)],
            ),
            decay: tenths(rng, 30),
            threshold: one_of(rng, &[(1, 0.0), (2, 1.0), (2, 2.5), (3, 5.0)]),
            on_limit: one_of(rng, &[(3, OnLimit::Backoff), (1, OnLimit::Escalate)]),
            pause: tenths(rng, 10),
            // However many wait, each has whole tenths of a second.
            spread: one_of(rng, &[(4, 0), (1, 2_772_000)]),
            shutdown_timeout: tenths(rng, 5),
            order: one_of(rng, &[(3, ShutdownOrder::Reverse), (1, ShutdownOrder::Concurrent)]),
            start_failure: one_of(rng, &[(5, StartFailure::Retry), (1, StartFailure::Escalate)]),
            auto_shutdown: one_of(
                rng,
                &[
                    (4, AutoShutdown::Never),
                    (1, AutoShutdown::AnySignificant),
                    (1, AutoShutdown::AllSignificant),
                ],
            ),
            propagate: rng.u8(0..3) > 0,
            max_children: None,
            give_up_after_pauses: one_of(rng, &[(4, None), (1, Some(1)), (1, Some(2))]),
        }
    }

    fn terms(&mut self) -> Terms {
        let (rng, elsewhere) = (&mut self.rng, self.elsewhere);
        if rng.u8(0..3) == 0 {
            return Terms { elsewhere, ..TERMS };
        }
        let limit = Shutdown::Timeout(Duration::from_millis(tenths(rng, 5)));
        let first = tenths(rng, 2);
        let doubling = Delays::Doubling { first, max: first + tenths(rng, 8) };
        let steps = Delays::Steps([0, tenths(rng, 3), tenths(rng, 9)]);
        let decision = [(4, Decision::Restart), (2, Decision::End), (1, Decision::Escalate)];
        let constant = Delays::Constant(tenths(rng, 4));
        let (start_timeout, reset_after, give_up_after) =
            (tenths(rng, 3), tenths(rng, 8), rng.u32(1..4));
        let rule = Rule { panic: one_of(rng, &decision), other: one_of(rng, &decision) };
        Terms {
            policy: one_of(
                rng,
                &[
                    (5, RestartPolicy::Permanent),
                    (2, RestartPolicy::Transient),
                    (2, RestartPolicy::Temporary),
                ],
            ),
            shutdown: one_of(
                rng,
                &[
                    (5, None),
                    (2, Some(limit)),
                    (1, Some(Shutdown::Kill)),
                    (1, Some(Shutdown::Infinite)),
                ],
            ),
            drain: rng.u8(0..4) == 0,
            start_timeout: one_of(rng, &[(3, None), (1, Some(start_timeout))]),
            delays: one_of(rng, &[(4, Delays::None), (1, constant), (1, doubling), (1, steps)]),
            reset_after: one_of(rng, &[(2, None), (1, Some(reset_after))]),
            give_up_after: one_of(rng, &[(5, None), (1, Some(give_up_after))]),
            rule: one_of(rng, &[(6, None), (1, Some(rule))]),
            while_down: one_of(rng, &[(3, WhileDown::Queue), (1, WhileDown::Reject)]),
            capacity: one_of(rng, &[(6, None), (1, Some(0)), (2, Some(1)), (1, Some(2))]),
            significant: rng.u8(0..3) == 0,
            elsewhere,
        }
    }

    fn script(&mut self) -> Script {
        if self.rng.u8(0..3) == 0 {
            return SCRIPT;
        }
        let starts = match self.rng.u8(0..3) {
            0 => (0..self.rng.usize(1..4)).map(|_| self.start()).collect(),
            _ => Vec::new(),
        };
        let (time, how) = (tenths(&mut self.rng, 12), self.how());
        let slow = Stopping::Takes(tenths(&mut self.rng, 6));
        let rng = &mut self.rng;
        Script {
            starts,
            life: one_of(rng, &[(5, None), (1, Some((time, how)))]),
            stopping: one_of(
                rng,
                &[
                    (5, Stopping::Obeys),
                    (2, slow),
                    (1, Stopping::Refuses),
                    (1, Stopping::Panics),
                    (1, Stopping::PanicsInTheEnd),
                ],
            ),
        }
    }

    fn start(&mut self) -> Start {
        let (time, how) = (tenths(&mut self.rng, 4), self.how());
        one_of(
            &mut self.rng,
            &[
                (3, Start::WithoutAdo),
                (3, Start::Takes(time)),
                (1, Start::Hangs),
                (1, Start::FactoryPanics),
                (1, Start::FactoryErrs),
                (2, Start::Ends(how)),
            ],
        )
    }

    fn how(&mut self) -> How {
        let tree = if self.calm { 0 } else { 2 };
        one_of(
            &mut self.rng,
            &[
                (8, How::Panics),
                (5, How::Fails),
                (3, How::Stops),
                (2, How::Finishes),
                (tree, How::EndsTheTree),
            ],
        )
    }

    fn word(&mut self) -> Word {
        let (how, time) = (self.how(), tenths(&mut self.rng, 8));
        one_of(
            &mut self.rng,
            &[
                (8, Word::Hello),
                (8, Word::Do(how)),
                (2, Word::Wait(time)),
                (1, Word::WaitForEver),
                (2, Word::Later(time, how)),
            ],
        )
    }

    /// Mostly one that there may be.
    fn child_of(&mut self) -> Option<(Name, Name, Kind)> {
        let index = self.rng.usize(0..self.children.len().max(1));
        self.children.get(index).copied()
    }

    fn step(&mut self) -> Step {
        if self.rng.u8(0..10) == 0 { self.steps_at_once() } else { self.one_step() }
    }

    /// Messages to children, and then requests to their supervisor. (The other way round, or with two supervisors, it would be a
    /// race.)
    fn steps_at_once(&mut self) -> Step {
        let (mut messages, mut requests) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            match self.one_step() {
                Step::Send(said) => messages = vec![Step::Send(said)],
                Step::Pass(_) | Step::Stop(_) | Step::AtOnce(_) => {}
                request => requests.push(request),
            }
        }
        let to = |step: &Step| match step {
            Step::Add { to, .. } | Step::Ask { to, .. } | Step::Replace { to, .. } => Some(*to),
            Step::Resume(to) | Step::Join(to) => Some(*to),
            Step::Send(_) | Step::Stop(_) | Step::Pass(_) | Step::AtOnce(_) => None,
        };
        let first = requests.first().and_then(to);
        requests.retain(|request| to(request) == first);
        messages.extend(requests);
        Step::AtOnce(messages)
    }

    fn one_step(&mut self) -> Step {
        loop {
            if let Some(step) = self.step_or_none() {
                return step;
            }
        }
    }

    fn step_or_none(&mut self) -> Option<Step> {
        let to = self.supervisors[self.rng.usize(0..self.supervisors.len())];
        Some(match self.rng.u8(0..100) {
            0..40 => {
                let mut actors = Vec::new();
                let count = one_of(&mut self.rng, &[(3, 1), (2, 3), (1, 8)]);
                for _ in 0..count {
                    if let Some((_, name, Kind::Actor)) = self.child_of() {
                        let word = self.word();
                        actors.push((self.rng.u8(0..3), name, word));
                    }
                }
                if actors.is_empty() {
                    return None;
                }
                Step::Send(actors)
            }
            40..48 => {
                let depth = if self.rng.u8(0..4) == 0 { 2 } else { 1 };
                Step::Add { to, wait: self.rng.bool(), child: self.child(to, depth) }
            }
            48..68 => {
                let (parent, about, _) = self.child_of()?;
                let to = if self.rng.u8(0..20) == 0 { to } else { parent };
                let timeout = tenths(&mut self.rng, 4);
                let request = one_of(
                    &mut self.rng,
                    &[
                        (4, Request::Restart),
                        (3, Request::Terminate),
                        (3, Request::Kill),
                        (1, Request::Remove),
                        (1, Request::RemoveAndWait { timeout: None }),
                        (1, Request::RemoveAndWait { timeout: Some(timeout) }),
                    ],
                );
                Step::Ask { to, about, request }
            }
            68..71 => {
                let (to, name, kind) = self.child_of()?;
                if kind == Kind::Supervisor {
                    return None;
                }
                let terms = self.terms();
                Step::Replace { to, child: self.of_kind(kind, name, terms) }
            }
            71..73 => Step::Resume(to),
            73..75 => Step::Join(to),
            75 if to != Name::ROOT || !self.calm => Step::Stop(to),
            _ => Step::Pass(
                1000 * one_of(&mut self.rng, &[(3, 0), (4, 1), (3, 3), (2, 10), (1, 40)]),
            ),
        })
    }
}
