//! What an agent may know of itself.

use std::sync::Arc;

use plugin_contract::{
    Capability,
    op::{
        AgentAbout, BudgetAbout, DeniedTool, FiltersAbout, LimitsAbout, LlmAbout, LongContextAbout,
        ModelAbout, PluginAbout, PriceAbout, ToolAbout, ToolLimitsAbout,
    },
};
use serde_json::{Map, Value};

use crate::{
    budget::{Scope, Standing},
    limits::{Limits, ToolLimits},
    llm::{
        ModelRef, ModelSettings,
        choice::Asker,
        price::{Rates, Tier},
    },
    pattern::Patterns,
    policy,
    principal::Principal,
    registry::Plugin,
    settings::{Agent, Disclosure, Filters, Grant, Tenant},
    snapshot::Snapshot,
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
    let usable: Vec<_> = tools.iter().map(|tool| tool.name.clone()).collect();
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
        files: texts(&agent.grant.files.intersection(&ceiling.files)),
        databases: texts(&agent.grant.databases.intersection(&ceiling.databases)),
        limits: limits(&agent.limits),
        tool_limits: tool_limits(snapshot, &usable),
        filters: filters(Filters::of((agent, tenant))),
        llm: models(snapshot, principal, agent, tenant),
    })
}

/// The plugins that the principal may know of: all of them, or for an opaque
/// tenant those of which it may use something.
#[must_use]
pub fn plugins(snapshot: &Arc<Snapshot>, principal: &Principal) -> Vec<PluginAbout> {
    let opaque =
        snapshot.standing(principal).is_none_or(|(_, tenant)| tenant.disclosure == Disclosure::Opaque);
    let plugins = snapshot.registry.plugins();
    let known = plugins.filter(|plugin| !opaque || uses(snapshot, principal, plugin));
    let about = |plugin: &Arc<Plugin>| PluginAbout {
        name: plugin.manifest.name.to_string(),
        version: plugin.manifest.version.to_string(),
    };
    known.map(about).collect()
}

fn uses(snapshot: &Arc<Snapshot>, principal: &Principal, plugin: &Arc<Plugin>) -> bool {
    let registry = &snapshot.registry;
    let its = |other: &Arc<Plugin>| Arc::ptr_eq(plugin, other);
    registry.tools().any(|tool| its(&tool.plugin) && policy::tool(snapshot, principal, tool).is_ok())
        || registry.resources().any(|resource| {
            let uri = resource.spec.uri.as_str();
            its(&resource.plugin) && policy::resource(snapshot, principal, uri, plugin).is_ok()
        })
        || registry
            .templates()
            .any(|template| its(&template.plugin) && policy::template(snapshot, principal, template).is_ok())
        || registry
            .prompts()
            .any(|prompt| its(&prompt.plugin) && policy::prompt(snapshot, principal, prompt).is_ok())
}

/// What it may ask of models. What is left to spend is in the books, which are not
/// here.
fn models(snapshot: &Snapshot, principal: &Principal, agent: &Agent, tenant: &Tenant) -> Option<LlmAbout> {
    let may_ask = |grant: &Grant| grant.capabilities.contains(&Capability::LlmQuery);
    if !may_ask(&agent.grant) || !may_ask(&tenant.grant) {
        return None;
    }
    let llm = &snapshot.settings.llm;
    let asker = Asker { llm, principal, agent, tenant };
    let model = |(model, settings, max_tokens): (ModelRef, &ModelSettings, Option<u64>)| {
        let price = settings.price.as_ref()?;
        let tier = |tier: &Tier| LongContextAbout {
            above_input_tokens: tier.above_input_tokens,
            per_million: per_million(&tier.rates),
        };
        Some(ModelAbout {
            name: model.to_string(),
            max_tokens,
            per_million: per_million(price.base()),
            long_context: price.tiers().iter().map(tier).collect(),
        })
    };
    let models: Vec<_> = asker.usable().filter_map(model).collect();
    let usable = |name: &ModelRef| models.iter().any(|model| model.name == name.to_string());
    let routes = llm.routes.iter().filter_map(|(route, leads_to)| {
        let models: Vec<_> = leads_to.iter().filter(|it| usable(it)).map(ToString::to_string).collect();
        (!models.is_empty()).then(|| (route.to_string(), models))
    });
    let routes = routes.collect();
    let max_prompt_bytes = u64::try_from(llm.paste_guard.max_prompt_bytes).unwrap_or(u64::MAX);
    let budget_wait_ms = u64::try_from(llm.budget_wait.as_millis()).unwrap_or(u64::MAX);
    Some(LlmAbout { routes, models, max_prompt_bytes, budget_wait_ms, budgets: Vec::new() })
}

fn per_million(rates: &Rates) -> PriceAbout {
    let Rates { input, cached_input, cache_write, output } = rates;
    let [input, cached_input, cache_write, output] =
        [input, cached_input, cache_write, output].map(|price| price.0.decimal());
    PriceAbout { input, cached_input, cache_write, output }
}

