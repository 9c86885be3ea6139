//! What agents have used of their limits. Keyed by agent and kept outside the
//! snapshot, so that a reload neither refills nor forgets anything.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{id::AgentId, limits::Rate};

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

    /// How many calls of each agent run that has some.
    #[must_use]
    pub fn running(&self) -> Vec<(AgentId, u32)> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let running = |usage: &Mutex<Usage>| usage.lock().unwrap_or_else(PoisonError::into_inner).running;
        let all = agents.iter().map(|(agent, usage)| (agent.clone(), running(usage)));
        all.filter(|(_, running)| *running > 0).collect()
    }

    /// Counts a call of `agent` at `now`, or says what speaks against it and counts
    /// nothing. `blocked`: something else does already, so look, and do not count.
    pub fn admit(
        &self,
        agent: &AgentId,
        concurrency: u32,
        rate: Rate,
        blocked: bool,
        now: Instant,
    ) -> Result<Slot, Excess> {
        let shared = {
            let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.entry(agent.clone()).or_default().clone()
        };
        let mut usage = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let interval = rate.interval_nanos();
        let burst = interval.saturating_mul(u64::from(rate.burst()));
        // What was used under a slower rate weighs no more than a whole burst of
        // this one, so that a raised limit helps at once.
        let arrival = usage.arrival.min(now.saturating_add(burst));
        let wait = arrival.saturating_sub(burst.saturating_sub(interval)).saturating_sub(now);
        let excess = Excess {
            running: (usage.running >= concurrency).then_some(usage.running),
            retry_after_ms: (wait > 0).then(|| wait.div_ceil(1_000_000)),
        };
        if blocked || excess != Excess::default() {
            return Err(excess);
        }
        usage.running += 1;
        usage.arrival = arrival.max(now).saturating_add(interval);
        drop(usage);
        Ok(Slot(shared))
    }
}

/// What speaks against a call, as far as counters tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excess {
    /// As many calls run as may; so many.
    pub running: Option<u32>,
    /// There were too many; a call may come again after so many milliseconds.
    pub retry_after_ms: Option<u64>,
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

    #[test]
    fn a_burst_passes_and_the_next_call_waits_for_one_interval() {
        let counters = Counters::new();
        let now = Instant::now();
        let call = |at| counters.admit(&agent(), 9, rate("3/min"), false, at).map(drop);
        assert_eq!([call(now), call(now), call(now)], [Ok(()), Ok(()), Ok(())]);
        let refused = call(now).unwrap_err();
        assert_eq!(refused.running, None);
        let wait = Duration::from_millis(refused.retry_after_ms.unwrap());
        assert!(call(now + wait - Duration::from_millis(2)).is_err());
        assert_eq!(call(now + wait), Ok(()));
    }

    #[test]
    fn a_call_refused_by_one_limit_does_not_spend_the_other() {
        let counters = Counters::new();
        let now = Instant::now();
        let call = |blocked| counters.admit(&agent(), 1, rate("2/day"), blocked, now);
        assert_eq!(call(true).unwrap_err(), Excess::default());
        let running = call(false).unwrap();
        for _ in 0..5 {
            assert_eq!(call(false).unwrap_err(), Excess { running: Some(1), retry_after_ms: None });
        }
        drop(running);
        assert!(call(false).is_ok());
    }

    #[test]
    fn every_limit_against_a_call_is_named() {
        let counters = Counters::new();
        let now = Instant::now();
        let _running = counters.admit(&agent(), 1, rate("1/h"), false, now).unwrap();
        let refused = counters.admit(&agent(), 1, rate("1/h"), false, now).unwrap_err();
        assert_eq!(refused, Excess { running: Some(1), retry_after_ms: Some(3_600_000) });
    }

    #[test]
    fn a_changed_limit_applies_to_the_next_call() {
        let counters = Counters::new();
        let now = Instant::now();
        let call = |concurrency, text| counters.admit(&agent(), concurrency, rate(text), false, now);
        let _slots: Vec<_> = (0..3).map(|_| call(8, "3/day").unwrap()).collect();
        assert_eq!(call(2, "60/min").unwrap_err().running, Some(3));
        assert!(call(8, "3/day").unwrap_err().retry_after_ms > Some(3_600_000));
        let raised = call(8, "60/min").unwrap_err();
        assert!(
            raised.retry_after_ms <= Some(1000),
            "a raised rate helps within its own interval: {raised:?}"
        );
    }

    #[test]
    fn agents_do_not_share_limits() {
        let counters = Counters::new();
        let now = Instant::now();
        let _slot = counters.admit(&agent(), 1, rate("1/h"), false, now).unwrap();
        assert!(counters.admit(&"other".parse().unwrap(), 1, rate("1/h"), false, now).is_ok());
    }
}
