//! What the author of a plugin is told.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use plugin_contract::Manifest;
use serde_json::{Value, json};
use server_core::{
    id::AgentId,
    secret::{Secret, TokenDigest},
    settings::Settings,
};

use super::{TOKEN, grants, screen::readable};
use crate::cli::token::claude_mcp_add;

const WARNING: &str = "DEVELOPMENT MODE: this plugin is not signed, and only this machine can reach it. \
                       For others, sign it and run `mcp-universal-server serve`.";

/// Knows what is served and with which settings, and says so.
pub(super) struct Desk {
    json: bool,
    config: PathBuf,
    token: Secret,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    library: PathBuf,
    manifest: Option<Manifest>,
    settings: Option<Settings>,
    /// The address is told.
    is_open: bool,
    /// The lines that were missing, as they were told last.
    missing: Option<String>,
}

impl Desk {
    pub(super) fn new(json: bool, config: PathBuf, token: Secret) -> Self {
        Self { json, config: near(&config), token, state: Mutex::default() }
    }

    /// A library was signed.
    pub(super) fn built(&self, library: &Path, manifest: Manifest) {
        let mut state = self.state();
        (state.library, state.manifest) = (near(library), Some(manifest));
    }

    /// One could not be.
    pub(super) fn failed(&self, error: &str) {
        let message = "what was built cannot be served, so what was before goes on";
        self.say(&format!("\nerror: {error}\n  {message}\n"), &json!({ "message": message, "error": error }));
    }

    /// These settings may come into force.
    pub(super) fn configured(&self, settings: &Settings) {
        self.state().settings = Some(settings.clone());
    }

    /// A line of the server's log.
    pub(super) fn logged(&self, line: &Value) {
        if self.json {
            self.print(&format!("{line}\n"));
        } else if line.get("target").and_then(Value::as_str) != Some("audit") {
            self.print(&readable(line));
        }
        match line.get("message").and_then(Value::as_str) {
            Some("listening") => {
                let address = line.get("address").and_then(Value::as_str).unwrap_or_default();
                self.open(address);
            }
            Some("configuration in force") => self.tell_grants(),
            _ => {}
        }
    }

    fn open(&self, address: &str) {
        let mut state = self.state();
        let State { manifest: Some(manifest), settings: Some(settings), .. } = &*state else { return };
        let url = format!("http://{address}/mcp");
        let add = claude_mcp_add(manifest.name.as_str(), &url, &self.token);
        let (name, version, library) = (&manifest.name, &manifest.version, state.library.display());
        let config = self.config.display();
        let who = match self.agent(settings) {
            Some(agent) => {
                format!("  for agent {agent} of {config}, with the token {}\n  {add}\n", self.token.expose())
            }
            None => {
                format!("  for the agents of {config}, none of which has the token ${{{}}}\n", TOKEN)
            }
        };
        let text = format!(
            "\n{WARNING}\n\n{name} {version} ({library}) at {url}\n{who}\nBuild it again, and the new one answers the next call. Ctrl-C ends it.\n\n"
        );
        let json = json!({
            "message": "development mode",
            "warning": WARNING,
            "plugin": name,
            "version": version,
            "library": state.library,
            "url": url,
            "config": self.config,
            "agent": self.agent(settings),
            "token": self.token.expose(),
            "claude": add,
        });
        state.is_open = true;
        drop(state);
        self.say(&text, &json);
        self.tell_grants();
    }

    /// Says which lines are missing, if they are others than before.
    fn tell_grants(&self) {
        let mut state = self.state();
        let State { manifest: Some(manifest), settings: Some(settings), is_open: true, .. } = &*state else {
            return;
        };
        let missing = self.agent(settings).and_then(|agent| grants::missing(manifest, settings, agent));
        if missing == state.missing {
            return;
        }
        let (name, config) = (&manifest.name, self.config.display());
        let text = match &missing {
            Some(lines) => {
                let lines = lines.replace('\n', "\n  ");
                format!(
                    "{name} asks for more than {config} grants it. These lines would, each where it belongs:\n\n  {lines}\n\n"
                )
            }
            None => format!("{config} grants {name} all that it asks for\n\n"),
        };
        let json = json!({ "message": "capabilities", "plugin": name, "missing": missing });
        state.missing = missing;
        drop(state);
        self.say(&text, &json);
    }

    /// Whose the author's token is.
    fn agent<'s>(&self, settings: &'s Settings) -> Option<&'s AgentId> {
        let token = TokenDigest::of(self.token.expose());
        settings.agents.iter().find(|(_, agent)| agent.tokens.contains(&token)).map(|(name, _)| name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, text: &str, json: &Value) {
        self.print(&if self.json { format!("{json}\n") } else { text.to_owned() });
    }

    /// Whoever reads it may have gone; the server goes on.
    fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// A path as whoever is in this folder writes it.
fn near(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).or_else(|_| path.strip_prefix(".")).unwrap_or(path).to_owned()
}
