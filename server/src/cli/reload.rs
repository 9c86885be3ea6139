//! `reload` and `rollback`.

use std::{io::Write, path::PathBuf};

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use server_core::config::Problem;

use crate::cli::{
    Failure,
    admin::{Answer, Door, DoorArguments},
};

/// Have a running server read its configuration now, and say what came of it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcp-universal-server reload --dry-run\n  mcp-universal-server reload")]
pub(super) struct Arguments {
    /// Say what would come of it, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Put a configuration that is held in force after all
    #[arg(long, value_name = "SHA256")]
    confirm: Option<String>,
    #[command(flatten)]
    door: DoorArguments,
}

/// Put an earlier configuration in force, until the files change
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server rollback --to 3")]
pub(super) struct RollbackArguments {
    /// Which one, as `status` tells them [default: the one before]
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    #[command(flatten)]
    door: DoorArguments,
}

/// What the server says of an order.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    pub(super) result: String,
    pub(super) dry_run: bool,
    pub(super) generation: u64,
    pub(super) config_sha256: String,
    pub(super) candidate_sha256: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) changes: Vec<String>,
    pub(super) plugins_refused: Vec<RefusedPlugin>,
}

/// A plugin that is not loaded.
#[derive(Debug, Deserialize)]
pub(super) struct RefusedPlugin {
    place: String,
    message: String,
    help: String,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut query = Vec::new();
    if arguments.dry_run {
        query.push(("dry_run", "1"));
    }
    query.extend(arguments.confirm.as_deref().map(|sha256| ("confirm", sha256)));
    let answer = Door::find(&arguments.door, config)?.ask(Method::POST, "/reload", &query)?;
    tell(&answer, arguments.door.json, out)
}

pub(super) fn roll_back(
    arguments: &RollbackArguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let to = arguments.to.map(|to| to.to_string());
    let query: Vec<_> = to.as_deref().map(|to| ("to", to)).into_iter().collect();
    let answer = Door::find(&arguments.door, config)?.ask(Method::POST, "/rollback", &query)?;
    tell(&answer, arguments.door.json, out)
}

fn tell(answer: &Answer, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let report: Report = answer.read()?;
    if json {
        writeln!(out, "{}", answer.body).map_err(Failure::failed)?;
    } else {
        report.write(out).map_err(Failure::failed)?;
    }
    let done = matches!(report.result.as_str(), "applied" | "unchanged");
    if done { Ok(()) } else { Err(Failure::Failed(String::new())) }
}

impl Report {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "{problem}\n")?;
        }
        for plugin in &self.plugins_refused {
            plugin.write(out)?;
        }
        writeln!(out, "{}", self.headline())?;
        for change in &self.changes {
            writeln!(out, "  {change}")?;
        }
        if let ("held", Some(sha256)) = (self.result.as_str(), &self.candidate_sha256) {
            writeln!(
                out,
                "  help: to put it in force all the same: mcp-universal-server reload --confirm {sha256}"
            )?;
        }
        Ok(())
    }

    fn headline(&self) -> String {
        let Self { result, generation, .. } = self;
        let stays = format!("generation {generation} stays in force");
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        match (result.as_str(), self.dry_run) {
            ("applied", false) => {
                format!("applied: generation {generation} is in force ({})", short(&self.config_sha256))
            }
            ("applied", true) => {
                let sha256 = self.candidate_sha256.as_deref().map(short).unwrap_or_default();
                format!("dry run: the files would be applied ({sha256}); {stays}")
            }
            ("unchanged", _) => format!("unchanged{reason}; {stays} ({})", short(&self.config_sha256)),
            (_, true) => format!("dry run: the files would be {result}{reason}"),
            _ => format!("{result}{reason}; {stays}"),
        }
    }
}

impl RefusedPlugin {
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { place, message, help } = self;
        writeln!(out, "plugin refused: {message}\n --> {place}\n  help: {help}\n")
    }
}

/// As much of a SHA-256 as tells it from others.
pub(super) fn short(sha256: &str) -> String {
    sha256.chars().take(12).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_what_came_of_it() {
        let sha256 = format!("9d2bca0b19ea{}", "0".repeat(52));
        for (result, dry_run, reason, line) in [
            ("applied", false, None, "applied: generation 3 is in force (9d2bca0b19ea…)"),
            (
                "applied",
                true,
                None,
                "dry run: the files would be applied (aaaaaaaaaaaa…); generation 3 stays in force",
            ),
            ("unchanged", false, None, "unchanged; generation 3 stays in force (9d2bca0b19ea…)"),
            (
                "refused",
                false,
                Some("it has problems"),
                "refused: it has problems; generation 3 stays in force",
            ),
            (
                "refused",
                true,
                Some("it has problems"),
                "dry run: the files would be refused: it has problems",
            ),
            ("held", false, Some("it removes all"), "held: it removes all; generation 3 stays in force"),
            (
                "mismatch",
                false,
                Some("x is in force"),
                "mismatch: x is in force; generation 3 stays in force",
            ),
        ] {
            let report = Report {
                result: result.to_owned(),
                dry_run,
                generation: 3,
                config_sha256: sha256.clone(),
                candidate_sha256: Some("a".repeat(64)),
                reason: reason.map(str::to_owned),
                problems: Vec::new(),
                changes: Vec::new(),
                plugins_refused: Vec::new(),
            };
            assert_eq!(report.headline(), line);
        }
    }
}
