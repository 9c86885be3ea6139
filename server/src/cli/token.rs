//! `token new`.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;
use server_core::{
    config::Endpoint,
    id::AgentId,
    secret::{Secret, TokenDigest},
};

use crate::cli::{Failure, config_path, endpoint};

/// Make tokens for agents
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a new token, and the lines that put it to use
    #[command(after_help = "Example:\n  mcp-universal-server token new --agent laptop")]
    New {
        /// The agent it is for
        #[arg(long, value_name = "NAME", default_value = "agent")]
        agent: AgentId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: Option<PathBuf>, out: &mut dyn Write) -> Result<(), Failure> {
    let Command::New { agent, json } = command;
    let token = new_token().map_err(Failure::failed)?;
    let token_line = format!("token: \"sha256:{}\"", TokenDigest::of(token.expose()).to_hex());
    let add = claude_mcp_add("mus", &url(config), &token);
    if *json {
        let json = serde_json::json!({ "token": token.expose(), "config": token_line, "claude": add });
        return writeln!(out, "{json:#}").map_err(Failure::failed);
    }
    writeln!(
        out,
        "The token, shown this once:\n  {}\n\nIn config.yaml, under `agents.{agent}`:\n  {token_line}\n\nOn the agent's machine:\n  {add}",
        token.expose(),
    )
    .map_err(Failure::failed)
}

/// 256 random bits behind a prefix that secret scanners can look for.
pub(super) fn new_token() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(format!("mus_{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())))
}

/// The line that connects Claude Code to a server, which it calls `name`.
pub(super) fn claude_mcp_add(name: &str, url: &str, token: &Secret) -> String {
    format!(
        "claude mcp add --transport http {name} {url} --header \"Authorization: Bearer {}\"",
        token.expose()
    )
}

/// Where agents reach the server, as far as a configuration tells.
fn url(config: Option<PathBuf>) -> String {
    let Endpoint { listen, public_url, .. } = endpoint::read(&config_path(config));
    match public_url {
        Some(url) => url.to_string(),
        // Only the operator knows under which name others find this machine.
        None if listen.ip().is_unspecified() => format!("http://<this machine>:{}/mcp", listen.port()),
        None => format!("http://{listen}/mcp"),
    }
}
