//! What differs in the lists that an agent sees.

use std::sync::Arc;

use plugin_contract::{
    manifest::{PromptSpec, ResourceSpec, ResourceTemplateSpec, ToolSpec},
    op::Offered,
};
use server_core::{
    policy::{self, Decision, Reason},
    principal::Principal,
    snapshot::Snapshot,
};

/// Which of an agent's lists differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) tools: bool,
    pub(super) resources: bool,
    pub(super) prompts: bool,
}

impl Changed {
    pub(super) fn between(before: &Arc<Snapshot>, after: &Arc<Snapshot>, principal: &Principal) -> Self {
        let (before, after) = (Lists::of(before, principal), Lists::of(after, principal));
        Self {
            tools: before.tools != after.tools,
            resources: (before.resources, before.templates) != (after.resources, after.templates),
            prompts: before.prompts != after.prompts,
        }
    }
}

impl Changed {
    /// What changes for `principal` when a plugin withdraws something, or offers
    /// it again: whoever may not see it is not told.
    pub(super) fn by_offer(snapshot: &Arc<Snapshot>, principal: &Principal, thing: &Offered) -> Self {
        let mut changed = Self::default();
        let registry = &snapshot.registry;
        match thing {
            Offered::Tool(name) => {
                let decision = registry.tool(name).map(|tool| policy::tool(snapshot, principal, tool));
                changed.tools = decision.is_some_and(concerns);
            }
            Offered::Resource(uri) => {
                let decision = registry
                    .resource_plugin(uri)
                    .map(|plugin| policy::resource(snapshot, principal, uri, plugin));
                changed.resources = decision.is_some_and(concerns);
            }
            Offered::Template(uri) => {
                let decision =
                    registry.template(uri).map(|template| policy::template(snapshot, principal, template));
                changed.resources = decision.is_some_and(concerns);
            }
            Offered::Prompt(name) => {
                let decision =
                    registry.prompt(name).map(|prompt| policy::prompt(snapshot, principal, prompt));
                changed.prompts = decision.is_some_and(concerns);
            }
        }
        changed
    }
}

fn concerns(decision: Decision) -> bool {
    match decision {
        Ok(_) => true,
        Err(reasons) => reasons.iter().all(|reason| matches!(reason, Reason::Withdrawn { .. })),
    }
}

struct Lists<'a> {
    tools: Vec<&'a ToolSpec>,
    resources: Vec<&'a ResourceSpec>,
    templates: Vec<&'a ResourceTemplateSpec>,
    prompts: Vec<&'a PromptSpec>,
}

impl<'a> Lists<'a> {
    /// What the gateway would list.
    fn of(snapshot: &'a Arc<Snapshot>, principal: &Principal) -> Self {
        let registry = &snapshot.registry;
        let tools = registry.tools().filter(|tool| policy::tool(snapshot, principal, tool).is_ok());
        let resources = registry
            .resources()
            .filter(|it| policy::resource(snapshot, principal, it.spec.uri.as_str(), &it.plugin).is_ok());
        let templates =
            registry.templates().filter(|template| policy::template(snapshot, principal, template).is_ok());
        let prompts = registry.prompts().filter(|prompt| policy::prompt(snapshot, principal, prompt).is_ok());
        Self {
            tools: tools.map(|tool| &tool.spec).collect(),
            resources: resources.map(|resource| &resource.spec).collect(),
            templates: templates.map(|template| &template.spec).collect(),
            prompts: prompts.map(|prompt| &prompt.spec).collect(),
        }
    }
}
