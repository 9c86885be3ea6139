//! How many calls may come in a time, and how many of them at once.

use std::{fmt, str::FromStr};

/// The most that a number in a rate may be.
const MOST: u32 = 1_000_000;

/// Calls per time, written `60/min`, or `60/min burst 10`: where they may not all
/// come at once.
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
    /// What an agent has of which nothing is said.
    pub const STANDARD: Self = Self { calls: 60, per: Period::Minute, burst: 60 };

    /// The fixed bound on requests that are no tool calls, for each agent.
    pub const OTHER_REQUESTS: Self = Self { calls: 1200, per: Period::Minute, burst: 1200 };

    /// How many calls may come at once.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// The time in which one call's worth grows back, in nanoseconds. Rounded up, so
    /// that no rounding lets a call more through.
    #[must_use]
    pub fn interval_nanos(self) -> u64 {
        self.per.nanos().div_ceil(u64::from(self.calls.max(1)))
    }

    /// The time in which all of the burst grows back.
    #[must_use]
    pub fn burst_nanos(self) -> u64 {
        self.interval_nanos().saturating_mul(u64::from(self.burst))
    }

    /// The rate that keeps within both: of each its slower growth, and its smaller
    /// burst.
    pub(super) fn under(self, ceiling: Self) -> Self {
        let slower = if self.interval_nanos() < ceiling.interval_nanos() { ceiling } else { self };
        Self { burst: self.burst.min(ceiling.burst), ..slower }
    }

    /// `60/min calls`, for a sentence; `of` which, follows.
    pub(crate) fn in_words(self, of: &str) -> String {
        let (calls, per) = (self.calls, self.per.as_str());
        if self.burst == calls {
            return format!("{calls}/{per} calls{of}");
        }
        format!("{calls}/{per} calls{of}, {} at once", self.burst)
    }
}

/// Text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: write calls per `s`, `min`, `h` or `day`, as in `60/min` or `60/min burst 10`")]
pub struct InvalidRate(String);

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| InvalidRate(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Rate> {
    let number = |text: &str| text.trim().parse().ok().filter(|number| (1..=MOST).contains(number));
    let (calls, rest) = text.split_once('/')?;
    let calls = number(calls)?;
    let (per, burst) = match rest.trim().split_once(char::is_whitespace) {
        None => (rest.trim(), calls),
        Some((per, burst)) => {
            let burst = burst.trim().strip_prefix("burst")?;
            (per, number(burst.strip_prefix(char::is_whitespace)?)?)
        }
    };
    let per = Period::ALL.into_iter().find(|period| period.as_str() == per)?;
    Some(Rate { calls, per, burst })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.per.as_str())?;
        if self.burst != self.calls {
            write!(f, " burst {}", self.burst)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_reads_as_it_is_written() {
        for (text, interval, burst) in [
            ("1/s", 1_000_000_000, 1),
            ("3/s", 333_333_334, 3),
            ("60/min", 1_000_000_000, 60),
            ("60/min burst 10", 1_000_000_000, 10),
            ("1/h burst 5", 3_600_000_000_000, 5),
            ("20/min", 3_000_000_000, 20),
            ("3600/h", 1_000_000_000, 3600),
            ("1/day", 86_400_000_000_000, 1),
        ] {
            let rate = rate(text);
            assert_eq!(
                (rate.to_string().as_str(), rate.interval_nanos(), rate.burst()),
                (text, interval, burst)
            );
        }
        assert_eq!(rate(" 60 / min  burst  60 ").to_string(), "60/min");
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_rule() {
        for text in [
            "",
            "60",
            "0/min",
            "-1/min",
            "60/minute",
            "60/",
            "/min",
            "9999999/s",
            "60/min 10",
            "60/min burst",
            "60/min burst 0",
            "60/min burst10",
            "60/minburst 10",
            "60/min burst 1000001",
        ] {
            assert_eq!(
                text.parse::<Rate>().unwrap_err().to_string(),
                format!(
                    "`{text}` is no rate: write calls per `s`, `min`, `h` or `day`, as in `60/min` or `60/min burst 10`"
                )
            );
        }
    }

    #[test]
    fn a_rate_under_a_ceiling_keeps_within_both() {
        for (own, ceiling, held) in [
            ("10/s", "500/min", "500/min burst 10"),
            ("500/min", "10/s", "500/min burst 10"),
            ("60/min", "1/s", "60/min burst 1"),
            ("60/min", "1000/h", "1000/h burst 60"),
            ("20/min", "60/min", "20/min"),
            ("60/min", "20/min", "20/min"),
            ("60/min burst 5", "30/min", "30/min burst 5"),
            ("60/min burst 100", "60/min burst 80", "60/min burst 80"),
        ] {
            assert_eq!(rate(own).under(rate(ceiling)), rate(held), "{own}");
        }
    }

    #[test]
    fn in_a_sentence_it_says_of_what() {
        assert_eq!(rate("60/min").in_words(""), "60/min calls");
        assert_eq!(rate("60/min burst 10").in_words(" of `jira.*`"), "60/min calls of `jira.*`, 10 at once");
    }
}
