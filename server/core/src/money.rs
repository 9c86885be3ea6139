//! Money, exact: whole nano-dollars, and prices per million tokens.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const NANOS: i64 = 1_000_000_000;
const DECIMALS: usize = 9;
const MILLION: i128 = 1_000_000;

/// An amount of US dollars, in billionths. No float is ever near it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoDollars(i64);

impl NanoDollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than anything costs.
    pub const MAX: Self = Self(i64::MAX);

    /// So many billionths of a dollar.
    #[must_use]
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    /// In billionths of a dollar.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The sum, if there is one.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The sum, or the largest amount there is: whoever compares it with a limit
    /// is right to refuse.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it, never less than nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// As a number of dollars for programs: `2.50`.
    #[must_use]
    pub fn decimal(self) -> String {
        self.to_string().replace('$', "")
    }

    /// So many thousandths of it, rounded up.
    #[must_use]
    pub fn per_mille(self, thousandths: u32) -> Self {
        let product = i128::from(self.0) * i128::from(thousandths);
        Self(divided_up(product, 1000).unwrap_or(i64::MAX))
    }
}

impl std::iter::Sum for NanoDollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Dollars and cents, and as many more decimals as it has: `$2.50`, `$0.000037`.
impl fmt::Display for NanoDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanos) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let fraction = format!("{:09}", nanos % NANOS.unsigned_abs());
        let (cents, rest) = fraction.split_at(2);
        let rest = rest.trim_end_matches('0');
        write!(f, "{sign}${}.{cents}{rest}", nanos / NANOS.unsigned_abs())
    }
}

/// Text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// It does not read like one.
    #[error("`{0}` is no amount of US dollars: write digits, as in `2.50`")]
    NoNumber(String),
    /// It has a fraction of a billionth.
    #[error("`{0}` has more than nine decimals")]
    TooFine(String),
    /// It is beyond what can be counted.
    #[error("`{0}` is more than 1000000")]
    TooMuch(String),
}

/// Decimal digits, and an exponent where there is one, as in `2.5` or `1e-7`. What
/// a float is written as reads back exactly: up to a million and with nine
/// decimals it has no more than 15 digits.
impl FromStr for NanoDollars {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let no_number = || InvalidAmount::NoNumber(text.to_owned());
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().map_err(|_| no_number())?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(no_number());
        }
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Ok(Self::ZERO);
        }
        let length = |text: &str| i32::try_from(text.len()).map_err(|_| no_number());
        // Billionths: the value is `kept` times ten to this.
        let shift = exponent
            .checked_sub(length(fraction)?)
            .and_then(|shift| shift.checked_add(length(digits).ok()? - length(kept).ok()?))
            .and_then(|shift| shift.checked_add(i32::try_from(DECIMALS).ok()?))
            .ok_or_else(no_number)?;
        let too_much = || InvalidAmount::TooMuch(text.to_owned());
        let shift = u32::try_from(shift).map_err(|_| InvalidAmount::TooFine(text.to_owned()))?;
        let kept: i64 = kept.parse().map_err(|_| too_much())?;
        let scale = 10i64.checked_pow(shift).ok_or_else(too_much)?;
        let nanos = kept.checked_mul(scale).filter(|nanos| *nanos <= 1_000_000 * NANOS);
        nanos.map(Self).ok_or_else(too_much)
    }
}

/// What tokens cost: US dollars per million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerMillion(pub NanoDollars);

/// A sum of tokens times prices that has not been divided yet, so that a charge is
/// rounded once, and up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bill(i128);

impl Bill {
    /// The same with so many tokens more.
    #[must_use]
    pub fn with(self, tokens: u64, price: PerMillion) -> Self {
        // 64 bits times 64 bits: it fits, and so does every sum of a few.
        Self(self.0.saturating_add(i128::from(tokens) * i128::from(price.0.0)))
    }

    /// What it comes to, or the largest amount there is.
    #[must_use]
    pub fn total(self) -> NanoDollars {
        NanoDollars(divided_up(self.0, MILLION).unwrap_or(i64::MAX))
    }
}

fn divided_up(amount: i128, by: i128) -> Option<i64> {
    i64::try_from(amount.checked_add(by - 1)?.div_euclid(by)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(text: &str) -> NanoDollars {
        text.parse().unwrap()
    }

    #[test]
    fn an_amount_is_read_exactly_as_it_is_written() {
        for (text, nanos, shown) in [
            ("0", 0, "$0.00"),
            ("0.00", 0, "$0.00"),
            ("2.50", 2_500_000_000, "$2.50"),
            ("0.1", 100_000_000, "$0.10"),
            ("0.000000001", 1, "$0.000000001"),
            ("1e-7", 100, "$0.0000001"),
            ("2.5e-7", 250, "$0.00000025"),
            ("1.0E2", 100_000_000_000, "$100.00"),
            ("999999.999999999", 999_999_999_999_999, "$999999.999999999"),
            ("1000000", 1_000_000_000_000_000, "$1000000.00"),
        ] {
            assert_eq!(dollars(text), NanoDollars(nanos), "{text}");
            assert_eq!(NanoDollars(nanos).to_string(), shown);
        }
        assert_eq!(NanoDollars(-1_250_000_000).to_string(), "-$1.25");
    }

    #[test]
    fn what_is_no_amount_is_refused_and_quoted() {
        for (text, message) in [
            ("", "`` is no amount of US dollars: write digits, as in `2.50`"),
            (".5", "`.5` is no amount of US dollars: write digits, as in `2.50`"),
            ("-1", "`-1` is no amount of US dollars: write digits, as in `2.50`"),
            ("$5", "`$5` is no amount of US dollars: write digits, as in `2.50`"),
            ("1e999999999999", "`1e999999999999` is no amount of US dollars: write digits, as in `2.50`"),
            ("0.0000000001", "`0.0000000001` has more than nine decimals"),
            ("1e-400", "`1e-400` has more than nine decimals"),
            ("1000000.01", "`1000000.01` is more than 1000000"),
            ("1e300", "`1e300` is more than 1000000"),
            ("99999999999999999999", "`99999999999999999999` is more than 1000000"),
        ] {
            assert_eq!(text.parse::<NanoDollars>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_float_of_up_to_fifteen_digits_is_read_as_it_was_written() {
        for text in ["0.1", "0.3", "1.1", "0.075", "4.35", "25.000000000000004", "123456.123456789"] {
            let written = text.parse::<f64>().unwrap().to_string();
            let exact = text.parse::<NanoDollars>();
            assert_eq!(written.parse::<NanoDollars>(), exact, "{text}");
        }
    }

    #[test]
    fn a_bill_is_rounded_once_and_up() {
        let half_a_nano = PerMillion(NanoDollars(500_000));
        let both = Bill::default().with(1, half_a_nano).with(1, half_a_nano);
        assert_eq!(both.total(), NanoDollars(1));
        assert_eq!(both.with(1, half_a_nano).total(), NanoDollars(2));
        assert_eq!(Bill::default().with(u64::MAX, PerMillion(NanoDollars::MAX)).total(), NanoDollars::MAX);
    }

    #[test]
    fn sums_stop_at_the_largest_amount_instead_of_going_round() {
        assert_eq!(NanoDollars::MAX.checked_add(NanoDollars(1)), None);
        assert_eq!(NanoDollars::MAX.saturating_add(NanoDollars(1)), NanoDollars::MAX);
        assert_eq!(NanoDollars(1).less(NanoDollars(2)), NanoDollars::ZERO);
        assert_eq!(NanoDollars(1001).per_mille(1), NanoDollars(2));
    }
}
