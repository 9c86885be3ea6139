//! The command line: what was asked, who answers, and with which exit code.

use std::{
    ffi::OsString,
    io::{self, ErrorKind as IoErrorKind, StdoutLock, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand, error::ErrorKind};
use server_core::redact::Redaction;

mod admin;
mod audit;
mod budget;
mod check;
mod completions;
mod diff;
mod endpoint;
mod explain;
mod healthcheck;
mod man;
pub mod plugin;
mod reload;
mod schema;
mod serve;
mod stand_in;
mod status;
mod table;
mod token;

/// One governed MCP server for many agents.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-universal-server",
    version,
    about,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 done; 1 it did not work; 64 called wrongly; 78 the configuration cannot be used.

Examples:
  mcp-universal-server check
  mcp-universal-server serve
  mcp-universal-server explain --agent laptop --tool core.sum"
)]
struct Cli {
    /// The configuration file
    #[arg(long, global = true, env = "MCP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Arguments),
    /// Say every problem of a configuration
    Check(check::Arguments),
    /// Say who gains and loses what between two configurations
    Diff(diff::Arguments),
    /// Say whether an agent may call a tool, and why
    Explain(explain::Arguments),
    /// Print the configuration's JSON Schema, for editors
    #[command(after_help = "\
With `# yaml-language-server: $schema=./config.schema.json` as the first line of config.yaml, editors
that know YAML complete and underline it.

Example:
  mcp-universal-server schema > config.schema.json")]
    Schema,
    /// Make tokens for agents
    #[command(subcommand)]
    Token(token::Command),
    /// Write, try, sign and look into plugins
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Read the audit, the record of every decision
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show how a running server is
    Status(status::Arguments),
    /// Show and correct what was spent on models
    #[command(subcommand)]
    Budget(budget::Command),
    /// Have a running server read its configuration now, and say what came of it
    Reload(reload::Arguments),
    /// Put an earlier configuration in force, until the files change
    Rollback(reload::RollbackArguments),
    /// Ask a running server whether it is ready; exit 0 if so
    Healthcheck(healthcheck::Arguments),
    /// Print what completes this program's commands in a shell
    Completions(completions::Arguments),
    /// Print the manual page, or write those of all commands
    Man(man::Arguments),
}

/// Why a command failed, as its exit code.
#[derive(Debug)]
pub enum Failure {
    /// It did not work: 1.
    Failed(String),
    /// It was called wrongly: 64.
    Usage(String),
    /// The configuration cannot be used: 78.
    Configuration(String),
}

impl Failure {
    /// Something did not work.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Says why on standard error, without secrets that were read on the way.
    fn exit(&self, redaction: &Redaction) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 64),
            Self::Configuration(message) => (message, 78),
        };
        if !message.is_empty() {
            let prefix =
                if message.starts_with("error") || message.starts_with("warning") { "" } else { "error: " };
            let known = redaction.load().known_only();
            let _ = writeln!(std::io::stderr(), "{prefix}{}", known.text(message));
        }
        ExitCode::from(code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Failed(message) | Self::Usage(message) | Self::Configuration(message)) = self;
        f.write_str(message)
    }
}

/// Runs the program with the given arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { 0 } else { 64 });
        }
    };
    let redaction = Arc::<Redaction>::default();
    let mut out = Output { out: io::stdout().lock(), line: Vec::new(), redaction: redaction.clone() };
    let config = cli.config;
    let done = match cli.command {
        Command::Serve(arguments) => {
            drop(out);
            serve::run(&arguments, config, redaction.clone())
        }
        Command::Plugin(command @ plugin::Command::Run(_)) => {
            drop(out);
            plugin::run(command, config, redaction.clone(), &mut io::sink())
        }
        Command::Check(arguments) => check::run(&arguments, config, &redaction, &mut out),
        Command::Diff(arguments) => diff::run(&arguments, &redaction, &mut out),
        Command::Explain(arguments) => explain::run(&arguments, config, &redaction, &mut out),
        Command::Schema => schema::run(&mut out),
        Command::Token(command) => token::run(&command, config, &redaction, &mut out),
        Command::Plugin(command) => plugin::run(command, config, redaction.clone(), &mut out),
        Command::Audit(command) => audit::run(&command, config, &mut out),
        Command::Status(arguments) => status::run(&arguments, config, &mut out),
        Command::Budget(command) => budget::run(&command, config, &mut out),
        Command::Reload(arguments) => reload::run(&arguments, config, &mut out),
        Command::Rollback(arguments) => reload::roll_back(&arguments, config, &mut out),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments, config, &mut out),
        Command::Completions(arguments) => completions::run(&arguments, &mut out),
        Command::Man(arguments) => man::run(&arguments, &mut out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(&redaction),
    }
}

/// The program's commands, as clap has them.
fn commands() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// What a shell reports of a program that wrote to a pipe which nobody reads any
/// more: 128 and the number of SIGPIPE.
const NOBODY_READS: i32 = 141;

/// Standard output. Whoever reads it may have seen enough, as in `status | head`:
/// then the program ends as others do, without a word.
struct Output {
    out: StdoutLock<'static>,
    /// The beginning of a line, which is written once it is whole.
    line: Vec<u8>,
    /// Knows what a command has read that nobody is to see.
    redaction: Arc<Redaction>,
}

impl Output {
    fn read_on<T>(result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == IoErrorKind::BrokenPipe) {
            std::process::exit(NOBODY_READS);
        }
        result
    }
}

impl Output {
    fn write_out(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        let known = self.redaction.load().known_only();
        Self::read_on(self.out.write_all(known.text(&text).as_bytes()))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            let whole = std::mem::replace(&mut self.line, rest);
            self.write_out(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.line);
        self.write_out(&rest)?;
        Self::read_on(self.out.flush())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// The configuration file to use: the one asked for, or `config.yaml` here.
fn config_path(asked: Option<PathBuf>) -> PathBuf {
    asked.unwrap_or_else(|| PathBuf::from("config.yaml"))
}

#[cfg(test)]
mod tests;
