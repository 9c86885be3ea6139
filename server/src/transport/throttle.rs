//! Failed attempts to enter, by address: they are logged, and when they get too
//! many they are answered late. A valid token never waits, since many agents
//! may share the address of one proxy.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time;
use tracing::warn;

use super::bearer::NoAccess;
use waiting::Waiting;

mod waiting;

pub(crate) use waiting::Crowded;

/// How many failures an address may have before its next ones are answered
/// late, and how many it is forgiven in a minute.
const FREE: f64 = 10.0;

/// What the failures of an address add up to at most, so that it is forgiven
/// within two minutes whatever it did.
const MOST: f64 = 20.0;

/// The first delay; each further failure doubles it, up to the longest.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(2);

/// How many addresses are told apart; all further ones count as one.
const ADDRESSES: usize = 4096;
const EVERYONE_ELSE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// How often an address that fails on and on is logged, and how often the table
/// is searched for addresses to forget when it is full.
const LOG_EVERY: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Remembers who failed.
pub(crate) struct Throttle {
    failures: Mutex<Failures>,
    waiting: Waiting,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self { failures: Mutex::new(Failures::new(Instant::now())), waiting: Waiting::default() }
    }

    /// Notes a failure and waits as long as its answer shall.
    pub(crate) async fn failed(&self, address: IpAddr, path: &str, why: NoAccess) -> Result<(), Crowded> {
        let block = block(address);
        let verdict = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.note(block, Instant::now())
        };
        if let Some(unlogged) = verdict.log {
            warn!(target: "auth", %address, path, reason = why.code(), unlogged, delayed = !verdict.delay.is_zero(), "no access");
        }
        if !verdict.delay.is_zero() {
            let _place = self.waiting.enter(block)?;
            time::sleep(verdict.delay).await;
        }
        Ok(())
    }
}

/// What one customer of an internet provider has: an IPv4 address, or a /64.
pub(super) fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

struct Failures {
    by_address: HashMap<IpAddr, Record>,
    swept: Instant,
}

struct Record {
    level: f64,
    at: Instant,
    logged: Instant,
    unlogged: u32,
}

#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    delay: Duration,
    /// To be logged, with how many before it were not.
    log: Option<u32>,
}

impl Failures {
    fn new(now: Instant) -> Self {
        Self { by_address: HashMap::new(), swept: now }
    }

    fn note(&mut self, address: IpAddr, now: Instant) -> Verdict {
        let address = self.place(address, now);
        let record = self.by_address.entry(address).or_insert(Record {
            level: 0.0,
            at: now,
            logged: now,
            unlogged: 0,
        });
        record.level = (record.level_at(now) + 1.0).min(MOST);
        record.at = now;
        let over = record.level - FREE;
        let quiet = over > 1.0 && now.duration_since(record.logged) < LOG_EVERY;
        let log = if quiet {
            record.unlogged += 1;
            None
        } else {
            record.logged = now;
            Some(std::mem::take(&mut record.unlogged))
        };
        Verdict { delay: delay(over), log }
    }

    fn place(&mut self, address: IpAddr, now: Instant) -> IpAddr {
        if self.by_address.len() < ADDRESSES || self.by_address.contains_key(&address) {
            return address;
        }
        if now.duration_since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.by_address.retain(|_, record| record.level_at(now) > 0.0);
        }
        if self.by_address.len() < ADDRESSES { address } else { EVERYONE_ELSE }
    }
}

impl Record {
    fn level_at(&self, now: Instant) -> f64 {
        (self.level - now.duration_since(self.at).as_secs_f64() * FREE / 60.0).max(0.0)
    }
}

fn delay(over: f64) -> Duration {
    if over <= 0.0 {
        Duration::ZERO
    } else {
        SHORTEST.mul_f64(2_f64.powf((over - 1.0).max(0.0))).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn after_ten_failures_in_a_minute_answers_come_later_and_later() {
        let start = Instant::now();
        let mut failures = Failures::new(start);
        let mut delays = |count: usize, at: u64| -> Vec<u128> {
            let now = start + Duration::from_secs(at);
            (0..count).map(|_| failures.note(address(1), now).delay.as_millis()).collect()
        };
        assert_eq!(delays(10, 0), [0; 10]);
        assert_eq!(delays(6, 0), [250, 500, 1000, 2000, 2000, 2000]);
        assert_eq!(delays(2, 60), [0, 0]);
        assert_eq!(delays(30, 60).last(), Some(&2000));
        assert_eq!(delays(10, 180), [0; 10]);
    }

    #[test]
    fn failures_elsewhere_do_not_count() {
        let start = Instant::now();
        let mut failures = Failures::new(start);
        for _ in 0..20 {
            failures.note(address(1), start);
        }
        assert_eq!(failures.note(address(2), start), Verdict { delay: Duration::ZERO, log: Some(0) });
    }

    #[test]
    fn the_log_has_the_first_failures_and_then_one_line_a_minute() {
        let start = Instant::now();
        let mut failures = Failures::new(start);
        let mut lines = |count: usize, at: u64| -> Vec<u32> {
            let now = start + Duration::from_secs(at);
            (0..count).filter_map(|_| failures.note(address(1), now).log).collect()
        };
        assert_eq!(lines(40, 0), [0; 11]);
        assert_eq!(lines(40, 30), [0; 0]);
        assert_eq!(lines(40, 60), [69]);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        for (given, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ] {
            assert_eq!(block(given.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{given}");
        }
    }

    #[test]
    fn the_table_has_an_end_and_forgets_who_was_forgiven() {
        let start = Instant::now();
        let mut failures = Failures::new(start);
        for n in 0..10_000 {
            failures.note(address(n), start);
        }
        assert_eq!(failures.by_address.len(), ADDRESSES + 1);
        assert!(failures.note(address(20_000), start).delay > Duration::ZERO);
        let later = start + Duration::from_secs(60);
        assert_eq!(failures.note(address(20_000), later).delay, Duration::ZERO);
        assert_eq!(failures.by_address.len(), 2, "only whoever failed most is not forgiven yet");
    }
}
