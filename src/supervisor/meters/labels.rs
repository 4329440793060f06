//! The values of labels: a bounded number, whatever children are called and however many there are.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use metrics::SharedString;

/// How many names of children have a label of their own, for each supervisor.
const LIMIT: usize = 100;

/// What all further ones are called.
const OTHER: &str = "other";

/// The labels of a supervisor's children. They last as long as the supervisor does, across its restarts.
#[derive(Debug, Default)]
pub(crate) struct Labels(Mutex<HashMap<String, SharedString>>);

impl Labels {
    pub(crate) fn of(&self, name: &str) -> SharedString {
        let mut labels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = labels.get(name) {
            return label.clone();
        }
        if labels.len() >= LIMIT {
            return SharedString::const_str(OTHER);
        }
        let label = SharedString::from_shared(name.into());
        labels.insert(name.to_owned(), label.clone());
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_have_labels_of_their_own_and_keep_them() {
        let labels = Labels::default();
        for number in 0..100_000 {
            labels.of(&format!("name {number}"));
        }
        assert_eq!(&*labels.of("name 0"), "name 0");
        assert_eq!(&*labels.of("name 99"), "name 99");
        assert_eq!(&*labels.of("name 100"), OTHER);
        assert_eq!(labels.0.lock().unwrap().len(), LIMIT);
    }
}
