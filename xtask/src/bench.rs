//! Builds the server and what measures it, stages the one and runs the other.

use std::process::Command;

use crate::{
    Failure,
    cargo::{self, Profile},
    stage,
};

mod corpus;

/// The package that measures, and the plugin with many tools that it takes.
const PROGRAM: &str = "bench";
const MANY: &str = "many";

/// What to measure, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bench {
    /// All there is, if nothing is named.
    pub(crate) only: Option<Name>,
    /// Few of everything, and no verdicts.
    pub(crate) smoke: bool,
    /// How long to reload under load.
    pub(crate) seconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Calls,
    Plugins,
    Redaction,
    Reload,
}

impl Default for Bench {
    fn default() -> Self {
        Self { only: None, smoke: false, seconds: 30 }
    }
}

/// Measures, also after a bench that failed.
pub(crate) fn run(bench: &Bench) -> Result<(), Failure> {
    let profile = if bench.smoke { Profile::Dev } else { Profile::Release };
    let built = cargo::build(profile, &[MANY], &[PROGRAM])?;
    stage::beside(&built)?;
    let ([plugin], [program]) = (&built.more[..], &built.programs[..]) else {
        return Err("cargo did not build what measures".to_owned());
    };
    let all = [
        (Name::Calls, "calls"),
        (Name::Plugins, "plugins"),
        (Name::Redaction, "redaction"),
        (Name::Reload, "reload"),
    ];
    let mut failed = Vec::new();
    for (which, name) in all.into_iter().filter(|(name, _)| bench.only.is_none_or(|only| only == *name)) {
        let (mode, seconds) = if bench.smoke { ("smoke", 1) } else { ("judge", bench.seconds) };
        let mut command = Command::new(program);
        if which == Name::Redaction {
            command.args([name, mode]).args(corpus::complete(bench.smoke)?);
        } else {
            command.args([name, mode, &seconds.to_string()]).args([&built.server, plugin]);
        }
        let status =
            command.status().map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        if !status.success() {
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("`bench {}` failed", failed.join("` and `bench "))) }
}
