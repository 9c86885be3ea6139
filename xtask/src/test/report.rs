//! What was checked, how long it took, and the sum.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Instant,
};

use super::totals::Totals;
use crate::Failure;

/// Grows by one line with every check.
#[derive(Default)]
pub(super) struct Report {
    lines: String,
    pub(super) totals: Totals,
}

impl Report {
    /// Runs a check and takes its result down, also where it could not be run;
    /// answers whether all of it passed.
    pub(super) fn check(
        &mut self,
        name: &str,
        what: &str,
        run: impl FnOnce() -> Result<Totals, Failure>,
    ) -> Result<bool, Failure> {
        writeln!(io::stderr(), "== {name}: {what}").map_err(printing)?;
        let start = Instant::now();
        let result = match run() {
            Ok(totals) => totals,
            Err(failure) => {
                writeln!(io::stderr(), "error: {name}: {failure}").map_err(printing)?;
                Totals::of_check(false)
            }
        };
        let passed = result.failed == 0;
        let outcome = if passed { "passed" } else { "FAILED" };
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        let _ = writeln!(self.lines, "{minutes:6.1} min  {outcome}  {name}");
        self.totals += result;
        Ok(passed)
    }

    /// Prints everything, the sum last.
    pub(super) fn print(&self) -> Result<(), Failure> {
        writeln!(io::stdout(), "\n{}\n{}", self.lines, self.totals).map_err(printing)
    }
}

pub(super) fn printing(error: io::Error) -> Failure {
    format!("cannot print: {error}")
}
