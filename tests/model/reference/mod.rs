//! The reference: what the contract says, sentence by sentence, played through with plain lists on a clock of its own.
//!
//! Nothing here is shared with the crate or with its machine's tests, and nothing is clever: what happens at one instant
//! stands in one queue, and what happens later in one list.

mod body;
mod ends;
mod failures;
mod groups;
mod mailbox;
mod parts;
mod pictures;
mod requests;
mod stops;
mod threads;
mod time;
mod world;

pub use self::world::World;
