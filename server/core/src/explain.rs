//! Why an agent may call a tool or not, as it is told to an operator: every
//! reason, and the line of the configuration that grants each right or would.
//! [`crate::gateway::Gateway::explain`] makes it.

use plugin_contract::{PluginName, op::FiltersAbout};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::{Places, Spot},
    limits::{Level, LimitCeilings, Limits},
    policy::{Ground, Holder, Reason, Wanted},
    principal::Principal,
    settings::Disclosure,
    snapshot::Snapshot,
};

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The generation that it is about. `None`: that of no server.
    pub generation: Option<u64>,
    /// SHA-256 of the configuration.
    pub config_sha256: String,
    /// Who asks.
    pub agent: String,
    /// Whose ceiling counts.
    pub tenant: String,
    /// For what.
    pub tool: String,
    /// Whose it is.
    pub plugin: String,
    /// Whether a call would get to the plugin now.
    pub allowed: bool,
    /// Whether the agent's list of tools has it.
    pub listed: bool,
    /// Whether the agent is told that a tool it may not use exists.
    pub disclosed: bool,
    /// What would be done about the arguments.
    pub arguments: Arguments,
    /// Every reason against.
    pub reasons: Vec<Against>,
    /// What it takes, and what grants it.
    pub rights: Vec<Right>,
    /// What bounds the call.
    pub limits: Vec<Limit>,
    /// What is done to what it answers and asks of models.
    pub filters: FiltersAbout,
}

/// Whether the arguments were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// None were given.
    NotGiven,
    /// They fit the tool's schema.
    Fit,
    /// They do not; the reasons say why.
    DoNotFit,
}

/// One reason against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Against {
    /// A stable name.
    pub code: String,
    /// As the agent is told.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// When it may be otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Where that is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Spot>,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// Whose word it takes, as in `agent laptop`.
    pub of: String,
    /// For what, as in `tool core.sum`.
    pub what: String,
    /// Whether it is granted, and not denied.
    pub granted: bool,
    /// The entry that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where that is written; of a right that nothing grants, where it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Spot>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Its key.
    pub name: String,
    /// Of which tools alone. `None`: of all calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<String>,
    /// What counts.
    pub value: Value,
    /// Where it is set. `None`: it is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Spot>,
}

impl Against {
    pub(crate) fn of(reason: &Reason, places: Option<&Places>) -> Self {
        Self {
            code: reason.code().to_owned(),
            message: reason.to_string(),
            help: reason.help(),
            retry_after_ms: reason.retry_after_ms(),
            place: places.and_then(|places| place(reason, places)),
        }
    }
}

/// Where what speaks against a call is written, or where what would speak for it
/// belongs.
fn place(reason: &Reason, places: &Places) -> Option<Spot> {
    match reason {
        Reason::PayloadTooLarge { level, .. } => places.limit(level, "max_payload_bytes"),
        Reason::RateLimited { level, .. } => places.limit(level, "rate_limit"),
        Reason::TooManyCalls { level, .. } => places.limit(level, "concurrency"),
        reason => right_place(reason, places),
    }
}

/// Where a right is missing or taken away.
fn right_place(reason: &Reason, places: &Places) -> Option<Spot> {
    let agent = |agent: &_| Holder::Agent(Clone::clone(agent));
    let tenant = |tenant: &_| Holder::Tenant(Clone::clone(tenant));
    let plugin = |plugin: &PluginName| Holder::Plugin(plugin.clone());
    match reason {
        Reason::NotGrantedToAgent { agent: id, thing, .. } => places.list(&agent(id), thing.key()),
        Reason::NotGrantedToTenant { tenant: id, thing, .. } => places.list(&tenant(id), thing.key()),
        Reason::DeniedToAgent { agent: id, pattern, .. } => places.item(&agent(id), "deny", pattern.as_str()),
        Reason::DeniedToTenant { tenant: id, pattern, .. } => {
            places.item(&tenant(id), "deny", pattern.as_str())
        }
        Reason::CapabilityNotGrantedToAgent { agent: id, .. } => places.list(&agent(id), "capabilities"),
        Reason::CapabilityNotGrantedToTenant { tenant: id, .. } => places.list(&tenant(id), "capabilities"),
        Reason::CapabilityNotGrantedToPlugin { plugin: id, .. } => places.list(&plugin(id), "capabilities"),
        _ => None,
    }
}

