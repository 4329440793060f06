//! A program: a tree, and what is done to it, step by step. It says nothing of what follows.

use std::fmt;

use actix_supervisor::{
    AutoShutdown, Decision, OnLimit, RestartPolicy, Shutdown, ShutdownOrder, StartFailure,
    Strategy, WhileDown,
};

/// On the paused clock, from its start on.
pub type Millis = u64;

/// Names are never used twice, so that one says which child it is, wherever that is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    Supervisor(u16),
    Child(u16),
}

impl Name {
    pub const ROOT: Name = Name::Supervisor(0);
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervisor(number) => write!(f, "s{number}"),
            Self::Child(number) => write!(f, "c{number}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Program {
    pub root: Settings,
    pub children: Vec<Child>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Child {
    pub name: Name,
    pub terms: Terms,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Actor(Script),
    Service(Script),
    /// A blocking service, on a thread.
    Blocking(Script),
    Supervisor(Settings, Vec<Child>),
}

/// What a child spec says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    pub policy: RestartPolicy,
    pub shutdown: Option<Shutdown>,
    pub drain: bool,
    pub start_timeout: Option<Millis>,
    pub delays: Delays,
    pub reset_after: Option<Millis>,
    pub give_up_after: Option<u32>,
    pub rule: Option<Rule>,
    pub while_down: WhileDown,
    /// Of an actor's mailbox; zero is unbounded. `None`: that too, or in a `Replace` what it was.
    pub capacity: Option<usize>,
    pub significant: bool,
    /// Placed as on another thread: each start is a job of the arbiter, which is that of the same thread, so that the clock
    /// stays paused. It changes nothing.
    pub elsewhere: bool,
}

pub const TERMS: Terms = Terms {
    policy: RestartPolicy::Permanent,
    shutdown: None,
    drain: false,
    start_timeout: None,
    delays: Delays::None,
    reset_after: None,
    give_up_after: None,
    rule: None,
    while_down: WhileDown::Queue,
    capacity: None,
    significant: false,
    elsewhere: false,
};

impl Terms {
    /// A spec that makes no sense is refused, which other tests show: "only children that end can be significant, and only to
    /// a supervisor that is set to stop by itself".
    pub fn under(self, supervisor: &Settings) -> Self {
        let makes_sense = self.policy != RestartPolicy::Permanent
            && supervisor.auto_shutdown != AutoShutdown::Never;
        Self { significant: self.significant && makes_sense, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delays {
    None,
    Constant(Millis),
    Doubling { first: Millis, max: Millis },
    Steps([Millis; 3]),
}

/// What `decide` answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub panic: Decision,
    pub other: Decision,
}

/// What a supervisor's spec says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub strategy: Strategy,
    pub decay: Millis,
    pub threshold: f64,
    pub on_limit: OnLimit,
    pub pause: Millis,
    pub spread: Millis,
    pub shutdown_timeout: Millis,
    pub order: ShutdownOrder,
    pub start_failure: StartFailure,
    pub auto_shutdown: AutoShutdown,
    pub propagate: bool,
    pub max_children: Option<usize>,
    pub give_up_after_pauses: Option<u32>,
}

pub const SETTINGS: Settings = Settings {
    strategy: Strategy::OneForOne,
    decay: 30_000,
    threshold: 5.0,
    on_limit: OnLimit::Backoff,
    pause: 15_000,
    spread: 0,
    shutdown_timeout: 10_000,
    order: ShutdownOrder::Reverse,
    start_failure: StartFailure::Retry,
    auto_shutdown: AutoShutdown::Never,
    propagate: true,
    max_children: None,
    give_up_after_pauses: None,
};

/// What the code of a child does.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// How its first incarnations start; all later ones do so without ado.
    pub starts: Vec<Start>,
    /// How each incarnation ends by itself after some time, if it is still there.
    pub life: Option<(Millis, How)>,
    pub stopping: Stopping,
}

pub const SCRIPT: Script = Script { starts: Vec::new(), life: None, stopping: Stopping::Obeys };

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    WithoutAdo,
    /// Ready after this time. (A service is ready at once.)
    Takes(Millis),
    /// Never ready. (A service is.)
    Hangs,
    /// Its factory, or the call of the service, panics.
    FactoryPanics,
    /// Its factory returns `Err`, or the service does, at its first poll.
    FactoryErrs,
    /// In `started`, or the service at its first poll.
    Ends(How),
}

/// What an incarnation does to itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    Panics,
    Fails,
    Stops,
    Finishes,
    EndsTheTree,
}

/// What an incarnation does about a request to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stopping {
    Obeys,
    Takes(Millis),
    Refuses,
    Panics,
    /// In `stopped`. (A service: at once.)
    PanicsInTheEnd,
}

/// What an actor is told by a message. It answers with the number of its incarnation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    Hello,
    Do(How),
    /// To give `ctx.wait` something that takes so long.
    Wait(Millis),
    WaitForEver,
    /// To do it after this time.
    Later(Millis, How),
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Messages to actors, each from the sender of this number, one after the other.
    Send(Vec<(u8, Name, Word)>),
    Add {
        to: Name,
        wait: bool,
        child: Child,
    },
    /// About a child, sent to this supervisor.
    Ask {
        to: Name,
        about: Name,
        request: Request,
    },
    /// A new spec of the same name.
    Replace {
        to: Name,
        child: Child,
    },
    Resume(Name),
    Stop(Name),
    Join(Name),
    /// Time passes.
    Pass(Millis),
    /// One after the other, without waiting until all is quiet.
    AtOnce(Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    Restart,
    Terminate,
    Kill,
    Remove,
    RemoveAndWait { timeout: Option<Millis> },
}

impl Step {
    /// What an answer to it is called.
    pub fn label(&self) -> String {
        match self {
            Self::Add { wait: false, child, .. } => format!("Add {}", child.name),
            Self::Add { wait: true, child, .. } => format!("AddAndWait {}", child.name),
            Self::Ask { about, request, .. } => format!("{request:?} {about}"),
            Self::Replace { child, .. } => format!("Replace {}", child.name),
            Self::Resume(to) => format!("Resume {to}"),
            Self::Stop(to) => format!("Stop {to}"),
            Self::Join(to) => format!("Join {to}"),
            Self::Send(_) | Self::Pass(_) | Self::AtOnce(_) => String::new(),
        }
    }
}
