//! What configurations mean.

use std::path::Path;

use super::{LAPTOP, REVIEWER, World, good};
use crate::{
    config::{InvalidToken, Source, compile, compile::default_patterns, without_file},
    secret::TokenDigest,
    settings::{Disclosure, Isolation, KeySource},
};

/// A configuration with the given lines below `agents.laptop` and at the root.
fn with(agent: &str, rest: &str) -> String {
    format!(
        "version: 1\ntenants: {{ research: {{ tools: [\"*\"] }} }}\nagents:\n  laptop:\n    tenant: research\n    \
         token: \"${{LAPTOP_TOKEN}}\"\n{agent}\n{rest}\n"
    )
}

#[test]
fn what_is_not_said_has_a_safe_default() {
    let compiled = good(
        "version: 1\ntenants: { research: {} }\nagents: { laptop: { tenant: research, token: \"${LAPTOP_TOKEN}\" } }\n",
    );
    let settings = compiled.settings;
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.state_dir, Path::new("state"));
    assert_eq!(settings.plugins.dir, None);
    assert_eq!(settings.plugins.bundled_dir, None);
    assert_eq!(settings.plugins.max_retired_bytes, 268_435_456);
    let tenant = &settings.tenants["research"];
    let agent = &settings.agents["laptop"];
    assert_eq!(tenant.disclosure, Disclosure::Reasons);
    for grant in [&tenant.grant, &agent.grant] {
        assert!(grant.tools.is_empty() && grant.deny.is_empty() && grant.capabilities.is_empty());
        assert_eq!(grant.resources, default_patterns(&["about://*"]));
        assert_eq!(grant.prompts, default_patterns(&["review_pr", "tool_usage"]));
    }
    assert_eq!(agent.limits, crate::limits::Limits::default());
}

#[test]
fn an_empty_list_grants_nothing_where_the_absent_one_grants_the_default() {
    let settings = good(&with("    resources: []\n    prompts: []", "")).settings;
    let grant = &settings.agents["laptop"].grant;
    assert!(grant.resources.is_empty() && grant.prompts.is_empty());
}

#[test]
fn profiles_add_to_what_an_agent_has_itself() {
    let profiles = "profiles:\n  reader: { tools: [core.echo], deny: [acme.drop], prompts: [review_pr], limits: { concurrency: 3, timeout_seconds: 5 } }\n  \
                    other: { tools: [\"acme.*\"], capabilities: [\"fs:read\"], limits: { concurrency: 4, max_payload_bytes: 9 } }\nlimits: { max_payload_bytes: 7, max_response_bytes: 8, timeout_seconds: 6 }";
    let text = with(
        "    tools: [core.sum]\n    profiles: [reader, other]\n    limits: { rate_limit: \"1/s\" }",
        profiles,
    );
    let settings = good(&text).settings;
    let agent = &settings.agents["laptop"];
    assert_eq!(agent.grant.tools, default_patterns(&["core.sum", "core.echo", "acme.*"]));
    assert_eq!(agent.grant.deny, default_patterns(&["acme.drop"]));
    assert_eq!(agent.grant.prompts, default_patterns(&["review_pr"]));
    assert_eq!(agent.grant.resources, default_patterns(&["about://*"]));
    assert_eq!(agent.grant.capabilities.len(), 1);
    // Its own limits first, then the profiles' in order, then those for all.
    let limits = agent.limits;
    assert_eq!((limits.rate.to_string().as_str(), limits.concurrency, limits.timeout_seconds), ("1/s", 3, 5));
    assert_eq!((limits.max_payload_bytes, limits.max_response_bytes), (9, 8));
}

#[test]
fn what_is_said_of_tools_is_kept_by_pattern() {
    let tools = "tool_limits: { \"jira.*\": { concurrency: 2, rate_limit: \"30/min burst 5\" }, jira.export: { timeout_seconds: 300 } }\nserver: { max_calls: 7, client_timeout_seconds: 9 }";
    let settings = good(&with("", tools)).settings;
    let said: Vec<_> = settings.tool_limits.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["jira.* (rate_limit 30/min burst 5 concurrency 2)", "jira.export (timeout_seconds 300)"]
    );
    let load = settings.server.load;
    assert_eq!((load.max_calls, load.client_timeout.as_secs(), load.max_connections), (7, 9, 4096));
}

#[test]
fn a_tenant_s_limits_are_a_ceiling_on_what_its_agents_say_and_do_not_say() {
    let tight = "{ max_payload_bytes: 10, max_response_bytes: 11, timeout_seconds: 1, concurrency: 2, rate_limit: \"3/h\" }";
    for limits in ["", "    limits: { max_payload_bytes: 1000, concurrency: 100, rate_limit: \"1000/min\" }"]
    {
        let text =
            with(limits, "").replace("tools: [\"*\"] }", &format!("tools: [\"*\"], limits: {tight} }}"));
        let limits = good(&text).settings.agents["laptop"].limits;
        assert_eq!(
            (limits.max_payload_bytes, limits.max_response_bytes, limits.timeout_seconds, limits.concurrency),
            (10, 11, 1, 2)
        );
        assert_eq!((limits.rate.interval_nanos(), limits.rate.burst()), (1_200_000_000_000, 3));
    }
}

