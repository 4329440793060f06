//! Records by number, for numbers that are given out one after the other: those of a supervisor's children.
//!
//! A `BTreeMap` of them would find each record by comparing numbers at every level, and keeps almost half of its space
//! free when they come in ascending order. Here the tree is one of pages, and a number says its place on its page.

use std::{collections::BTreeMap, iter, mem};

/// How many records a page has places for. One that is left alone on its page holds a quarter of a kilobyte for it.
const PAGE: u64 = 32;

/// In the order of their numbers. Everything is O(log n), but for what goes through all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows<T> {
    pages: BTreeMap<u64, Box<Page<T>>>,
}

/// None is empty.
type Page<T> = [Option<Box<T>>; PAGE as usize];

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { pages: BTreeMap::new() }
    }
}

fn place(id: u64) -> (u64, usize) {
    (id / PAGE, (id % PAGE) as usize)
}

impl<T> Rows<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// In the place of one that had this number before.
    pub(crate) fn insert(&mut self, id: u64, row: T) {
        let (page, place) = place(id);
        self.pages.entry(page).or_default()[place] = Some(Box::new(row));
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let (page, place) = place(id);
        self.pages.get(&page)?[place].as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (page, place) = place(id);
        self.pages.get_mut(&page)?[place].as_deref_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let (number, place) = place(id);
        let page = self.pages.get_mut(&number)?;
        let row = page[place].take()?;
        if page.iter().all(Option::is_none) {
            self.pages.remove(&number);
        }
        Some(*row)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.pages.iter().flat_map(|(page, rows)| of_page(*page, rows))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.values_mut().flat_map(|page| page.iter_mut().flatten().map(|row| &mut **row))
    }

    /// From this number on.
    pub(crate) fn from(&self, id: u64) -> impl Iterator<Item = (u64, &T)> {
        self.pages
            .range(id / PAGE..)
            .flat_map(|(page, rows)| of_page(*page, rows))
            .skip_while(move |&(it, _)| it < id)
    }

    /// The last one before this number.
    pub(crate) fn last_before(&self, id: u64) -> Option<(u64, &T)> {
        let mut before = self
            .pages
            .range(..=id / PAGE)
            .rev()
            .flat_map(|(page, rows)| of_page(*page, rows).rev());
        before.find(|&(it, _)| it < id)
    }

    /// All of them, taken out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, T)> + use<T> {
        mem::take(&mut self.pages).into_iter().flat_map(|(page, rows)| {
            let numbered = iter::zip(page * PAGE.., *rows);
            numbered.filter_map(|(id, row)| Some((id, *row?)))
        })
    }
}

fn of_page<T>(page: u64, rows: &Page<T>) -> impl DoubleEndedIterator<Item = (u64, &T)> {
    let first = page * PAGE;
    let numbered = rows.iter().enumerate();
    numbered.filter_map(move |(place, row)| Some((first + place as u64, &**row.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_a_map_of_them_would_be(
            steps in prop::collection::vec((0..3 * PAGE, any::<bool>()), 0..300),
            from in 0..4 * PAGE,
        ) {
            let (mut rows, mut map) = (Rows::default(), BTreeMap::new());
            for (value, (id, stays)) in steps.into_iter().enumerate() {
                if stays {
                    rows.insert(id, value);
                    map.insert(id, value);
                } else {
                    prop_assert_eq!(rows.remove(id), map.remove(&id));
                }
                prop_assert_eq!(rows.get(id), map.get(&id));
                prop_assert_eq!(rows.get_mut(id), map.get_mut(&id));
            }
            let all: Vec<_> = map.iter().map(|(&id, value)| (id, value)).collect();
            prop_assert_eq!(rows.iter().collect::<Vec<_>>(), all.clone());
            prop_assert!(rows.iter().rev().eq(all.into_iter().rev()));
            prop_assert!(rows.values_mut().eq(map.values_mut()));
            let unnumbered = |(&id, value)| (id, value);
            prop_assert!(rows.from(from).eq(map.range(from..).map(unnumbered)));
            prop_assert_eq!(rows.last_before(from), map.range(..from).next_back().map(unnumbered));
            prop_assert!(rows.drain().eq(map));
            prop_assert_eq!(rows, Rows::default());
        }
    }

    #[test]
    fn the_last_before_the_end_of_numbers_is_the_last_of_all() {
        let mut rows = Rows::default();
        rows.insert(7, "seven");
        rows.insert(700, "seven hundred");
        assert_eq!(rows.last_before(u64::MAX), Some((700, &"seven hundred")));
    }

    #[test]
    fn a_page_goes_with_the_last_of_its_records() {
        let mut rows = Rows::default();
        (0..10 * PAGE).for_each(|id| rows.insert(id, id));
        (0..10 * PAGE)
            .filter(|id| id % PAGE != 5)
            .for_each(|id| assert_eq!(rows.remove(id), Some(id)));
        assert_eq!(rows.pages.len(), 10);
        (0..9).map(|page| page * PAGE + 5).for_each(|id| assert_eq!(rows.remove(id), Some(id)));
        assert_eq!(rows.pages.len(), 1);
    }
}
