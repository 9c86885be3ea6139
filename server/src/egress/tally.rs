//! What went out and what did not, counted for the metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use server_core::{
    egress::{Refusal, Rule},
    id::AgentId,
    settings::Settings,
};

use super::EgressError;

/// Requests since the process began. A host is told by the rule that allows it: the
/// names that callers make up must not make a series each.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<Sent, u64>>);

/// What is told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// On whose behalf.
    pub agent: AgentId,
    /// The agent's rule that allows it. `None`: there is none.
    pub rule: Option<Rule>,
    /// `answered`, `failed`, `refused`, or `cancelled` if nobody waits any more.
    pub outcome: &'static str,
    /// The kind of status, or the code of what was against it.
    pub reason: &'static str,
}

impl Tally {
    /// Forgets agents and rules that these settings do not have any more, and tells
    /// the rest.
    #[must_use]
    pub fn now(&self, settings: &Settings) -> BTreeMap<Sent, u64> {
        let mut table = self.table();
        table.retain(|sent, _| {
            let rules = settings.agents.get(&sent.agent).map(|agent| &agent.grant.egress.allow);
            rules.is_some_and(|rules| sent.rule.as_ref().is_none_or(|rule| rules.contains(rule)))
        });
        table.clone()
    }

    pub(super) fn refused(&self, agent: &AgentId, refusals: &[Refusal]) {
        for code in codes(refusals) {
            self.count(agent, None, "refused", code);
        }
    }

    /// A request that the rules let through begins.
    pub(super) fn begin(&self, agent: &AgentId, rule: Option<&Rule>) -> Sending<'_> {
        Sending { tally: self, agent: agent.clone(), rule: rule.cloned(), ended: vec![("cancelled", "")] }
    }

    fn count(&self, agent: &AgentId, rule: Option<Rule>, outcome: &'static str, reason: &'static str) {
        let sent = Sent { agent: agent.clone(), rule, outcome, reason };
        *self.table().entry(sent).or_default() += 1;
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Sent, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is counted when it ends, whichever way it does.
#[derive(Debug)]
pub(super) struct Sending<'t> {
    tally: &'t Tally,
    agent: AgentId,
    rule: Option<Rule>,
    /// Outcome and reason, of each reason that there is.
    ended: Vec<(&'static str, &'static str)>,
}

impl Sending<'_> {
    /// The head of an answer is there.
    pub(super) fn answered(mut self, status: http::StatusCode) {
        let kind = match status.as_u16() {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.ended = vec![("answered", kind)];
    }

    /// There is none.
    pub(super) fn failed(mut self, error: &EgressError) {
        self.ended = match error {
            EgressError::Refused(refusals) => codes(refusals).into_iter().map(|it| ("refused", it)).collect(),
            EgressError::Failed(failure) => vec![("failed", failure.code())],
        };
    }
}

/// Each once: agent and tenant may have the same against a request.
fn codes(refusals: &[Refusal]) -> BTreeSet<&'static str> {
    refusals.iter().map(Refusal::code).collect()
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        for (outcome, reason) in &self.ended {
            self.tally.count(&self.agent, self.rule.clone(), outcome, reason);
        }
    }
}
