//! Whether limits let a call through: those of its agent under its tenant's
//! ceiling, those of its tool, and the bound on what all agents do together.

use std::{sync::Arc, time::Instant};

use super::Gateway;
use crate::{
    limits::{
        Level, LimitCeilings, Limits, Rate, ToolLimits,
        counters::{Excess, Quota, Slot},
    },
    policy::{RETRY_WHEN_BUSY_MS, Reason},
    principal::Principal,
    settings::{Agent, Tenant},
    snapshot::Snapshot,
};

/// How many requests an agent may have under way that are no permitted tool calls.
const OTHER_CONCURRENCY: u32 = 64;

/// All that a call of a tool is held to.
pub(super) struct Held<'s> {
    principal: &'s Principal,
    agent: &'s Agent,
    tenant: &'s Tenant,
    /// What is said of the tool in particular.
    tools: Vec<&'s Arc<ToolLimits>>,
    max_calls: u32,
}

impl<'s> Held<'s> {
    /// `None`: the snapshot does not have the agent.
    pub(super) fn new(snapshot: &'s Snapshot, principal: &'s Principal, tool: &str) -> Option<Self> {
        let (agent, tenant) = snapshot.standing(principal)?;
        let settings = &snapshot.settings;
        let tools = settings.tool_limits.iter().filter(|limits| limits.tools.covers(tool)).collect();
        Some(Self { principal, agent, tenant, tools, max_calls: settings.server.load.max_calls })
    }

    /// Seconds that it may take, and who says so.
    pub(super) fn timeout(&self) -> (u64, Level) {
        let own = self.agent.limits.timeout_seconds;
        let tools = self.tools.iter().filter_map(|of| Some((of.limits.timeout_seconds?, of)));
        match tools.min_by_key(|(seconds, _)| *seconds) {
            Some((seconds, of)) if seconds < own => (seconds, Level::Tools(of.tools.clone())),
            _ => (own, self.level(|limits| limits.timeout_seconds, Some(own))),
        }
    }

    /// Bytes that its result may have.
    pub(super) fn max_response(&self) -> u64 {
        let tools = self.tools.iter().filter_map(|of| of.limits.max_response_bytes);
        tools.fold(self.agent.limits.max_response_bytes, u64::min)
    }

    /// Every limit that a result of so many bytes exceeds.
    pub(super) fn response_too_large(&self, bytes: u64) -> Vec<Reason> {
        let reason = |(level, limit)| {
            let agent = self.principal.agent.clone();
            Reason::ResponseTooLarge { agent, level, bytes, limit }
        };
        let own = |limits: &Limits| limits.max_response_bytes;
        self.exceeded(bytes, own, |limits| limits.max_response_bytes).map(reason).collect()
    }

    fn payload_too_large(&self, bytes: u64) -> Vec<Reason> {
        let reason = |(level, limit)| {
            let agent = self.principal.agent.clone();
            Reason::PayloadTooLarge { agent, level, bytes, limit }
        };
        let own = |limits: &Limits| limits.max_payload_bytes;
        self.exceeded(bytes, own, |limits| limits.max_payload_bytes).map(reason).collect()
    }

    /// The limits below `bytes`.
    fn exceeded(
        &self,
        bytes: u64,
        own: fn(&Limits) -> u64,
        set: fn(&LimitCeilings) -> Option<u64>,
    ) -> impl Iterator<Item = (Level, u64)> {
        let own = own(&self.agent.limits);
        let by_agent = (bytes > own).then(|| (self.level(set, Some(own)), own));
        let tools = self.tools.iter().filter_map(move |of| {
            let limit = set(&of.limits).filter(|limit| bytes > *limit)?;
            Some((Level::Tools(of.tools.clone()), limit))
        });
        by_agent.into_iter().chain(tools)
    }

    /// Whose limit it is that holds for the agent: its tenant's, if that one is in
    /// force, since then raising the agent's alone changes nothing.
    fn level<T: PartialEq>(&self, set: impl Fn(&LimitCeilings) -> Option<T>, held: Option<T>) -> Level {
        let ceiling = set(&self.tenant.limits);
        if ceiling.is_some() && ceiling == held {
            return Level::Tenant(self.principal.tenant.clone());
        }
        Level::Agent(self.principal.agent.clone())
    }

    fn reason(&self, excess: Excess) -> Reason {
        let agent = self.principal.agent.clone();
        match excess {
            Excess::Running { tools, running, limit } => {
                let level = tools.map_or_else(|| self.level(|it| it.concurrency, Some(limit)), Level::Tools);
                Reason::TooManyCalls { agent, level, running, limit }
            }
            Excess::Rate { tools, rate, retry_after_ms } => {
                let level = tools.map_or_else(|| self.level(|it| it.rate, Some(rate)), Level::Tools);
                Reason::RateLimited { agent, level, rate, retry_after_ms }
            }
            Excess::Overload { taken, most, own } => Reason::Overloaded { agent, taken, most, own },
        }
    }
}

impl Gateway {
    /// The size is checked beside what is counted, so that everything is reported
    /// together and a call refused by one limit spends none of another.
    pub(super) fn admit(&self, held: &Held<'_>, payload: u64) -> Result<Slot, Vec<Reason>> {
        let mut reasons = held.payload_too_large(payload);
        let Limits { concurrency, rate, .. } = held.agent.limits;
        let quota = Quota { concurrency, rate, tools: &held.tools, places: Some(held.max_calls) };
        let counted = self.calls.admit(&held.principal.agent, &quota, !reasons.is_empty(), Instant::now());
        counted.map_err(|excess| {
            reasons.extend(excess.into_iter().map(|excess| held.reason(excess)));
            reasons
        })
    }

    /// The bound on everything that is no permitted tool call. `runs`: the snapshot
    /// under which a plugin's code will run, which takes a place among all calls.
    pub(super) fn guard(&self, principal: &Principal, runs: Option<&Snapshot>) -> Result<Slot, Vec<Reason>> {
        let agent = &principal.agent;
        let places = runs.map(|snapshot| snapshot.settings.server.load.max_calls);
        let quota = Quota { concurrency: OTHER_CONCURRENCY, rate: Rate::OTHER_REQUESTS, tools: &[], places };
        self.others.admit(agent, &quota, false, Instant::now()).map_err(|excess| {
            let reason = |excess| match excess {
                Excess::Running { .. } => {
                    Reason::TooManyRequests { agent: agent.clone(), retry_after_ms: RETRY_WHEN_BUSY_MS }
                }
                Excess::Rate { retry_after_ms, .. } => {
                    Reason::TooManyRequests { agent: agent.clone(), retry_after_ms }
                }
                Excess::Overload { taken, most, own } => {
                    Reason::Overloaded { agent: agent.clone(), taken, most, own }
                }
            };
            excess.into_iter().map(reason).collect()
        })
    }
}
