//! What a decision about a tool rests on, right by right, for whoever asks why.

use std::fmt;

use plugin_contract::{Capability, PluginName};

use super::{Thing, patterns};
use crate::{
    id::{AgentId, TenantId},
    pattern::Pattern,
    principal::Principal,
    registry::Tool,
    snapshot::Snapshot,
};

/// Whose word it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The agent's grant, with its profiles.
    Agent(AgentId),
    /// The ceiling of its tenant.
    Tenant(TenantId),
    /// The operator's entry for the plugin.
    Plugin(PluginName),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Plugin(plugin) => write!(f, "plugin {plugin}"),
        }
    }
}

/// What it takes it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The tool itself.
    Tool,
    /// A capability that the tool needs.
    Capability(Capability),
}

/// A right that a tool needs of somebody, and what grants it there, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Of whom.
    pub holder: Holder,
    /// For what.
    pub wanted: Wanted,
    /// The entry that grants it, as written.
    pub granted_by: Option<String>,
    /// The entry that takes it away again, as written.
    pub denied_by: Option<String>,
}

impl Ground {
    /// Whether it speaks for the call.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.granted_by.is_some() && self.denied_by.is_none()
    }
}

/// Every right that it takes for `principal` to call `tool`: it may if all of them
/// [hold](Ground::holds), and the plugin offers it at present.
#[must_use]
pub fn grounds(snapshot: &Snapshot, principal: &Principal, tool: &Tool) -> Vec<Ground> {
    let Some((agent, tenant)) = snapshot.standing(principal) else { return Vec::new() };
    let name = tool.spec.name.as_str();
    let written = |pattern: Option<&Pattern>| pattern.map(ToString::to_string);
    let holders = [
        (Holder::Agent(principal.agent.clone()), &agent.grant),
        (Holder::Tenant(principal.tenant.clone()), &tenant.grant),
    ];
    let tools = holders.iter().map(|(holder, grant)| Ground {
        holder: holder.clone(),
        wanted: Wanted::Tool,
        granted_by: written(patterns(grant, Thing::Tool).covering(name)),
        denied_by: written(grant.deny.covering(name)),
    });
    let capabilities = tool.spec.capabilities.iter().flat_map(|capability| {
        let of_plugin = (Holder::Plugin(tool.plugin.manifest.name.clone()), &tool.plugin.granted);
        let of_grants = holders.iter().map(|(holder, grant)| (holder.clone(), &grant.capabilities));
        [of_plugin].into_iter().chain(of_grants).map(|(holder, granted)| Ground {
            holder,
            wanted: Wanted::Capability(*capability),
            granted_by: granted.contains(capability).then(|| capability.to_string()),
            denied_by: None,
        })
    });
    tools.chain(capabilities).collect()
}
