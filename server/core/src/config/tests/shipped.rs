//! The files at the root of the repository, and the schema itself.

use serde_json::{Value, json};

use super::{LAPTOP, good, report, said};
use crate::{
    config::{
        PROMPTS, RESOURCES, SAFE_TOOLS, compile::default_patterns, compile::default_plugins, schema,
        schema::validator,
    },
    secret::TokenDigest,
};

const CONFIG: &str = include_str!("../../../../../config.yaml");
const COMPOSE: &str = include_str!("../../../../../deploy/compose/config.yaml");
const EXAMPLE: &str = include_str!("../../../../../.env.example");
const SCHEMA: &str = include_str!("../../../../../config.schema.json");

#[test]
fn the_schema_for_editors_is_the_one_we_check_against() {
    let written: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(
        written == schema(),
        "config.schema.json is stale: run `cargo run -p mcp-universal-server -- schema > config.schema.json`"
    );
}

#[test]
fn editors_find_the_schema() {
    assert_eq!(CONFIG.lines().next(), Some("# yaml-language-server: $schema=./config.schema.json"));
}

#[test]
fn the_shipped_configuration_is_right() {
    assert_eq!(said(CONFIG), []);
}

#[test]
fn the_configuration_for_compose_is_right_and_as_safe() {
    assert_eq!(said(COMPOSE), []);
    let settings = good(COMPOSE).settings;
    assert_eq!(settings.agents["laptop"].grant.tools, default_patterns(&SAFE_TOOLS));
    // The operator's door is for whoever is inside the container.
    assert!(settings.admin.unwrap().listen.ip().is_loopback());
}

#[test]
fn the_shipped_configuration_is_safe() {
    let settings = good(CONFIG).settings;
    assert!(settings.server.listen.ip().is_loopback());
    assert_eq!(settings.server.public_url, None);
    let laptop = &settings.agents["laptop"];
    assert_eq!(laptop.grant.tools, default_patterns(&SAFE_TOOLS));
    assert_eq!(laptop.tokens, [TokenDigest::of(LAPTOP)]);
    let reviewer = &settings.agents["reviewer"];
    assert!(reviewer.grant.tools.cover("core.sum") && reviewer.grant.deny.cover("core.sum"));
    assert_ne!(reviewer.limits, laptop.limits);
    for granted in
        settings.agents.values().map(|agent| &agent.grant).chain(settings.tenants.values().map(|t| &t.grant))
    {
        assert!(granted.capabilities.is_empty());
    }
}

#[test]
fn what_the_shipped_configuration_says_of_plugins_is_the_default() {
    let plugins = good(CONFIG).settings.plugins;
    let default = default_plugins();
    assert_eq!(plugins.trusted_keys, default.trusted_keys);
    assert_eq!(plugins.entries, default.entries);
}

#[test]
fn the_example_of_an_env_file_names_what_the_configuration_needs() {
    let needed = CONFIG.split("\"${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    let needed: Vec<&str> = needed.filter(|name| !name.starts_with("file:")).collect();
    let named: Vec<&str> = EXAMPLE.lines().filter_map(|line| line.strip_suffix('=')).collect();
    assert_eq!(named, needed);
}

#[test]
fn the_readme_shows_the_shipped_configuration_without_its_comments() {
    let readme = include_str!("../../../../../README.md");
    let (_, after) = readme.split_once("without its comments:").expect("the introduction");
    let (_, block) = after.split_once("```yaml\n").expect("the block");
    let (shown, _) = block.split_once("\n```").expect("its end");
    let code = |line: &'static str| line.find(" #").map_or(line, |at| &line[..at]).trim_end();
    let lines = CONFIG.lines().filter(|line| !line.trim_start().starts_with('#')).map(code);
    let lines = lines.filter(|line| !line.is_empty());
    assert!(shown.lines().filter(|line| !line.is_empty()).eq(lines), "README.md shows another config.yaml");
}

#[test]
fn patterns_and_names_of_our_own_are_valid() {
    assert!(validator().is_some());
    for patterns in [&RESOURCES[..], &PROMPTS, &SAFE_TOOLS] {
        assert_eq!(default_patterns(patterns).iter().count(), patterns.len());
    }
    let plugins = default_plugins();
    let key = &plugins.trusted_keys["bundled"];
    assert_eq!(key.names.as_ref().unwrap().iter().count(), 8);
    assert_eq!(plugins.entries.len(), 7);
}

/// Calls `visit` with every property of a schema and its path.
fn properties(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        visit(&path, property);
        properties(property, &path, visit);
    }
    if schema["additionalProperties"].is_object() {
        properties(&schema["additionalProperties"], &format!("{path}.NAME"), visit);
    }
}

#[test]
fn every_key_is_explained_and_has_one_type() {
    properties(&schema(), "", &mut |path, property| {
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path}");
        assert!(property["type"].is_string(), "{path}: {}", property["type"]);
    });
}

#[test]
fn every_number_has_bounds_and_every_example_and_default_is_valid() {
    properties(&schema(), "", &mut |path, property| {
        if property["type"] == "integer" {
            assert!(property["minimum"].is_u64() && property["maximum"].is_u64(), "{path}");
        }
        let validator = jsonschema::draft7::new(property).unwrap();
        let values = property["examples"].as_array().into_iter().flatten().chain(property.get("default"));
        for value in values {
            assert!(validator.is_valid(value), "{path}: {value}");
        }
    });
}

#[test]
fn what_the_schema_has_a_pattern_for_has_a_parser_too() {
    properties(&schema(), "", &mut |path, property| {
        let bad = if property["pattern"].is_string() {
            json!(" !")
        } else if property["items"]["pattern"].is_string() {
            json!([" !"])
        } else if property["propertyNames"].is_object() {
            json!({ "!": {} })
        } else {
            return;
        };
        let place = path.trim_start_matches('.').replace("NAME", "name");
        let mut config = json!({
            "version": 1,
            "tenants": { "name": {} },
            "agents": { "name": { "tenant": "name", "token": "${LAPTOP_TOKEN}" } },
        });
        let value = place.split('.').fold(&mut config, |value, key| &mut value[key]);
        *value = bad;
        let problems = said(&format!("{config}\n"));
        let found =
            problems.iter().any(|problem| problem.is_error() && problem.config_path.starts_with(&place));
        assert!(found, "{place}: {}", report(&problems));
    });
}

#[test]
fn every_key_for_a_secret_is_marked() {
    properties(&schema(), "", &mut |path, property| {
        let name = path.rsplit('.').next().unwrap_or_default();
        // `secrets` are names, but for the value of each, and `max_tokens_per_request`
        // counts other tokens. A URL that holds a password is refused, and not shown.
        let words = ["token", "secret", "password", "api_key", "postgres"];
        let secret = [".secrets.NAME.value", ".audit.key"].contains(&path)
            || name == "tokens"
            || words.iter().any(|word| name.ends_with(word));
        assert_eq!(property["writeOnly"] == true, secret, "{path}");
    });
}
