//! `check`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use server_core::config::{self, Problem, Severity};

use crate::{
    cli::{Failure, config_path},
    config_files::{ConfigFiles, ReadError},
};

/// Say every problem of a configuration
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server check config.yaml")]
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
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut files = arguments.files.clone();
    if files.is_empty() {
        files.push(config_path(config));
    }
    let mut all = Vec::new();
    let mut bad = 0;
    for file in files {
        let (problems, accepted) = check(&file);
        if !arguments.json {
            for problem in &problems {
                writeln!(out, "{problem}\n").map_err(Failure::failed)?;
            }
            let verdict = if accepted { "ok" } else { "cannot be used" };
            let count = match problems.len() {
                0 => String::new(),
                1 => ", 1 problem".to_owned(),
                count => format!(", {count} problems"),
            };
            writeln!(out, "{}: {verdict}{count}", file.display()).map_err(Failure::failed)?;
        }
        bad += usize::from(!accepted);
        all.extend(problems);
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&all).map_err(Failure::failed)?;
        writeln!(out, "{json}").map_err(Failure::failed)?;
    }
    if bad > 0 { Err(Failure::Configuration(String::new())) } else { Ok(()) }
}

fn check(file: &Path) -> (Vec<Problem>, bool) {
    let read = ConfigFiles::new(file).read();
    match read.map(|(source, environment)| config::compile(&source, &environment)) {
        Ok(Ok(compiled)) => (compiled.warnings, true),
        Ok(Err(problems)) => (problems, false),
        Err(unreadable) => (vec![problem(file, &unreadable)], false),
    }
}

fn problem(file: &Path, unreadable: &ReadError) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "unreadable",
        path: file.to_owned(),
        line: 1,
        column: 1,
        config_path: String::new(),
        alias_line: None,
        message: unreadable.to_string(),
        help: None,
        snippet: None,
    }
}
