use serde_json::{Value, json};

use super::*;
use crate::testing::{named, tool, unreachable};

fn plugin(name: &str, parts: Value) -> Arc<Plugin> {
    let mut manifest =
        json!({ "name": name, "version": "1.0.0", "release": 1, "api": "1.0", "target": "any" });
    manifest.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    named(serde_json::from_value(manifest).unwrap(), &[], unreachable())
}

/// Admits `first`, then `second`, which must be refused with this line.
fn check(first: Value, second: Value, line: &str) {
    let (registry, refusals) =
        Registry::admit([plugin("first", first), plugin("second", second), plugin("third", json!({}))]);
    assert_eq!(refusals.iter().map(ToString::to_string).collect::<Vec<_>>(), [line]);
    let loaded: Vec<_> = registry.plugins().map(|plugin| plugin.manifest.name.as_str()).collect();
    assert_eq!(loaded, ["first", "third"], "a refused plugin does not disturb the others");
}

#[test]
fn two_tools_of_one_name_cannot_both_be_offered() {
    check(
        json!({ "tools": [tool("a.b", &[])] }),
        json!({ "tools": [tool("c.d", &[]), tool("a.b", &[])] }),
        "plugin refused: plugins.d/second: tool `a.b` of plugin `second` is offered already, by plugin `first`; \
         rename it in the plugin, or disable one of the two with `plugins.entries.first.enabled: false` or `plugins.entries.second.enabled: false`",
    );
}

#[test]
fn two_tools_that_look_alike_to_clients_cannot_both_be_offered() {
    check(
        json!({ "tools": [tool("core.echo", &[])] }),
        json!({ "tools": [tool("core_echo", &[])] }),
        "plugin refused: plugins.d/second: tool `core_echo` of plugin `second` looks like `core.echo`, offered by plugin `first`, \
         to clients that write `.` as `_`; rename it in the plugin, or disable one of the two with `plugins.entries.first.enabled: false` or `plugins.entries.second.enabled: false`",
    );
    check(
        json!({}),
        json!({ "tools": [tool("a.b", &[]), tool("a_b", &[])] }),
        "plugin refused: plugins.d/second: tool `a_b` of plugin `second` looks like `a.b`, offered by the same plugin, \
         to clients that write `.` as `_`; rename one of the two in the plugin, and sign it again",
    );
}

#[test]
fn resources_templates_and_prompts_are_offered_once() {
    for (parts, what) in [
        (json!({ "resources": [{ "uri": "x://y", "name": "y" }] }), "resource `x://y`"),
        (
            json!({ "resource_templates": [{ "uri_template": "x://{y}", "name": "y" }] }),
            "resource template `x://{y}`",
        ),
        (json!({ "prompts": [{ "name": "p" }] }), "prompt `p`"),
    ] {
        let line = format!(
            "plugin refused: plugins.d/second: {what} of plugin `second` is offered already, by plugin `first`; \
             rename it in the plugin, or disable one of the two with `plugins.entries.first.enabled: false` or `plugins.entries.second.enabled: false`"
        );
        check(parts.clone(), parts, &line);
    }
}

#[test]
fn a_plugin_is_loaded_once() {
    let (registry, refusals) = Registry::admit([plugin("one", json!({})), plugin("one", json!({}))]);
    assert_eq!(registry.plugins().count(), 1);
    assert_eq!(
        refusals.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "plugin refused: plugins.d/one: plugin `one` is loaded already, from plugins.d/one; remove one of the two"
        ]
    );
}

#[test]
fn a_schema_or_template_that_cannot_be_used_refuses_its_plugin() {
    let mut broken = tool("second.t", &[]);
    broken["input_schema"] = json!({ "type": "string" });
    check(
        json!({}),
        json!({ "tools": [broken] }),
        "plugin refused: plugins.d/second: the input schema of tool `second.t` cannot be used: \
         its `type` must be `object`; correct the schema in the plugin and sign it again",
    );
    check(
        json!({}),
        json!({ "resource_templates": [{ "uri_template": "x://{", "name": "y" }] }),
        "plugin refused: plugins.d/second: `x://{` is no URI template: use `{name}` for a path segment, \
         each name once, with text between two of them; correct the template in the plugin and sign it again",
    );
}

#[test]
fn what_a_client_makes_up_for_a_template_is_short_and_in_one_line() {
    let parts = json!({ "resource_templates": [{ "uri_template": "docs://{page}", "name": "pages" }] });
    let (registry, _) = Registry::admit([plugin("docs", parts)]);
    for (page, offered) in [
        ("a".to_owned(), true),
        ("a page, \u{e4}".to_owned(), true),
        ("a".repeat(2041), true),
        ("a".repeat(2042), false),
        ("a\nb".to_owned(), false),
        ("a\0".to_owned(), false),
    ] {
        assert_eq!(registry.offered(&format!("docs://{page}")).is_some(), offered, "{page:?}");
    }
}

#[test]
fn a_plugin_that_goes_on_has_its_schemas_compiled_once() {
    let tools =
        json!({ "tools": [{ "name": "one.do", "description": "", "input_schema": { "type": "object" } }] });
    let before = plugin("one", tools);
    let after = Arc::new(Plugin {
        manifest: before.manifest.clone(),
        provenance: before.provenance.clone(),
        isolation: before.isolation,
        granted: before.granted.clone(),
        instance: before.instance.clone(),
        prepared: before.prepared.clone(),
    });
    let [before, after] = [before, after].map(|plugin| {
        let (registry, refusals) = Registry::admit([plugin]);
        assert_eq!(refusals, []);
        registry.tool("one.do").unwrap().arguments.clone()
    });
    assert!(Arc::ptr_eq(&before, &after));
}
