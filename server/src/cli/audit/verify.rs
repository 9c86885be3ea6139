//! `audit verify`.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use server_core::config;

use super::Place;
use crate::{
    audit::{self, Checkpoint, Findings, Held, PublicKey},
    cli::{Failure, config_path},
    config_files::ConfigFiles,
};

/// Say whether the audit is what the server wrote
#[derive(Debug, Args)]
#[command(after_help = "\
A checkpoint is a line of the server's log with the message `audit checkpoint`. Whoever
keeps the log elsewhere can tell by it that records were changed or cut off since, also
by somebody who has the key.

Examples:
  mcp-universal-server audit verify
  docker logs mus | mcp-universal-server audit verify --checkpoint -
  mcp-universal-server audit verify --dir backup/audit --public-key 3b6a27bc…")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Checkpoints, as lines of a log or a file of them; `-` is standard input
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The key that checkpoints must be signed with, in hexadecimal, as the server's
    /// log has it [default: that of `audit.key`, if the configuration leads to it]
    #[arg(long, value_name = "KEY")]
    public_key: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (folder, state_dir) = arguments.place.find(&config)?;
    let key = match &arguments.public_key {
        Some(text) => Some(PublicKey::from_hex(text.trim()).ok_or_else(|| {
            Failure::Usage(format!("`{text}` is no public key, which is 64 hexadecimal digits"))
        })?),
        None => state_dir.and_then(|_| configured_key(&config_path(config))),
    };
    let outside = match &arguments.checkpoint {
        Some(path) => checkpoints(path)?,
        None => Vec::new(),
    };
    let held = Held { key, outside };
    let findings = audit::verify(&folder, &held).map_err(|error| {
        Failure::Failed(format!("the audit in {} cannot be read: {error}", folder.display()))
    })?;
    if arguments.json {
        let json = serde_json::to_string_pretty(&findings).map_err(Failure::failed)?;
        writeln!(out, "{json}").map_err(Failure::failed)?;
    } else {
        write(&findings, &folder, out).map_err(Failure::failed)?;
    }
    if findings.sound { Ok(()) } else { Err(Failure::Failed(String::new())) }
}

/// The key that is kept apart from the audit. The one in `state.dir` proves
/// nothing against whoever can write there.
fn configured_key(config: &Path) -> Option<PublicKey> {
    let (source, environment) = ConfigFiles::new(config.to_owned()).read().ok()?;
    let settings = config::compile(&source, &environment).ok()?.settings;
    settings.audit.key.as_ref().map(audit::public_half)
}

/// The checkpoints among the lines of a log.
fn checkpoints(path: &Path) -> Result<Vec<Checkpoint>, Failure> {
    let from = |error: io::Error| Failure::Failed(format!("{} cannot be read: {error}", path.display()));
    let lines: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(fs::File::open(path).map_err(from)?))
    };
    let mut found = Vec::new();
    for line in lines.split(b'\n') {
        let line = line.map_err(from)?;
        // Whatever stands before it, as a time or a container's name.
        let json = line.iter().position(|byte| *byte == b'{').and_then(|at| line.get(at..));
        found.extend(json.and_then(|json| serde_json::from_slice::<Checkpoint>(json).ok()));
    }
    if found.is_empty() {
        return Err(Failure::Failed(format!(
            "there is no checkpoint in {}: it takes lines of the server's log with the message `audit checkpoint`",
            path.display()
        )));
    }
    Ok(found)
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn write(findings: &Findings, folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    let Findings { first, last, segments, checkpoints, signed_up_to, .. } = findings;
    for problem in &findings.problems {
        let place = match (&problem.segment, problem.line) {
            (Some(segment), Some(line)) => format!("{segment}:{line}: "),
            (Some(segment), None) => format!("{segment}: "),
            _ => String::new(),
        };
        writeln!(out, "{place}{}", problem.message)?;
    }
    if findings.more_problems > 0 {
        writeln!(out, "and {} more", findings.more_problems)?;
    }
    let verdict = match findings.problems.len() + findings.more_problems {
        0 => "sound".to_owned(),
        1 => "not sound, 1 problem".to_owned(),
        problems => format!("not sound, {problems} problems"),
    };
    writeln!(out, "{}: {verdict}", folder.display())?;
    if *last > 0 {
        writeln!(
            out,
            "  records {first} to {last}, {}; {}, signed up to record {signed_up_to}",
            counted(*segments as u64, "segment"),
            counted(*checkpoints, "checkpoint"),
        )?;
    }
    if let Some(key) = &findings.key {
        writeln!(out, "  key {key}")?;
    }
    if findings.outside_checkpoints > 0 {
        let held_to = counted(findings.outside_checkpoints as u64, "checkpoint");
        writeln!(out, "  held to {held_to} from outside")?;
    }
    findings.notes.iter().try_for_each(|note| writeln!(out, "  note: {note}"))
}
