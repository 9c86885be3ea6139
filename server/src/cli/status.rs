//! `status`.

use std::{collections::BTreeMap, io::Write, path::PathBuf};

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use server_core::{
    settings::{SecretSource, SecretUse},
    workers::WorkersStatus,
};

use crate::cli::{
    Failure,
    admin::{Door, DoorArguments},
    budget::Budgets,
    reload::{RefusedPlugin, Report, short},
};

/// Show how a running server is
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server status")]
pub(super) struct Arguments {
    #[command(flatten)]
    door: DoorArguments,
}

/// What `/status` says.
#[derive(Debug, Deserialize)]
struct Status {
    version: String,
    uptime_seconds: u64,
    ready: bool,
    audit: Audit,
    generation: u64,
    config: Config,
    reloads: Vec<Attempt>,
    rollback_to: Vec<Kept>,
    plugins: Plugins,
    retired: Retired,
    budgets: Budgets,
    secrets: Vec<SecretUse>,
    listeners: BTreeMap<String, String>,
    sessions: BTreeMap<String, u64>,
    in_flight: BTreeMap<String, u64>,
    #[serde(default)]
    limits: Vec<LimitsInUse>,
}

/// What an agent uses of the limits on its calls of tools.
#[derive(Debug, Deserialize)]
struct LimitsInUse {
    agent: String,
    running: u64,
    concurrency: u64,
    rate_left: u64,
    rate_limit: String,
}

#[derive(Debug, Deserialize)]
struct Audit {
    available: bool,
    why: Option<String>,
    seq: u64,
    segment: Option<String>,
    waiting: u64,
    checkpoint: Option<Checkpoint>,
    lag_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Checkpoint {
    covers: u64,
    at: String,
}

#[derive(Debug, Deserialize)]
struct Config {
    files: Vec<String>,
    sha256: String,
    source: String,
    since: Option<String>,
    stale_bind_mount: bool,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    at: String,
    trigger: String,
    #[serde(flatten)]
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Kept {
    generation: u64,
    since: String,
}

#[derive(Debug, Deserialize)]
struct Plugins {
    loaded: Vec<Plugin>,
    refused: Vec<RefusedPlugin>,
}

#[derive(Debug, Deserialize)]
struct Plugin {
    name: String,
    version: String,
    isolation: String,
    tools: u64,
    signer: String,
    sha256: String,
    #[serde(default)]
    workers: Option<WorkersStatus>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Retired {
    libraries: u64,
    bytes: u64,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let answer = Door::find(&arguments.door, config)?.ask(Method::GET, "/status", &[])?;
    let status: Status = answer.read()?;
    if arguments.door.json {
        return writeln!(out, "{}", answer.body).map_err(Failure::failed);
    }
    status.write(out).map_err(Failure::failed)
}

impl Status {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let ready = match (self.ready, self.audit.available) {
            (true, _) => "ready",
            (false, true) => "stopping",
            (false, false) => "refusing calls",
        };
        writeln!(
            out,
            "mcp-universal-server {}, {ready}, up for {}",
            self.version,
            duration(self.uptime_seconds)
        )?;
        self.config.write(self.generation, out)?;
        for (key, address) in &self.listeners {
            writeln!(out, "{key}: {address}")?;
        }
        writeln!(out, "sessions: {}", counts(&self.sessions))?;
        writeln!(out, "in flight: {}", counts(&self.in_flight))?;
        self.audit.write(out)?;
        let Retired { libraries, bytes } = self.retired;
        if libraries > 0 {
            writeln!(
                out,
                "retired: {libraries} libraries that nothing uses stay in memory, {} KiB",
                bytes / 1024
            )?;
        }

        writeln!(out, "\nplugins:")?;
        for Plugin { name, version, isolation, tools, signer, sha256, workers } in &self.plugins.loaded {
            let tools = if *tools == 1 { "1 tool".to_owned() } else { format!("{tools} tools") };
            writeln!(out, "  {name} {version}, {isolation}, {tools}, signed by {signer}")?;
            writeln!(out, "    sha256: {sha256}")?;
            if let Some(workers) = workers {
                writeln!(out, "    workers: {workers}")?;
            }
        }
        for plugin in &self.plugins.refused {
            plugin.write(out)?;
        }

