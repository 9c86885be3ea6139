//! What agents have used of their limits. Keyed by agent and kept outside the
//! snapshot, so that a reload neither refills nor forgets anything.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    Rate, ToolLimits,
    places::{Place, Places},
};
use crate::{id::AgentId, pattern::Pattern};
use gauge::Gauge;

mod gauge;

/// Counters of every agent that has called lately.
#[derive(Debug)]
pub struct Counters {
    start: Instant,
    places: Places,
    agents: Mutex<HashMap<AgentId, Arc<Mutex<Usage>>>>,
}

#[derive(Debug, Default)]
struct Usage {
    own: Gauge,
    /// By the pattern of [`ToolLimits`], which is what stays the same of them when
    /// the configuration changes.
    tools: BTreeMap<Pattern, Gauge>,
}

/// What a call is held to.
#[derive(Clone, Copy, Debug)]
pub struct Quota<'q> {
    /// Calls of the agent at the same time.
    pub concurrency: u32,
    /// Calls of the agent per time.
    pub rate: Rate,
    /// What is said of the tool in particular: each of these counts apart.
    pub tools: &'q [&'q Arc<ToolLimits>],
    /// Calls of everybody at the same time. `None`: this one takes nobody's place.
    pub places: Option<u32>,
}

/// A running call. Dropping it ends the call, as far as counting goes.
#[derive(Debug)]
pub struct Slot {
    usage: Arc<Mutex<Usage>>,
    tools: Vec<Arc<ToolLimits>>,
    _place: Option<Place>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut usage = lock(&self.usage);
        usage.own.end();
        for limits in &self.tools {
            if let Some(gauge) = usage.tools.get_mut(&limits.tools) {
                gauge.end();
            }
        }
    }
}

/// One thing that speaks against a call, as far as counters tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excess {
    /// As many calls run as may.
    Running {
        /// Of the tools of which this is said; of all, if of none.
        tools: Option<Pattern>,
        /// How many run.
        running: u32,
        /// How many may.
        limit: u32,
    },
    /// There were too many.
    Rate {
        /// Of the tools of which this is said; of all, if of none.
        tools: Option<Pattern>,
        /// How many may come.
        rate: Rate,
        /// When one may come again.
        retry_after_ms: u64,
    },
    /// There is no place.
    Overload {
        /// How many calls everybody has.
        taken: u32,
        /// How many they may have.
        most: u32,
        /// How many of them are the agent's.
        own: u32,
    },
}

impl Counters {
    /// Nobody has used anything. Calls take their places among `places`, which
    /// other counters may share.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self { start: Instant::now(), places, agents: Mutex::default() }
    }

    /// How many calls of each agent run that has some.
    #[must_use]
    pub fn running(&self) -> Vec<(AgentId, u32)> {
        let agents = lock(&self.agents);
        let all = agents.iter().map(|(agent, usage)| (agent.clone(), lock(usage).own.running()));
        all.filter(|(_, running)| *running > 0).collect()
    }

    /// How many calls of `agent` run, and how many could begin at `now` as far as
    /// its rate is concerned.
    #[must_use]
    pub fn standing(&self, agent: &AgentId, rate: Rate, now: Instant) -> (u32, u32) {
        let usage = lock(&self.agents).get(agent).cloned();
        let now = self.nanos(now);
        usage.map_or((0, rate.burst()), |usage| {
            let usage = lock(&usage);
            (usage.own.running(), usage.own.left(rate, now))
        })
    }

    /// How many calls everybody has under way.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.places.taken()
    }

    /// Counts a call of `agent` at `now`, or says everything that speaks against it
    /// and counts nothing anywhere. `blocked`: something else does already, so look,
    /// and do not count.
    ///
    /// # Errors
    ///
    /// What speaks against it; nothing, if only something else does.
    pub fn admit(
        &self,
        agent: &AgentId,
        quota: &Quota<'_>,
        blocked: bool,
        now: Instant,
    ) -> Result<Slot, Vec<Excess>> {
        let shared = lock(&self.agents).entry(agent.clone()).or_default().clone();
        let now = self.nanos(now);
        let mut usage = lock(&shared);
        let excess = usage.excess(quota, &self.places, now);
        if blocked || !excess.is_empty() {
            return Err(excess);
        }
        // The last thing that can fail, since other agents take places too.
        let place = quota.places.map(|most| {
            let own = usage.own.running();
            self.places.take(own, most).ok_or_else(|| vec![overload(&self.places, own, most)])
        });
        let place = place.transpose()?;
        usage.count(quota, now);
        drop(usage);
        let tools = quota.tools.iter().map(|limits| Arc::clone(limits)).collect();
        Ok(Slot { usage: shared, tools, _place: place })
    }

    /// Lets go of the counters that say no more than new ones would.
    pub fn forget_idle(&self, now: Instant) {
        let now = self.nanos(now);
        lock(&self.agents).retain(|_, usage| {
            // Who is about to count holds it, and gets it with `agents` locked.
            let in_use = Arc::strong_count(usage) > 1;
            let mut usage = lock(usage);
            usage.tools.retain(|_, gauge| !gauge.is_idle(now));
            in_use || !usage.own.is_idle(now) || !usage.tools.is_empty()
        });
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new(Places::default())
    }
}

impl Usage {
    fn excess(&self, quota: &Quota<'_>, places: &Places, now: u64) -> Vec<Excess> {
        let mut excess = Vec::new();
        self.own.excess(None, Some(quota.concurrency), Some(quota.rate), now, &mut excess);
        for of in quota.tools {
            if let Some(gauge) = self.tools.get(&of.tools) {
                gauge.excess(Some(&of.tools), of.limits.concurrency, of.limits.rate, now, &mut excess);
            }
        }
        let own = self.own.running();
        let full = quota.places.filter(|most| !places.has_room(own, *most));
        excess.extend(full.map(|most| overload(places, own, most)));
        excess
    }

    fn count(&mut self, quota: &Quota<'_>, now: u64) {
        self.own.begin(Some(quota.rate), now);
        for of in quota.tools {
            match self.tools.get_mut(&of.tools) {
                Some(gauge) => gauge.begin(of.limits.rate, now),
                None => {
                    let mut gauge = Gauge::default();
                    gauge.begin(of.limits.rate, now);
                    self.tools.insert(of.tools.clone(), gauge);
                }
            }
        }
    }
}

fn overload(places: &Places, own: u32, most: u32) -> Excess {
    Excess::Overload { taken: places.taken(), most, own }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
