//! Every refusal that takes no code to run, word for word.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use plugin_contract::Capability;
use serde_json::{Value, json};
use server_core::{
    registry::Refusal,
    settings::{Isolation, KeySource, PluginEntry, PluginSettings, TrustedKey},
};
use tempfile::TempDir;

use super::{
    HostServices, Installation, PluginHost, elf,
    signing_key::{NewKeys, SigningKey},
    testing::{facts, package, patterns, sha256},
    verify,
};

const LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

/// Plugin `weather` in its folder, signed by `acme`, and the settings that accept
/// it. Its library only looks like one.
struct Site {
    root: TempDir,
    key: SigningKey,
    package: Value,
    settings: PluginSettings,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let keys = NewKeys::generate(None).unwrap();
        let key_file = root.path().join("acme.key");
        fs::write(&key_file, &keys.secret).unwrap();
        let trusted = TrustedKey {
            minisign: KeySource::Minisign(keys.public_line),
            plugins: patterns(&["weather"]),
            names: None,
            capabilities: [Capability::NetworkOutbound].into(),
            in_process: true,
            not_after: None,
            revoked: false,
        };
        let entry = PluginEntry { isolation: Isolation::InProcess, ..PluginEntry::default() };
        let settings = PluginSettings {
            dir: Some(root.path().join("plugins.d")),
            bundled_dir: Some(root.path().join("none")),
            trusted_keys: [("acme".parse().unwrap(), trusted)].into(),
            entries: [("weather".parse().unwrap(), entry)].into(),
        };
        let site = Self {
            key: SigningKey::read(&key_file, || panic!("it has no password")).unwrap(),
            root,
            package: serde_json::to_value(package()).unwrap(),
            settings,
        };
        fs::create_dir_all(site.folder()).unwrap();
        for folder in [site.plugins(), site.folder()] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(site.file("libweather.so"), elf::tests::library()).unwrap();
        site.sign();
        site
    }

    fn plugins(&self) -> PathBuf {
        self.root.path().join("plugins.d")
    }

    fn folder(&self) -> PathBuf {
        self.plugins().join("weather")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn sign(&self) {
        self.sign_text(&self.package.to_string());
    }

    fn sign_text(&self, json: &str) {
        fs::write(self.file("plugin.json"), json).unwrap();
        let signature = self.key.sign(json.as_bytes(), "weather 1.2.0 release=12").unwrap();
        fs::write(self.file("plugin.json.minisig"), signature).unwrap();
    }

    /// Signs the package with one value in it changed.
    fn sign_with(&mut self, pointer: &str, value: Value) {
        *self.package.pointer_mut(pointer).unwrap() = value;
        self.sign();
    }

    fn trusted(&mut self) -> &mut TrustedKey {
        self.settings.trusted_keys.values_mut().next().unwrap()
    }

    fn entry(&mut self) -> &mut PluginEntry {
        self.settings.entries.values_mut().next().unwrap()
    }

    fn load(&self) -> Vec<Refusal> {
        let host = PluginHost::new(HostServices::new(facts()), Installation::default());
        let (registry, refusals) = host.load(&self.settings, &self.root.path().join("state"));
        assert_eq!(registry.plugins().count(), 0);
        refusals
    }

    /// Refusals as the log would show them, with what differs from run to run
    /// replaced.
    fn said(&self) -> Vec<String> {
        let root = format!("{}/", self.root.path().display());
        let said = |refusal: &Refusal| {
            let text = format!("{} [{}]", refusal, refusal.code);
            text.replace(&root, "").replace(&self.key.key_id(), "KEY").replace(env!("SERVER_TARGET"), "HOST")
        };
        self.load().iter().map(said).collect()
    }
}

fn check(change: impl FnOnce(&mut Site), refusal: &str) {
    let mut site = Site::new();
    change(&mut site);
    assert_eq!(site.said(), [refusal]);
}

fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_plugin_with_everything_in_order_is_accepted() {
    let site = Site::new();
    let state = site.root.path().join("state");
    let accepted =
        verify::as_server(&site.folder(), &site.settings, &state, &Installation::default()).unwrap();
    assert_eq!(accepted.kept_out, None);
    assert_eq!(accepted.manifest.name.as_str(), "weather");
    assert_eq!(accepted.comment, "weather 1.2.0 release=12");
    assert_eq!(accepted.provenance.signer.as_str(), "acme");
    assert_eq!(accepted.provenance.key_id, site.key.key_id());
}

#[test]
fn files_that_others_could_have_written_are_not_read() {
    check(
        |site| mode(site.plugins(), 0o775),
        "plugin refused: plugins.d: group or others can write it (mode 0775); run `chmod go-w` on it, and look whether what it holds is what you put there [writable_by_others]",
    );
    check(
        |site| mode(site.folder(), 0o757),
        "plugin refused: plugins.d/weather: group or others can write it (mode 0757); run `chmod go-w` on it, and look whether what it holds is what you put there [writable_by_others]",
    );
    for name in ["plugin.json", "plugin.json.minisig", "libweather.so"] {
        check(
            |site| mode(site.file(name), 0o666),
            &format!(
                "plugin refused: plugins.d/weather/{name}: group or others can write it (mode 0666); run `chmod go-w` on it, and look whether what it holds is what you put there [writable_by_others]"
            ),
        );
    }
}

