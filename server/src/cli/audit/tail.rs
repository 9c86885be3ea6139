//! `audit tail`.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use jiff::{Span, Timestamp, Zoned};
use serde_json::Value;
use server_core::pattern::Pattern;

use super::{Place, table};
use crate::{
    audit::{self, ArgumentsKey, Tail, Wanted},
    cli::Failure,
};

/// How often it is looked for what has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Show the last records, and those that come
#[derive(Debug, Args)]
#[command(after_help = "\
A table has a row for each call, when it has ended; `--event decision` shows the decisions
before. What is written with --json are the lines as they are in the audit.

Examples:
  mcp-universal-server audit tail --follow --decision deny
  mcp-universal-server audit tail --agent laptop --tool 'core.*' --since 2h
  mcp-universal-server audit tail --since 2026-11-25T08:00:00Z --lines all --ocsf")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How many records at most, or `all` [default: 20, with --since all]
    #[arg(long, short = 'n', value_name = "COUNT")]
    lines: Option<String>,
    /// Go on with the records that come, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Only this agent
    #[arg(long)]
    agent: Option<String>,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only this tool, resource or prompt: a name, or a pattern such as `core.*`
    #[arg(long)]
    tool: Option<Pattern>,
    /// Only calls that were let through, or refused
    #[arg(long)]
    decision: Option<Decision>,
    /// Only records of this kind, as `reload`, `auth_failure` or `outcome`
    #[arg(long)]
    event: Option<String>,
    /// Only calls with these arguments, as JSON
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    /// Not before this time: 2026-11-25T08:00:00Z, or 30s, 15m, 2h, 7d ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Print the records as they are, a JSON object each [default when not on a
    /// terminal]
    #[arg(long, conflicts_with = "ocsf")]
    json: bool,
    /// Print calls as events of OCSF API Activity (6003), a JSON object each
    #[arg(long)]
    ocsf: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Decision {
    Allow,
    Deny,
}

/// How records are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Json,
    Ocsf,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (folder, state_dir) = arguments.place.find(&config)?;
    let form = match (arguments.ocsf, arguments.json || !io::stdout().is_terminal()) {
        (true, _) => Form::Ocsf,
        (false, true) => Form::Json,
        (false, false) => Form::Table,
    };
    let wanted = arguments.wanted(form, state_dir.as_deref())?;
    let most = arguments.most()?;
    let unreadable = |error: io::Error| {
        Failure::Failed(format!("the audit in {} cannot be read: {error}", folder.display()))
    };
    let mut tail = Tail::new(&folder, wanted);
    if form == Form::Table {
        writeln!(out, "{}", table::HEADER).map_err(Failure::failed)?;
    }
    let mut records = tail.last(most).map_err(unreadable)?;
    loop {
        for (record, line) in &records {
            print(form, record, line, out).map_err(Failure::failed)?;
        }
        out.flush().map_err(Failure::failed)?;
        if !arguments.follow {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
        records = tail.more().map_err(unreadable)?;
    }
}

impl Arguments {
    fn wanted(&self, form: Form, state_dir: Option<&Path>) -> Result<Wanted, Failure> {
        let arguments_hmac = match &self.arguments {
            Some(json) => Some(hash(json, state_dir)?),
            None => None,
        };
        let decision = self.decision.map(|decision| match decision {
            Decision::Allow => "allow".to_owned(),
            Decision::Deny => "deny".to_owned(),
        });
        Ok(Wanted {
            agent: self.agent.clone(),
            tenant: self.tenant.clone(),
            tool: self.tool.clone(),
            decision,
            event: self.event.clone(),
            since: self.since,
            until: self.until,
            arguments_hmac,
            ends_only: form == Form::Table && self.event.is_none() && self.arguments.is_none(),
        })
    }

    fn most(&self) -> Result<usize, Failure> {
        match self.lines.as_deref() {
            None if self.since.is_some() => Ok(usize::MAX),
            None => Ok(20),
            Some("all") => Ok(usize::MAX),
            Some(text) => {
                text.parse().map_err(|_| Failure::Usage(format!("`{text}` is no number, and not `all`")))
            }
        }
    }
}

fn print(form: Form, record: &Value, line: &str, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Table => writeln!(out, "{}", table::row(record)),
        Form::Json => writeln!(out, "{line}"),
        Form::Ocsf => match audit::ocsf(record) {
            Some(event) => writeln!(out, "{event}"),
            None => Ok(()),
        },
    }
}

/// The hash under which arguments are on record.
fn hash(json: &str, state_dir: Option<&Path>) -> Result<String, Failure> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Failure::Usage(format!("--arguments is no JSON: {error}")))?;
    let Some(state_dir) = state_dir else {
        return Err(Failure::Usage(
            "--arguments needs the key in `state.dir`: name the configuration, and not the folder".to_owned(),
        ));
    };
    let key = ArgumentsKey::read(state_dir).map_err(|error| {
        Failure::Failed(format!("the key of hashes in `state.dir` cannot be read: {error}"))
    })?;
    // Canonical: the keys in order, no white space, as the server writes them.
    Ok(key.hash(value.to_string().as_bytes()))
}

/// A time, or how long ago.
fn time(text: &str) -> Result<Timestamp, String> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let span = Span::new().try_seconds(number.checked_mul(seconds)?).ok()?;
        Timestamp::now().checked_sub(span).ok()
    };
    let parsed = text.parse::<Timestamp>().ok();
    let parsed = parsed.or_else(|| text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp()));
    parsed
        .or_else(ago)
        .ok_or_else(|| "write it as 2026-11-25T08:00:00Z, or as 30s, 15m, 2h or 7d ago".to_owned())
}
