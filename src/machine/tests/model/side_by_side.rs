//! The machine and the model on the same walk: after every step they have to agree on everything.

mod compare;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    deal::Deal,
    naive::{Mode, Naive},
    program::{Program, Step},
    watch::{Cause, Watch},
};
use crate::{
    machine::{Action, Input, Machine, Progress, Request, Settings, Terms, Wait},
    policy::{Decision, ExitClass},
};

/// More would not divide the spread of a pause's end evenly.
const MOST_CHILDREN: usize = 12;

/// In what they differ.
type Difference = String;

pub(super) struct SideBySide {
    settings: Settings,
    start: Instant,
    now: Instant,
    machine: Machine,
    model: Naive,
    watch: Watch,
    /// What the machine has decided in this step.
    actions: Vec<Action>,
    /// Declared children come back when the supervisor is restarted, with the number of their last life.
    declared: BTreeMap<u64, (Deal, u64)>,
    children: u64,
    waiters: Vec<(usize, u64, Wait)>,
    waited: usize,
}

impl SideBySide {
    pub(super) fn run(program: &Program) -> Result<(), Difference> {
        let walk = || {
            let mut this = Self::new(program)?;
            for (index, &step) in program.steps.iter().enumerate() {
                this.take(step).map_err(|difference| format!("step {index}: {difference}"))?;
            }
            this.run_down().map_err(|difference| format!("in the end: {difference}"))
        };
        // The machine must not panic either.
        catch_unwind(AssertUnwindSafe(walk)).unwrap_or_else(|_| Err("a panic".to_owned()))
    }

    fn new(program: &Program) -> Result<Self, Difference> {
        let (settings, start) = (program.settings.clone(), Instant::now());
        let mut this = Self {
            start,
            now: start,
            machine: Machine::new(settings.clone()),
            model: Naive::new(settings.clone(), Duration::ZERO),
            watch: Watch::new(settings.clone()),
            settings,
            actions: Vec::new(),
            declared: (0..).zip(program.declared.iter().map(|&deal| (deal, 0))).collect(),
            children: program.declared.len() as u64,
            waiters: Vec::new(),
            waited: 0,
        };
        this.begin()?;
        Ok(this)
    }

    /// The supervisor starts, or is restarted by the one above it.
    fn begin(&mut self) -> Result<(), Difference> {
        self.machine = Machine::new(self.settings.clone());
        self.model = Naive::new(self.settings.clone(), self.now - self.start);
        self.watch = Watch::new(self.settings.clone());
        for (&child, &(deal, life)) in &self.declared {
            let input = Input::Declare { child, terms: Terms::from(deal).into(), life };
            self.machine.handle(input, self.now, &mut self.actions);
            self.model.declare(child, deal, life);
        }
        self.both(Input::Start, Cause::Other, Naive::begin)
    }

    fn take(&mut self, step: Step) -> Result<(), Difference> {
        match step {
            Step::Add { .. } if self.model.is_stopping() => Ok(()),
            Step::Add { .. } if self.model.kids.len() == MOST_CHILDREN => Ok(()),
            Step::Add { deal, on_trial } => self.add(deal, on_trial),
            Step::Ready { pick } => match self.pick(pick, |starting, _| starting) {
                Some(child) => self.ready(child),
                None => Ok(()),
            },
            Step::Exit { pick, exit, decision } => match self.pick(pick, |_, _| true) {
                Some(child) => self.exit(child, exit, decision),
                None => Ok(()),
            },
            Step::Obey { pick, exit, decision } => match self.pick(pick, |_, ending| ending) {
                Some(child) => self.exit(child, exit, decision),
                None => Ok(()),
            },
            Step::Stale { pick, exit } => self.stale(pick, exit),
            Step::Request { pick, request } => match self.any_child(pick) {
                Some(child) => self.request(child, request),
                None => Ok(()),
            },
            Step::Replace { pick, deal } => match self.any_child(pick) {
                Some(child) => self.replace(child, deal),
                None => Ok(()),
            },
            Step::Pass { time } => self.pass(time),
            Step::Late { time } => {
                self.now += time;
                self.tick()
            }
            Step::Due => match self.machine.deadline() {
                Some(due) => self.pass(due.saturating_duration_since(self.now)),
                None => Ok(()),
            },
            Step::Resume => self.both(Input::Resume, Cause::Other, Naive::resume),
            Step::Stop => self.both(Input::Stop, Cause::Other, Naive::stop),
            Step::Kill => self.both(Input::Kill, Cause::Other, Naive::kill_all),
        }
    }

    /// A child that is up, of those that are wanted: whether it is starting, and on its way to stop.
    fn pick(&self, pick: u8, wanted: impl Fn(bool, bool) -> bool) -> Option<u64> {
        let is_wanted = |kid: &&super::naive::Kid| {
            kid.up && wanted(!kid.ready && kid.ending.is_none(), kid.ending.is_some())
        };
        let count = self.model.kids.iter().filter(is_wanted).count();
        let index = usize::from(pick).checked_rem(count)?;
        self.model.kids.iter().filter(is_wanted).nth(index).map(|kid| kid.id)
    }

    /// One that is or was, or that never was.
    fn any_child(&self, pick: u8) -> Option<u64> {
        let kids = &self.model.kids;
        match usize::from(pick).checked_rem(kids.len() + 1)? {
            0 => Some(u64::from(pick) % (self.children + 1)),
            index => kids.get(index - 1).map(|kid| kid.id),
        }
    }