/// How much is left in a scope, if it has a limit.
#[must_use]
pub fn budget(scope: &Scope, standing: Standing) -> Option<BudgetAbout> {
    let limit = scope.limit?;
    Some(BudgetAbout {
        owner: scope.owner.kind().to_owned(),
        period: scope.period.to_string(),
        mode: scope.mode.as_str().to_owned(),
        limit: limit.decimal(),
        remaining: standing.remaining(limit).decimal(),
        resets_at: scope.window.resets_at.map(|at| at.to_string()),
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

/// Of patterns that cover nothing that an agent may call, it is told nothing.
fn tool_limits(snapshot: &Snapshot, usable: &[String]) -> Vec<ToolLimitsAbout> {
    let concerns = |limits: &ToolLimits| usable.iter().any(|tool| limits.tools.covers(tool));
    let about = |ToolLimits { tools, limits }: &ToolLimits| ToolLimitsAbout {
        tools: tools.to_string(),
        max_payload_bytes: limits.max_payload_bytes,
        max_response_bytes: limits.max_response_bytes,
        timeout_seconds: limits.timeout_seconds,
        concurrency: limits.concurrency,
        rate_limit: limits.rate.map(|rate| rate.to_string()),
    };
    let all = snapshot.settings.tool_limits.iter().map(AsRef::as_ref);
    all.filter(|limits| concerns(limits)).map(about).collect()
}

pub(crate) fn filters(filters: Filters) -> FiltersAbout {
    FiltersAbout { results: filters.results().to_owned(), prompts: filters.prompts.as_str().to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::LimitCeilings,
        redact::PromptFilter,
        snapshot::Live,
        testing::{content, patterns, plugin, principal, settings, tool, unreachable},
    };

    fn snapshot(disclosure: Disclosure, granted: &[&str]) -> Arc<Snapshot> {
        let mut settings = settings();
        for agent in settings.agents.values_mut() {
            agent.grant.tools = patterns(granted);
            agent.grant.resources = patterns(&["other://*"]);
            agent.grant.prompts = patterns(&[]);
        }
        settings.tenants.values_mut().for_each(|tenant| tenant.disclosure = disclosure);
        let tools = [tool("demo.say", &[]), tool("demo.other", &[])];
        Live::new(content(settings, plugin(&tools, &[], unreachable()))).load()
    }

    #[test]
    fn an_agent_knows_what_it_may_call_and_why_not_the_rest() {
        let about = agent(&snapshot(Disclosure::Reasons, &["demo.say"]), &principal()).unwrap();
        let tools: Vec<_> = about.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(tools, ["demo.say"]);
        assert_eq!(about.tools[0].arguments, ["text (string, optional): What to say."]);
        assert_eq!(about.denied_tools[0].name, "demo.other");
        assert_eq!(about.denied_tools[0].reasons, ["agent `laptop` is not granted tool `demo.other`"]);
        assert_eq!(about.resources, ["other://*"]);
    }

    #[test]
    fn an_agent_knows_its_filters_and_what_else_limits_the_tools_that_it_may_call() {
        let mut settings = settings();
        for agent in settings.agents.values_mut() {
            agent.grant.tools = patterns(&["demo.say"]);
            agent.filters.prompts = PromptFilter::Redact;
        }
        settings.tenants.values_mut().for_each(|tenant| tenant.filters = Filters::STRICTEST);
        for tools in ["demo.*", "demo.other"] {
            let limits = LimitCeilings { concurrency: Some(2), ..LimitCeilings::default() };
            settings.tool_limits.push(Arc::new(ToolLimits { tools: tools.parse().unwrap(), limits }));
        }
        let tools = [tool("demo.say", &[]), tool("demo.other", &[])];
        let snapshot = Live::new(content(settings, plugin(&tools, &[], unreachable()))).load();
        let about = agent(&snapshot, &principal()).unwrap();
        let [limits] = about.tool_limits.as_slice() else { panic!("{:?}", about.tool_limits) };
        assert_eq!(
            (limits.tools.as_str(), limits.concurrency, limits.timeout_seconds),
            ("demo.*", Some(2), None)
        );
        assert_eq!((about.filters.results.as_str(), about.filters.prompts.as_str()), ("redact", "deny"));
    }

    #[test]
    fn an_opaque_tenant_s_agents_do_not_learn_what_else_there_is() {
        for (granted, known) in [(&["demo.say"][..], 1), (&[], 0)] {
            let snapshot = snapshot(Disclosure::Opaque, granted);
            assert_eq!(agent(&snapshot, &principal()).unwrap().denied_tools, []);
            assert_eq!(plugins(&snapshot, &principal()).len(), known);
        }
        assert_eq!(plugins(&snapshot(Disclosure::Reasons, &[]), &principal()).len(), 1);
    }
}
