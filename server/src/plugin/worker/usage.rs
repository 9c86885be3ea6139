//! How much processor time a worker uses, for the calls that it has and between
//! them.

use std::{
    fs,
    time::{Duration, Instant},
};

/// A look now and then.
#[derive(Debug)]
pub(super) struct Usage {
    process: u32,
    /// What it was busy with at the last look.
    busy_with: (u64, usize),
    since: Instant,
    /// What it had used when that began.
    before: Duration,
}

/// What a look shows.
#[derive(Debug)]
pub(super) struct Looked {
    /// What it used for what it is busy with.
    pub(super) used: Duration,
    /// How long it has been busy with the same, or with nothing.
    pub(super) idle: Duration,
}

impl Usage {
    pub(super) fn of(process: u32) -> Self {
        let before = processor_time(process).unwrap_or_default();
        Self { process, busy_with: (0, 0), since: Instant::now(), before }
    }

    /// Looks, given which calls it has: how many it was given, and how many it has
    /// not answered.
    pub(super) fn look(&mut self, busy_with: (u64, usize)) -> Looked {
        let now = processor_time(self.process).unwrap_or(self.before);
        if busy_with != self.busy_with {
            (self.busy_with, self.since, self.before) = (busy_with, Instant::now(), now);
        }
        Looked { used: now.saturating_sub(self.before), idle: self.since.elapsed() }
    }
}

/// What all threads of a process have used so far.
fn processor_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let ticks = ticks(&stat)?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks.saturating_mul(1000) / per_second))
}

/// User and system time. A name, which may hold anything, stands before them in
/// parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut numbers = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(numbers.next()?.ok()? + numbers.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b) 9) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn a_process_that_works_uses_time_and_another_call_begins_at_nothing() {
        let mut usage = Usage::of(std::process::id());
        while usage.look((1, 1)).used.is_zero() {
            std::hint::black_box((0..100_000u64).sum::<u64>());
        }
        assert_eq!(usage.look((2, 1)).used, Duration::ZERO);
    }
}
