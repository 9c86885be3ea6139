//! How many calls the process has under way at once, whoever makes them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// The calls that are under way.
///
/// An agent gets another place only while more are free than it has. So a lone
/// agent has at most half of them, two have a third each, and whoever has none yet
/// finds one: nobody keeps others out by having many calls.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<AtomicU32>);

/// A call's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicU32>);

impl Places {
    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a caller that has `own` of `most` would get one now.
    pub(super) fn has_room(&self, own: u32, most: u32) -> bool {
        own < most.saturating_sub(self.taken())
    }

    /// Takes one for a caller that has `own` of `most`.
    pub(super) fn take(&self, own: u32, most: u32) -> Option<Place> {
        let next = |taken: u32| (own < most.saturating_sub(taken)).then(|| taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Place(self.0.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_agent_keeps_the_others_out() {
        // The most that each agent gets, one after another, of ten places.
        for (most, got) in [(10, [5, 3, 1, 1]), (1, [1, 0, 0, 0]), (2, [1, 1, 0, 0]), (100, [50, 25, 13, 6])]
        {
            let places = Places::default();
            let mut held = Vec::new();
            let mut fill = |_: usize| {
                let mut own = 0;
                while let Some(place) = places.take(own, most) {
                    held.push(place);
                    own += 1;
                }
                own
            };
            assert_eq!([0, 1, 2, 3].map(&mut fill), got, "{most}");
            held.clear();
            assert_eq!(places.taken(), 0);
        }
    }

    #[test]
    fn fewer_places_count_for_the_next_call_and_end_none() {
        let places = Places::default();
        let held: Vec<_> = (0..4).map(|own| places.take(own, 10).unwrap()).collect();
        assert!(places.take(0, 4).is_none() && places.take(0, 0).is_none());
        assert!(!places.has_room(0, 4) && places.has_room(0, 5));
        drop(held);
        assert!(places.take(0, 4).is_some());
    }
}
