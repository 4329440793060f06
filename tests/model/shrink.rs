//! A failing program, with as little in it as is needed to fail.

use crate::program::{Child, Program, SCRIPT, SETTINGS, Script, Step, TERMS, Terms, What};

impl Program {
    /// Leaves out one thing after the other, for as long as that helps.
    pub fn shrunk(mut self, fails: impl Fn(&Self) -> bool) -> Self {
        loop {
            let Some(less) = self.lesser().into_iter().find(|less| fails(less)) else {
                return self;
            };
            self = less;
        }
    }

    fn lesser(&self) -> Vec<Self> {
        let mut lesser = Vec::new();
        let count = self.steps.len();
        let mut size = count;
        while size > 0 {
            for from in (0..count).step_by(size) {
                let mut less = self.clone();
                less.steps.drain(from..(from + size).min(count));
                lesser.push(less);
            }
            size /= 2;
        }
        for children in fewer(&self.children) {
            lesser.push(Self { children, ..self.clone() });
        }
        if self.root != SETTINGS {
            lesser.push(Self { root: SETTINGS, ..self.clone() });
        }
        for (index, step) in self.steps.iter().enumerate() {
            for simpler in simpler_steps(step) {
                let mut less = self.clone();
                less.steps[index] = simpler;
                lesser.push(less);
            }
        }
        lesser
    }
}

/// Without one of them, or with a simpler one.
fn fewer(children: &[Child]) -> Vec<Vec<Child>> {
    let mut fewer = Vec::new();
    for index in 0..children.len() {
        let mut less = children.to_vec();
        less.remove(index);
        fewer.push(less);
    }
    for (index, child) in children.iter().enumerate() {
        for simpler in simpler(child) {
            let mut less = children.to_vec();
            less[index] = simpler;
            fewer.push(less);
        }
    }
    fewer
}

fn simpler(child: &Child) -> Vec<Child> {
    let mut simpler = Vec::new();
    let is_blocking = matches!(child.what, What::Blocking(_));
    let shutdown = if is_blocking { child.terms.shutdown } else { None };
    let usual = Terms { elsewhere: child.terms.elsewhere, shutdown, ..TERMS };
    if child.terms != usual {
        simpler.push(Child { terms: usual, ..child.clone() });
        for terms in [
            Terms { policy: TERMS.policy, ..child.terms },
            Terms { shutdown, ..child.terms },
            Terms { drain: TERMS.drain, ..child.terms },
            Terms { start_timeout: TERMS.start_timeout, ..child.terms },
            Terms { delays: TERMS.delays, reset_after: None, ..child.terms },
            Terms { give_up_after: TERMS.give_up_after, ..child.terms },
            Terms { rule: TERMS.rule, ..child.terms },
            Terms { while_down: TERMS.while_down, ..child.terms },
            Terms { capacity: TERMS.capacity, ..child.terms },
            Terms { significant: TERMS.significant, ..child.terms },
        ] {
            if terms != child.terms {
                simpler.push(Child { terms, ..child.clone() });
            }
        }
    }
    match &child.what {
        What::Actor(script) | What::Service(script) | What::Blocking(script) => {
            for script in [
                SCRIPT,
                Script { starts: Vec::new(), ..script.clone() },
                Script { life: None, ..script.clone() },
                Script { stopping: SCRIPT.stopping, ..script.clone() },
            ]
            .into_iter()
            .filter(|simple| simple != script)
            {
                let what = match child.what {
                    What::Actor(_) => What::Actor(script),
                    What::Blocking(_) => What::Blocking(script),
                    What::Service(_) | What::Supervisor(..) => What::Service(script),
                };
                simpler.push(Child { what, ..child.clone() });
            }
        }
        What::Supervisor(settings, children) => {
            if *settings != SETTINGS {
                let what = What::Supervisor(SETTINGS, children.clone());
                simpler.push(Child { what, ..child.clone() });
            }
            for children in fewer(children) {
                let what = What::Supervisor(*settings, children);
                simpler.push(Child { what, ..child.clone() });
            }
        }
    }
    simpler
}

fn simpler_steps(step: &Step) -> Vec<Step> {
    match step {
        Step::Send(messages) if messages.len() > 1 => (0..messages.len())
            .map(|index| {
                let mut less = messages.clone();
                less.remove(index);
                Step::Send(less)
            })
            .collect(),
        Step::Add { to, wait, child } => {
            let add = |child| Step::Add { to: *to, wait: *wait, child };
            simpler(child).into_iter().map(add).collect()
        }
        Step::Replace { to, child } => {
            let replace = |child| Step::Replace { to: *to, child };
            simpler(child).into_iter().map(replace).collect()
        }
        Step::AtOnce(steps) => {
            let alone = steps.iter().cloned();
            let fewer = (0..steps.len()).map(|index| {
                let mut less = steps.clone();
                less.remove(index);
                Step::AtOnce(less)
            });
            let mut all: Vec<_> = alone.chain(fewer).collect();
            for (index, step) in steps.iter().enumerate() {
                for simpler in simpler_steps(step) {
                    let mut less = steps.clone();
                    less[index] = simpler;
                    all.push(Step::AtOnce(less));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}
