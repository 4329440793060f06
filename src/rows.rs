//! Records by number, for numbers that are given out one after the other: those of a supervisor's children.
//!
//! A `BTreeMap` of them would find each record by comparing numbers at every level, with a miss of the cache for each few of them, and
//! keeps almost half of its space free when they come in ascending order. Here a number says its own way: five of its bits are
//! the place in each node. (A radix tree, as in the page cache of Linux.)

use std::{iter, mem};

/// How many bits of a number are a place in a node.
const BITS: u32 = 5;
/// How many places a node has. A record that is left alone on its page holds a quarter of a kilobyte for it.
const PLACES: usize = 1 << BITS;

/// In the order of their numbers. Everything is O(log n), but for what goes through all of them.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T> {
    root: Option<Box<Node<T>>>,
    /// How many levels of nodes there are above the pages.
    height: u32,
}

/// None is empty.
#[derive(Clone, Debug)]
enum Node<T> {
    Branch(Places<Node<T>>),
    Page(Places<T>),
}

#[derive(Clone, Debug)]
struct Places<T> {
    /// A bit for each place.
    taken: u32,
    places: [Option<Box<T>>; PLACES],
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { taken: 0, places: Default::default() }
    }
}

impl<T> Places<T> {
    fn put(&mut self, place: usize, it: Box<T>) {
        self.taken |= 1 << place;
        self.places[place] = Some(it);
    }

    fn take(&mut self, place: usize) -> Option<Box<T>> {
        self.taken &= !(1 << place);
        self.places[place].take()
    }

    fn get(&self, place: usize) -> Option<&T> {
        self.places[place].as_deref()
    }

    /// The first one that is taken from this place on.
    fn first_from(&self, place: usize) -> Option<usize> {
        let rest = u32::MAX.checked_shl(place as u32).unwrap_or(0) & self.taken;
        (rest != 0).then(|| rest.trailing_zeros() as usize)
    }

    /// The last one that is taken before this place.
    fn last_before(&self, place: usize) -> Option<usize> {
        let rest = !u32::MAX.checked_shl(place as u32).unwrap_or(0) & self.taken;
        rest.checked_ilog2().map(|place| place as usize)
    }
}

/// Its place in a node so many levels above the pages.
fn place(id: u64, height: u32) -> usize {
    (id >> (BITS * height)) as usize % PLACES
}

/// The first number below this place of the node in which this number is.
fn first_at(id: u64, height: u32, at: usize) -> u64 {
    let above = (id >> (BITS * height)) - place(id, height) as u64;
    (above + at as u64) << (BITS * height)
}

