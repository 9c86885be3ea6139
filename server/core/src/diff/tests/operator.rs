use super::*;

/// What is said of a change from one top-level section to another.
fn section(old: &str, new: &str, expected: &[&str]) {
    let rest = "tenants: { research: { tools: [] } }\nagents: {}";
    check(&format!("{old}\n{rest}"), &format!("{new}\n{rest}"), expected);
}

#[test]
fn tokens_are_counted_and_never_shown() {
    let agent = |tokens: &str| {
        format!(
            "tenants: {{ research: {{ tools: [] }} }}\nagents: {{ laptop: {{ tenant: research, {tokens} }} }}"
        )
    };
    for (old, new, expected) in [
        ("token: \"${A}\"", "token: \"${B}\"", "a token was replaced"),
        ("token: \"${A}\"", "tokens: [\"${A}\", \"${B}\"]", "a token was added"),
        ("tokens: [\"${A}\", \"${B}\"]", "token: \"${B}\"", "a token was removed"),
        (
            "tokens: [\"${A}\", \"${B}\"]",
            "tokens: [\"${C}\", \"${D}\", \"${E}\"]",
            "2 tokens were replaced, a token was added",
        ),
    ] {
        check(&agent(old), &agent(new), &[&format!("agent laptop: {expected}")]);
    }
    check(&agent("tokens: [\"${A}\", \"${B}\"]"), &agent("tokens: [\"${B}\", \"${A}\"]"), &[]);
}

#[test]
fn limits_are_told_as_they_count_under_the_tenant_s() {
    check(
        &with_tenant("tools: []", "tools: [], limits: { timeout_seconds: 30 }"),
        &with_tenant(
            "tools: [], limits: { timeout_seconds: 10 }",
            "tools: [], limits: { timeout_seconds: 20 }",
        ),
        &["agent laptop: timeout_seconds 30 → 10"],
    );
    section("limits: { max_payload_bytes: 1000 }", "limits: { max_payload_bytes: 2000 }", &[]);
}

#[test]
fn tenants_come_go_and_disclose() {
    let tenants = |tenants: &str| format!("tenants: {{ {tenants} }}\nagents: {{}}");
    check(
        &tenants("research: {}, old: {}"),
        &tenants("research: { disclosure: opaque }, new: {}"),
        &["tenant old is removed", "tenant new is new", "tenant research: disclosure reasons → opaque"],
    );
}

#[test]
fn keys_are_told_by_what_they_may_sign() {
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const OTHER: &str = "RWSGOq2NVecA2UPNdBUZykf1CCb147pkmdtYxgb3Ti+JO/wCYvhbAb/U";
    let key = |rest: &str| {
        format!(
            "plugins: {{ trusted_keys: {{ acme: {{ minisign: \"{KEY}\", plugins: [acme-jira]{rest} }} }} }}"
        )
    };
    let none = "plugins: { trusted_keys: {} }";
    section(none, &key(""), &["key acme is new"]);
    section(&key(""), none, &["key acme is removed"]);
    section(&key(""), &key(", revoked: true"), &["key acme is revoked"]);
    section(&key(", revoked: true"), &key(""), &["key acme is no longer revoked"]);
    section(&key(""), &key("").replace(KEY, OTHER), &["key acme: the public key changed"]);
    section(
        &key(""),
        &key(", names: [\"acme.*\"], capabilities: [\"network:outbound\"], in_process: true, not_after: 2027-12-31")
            .replace("acme-jira", "\"acme-*\""),
        &[
            "key acme: plugins + acme-*, - acme-jira",
            "key acme: names + acme.*, - <plugin>.*, <plugin>://*",
            "key acme: capabilities + network:outbound",
            "key acme: in_process false → true",
            "key acme: not_after never → 2027-12-31",
        ],
    );
}

#[test]
fn entries_are_told_without_the_values_of_their_configuration() {
    let entry = |entry: &str| format!("plugins: {{ entries: {{ jira: {{ {entry} }} }} }}");
    section(
        "",
        &entry("capabilities: [\"network:outbound\"]"),
        &["plugin entry jira: capabilities + network:outbound"],
    );
    section("", &entry(""), &[]);
    section(
        &entry("isolation: in_process, config: { key: one }"),
        &entry("enabled: false, config: { key: two }"),
        &[
            "plugin entry jira: enabled true → false",
            "plugin entry jira: isolation in_process → process",
            "plugin entry jira: its configuration changed",
        ],
    );
}

#[test]
fn what_plugins_may_have_of_the_machine_is_told() {
    section(
        "plugins: { entries: { jira: { worker: { processes: 1, threads: 0 } } } }",
        "plugins: { require_landlock: false, max_retired_bytes: 0, entries: { jira: { worker: { \
         concurrency: 2, memory_bytes: 67108864, threads: 4, cpu_seconds: 1 } } } }",
        &[
            "plugin entry jira: worker.processes 1 → 4",
            "plugin entry jira: worker.concurrency 1 → 2",
            "plugin entry jira: worker.memory_bytes 268435456 → 67108864",
            "plugin entry jira: worker.threads 0 → 4",
            "plugin entry jira: worker.cpu_seconds 60 → 1",
            "plugins.max_retired_bytes 268435456 → 0",
            "plugins.require_landlock true → false",
        ],
    );
}

#[test]
fn where_agents_connect_and_what_is_read_is_told() {
    section(
        "server: { listen: \"127.0.0.1:8080\", allowed_hosts: [one.example] }",
        "server: { listen: \"0.0.0.0:8080\", allowed_hosts: [two.example], allowed_origins: [\"https://a.example\"], \
         public_url: \"https://mcp.example/mcp\" }\nstate: { dir: /var/lib/mcp }\n\
         plugins: { dir: plugins.d, bundled_dir: /opt/bundled }\nadmin: { token: \"${ADMIN}\" }\nlog: { level: debug }",
        &[
            "server.listen 127.0.0.1:8080 → 0.0.0.0:8080",
            "server.allowed_hosts + two.example, - one.example",
            "server.allowed_origins + https://a.example",
            "server.public_url unset → https://mcp.example/mcp",
            "admin.listen off → 127.0.0.1:8081",
            "log.level info → debug",
            "state.dir state → /var/lib/mcp",
            "plugins.dir unset → plugins.d",
            "plugins.bundled_dir the installation's → /opt/bundled",
        ],
    );
}

#[test]
fn another_admin_token_is_told_and_not_shown() {
    let admin = |token: &str| format!("admin: {{ token: \"${{{token}}}\" }}");
    section(&admin("ONE"), &admin("OTHER"), &["admin.token: a token was replaced"]);
    section(&admin("ONE"), "", &["admin.listen 127.0.0.1:8081 → off"]);
}

#[test]
fn what_looks_like_a_secret_is_not_repeated() {
    let secret = "mus_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let diff = compare(&laptop("tools: []"), &laptop(&format!("tools: [{secret}]")), &[], &[]);
    assert_eq!(sentences(&diff), ["agent laptop: tools + … (no such tool is loaded)"]);
    assert!(!serde_json::to_string(&diff).unwrap().contains(secret));
}

#[test]
fn what_a_terminal_would_not_show_is_written_out() {
    section(
        "plugins: { dir: plugins.d }",
        "plugins: { dir: \"it's \\u202e\\e[31m\" }",
        &["plugins.dir plugins.d → it's \\u{202e}\\u{1b}[31m"],
    );
}
