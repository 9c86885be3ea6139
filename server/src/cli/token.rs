//! `token new` and `token rotate`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::json;
use server_core::{
    config::{Endpoint, Places, Spot},
    id::AgentId,
    redact::Redaction,
    secret::{Secret, TokenDigest},
};

use crate::cli::{Failure, config_path, endpoint, stand_in};

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
    /// Print another token for an agent that has one, and how to change over while it works
    #[command(after_help = "\
The configuration is yours to edit: this only reads it. Until the last step both tokens are good.

Example:
  mcp-universal-server token rotate --agent laptop")]
    Rotate {
        /// The agent, as the configuration calls it
        #[arg(long, value_name = "NAME")]
        agent: AgentId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(
    command: &Command,
    config: Option<PathBuf>,
    redaction: &Redaction,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = config_path(config);
    let token = new_token().map_err(Failure::failed)?;
    let new = Given { url: url(&config), token };
    match command {
        Command::New { agent, json } => new.first(agent, *json, out),
        Command::Rotate { agent, json } => new.next(*json, written(agent, &config, redaction)?, out),
    }
}

/// A token that nobody has yet.
struct Given {
    token: Secret,
    /// Where it is to be used.
    url: String,
}

impl Given {
    /// For an agent's first token.
    fn first(&self, agent: &AgentId, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
        let (line, add) = (one(&self.reference()), self.claude_mcp_add());
        let token = self.token.expose();
        if json {
            let json = json!({ "token": token, "config": line, "claude": add });
            return writeln!(out, "{json:#}").map_err(Failure::failed);
        }
        let page = format!(
            "\
The token, shown this once:
  {token}

In config.yaml, under `agents.{agent}`:
  {line}

On the agent's machine:
  {add}"
        );
        writeln!(out, "{page}").map_err(Failure::failed)
    }

    /// For the one after those that an agent has.
    fn next(
        &self,
        json: bool,
        (places, mut references): Written,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        references.push(self.reference());
        let quoted: Vec<_> = references.iter().map(|reference| json!(reference).to_string()).collect();
        let (both, only) = (format!("tokens: [{}]", quoted.join(", ")), one(&self.reference()));
        let (token, add) = (self.token.expose(), self.claude_mcp_add());
        if json {
            let json = json!({ "token": token, "places": places, "both": both, "only": only, "claude": add });
            return writeln!(out, "{json:#}").map_err(Failure::failed);
        }
        let places = places.iter().map(|Spot { path, line, config_path, .. }| {
            format!("`{config_path}` in {}:{line}", path.display())
        });
        let places = places.collect::<Vec<_>>().join(" and ");
        let page = format!(
            "\
The token, shown this once:
  {token}

1. Let both be good: instead of {places}, write
  {both}

2. Change over, on the agent's machine:
  claude mcp remove mus
  {add}

3. End the old one, when nobody uses it any more: write there
  {only}

An edit is in force within a second. What the old token opened ends with it."
        );
        writeln!(out, "{page}").map_err(Failure::failed)
    }

    /// What a configuration may hold of it.
    fn reference(&self) -> String {
        format!("sha256:{}", TokenDigest::of(self.token.expose()).to_hex())
    }

    fn claude_mcp_add(&self) -> String {
        claude_mcp_add("mus", &self.url, &self.token)
    }
}

fn one(reference: &str) -> String {
    format!("token: \"{reference}\"")
}

/// Where an agent's tokens are written, and what is written there.
type Written = (Vec<Spot>, Vec<String>);

/// What an agent's tokens are now, and where that is written.
fn written(agent: &AgentId, config: &Path, redaction: &Redaction) -> Result<Written, Failure> {
    let places = Places::of(&stand_in::compiled(config, redaction)?.sources);
    places.and_then(|places| places.tokens(agent)).ok_or_else(|| {
        Failure::Failed(format!(
            "{} has no agent `{agent}`, so there is no token to replace; for its first one: mcp-universal-server token new --agent {agent}",
            config.display()
        ))
    })
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
fn url(config: &Path) -> String {
    let Endpoint { listen, public_url, .. } = endpoint::read(config);
    match public_url {
        Some(url) => url.to_string(),
        // Only the operator knows under which name others find this machine.
        None if listen.ip().is_unspecified() => format!("http://<this machine>:{}/mcp", listen.port()),
        None => format!("http://{listen}/mcp"),
    }
}