    fn add(&mut self, deal: Deal, on_trial: bool) -> Result<(), Difference> {
        let child = self.children;
        self.children += 1;
        if on_trial {
            self.waiters.push((self.waited, child, Wait::Ready));
            self.model.wait(self.waited, child, Wait::Ready);
            self.waited += 1;
        }
        let input = Input::Add { child, terms: Terms::from(deal).into(), on_trial };
        self.both(input, Cause::Added(child), |model| model.add(child, deal, on_trial))
    }

    fn ready(&mut self, child: u64) -> Result<(), Difference> {
        let life = self.model.kid(child).life;
        self.both(Input::Ready { child, life }, Cause::Other, |model| model.ready(child))
    }

    fn exit(
        &mut self,
        child: u64,
        exit: ExitClass,
        decision: Option<Decision>,
    ) -> Result<(), Difference> {
        let life = self.model.kid(child).life;
        let asks = self.machine.decides(child, life, exit);
        if asks != self.model.asks_for_decision(child, exit) {
            return Err(format!("about {exit:?} of {child} it asks: {asks}"));
        }
        let decision = decision.filter(|_| asks);
        let input = Input::Exited { child, life, exit, decision };
        self.both(input, Cause::Exited(child), |model| model.exited(child, exit, decision))
    }

    fn stale(&mut self, pick: u8, exit: Option<ExitClass>) -> Result<(), Difference> {
        let Some(child) = self.any_child(pick) else { return Ok(()) };
        let kid = self.model.kids.iter().find(|kid| kid.id == child);
        let (life, is_up) = kid.map_or((1, false), |kid| (kid.life, kid.up));
        let life = match pick % 3 {
            0 => life.wrapping_sub(1),
            1 if !is_up => life,
            _ => life + 1,
        };
        let before = self.machine.clone();
        let input = match exit {
            Some(exit) => Input::Exited { child, life, exit, decision: None },
            None => Input::Ready { child, life },
        };
        self.machine.handle(input, self.now, &mut self.actions);
        match self.actions.is_empty() && self.machine == before {
            true => Ok(()),
            false => Err(format!("a stale notice about {child}, life {life}, changes something")),
        }
    }

    fn request(&mut self, child: u64, request: Request) -> Result<(), Difference> {
        let cause = Cause::Requested(child, request);
        self.watch.before(&self.machine, self.now);
        let refusal = self.machine.knows(child).err();
        let progress = self.machine.request(child, request, self.now, &mut self.actions);
        let expected = self.model.request(child, request);
        if let Ok(Progress::Until(wait)) = progress {
            // It waits from before the actions are carried out.
            self.waiters.push((self.waited, child, wait));
            self.model.wait(self.waited, child, wait);
            self.waited += 1;
        }
        if progress != expected || progress.err() != refusal {
            return Err(format!("{cause:?}: the machine says {progress:?}, and not {expected:?}"));
        }
        self.agree(cause)
    }

    /// A replacement is two inputs, and nothing comes between them.
    fn replace(&mut self, child: u64, deal: Deal) -> Result<(), Difference> {
        if self.machine.knows(child).is_err() {
            return Ok(());
        }
        let kind = self.model.kid(child).deal.kind;
        let deal = Deal { kind, ..deal };
        let input = Input::Retune { child, terms: Terms::from(deal).into() };
        self.both(input, Cause::Other, |model| model.kid(child).deal = deal)?;
        if let Some((declared, _)) = self.declared.get_mut(&child) {
            *declared = deal;
        }
        self.request(child, Request::Renew)
    }

    fn pass(&mut self, time: Duration) -> Result<(), Difference> {
        let to = self.now + time;
        while let Some(due) = self.machine.deadline().filter(|&due| due <= to) {
            self.now = self.now.max(due);
            self.tick()?;
        }
        self.now = to;
        self.tick()
    }

    /// One tick may be what makes the next one due.
    fn tick(&mut self) -> Result<(), Difference> {
        for _ in 0..100 {
            self.both(Input::Tick, Cause::Other, Naive::tick)?;
            if self.machine.deadline().is_none_or(|due| due > self.now) {
                return Ok(());
            }
        }
        Err("it is never quiet".to_owned())
    }

    fn both(
        &mut self,
        input: Input,
        cause: Cause,
        model: impl FnOnce(&mut Naive),
    ) -> Result<(), Difference> {
        self.watch.before(&self.machine, self.now);
        self.machine.handle(input.clone(), self.now, &mut self.actions);
        self.model.now = self.now - self.start;
        model(&mut self.model);
        self.agree(cause).map_err(|difference| format!("{input:?}: {difference}"))
    }

    /// Everybody does as told, and time passes, until nothing is left to wait for.
    fn run_down(&mut self) -> Result<(), Difference> {
        for _ in 0..10_000 {
            if let Some(child) = self.pick(0, |_, ending| ending) {
                self.exit(child, ExitClass::Stopped, None)?;
            } else if let Some(child) = self.pick(0, |starting, _| starting) {
                self.ready(child)?;
            } else if self.machine.deadline().is_some() {
                self.take(Step::Due)?;
            } else {
                return self.all_are_up();
            }
        }
        Err("it comes to no end".to_owned())
    }
}
