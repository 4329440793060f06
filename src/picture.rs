//! Pictures of a tree: as text, for Mermaid and for Graphviz. Names and messages are whatever children say, so each format
//! escapes them.

mod dot;
mod mermaid;
mod words;

use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Write},
};

use self::words::{Name, Words};
use crate::{info::TreeNode, token::ChildToken};

impl TreeNode {
    /// What there is to say of its children, each with what is below it: of a supervisor that is up, its own node.
    fn branches(&self) -> impl Iterator<Item = (Words<'_>, Option<&TreeNode>)> {
        let nested = self.supervisors.iter().filter_map(|node| Some((node.token?, node)));
        let nested: HashMap<ChildToken, &TreeNode> = nested.collect();
        let silent: HashSet<ChildToken> = self.unanswered.iter().copied().collect();
        self.children.iter().map(move |child| {
            let below = nested.get(&child.token).copied();
            (Words::of_child(child, below, silent.contains(&child.token)), below)
        })
    }

    /// The same text as its `Display`, in colours for a terminal (ANSI).
    ///
    /// It never asks whether there is one: that is known to whoever prints.
    ///
    /// ```
    /// use std::io::{self, IsTerminal};
    /// use actix_supervisor::TreeNode;
    ///
    /// fn picture(tree: &TreeNode) -> String {
    ///     match io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
    ///         true => tree.colored().to_string(),
    ///         false => tree.to_string(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn colored(&self) -> impl fmt::Display {
        Colored(self)
    }
}

struct Colored<'a>(&'a TreeNode);

impl fmt::Display for Colored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        draw(self.0, Ink::Ansi, f)
    }
}

/// As `tree` draws directories: one line for each child, in start order.
///
/// Each line has a name, a state, and what is not as usual: a failure meter that is not at zero, restarts, a start or the end of a pause
/// that is due, that what is not running is essential, and the last failure in brief. A name that could be taken for something else is quoted, and line breaks and the like are
/// escaped, in messages too.
///
/// ```
/// use actix::Actor;
/// use actix_supervisor::{CancellationToken, ChildSpec, Supervisor, Tree};
///
/// # actix_rt::System::new().block_on(async {
/// let service = |name| {
///     ChildSpec::service(name, |stop: CancellationToken| async move { stop.cancelled().await })
/// };
/// let workers = Supervisor::new("workers").child(service("reader")).child(service("writer"));
/// let root = Supervisor::new("root")
///     .child(ChildSpec::supervisor(workers))
///     .child(service("ticker"))
///     .start();
/// # actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
///
/// assert_eq!(
///     root.send(Tree).await?.to_string(),
///     "root: running\n\
///      ├── workers: running\n\
///      │   ├── reader: running\n\
///      │   └── writer: running\n\
///      └── ticker: running\n"
/// );
/// # Ok::<(), actix::MailboxError>(())
/// # }).unwrap();
/// ```
impl fmt::Display for TreeNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        draw(self, Ink::Plain, f)
    }
}

/// With what a text is drawn.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    /// Escape sequences of a terminal.
    Ansi,
}

const BOLD: &str = "1";
const FAINT: &str = "2";
const RED: &str = "31";

impl Ink {
    fn write(
        self,
        f: &mut fmt::Formatter<'_>,
        colour: &str,
        text: impl fmt::Display,
    ) -> fmt::Result {
        match self {
            Self::Plain => write!(f, "{text}"),
            Self::Ansi => write!(f, "\u{1b}[{colour}m{text}\u{1b}[0m"),
        }
    }
}

fn draw(tree: &TreeNode, ink: Ink, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    line(&Words::of_root(tree), ink, f)?;
    draw_below(tree, "", ink, f)
}

fn draw_below(tree: &TreeNode, indent: &str, ink: Ink, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut branches = tree.branches().peekable();
    while let Some((words, below)) = branches.next() {
        let (branch, further) = match branches.peek() {
            Some(_) => ("├── ", "│   "),
            None => ("└── ", "    "),
        };
        ink.write(f, FAINT, format_args!("{indent}{branch}"))?;
        line(&words, ink, f)?;
        if let Some(below) = below {
            draw_below(below, &format!("{indent}{further}"), ink, f)?;
        }
    }
    Ok(())
}

fn line(words: &Words<'_>, ink: Ink, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = Name(words.name);
    match words.is_supervisor {
        true => ink.write(f, BOLD, name)?,
        false => write!(f, "{name}")?,
    }
    f.write_str(": ")?;
    ink.write(f, words.mood.colour(), words.state)?;
    for fact in &words.facts {
        write!(f, ", {fact}")?;
    }
    if let Some(failure) = &words.failure {
        f.write_str(", last failure: ")?;
        ink.write(f, RED, failure)?;
    }
    f.write_char('\n')
}

#[cfg(test)]
mod tests {
    use std::{sync::Weak, time::Duration};

    use super::*;
    use crate::{
        clock::now,
        failure::{Failure, PanicInfo},
        info::{
            AddrRef, ChildCounts, ChildInfo, ChildKind, ChildState, HasAddr, SupervisorState,
            SupervisorStatus,
        },
    };

    struct Nobody;

    impl HasAddr for Nobody {
        fn addr(&self, _of: std::any::TypeId) -> Option<Box<dyn std::any::Any>> {
            None
        }
    }

