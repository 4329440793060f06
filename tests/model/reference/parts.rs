//! What a reference tree is made of: plain fields, and small words for where something is.

use std::collections::VecDeque;

use super::{body::Body, mailbox::Mailbox};
use crate::program::{How, Millis, Name, Settings, Step, Terms, What};

/// Who waits for an answer: the number of the step, and what was asked.
pub type Asker = String;

pub struct Kid {
    pub parent: Name,
    pub terms: Terms,
    pub what: What,
    pub declared: bool,
    pub at: At,
    /// How often it was started, and the number of its incarnation.
    pub starts: u64,
    pub last_failure: Option<String>,
    pub failures_in_row: u32,
    pub last_delay: Millis,
    pub ready_since: Option<Millis>,
    /// Since its supervisor was started.
    pub ever_started: bool,
    pub ever_ready: bool,
    pub on_trial: bool,
    /// The number of its last stop, so that a limit is about one of them.
    pub stop_number: u64,
    pub is_killed: bool,
    /// When it was given another spec while it was down.
    pub replaced_at: Millis,
    /// When it last rejected a message.
    pub rejected_at: Millis,
    /// Its incarnation is elsewhere, whatever a later spec says; and it has not stopped in time.
    pub is_elsewhere: bool,
    pub is_late: bool,
    pub started_at: Millis,
    /// When it was last asked to stop, or killed.
    pub stopped_at: Millis,
    pub waiting: Vec<(Wait, Asker)>,
    pub body: Option<Body>,
    pub mailbox: Mailbox,
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// There is no incarnation, since …
    Down(Why),
    Starting,
    Running,
    /// It is to stop, or is being killed.
    Stopping(Then),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// it waits for its turn in its group,
    Turn,
    /// it waits for this time,
    Due(Millis),
    /// it waits for the end of the pause,
    Pause,
    /// somebody has terminated it,
    Terminated,
    /// its supervisor is down.
    Supervisor,
}

/// What follows when it is down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    Restart,
    Terminate,
    Remove,
    Group,
    SupervisorStops,
    FailKilled,
    FailStartTimeout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    Ready,
    Started,
    Stopped,
}

pub struct Boss {
    pub settings: Settings,
    pub mode: Mode,
    /// In start order.
    pub children: Vec<Name>,
    pub declared: Vec<Name>,
    /// When the failures were that are on the meter.
    pub failures: Vec<Millis>,
    pub pauses_in_row: u32,
    pub last_trouble: Option<Millis>,
    /// Who waits for the end of the pause, first come first.
    pub queue: Vec<Name>,
    /// Members of the group that have yet to go down, and those that have yet to have their turn to start.
    pub to_stop: Vec<Name>,
    pub to_start: Vec<Name>,
    pub is_ready: bool,
    pub stops: Vec<Asker>,
    pub joins: Vec<Asker>,
    /// Requests that came while it was down.
    pub mailbox: VecDeque<(Asker, Step)>,
    pub has_ended: bool,
    /// It was asked to stop by one that stops for good, up to the root.
    pub stops_for_good: bool,
    /// Who has ended by itself, when and how.
    pub ends: Vec<(Millis, Name, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    Down,
    Running,
    Paused { until: Millis },
    Stopping(Cause),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// By a request, or since its significant children have ended.
    Order,
    Killed,
    Failed(String),
    TerminateTree(String),
}

/// How an incarnation has ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Exit {
    Stopped,
    Finished,
    Failed(String),
    TerminateTree(String),
}

/// Something that is about to happen. What is about an incarnation names it, and comes to nothing if that is over.
#[derive(Clone, Debug)]
pub enum Happening {
    Begin(Name, u64),
    Turn(Name, u64),
    Ask(Name, u64),
    Kill(Name, u64),
    Later(Name, u64, How),
    WaitOver(Name, u64, u64),
    StopsAfterAll(Name, u64),
    Ready(Name, u64),
    Exited(Name, u64, Exit),
    /// Somebody's patience is over, with an incarnation that starts or one that stops.
    StartLimit(Name, u64),
    StopLimit(Name, u64, u64),
    /// Its time to restart has come.
    Due(Name, Millis),
    PauseEnds(Name, Millis),
    AskerGivesUp(Name, Asker),
    Handle(Name, Asker, Box<Step>),
}
