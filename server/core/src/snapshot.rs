//! One compiled configuration with the plugins it loaded, and the holder of the
//! current one.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use plugin_contract::PluginName;

use crate::{
    id::{AgentId, Generation},
    principal::{Caller, Principal},
    registry::Registry,
    secret::TokenDigest,
    settings::{Agent, Filters, Settings, Tenant},
};

/// Everything a call is judged by. Immutable: a change makes another one.
#[derive(Debug)]
pub struct Snapshot {
    /// Which one.
    pub generation: Generation,
    /// SHA-256 of the configuration it was compiled from, in hexadecimal.
    pub config_sha256: String,
    /// What the operator decided.
    pub settings: Settings,
    /// What is loaded.
    pub registry: Registry,
    tokens: HashMap<TokenDigest, AgentId>,
}

impl Snapshot {
    fn new(generation: Generation, content: Content) -> Self {
        let tokens = content
            .settings
            .agents
            .iter()
            .flat_map(|(id, agent)| agent.tokens.iter().map(|token| (*token, id.clone())))
            .collect();
        Self {
            generation,
            config_sha256: content.config_sha256,
            settings: content.settings,
            registry: content.registry,
            tokens,
        }
    }

    /// Whose token this is.
    ///
    /// Its SHA-256 is looked up, never the token: how long that takes depends on
    /// a digest that the caller cannot steer, and digests are compared in
    /// constant time.
    #[must_use]
    pub fn authenticate(&self, token: &str) -> Option<Caller> {
        let token = TokenDigest::of(token);
        Some(Caller { principal: self.bearer(&token)?, token, address: None })
    }

    /// The same, by the token's digest.
    #[must_use]
    pub fn bearer(&self, token: &TokenDigest) -> Option<Principal> {
        let agent = self.holder(token)?;
        let tenant = self.settings.agents.get(agent)?.tenant.clone();
        Some(Principal { agent: agent.clone(), tenant })
    }

    /// The agent and tenant behind a principal, if this snapshot still has them
    /// and still puts them together.
    #[must_use]
    pub fn standing(&self, principal: &Principal) -> Option<(&Agent, &Tenant)> {
        let agent = self.settings.agents.get(&principal.agent)?;
        let tenant = self.settings.tenants.get(&principal.tenant)?;
        (agent.tenant == principal.tenant).then_some((agent, tenant))
    }

    /// What is done to what goes through the server for `principal` by a plugin: the
    /// stricter of what agent, tenant and the plugin's entry ask for.
    #[must_use]
    pub fn filters(&self, principal: &Principal, plugin: &PluginName) -> Filters {
        let entry = self.settings.plugins.entries.get(plugin.as_str());
        let of_plugin = entry.map(|entry| entry.filters).unwrap_or_default();
        let of_agent = self.standing(principal).map_or(Filters::STRICTEST, Filters::of);
        of_plugin.and(of_agent)
    }

    /// Whether this token would still make this principal.
    #[must_use]
    pub fn knows(&self, token: &TokenDigest, principal: &Principal) -> bool {
        self.holder(token) == Some(&principal.agent) && self.standing(principal).is_some()
    }

    /// The agent whose token this is.
    #[must_use]
    pub fn holder(&self, token: &TokenDigest) -> Option<&AgentId> {
        self.tokens.get(token)
    }
}

/// What a snapshot is made of.
#[derive(Debug)]
pub struct Content {
    /// See [`Snapshot::config_sha256`].
    pub config_sha256: String,
    /// See [`Snapshot::settings`].
    pub settings: Settings,
    /// See [`Snapshot::registry`].
    pub registry: Registry,
}

/// Holds the current snapshot.
#[derive(Debug)]
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    /// Starts with the first one.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self(ArcSwap::from_pointee(Snapshot::new(Generation(1), content)))
    }

    /// The current snapshot. Load it once per call and keep it to the end.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts the next one in its place, in one step, and answers it.
    ///
    /// Meant for one caller at a time: the reload pipeline.
    pub fn publish(&self, content: Content) -> Arc<Snapshot> {
        let next = Generation(self.0.load().generation.0 + 1);
        let snapshot = Arc::new(Snapshot::new(next, content));
        self.0.store(snapshot.clone());
        snapshot
    }
}
