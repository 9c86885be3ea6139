//! `check`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use server_core::{
    config::{self, Problem, Severity},
    diff::{Side, diff},
    redact::Redaction,
    settings::Settings,
};

use crate::{
    cli::{
        Failure, config_path,
        diff::{offered, text},
    },
    config_files::{ConfigFiles, KeptEnvironment, ReadError, SystemEnvironment},
    reload,
};

/// Say every problem of a configuration
#[derive(Debug, Args)]
#[command(after_help = "\
Where a server has run on this configuration before, it also says who would gain or lose what.

Example:
  mcp-universal-server check config.yaml")]
pub(super) struct Arguments {
    /// Files to check [default: the configuration file]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON array of problems
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    redaction: &Redaction,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut files = arguments.files.clone();
    if files.is_empty() {
        files.push(config_path(config));
    }
    let mut all = Vec::new();
    let mut bad = 0;
    let mut text = Vec::new();
    for file in files {
        let checked = check(&file, redaction);
        print(&file, &checked, &mut text).map_err(Failure::failed)?;
        bad += usize::from(!checked.accepted);
        all.extend(checked.problems);
    }
    // Snippets show what the schema knows and what does not look secret. What is one
    // by its value is known only now.
    let redactor = redaction.load();
    if arguments.json {
        let mut json = serde_json::to_value(&all).map_err(Failure::failed)?;
        redactor.value(&mut json);
        writeln!(out, "{json:#}").map_err(Failure::failed)?;
    } else {
        let text = String::from_utf8_lossy(&text);
        write!(out, "{}", redactor.text(&text)).map_err(Failure::failed)?;
    }
    if bad > 0 { Err(Failure::Configuration(String::new())) } else { Ok(()) }
}

/// What there is to say of a file.
struct Checked {
    problems: Vec<Problem>,
    accepted: bool,
    /// Who would gain or lose what, compared with what was in force last.
    changes: Option<String>,
}

/// Its secrets are known to `redaction` from then on.
fn check(file: &Path, redaction: &Redaction) -> Checked {
    let refused = |problems| Checked { problems, accepted: false, changes: None };
    let (source, environment) = match ConfigFiles::new(file).read() {
        Ok(read) => read,
        Err(unreadable) => return refused(vec![problem(&unreadable)]),
    };
    let compiled = config::compile(&source, &environment);
    redaction.learn(environment.secrets(), Instant::now());
    match compiled {
        Ok(compiled) => {
            let changes = changes(&compiled.settings, &environment);
            let problems = compiled.warnings.into_iter().chain(environment.doubt()).collect();
            Checked { problems, accepted: true, changes }
        }
        Err(problems) => refused(problems),
    }
}

/// `None` if nothing is known of a configuration that was in force.
fn changes(settings: &Settings, environment: &SystemEnvironment) -> Option<String> {
    let sources = reload::last_good(&settings.state_dir)?;
    let kept = KeptEnvironment::new(&sources, environment);
    let before = config::compile(sources.first()?, &kept).ok()?.settings;
    let mut notes = Vec::new();
    let names = (offered(&before.plugins, &mut notes), offered(&settings.plugins, &mut notes));
    let old = Side { settings: &before, names: &names.0 };
    text(&diff(old, Side { settings, names: &names.1 }), &[]).ok()
}

fn print(file: &Path, checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    for problem in &checked.problems {
        writeln!(out, "{problem}\n")?;
    }
    // Of what is accepted, they are warnings.
    let (verdict, kind) = if checked.accepted { ("ok", "warning") } else { ("cannot be used", "problem") };
    let count = match checked.problems.len() {
        0 => String::new(),
        1 => format!(", 1 {kind}"),
        count => format!(", {count} {kind}s"),
    };
    writeln!(out, "{}: {verdict}{count}", file.display())?;
    let Some(changes) = &checked.changes else { return Ok(()) };
    writeln!(out, "\nCompared with the configuration that was in force last:\n")?;
    for line in changes.trim_end().lines() {
        writeln!(out, "{}", format!("  {line}").trim_end())?;
    }
    Ok(())
}

fn problem(unreadable: &ReadError) -> Problem {
    // The file that has it, which may be `.env`.
    let (path, line, message) = match unreadable {
        ReadError::File { path, .. } => (path, 1, unreadable.to_string()),
        ReadError::Dotenv { path, error } => (path, error.line, error.wrong.to_string()),
    };
    Problem {
        severity: Severity::Error,
        code: "unreadable",
        path: path.clone(),
        line,
        column: 1,
        config_path: String::new(),
        alias_line: None,
        message,
        help: None,
        snippet: None,
    }
}
