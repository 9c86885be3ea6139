//! What must be in force: the operator's files, what the server has made of them,
//! and which rules lie between.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// What an agent may do: `core.echo`, `core.sum`, both, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tools(pub(super) u8);

impl Tools {
    pub(super) const NAMES: [&str; 2] = ["core.echo", "core.sum"];

    pub(super) fn names(self) -> Vec<&'static str> {
        (0..2).filter(|tool| self.0 >> tool & 1 == 1).map(|tool| Self::NAMES[tool]).collect()
    }
}

/// An agent: which of its tokens counts, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) token: u64,
    pub(super) tools: Tools,
}

/// A configuration: config.yaml and the files that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// No two edits make the same.
    pub(super) edit: u64,
    /// Those of config.yaml. `keeper` has its token in a file of its own.
    pub(super) agents: BTreeMap<String, Agent>,
    /// Those that have an included file each.
    pub(super) guests: BTreeMap<String, Agent>,
}

/// The agent whose token is in the file `secret`; it may use the plugin.
pub(super) const KEEPER: &str = "keeper";

/// One thing that somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Writes a right configuration.
    Edit(Config),
    /// Writes a wrong one.
    Break(Broken, u64),
    /// Writes an included file, or removes it.
    Guest(String, Option<Agent>),
    /// Gives `keeper` another token.
    Secret(u64),
    /// Installs a release of the plugin.
    Release(u32),
    /// Spoils the signature of what is installed.
    Spoil(u64),
    /// Goes back to a generation, or to the one before.
    Rollback(Option<u64>),
    /// `POST /reload`, with nothing changed.
    Reload,
    /// SIGHUP, with nothing changed.
    Hangup,
}

/// How config.yaml can be of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Yaml,
    Tenant,
    Empty,
    /// So much of it is there, in a thousandth.
    Cut(u64),
    StateDir,
    UnknownKey,
}

/// What must come of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Another generation.
    Applied,
    /// A refusal, and the same generation.
    Refused,
    /// Nothing that could be waited for, and the same generation.
    Nothing,
    /// A refusal of the plugin, and the same generation.
    PluginRefused,
}

/// The files, the server, and what it remembers.
pub(super) struct Model {
    pub(super) disk: Config,
    /// What config.yaml is instead, with a number that tells it from others.
    pub(super) broken: Option<(Broken, u64)>,
    pub(super) disk_secret: u64,
    pub(super) installed: u32,
    pub(super) live: Config,
    pub(super) secret: u64,
    pub(super) release: u32,
    pub(super) generation: u64,
    /// What the files held at a rollback, which counts as long as they do.
    pin: Option<(Config, Option<(Broken, u64)>)>,
    /// The last six configurations that were in force, with their generations.
    pub(super) kept: Vec<(u64, Config)>,
    /// Whether the files were refused, and still are what they were then.
    pub(super) refused: bool,
    /// Tokens that count no longer, as (agent, token).
    pub(super) dead: Vec<(String, u64)>,
}

impl Model {
    pub(super) fn new(start: Config) -> Self {
        Self {
            disk: start.clone(),
            broken: None,
            disk_secret: 0,
            installed: 1,
            live: start.clone(),
            secret: 0,
            release: 1,
            generation: 1,
            pin: None,
            refused: false,
            kept: vec![(1, start)],
            dead: Vec::new(),
        }
    }

    /// Whether the files give way to a rollback.
    pub(super) fn is_pinned(&self) -> bool {
        self.pin.as_ref().is_some_and(|(disk, broken)| (disk, broken) == (&self.disk, &self.broken))
    }

