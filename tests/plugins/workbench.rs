//! A plugins folder of one's own, and the bundled plugin `core` signed by a key
//! of one's own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use mcp_universal_server::plugin::{
    Committed, HostServices, Installation, PluginHost, ServerFacts, Terms, sign,
    signing_key::{NewKeys, SigningKey},
};
use plugin_contract::Package;
use server_core::{
    pattern::Patterns,
    registry::{Refusal, Registry},
    settings::{KeySource, PluginEntry, PluginSettings, TrustedKey},
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{PROGRAM, bundled, isolation, testbench::replace};

/// `plugins.d/core`, signed by `acme`, and settings that let it run.
pub(crate) struct Workbench {
    pub(crate) root: TempDir,
    pub(crate) keys: NewKeys,
    pub(crate) settings: PluginSettings,
    key: SigningKey,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let keys = NewKeys::generate(None).unwrap();
        let key_file = root.path().join("acme.key");
        fs::write(&key_file, &keys.secret).unwrap();
        fs::write(root.path().join("acme.pub"), &keys.public).unwrap();
        let key = SigningKey::read(&key_file, || panic!("it has no password")).unwrap();
        let plugins = root.path().join("plugins.d");
        fs::create_dir(&plugins).unwrap();
        fs::set_permissions(&plugins, Permissions::from_mode(0o755)).unwrap();
        sign::sign(&bundled::library("plugin-core"), &key, &plugins).unwrap();

        let trusted = TrustedKey {
            minisign: KeySource::Minisign(keys.public_line.clone()),
            plugins: ["core".parse().unwrap()].into_iter().collect::<Patterns>(),
            names: None,
            capabilities: [].into(),
            in_process: true,
            not_after: None,
            revoked: false,
        };
        let entry = PluginEntry { isolation: isolation(), ..PluginEntry::default() };
        let settings = PluginSettings {
            dir: Some(plugins),
            bundled_dir: Some(root.path().join("none")),
            trusted_keys: [("acme".parse().unwrap(), trusted)].into(),
            entries: [("core".parse().unwrap(), entry)].into(),
            ..PluginSettings::default()
        };
        Self { root, keys, settings, key }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.path().join("plugins.d/core")
    }

    pub(crate) fn package(&self) -> Package {
        serde_json::from_slice(&fs::read(self.folder().join("plugin.json")).unwrap()).unwrap()
    }

    pub(crate) fn trusted(&mut self) -> &mut TrustedKey {
        self.settings.trusted_keys.values_mut().next().unwrap()
    }

    /// Signs what plugin.json does not say of itself.
    pub(crate) fn sign(&self, package: &Package) {
        let json = serde_json::to_vec(package).unwrap();
        fs::write(self.folder().join("plugin.json"), &json).unwrap();
        let signature = self.key.sign(&json, "by hand").unwrap();
        fs::write(self.folder().join("plugin.json.minisig"), signature).unwrap();
    }

    /// Puts another library in place, and signs it as if it were this plugin's.
    pub(crate) fn replace_library(&self, library: &[u8]) {
        let mut package = self.package();
        fs::write(self.folder().join(&package.artifact.file), library).unwrap();
        package.artifact.size = library.len() as u64;
        package.artifact.sha256 = Sha256::digest(library).iter().map(|byte| format!("{byte:02x}")).collect();
        self.sign(&package);
    }

    pub(crate) fn host() -> PluginHost {
        Self::host_on(Terms::default())
    }

    pub(crate) fn host_on(terms: Terms) -> PluginHost {
        // The program that runs is the test.
        let terms = Terms { program: PROGRAM.into(), ..terms };
        let facts = ServerFacts {
            name: "mcp-universal-server".to_owned(),
            version: "0.1.0".to_owned(),
            protocol_versions: Vec::new(),
        };
        PluginHost::on_terms(HostServices::new(facts), Installation::default(), terms)
    }

    pub(crate) fn load(&self, host: &PluginHost) -> (Registry, Vec<Refusal>) {
        let Committed { registry, refusals, .. } =
            host.load(&self.settings, &self.path().join("state")).commit();
        (registry, refusals)
    }

    /// Installs another build of the plugin, as its author would.
    pub(crate) fn install(&self, library: &[u8]) {
        let file = self.path().join("libplugin_core.so");
        fs::write(&file, library).unwrap();
        sign::sign(&file, &self.key, &self.path().join("plugins.d")).unwrap();
    }

    /// What a fresh host says against the one plugin.
    pub(crate) fn refusal(&self) -> String {
        let (registry, refusals) = self.load(&Self::host());
        assert_eq!(registry.plugins().count(), 0);
        let [refusal] = refusals.as_slice() else { panic!("one refusal, not {refusals:?}") };
        let text = format!("{refusal} [{}]", refusal.code);
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

/// The library of `core`.
pub(crate) fn library() -> &'static [u8] {
    static LIBRARY: OnceLock<Vec<u8>> = OnceLock::new();
    LIBRARY.get_or_init(|| fs::read(bundled::library("plugin-core")).unwrap())
}

/// The library with every occurrence of some bytes replaced by as many others.
pub(crate) fn patched(old: &[u8], new: &[u8]) -> Vec<u8> {
    replace(library(), old, new)
}
