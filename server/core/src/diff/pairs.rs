//! Two mappings side by side, in one pass over both.

use std::{cmp::Ordering, collections::BTreeMap};

/// What a name stands for in two mappings.
pub(super) enum Pair<'a, V> {
    /// In the first one only.
    Old(&'a V),
    /// In both.
    Both(&'a V, &'a V),
    /// In the second one only.
    New(&'a V),
}

/// Every name of two mappings, in order.
pub(super) fn paired<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Pair<'a, V>)> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => old.next().map(|(name, was)| (name, Pair::Old(was))),
            Ordering::Greater => new.next().map(|(name, is)| (name, Pair::New(is))),
            Ordering::Equal => {
                old.next().zip(new.next()).map(|((name, was), (_, is))| (name, Pair::Both(was, is)))
            }
        }
    })
}