    /// What must come of a step.
    pub(super) fn take(&mut self, step: &Step) -> Effect {
        let was_pinned = self.is_pinned();
        match step {
            Step::Edit(config) => {
                (self.disk, self.broken) = (config.clone(), None);
                self.take_files(was_pinned)
            }
            Step::Break(broken, number) => {
                let number = if *broken == Broken::Empty { 0 } else { *number };
                let before = self.broken.replace((*broken, number));
                if before == self.broken { Effect::Nothing } else { self.take_files(was_pinned) }
            }
            Step::Guest(name, agent) => {
                match agent {
                    Some(agent) => self.disk.guests.insert(name.clone(), *agent),
                    None => self.disk.guests.remove(name),
                };
                // Not every mistake in config.yaml leaves known what it includes.
                let unseen = self.broken.is_some() && !was_pinned;
                if unseen && !self.is_pinned() { Effect::Nothing } else { self.take_files(was_pinned) }
            }
            Step::Secret(token) => {
                self.disk_secret = *token;
                if self.broken.is_some() && !was_pinned {
                    return Effect::Nothing;
                }
                self.put_in_force(self.live.clone())
            }
            Step::Release(release) => {
                (self.installed, self.release) = (*release, *release);
                self.generation += 1;
                Effect::Applied
            }
            Step::Spoil(_) => Effect::PluginRefused,
            Step::Rollback(to) => {
                let config = match to {
                    Some(to) => self.kept.iter().rev().find(|(generation, _)| generation <= to),
                    None => self.kept.iter().rev().nth(1),
                };
                let config = config.unwrap().1.clone();
                self.pin = Some((self.disk.clone(), self.broken));
                self.put_in_force(config)
            }
            Step::Reload | Step::Hangup => Effect::Nothing,
        }
    }

    /// The files have changed.
    fn take_files(&mut self, was_pinned: bool) -> Effect {
        if self.is_pinned() {
            // They are again what they were at the rollback.
            assert!(!was_pinned);
            self.refused = false;
            return Effect::Nothing;
        }
        if self.broken.is_some() {
            self.refused = true;
            return Effect::Refused;
        }
        self.pin = None;
        self.put_in_force(self.disk.clone())
    }

    /// A configuration comes into force with the secrets of now.
    fn put_in_force(&mut self, config: Config) -> Effect {
        self.generation += 1;
        self.refused = false;
        let before = self.tokens();
        self.secret = self.disk_secret;
        if config != self.live {
            self.kept.push((self.generation, config.clone()));
            self.kept.drain(..self.kept.len().saturating_sub(6));
        }
        self.live = config;
        self.dead.extend(before);
        let alive = self.tokens();
        self.dead.retain(|dead| !alive.contains(dead));
        Effect::Applied
    }

    /// Every agent of now, with the token that counts.
    pub(super) fn agents(&self) -> Vec<(String, Agent)> {
        let all = self.live.agents.iter().chain(&self.live.guests);
        all.map(|(name, agent)| {
            let token = if name == KEEPER { self.secret } else { agent.token };
            (name.clone(), Agent { token, ..*agent })
        })
        .collect()
    }

    fn tokens(&self) -> Vec<(String, u64)> {
        self.agents().into_iter().map(|(name, agent)| (name, agent.token)).collect()
    }
}

impl Config {
    /// config.yaml, ending with a key that must not change: whatever is cut off, it is
    /// refused.
    pub(super) fn text(&self, head: &str, tail: &str) -> String {
        let mut text = format!("# {}\n{head}agents:\n", self.edit);
        for (name, agent) in &self.agents {
            text.push_str(&entry(name, *agent));
        }
        text + tail
    }
}

/// An included file.
pub(super) fn guest(name: &str, agent: Agent) -> String {
    format!("agents:\n{}", entry(name, agent))
}

fn entry(name: &str, agent: Agent) -> String {
    let mut tools = agent.tools.names();
    let token = if name == KEEPER {
        tools.push("bench.*");
        "${file:secret}".to_owned()
    } else {
        format!("sha256:{:x}", Sha256::digest(token(name, agent.token)))
    };
    format!(
        "  {name}: {{ tenant: research, token: \"{token}\", tools: {tools:?}, limits: {{ rate_limit: \"1000/s\" }} }}\n"
    )
}

/// An agent's token.
pub(super) fn token(agent: &str, number: u64) -> String {
    format!("{agent}-token-{number:06}-0123456789-0123456789-0123456789")
}
