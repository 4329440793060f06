//! A program as a person reads it: only what is not as it mostly is.

use std::fmt;

use crate::program::{Child, Name, Program, SCRIPT, SETTINGS, Step, TERMS, What};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}", Name::ROOT, unusual(&self.root, &SETTINGS))?;
        self.children.iter().try_for_each(|child| write_child(f, child, 1))?;
        for (index, step) in self.steps.iter().enumerate() {
            write_step(f, &index.to_string(), step)?;
        }
        Ok(())
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, index: &str, step: &Step) -> fmt::Result {
    match step {
        Step::Add { to, wait, child } => {
            let add = if *wait { "AddAndWait" } else { "Add" };
            writeln!(f, "{index}. to {to}: {add}")?;
            write_child(f, child, 2)?;
        }
        Step::Replace { to, child } => {
            writeln!(f, "{index}. to {to}: Replace by")?;
            write_child(f, child, 2)?;
        }
        Step::Ask { to, about, request } => {
            writeln!(f, "{index}. to {to}: {request:?} {about}")?;
        }
        Step::Send(messages) => {
            let said = |&(sender, to, word): &_| format!("{sender} says {word:?} to {to}");
            let said: Vec<_> = messages.iter().map(said).collect();
            writeln!(f, "{index}. {}", said.join(", "))?;
        }
        Step::Resume(to) => writeln!(f, "{index}. to {to}: Resume")?,
        Step::Stop(to) => writeln!(f, "{index}. to {to}: Stop")?,
        Step::Join(to) => writeln!(f, "{index}. to {to}: Join")?,
        Step::Pass(time) => writeln!(f, "{index}. {time} ms pass")?,
        Step::AtOnce(steps) => {
            for (number, step) in steps.iter().enumerate() {
                write_step(f, &format!("{index}.{number}"), step)?;
            }
        }
    }
    Ok(())
}

fn write_child(f: &mut fmt::Formatter<'_>, child: &Child, depth: usize) -> fmt::Result {
    let indent = "    ".repeat(depth);
    let terms = unusual(&child.terms, &TERMS);
    match &child.what {
        What::Actor(script) => {
            writeln!(f, "{indent}{}: actor{terms};{}", child.name, unusual(script, &SCRIPT))
        }
        What::Service(script) => {
            writeln!(f, "{indent}{}: service{terms};{}", child.name, unusual(script, &SCRIPT))
        }
        What::Blocking(script) => {
            writeln!(f, "{indent}{}: blocking{terms};{}", child.name, unusual(script, &SCRIPT))
        }
        What::Supervisor(settings, children) => {
            let settings = unusual(settings, &SETTINGS);
            writeln!(f, "{indent}{}: supervisor{terms};{settings}", child.name)?;
            children.iter().try_for_each(|child| write_child(f, child, depth + 1))
        }
    }
}

/// The fields that are not as they mostly are.
fn unusual<T: fmt::Debug>(this: &T, usual: &T) -> String {
    let lines = |of: &T| format!("{of:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
    let fields = |of: &T| {
        let mut fields: Vec<String> = Vec::new();
        for line in lines(of).into_iter().skip(1) {
            match (line.strip_prefix("    "), fields.last_mut()) {
                (Some(more), Some(field)) if more.starts_with([' ', '}', ')', ']']) => {
                    field.push_str(more.trim());
                }
                (Some(field), _) => fields.push(field.trim().to_owned()),
                (None, _) => {}
            }
        }
        fields
    };
    let usual = fields(usual);
    let unusual = fields(this).into_iter().filter(|field| !usual.contains(field));
    unusual.map(|field| format!(" {}", field.trim_end_matches(','))).collect()
}
