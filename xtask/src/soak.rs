//! Edits by chance for longer than the tests do them.

use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Failure, cargo::cargo};

const ARGUMENTS: &[&str] =
    &["test", "--package", "mcp-universal-server", "--test", "e2e", "--", "--nocapture", "reload_model::"];

/// Runs so many rounds, with a seed that it says.
pub(crate) fn run(rounds: u64, seed: Option<u64>) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed.
    let seed = seed.unwrap_or(now.as_secs() % 1_000_000);
    let again = format!("cargo xtask soak --rounds {rounds} --seed {seed}");
    writeln!(io::stderr(), "== {again}").map_err(|error| format!("cannot print: {error}"))?;
    let mut test = cargo()?;
    test.args(ARGUMENTS).env("RELOAD_ROUNDS", rounds.to_string()).env("RELOAD_SEED", seed.to_string());
    let status = test.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("it failed; to see it again: {again}")) }
}
