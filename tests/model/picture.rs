//! What can be seen of a tree: the same words for the real one and for the reference, to be compared as they are.

use std::collections::BTreeMap;

use crate::program::Name;

/// An event: whose it is, which child it is about, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub by: Name,
    pub about: Option<Name>,
    pub what: String,
}

/// All that can be seen when everything is quiet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// A line for each supervisor that is up and for each child.
    pub tree: Vec<String>,
    /// The events since the last picture, in order.
    pub told: Vec<Told>,
    /// Who has got an answer since the last picture, and which; sorted.
    pub answers: Vec<String>,
    /// What each child has handled since the last picture, in which incarnation, in order.
    pub handled: BTreeMap<Name, Vec<String>>,
}