impl Right {
    pub(crate) fn of(ground: &Ground, tool: &str, places: Option<&Places>) -> Self {
        let Ground { holder, wanted, granted_by, denied_by } = ground;
        let (what, list) = match wanted {
            Wanted::Tool => (format!("tool {tool}"), "tools"),
            Wanted::Capability(capability) => (format!("capability {capability}"), "capabilities"),
        };
        let place = places.and_then(|places| match (denied_by, granted_by) {
            (Some(pattern), _) => places.item(holder, "deny", pattern),
            (None, Some(text)) => places.item(holder, list, text),
            (None, None) => places.list(holder, list),
        });
        let denied = denied_by.as_ref().map(|pattern| format!("deny {pattern}"));
        Self {
            of: holder.to_string(),
            what,
            granted: ground.holds(),
            by: denied.or_else(|| granted_by.clone()),
            place,
        }
    }
}

/// The limits on an agent's calls of a tool, and where each is set.
pub(crate) fn limits(
    snapshot: &Snapshot,
    principal: &Principal,
    tool: &str,
    places: Option<&Places>,
) -> Vec<Limit> {
    let Some((agent, tenant)) = snapshot.standing(principal) else { return Vec::new() };
    let ceilings = values(&tenant.limits);
    let of_agent = values(&all_set(&agent.limits)).into_iter().zip(ceilings).filter_map(|(own, ceiling)| {
        let (name, value) = (own.0, own.1?);
        // Where both say the same, it is the ceiling that has to be raised first.
        let level = if ceiling.1.as_ref() == Some(&value) {
            Level::Tenant(principal.tenant.clone())
        } else {
            Level::Agent(principal.agent.clone())
        };
        let place = places.and_then(|places| places.limit(&level, name));
        Some(Limit { name: name.to_owned(), tools: None, value, place })
    });
    let of_tools = snapshot.settings.tool_limits.iter().filter(|limits| limits.tools.covers(tool));
    let of_tools = of_tools.flat_map(|limits| {
        values(&limits.limits).into_iter().filter_map(|(name, value)| {
            let level = Level::Tools(limits.tools.clone());
            let place = places.and_then(|places| places.limit(&level, name));
            Some(Limit { name: name.to_owned(), tools: Some(limits.tools.to_string()), value: value?, place })
        })
    });
    of_agent.chain(of_tools).collect()
}

fn all_set(limits: &Limits) -> LimitCeilings {
    LimitCeilings {
        max_payload_bytes: Some(limits.max_payload_bytes),
        max_response_bytes: Some(limits.max_response_bytes),
        timeout_seconds: Some(limits.timeout_seconds),
        concurrency: Some(limits.concurrency),
        rate: Some(limits.rate),
    }
}

/// By their keys.
fn values(limits: &LimitCeilings) -> [(&'static str, Option<Value>); 5] {
    [
        ("max_payload_bytes", limits.max_payload_bytes.map(Value::from)),
        ("max_response_bytes", limits.max_response_bytes.map(Value::from)),
        ("timeout_seconds", limits.timeout_seconds.map(Value::from)),
        ("concurrency", limits.concurrency.map(Value::from)),
        ("rate_limit", limits.rate.map(|rate| rate.to_string().into())),
    ]
}

/// Whether a tenant's agents are told what they may not use.
pub(crate) fn disclosed(disclosure: Disclosure) -> bool {
    disclosure == Disclosure::Reasons
}