impl<T> Node<T> {
    fn at_height(height: u32) -> Self {
        match height {
            0 => Self::Page(Places::default()),
            _ => Self::Branch(Places::default()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Branch(nodes) => nodes.taken == 0,
            Self::Page(rows) => rows.taken == 0,
        }
    }

    fn insert(&mut self, id: u64, height: u32, row: Box<T>) {
        let place = place(id, height);
        match self {
            Self::Branch(nodes) => {
                if nodes.get(place).is_none() {
                    nodes.put(place, Box::new(Self::at_height(height - 1)));
                }
                if let Some(node) = &mut nodes.places[place] {
                    node.insert(id, height - 1, row);
                }
            }
            Self::Page(rows) => rows.put(place, row),
        }
    }

    fn remove(&mut self, id: u64, height: u32) -> Option<Box<T>> {
        let place = place(id, height);
        match self {
            Self::Branch(nodes) => {
                let node = nodes.places[place].as_mut()?;
                let row = node.remove(id, height - 1);
                if node.is_empty() {
                    nodes.take(place);
                }
                row
            }
            Self::Page(rows) => rows.take(place),
        }
    }

    fn first_from(&self, id: u64, height: u32) -> Option<(u64, &T)> {
        let place = place(id, height);
        match self {
            Self::Branch(nodes) => {
                let here = nodes.get(place).and_then(|node| node.first_from(id, height - 1));
                here.or_else(|| {
                    let next = nodes.first_from(place + 1)?;
                    nodes.get(next)?.first_from(first_at(id, height, next), height - 1)
                })
            }
            Self::Page(rows) => {
                let next = rows.first_from(place)?;
                Some((first_at(id, height, next), rows.get(next)?))
            }
        }
    }

    /// The last one up to this number.
    fn last_to(&self, id: u64, height: u32) -> Option<(u64, &T)> {
        let place = place(id, height);
        match self {
            Self::Branch(nodes) => {
                let here = nodes.get(place).and_then(|node| node.last_to(id, height - 1));
                here.or_else(|| {
                    let last = nodes.last_before(place)?;
                    let end = first_at(id, height, last + 1).wrapping_sub(1);
                    nodes.get(last)?.last_to(end, height - 1)
                })
            }
            Self::Page(rows) => {
                let last = rows.last_before(place + 1)?;
                Some((first_at(id, height, last), rows.get(last)?))
            }
        }
    }

    fn each(&mut self, change: &mut impl FnMut(&mut T)) {
        match self {
            Self::Branch(nodes) => {
                nodes.places.iter_mut().flatten().for_each(|node| node.each(change));
            }
            Self::Page(rows) => rows.places.iter_mut().flatten().for_each(|row| change(row)),
        }
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { root: None, height: 0 }
    }
}

/// How high its levels are says nothing.
impl<T: PartialEq> PartialEq for Rows<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T> Rows<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// In the place of one that had this number before.
    pub(crate) fn insert(&mut self, id: u64, row: T) {
        while !self.reaches(id) {
            self.height += 1;
            if let Some(lower) = self.root.take() {
                let mut nodes = Places::default();
                nodes.put(0, lower);
                self.root = Some(Box::new(Node::Branch(nodes)));
            }
        }
        let height = self.height;
        let root = self.root.get_or_insert_with(|| Box::new(Node::at_height(height)));
        root.insert(id, height, Box::new(row));
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let (mut node, mut height) =
            (self.root.as_deref().filter(|_| self.reaches(id))?, self.height);
        loop {
            match node {
                Node::Branch(nodes) => node = nodes.get(place(id, height))?,
                Node::Page(rows) => return rows.get(place(id, 0)),
            }
            height -= 1;
        }
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (reaches, mut height) = (self.reaches(id), self.height);
        let mut node = self.root.as_deref_mut().filter(|_| reaches)?;
        loop {
            match node {
                Node::Branch(nodes) => node = nodes.places[place(id, height)].as_deref_mut()?,
                Node::Page(rows) => return rows.places[place(id, 0)].as_deref_mut(),
            }
            height -= 1;
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Box<T>> {
        let reaches = self.reaches(id);
        let root = self.root.as_mut().filter(|_| reaches)?;
        let row = root.remove(id, self.height);
        if root.is_empty() {
            *self = Self::default();
        }
        row
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.from(0)
    }

    pub(crate) fn for_each_mut(&mut self, mut change: impl FnMut(&mut T)) {
        if let Some(root) = &mut self.root {
            root.each(&mut change);
        }
    }

    /// From this number on.
    pub(crate) fn from(&self, id: u64) -> impl Iterator<Item = (u64, &T)> {
        let mut from = Some(id);
        iter::from_fn(move || {
            let (id, row) = self.first_from(from?)?;
            from = id.checked_add(1);
            Some((id, row))
        })
    }

    /// The first one from this number on.
    pub(crate) fn first_from(&self, id: u64) -> Option<(u64, &T)> {
        let root = self.root.as_ref().filter(|_| self.reaches(id))?;
        root.first_from(id, self.height)
    }

    /// The last one before this number.
    pub(crate) fn last_before(&self, id: u64) -> Option<(u64, &T)> {
        let last = u64::MAX >> (u64::BITS - self.bits());
        self.root.as_ref()?.last_to(id.checked_sub(1)?.min(last), self.height)
    }

    /// All of them, taken out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, T)> + use<T> {
        let mut all = mem::take(self);
        iter::from_fn(move || {
            let (id, _) = all.first_from(0)?;
            Some((id, *all.remove(id)?))
        })
    }

    /// Whether there is a place for this number.
    fn reaches(&self, id: u64) -> bool {
        id.checked_shr(self.bits()).unwrap_or(0) == 0
    }

    /// How many bits a number may have.
    fn bits(&self) -> u32 {
        (BITS * (self.height + 1)).min(u64::BITS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Some are close to each other, some at the borders of nodes, some as high as they can be.
    fn number() -> impl Strategy<Value = u64> {
        let near = (0..u64::BITS, -2i64..40);
        let near = near.prop_map(|(bits, off)| (1_u64 << bits).wrapping_add_signed(off));
        prop_oneof![0..100_u64, near]
    }

    proptest! {
        #[test]
        fn they_are_what_a_map_of_them_would_be(
            steps in prop::collection::vec((number(), any::<bool>()), 0..300),
            from in number(),
        ) {
            let (mut rows, mut map) = (Rows::default(), BTreeMap::new());
            for (value, (id, stays)) in steps.into_iter().enumerate() {
                if stays {
                    rows.insert(id, value);
                    map.insert(id, value);
                } else {
                    prop_assert_eq!(rows.remove(id).map(|row| *row), map.remove(&id));
                }
                prop_assert_eq!(rows.get(id), map.get(&id));
                prop_assert_eq!(rows.get_mut(id), map.get_mut(&id));
            }
            let all: Vec<_> = map.iter().map(|(&id, value)| (id, value)).collect();
            prop_assert_eq!(rows.iter().collect::<Vec<_>>(), all);
            let unnumbered = |(&id, value)| (id, value);
            prop_assert!(rows.from(from).eq(map.range(from..).map(unnumbered)));
            prop_assert_eq!(rows.first_from(from), map.range(from..).next().map(unnumbered));
            prop_assert_eq!(rows.last_before(from), map.range(..from).next_back().map(unnumbered));
            let one_more = |value: &mut usize| *value += 1;
            rows.for_each_mut(one_more);
            map.values_mut().for_each(one_more);
            prop_assert_eq!(rows.is_empty(), map.is_empty());
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
    fn a_node_goes_with_the_last_of_its_records() {
        fn nodes<T>(node: &Node<T>) -> usize {
            match node {
                Node::Branch(nodes_below) => {
                    1 + nodes_below.places.iter().flatten().map(|node| nodes(node)).sum::<usize>()
                }
                Node::Page(_) => 1,
            }
        }
        let (page, mut rows) = (PLACES as u64, Rows::default());
        (0..10 * page).for_each(|id| rows.insert(id, id));
        let others = (0..10 * page).filter(|id| id % page != 5);
        others.for_each(|id| assert_eq!(rows.remove(id).as_deref(), Some(&id)));
        assert_eq!(rows.root.as_deref().map(nodes), Some(10 + 1));
        (0..9).for_each(|at| {
            assert_eq!(rows.remove(at * page + 5).as_deref(), Some(&(at * page + 5)))
        });
        assert_eq!(rows.root.as_deref().map(nodes), Some(1 + 1));
        assert!(rows.remove(9 * page + 5).is_some());
        assert!(rows.is_empty());
    }

    #[test]
    fn those_that_hold_the_same_are_equal_whatever_they_have_held() {
        let (mut rows, mut others) = (Rows::default(), Rows::default());
        rows.insert(1, "one");
        others.insert(1, "one");
        others.insert(1_000_000, "a million");
        assert_ne!(rows, others);
        others.remove(1_000_000);
        assert_eq!(rows, others);
    }
}
