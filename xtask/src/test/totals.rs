//! How many tests passed, and how many did not.

use std::{
    fmt,
    ops::{Add, AddAssign},
};

/// How many of what was checked passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Totals {
    /// A check that is no test counts as one.
    pub(super) fn of_check(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed) }
    }
}

/// What one line of `cargo test` adds: nothing, unless it sums a test program.
pub(super) fn of_line(line: &str) -> Totals {
    let Some(result) = line.strip_prefix("test result: ") else {
        return Totals::default();
    };
    let count = |what: &str| {
        let number = result.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
        number.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
    };
    Totals { passed: count("passed"), failed: count("failed") }
}

/// What the closing line of a script says.
pub(super) fn of_closing_line(line: &str) -> Option<Totals> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some(Totals { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, expected: &str) {
        let total = output.lines().map(of_line).fold(Totals::default(), Totals::add);
        assert_eq!(total.to_string(), expected, "{output}");
    }

    #[test]
    fn every_test_program_is_summed() {
        check("", "0 passed, 0 failed");
        check("running 2 tests\ntest a ... ok\ntest 9 passed ... ok\n", "0 passed, 0 failed");
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
            "15 passed, 2 failed",
        );
    }

    #[test]
    fn only_a_closing_line_closes() {
        for line in ["12 passed, 3 failed", "0 passed, 0 failed"] {
            assert_eq!(of_closing_line(line).map(|it| it.to_string()).as_deref(), Some(line));
        }
        for line in ["", "ok 12 passed, 3 failed", "12 passed, 3 failed.", "passed, failed", "12 passed"] {
            assert_eq!(of_closing_line(line), None, "{line}");
        }
    }
}
