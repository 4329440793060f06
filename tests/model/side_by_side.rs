//! A program on the real tree and on the reference, step by step.

use std::{panic::catch_unwind, time::Duration};

use actix::System;
use tokio::{runtime::Builder, time::sleep};

use crate::{
    compare::{Difference, compare},
    program::{Name, Program, Step},
    real::Real,
    reference::World,
    scripted::millis,
};

/// How often a program is run until it counts as one that fails.
const TRIES: usize = 5;

/// Whether everything could be compared.
///
/// A program fails if it does so each time. It does the same each time but for the threads of its blocking services: the system may be
/// so busy with other things that one is not there when time is not held up for it [any longer](crate::threads).
pub fn run(program: &Program) -> Result<bool, Difference> {
    let mut outcome = run_once(program);
    for _ in 1..TRIES {
        if outcome.is_ok() {
            break;
        }
        outcome = run_once(program);
    }
    outcome
}

fn run_once(program: &Program) -> Result<bool, Difference> {
    catch_unwind(|| run_it(program)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("a panic: {}", text.unwrap_or("of something that is no text")))
    })
}

fn run_it(program: &Program) -> Result<bool, Difference> {
    let system = System::with_tokio_rt(|| {
        Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
    });
    system.block_on(async {
        let mut both = Both { real: Real::start(program), reference: World::new(program) };
        both.agree().await.map_err(|difference| format!("at the start, {difference}"))?;
        for (index, step) in program.steps.iter().enumerate() {
            let agreed = both.take(index, step).await;
            agreed.map_err(|difference| format!("at step {index}, {difference}"))?;
        }
        let end = [Step::Pass(100_000), Step::Stop(Name::ROOT), Step::Pass(1_000_000)];
        for (index, step) in (program.steps.len()..).zip(end) {
            let agreed = both.take(index, &step).await;
            agreed.map_err(|difference| format!("in the end, {difference}"))?;
        }
        if both.real.leaves_somebody_waiting().await {
            return Err("in the end, somebody is left waiting".to_owned());
        }
        if let Some(missed) = both.real.missed() {
            return Err(format!("in the end, {missed}"));
        }
        Ok(!both.reference.is_ambiguous)
    })
}

struct Both {
    real: Real,
    reference: World,
}

impl Both {
    async fn take(&mut self, index: usize, step: &Step) -> Result<(), Difference> {
        if !self.real.can_take(step) {
            return Ok(());
        }
        self.real.take(&index.to_string(), step);
        if !self.reference.is_ambiguous {
            self.reference.take(&index.to_string(), step);
        }
        if let Step::Pass(time) = step {
            sleep(millis(*time)).await;
        }
        self.agree().await
    }

    /// Lets everything happen that can happen without the clock, which goes on by a millisecond: so a step is at an instant of
    /// its own, at which nothing else is due.
    async fn agree(&mut self) -> Result<(), Difference> {
        sleep(Duration::from_nanos(1)).await;
        let (real, faults) = self.real.picture().await;
        if let Some(fault) = faults.first() {
            return Err(fault.clone());
        }
        if !self.reference.is_ambiguous {
            self.reference.pass_to(self.real.now());
        }
        if self.reference.is_ambiguous {
            // From here on only what must never be is looked for.
            return Ok(());
        }
        compare(&real, &self.reference.picture())
    }
}
