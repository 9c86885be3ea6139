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
    signature::PublicKey,
    signing_key::{NewKeys, SigningKey},
    testing::{facts, package, patterns, put, sha256},
    trust::{KeyRing, today},
    verify,
};

mod files;
mod manifests;
mod signatures;

/// Plugin `weather` in its folder, signed by `acme`, and the settings that accept
/// it. Its library only looks like one.
struct Site {
    root: TempDir,
    key: SigningKey,
    public_key: String,
    package: Value,
    settings: PluginSettings,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let keys = NewKeys::generate(None).unwrap();
        let key_file = root.path().join("acme.key");
        put(&key_file, &keys.secret);
        let trusted = TrustedKey {
            minisign: KeySource::Minisign(keys.public_line.clone()),
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
            ..PluginSettings::default()
        };
        let site = Self {
            key: SigningKey::read(&key_file, || panic!("it has no password")).unwrap(),
            public_key: keys.public_line,
            root,
            package: serde_json::to_value(package()).unwrap(),
            settings,
        };
        fs::create_dir_all(site.folder()).unwrap();
        for folder in [site.plugins(), site.folder()] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        put(site.file("libweather.so"), elf::tests::library());
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
        put(self.file("plugin.json"), json);
        let signature = self.key.sign(json.as_bytes(), "weather 1.2.0 release=12").unwrap();
        put(self.file("plugin.json.minisig"), signature);
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
        let loaded = host.load(&self.settings, &self.root.path().join("state"));
        assert_eq!(loaded.registry().plugins().count(), 0);
        loaded.refusals().to_vec()
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
    assert_eq!(accepted.refusals, []);
    let provenance = accepted.provenance.unwrap();
    assert_eq!(accepted.manifest.name.as_str(), "weather");
    assert_eq!(accepted.comment, "weather 1.2.0 release=12");
    assert_eq!(provenance.signer.as_str(), "acme");
    assert_eq!(provenance.key_id, site.key.key_id());
}

#[test]
fn whoever_asks_hears_every_reason_and_what_would_be_denied() {
    let mut site = Site::new();
    site.trusted().plugins = patterns(&["acme-*"]);
    site.trusted().capabilities.clear();
    site.trusted().in_process = false;
    site.entry().config.insert("city".to_owned(), json!("Ulm"));
    site.sign_with("/manifest/target", json!("aarch64-unknown-none"));
    let taken = site.package["manifest"]["tools"][0]["name"].clone();
    let mut other = site.package.clone();
    other["manifest"]["name"] = json!("climate");
    fs::create_dir(site.plugins().join("climate")).unwrap();
    put(site.plugins().join("climate/plugin.json"), other.to_string());
    put(site.file("libweather.so"), "another");
    let state = site.root.path().join("state");
    let judged = verify::as_server(&site.folder(), &site.settings, &state, &Installation::default()).unwrap();
    let codes: Vec<_> = judged.refusals.iter().map(|it| it.code).collect();
    assert_eq!(
        codes,
        [
            "plugin_out_of_scope",
            "capability_out_of_scope",
            "target_mismatch",
            "library_changed",
            "in_process_out_of_scope",
            "config_not_taken",
            "name_taken",
        ]
    );
    assert_eq!(judged.provenance, None);
    let said = &judged.refusals.last().unwrap().message;
    assert!(said.contains(taken.as_str().unwrap()) && said.contains("climate"), "{said}");
    assert_eq!(
        judged.notes,
        [
            "calls of `weather.now` would be denied: plugin `weather` is not granted `network:outbound`; add it to `plugins.entries.weather.capabilities`"
        ]
    );
}
