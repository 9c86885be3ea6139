//! The checks that need nothing but the Rust toolchain.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use super::{
    report::{Report, printing},
    totals::{self, Totals},
};
use crate::{Failure, cargo::cargo};

/// One command that must succeed.
struct Check {
    name: &'static str,
    arguments: &'static [&'static str],
}

const CHECKS: &[Check] = &[
    Check { name: "format", arguments: &["fmt", "--all", "--check"] },
    Check { name: "lints", arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"] },
    Check { name: TESTS, arguments: &["test", "--workspace", "--no-fail-fast"] },
    Check { name: IN_WORKERS, arguments: PLUGIN_TESTS },
    Check { name: "documentation", arguments: &["doc", "--workspace", "--no-deps"] },
];

/// The checks whose output says how many tests there were.
const TESTS: &str = "tests";
const IN_WORKERS: &str = "tests of plugins, in workers";

/// Those in which plugins run: the same again, with processes of their own.
const PLUGIN_TESTS: &[&str] = &[
    "test",
    "-p",
    "mcp-universal-server",
    "--test",
    "e2e",
    "--no-fail-fast",
    "--",
    "plugins",
    "mcp::",
    "reload_model",
    "reload_survives",
];

/// Runs all of them, also after one that failed.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    for check in CHECKS {
        report.check(check.name, &format!("cargo {}", check.arguments.join(" ")), || check.run())?;
    }
    Ok(())
}

impl Check {
    fn run(&self) -> Result<Totals, Failure> {
        let mut command = cargo()?;
        command.args(self.arguments);
        match self.name {
            TESTS => return tests(&mut command),
            IN_WORKERS => return tests(command.env("MCP_TEST_ISOLATION", "process")),
            _ => {}
        }
        let status = command
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        Ok(Totals::of_check(status.success()))
    }
}

/// Runs the tests, shows what they say, and counts them.
pub(super) fn tests(command: &mut Command) -> Result<Totals, Failure> {
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