    pub(super) fn child(number: u64, name: &str, kind: ChildKind) -> ChildInfo {
        ChildInfo {
            token: ChildToken { supervisor: 1, child: number },
            name: name.to_owned(),
            kind,
            state: ChildState::Running,
            essential: false,
            restarts: 0,
            last_failure: None,
            failures_in_row: 0,
            next_start: None,
            addr: AddrRef(Weak::<Nobody>::new()),
        }
    }

    pub(super) fn node(name: &str, token: Option<u64>, children: Vec<ChildInfo>) -> TreeNode {
        TreeNode {
            token: token.map(|child| ChildToken { supervisor: 1, child }),
            status: SupervisorStatus {
                name: name.to_owned(),
                state: SupervisorState::Running,
                failures: 0.0,
                threshold: 5.0,
                children: ChildCounts::default(),
                restarts: 0,
                left_behind: 0,
            },
            children,
            supervisors: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    pub(super) fn panicked(message: &str) -> Failure {
        Failure::Panic(PanicInfo { message: message.into(), location: None, backtrace: None })
    }

    /// A tree with one of each, and names that break out of whatever does not escape them.
    pub(super) fn hostile() -> TreeNode {
        let mut bad = child(1, "a\"]; end\n<script>", ChildKind::Actor);
        (bad.state, bad.restarts) = (ChildState::BackingOff, 3);
        bad.last_failure = Some(panicked("no\n\u{1b}[31m\"quotes\" & <tags>"));
        let mut root = node(
            "root",
            None,
            vec![
                child(0, "pool", ChildKind::Supervisor),
                bad,
                child(2, "a: running", ChildKind::Service),
            ],
        );
        root.supervisors = vec![node("pool", Some(0), vec![child(3, "pool-1", ChildKind::Actor)])];
        root
    }

    #[test]
    fn a_line_has_what_is_not_as_usual() {
        let mut tree = node("root", None, vec![child(0, "worker", ChildKind::Actor)]);
        let worker = &mut tree.children[0];
        worker.restarts = 1;
        worker.last_failure = Some(Failure::StartTimeout(Duration::from_secs(5)));
        worker.state = ChildState::Starting;
        (tree.status.failures, tree.status.left_behind) = (1.0, 2);
        assert_eq!(
            tree.to_string(),
            "root: running, meter at 1.00 of 5, 2 left behind\n\
             └── worker: starting, 1 restart, last failure: not ready within 5s\n"
        );
    }

    #[test]
    fn a_pause_and_a_start_that_is_due_count_down() {
        let mut tree = node("root", None, vec![child(0, "worker", ChildKind::Actor)]);
        let soon = now() + Duration::from_secs(3600);
        tree.status.state = SupervisorState::Paused { until: soon };
        tree.children[0].state = ChildState::BackingOff;
        tree.children[0].next_start = Some(soon);
        let text = tree.to_string();
        assert!(text.starts_with("root: paused, for 3"), "{text}");
        assert!(text.contains("└── worker: backing off, next start in 3"), "{text}");
    }

    #[test]
    fn a_supervisor_that_is_down_is_a_line_like_any_other() {
        let mut tree = node("root", None, vec![child(0, "pool", ChildKind::Supervisor)]);
        tree.children[0].state = ChildState::Terminated;
        assert_eq!(tree.to_string(), "root: running\n└── pool: terminated\n");
    }

    #[test]
    fn what_is_essential_says_so_while_it_is_not_running() {
        let (up, down) = (child(0, "up", ChildKind::Actor), child(1, "down", ChildKind::Actor));
        let mut tree = node("root", None, vec![up, down]);
        for child in &mut tree.children {
            child.essential = true;
        }
        tree.children[1].state = ChildState::BackingOff;
        assert_eq!(
            tree.to_string(),
            "root: running\n├── up: running\n└── down: backing off, essential\n"
        );
    }

    #[test]
    fn a_supervisor_that_has_not_answered_says_so() {
        let mut tree = node("root", None, vec![child(0, "pool", ChildKind::Supervisor)]);
        tree.unanswered = vec![tree.children[0].token];
        assert_eq!(tree.to_string(), "root: running\n└── pool: running, does not answer\n");
    }

    #[test]
    fn no_name_and_no_message_forges_a_line() {
        assert_eq!(
            hostile().to_string(),
            "root: running\n\
             ├── pool: running\n\
             │   └── pool-1: running\n\
             ├── \"a\\\"]; end\\n<script>\": backing off, 3 restarts, \
             last failure: panicked: no\\n\\u{1b}[31m\"quotes\" & <tags>\n\
             └── \"a: running\": running\n"
        );
    }

    #[test]
    fn a_failure_is_told_in_brief() {
        let mut tree = node("root", None, vec![child(0, "worker", ChildKind::Actor)]);
        tree.children[0].last_failure = Some(panicked(&"very ".repeat(1_000)));
        let text = tree.to_string();
        assert!(text.chars().count() < 200, "{text}");
        assert!(text.ends_with("very…\n"), "{text}");
    }

    #[test]
    fn colours_add_escape_sequences_and_nothing_else() {
        let colored = hostile().colored().to_string();
        let mut plain = String::new();
        let mut parts = colored.split('\u{1b}');
        plain.push_str(parts.next().unwrap());
        for part in parts {
            plain.push_str(part.split_once('m').unwrap().1);
        }
        assert_eq!(plain, hostile().to_string());
        assert!(colored.contains("\u{1b}[33mbacking off\u{1b}[0m"), "{colored}");
    }
}
