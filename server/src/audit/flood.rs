//! What strangers and clients in a loop can make happen without end is on record
//! one by one only up to a number; the rest is counted, and the counts are on
//! record once a minute. So nobody can fill the disk, or push what counts out of
//! the segments that are kept.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    chain::Body,
    event::Event,
    record::{body, microseconds},
};

/// How long things are counted together.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How many of a window are on record one by one, of all addresses together and of
/// each agent.
const ONE_BY_ONE: u64 = 60;
/// How many addresses are told apart.
const ADDRESSES: usize = 4096;

/// Failures to authenticate, and calls that came too fast.
pub(crate) struct Floods {
    begun: Instant,
    since: Timestamp,
    failures: u64,
    counted: Failures,
    addresses: HashSet<IpAddr>,
    /// By agent.
    refusals: BTreeMap<String, Refused>,
}

/// Failures that are not on record one by one, as a record has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    /// From how many addresses, as far as they are told apart.
    pub(crate) addresses: usize,
    pub(crate) reasons: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct Refused {
    one_by_one: u64,
    counted: Refusals,
}

/// Refusals that are not on record one by one, as a record has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Refusals {
    pub(crate) agent: String,
    pub(crate) count: u64,
    pub(crate) reasons: BTreeMap<&'static str, u64>,
}

/// A window's counts.
#[derive(Serialize)]
pub(crate) struct Window<T> {
    #[serde(serialize_with = "microseconds")]
    pub(crate) since: Timestamp,
    #[serde(flatten)]
    pub(crate) counted: T,
}

/// All that a window has counted.
pub(crate) struct Counted {
    pub(crate) failures: Option<Window<Failures>>,
    pub(crate) refusals: Vec<Window<Refusals>>,
}

impl Counted {
    /// The records that tell of it.
    pub(crate) fn bodies(&self) -> Vec<(Event, Body)> {
        let failures = self.failures.iter().map(|it| (Event::AuthFailures, body(Event::AuthFailures, it)));
        let refusals = self.refusals.iter().map(|it| (Event::Refusals, body(Event::Refusals, it)));
        failures.chain(refusals).collect()
    }
}

impl Floods {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            since: Timestamp::now(),
            failures: 0,
            counted: Failures::default(),
            addresses: HashSet::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// Whether a failure is to be on record by itself. Otherwise it is counted.
    pub(crate) fn failure(&mut self, address: IpAddr, reason: &'static str) -> bool {
        self.failures += 1;
        if self.failures <= ONE_BY_ONE {
            return true;
        }
        self.counted.count += 1;
        *self.counted.reasons.entry(reason).or_default() += 1;
        if self.addresses.len() < ADDRESSES {
            self.addresses.insert(address);
        }
        false
    }

    /// The same of a call that came too fast.
    pub(crate) fn refusal(&mut self, agent: &str, reasons: &[&'static str]) -> bool {
        if !self.refusals.contains_key(agent) {
            let counted = Refusals { agent: agent.to_owned(), ..Refusals::default() };
            self.refusals.insert(agent.to_owned(), Refused { one_by_one: 0, counted });
        }
        let Some(refused) = self.refusals.get_mut(agent) else { return true };
        refused.one_by_one += 1;
        if refused.one_by_one <= ONE_BY_ONE {
            return true;
        }
        refused.counted.count += 1;
        for reason in reasons {
            *refused.counted.reasons.entry(reason).or_default() += 1;
        }
        false
    }

    /// Whether the window is over.
    pub(crate) fn is_over(&self) -> bool {
        self.begun.elapsed() >= WINDOW
    }

    /// What the window has counted; another one begins.
    pub(crate) fn take(&mut self) -> Counted {
        let Self { since, mut counted, addresses, refusals, .. } = std::mem::replace(self, Self::new());
        counted.addresses = addresses.len();
        let failures = (counted.count > 0).then_some(Window { since, counted });
        let refusals = refusals.into_values().map(|refused| refused.counted).filter(|it| it.count > 0);
        Counted { failures, refusals: refusals.map(|counted| Window { since, counted }).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_failures_are_on_record_one_by_one_and_the_rest_is_counted() {
        let mut floods = Floods::new();
        let address = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n % 5000));
        let alone = (0..10_000).filter(|n| floods.failure(address(*n), "unknown_token")).count();
        assert_eq!(alone, 60);
        let failures = floods.take().failures.unwrap().counted;
        assert_eq!((failures.count, failures.addresses), (9940, ADDRESSES));
        assert_eq!(failures.reasons, BTreeMap::from([("unknown_token", 9940)]));
        assert!(floods.take().failures.is_none());
        assert!(floods.failure(address(1), "no_token"), "another window has begun");
    }

    #[test]
    fn one_agents_loop_takes_nothing_from_another_agents_record() {
        let mut floods = Floods::new();
        let alone = (0..100).filter(|_| floods.refusal("loop", &["rate_limited", "too_many_calls"])).count();
        assert_eq!(alone, 60);
        assert!(floods.refusal("other", &["rate_limited"]));
        let [refusals] = floods.take().refusals.try_into().ok().unwrap();
        let expected = BTreeMap::from([("rate_limited", 40), ("too_many_calls", 40)]);
        assert_eq!((refusals.counted.agent.as_str(), refusals.counted.reasons), ("loop", expected));
    }
}
