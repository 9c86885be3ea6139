//! How often something may happen.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A burst, which grows back one by one. What comes in between is too much.
#[derive(Debug)]
pub(crate) struct Allowance {
    interval: Duration,
    burst: Duration,
    /// When the whole burst will be there again.
    full: Mutex<Option<Instant>>,
}

impl Allowance {
    /// `burst` times at once, and once more for every `interval` that passes.
    pub(crate) fn new(burst: u32, interval: Duration) -> Self {
        Self { interval, burst: interval * burst, full: Mutex::new(None) }
    }

    /// Whether it may happen once more.
    pub(crate) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let next = full.map_or(now, |full| full.max(now)) + self.interval;
        let allowed = next.duration_since(now) <= self.burst;
        if allowed {
            *full = Some(next);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_for_each_interval() {
        let second = Duration::from_secs(1);
        let allowance = Allowance::new(2, second);
        let now = Instant::now();
        let taken = |after: u32| allowance.take_at(now + second * after / 2);
        assert_eq!([0, 0, 0, 1, 2, 2, 3, 4].map(taken), [true, true, false, false, true, false, false, true]);
    }
}
