//! What a signed plugin may say of itself.

use super::*;

#[test]
fn a_manifest_from_elsewhere_or_the_future_is_told_so() {
    check(
        |site| site.sign_with("/schema", json!("acme.invoice/1")),
        "plugin refused: plugins.d/weather/plugin.json: its `schema` is `acme.invoice/1`, this server reads `mcp-universal-server.plugin/1`; sign the plugin with the `plugin sign` of this server's version [schema_unknown]",
    );
    check(
        |site| {
            site.package["manifest"]["brand_new_field"] = json!(true);
            site.sign_with("/manifest/api", json!("1.1"));
        },
        "plugin refused: plugins.d/weather/plugin.json: it needs plugin API 1.1, this server speaks 1.0; update the server, or install a version of the plugin for an older one [api_unsupported]",
    );
    check(
        |site| site.sign_with("/manifest/api", json!("0.9")),
        "plugin refused: plugins.d/weather/plugin.json: it needs plugin API 0.9, this server speaks 1.0; install a version of the plugin that was built for this server [api_unsupported]",
    );
    check(
        |site| site.sign_text(r#"{"schema": "mcp-universal-server.plugin/1", "extra": 1}"#),
        "plugin refused: plugins.d/weather/plugin.json: it is no plugin manifest: unknown field `extra`, expected one of `schema`, `manifest`, `artifact` at line 1 column 51; sign the plugin again with `mcp-universal-server plugin sign` [manifest_invalid]",
    );
    check(
        |site| site.sign_with("/manifest/target", json!("aarch64-unknown-none")),
        "plugin refused: plugins.d/weather/plugin.json: it is built for aarch64-unknown-none, this server for HOST; install the plugin's build for HOST [target_mismatch]",
    );
}

#[test]
fn a_key_signs_what_its_owner_may_only() {
    check(
        |site| site.trusted().plugins = patterns(&["acme-*"]),
        "plugin refused: plugins.d/weather/plugin.json: key `acme` may not sign a plugin named `weather`; add a pattern that covers `weather` to `plugins.trusted_keys.acme.plugins`, if its owner may [plugin_out_of_scope]",
    );
    check(
        |site| site.sign_with("/manifest/tools/0/name", json!("core.wipe")),
        "plugin refused: plugins.d/weather/plugin.json: key `acme` may not sign tool `core.wipe`; begin it with `weather.` (a resource with `weather://`), or add a pattern that covers it to `plugins.trusted_keys.acme.names` [name_out_of_scope]",
    );
    check(
        |site| {
            site.trusted().names = Some(patterns(&["weather.*"]));
            site.package["manifest"]["resources"] = json!([{ "uri": "about://server", "name": "server" }]);
            site.package["manifest"]["resource_templates"] =
                json!([{ "uri_template": "about://{page}", "name": "page" }]);
            site.package["manifest"]["prompts"] = json!([{ "name": "review_pr" }]);
            site.sign();
        },
        "plugin refused: plugins.d/weather/plugin.json: key `acme` may not sign resource `about://server`, resource template `about://{page}`, prompt `review_pr`; rename it in the plugin, or add a pattern that covers it to `plugins.trusted_keys.acme.names` [name_out_of_scope]",
    );
    check(
        |site| site.trusted().capabilities.clear(),
        "plugin refused: plugins.d/weather/plugin.json: key `acme` may not sign a plugin that needs `network:outbound`; add what it needs to `plugins.trusted_keys.acme.capabilities`, if its owner may have it [capability_out_of_scope]",
    );
}

#[test]
fn a_capability_is_a_known_one_and_asked_for_openly() {
    check(
        |site| site.sign_with("/manifest/capabilities", json!(["fs:write"])),
        "plugin refused: plugins.d/weather/plugin.json: it asks for an unknown capability `fs:write`, known are `network:outbound`, `llm:query`, `fs:read` and `db:read`; update the server, or install a version of the plugin for an older one [capability_unknown]",
    );
    check(
        |site| site.sign_with("/manifest/capabilities", json!([])),
        "plugin refused: plugins.d/weather/plugin.json: its tool `weather.now` asks for `network:outbound`, which the plugin's own `capabilities` leave out; build the plugin with plugin-api, which lists them all, and sign it again [capability_undeclared]",
    );
}

#[test]
fn running_in_the_servers_process_takes_both_the_operators_and_the_keys_word() {
    check(
        |site| site.trusted().in_process = false,
        "plugin refused: plugins.d/weather: plugin `weather` is to run in the server's process, and key `acme` may not sign for that; set `plugins.trusted_keys.acme.in_process: true` if you trust its owner like the server itself [in_process_out_of_scope]",
    );
}

#[test]
fn a_configuration_is_what_the_plugin_says_it_takes() {
    check(
        |site| drop(site.entry().config.insert("city".to_owned(), json!("Ulm"))),
        "plugin refused: plugins.d/weather: plugin `weather` takes no configuration, and is given one; remove `plugins.entries.weather.config` [config_not_taken]",
    );
    check(
        |site| {
            site.package["manifest"]["config_schema"] = json!({
                "type": "object",
                "properties": { "city": { "type": "string" }, "days": { "type": "integer" } },
                "required": ["city"],
            });
            site.sign();
            site.entry().config.insert("days".to_owned(), json!("many"));
        },
        "plugin refused: plugins.d/weather: the configuration of plugin `weather` cannot be used: `city` is missing; `days`: the value is not of type \"integer\"; correct `plugins.entries.weather.config` [config_invalid]",
    );
}

#[test]
fn no_release_goes_back() {
    let mark = |site: &Site, release: u64, version: &str| {
        let state = site.root.path().join("state");
        fs::create_dir(&state).unwrap();
        let marks = json!({ "weather": { "release": release, "version": version, "sha256": "00" } });
        put(state.join("plugin-releases.json"), marks.to_string());
    };
    check(
        |site| mark(site, 13, "1.3.0"),
        "plugin refused: plugins.d/weather: it is version 1.2.0, release 12; what ran here is newer: version 1.3.0, release 13; install release 13 or a later one; to go back on purpose, remove `weather` from state/plugin-releases.json [downgrade]",
    );
    check(
        |site| mark(site, 11, "1.2.0"),
        "plugin refused: plugins.d/weather: its library is another one than that of version 1.2.0, release 11, which ran here, and it claims the same version; give a changed plugin a new version and a higher release, and sign it again [changed_under_same_version]",
    );
}
