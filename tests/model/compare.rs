//! What the real tree and the reference have to agree on.
//!
//! Where several children do something at one instant, independently of each other, the contract does not say who is
//! first. So two lists of events are the same if they agree on each child, and on the order of whatever depends on each
//! other: see [`threads`].

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    picture::{Picture, Told},
    program::Name,
};

pub type Difference = String;

type Threads = BTreeMap<String, Vec<String>>;

pub fn compare(real: &Picture, reference: &Picture) -> Result<(), Difference> {
    same("answers", &real.answers, &reference.answers)?;
    let names: BTreeSet<_> = real.handled.keys().chain(reference.handled.keys()).collect();
    for name in names {
        let lines = |of: &Picture| of.handled.get(name).cloned().unwrap_or_default();
        same(&format!("handled by {name}"), &lines(real), &lines(reference))?;
    }
    let (real_threads, threads) = (threads(&real.told), threads(&reference.told));
    let names: BTreeSet<_> = real_threads.keys().chain(threads.keys()).collect();
    for name in names {
        let lines = |of: &Threads| of.get(name).cloned().unwrap_or_default();
        same(&format!("events {name}"), &lines(&real_threads), &lines(&threads))?;
    }
    same("tree", &real.tree, &reference.tree)
}

/// The orders that matter: of the events about one child; of what one supervisor decides, but for who is ready; and of a
/// nested supervisor's starts and ends between those that are told of it as a child.
fn threads(told: &[Told]) -> Threads {
    let mut threads = Threads::new();
    let mut add = |thread: String, line: &str| {
        threads.entry(thread).or_default().push(line.to_owned());
    };
    for Told { by, about, what } in told {
        let line = match about {
            Some(about) => format!("{by}/{about} {what}"),
            None => format!("{by} {what}"),
        };
        let is_ready = what == "ChildReady";
        if let Some(about) = about {
            add(format!("about {about}"), &line);
        }
        if !is_ready {
            add(format!("of {by}"), &line);
        }
        match about {
            Some(nested @ Name::Supervisor(_)) if !is_ready => {
                add(format!("around {nested}"), &line);
            }
            None if what.starts_with("Supervisor") => add(format!("around {by}"), &line),
            Some(_) | None => {}
        }
    }
    threads
}

fn same<T: AsRef<str>>(what: &str, real: &[T], reference: &[T]) -> Result<(), Difference> {
    let real: Vec<&str> = real.iter().map(AsRef::as_ref).collect();
    let reference: Vec<&str> = reference.iter().map(AsRef::as_ref).collect();
    if real == reference {
        return Ok(());
    }
    let mut text = format!("{what}:\n");
    for index in 0..real.len().max(reference.len()) {
        match (real.get(index), reference.get(index)) {
            (Some(is), Some(expected)) if is == expected => {
                text.push_str(&format!("  both:      {is}\n"))
            }
            (is, expected) => {
                if let Some(is) = is {
                    text.push_str(&format!("  here:      {is}\n"));
                }
                if let Some(expected) = expected {
                    text.push_str(&format!("  reference: {expected}\n"));
                }
            }
        }
    }
    Err(text)
}
