//! Whether a request still fits into what is left.

use super::Scope;
use crate::money::NanoDollars;

/// How a scope's money stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Charged: gone until the reset. What a crash left reserved is among it,
    /// since nobody is left to say what became of it.
    pub spent: NanoDollars,
    /// Held by requests that run: some of it may come back.
    pub reserved: NanoDollars,
}

impl Standing {
    /// What is left of a limit.
    #[must_use]
    pub fn remaining(&self, limit: NanoDollars) -> NanoDollars {
        limit.less(self.spent).less(self.reserved)
    }
}

/// The answer to a request for money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits everywhere.
    Admitted,
    /// It does not fit now, and only money that others have reserved is in the way:
    /// waiting may help.
    Wait(Vec<Shortfall>),
    /// Money that is spent is in the way.
    Denied(Vec<Shortfall>),
}

/// One scope into which a request does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Which.
    pub scope: Scope,
    /// Its limit.
    pub limit: NanoDollars,
    /// How it stands.
    pub standing: Standing,
    /// What the request would reserve there.
    pub wanted: NanoDollars,
}

impl Shortfall {
    /// Whether it would fit if nothing were reserved.
    #[must_use]
    pub fn is_reserved_only(&self) -> bool {
        fits(NanoDollars::ZERO, &self.standing, self.wanted, self.limit)
    }

    /// Whether it would not fit into the whole of the limit.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.wanted > self.limit
    }
}

/// Judges a request by all of its scopes: each with how it stands, and what would
/// be reserved there. Every scope that is too small is named.
#[must_use]
pub fn judge(scopes: &[(Scope, Standing, NanoDollars)]) -> Verdict {
    let too_small = |(scope, standing, wanted): &(Scope, Standing, NanoDollars)| {
        let limit = scope.limit?;
        let is_short = !fits(standing.reserved, standing, *wanted, limit);
        is_short.then(|| Shortfall { scope: scope.clone(), limit, standing: *standing, wanted: *wanted })
    };
    let shortfalls: Vec<_> = scopes.iter().filter_map(too_small).collect();
    if shortfalls.is_empty() {
        Verdict::Admitted
    } else if shortfalls.iter().all(Shortfall::is_reserved_only) {
        Verdict::Wait(shortfalls)
    } else {
        Verdict::Denied(shortfalls)
    }
}

/// What nobody can add up does not fit. A request that costs nothing fits as long
/// as no more is gone than there was: a limit of nothing is for models that cost
/// nothing.
fn fits(reserved: NanoDollars, standing: &Standing, wanted: NanoDollars, limit: NanoDollars) -> bool {
    let sum = standing.spent.checked_add(reserved).and_then(|sum| sum.checked_add(wanted));
    sum.is_some_and(|sum| sum <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Mode, Owner, Period, Window};

    fn scope(name: &str, limit: i64) -> Scope {
        Scope {
            owner: Owner::Agent(name.parse().unwrap()),
            period: Period::Day,
            window: Window { label: "2026-11-25".to_owned(), resets_at: None },
            limit: Some(NanoDollars::new(limit)),
            mode: Mode::Strict,
        }
    }

    fn standing(spent: i64, reserved: i64) -> Standing {
        Standing { spent: NanoDollars::new(spent), reserved: NanoDollars::new(reserved) }
    }

    #[test]
    fn what_is_spent_reserved_and_wanted_must_be_within_the_limit() {
        for (limit, spent, reserved, wanted, expected) in [
            (10, 0, 0, 10, "admitted"),
            (10, 4, 3, 3, "admitted"),
            (10, 4, 3, 4, "wait"),
            (10, 4, 6, 6, "wait"),
            (10, 7, 0, 4, "denied"),
            (10, 7, 3, 4, "denied"),
            (10, 0, 0, 11, "denied"),
            // The limit was lowered below what is spent.
            (10, 12, 0, 0, "denied"),
            (0, 0, 0, 0, "admitted"),
            (0, 0, 0, 1, "denied"),
            // A sum beyond all numbers.
            (i64::MAX, 1, 0, i64::MAX, "denied"),
            (i64::MAX, 0, i64::MAX, 1, "wait"),
        ] {
            let verdict =
                judge(&[(scope("laptop", limit), standing(spent, reserved), NanoDollars::new(wanted))]);
            let word = match verdict {
                Verdict::Admitted => "admitted",
                Verdict::Wait(_) => "wait",
                Verdict::Denied(_) => "denied",
            };
            assert_eq!(word, expected, "{limit} {spent} {reserved} {wanted}");
        }
    }

    #[test]
    fn every_scope_that_is_too_small_is_named_and_one_of_spent_money_denies() {
        let wanted = NanoDollars::new(5);
        let verdict = judge(&[
            (scope("roomy", 100), standing(0, 0), wanted),
            (Scope { limit: None, ..scope("boundless", 0) }, standing(i64::MAX, 9), wanted),
            (scope("busy", 10), standing(0, 8), wanted),
            (scope("empty", 10), standing(9, 0), wanted),
        ]);
        let Verdict::Denied(shortfalls) = verdict else { panic!("{verdict:?}") };
        let names: Vec<_> =
            shortfalls.iter().map(|it| (it.scope.owner.name(), it.is_reserved_only())).collect();
        assert_eq!(names, [("busy", true), ("empty", false)]);
    }
}
