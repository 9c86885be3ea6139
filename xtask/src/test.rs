//! Runs every check that needs nothing but the Rust toolchain.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Instant,
};

use totals::Totals;

use crate::{Failure, cargo::cargo};

mod totals;

/// One command that must succeed.
struct Check {
    name: &'static str,
    arguments: &'static [&'static str],
}

const CHECKS: &[Check] = &[
    Check { name: "format", arguments: &["fmt", "--all", "--check"] },
    Check { name: "lints", arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"] },
    Check { name: TESTS, arguments: &["test", "--workspace", "--no-fail-fast"] },
    Check { name: "documentation", arguments: &["doc", "--workspace", "--no-deps"] },
];

/// The check whose output says how many tests there were.
const TESTS: &str = "tests";

/// Runs all checks, also after one that failed, and sums them.
pub(crate) fn run() -> Result<(), Failure> {
    let mut report = String::new();
    let mut totals = Totals::default();
    for check in CHECKS {
        writeln!(io::stderr(), "== {}: cargo {}", check.name, check.arguments.join(" ")).map_err(printing)?;
        let start = Instant::now();
        let result = check.run()?;
        let outcome = if result.failed == 0 { "passed" } else { "FAILED" };
        report.push_str(&format!(
            "{:6.1} min  {outcome}  {}\n",
            start.elapsed().as_secs_f64() / 60.0,
            check.name
        ));
        totals += result;
    }
    writeln!(io::stdout(), "\n{report}\n{totals}").map_err(printing)?;
    if totals.failed == 0 { Ok(()) } else { Err("not every check passed".to_owned()) }
}

impl Check {
    fn run(&self) -> Result<Totals, Failure> {
        let mut command = cargo()?;
        command.args(self.arguments);
        if self.name == TESTS {
            return tests(&mut command);
        }
        let status = command
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        Ok(Totals::of_check(status.success()))
    }
}

/// Runs the tests, shows what they say, and counts them.
fn tests(command: &mut Command) -> Result<Totals, Failure> {
    let running = |error: io::Error| format!("cannot run cargo: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(running)?;
    let mut totals = Totals::default();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(running)?;
        writeln!(io::stdout(), "{line}").map_err(printing)?;
        totals += totals::of_line(&line);
    }
    let success = child.wait().map_err(running)?.success();
    // A run that failed without a failing test, or had no test, is a failure too.
    let unexplained = success != (totals.failed == 0) || totals.passed == 0;
    Ok(if unexplained { totals + Totals::of_check(false) } else { totals })
}

fn printing(error: io::Error) -> Failure {
    format!("cannot print: {error}")
}
