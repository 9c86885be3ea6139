//! Edits by chance, and servers killed at any moment, for longer than the tests
//! do that.

use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Failure, cargo::cargo};

const ARGUMENTS: &[&str] = &[
    "test",
    "--package",
    "mcp-universal-server",
    "--test",
    "e2e",
    "--",
    "--nocapture",
    "reload_model::",
    "audit::crash::",
];

/// How many edits there are for each server that is killed.
const EDITS_PER_KILL: u64 = 10;

/// Runs so many rounds, with a seed that it says.
pub(crate) fn run(rounds: u64, seed: Option<u64>) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed.
    let seed = seed.unwrap_or(now.as_secs() % 1_000_000);
    let again = format!("cargo xtask soak --rounds {rounds} --seed {seed}");
    writeln!(io::stderr(), "== {again}").map_err(|error| format!("cannot print: {error}"))?;
    let mut test = cargo()?;
    test.args(ARGUMENTS).env("RELOAD_ROUNDS", rounds.to_string()).env("RELOAD_SEED", seed.to_string());
    test.env("AUDIT_ROUNDS", (rounds / EDITS_PER_KILL).max(1).to_string());
    let status = test.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("it failed; to see it again: {again}")) }
}
