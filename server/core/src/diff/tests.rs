use std::path::Path;

use plugin_contract::Manifest;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{self, Environment, Included, Source},
    testing::tool,
};

mod exact;
mod operator;
mod rights;

/// Every variable is set, to something of its own.
struct AllSet;

impl Environment for AllSet {
    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("a-token-0123456789-0123456789-0123456789-{name}"))
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("there are no files here".to_owned())
    }

    fn included(&self, _: &Path) -> Result<Vec<Included>, String> {
        Ok(Vec::new())
    }
}

fn settings(yaml: &str) -> Settings {
    let source = Source { path: "config.yaml".into(), text: format!("version: 1\n{yaml}\n") };
    config::compile(&source, &AllSet).unwrap().settings
}

fn manifest(name: &str, version: &str, tools: &[Value]) -> Manifest {
    serde_json::from_value(json!({
        "name": name, "version": version, "release": 1, "api": "1.0", "target": "any", "tools": tools,
    }))
    .unwrap()
}

/// core, llm (whose tool needs `llm:query`), and what is no tool.
fn manifests() -> Vec<Manifest> {
    let about = json!({
        "name": "about", "version": "1.0.0", "release": 1, "api": "1.0", "target": "any",
        "resources": [{ "uri": "about://server", "name": "server" }],
        "resource_templates": [{ "uri_template": "docs://{book}/{page}", "name": "docs" }],
        "prompts": [{ "name": "review_pr" }, { "name": "tool_usage" }],
    });
    vec![
        serde_json::from_value(about).unwrap(),
        manifest("core", "1.0.0", &[tool("core.echo", &[]), tool("core.sum", &[])]),
        manifest("llm", "1.0.0", &[tool("llm.query", &["llm:query"])]),
    ]
}

fn compare(old: &str, new: &str, before: &[Manifest], after: &[Manifest]) -> Diff {
    let (old, new) = (settings(old), settings(new));
    let (before, after) = (Names::claimed(before, &old.plugins), Names::claimed(after, &new.plugins));
    diff(Side { settings: &old, names: &before }, Side { settings: &new, names: &after })
}

fn sentences(diff: &Diff) -> Vec<String> {
    diff.changes.iter().map(ToString::to_string).collect()
}

/// What is said of an edit, word for word.
pub(super) fn check(old: &str, new: &str, expected: &[&str]) {
    assert_eq!(sentences(&compare(old, new, &manifests(), &manifests())), expected, "{old}\n→ {new}");
}

/// A configuration with agent `laptop` as given.
fn laptop(rights: &str) -> String {
    with_tenant("tools: [\"*\"], capabilities: [\"llm:query\"], resources: [\"*\"]", rights)
}

fn with_tenant(tenant: &str, laptop: &str) -> String {
    format!(
        "plugins: {{ entries: {{ llm: {{ capabilities: [\"llm:query\"] }} }} }}\n\
         tenants: {{ research: {{ {tenant} }} }}\n\
         agents:\n  laptop: {{ tenant: research, token: \"${{LAPTOP}}\", {laptop} }}"
    )
}

/// A configuration with this many agents alike.
fn crowd(agents: usize, rights: &str) -> String {
    let agents = (0..agents)
        .map(|n| format!("  a{n}: {{ tenant: research, token: \"${{A{n}}}\", {rights} }}\n"))
        .collect::<String>();
    format!("tenants: {{ research: {{ tools: [\"*\"] }} }}\nagents:\n{agents}")
}

#[test]
fn where_nothing_is_different_no_one_gains_or_loses_anything() {
    let diff = compare(&laptop("tools: [core.echo]"), &laptop("tools: [core.echo]"), &[], &[]);
    assert!(diff.is_empty());
    assert_eq!(diff.summary(5), "no one gains or loses anything");
    // Other words for the same.
    check(&laptop("tools: [core.echo, core.sum]"), &laptop("tools: [core.sum, core.echo]"), &[]);
    check(&laptop("tools: [\"*\", core.echo]"), &laptop("tools: [\"*\"]"), &[]);
}

#[test]
fn a_summary_is_bounded_and_says_how_much_more_there_is() {
    let old = laptop("tools: [core.echo], limits: { concurrency: 3, rate_limit: \"60/min\" }");
    let new = laptop("tools: [core.sum], limits: { concurrency: 4, rate_limit: \"20/min\" }");
    let diff = compare(&old, &new, &manifests(), &manifests());
    assert_eq!(diff.summary(2), "agent laptop loses core.echo; agent laptop gains core.sum; and 2 more");
    assert_eq!(
        diff.summary(4),
        "agent laptop loses core.echo; agent laptop gains core.sum; \
         agent laptop: concurrency 3 → 4; agent laptop: rate_limit 60/min → 20/min"
    );
}

#[test]
fn a_guard_is_told_how_many_agents_go_and_how_many_lose_something() {
    let diff =
        compare(&crowd(5, "tools: [core.echo]"), &crowd(2, "tools: [core.sum]"), &manifests(), &manifests());
    assert_eq!(diff.agents, Counts { before: 5, removed: 3, losing: 2 });
}

#[test]
fn a_machine_is_told_the_same_in_fields() {
    let old = laptop("tools: [core.echo], limits: { rate_limit: \"60/min\" }");
    let new = laptop("tools: [\"http.*\"], limits: { rate_limit: \"20/min\" }");
    let diff = compare(&old, &new, &manifests(), &manifests());
    let laptop = json!({ "type": "agents", "tenant": "research", "agents": ["laptop"] });
    assert_eq!(
        serde_json::to_value(&diff).unwrap(),
        json!({
            "changes": [
                { "kind": "loses", "thing": "tool", "names": ["core.echo"], "subject": laptop,
                  "text": "agent laptop loses core.echo" },
                { "kind": "list", "list": "tools", "added": ["http.*"], "removed": [],
                  "note": "no such tool is loaded", "subject": laptop,
                  "text": "agent laptop: tools + http.* (no such tool is loaded)" },
                { "kind": "value", "value": "rate_limit", "from": "60/min", "to": "20/min", "subject": laptop,
                  "text": "agent laptop: rate_limit 60/min → 20/min" },
            ],
            "agents": { "before": 1, "removed": 0, "losing": 1 },
        })
    );
}
