//! What would come of a call, without making it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Gateway, admission::Held, json::encoded_length};
use crate::{
    about,
    config::{Places, closest},
    explain::{Against, Arguments, Explanation, Right, disclosed, limits},
    id::AgentId,
    policy::{self, Reason, grounds},
    principal::Principal,
    registry::Tool,
    snapshot::Snapshot,
};

/// Whom and what an explanation is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Who would call.
    pub agent: String,
    /// What.
    pub tool: String,
    /// With which arguments, if any are to be judged too.
    pub arguments: Option<Map<String, Value>>,
}

/// Nothing to explain, because there is no such thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoExplanation {
    /// The configuration has no such agent.
    #[error("there is no agent `{agent}`{}", meant(near.as_deref()))]
    Agent {
        /// The name that was asked for.
        agent: String,
        /// One that is there and looks like it.
        near: Option<String>,
    },
    /// No plugin that is loaded has such a tool.
    #[error("no plugin that is loaded offers tool `{tool}`{}", meant(near.as_deref()))]
    Tool {
        /// The name that was asked for.
        tool: String,
        /// One that is there and looks like it.
        near: Option<String>,
    },
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

impl Gateway {
    /// Says what would come of a call now, asking all that a call is asked before
    /// its plugin sees it, without counting it. `places` says where the
    /// configuration in the snapshot is written, if that is known.
    ///
    /// # Errors
    ///
    /// There is no such agent or tool.
    pub fn explain(
        &self,
        snapshot: &Arc<Snapshot>,
        question: &Question,
        places: Option<&Places>,
    ) -> Result<Explanation, NoExplanation> {
        let (principal, tool) = (principal(snapshot, &question.agent)?, tool(snapshot, &question.tool)?);
        let no_agent = || NoExplanation::Agent { agent: question.agent.clone(), near: None };
        let (_, tenant) = snapshot.standing(&principal).ok_or_else(no_agent)?;
        let limits = limits(snapshot, &principal, &question.tool, places);

        let mut reasons = policy::tool(snapshot, &principal, tool).err().unwrap_or_default();
        let listed = reasons.is_empty();
        let payload = question.arguments.as_ref().map_or(0, encoded_length);
        let held = Held::new(snapshot, &principal, &question.tool);
        reasons.extend(held.into_iter().flat_map(|held| self.look(&held, payload)));
        let complaints = question.arguments.clone().map(|it| tool.arguments.complaints(&Value::Object(it)));
        let arguments = match &complaints {
            None => Arguments::NotGiven,
            Some(complaints) if complaints.is_empty() => Arguments::Fit,
            Some(_) => Arguments::DoNotFit,
        };
        let invalid = |complaint| Reason::InvalidArguments { complaint, name: question.tool.clone() };
        reasons.extend(complaints.into_iter().flatten().map(invalid));

        let grounds = grounds(snapshot, &principal, tool);
        Ok(Explanation {
            generation: Some(snapshot.generation.0),
            config_sha256: snapshot.config_sha256.clone(),
            agent: principal.agent.to_string(),
            tenant: principal.tenant.to_string(),
            tool: question.tool.clone(),
            plugin: tool.plugin.manifest.name.to_string(),
            allowed: reasons.is_empty(),
            listed,
            disclosed: disclosed(tenant.disclosure),
            arguments,
            reasons: reasons.iter().map(|reason| Against::of(reason, places)).collect(),
            rights: grounds.iter().map(|ground| Right::of(ground, &question.tool, places)).collect(),
            limits,
            filters: about::filters(snapshot.filters(&principal, &tool.plugin.manifest.name)),
        })
    }
}

fn principal(snapshot: &Snapshot, name: &str) -> Result<Principal, NoExplanation> {
    let agents = &snapshot.settings.agents;
    let found = name.parse::<AgentId>().ok().and_then(|id| agents.get_key_value(&id));
    let (id, agent) = found.ok_or_else(|| NoExplanation::Agent {
        agent: name.to_owned(),
        near: closest(name, agents.keys().map(AgentId::as_str)).map(ToOwned::to_owned),
    })?;
    Ok(Principal { agent: id.clone(), tenant: agent.tenant.clone() })
}

fn tool<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s Arc<Tool>, NoExplanation> {
    let registry = &snapshot.registry;
    registry.tool(name).ok_or_else(|| NoExplanation::Tool {
        tool: name.to_owned(),
        near: closest(name, registry.tools().map(|tool| tool.spec.name.as_str())).map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests;
