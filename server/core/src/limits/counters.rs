//! What agents have used of their limits. Keyed by agent and kept outside the
//! snapshot, so that a reload neither refills nor forgets anything.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{id::AgentId, limits::Rate, policy::Reason};

/// Counters of every agent that has called.
#[derive(Debug)]
pub struct Counters {
    start: Instant,
    agents: Mutex<HashMap<AgentId, Arc<Mutex<Usage>>>>,
}

#[derive(Debug, Default)]
struct Usage {
    running: u32,
    /// GCRA's theoretical arrival time, in nanoseconds since `Counters::start`:
    /// when the agent will have all of its burst again.
    arrival: u64,
}

/// A running call. Dropping it ends the call, as far as counting goes.
#[derive(Debug)]
pub struct Slot(Arc<Mutex<Usage>>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage.running = usage.running.saturating_sub(1);
    }
}

impl Counters {
    /// Nobody has used anything.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), agents: Mutex::default() }
    }

    /// Counts a call of `agent` at `now`, or says every limit against it and
    /// counts nothing.
    pub fn admit(
        &self,
        agent: &AgentId,
        concurrency: u32,
        rate: Rate,
        now: Instant,
    ) -> Result<Slot, Vec<Reason>> {
        self.admit_unless(None, agent, concurrency, rate, now)
    }

    /// The same, with what already speaks against the call.
    pub fn admit_unless(
        &self,
        against: Option<Reason>,
        agent: &AgentId,
        concurrency: u32,
        rate: Rate,
        now: Instant,
    ) -> Result<Slot, Vec<Reason>> {
        let shared = {
            let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.entry(agent.clone()).or_default().clone()
        };
        let mut usage = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons: Vec<Reason> = against.into_iter().collect();
        if usage.running >= concurrency {
            let agent = agent.clone();
            reasons.push(Reason::TooManyCalls { agent, running: usage.running, limit: concurrency });
        }
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let interval = rate.interval_nanos();
        let tolerance = interval.saturating_mul(u64::from(rate.burst()).saturating_sub(1));
        let earliest = usage.arrival.saturating_sub(tolerance);
        if now < earliest {
            let retry_after_ms = (earliest - now).div_ceil(1_000_000);
            reasons.push(Reason::RateLimited { agent: agent.clone(), rate, retry_after_ms });
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        usage.running += 1;
        usage.arrival = usage.arrival.max(now).saturating_add(interval);
        drop(usage);
        Ok(Slot(shared))
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn agent() -> AgentId {
        "laptop".parse().unwrap()
    }

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn codes(reasons: &[Reason]) -> Vec<&'static str> {
        reasons.iter().map(Reason::code).collect()
    }

    #[test]
    fn a_burst_passes_and_the_next_call_waits_for_one_interval() {
        let counters = Counters::new();
        let now = Instant::now();
        let call = |at| counters.admit(&agent(), 9, rate("3/min"), at).map(drop);
        assert_eq!([call(now), call(now), call(now)], [Ok(()), Ok(()), Ok(())]);
        let refused = call(now).unwrap_err();
        assert_eq!(codes(&refused), ["rate_limited"]);
        let wait = Duration::from_millis(refused[0].retry_after_ms().unwrap());
        assert!(call(now + wait - Duration::from_millis(2)).is_err());
        assert_eq!(call(now + wait), Ok(()));
    }

    #[test]
    fn a_call_refused_by_one_limit_does_not_spend_the_other() {
        let counters = Counters::new();
        let now = Instant::now();
        let running = counters.admit(&agent(), 1, rate("2/day"), now).unwrap();
        for _ in 0..5 {
            let refused = counters.admit(&agent(), 1, rate("2/day"), now).unwrap_err();
            assert_eq!(codes(&refused), ["too_many_calls"]);
        }
        drop(running);
        assert!(counters.admit(&agent(), 1, rate("2/day"), now).is_ok());
    }

    #[test]
    fn every_limit_against_a_call_is_named() {
        let counters = Counters::new();
        let now = Instant::now();
        let _running = counters.admit(&agent(), 1, rate("1/h"), now).unwrap();
        let refused = counters.admit(&agent(), 1, rate("1/h"), now).unwrap_err();
        assert_eq!(codes(&refused), ["too_many_calls", "rate_limited"]);
        assert_eq!(refused[0].to_string(), "agent `laptop` has 1 calls running, and may have 1");
    }

    #[test]
    fn a_lowered_limit_applies_to_the_next_call() {
        let counters = Counters::new();
        let now = Instant::now();
        let _slots: Vec<_> =
            (0..3).map(|_| counters.admit(&agent(), 8, rate("60/min"), now).unwrap()).collect();
        assert_eq!(codes(&counters.admit(&agent(), 2, rate("60/min"), now).unwrap_err()), ["too_many_calls"]);
    }

    #[test]
    fn agents_do_not_share_limits() {
        let counters = Counters::new();
        let now = Instant::now();
        let _slot = counters.admit(&agent(), 1, rate("1/h"), now).unwrap();
        assert!(counters.admit(&"other".parse().unwrap(), 1, rate("1/h"), now).is_ok());
    }
}
