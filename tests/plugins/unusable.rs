//! Plugins that cannot be used, and what their authors and operators are told to do.
//! Real libraries, each with one thing wrong.

use serde_json::{Value, json};
use server_core::settings::{KeySource, TrustedKey};

use super::workbench::{Workbench, library, patched};
use crate::support::{
    LAPTOP, Server, bundled,
    client::{Client, Era},
    eventually, isolation,
    testbench::{Testbench, build, replace},
};

#[test]
fn a_plugin_of_another_version_of_the_interface_says_both_and_what_to_change() {
    for (api, message) in [
        (
            "1.1",
            "it needs plugin API 1.1, this server speaks 1.0; update the server, or install a version of the plugin for an older one",
        ),
        (
            "2.0",
            "it needs plugin API 2.0, this server speaks 1.0; update the server, or install a version of the plugin for an older one",
        ),
        (
            "0.9",
            "it needs plugin API 0.9, this server speaks 1.0; install a version of the plugin that was built for this server",
        ),
    ] {
        let bench = Workbench::new();
        let mut package = bench.package();
        package.manifest.api = api.parse().unwrap();
        bench.sign(&package);
        assert_eq!(
            bench.refusal(),
            format!("plugin refused: plugins.d/core/plugin.json: {message} [api_unsupported]")
        );
    }
}

#[test]
fn a_library_for_another_machine_is_told_which() {
    let mut other = library().to_vec();
    other[18..20].copy_from_slice(&183u16.to_le_bytes());
    let bench = Workbench::new();
    bench.replace_library(&other);
    assert_eq!(
        bench.refusal(),
        format!(
            "plugin refused: plugins.d/core/libplugin_core.so: it will not be loaded: it is built for aarch64, this server for x86_64; build it for {} with the Rust toolchain's defaults for a `cdylib`, and sign it again [library_unsafe]",
            bench.package().manifest.target
        )
    );
}

#[test]
fn a_library_that_links_to_one_that_may_be_missing_is_told_which() {
    let bench = Workbench::new();
    bench.replace_library(&patched(b"\0libgcc_s.so.1\0", b"\0libssl_x.so.3\0"));
    assert_eq!(
        bench.refusal(),
        "plugin refused: plugins.d/core/libplugin_core.so: it will not be loaded: it links to `libssl_x.so.3`, and a plugin brings along all but the C library; build it with the Rust toolchain's defaults for a `cdylib`, and sign it again [library_unsafe]"
    );
}

#[test]
fn a_name_that_is_taken_is_told_with_who_has_it() {
    let mut bench = Workbench::new();
    let names = ["core.*", "db.*"].iter().map(|it| it.parse().unwrap()).collect();
    let plugins = ["core", "database"].iter().map(|it| it.parse().unwrap()).collect();
    let trusted = bench.trusted();
    (trusted.plugins, trusted.names) = (plugins, Some(names));
    trusted.capabilities = [plugin_contract::Capability::DbRead].into();
    let entry = bench.settings.entries.values().next().unwrap().clone();
    bench.settings.entries.insert("database".parse().unwrap(), entry);
    bench.install(&patched(b"core.sum", b"db.query"));
    bench.install(&std::fs::read(bundled::library("plugin-database")).unwrap());
    let (registry, refusals) = bench.load(&Workbench::host());
    assert_eq!(registry.tool("db.query").unwrap().plugin.manifest.name.as_str(), "core");
    let [refusal] = refusals.as_slice() else { panic!("one refusal, not {refusals:?}") };
    assert_eq!(refusal.code, "name_taken");
    assert_eq!(
        format!("{}; {}", refusal.message, refusal.help),
        "tool `db.query` of plugin `database` is offered already, by plugin `core`; rename it in the plugin, or disable one of the two with `plugins.entries.core.enabled: false` or `plugins.entries.database.enabled: false`"
    );
}

/// `bench`, with a tool that needs the network.
fn capable() -> Testbench {
    let bench = Testbench::new();
    let [nothing, network] = ["testbench needs nothing         ", "testbench needs network:outbound"];
    bench.install(&replace(&build(1), nothing.as_bytes(), network.as_bytes()));
    bench
}

#[test]
fn a_capability_that_the_key_may_not_sign_for_keeps_the_plugin_out() {
    let bench = capable();
    let host = Workbench::host();
    let mut settings = bench.settings(&json!({}));
    let refusals = |settings: &_| {
        let loaded = host.load(settings, &bench.path().join("state"));
        loaded.refusals().iter().map(|it| format!("{}; {}", it.message, it.help)).collect::<Vec<_>>()
    };
    assert_eq!(
        refusals(&settings),
        [
            "key `acme` may not sign a plugin that needs `network:outbound`; add what it needs to `plugins.trusted_keys.acme.capabilities`, if its owner may have it"
        ]
    );
    for TrustedKey { minisign, capabilities, .. } in settings.trusted_keys.values_mut() {
        if *minisign != KeySource::Installed {
            capabilities.extend(plugin_contract::Capability::ALL);
        }
    }
    assert_eq!(refusals(&settings), [""; 0]);
}

#[tokio::test]
async fn a_capability_that_operator_tenant_or_agent_do_not_grant_is_named_by_each() {
    let bench = capable();
    let server = Server::start(&format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
plugins:
  dir: {plugins}
  trusted_keys:
    acme: {{ minisign: "{key}", plugins: [bench], capabilities: ["network:outbound"], in_process: true }}
  entries:
    bench: {{ isolation: {isolation} }}
tenants:
  research: {{ tools: ["*"], egress: [api.example.com] }}
agents:
  laptop: {{ tenant: research, token: "${{LAPTOP_TOKEN}}", tools: ["*"], egress: [api.example.com] }}
"#,
        plugins = bench.plugins().display(),
        key = bench.key(),
        isolation = isolation().as_str(),
    ));
    let client = Client::connect(&server, LAPTOP, Era::Stateless).await;
    let result = serde_json::to_value(client.call("bench.label", json!({})).await.unwrap()).unwrap();
    let reasons = result["_meta"]["mcp-universal-server/denial"]["reasons"].as_array().unwrap();
    let told: Vec<_> = reasons.iter().map(|it| (text(it, "message"), text(it, "help"))).collect();
    let needs = "tool `bench.label` needs capability `network:outbound`, which";
    let told_by = |who: &str, help: &str| (format!("{needs} {who} is not granted"), help.to_owned());
    assert_eq!(
        told,
        [
            told_by("plugin `bench`", "add `network:outbound` to `plugins.entries.bench.capabilities`"),
            told_by("agent `laptop`", "add `network:outbound` to `agents.laptop.capabilities`"),
            told_by("tenant `research`", "add `network:outbound` to `tenants.research.capabilities`"),
        ]
    );
    // Nothing else of the plugin is kept back.
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    eventually("the plugin's line", || server.logged(|line| line["message"] == "plugin loaded"));
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
