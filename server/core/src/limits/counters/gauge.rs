//! How many calls run, and how many there were lately.

use super::Excess;
use crate::{limits::Rate, pattern::Pattern};

/// What is counted of one agent, of all of its calls or of those of some tools.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    running: u32,
    /// GCRA's theoretical arrival time, in nanoseconds since the counters began:
    /// when the agent will have all of its burst again.
    arrival: u64,
}

impl Gauge {
    pub(super) fn running(&self) -> u32 {
        self.running
    }

    /// How many calls could begin at once.
    pub(super) fn left(&self, rate: Rate, now: u64) -> u32 {
        let used = self.arrival(rate, now).saturating_sub(now);
        let left = rate.burst_nanos().saturating_sub(used) / rate.interval_nanos().max(1);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Adds what speaks against one call more.
    pub(super) fn excess(
        &self,
        tools: Option<&Pattern>,
        concurrency: Option<u32>,
        rate: Option<Rate>,
        now: u64,
        excess: &mut Vec<Excess>,
    ) {
        if let Some(limit) = concurrency.filter(|limit| self.running >= *limit) {
            excess.push(Excess::Running { tools: tools.cloned(), running: self.running, limit });
        }
        let Some(rate) = rate else { return };
        let wait = self.arrival(rate, now).saturating_sub(rate.burst_nanos() - rate.interval_nanos());
        let wait = wait.saturating_sub(now);
        if wait > 0 {
            let retry_after_ms = wait.div_ceil(1_000_000);
            excess.push(Excess::Rate { tools: tools.cloned(), rate, retry_after_ms });
        }
    }

    pub(super) fn begin(&mut self, rate: Option<Rate>, now: u64) {
        self.running += 1;
        if let Some(rate) = rate {
            self.arrival = self.arrival(rate, now).max(now).saturating_add(rate.interval_nanos());
        }
    }

    pub(super) fn end(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Whether a new one would say the same.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.running == 0 && self.arrival <= now
    }

    /// What was used under a slower rate weighs no more than a whole burst of this
    /// one, so that a raised limit helps at once.
    fn arrival(&self, rate: Rate, now: u64) -> u64 {
        self.arrival.min(now.saturating_add(rate.burst_nanos()))
    }
}
