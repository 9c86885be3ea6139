//! The five limits on tool calls, as numbers.

use std::{fmt, sync::Arc};

use crate::{
    id::{AgentId, TenantId},
    pattern::Pattern,
};

pub mod counters;
pub mod places;
pub mod rate;

pub use rate::Rate;

/// What bounds an agent's tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a call's arguments, as JSON.
    pub max_payload_bytes: u64,
    /// Bytes of a call's result, as JSON.
    pub max_response_bytes: u64,
    /// Seconds a call may take.
    pub timeout_seconds: u64,
    /// Calls at the same time.
    pub concurrency: u32,
    /// Calls per time.
    pub rate: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload_bytes: 65_536,
            max_response_bytes: 262_144,
            timeout_seconds: 30,
            concurrency: 8,
            rate: Rate::STANDARD,
        }
    }
}

impl Limits {
    /// These limits, none above its ceiling.
    #[must_use]
    pub fn under(self, ceiling: &LimitCeilings) -> Self {
        let lower = |limit: u64, ceiling: Option<u64>| ceiling.map_or(limit, |ceiling| limit.min(ceiling));
        Self {
            max_payload_bytes: lower(self.max_payload_bytes, ceiling.max_payload_bytes),
            max_response_bytes: lower(self.max_response_bytes, ceiling.max_response_bytes),
            timeout_seconds: lower(self.timeout_seconds, ceiling.timeout_seconds),
            concurrency: ceiling.concurrency.map_or(self.concurrency, |c| self.concurrency.min(c)),
            rate: ceiling.rate.map_or(self.rate, |ceiling| self.rate.under(ceiling)),
        }
    }
}

/// Limits of which each may be unset. A tenant's word on its agents', of which the
/// lower one wins; or the word on calls of some tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitCeilings {
    /// See [`Limits::max_payload_bytes`].
    pub max_payload_bytes: Option<u64>,
    /// See [`Limits::max_response_bytes`].
    pub max_response_bytes: Option<u64>,
    /// See [`Limits::timeout_seconds`].
    pub timeout_seconds: Option<u64>,
    /// See [`Limits::concurrency`].
    pub concurrency: Option<u32>,
    /// See [`Limits::rate`].
    pub rate: Option<Rate>,
}

/// The operator's word on the calls of some tools, for each agent apart: it may not
/// have more calls of all of them together than this lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolLimits {
    /// Which tools.
    pub tools: Pattern,
    /// Those that are set.
    pub limits: LimitCeilings,
}

impl fmt::Display for ToolLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitCeilings { max_payload_bytes, max_response_bytes, timeout_seconds, concurrency, rate } =
            self.limits;
        let set = |key: &str, value: Option<String>| value.map(|value| format!("{key} {value}"));
        let limits = [
            set("rate_limit", rate.map(|it| it.to_string())),
            set("concurrency", concurrency.map(|it| it.to_string())),
            set("timeout_seconds", timeout_seconds.map(|it| it.to_string())),
            set("max_payload_bytes", max_payload_bytes.map(|it| it.to_string())),
            set("max_response_bytes", max_response_bytes.map(|it| it.to_string())),
        ];
        let limits = limits.into_iter().flatten().collect::<Vec<_>>().join(" ");
        write!(f, "{} ({limits})", self.tools)
    }
}

/// What is said of tools, by pattern. Shared with the calls that it counts.
pub type EveryToolLimits = Vec<Arc<ToolLimits>>;

/// Where a limit stands that a call exceeds, and where it would have to be raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// The agent's own limits, or what counts for those that have none.
    Agent(AgentId),
    /// The ceiling of its tenant.
    Tenant(TenantId),
    /// What is said of the tools.
    Tools(Pattern),
}

impl Level {
    /// The key of a limit there, as in `agents.laptop.limits.rate_limit`.
    pub(crate) fn key(&self, limit: &str) -> String {
        match self {
            Self::Agent(agent) => format!("agents.{agent}.limits.{limit}"),
            Self::Tenant(tenant) => format!("tenants.{tenant}.limits.{limit}"),
            Self::Tools(tools) => format!("tool_limits.{tools}.{limit}"),
        }
    }

    /// ` of ` and the tools, if the limit is about some only; the word is what
    /// comes before them in a sentence.
    pub(crate) fn tools(&self, word: &str) -> String {
        match self {
            Self::Tools(tools) => format!(" {word} `{tools}`"),
            Self::Agent(_) | Self::Tenant(_) => String::new(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent `{agent}`"),
            Self::Tenant(tenant) => write!(f, "tenant `{tenant}`"),
            Self::Tools(tools) => write!(f, "`{tools}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_limit_and_its_ceiling_the_lower_one_wins() {
        let ceiling = LimitCeilings {
            timeout_seconds: Some(10),
            concurrency: Some(100),
            rate: Some("30/min".parse().unwrap()),
            ..LimitCeilings::default()
        };
        let limits = Limits::default().under(&ceiling);
        assert_eq!(
            (limits.timeout_seconds, limits.concurrency, limits.rate.to_string().as_str()),
            (10, 8, "30/min")
        );
    }
}
