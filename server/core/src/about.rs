//! What an agent may know of itself.

use std::sync::Arc;

use plugin_contract::{
    Capability,
    op::{AgentAbout, DeniedTool, LimitsAbout, ToolAbout},
};
use serde_json::{Map, Value};

use crate::{
    limits::Limits, pattern::Patterns, policy, principal::Principal, settings::Disclosure, snapshot::Snapshot,
};

/// The principal's effective rights and limits. `None` if it has none any more.
#[must_use]
pub fn agent(snapshot: &Arc<Snapshot>, principal: &Principal) -> Option<AgentAbout> {
    let (agent, tenant) = snapshot.standing(principal)?;
    let mut tools = Vec::new();
    let mut denied_tools = Vec::new();
    for tool in snapshot.registry.tools() {
        let name = tool.spec.name.to_string();
        match policy::tool(snapshot, principal, tool) {
            Ok(_) => tools.push(ToolAbout {
                name,
                description: tool.spec.description.clone(),
                arguments: arguments(&tool.spec.input_schema),
            }),
            Err(reasons) => {
                denied_tools
                    .push(DeniedTool { name, reasons: reasons.iter().map(ToString::to_string).collect() });
            }
        }
    }
    if tenant.disclosure == Disclosure::Opaque {
        denied_tools.clear();
    }
    let ceiling = &tenant.grant;
    Some(AgentAbout {
        agent: principal.agent.to_string(),
        tenant: principal.tenant.to_string(),
        generation: snapshot.generation.0,
        tools,
        denied_tools,
        resources: texts(&agent.grant.resources.intersection(&ceiling.resources)),
        prompts: texts(&agent.grant.prompts.intersection(&ceiling.prompts)),
        capabilities: agent
            .grant
            .capabilities
            .intersection(&ceiling.capabilities)
            .copied()
            .collect::<Vec<Capability>>(),
        limits: limits(&agent.limits),
    })
}

fn texts(patterns: &Patterns) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn limits(limits: &Limits) -> LimitsAbout {
    LimitsAbout {
        max_payload_bytes: limits.max_payload_bytes,
        max_response_bytes: limits.max_response_bytes,
        timeout_seconds: limits.timeout_seconds,
        concurrency: limits.concurrency,
        rate_limit: limits.rate.to_string(),
    }
}

/// One line per argument: `name: type, required`.
fn arguments(schema: &Map<String, Value>) -> Vec<String> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|item| item == name));
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    properties
        .iter()
        .map(|(name, schema)| {
            let kind = match schema.get("type") {
                Some(Value::String(kind)) => kind.clone(),
                Some(Value::Array(kinds)) => {
                    kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
                }
                _ => "any".to_owned(),
            };
            let required = if is_required(name) { "required" } else { "optional" };
            let description =
                schema.get("description").and_then(Value::as_str).map(|text| format!(": {text}"));
            format!("{name} ({kind}, {required}){}", description.unwrap_or_default())
        })
        .collect()
}