#[test]
fn an_entry_that_is_silent_has_the_default_of_its_plugin() {
    let entries =
        "plugins: { entries: { core: {}, about: { enabled: false }, acme: { config: { a: 1.0, b: [x] } } } }";
    let entries = good(&with("", entries)).settings.plugins.entries;
    let isolation = |name: &str| (entries[name].enabled, entries[name].isolation);
    assert_eq!(isolation("core"), (true, Isolation::InProcess));
    assert_eq!(isolation("about"), (false, Isolation::InProcess));
    assert_eq!(isolation("prompts"), (true, Isolation::InProcess));
    assert_eq!(isolation("acme"), (true, Isolation::Process));
    assert_eq!(serde_json::to_string(&entries["acme"].config).unwrap(), r#"{"a":1,"b":["x"]}"#);
}

#[test]
fn a_key_has_the_scope_that_it_is_given() {
    let keys = "plugins:\n  trusted_keys:\n    acme:\n      minisign: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n      \
                plugins: [\"acme-*\"]\n      capabilities: [\"network:outbound\"]\n      not_after: 2027-12-31\n      revoked: true\n";
    let settings = good(&with("", keys)).settings;
    let key = &settings.plugins.trusted_keys["acme"];
    assert_eq!(settings.plugins.trusted_keys.len(), 1);
    assert!(matches!(&key.minisign, KeySource::Minisign(text) if text.starts_with("RWQf6")));
    assert_eq!((&key.plugins, &key.names), (&default_patterns(&["acme-*"]), &None));
    assert_eq!((key.in_process, key.revoked), (false, true));
    assert_eq!(key.not_after.unwrap().to_string(), "2027-12-31");
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let text = with(
        "    tokens: [\"${file:secrets/laptop}\"]",
        "state: { dir: ./x/../state }\nplugins: { dir: /opt/plugins, bundled_dir: bundled, max_retired_bytes: 0 }",
    )
    .replace("    token: \"${LAPTOP_TOKEN}\"\n", "");
    let compiled = compile(&Source { path: "/etc/mus/config.yaml".into(), text }, &World).unwrap();
    assert_eq!(compiled.settings.state_dir, Path::new("/etc/mus/x/../state"));
    assert_eq!(compiled.settings.plugins.dir, Some("/opt/plugins".into()));
    assert_eq!(compiled.settings.plugins.bundled_dir, Some("/etc/mus/bundled".into()));
    assert_eq!(compiled.settings.plugins.max_retired_bytes, 0);
    assert_eq!(compiled.settings.agents["laptop"].tokens, [TokenDigest::of(LAPTOP)]);
}

#[test]
fn an_agent_has_as_many_tokens_as_it_needs_to_change_them() {
    let digest = "5baa3907c48966f9aaeb2ee85e19e8db323d0a4f909b890e4f632c3e62c3078b";
    let text = with("    tokens: [\"${REVIEWER_TOKEN}\", \"${file:/run/secrets/laptop}\"]", "")
        .replace("${LAPTOP_TOKEN}", &format!("sha256:{}", "0".repeat(64)));
    let tokens = good(&text).settings.agents["laptop"].tokens.clone();
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[1..], [TokenDigest::of(REVIEWER), TokenDigest::from_hex(digest).unwrap()]);
}

#[test]
fn names_are_kept_as_clients_write_them() {
    let server = "server:\n  listen: \"[::1]:0\"\n  allowed_hosts: [MCP.Example.lan, \"mcp.example.lan:8443\", \"[::1]\", 10.0.0.1]\n  \
                  allowed_origins: [\"https://X.lan\", \"http://x.lan:8080\"]\n  public_url: https://mcp.example.lan/mcp\n";
    let server = good(&with("", server)).settings.server;
    assert_eq!(server.listen.to_string(), "[::1]:0");
    assert_eq!(server.allowed_hosts, ["mcp.example.lan", "mcp.example.lan:8443", "[::1]", "10.0.0.1"]);
    assert_eq!(server.allowed_origins, ["https://x.lan", "http://x.lan:8080"]);
    assert_eq!(server.public_url.unwrap().as_str(), "https://mcp.example.lan/mcp");
}

#[test]
fn anchors_and_merge_keys_mean_what_yaml_says() {
    let text = "version: 1\ntenants: { research: { tools: [\"*\"] } }\nagents:\n  \
                laptop: &base { tenant: research, token: \"${LAPTOP_TOKEN}\", tools: &tools [core.echo] }\n  \
                reviewer: { <<: *base, token: \"${REVIEWER_TOKEN}\", deny: *tools }\n";
    let settings = good(text).settings;
    let reviewer = &settings.agents["reviewer"];
    assert_eq!(reviewer.tokens, [TokenDigest::of(REVIEWER)]);
    assert_eq!(
        (&reviewer.grant.tools, &reviewer.grant.deny),
        (&default_patterns(&["core.echo"]), &default_patterns(&["core.echo"]))
    );
}

#[test]
fn the_digest_is_that_of_the_text() {
    let text = with("", "");
    let compiled = good(&text);
    assert_eq!(TokenDigest::from_hex(&compiled.sha256), Some(TokenDigest::of(&text)));
    assert_ne!(good(&format!("{text}# \n")).sha256, compiled.sha256);
}

#[test]
fn a_token_alone_makes_one_agent_with_harmless_tools() {
    let settings = without_file(LAPTOP).unwrap();
    let agent = &settings.agents["default"];
    assert_eq!((settings.agents.len(), settings.tenants.len()), (1, 1));
    assert_eq!(agent.tokens, [TokenDigest::of(LAPTOP)]);
    assert_eq!(agent.grant, settings.tenants["default"].grant);
    assert_eq!(agent.grant.tools, default_patterns(&["core.echo", "core.sum"]));
    assert_eq!(agent.grant.prompts, default_patterns(&["review_pr", "tool_usage"]));
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.plugins.trusted_keys["bundled"].minisign, KeySource::Installed);
}

#[test]
fn a_token_alone_must_be_a_good_one() {
    assert_eq!(without_file("hunter2").unwrap_err(), InvalidToken::TooShort);
    assert_eq!(without_file("").unwrap_err(), InvalidToken::Empty);
}
