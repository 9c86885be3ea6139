//! Edits by chance, and servers killed at any moment, for longer than the tests
//! do that.

use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Failure, cargo::cargo};

const SERVERS: &[&str] = &[
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
const BOOKS: &[&str] =
    &["test", "--package", "mcp-universal-server", "--lib", "--", "--nocapture", "budget::tests::killed::"];

/// How many edits there are for each server that is killed, and for each process
/// that keeps the books of budgets.
const EDITS_PER_SERVER: u64 = 10;
const EDITS_PER_BOOKS: u64 = 5;

/// Runs so many rounds, with a seed that it says.
pub(crate) fn run(rounds: u64, seed: Option<u64>) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed.
    let seed = seed.unwrap_or(now.as_secs() % 1_000_000);
    let again = format!("cargo xtask soak --rounds {rounds} --seed {seed}");
    writeln!(io::stderr(), "== {again}").map_err(|error| format!("cannot print: {error}"))?;
    let servers = rounds.div_ceil(EDITS_PER_SERVER).to_string();
    let books = rounds.div_ceil(EDITS_PER_BOOKS).to_string();
    let (rounds, seed) = (rounds.to_string(), seed.to_string());
    let variables = [("RELOAD_ROUNDS", &*rounds), ("RELOAD_SEED", &seed), ("AUDIT_ROUNDS", &servers)];
    test(SERVERS, &variables, &again)?;
    test(BOOKS, &[("BUDGET_ROUNDS", &books)], &again)
}

fn test(arguments: &[&str], variables: &[(&str, &str)], again: &str) -> Result<(), Failure> {
    let mut test = cargo()?;
    test.args(arguments).envs(variables.iter().copied());
    let status = test.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("it failed; to see it again: {again}")) }
}
