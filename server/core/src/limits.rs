//! The five limits on tool calls, as numbers.

use std::{fmt, str::FromStr};

pub mod counters;

/// What bounds an agent's tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a call's arguments, as JSON.
    pub max_payload_bytes: u64,
    /// Bytes of a call's result, as JSON.
    pub max_response_bytes: u64,
    /// Seconds a call may take.
    pub timeout_seconds: u64,
    /// Calls at the same time.
    pub concurrency: u32,
    /// Calls per time.
    pub rate: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload_bytes: 65_536,
            max_response_bytes: 262_144,
            timeout_seconds: 30,
            concurrency: 8,
            rate: Rate { calls: 60, per: Period::Minute, burst: 60 },
        }
    }
}

impl Limits {
    /// These limits, none above its ceiling.
    #[must_use]
    pub fn under(self, ceiling: &LimitCeilings) -> Self {
        let lower = |limit: u64, ceiling: Option<u64>| ceiling.map_or(limit, |ceiling| limit.min(ceiling));
        Self {
            max_payload_bytes: lower(self.max_payload_bytes, ceiling.max_payload_bytes),
            max_response_bytes: lower(self.max_response_bytes, ceiling.max_response_bytes),
            timeout_seconds: lower(self.timeout_seconds, ceiling.timeout_seconds),
            concurrency: ceiling.concurrency.map_or(self.concurrency, |c| self.concurrency.min(c)),
            rate: ceiling.rate.map_or(self.rate, |ceiling| self.rate.under(ceiling)),
        }
    }
}

/// A tenant's word on its agents' limits: of each, the lower one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitCeilings {
    /// See [`Limits::max_payload_bytes`].
    pub max_payload_bytes: Option<u64>,
    /// See [`Limits::max_response_bytes`].
    pub max_response_bytes: Option<u64>,
    /// See [`Limits::timeout_seconds`].
    pub timeout_seconds: Option<u64>,
    /// See [`Limits::concurrency`].
    pub concurrency: Option<u32>,
    /// See [`Limits::rate`].
    pub rate: Option<Rate>,
}

/// Calls per time, written `60/min`. As many may come at once, unless a ceiling
/// allows fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    calls: u32,
    per: Period,
    burst: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Second,
    Minute,
    Hour,
    Day,
}

impl Period {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "day",
        }
    }

    fn nanos(self) -> u64 {
        1_000_000_000
            * match self {
                Self::Second => 1,
                Self::Minute => 60,
                Self::Hour => 3_600,
                Self::Day => 86_400,
            }
    }
}

impl Rate {
    /// The fixed bound on requests that are no tool calls, for each agent.
    pub const OTHER_REQUESTS: Self = Self { calls: 1200, per: Period::Minute, burst: 1200 };

    /// How many calls may come at once.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// The time in which one call's worth grows back, in nanoseconds.
    #[must_use]
    pub fn interval_nanos(self) -> u64 {
        self.per.nanos() / u64::from(self.calls.max(1))
    }

    /// The rate that keeps within both: of each its slower growth, and its smaller
    /// burst.
    fn under(self, ceiling: Self) -> Self {
        let slower = if self.interval_nanos() < ceiling.interval_nanos() { ceiling } else { self };
        Self { burst: self.burst.min(ceiling.burst), ..slower }
    }
}

/// Text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: write calls per time, with `s`, `min`, `h` or `day`, as in `60/min`")]
pub struct InvalidRate(String);

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .and_then(|(calls, per)| {
                let calls = calls.trim().parse().ok().filter(|calls| (1..=1_000_000).contains(calls))?;
                let per = Period::ALL.into_iter().find(|period| period.as_str() == per.trim())?;
                Some(Self { calls, per, burst: calls })
            })
            .ok_or_else(|| InvalidRate(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.per.as_str())?;
        if self.burst < self.calls {
            write!(f, ", {} at once", self.burst)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_reads_as_it_is_written() {
        for (text, interval) in [
            ("1/s", 1_000_000_000),
            ("60/min", 1_000_000_000),
            ("20/min", 3_000_000_000),
            ("3600/h", 1_000_000_000),
            ("1/day", 86_400_000_000_000),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.to_string().as_str(), rate.interval_nanos()), (text, interval));
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_rule() {
        for text in ["", "60", "0/min", "-1/min", "60/minute", "60/", "/min", "9999999/s"] {
            assert_eq!(
                text.parse::<Rate>().unwrap_err().to_string(),
                format!(
                    "`{text}` is no rate: write calls per time, with `s`, `min`, `h` or `day`, as in `60/min`"
                )
            );
        }
    }

    #[test]
    fn a_rate_under_a_ceiling_keeps_within_both() {
        for (own, ceiling, held, burst) in [
            ("10/s", "500/min", "500/min, 10 at once", 10),
            ("500/min", "10/s", "500/min, 10 at once", 10),
            ("60/min", "1/s", "60/min, 1 at once", 1),
            ("60/min", "1000/h", "1000/h, 60 at once", 60),
            ("20/min", "60/min", "20/min", 20),
            ("60/min", "20/min", "20/min", 20),
        ] {
            let ceiling = LimitCeilings { rate: Some(ceiling.parse().unwrap()), ..LimitCeilings::default() };
            let rate = Limits { rate: own.parse().unwrap(), ..Limits::default() }.under(&ceiling).rate;
            assert_eq!((rate.to_string().as_str(), rate.burst()), (held, burst), "{own}");
        }
    }

    #[test]
    fn of_a_limit_and_its_ceiling_the_lower_one_wins() {
        let ceiling = LimitCeilings {
            timeout_seconds: Some(10),
            concurrency: Some(100),
            rate: Some("30/min".parse().unwrap()),
            ..LimitCeilings::default()
        };
        let limits = Limits::default().under(&ceiling);
        assert_eq!(
            (limits.timeout_seconds, limits.concurrency, limits.rate.to_string().as_str()),
            (10, 8, "30/min")
        );
    }
}
