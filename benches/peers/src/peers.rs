//! The peers, each in a file of its own.

mod actix_own;
mod acton;
mod hand;
mod kameo;
mod keeper;
mod limit;
mod otp;
mod ours;
mod plain;
mod ractor;
mod tasks;

use crate::{jobs::Job, meter::Outcome};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Peer {
    Ours,
    Limit,
    Hand,
    Keeper,
    Plain,
    ActixOwn,
    Ractor,
    Kameo,
    Tasks,
    Acton,
    Otp,
}

pub(crate) const PEERS: [Peer; 11] = [
    Peer::Ours,
    Peer::Limit,
    Peer::Hand,
    Peer::Keeper,
    Peer::Plain,
    Peer::ActixOwn,
    Peer::Ractor,
    Peer::Kameo,
    Peer::Tasks,
    Peer::Acton,
    Peer::Otp,
];

impl Peer {
    /// As it is named on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "actix-supervisor",
            Self::Limit => "limit",
            Self::Hand => "hand",
            Self::Keeper => "keeper",
            Self::Plain => "plain",
            Self::ActixOwn => "actix",
            Self::Ractor => "ractor",
            Self::Kameo => "kameo",
            Self::Tasks => "task-supervisor",
            Self::Acton => "acton",
            Self::Otp => "otp",
        }
    }

    /// As it is named in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ours => "actix-supervisor",
            Self::Limit => "bare tasks (the limit)",
            Self::Hand => "Actix actors kept by hand",
            Self::Keeper => "Actix actors kept by an actor",
            Self::Plain => "plain Actix actors",
            Self::ActixOwn => "`actix::Supervisor`",
            Self::Ractor => "ractor-supervisor",
            Self::Kameo => "kameo",
            Self::Tasks => "task-supervisor",
            Self::Acton => "acton-reactive",
            Self::Otp => "OTP",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        PEERS.into_iter().find(|peer| peer.name() == name)
    }

    /// Why it cannot run on this machine.
    pub(crate) fn absent(self) -> Option<&'static str> {
        match self {
            Self::Otp => otp::absent(),
            _ => None,
        }
    }

    /// Does the job, in this process.
    pub(crate) fn run(self, job: Job, quick: bool) -> Outcome {
        let n = job.size(quick);
        match self {
            Self::Ours => ours::run(job, n),
            Self::Limit => limit::run(job, n),
            Self::Hand => hand::run(job, n),
            Self::Keeper => keeper::run(job, n),
            Self::Plain => plain::run(job, n),
            Self::ActixOwn => actix_own::run(job, n),
            Self::Ractor => ractor::run(job, n),
            Self::Kameo => kameo::run(job, n),
            Self::Tasks => tasks::run(job, n),
            Self::Acton => acton::run(job, n),
            Self::Otp => otp::run(job, n),
        }
    }
}