#[test]
fn links_are_not_followed() {
    for name in ["plugin.json", "plugin.json.minisig", "libweather.so"] {
        check(
            |site| {
                let elsewhere = site.root.path().join(name);
                fs::rename(site.file(name), &elsewhere).unwrap();
                symlink(elsewhere, site.file(name)).unwrap();
            },
            &format!(
                "plugin refused: plugins.d/weather/{name}: it is a symbolic link, which is not followed; put the file itself there [symbolic_link]"
            ),
        );
    }
    check(
        |site| {
            let elsewhere = site.root.path().join("weather");
            fs::rename(site.folder(), &elsewhere).unwrap();
            symlink(elsewhere, site.folder()).unwrap();
        },
        "plugin refused: plugins.d/weather: it is a symbolic link, which is not followed; put the folder itself there [symbolic_link]",
    );
}

#[test]
fn only_files_are_read() {
    check(
        |site| {
            fs::remove_file(site.file("plugin.json")).unwrap();
            fs::create_dir(site.file("plugin.json")).unwrap();
        },
        "plugin refused: plugins.d/weather/plugin.json: it is no regular file; put the file itself there [not_a_file]",
    );
    check(
        |site| fs::write(site.file("plugin.json"), vec![b' '; (1 << 20) + 1]).unwrap(),
        "plugin refused: plugins.d/weather/plugin.json: it is larger than 1048576 bytes; install the file that the plugin's author signed [file_too_large]",
    );
}

#[test]
fn a_plugin_needs_a_signature() {
    check(
        |site| fs::remove_file(site.file("plugin.json")).unwrap(),
        "plugin refused: plugins.d/weather: there is no plugin.json in it; put the folder there that `mcp-universal-server plugin sign` made [manifest_missing]",
    );
    check(
        |site| fs::remove_file(site.file("plugin.json.minisig")).unwrap(),
        "plugin refused: plugins.d/weather: it is not signed: there is no plugin.json.minisig in it; put the folder there that `mcp-universal-server plugin sign` made [unsigned]",
    );
    check(
        |site| fs::write(site.file("plugin.json.minisig"), "signed, honestly\n").unwrap(),
        "plugin refused: plugins.d/weather/plugin.json.minisig: it is no minisign signature; sign again with `mcp-universal-server plugin sign` [signature_unreadable]",
    );
    check(
        |site| fs::write(site.file("plugin.json.minisig"), LEGACY).unwrap(),
        "plugin refused: plugins.d/weather/plugin.json.minisig: it is a signature in minisign's legacy format, which is not accepted; sign again with `mcp-universal-server plugin sign`, or with minisign 0.11 or later [signature_legacy]",
    );
}

#[test]
fn a_signature_by_an_untrusted_key_is_worth_nothing() {
    check(
        |site| site.settings.trusted_keys.clear(),
        "plugin refused: plugins.d/weather/plugin.json: it is signed with key KEY, which no trusted key is; if you trust its owner, add the public key to `plugins.trusted_keys` [key_unknown]",
    );
    check(
        |site| site.trusted().revoked = true,
        "plugin refused: plugins.d/weather/plugin.json: it is signed with key `acme`, which is revoked; install a version that is signed with a key that is trusted [key_revoked]",
    );
    check(
        |site| site.trusted().not_after = Some("2020-12-31".parse().unwrap()),
        "plugin refused: plugins.d/weather/plugin.json: it is signed with key `acme`, which was trusted until 2020-12-31; install a version that is signed with a current key, or extend `plugins.trusted_keys.acme.not_after` [key_expired]",
    );
    check(
        |site| {
            let again = site.trusted().clone();
            site.settings.trusted_keys.insert("acme-2".parse().unwrap(), again);
        },
        "plugin refused: plugins.d/weather/plugin.json: the trusted keys `acme` and `acme-2` are both KEY; remove one of the two from `plugins.trusted_keys` [key_ambiguous]",
    );
}

#[test]
fn a_key_that_is_none_is_named_before_what_it_should_have_verified() {
    let mut site = Site::new();
    site.trusted().minisign = KeySource::Minisign("RWQ".to_owned());
    assert_eq!(
        site.said(),
        [
            "plugin refused: plugins.trusted_keys.acme.minisign: it is no minisign public key; write the line of the `.pub` file that begins with `RW` [key_invalid]",
            "plugin refused: plugins.d/weather/plugin.json: it is signed with key KEY, which no trusted key is; if you trust its owner, add the public key to `plugins.trusted_keys` [key_unknown]",
        ]
    );
}

