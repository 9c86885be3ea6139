//! What is printed, and whether every target was met.

use std::io::{self, Write};

use crate::Failure;

/// Collects verdicts.
pub(crate) struct Report {
    /// Whether there are any. The figures of a few calls of an unoptimised build
    /// say nothing.
    judges: bool,
    missed: usize,
}

impl Report {
    pub(crate) fn new(judges: bool) -> Self {
        Self { judges, missed: 0 }
    }

    /// Prints a line as it is.
    pub(crate) fn line(&self, line: &str) -> Result<(), Failure> {
        writeln!(io::stdout(), "{line}").map_err(|error| format!("cannot print: {error}"))
    }

    /// Prints a figure that must not exceed `most`.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, most: f64, unit: &str) -> Result<(), Failure> {
        let met = figure <= most;
        self.judged(what, met, &format!("{}{unit}", shown(figure)), &format!("at most {most}{unit}"))
    }

    /// Prints a figure that must reach `least`.
    pub(crate) fn at_least(
        &mut self,
        what: &str,
        figure: f64,
        least: f64,
        unit: &str,
    ) -> Result<(), Failure> {
        let met = figure >= least;
        self.judged(what, met, &format!("{}{unit}", shown(figure)), &format!("at least {least}{unit}"))
    }

    fn judged(&mut self, what: &str, met: bool, figure: &str, target: &str) -> Result<(), Failure> {
        if !self.judges {
            return self.line(&format!("{what:<52} {figure:>10}"));
        }
        let verdict = if met { "met" } else { "MISSED" };
        self.missed += usize::from(!met);
        self.line(&format!("{what:<52} {figure:>10}   {target:<16} {verdict}"))
    }

    /// An error if a target was missed.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        match self.missed {
            0 => Ok(()),
            1 => Err("a target was missed".to_owned()),
            missed => Err(format!("{missed} targets were missed")),
        }
    }
}

/// With as many digits as mean anything.
fn shown(figure: f64) -> String {
    match figure {
        0.0 => "0".to_owned(),
        small if small < 10.0 => format!("{small:.2}"),
        large => format!("{large:.0}"),
    }
}
