//! Why something is refused.

use std::fmt;

use plugin_contract::{Capability, PluginName, ToolName};
use serde::Serialize;

use super::Revoked;
use crate::{
    egress,
    id::{AgentId, TenantId},
    limits::{Level, Rate},
    llm::reason::LlmReason,
    pattern::Pattern,
};

/// What kind of thing is granted by patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A tool.
    Tool,
    /// A resource.
    Resource,
    /// A prompt.
    Prompt,
}

impl Thing {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Resource => "resources",
            Self::Prompt => "prompts",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason against. `Display` is for the caller or its model, [`Self::help`]
/// for whoever can change it, [`Self::code`] for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The configuration no longer has the agent.
    #[error("agent `{agent}` is no longer configured")]
    AgentRemoved {
        /// Which.
        agent: AgentId,
    },
    /// No pattern of the agent's covers the name.
    #[error("agent `{agent}` is not granted {thing} `{name}`")]
    NotGrantedToAgent {
        /// Whose grant.
        agent: AgentId,
        /// Of what kind.
        thing: Thing,
        /// Which.
        name: String,
    },
    /// No pattern of the tenant's covers the name.
    #[error("tenant `{tenant}` is not granted {thing} `{name}`")]
    NotGrantedToTenant {
        /// Whose ceiling.
        tenant: TenantId,
        /// Of what kind.
        thing: Thing,
        /// Which.
        name: String,
    },
    /// The agent's `deny` covers the tool.
    #[error("agent `{agent}` is denied tool `{tool}`")]
    DeniedToAgent {
        /// Whose list.
        agent: AgentId,
        /// Which tool.
        tool: String,
        /// By which entry.
        pattern: Pattern,
    },
    /// The tenant's `deny` covers the tool.
    #[error("tenant `{tenant}` is denied tool `{tool}`")]
    DeniedToTenant {
        /// Whose list.
        tenant: TenantId,
        /// Which tool.
        tool: String,
        /// By which entry.
        pattern: Pattern,
    },
    /// The operator's entry for the plugin lacks what the tool needs.
    #[error("tool `{tool}` needs capability `{capability}`, which plugin `{plugin}` is not granted")]
    CapabilityNotGrantedToPlugin {
        /// Whose entry.
        plugin: PluginName,
        /// Which tool.
        tool: ToolName,
        /// What it needs.
        capability: Capability,
    },
    /// The agent lacks what the tool needs.
    #[error("tool `{tool}` needs capability `{capability}`, which agent `{agent}` is not granted")]
    CapabilityNotGrantedToAgent {
        /// Whose grant.
        agent: AgentId,
        /// Which tool.
        tool: ToolName,
        /// What it needs.
        capability: Capability,
    },
    /// The tenant lacks what the tool needs.
    #[error("tool `{tool}` needs capability `{capability}`, which tenant `{tenant}` is not granted")]
    CapabilityNotGrantedToTenant {
        /// Whose ceiling.
        tenant: TenantId,
        /// Which tool.
        tool: ToolName,
        /// What it needs.
        capability: Capability,
    },
    /// What runs did not say that it needs this.
    #[error("{thing} `{name}` of plugin `{plugin}` does not declare capability `{capability}`")]
    CapabilityNotDeclared {
        /// Whose code runs.
        plugin: PluginName,
        /// What kind of thing.
        thing: Thing,
        /// Which.
        name: String,
        /// What it asked for.
        capability: Capability,
    },
    /// The plugin does not offer it at present.
    #[error("{thing} `{name}` is not to be had at present: plugin `{plugin}` has withdrawn it")]
    Withdrawn {
        /// Whose it is.
        plugin: PluginName,
        /// Of what kind.
        thing: Thing,
        /// Which.
        name: String,
    },
    /// The arguments do not fit the schema.
    #[error("{complaint}")]
    InvalidArguments {
        /// What is wrong, without the value.
        complaint: String,
        /// Whose schema.
        name: String,
    },
    /// The arguments are too large.
    #[error("the arguments have {bytes} bytes, and agent `{agent}` may send {limit}{}", level.tools("to"))]
    PayloadTooLarge {
        /// Who calls.
        agent: AgentId,
        /// Whose limit.
        level: Level,
        /// How large.
        bytes: u64,
        /// How large they may be.
        limit: u64,
    },
    /// The result is too large.
    #[error("the result has {bytes} bytes, and agent `{agent}` may receive {limit}{}", level.tools("from"))]
    ResponseTooLarge {
        /// Who calls.
        agent: AgentId,
        /// Whose limit.
        level: Level,
        /// How large.
        bytes: u64,
        /// How large it may be.
        limit: u64,
    },
    /// Too many calls in a time.
    #[error(
        "agent `{agent}` may make {}; try again in {}", rate.in_words(&level.tools("of")), seconds(*retry_after_ms)
    )]
    RateLimited {
        /// Who calls.
        agent: AgentId,
        /// Whose limit.
        level: Level,
        /// The limit.
        rate: Rate,
        /// When a call will be allowed.
        retry_after_ms: u64,
    },
    /// Too many requests that are no permitted tool calls.
    #[error("agent `{agent}` sends too many requests; try again in {}", seconds(*retry_after_ms))]
    TooManyRequests {
        /// Who sends them.
        agent: AgentId,
        /// When one will be answered.
        retry_after_ms: u64,
    },
    /// Too many calls at the same time.
    #[error("agent `{agent}` has {running} calls{} running, and may have {limit}", level.tools("of"))]
    TooManyCalls {
        /// Who calls.
        agent: AgentId,
        /// Whose limit.
        level: Level,
        /// How many run.
        running: u32,
        /// How many may.
        limit: u32,
    },
    /// Too many calls of everybody's at the same time.
    #[error(
        "the server has {taken} calls running, of {most} that it may have, and {own} of them are agent `{agent}`'s; \
         try again in {}",
        seconds(RETRY_WHEN_BUSY_MS)
    )]
    Overloaded {
        /// Who calls.
        agent: AgentId,
        /// How many run.
        taken: u32,
        /// How many may.
        most: u32,
        /// How many of them are the agent's.
        own: u32,
    },
    /// The tool did not finish in time.
    #[error("tool `{tool}` was still running after {seconds} s, the limit of {level}")]
    TimedOut {
        /// Whose limit.
        level: Level,
        /// Which tool.
        tool: String,
        /// The limit.
        seconds: u64,
    },
    /// A request that it made does not go out.
    #[error(transparent)]
    Egress(#[from] egress::Refusal),
    /// The process that the tool ran in is gone.
    #[error("plugin `{plugin}` stopped: {reason}")]
    WorkerLost {
        /// Whose it was.
        plugin: PluginName,
        /// What is known.
        reason: String,
    },
    /// What the call began by was taken back while it was in flight.
    #[error("the call was ended: {0}")]
    Revoked(Revoked),
    /// It is about asking a model.
    #[error(transparent)]
    Llm(#[from] LlmReason),
}

/// When to try again where calls that run at the same time are too many: nobody
/// knows when one of them ends.
pub(crate) const RETRY_WHEN_BUSY_MS: u64 = 1000;

/// Rounded up: whoever waits so long has waited long enough.
fn seconds(ms: u64) -> String {
    let tenths = ms.div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}

impl Reason {
    /// A stable name for the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AgentRemoved { .. } => "agent_removed",
            Self::NotGrantedToAgent { thing: Thing::Tool, .. } => "tool_not_granted_to_agent",
            Self::NotGrantedToAgent { thing: Thing::Resource, .. } => "resource_not_granted_to_agent",
            Self::NotGrantedToAgent { thing: Thing::Prompt, .. } => "prompt_not_granted_to_agent",
            Self::NotGrantedToTenant { thing: Thing::Tool, .. } => "tool_not_granted_to_tenant",
            Self::NotGrantedToTenant { thing: Thing::Resource, .. } => "resource_not_granted_to_tenant",
            Self::NotGrantedToTenant { thing: Thing::Prompt, .. } => "prompt_not_granted_to_tenant",
            Self::DeniedToAgent { .. } => "tool_denied_to_agent",
            Self::DeniedToTenant { .. } => "tool_denied_to_tenant",
            Self::CapabilityNotGrantedToPlugin { .. } => "capability_not_granted_to_plugin",
            Self::CapabilityNotGrantedToAgent { .. } => "capability_not_granted_to_agent",
            Self::CapabilityNotGrantedToTenant { .. } => "capability_not_granted_to_tenant",
            Self::CapabilityNotDeclared { .. } => "capability_not_declared",
            Self::Withdrawn { .. } => "withdrawn",
            Self::InvalidArguments { .. } => "invalid_arguments",
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::ResponseTooLarge { .. } => "response_too_large",
            Self::RateLimited { .. } => "rate_limited",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::TooManyCalls { .. } => "too_many_calls",
            Self::Overloaded { .. } => "server_overloaded",
            Self::TimedOut { .. } => "timed_out",
            Self::Egress(refusal) => refusal.code(),
            Self::WorkerLost { .. } => "worker_lost",
            Self::Revoked(_) => "revoked",
            Self::Llm(reason) => reason.code(),
        }
    }

    /// What to do about it, and where in the configuration.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::AgentRemoved { agent } => {
                format!("ask the operator whether `agents.{agent}` was meant to go")
            }
            Self::NotGrantedToAgent { agent, thing, name } => {
                format!("add `{name}` to `agents.{agent}.{}`", thing.key())
            }
            Self::NotGrantedToTenant { tenant, thing, name } => {
                format!("add `{name}` to `tenants.{tenant}.{}`", thing.key())
            }
            Self::DeniedToAgent { agent, pattern, .. } => {
                format!("remove `{pattern}` from `agents.{agent}.deny`")
            }
            Self::DeniedToTenant { tenant, pattern, .. } => {
                format!("remove `{pattern}` from `tenants.{tenant}.deny`")
            }
            Self::CapabilityNotGrantedToPlugin { plugin, capability, .. } => {
                format!("add `{capability}` to `plugins.entries.{plugin}.capabilities`")
            }
            Self::CapabilityNotGrantedToAgent { agent, capability, .. } => {
                format!("add `{capability}` to `agents.{agent}.capabilities`")
            }
            Self::CapabilityNotGrantedToTenant { tenant, capability, .. } => {
                format!("add `{capability}` to `tenants.{tenant}.capabilities`")
            }
            Self::CapabilityNotDeclared { thing: Thing::Tool, name, capability, .. } => {
                format!("declare `{capability}` for `{name}` in the plugin, and sign it again")
            }
            Self::CapabilityNotDeclared { .. } => "only a tool can declare capabilities".to_owned(),
            Self::Withdrawn { .. } => "try again when the list shows it again".to_owned(),
            Self::InvalidArguments { name, .. } => format!("see the arguments that `{name}` lists"),
            Self::PayloadTooLarge { level, .. } => {
                format!("send less, or raise `{}`", level.key("max_payload_bytes"))
            }
            Self::ResponseTooLarge { level, .. } => {
                format!("ask for less, or raise `{}`", level.key("max_response_bytes"))
            }
            Self::TooManyRequests { .. } => "wait; this bound is fixed".to_owned(),
            Self::RateLimited { level, .. } => format!("wait, or raise `{}`", level.key("rate_limit")),
            Self::TooManyCalls { level, .. } => {
                format!("wait for a call to end, or raise `{}`", level.key("concurrency"))
            }
            Self::Overloaded { .. } => "wait for calls to end, or raise `server.max_calls`".to_owned(),
            Self::TimedOut { level, .. } => {
                format!("ask for less at a time, or raise `{}`", level.key("timeout_seconds"))
            }
            Self::Egress(refusal) => refusal.help(),
            Self::WorkerLost { plugin, .. } => {
                format!(
                    "call again, unless it was this call that did it; the operator sees more in the log and in `status`, under `{plugin}`"
                )
            }
            Self::Revoked(revoked) => revoked.help(),
            Self::Llm(reason) => reason.help(),
        }
    }

    /// When the same call may succeed, where that is known.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_ms, .. } | Self::TooManyRequests { retry_after_ms, .. } => {
                Some(*retry_after_ms)
            }
            Self::TooManyCalls { .. } | Self::Overloaded { .. } => Some(RETRY_WHEN_BUSY_MS),
            Self::Egress(refusal) => refusal.retry_after_ms(),
            Self::Llm(reason) => reason.retry_after_ms(),
            _ => None,
        }
    }
}