#[test]
fn the_installations_own_key_is_a_file() {
    let mut site = Site::new();
    site.trusted().minisign = KeySource::Installed;
    assert_eq!(
        site.said(),
        [
            "plugin refused: none/bundled.pub: there is no public key of the bundled plugins; install the server again, or name the key's file in MCP_BUNDLED_KEY [key_missing]",
            "plugin refused: none: there is no such folder, and the bundled plugins should be in it; install the server again, or say where they are with `plugins.bundled_dir` or MCP_BUNDLED_DIR [bundled_missing]",
            "plugin refused: plugins.d/weather/plugin.json: it is signed with key KEY, which no trusted key is; if you trust its owner, add the public key to `plugins.trusted_keys` [key_unknown]",
        ]
    );
}

#[test]
fn whatever_was_changed_after_signing_is_refused() {
    let changed = "plugin refused: plugins.d/weather/plugin.json: plugin.json and its signature by key `acme` do not belong together: one of the two was changed; install the plugin's files again, all of them, as its author gave them [signature_invalid]";
    let replace = |site: &Site, name: &str, old: &str, new: &str| {
        let text = fs::read_to_string(site.file(name)).unwrap();
        assert!(text.contains(old));
        fs::write(site.file(name), text.replace(old, new)).unwrap();
    };
    check(|site| replace(site, "plugin.json", "Tells", "Sells"), changed);
    check(|site| replace(site, "plugin.json.minisig", "release=12", "release=13"), changed);

    check(
        |site| {
            let mut library = elf::tests::library();
            *library.last_mut().unwrap() ^= 1;
            fs::write(site.file("libweather.so"), library).unwrap();
        },
        "plugin refused: plugins.d/weather/libweather.so: it is not the library that was signed: its bytes were changed; install the plugin's files again, all of them, as its author gave them [library_changed]",
    );
    check(
        |site| fs::write(site.file("libweather.so"), &elf::tests::library()[..1000]).unwrap(),
        "plugin refused: plugins.d/weather/libweather.so: it is not the library that was signed: it has 1000 bytes, 1024 were signed; install the plugin's files again, all of them, as its author gave them [library_changed]",
    );
    check(
        |site| fs::remove_file(site.file("libweather.so")).unwrap(),
        "plugin refused: plugins.d/weather/libweather.so: it is not the library that was signed: it is not there; install the plugin's files again, all of them, as its author gave them [library_changed]",
    );
}

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
fn a_folder_is_named_as_its_plugin() {
    check(
        |site| fs::rename(site.folder(), site.plugins().join("climate")).unwrap(),
        "plugin refused: plugins.d/climate: the plugin in it is named `weather`, and the folder is not; rename the folder to `weather` [folder_name]",
    );
    check(
        |site| fs::rename(site.folder(), site.plugins().join("Weather")).unwrap(),
        "plugin refused: plugins.d/Weather: `Weather` is no plugin name: 1 to 64 of a-z, 0-9 and `-`, beginning with a letter; name the folder as the plugin in it, or move it elsewhere [folder_name]",
    );
}

#[test]
fn the_signed_library_lies_beside_the_manifest_and_is_one() {
    check(
        |site| site.sign_with("/artifact/file", json!("../libweather.so")),
        "plugin refused: plugins.d/weather/plugin.json: its `artifact.file`, `../libweather.so`, is no plain name of a `.so` file; sign the plugin again with `mcp-universal-server plugin sign` [artifact_name]",
    );
    check(
        |site| {
            let script = b"#!/bin/sh\n";
            fs::write(site.file("libweather.so"), script).unwrap();
            site.package["artifact"] =
                json!({ "file": "libweather.so", "size": script.len(), "sha256": sha256(script) });
            site.sign();
        },
        "plugin refused: plugins.d/weather/libweather.so: it is no shared library for 64-bit Linux; build it with `crate-type = [\"cdylib\"]` and sign the `.so` that comes out [not_a_library]",
    );
}

#[test]
fn running_in_the_servers_process_takes_both_the_operators_and_the_keys_word() {
    check(
        |site| site.settings.entries.clear(),
        "plugin refused: plugins.d/weather: plugin `weather` is to run in a worker process, and there are none yet; set `plugins.entries.weather.isolation: in_process` if you trust it like the server itself; key `acme` must allow it too [isolation_unavailable]",
    );
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
        fs::write(state.join("plugin-releases.json"), marks.to_string()).unwrap();
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

#[test]
fn what_is_disabled_or_no_plugins_folder_is_left_alone() {
    let mut site = Site::new();
    site.entry().enabled = false;
    fs::write(site.file("plugin.json"), "{").unwrap();
    fs::create_dir(site.plugins().join(".git")).unwrap();
    fs::write(site.plugins().join("README.md"), "Plugins.").unwrap();
    assert_eq!(site.load(), []);
    site.settings.dir = Some(site.root.path().join("not-there"));
    assert_eq!(site.load(), []);
}

#[test]
fn one_refused_plugin_does_not_keep_the_others_from_being_looked_at() {
    let site = Site::new();
    fs::create_dir(site.plugins().join("aaa")).unwrap();
    fs::create_dir(site.plugins().join("zzz")).unwrap();
    mode(site.plugins().join("aaa"), 0o755);
    mode(site.plugins().join("zzz"), 0o755);
    mode(site.file("plugin.json"), 0o666);
    let codes: Vec<_> = site.load().iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, ["manifest_missing", "writable_by_others", "manifest_missing"]);
}
