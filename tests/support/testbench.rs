//! The plugin `bench` of `plugins/testbench`, signed by a key of one's own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use mcp_universal_server::plugin::{
    sign,
    signing_key::{NewKeys, SigningKey},
};
use serde_json::Value;
use server_core::{
    config::without_file,
    settings::{Isolation, KeySource, PluginEntry, PluginSettings, TrustedKey},
};
use sha2::{Digest, Sha256};

use super::{LAPTOP, Server, TWO_AGENTS, bundled, isolation};

/// The plugin's tools.
pub(crate) const TOOLS: [&str; 11] = [
    "bench.attack",
    "bench.constructed",
    "bench.count",
    "bench.harm",
    "bench.hold",
    "bench.instance",
    "bench.label",
    "bench.leak",
    "bench.sleep",
    "bench.together",
    "bench.version",
];

/// A folder of plugins with `bench` in it, release 1.
///
/// Agent `reviewer` of [`config`](Self::config) may call its [`TOOLS`].
pub(crate) struct Testbench {
    root: tempfile::TempDir,
    key: SigningKey,
    public_line: String,
    isolation: Isolation,
    worker: String,
}

impl Testbench {
    /// One that runs where all plugins do.
    pub(crate) fn new() -> Self {
        Self::isolated(isolation())
    }

    /// One that runs in the server's process, for what only that can show, and for
    /// what needs files: `bench.hold`, `attempts`.
    pub(crate) fn in_process() -> Self {
        Self::isolated(Isolation::InProcess)
    }

    /// One that runs there.
    pub(crate) fn isolated(isolation: Isolation) -> Self {
        let root = tempfile::tempdir().unwrap();
        let keys = NewKeys::generate(None).unwrap();
        let key_file = root.path().join("acme.key");
        fs::write(&key_file, &keys.secret).unwrap();
        let key = SigningKey::read(&key_file, || panic!("it has no password")).unwrap();
        let bench = Self { root, key, public_line: keys.public_line, isolation, worker: "{}".to_owned() };
        fs::create_dir(bench.plugins()).unwrap();
        fs::set_permissions(bench.plugins(), Permissions::from_mode(0o755)).unwrap();
        bench.install(&build(1));
        bench
    }

    /// The same, with settings for its worker processes, as in `{ threads: 1 }`.
    pub(crate) fn with_worker(mut self, worker: &str) -> Self {
        self.worker = worker.to_owned();
        self
    }

    /// The folder of plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.path().join("plugins.d")
    }

    /// The plugin's own folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.plugins().join("bench")
    }

    /// The public key that its plugins are signed with.
    pub(crate) fn key(&self) -> &str {
        &self.public_line
    }

    /// A folder for a test's own files.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// A configuration with the agents of [`TWO_AGENTS`], for the plugin and the
    /// bundled ones. `config` is the plugin's own, as in `{ label: hello }`.
    pub(crate) fn config(&self, config: &str) -> String {
        format!(
            r#"{TWO_AGENTS}    limits: {{ rate_limit: "1000/s" }}
plugins:
  dir: {plugins}
  trusted_keys:
    bundled: {{ minisign: installed, plugins: ["*"], names: ["core.*", "db.*", "fs.*", "http.*", "llm.*", "about://*", "review_pr", "tool_usage"], capabilities: ["network:outbound", "llm:query", "fs:read", "db:read"], in_process: true }}
    acme: {{ minisign: "{key}", plugins: ["bench"], in_process: true }}
  entries:
    bench: {{ isolation: {isolation}, worker: {worker}, config: {config} }}
"#,
            plugins = self.plugins().display(),
            key = self.public_line,
            isolation = self.isolation.as_str(),
            worker = self.worker,
        )
    }

    /// Settings for a host in this process, for the plugin and the bundled ones.
    pub(crate) fn settings(&self, config: &Value) -> PluginSettings {
        let mut settings = without_file(LAPTOP).unwrap().plugins;
        settings.dir = Some(self.plugins());
        settings.bundled_dir = Some(bundled::folder().to_owned());
        let trusted = TrustedKey {
            minisign: KeySource::Minisign(self.public_line.clone()),
            plugins: ["bench".parse().unwrap()].into_iter().collect(),
            names: None,
            capabilities: [].into(),
            in_process: true,
            not_after: None,
            revoked: false,
        };
        settings.trusted_keys.insert("acme".parse().unwrap(), trusted);
        let config = config.as_object().unwrap().clone();
        let entry = PluginEntry { isolation: self.isolation, config, ..PluginEntry::default() };
        settings.entries.insert("bench".parse().unwrap(), entry);
        settings
    }

    /// A server that runs the plugin.
    pub(crate) fn start(&self) -> Server {
        Server::start(&self.config("{}"))
    }

    /// Installs a build of the plugin, as its author would.
    pub(crate) fn install(&self, library: &[u8]) {
        self.sign(library, &self.plugins());
    }

    /// Signs a build of the plugin in another folder, to be copied from there.
    pub(crate) fn sign(&self, library: &[u8], out: &Path) {
        let file = self.path().join("libplugin_testbench.so");
        fs::write(&file, library).unwrap();
        sign::sign(&file, &self.key, out).unwrap();
    }

    /// Puts a library in place that nobody could ask what it is, and signs it as a
    /// release of the plugin.
    pub(crate) fn install_unasked(&self, library: &[u8], release: u32) {
        let manifest = self.folder().join("plugin.json");
        let mut package: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        package["manifest"]["version"] = format!("1.0.{release}").into();
        package["manifest"]["release"] = (1_000_000 + release).into();
        package["artifact"]["size"] = library.len().into();
        let sha256 = Sha256::digest(library).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        package["artifact"]["sha256"] = sha256.into();
        let json = package.to_string();
        fs::write(self.folder().join("libplugin_testbench.so"), library).unwrap();
        fs::write(&manifest, &json).unwrap();
        let signature = self.key.sign(json.as_bytes(), "by hand").unwrap();
        fs::write(self.folder().join("plugin.json.minisig"), signature).unwrap();
    }
}

/// The plugin's library, as version `1.0.<release>`.
pub(crate) fn build(release: u32) -> Vec<u8> {
    static LIBRARY: OnceLock<Vec<u8>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| fs::read(bundled::library("plugin-testbench")).unwrap());
    let release = format!("testbench release {release:05}");
    replace(library, b"testbench release 00001", release.as_bytes())
}

/// The same, but its constructor attacks.
pub(crate) fn build_that_attacks(release: u32) -> Vec<u8> {
    replace(&build(release), b"testbench constructor is good", b"testbench constructor is evil")
}

/// The same, but it never comes to saying what it is.
pub(crate) fn build_that_hangs(release: u32) -> Vec<u8> {
    replace(&build(release), b"testbench describes itself always", b"testbench describes itself never.")
}

/// A library with every occurrence of some bytes replaced by as many others.
pub(crate) fn replace(library: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut library = library.to_vec();
    let places: Vec<_> = library
        .windows(old.len())
        .enumerate()
        .filter(|(_, it)| it[0] == old[0] && *it == old)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        library[at..at + new.len()].copy_from_slice(new);
    }
    library
}