        if !self.limits.is_empty() {
            writeln!(out, "\nlimits on calls of tools:")?;
        }
        for LimitsInUse { agent, running, concurrency, rate_left, rate_limit } in &self.limits {
            writeln!(
                out,
                "  {agent}: {running} of {concurrency} running, {rate_left} may begin now ({rate_limit})"
            )?;
        }

        self.budgets.write(out)?;

        writeln!(out, "\nsecrets:")?;
        for secret in &self.secrets {
            writeln!(out, "  {}: {}", secret.place, described(&secret.source))?;
        }

        writeln!(out, "\nreloads, the latest first:")?;
        for Attempt { at, trigger, report } in &self.reloads {
            let reason = report.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            writeln!(out, "  {}  {trigger}  {}{reason}", second(at), report.result)?;
            for problem in &report.problems {
                let text = problem.to_string().replace('\n', "\n    ");
                writeln!(out, "    {text}")?;
            }
        }
        let kept = self.rollback_to.iter().filter(|kept| kept.generation != self.generation);
        let kept: Vec<_> =
            kept.map(|kept| format!("{} of {}", kept.generation, second(&kept.since))).collect();
        if !kept.is_empty() {
            writeln!(out, "\n`rollback --to` can put in force again: {}", kept.join(", "))?;
        }
        Ok(())
    }
}

impl Audit {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { seq, waiting, lag_ms, .. } = self;
        match (&self.why, &self.segment) {
            (Some(why), _) => writeln!(out, "audit: cannot be written, so calls are refused: {why}")?,
            (None, Some(segment)) => writeln!(out, "audit: writing to {segment}")?,
            (None, None) => writeln!(out, "audit: waiting for its first record")?,
        }
        match &self.checkpoint {
            Some(Checkpoint { covers, at }) => {
                writeln!(out, "  record {seq}; the last checkpoint covers up to {covers}, {}", second(at))?;
            }
            None => writeln!(out, "  record {seq}; no checkpoint since the start")?,
        }
        writeln!(out, "  {waiting} records wait to be written, the oldest not on disk for {lag_ms} ms")
    }
}

impl Config {
    fn write(&self, generation: u64, out: &mut dyn Write) -> std::io::Result<()> {
        let file = self.files.first().map_or("config.yaml", String::as_str);
        let from = match self.source.as_str() {
            "environment" => "MCP_TOKEN, without a file".to_owned(),
            "last_good" => format!("the copy of the last good configuration: {file} cannot be used"),
            "rollback" => format!("a rollback, until {file} changes"),
            _ => self.files.join(", "),
        };
        let since =
            self.since.as_deref().map(|since| format!(" since {}", second(since))).unwrap_or_default();
        writeln!(out, "generation {generation} ({}) in force{since}, from {from}", short(&self.sha256))?;
        if self.stale_bind_mount {
            writeln!(
                out,
                "warning: {file} is a bind mount of a file that has been replaced, so edits of it cannot be seen\n  help: mount its folder instead, and restart"
            )?;
        }
        Ok(())
    }
}

fn described(source: &SecretSource) -> String {
    match source {
        SecretSource::Environment { variable } => {
            format!("{variable} of the server's environment; only a restart changes it")
        }
        SecretSource::Dotenv { variable } => format!("{variable} in .env"),
        SecretSource::Unset { variable } => format!("{variable}, which is not set"),
        SecretSource::File { path } => format!("the file {}", path.display()),
    }
}

/// `laptop 2, reviewer 1`.
fn counts(by_agent: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = by_agent.iter().map(|(agent, count)| format!("{agent} {count}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// A time without the fraction of its second.
fn second(at: &str) -> String {
    at.split_once('.').map_or_else(|| at.to_owned(), |(second, _)| format!("{second}Z"))
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
