//! What a picture says of one child or supervisor, whatever its format.

use std::fmt::{self, Write};

use tokio::time::Instant;

use crate::{
    clock::now,
    failure::Failure,
    info::{ChildInfo, ChildKind, ChildState, SupervisorState, SupervisorStatus, TreeNode},
};

/// How many characters of a failure are shown.
const BRIEF: usize = 100;

/// What there is to say of one child, or of the supervisor at the top.
pub(super) struct Words<'a> {
    pub(super) name: &'a str,
    pub(super) is_supervisor: bool,
    pub(super) mood: Mood,
    pub(super) state: &'static str,
    /// What is not as usual.
    pub(super) facts: Vec<String>,
    /// Its last one, in brief.
    pub(super) failure: Option<String>,
}

/// What a state means to somebody who looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Up,
    Starting,
    /// It waits for a restart, or for the end of a pause.
    Waiting,
    Stopping,
    Down,
}

impl Mood {
    pub(super) const ALL: [Self; 5] =
        [Self::Up, Self::Starting, Self::Waiting, Self::Stopping, Self::Down];

    fn of(state: ChildState) -> Self {
        match state {
            ChildState::Running => Self::Up,
            ChildState::Starting => Self::Starting,
            ChildState::BackingOff => Self::Waiting,
            ChildState::Stopping => Self::Stopping,
            ChildState::Terminated => Self::Down,
        }
    }

    /// Of a terminal.
    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Up => "32",
            Self::Starting => "36",
            Self::Waiting => "33",
            Self::Stopping => "35",
            Self::Down => "2",
        }
    }

    /// Of a box, with black text on it.
    pub(super) fn fill(self) -> &'static str {
        match self {
            Self::Up => "#c8e6c9",
            Self::Starting => "#b2ebf2",
            Self::Waiting => "#ffe082",
            Self::Stopping => "#e1bee7",
            Self::Down => "#e0e0e0",
        }
    }
}

impl<'a> Words<'a> {
    pub(super) fn of_root(tree: &'a TreeNode) -> Self {
        let status = &tree.status;
        let (mood, state) = match status.state {
            SupervisorState::Running => (Mood::Up, "running"),
            SupervisorState::Paused { .. } => (Mood::Waiting, "paused"),
            SupervisorState::Stopping => (Mood::Stopping, "stopping"),
        };
        let facts = facts_of(status);
        Self { name: &status.name, is_supervisor: true, mood, state, facts, failure: None }
    }

    pub(super) fn of_child(
        child: &'a ChildInfo,
        below: Option<&TreeNode>,
        is_silent: bool,
    ) -> Self {
        let mut words = Self {
            name: &child.name,
            is_supervisor: child.kind == ChildKind::Supervisor,
            mood: Mood::of(child.state),
            state: state(child.state),
            facts: Vec::new(),
            failure: child.last_failure.as_ref().map(brief),
        };
        if let Some(TreeNode { status, .. }) = below {
            if let SupervisorState::Paused { .. } = status.state {
                (words.mood, words.state) = (Mood::Waiting, "paused");
            }
            words.facts = facts_of(status);
        }
        if child.essential && child.state != ChildState::Running {
            words.facts.push("essential".to_owned());
        }
        if is_silent {
            words.facts.push("does not answer".to_owned());
        }
        if let Some(start) = child.next_start {
            words.facts.push(format!("next start in {}", Left(start)));
        }
        match child.restarts {
            0 => {}
            1 => words.facts.push("1 restart".to_owned()),
            more => words.facts.push(format!("{more} restarts")),
        }
        words
    }
}

fn state(state: ChildState) -> &'static str {
    match state {
        ChildState::Starting => "starting",
        ChildState::Running => "running",
        ChildState::BackingOff => "backing off",
        ChildState::Stopping => "stopping",
        ChildState::Terminated => "terminated",
    }
}

fn facts_of(status: &SupervisorStatus) -> Vec<String> {
    let mut facts = Vec::new();
    if let SupervisorState::Paused { until } = status.state {
        facts.push(format!("for {}", Left(until)));
    }
    // Less would be shown as zero.
    if status.failures >= 0.005 {
        facts.push(format!("meter at {:.2} of {}", status.failures, status.threshold));
    }
    if status.left_behind > 0 {
        facts.push(format!("{} left behind", status.left_behind));
    }
    facts
}

/// How long it is until then.
struct Left(Instant);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.saturating_duration_since(now()).as_secs_f64())
    }
}

/// A name as it is, or in quotes where it could be taken for something else.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |text: char| text.is_alphanumeric() || " -_./#@+".contains(text);
        match self.0.trim() == self.0 && self.0.chars().all(is_plain) {
            true => f.write_str(self.0),
            false => write!(f, "{:?}", self.0),
        }
    }
}

/// The beginning of what a failure says, on one line: what ends a line, moves the cursor or turns the direction of
/// writing is escaped.
fn brief(failure: &Failure) -> String {
    let mut brief = Brief { text: String::new(), room: BRIEF, is_cut: false };
    // It refuses what is too much.
    let _ = write!(brief, "{failure}");
    let text = brief.text.trim_end();
    format!("{text}{}", if brief.is_cut { "…" } else { "" })
}

struct Brief {
    text: String,
    room: usize,
    is_cut: bool,
}

impl Write for Brief {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.room == 0 {
                self.is_cut = true;
                return Err(fmt::Error);
            }
            self.room -= 1;
            match letter {
                '"' | '\'' | '\\' => self.text.push(letter),
                _ => self.text.extend(letter.escape_debug()),
            }
        }
        Ok(())
    }
}
