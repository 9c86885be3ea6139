//! The keys of a JSON Schema.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every key that holds a value and no further keys that the schema knows, as
/// in `agents.*.limits.rate_limit`; `*` is any name, `[]` any item of a list.
pub(super) fn keys(schema: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    walk(schema, schema, "", &mut keys);
    keys
}

fn walk(schema: &Value, node: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let mut children = Vec::new();
    gather(schema, node, &mut children);
    if children.is_empty() {
        keys.insert(path.to_owned());
    }
    for (name, child) in children {
        let separator = if path.is_empty() || name == "[]" { "" } else { "." };
        walk(schema, child, &format!("{path}{separator}{name}"), keys);
    }
}

/// What a node holds by name, whichever of its alternatives says so.
fn gather<'s>(schema: &'s Value, node: &'s Value, children: &mut Vec<(&'s str, &'s Value)>) {
    if let Some(reference) = node["$ref"].as_str() {
        let target = schema.pointer(reference.trim_start_matches('#'));
        gather(schema, target.unwrap_or_else(|| panic!("there is no {reference}")), children);
    }
    for alternatives in ["allOf", "anyOf", "oneOf"] {
        for alternative in node[alternatives].as_array().into_iter().flatten() {
            gather(schema, alternative, children);
        }
    }
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        children.push((name, child));
    }
    if node["additionalProperties"].is_object() {
        children.push(("*", &node["additionalProperties"]));
    }
    let mut inner = Vec::new();
    gather_items(schema, &node["items"], &mut inner);
    if !inner.is_empty() {
        children.push(("[]", &node["items"]));
    }
}

/// Lists of plain values are values themselves.
fn gather_items<'s>(schema: &'s Value, items: &'s Value, inner: &mut Vec<(&'s str, &'s Value)>) {
    if items.is_object() {
        gather(schema, items, inner);
    }
}

#[test]
fn keys_are_found_through_references_maps_lists_and_alternatives() {
    let schema = serde_json::json!({
        "properties": {
            "version": { "type": "integer" },
            "agents": { "additionalProperties": { "$ref": "#/definitions/Agent" } },
            "include": { "anyOf": [{ "type": "string" }, { "items": { "type": "string" } }] },
            "log": { "anyOf": [{ "type": "null" }, { "properties": { "level": {} } }] },
            "rules": { "items": { "properties": { "host": {} } } },
            "free": { "type": "object", "additionalProperties": true },
        },
        "definitions": { "Agent": { "properties": { "limits": { "properties": { "rate": {} } } } } },
    });
    let expected = ["agents.*.limits.rate", "free", "include", "log.level", "rules[].host", "version"];
    assert_eq!(keys(&schema), expected.map(ToOwned::to_owned).into());
}
