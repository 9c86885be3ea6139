//! `budget`: what was spent on models, and the operator's word on it.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;

use crate::cli::{
    Failure,
    admin::{Answer, Door, DoorArguments},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what every budget has left, and what a crash left reserved
    Show(Show),
    /// Give back what a crash left reserved, which counts as spent until then
    Release(Release),
    /// Set what counts as spent in the present day or month
    Set(Set),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server budget show")]
pub(super) struct Show {
    #[command(flatten)]
    door: DoorArguments,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp-universal-server budget release 6fd2b1c09a4e7d3358aa\n  mcp-universal-server budget release --all"
)]
pub(super) struct Release {
    /// Charges, as `budget show` tells them
    #[arg(value_name = "CHARGE", required_unless_present = "all", conflicts_with = "all")]
    charges: Vec<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    door: DoorArguments,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp-universal-server budget set --agent laptop 0\n  mcp-universal-server budget set --tenant research --period month 12.50"
)]
pub(super) struct Set {
    /// US dollars, as in `2.50`
    #[arg(value_name = "SPENT")]
    spent: String,
    /// Of this agent
    #[arg(long, required_unless_present = "tenant", conflicts_with = "tenant")]
    agent: Option<String>,
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// In the present day or month
    #[arg(long, value_enum, default_value_t = Period::Day)]
    period: Period,
    #[command(flatten)]
    door: DoorArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Period {
    Day,
    Month,
}

/// What `/budgets` says, and `/status` among other things.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Budgets {
    Trouble { trouble: String },
    Known(Known),
}

#[derive(Debug, Deserialize)]
pub(super) struct Known {
    time_zone: String,
    budgets: Vec<Budget>,
    stranded: Vec<Stranded>,
}

#[derive(Debug, Deserialize)]
struct Budget {
    owner: String,
    name: String,
    period: String,
    limit: String,
    spent: String,
    reserved: String,
    remaining: String,
    resets_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Stranded {
    id: String,
    agent: String,
    model: String,
    reserved: String,
    at: String,
}

#[derive(Debug, Deserialize)]
struct Released {
    released: Vec<Stranded>,
}

#[derive(Debug, Deserialize)]
struct WasSet {
    owner: String,
    name: String,
    period: String,
    window: String,
    before: String,
    spent: String,
}

pub(super) fn run(command: &Command, config: Option<PathBuf>, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Show(show) => {
            let answer = Door::find(&show.door, config)?.ask(Method::GET, "/budgets", &[])?;
            let known: Known = answer.read()?;
            written(&show.door, &answer, out, |out| known.write("", out))
        }
        Command::Release(release) => {
            let mut query: Vec<_> = release.charges.iter().map(|id| ("id", id.as_str())).collect();
            query.extend(release.all.then_some(("all", "1")));
            let answer = Door::find(&release.door, config)?.ask(Method::POST, "/budgets/release", &query)?;
            let released: Released = answer.read()?;
            written(&release.door, &answer, out, |out| released.write(out))?;
            missing(&release.charges, &released)
        }
        Command::Set(set) => {
            let period = match set.period {
                Period::Day => "day",
                Period::Month => "month",
            };
            let mut query = vec![("period", period), ("spent", set.spent.as_str())];
            query.extend(set.agent.as_deref().map(|agent| ("agent", agent)));
            query.extend(set.tenant.as_deref().map(|tenant| ("tenant", tenant)));
            let answer = Door::find(&set.door, config)?.ask(Method::POST, "/budgets/set", &query)?;
            let WasSet { owner, name, period, window, before, spent } = answer.read()?;
            written(&set.door, &answer, out, |out| {
                writeln!(out, "{owner} {name}, {period} {window}: ${spent} count as spent, before ${before}")
            })
        }
    }
}

fn written(
    door: &DoorArguments,
    answer: &Answer,
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let done = if door.json { writeln!(out, "{}", answer.body) } else { write(out) };
    done.map_err(Failure::failed)
}

/// Who asks for a charge by name wants to know that there was none.
fn missing(asked: &[String], released: &Released) -> Result<(), Failure> {
    let is_there = |id: &String| released.released.iter().any(|charge| charge.id == *id);
    let missing: Vec<_> = asked.iter().filter(|id| !is_there(id)).map(|id| format!("`{id}`")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "no crash left {}\n  help: `budget show` tells what there is to release",
        missing.join(", ")
    )))
}

impl Budgets {
    /// As a part of `status`.
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        match self {
            Self::Trouble { trouble } => writeln!(out, "\nbudgets: nothing is spent: {trouble}"),
            Self::Known(known) if known.budgets.is_empty() && known.stranded.is_empty() => Ok(()),
            Self::Known(known) => {
                writeln!(out, "\nbudgets:")?;
                known.write("  ", out)
            }
        }
    }
}

impl Known {
    fn write(&self, indent: &str, out: &mut dyn Write) -> std::io::Result<()> {
        if self.budgets.is_empty() {
            writeln!(out, "{indent}no agent or tenant has a budget")?;
        }
        for Budget { owner, name, period, limit, spent, reserved, remaining, resets_at } in &self.budgets {
            let reserved = if reserved == "0.00" { String::new() } else { format!(", ${reserved} reserved") };
            let resets = resets_at.as_deref().map(|at| self.local(at)).unwrap_or_default();
            writeln!(
                out,
                "{indent}{owner} {name}, {period}: ${remaining} left of ${limit}, ${spent} spent{reserved}{resets}"
            )?;
        }
        if !self.stranded.is_empty() {
            writeln!(out, "{indent}left reserved by a crash, and counted as spent until `budget release`:")?;
        }
        for charge in &self.stranded {
            writeln!(out, "{indent}  {charge}")?;
        }
        Ok(())
    }

    /// When it resets, where the operator's days begin.
    fn local(&self, at: &str) -> String {
        let at = at.parse::<jiff::Timestamp>().and_then(|at| at.in_tz(&self.time_zone));
        at.map(|at| format!(", resets {}", at.strftime("%Y-%m-%d %H:%M %Z"))).unwrap_or_default()
    }
}

impl std::fmt::Display for Stranded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, agent, model, reserved, at } = self;
        let at = at.split_once('.').map_or(at.clone(), |(second, _)| format!("{second}Z"));
        write!(f, "{id}  ${reserved}  {at}  {agent}  {model}")
    }
}

impl Released {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        if self.released.is_empty() {
            writeln!(out, "nothing is left of a crash")?;
        }
        for charge in &self.released {
            writeln!(out, "released {charge}")?;
        }
        Ok(())
    }
}
