//! A mailbox, as the guide describes those of Actix.

use std::collections::VecDeque;

use super::parts::Asker;
use crate::program::Word;

#[derive(Default)]
pub struct Mailbox {
    messages: VecDeque<(Asker, Word)>,
    /// Zero is unbounded.
    capacity: usize,
    /// How many of them were set apart, and take no place.
    apart: usize,
    /// "Each clone of an address may add one message to a full mailbox. Then `try_send` through that clone is refused, until
    /// the actor has taken messages."
    refused: VecDeque<u8>,
}

impl Mailbox {
    pub fn new(capacity: Option<usize>) -> Self {
        Self { capacity: capacity.unwrap_or(0), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns whether it takes this one, from this sender.
    pub fn put(&mut self, sender: u8, asker: Asker, word: Word) -> bool {
        if self.refused.contains(&sender) {
            return false;
        }
        self.messages.push_back((asker, word));
        if self.capacity > 0 && self.len() - self.apart >= self.capacity {
            self.refused.push_back(sender);
        }
        true
    }

    pub fn take(&mut self) -> Option<(Asker, Word)> {
        let first = self.messages.pop_front()?;
        match self.apart.checked_sub(1) {
            Some(rest) => self.apart = rest,
            // A message less, and one sender more that is not refused.
            None => drop(self.refused.pop_front()),
        }
        Some(first)
    }

    /// "With `drain(true)` the messages that were in its mailbox before the request are handled first": they are taken at the
    /// request.
    pub fn set_apart(&mut self) {
        let taken = self.len() - self.apart;
        self.refused.drain(..taken.min(self.refused.len()));
        self.apart = self.len();
    }

    pub fn empty(&mut self) -> Vec<Asker> {
        std::iter::from_fn(|| self.take()).map(|(asker, _)| asker).collect()
    }

    pub fn set_capacity(&mut self, capacity: usize) {
        if capacity > self.capacity {
            self.refused.clear();
        }
        self.capacity = capacity;
    }
}
