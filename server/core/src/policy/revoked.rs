//! What a call in flight began by, and whether that still stands. Everything
//! else that changes counts for the next call only.

use jiff::civil::Date;
use plugin_contract::PluginName;

use super::Permit;
use crate::{
    id::{AgentId, KeyName},
    registry::Plugin,
    secret::TokenDigest,
    settings::{Isolation, TrustedKey},
    snapshot::Snapshot,
};

/// What was taken back while a call was in flight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// The agent.
    #[error("agent `{0}` is no longer configured")]
    Agent(AgentId),
    /// The agent's place.
    #[error("agent `{0}` belongs to another tenant now")]
    Tenant(AgentId),
    /// The token.
    #[error("the token that it was made with is no longer one of agent `{0}`")]
    Token(AgentId),
    /// The plugin, which the operator disabled or took away.
    #[error("plugin `{0}` is no longer loaded")]
    Plugin(PluginName),
    /// The trust in who signed the plugin.
    #[error("plugin `{plugin}` is signed with key `{key}`, which {lapse}")]
    Key {
        /// Whose code ran.
        plugin: PluginName,
        /// Who signed it.
        key: KeyName,
        /// Why that is not enough any more.
        lapse: Lapse,
    },
}

/// Why a key's signature does not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lapse {
    /// It is not among the trusted ones.
    #[error("is no longer trusted")]
    Removed,
    /// The operator marked it.
    #[error("is revoked")]
    Revoked,
    /// Its last day has passed.
    #[error("was trusted until {0}")]
    Expired(Date),
    /// It is trusted with less than the plugin is.
    #[error("may no longer vouch for it")]
    Narrowed,
}

impl Revoked {
    /// What to do about it, and where in the configuration.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Agent(agent) => format!("ask the operator whether `agents.{agent}` was meant to go"),
            Self::Tenant(agent) => format!("call again, with the rights of `agents.{agent}.tenant`"),
            Self::Token(agent) => format!("call again, with a token that `agents.{agent}` has"),
            Self::Plugin(plugin) => {
                format!(
                    "ask the operator whether plugin `{plugin}` was meant to go; the server's log says why it went"
                )
            }
            Self::Key { plugin, key, .. } => format!(
                "ask the operator for a release of `{plugin}` that a trusted key signed, or about `plugins.trusted_keys.{key}`"
            ),
        }
    }
}

/// What speaks against letting a call go on that has `permit` and was made with
/// `token`, now that `snapshot` is in force, `today`.
pub(crate) fn revoked(
    snapshot: &Snapshot,
    token: &TokenDigest,
    permit: &Permit,
    today: Date,
) -> Option<Revoked> {
    caller(snapshot, token, permit).or_else(|| plugin(snapshot, permit, today))
}

fn caller(snapshot: &Snapshot, token: &TokenDigest, permit: &Permit) -> Option<Revoked> {
    let principal = permit.principal();
    if snapshot.knows(token, principal) {
        return None;
    }
    let agent = principal.agent.clone();
    Some(match snapshot.settings.agents.get(&agent) {
        None => Revoked::Agent(agent),
        Some(_) if snapshot.holder(token) != Some(&agent) => Revoked::Token(agent),
        Some(_) => Revoked::Tenant(agent),
    })
}

/// A plugin that is loaded has just been verified, so that only one that is not,
/// or whose place another release has taken, needs a look at its key.
fn plugin(snapshot: &Snapshot, permit: &Permit, today: Date) -> Option<Revoked> {
    let plugin = permit.plugin();
    let name = &plugin.manifest.name;
    let successor = snapshot.registry.plugins().find(|other| other.manifest.name == *name);
    if successor.is_some_and(|other| {
        (&other.provenance.sha256, &other.provenance.key_id)
            == (&plugin.provenance.sha256, &plugin.provenance.key_id)
    }) {
        return None;
    }
    match lapse(snapshot, permit, plugin, today) {
        Some(lapse) => {
            Some(Revoked::Key { plugin: name.clone(), key: plugin.provenance.signer.clone(), lapse })
        }
        None => successor.is_none().then(|| Revoked::Plugin(name.clone())),
    }
}

fn lapse(snapshot: &Snapshot, permit: &Permit, plugin: &Plugin, today: Date) -> Option<Lapse> {
    let then = &permit.snapshot().settings.plugins.trusted_keys;
    let now = &snapshot.settings.plugins.trusted_keys;
    let same = |key: &&TrustedKey| {
        then.get(&plugin.provenance.signer).is_some_and(|before| before.minisign == key.minisign)
    };
    // The operator may have given it another name.
    let Some(key) = now.values().find(same) else { return Some(Lapse::Removed) };
    if key.revoked {
        return Some(Lapse::Revoked);
    }
    if let Some(last) = key.not_after.filter(|last| today > *last) {
        return Some(Lapse::Expired(last));
    }
    let in_scope = key.foreign_names(&plugin.manifest).is_empty()
        && key.foreign_capabilities(&plugin.manifest).is_empty()
        && key.plugins.cover(plugin.manifest.name.as_str())
        && (key.in_process || plugin.isolation != Isolation::InProcess);
    (!in_scope).then_some(Lapse::Narrowed)
}
