//! What a plugin asks for and its author's configuration does not grant, as the lines
//! that would.

use std::collections::BTreeSet;

use plugin_contract::{Capability, Manifest};
use server_core::{
    egress::{Rule, Rules},
    id::AgentId,
    settings::{Grant, Settings},
};

/// The lines that are missing for calls of `agent`. `None`: none is.
pub(super) fn missing(manifest: &Manifest, settings: &Settings, agent: &AgentId) -> Option<String> {
    let asked: BTreeSet<_> =
        manifest.capabilities.iter().chain(manifest.tools.iter().flat_map(|it| &it.capabilities)).collect();
    let of_agent = settings.agents.get(agent)?;
    let of_tenant = settings.tenants.get(&of_agent.tenant)?;
    let entry = settings.plugins.entries.get(&manifest.name);
    let granted = entry.map(|entry| &entry.capabilities);
    let mut lines = Vec::new();
    let capabilities = |granted: &BTreeSet<Capability>| {
        let all: BTreeSet<_> = granted.iter().chain(asked.iter().copied()).collect();
        let is_missing = asked.iter().any(|capability| !granted.contains(capability));
        is_missing.then(|| format!("capabilities: {}", list(all)))
    };
    lines.extend(sources(&asked, settings));
    let of_entry = capabilities(granted.unwrap_or(&BTreeSet::new()));
    if let Some(keys) = of_entry {
        lines.push(format!("plugins:\n  entries:\n    {}: {{ {keys} }}", manifest.name));
    }
    let is_asked = |capability| asked.contains(&capability);
    for (section, name, grant, is_tenant) in [
        ("tenants", of_agent.tenant.to_string(), &of_tenant.grant, true),
        ("agents", agent.to_string(), &of_agent.grant, false),
    ] {
        let mut keys: Vec<_> = capabilities(&grant.capabilities).into_iter().collect();
        keys.extend(is_asked(Capability::NetworkOutbound).then(|| egress(manifest, grant)).flatten());
        let stores = [
            (Capability::FsRead, "files", grant.files.is_empty()),
            (Capability::DbRead, "databases", grant.databases.is_empty()),
        ];
        for (capability, key, is_empty) in stores {
            keys.extend((is_asked(capability) && is_empty).then(|| format!("{key}: [\"*\"]")));
        }
        if is_asked(Capability::LlmQuery) {
            keys.extend(grant.egress.allow.is_empty().then(|| format!("egress: [\"{MODELS}\"]")));
            let lacks_models = !is_tenant && of_agent.llm.models.is_none();
            keys.extend(
                lacks_models
                    .then(|| "llm: { models: { local: [\"*\"] }, max_cost_per_day: 1.00 }".to_owned()),
            );
        }
        if !keys.is_empty() {
            lines.push(format!("{section}:\n  {name}: {{ {} }}", keys.join(", ")));
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Where the models of this machine are asked.
const MODELS: &str = "http://127.0.0.1:11434";

/// What a capability is about, where there is none of it yet: an example.
fn sources(asked: &BTreeSet<&Capability>, settings: &Settings) -> Vec<String> {
    let examples = [
        (Capability::FsRead, settings.roots.is_empty(), "files:\n  roots: { docs: { path: ./docs } }"),
        (Capability::DbRead, settings.databases.is_empty(), "databases:\n  notes: { sqlite: ./notes.db }"),
        (
            Capability::LlmQuery,
            settings.llm.providers.is_empty(),
            "llm:\n  providers: { local: { models: { \"llama3.1:8b\": { input: 0, output: 0 } } } }",
        ),
    ];
    let wanted = examples.iter().filter(|(capability, is_empty, _)| *is_empty && asked.contains(capability));
    wanted.map(|(_, _, example)| (*example).to_owned()).collect()
}

/// The hosts that the plugin names, if they are not all allowed; an example, if it
/// names none and nothing is allowed.
fn egress(manifest: &Manifest, grant: &Grant) -> Option<String> {
    if manifest.egress.is_empty() {
        return grant.egress.allow.is_empty().then(|| "egress: [\"api.example.com\"]".to_owned());
    }
    let allows = |rules: &Rules, host: &str| {
        host.parse::<Rule>().is_ok_and(|rule| rules.allow.iter().any(|mine| mine.includes(&rule)))
    };
    let lacking = manifest.egress.iter().any(|host| !allows(&grant.egress, host));
    lacking.then(|| {
        let own: BTreeSet<_> = grant.egress.allow.iter().map(ToString::to_string).collect();
        format!(
            "egress: {}",
            list(own.into_iter().chain(manifest.egress.iter().cloned()).collect::<BTreeSet<_>>())
        )
    })
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| format!("\"{}\"", item.to_string())).collect();
    format!("[{}]", items.join(", "))
}
