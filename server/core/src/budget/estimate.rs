//! How much to reserve for a request before it is known what it costs.

use std::collections::VecDeque;

use super::Mode;
use crate::money::NanoDollars;

/// How many charges an agent's habits are judged by, and how few say nothing.
const REMEMBERED: usize = 64;
const ENOUGH: usize = 8;

/// Of its charges, this share cost no more than what is reserved.
const MOST_PERCENT: usize = 95;

/// What is reserved at least, however little the last ones cost, in thousandths
/// of the worst case.
const FLOOR: u32 = 50;
const ALL: u32 = 1000;

/// What share of their worst case an agent's last requests cost, in thousandths.
/// Shares and not amounts, so that many small requests do not make a large one
/// look small.
#[derive(Clone, Debug, Default)]
pub struct Habits(VecDeque<u32>);

impl Habits {
    /// Notes what a request cost that might have cost `worst`.
    pub fn note(&mut self, worst: NanoDollars, cost: NanoDollars) {
        if worst <= NanoDollars::ZERO {
            return;
        }
        let share = i128::from(cost.nanos()).max(0) * i128::from(ALL) / i128::from(worst.nanos());
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(u32::try_from(share).unwrap_or(u32::MAX).min(ALL));
    }

    /// What to reserve for a request that costs `worst` at most.
    #[must_use]
    pub fn reserve(&self, mode: Mode, worst: NanoDollars) -> NanoDollars {
        match mode {
            Mode::Strict => worst,
            Mode::Fair => worst.per_mille(self.usual_share()).min(worst),
        }
    }

    fn usual_share(&self) -> u32 {
        if self.0.len() < ENOUGH {
            return ALL;
        }
        let mut shares: Vec<u32> = self.0.iter().copied().collect();
        shares.sort_unstable();
        let rank = (shares.len() * MOST_PERCENT).div_ceil(100);
        shares.get(rank.saturating_sub(1)).copied().unwrap_or(ALL).clamp(FLOOR, ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(amount: i64) -> NanoDollars {
        NanoDollars::new(amount)
    }

    fn after(charges: impl IntoIterator<Item = (i64, i64)>) -> Habits {
        let mut habits = Habits::default();
        charges.into_iter().for_each(|(worst, cost)| habits.note(nanos(worst), nanos(cost)));
        habits
    }

    #[test]
    fn a_strict_budget_reserves_the_worst_case_whatever_came_before() {
        assert_eq!(after([(1000, 1); 64]).reserve(Mode::Strict, nanos(700)), nanos(700));
    }

    #[test]
    fn a_fair_budget_reserves_what_nearly_all_requests_cost() {
        for (charges, reserved) in [
            // Too few to say.
            (vec![(1000, 10); 7], 1000),
            (vec![(1000, 100); 8], 100),
            // One in twenty may cost more, two may not.
            ([vec![(1000, 100); 19], vec![(1000, 900)]].concat(), 100),
            ([vec![(1000, 100); 18], vec![(1000, 900); 2]].concat(), 900),
            // Never less than a twentieth, never more than the worst case.
            (vec![(1000, 1); 64], 50),
            (vec![(1000, 5000); 64], 1000),
            // The latest count.
            ([vec![(1000, 900); 64], vec![(1000, 100); 64]].concat(), 100),
            // What costs nothing says nothing.
            (vec![(0, 0); 64], 1000),
        ] {
            assert_eq!(
                after(charges.clone()).reserve(Mode::Fair, nanos(1000)),
                nanos(reserved),
                "{charges:?}"
            );
        }
    }

    #[test]
    fn many_small_requests_do_not_make_a_large_one_look_small() {
        assert_eq!(after([(10, 5); 64]).reserve(Mode::Fair, nanos(1_000_000)), nanos(500_000));
    }
}
