//! What the audit has done, counted for the metrics.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
};

use super::event::Event;

pub(crate) struct Counts {
    written: [AtomicU64; Event::ALL.len()],
    failures: AtomicU64,
    lost: AtomicU64,
    syncs: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self { written: array::from_fn(|_| zero()), failures: zero(), lost: zero(), syncs: zero() }
    }
}

impl Counts {
    pub(crate) fn written(&self, event: Event) {
        if let Some(count) = self.written.get(event as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// How many records there are of each event of which there is one.
    pub(crate) fn by_event(&self) -> Vec<(&'static str, u64)> {
        let counted = Event::ALL.iter().zip(&self.written);
        let counted = counted.map(|(event, count)| (event.as_str(), count.load(Ordering::Relaxed)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// How often writing became impossible, how many records were lost meanwhile,
    /// and how often the disk was waited for.
    pub(crate) fn failures_lost_syncs(&self) -> [u64; 3] {
        [&self.failures, &self.lost, &self.syncs].map(|count| count.load(Ordering::Relaxed))
    }
}
