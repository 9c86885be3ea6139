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

use super::{Server, TWO_AGENTS, bundled};

/// A folder of plugins with `bench` in it, release 1.
///
/// Agent `reviewer` of [`config`](Self::config) may call its tools: `bench.sleep`,
/// `bench.hold`, `bench.version`, `bench.instance`, `bench.count`, `bench.label`.
pub(crate) struct Testbench {
    root: tempfile::TempDir,
    key: SigningKey,
    public_line: String,
}

impl Testbench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let keys = NewKeys::generate(None).unwrap();
        let key_file = root.path().join("acme.key");
        fs::write(&key_file, &keys.secret).unwrap();
        let key = SigningKey::read(&key_file, || panic!("it has no password")).unwrap();
        let bench = Self { root, key, public_line: keys.public_line };
        fs::create_dir(bench.plugins()).unwrap();
        fs::set_permissions(bench.plugins(), Permissions::from_mode(0o755)).unwrap();
        bench.install(&build(1));
        bench
    }

    /// The folder of plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.path().join("plugins.d")
    }

    /// A folder for a test's own files.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// A configuration with the agents of [`TWO_AGENTS`], for the plugin and the
    /// bundled ones. `config` is the plugin's own, as in `{ label: hello }`.
    pub(crate) fn config(&self, config: &str) -> String {
        format!(
            r#"{TWO_AGENTS}plugins:
  dir: {plugins}
  trusted_keys:
    bundled: {{ minisign: installed, plugins: ["*"], names: ["core.*", "about://*", "review_pr", "tool_usage"], in_process: true }}
    acme: {{ minisign: "{key}", plugins: ["bench"], in_process: true }}
  entries:
    bench: {{ isolation: in_process, config: {config} }}
"#,
            plugins = self.plugins().display(),
            key = self.public_line,
        )
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
}

/// The plugin's library, as version `1.0.<release>`.
pub(crate) fn build(release: u32) -> Vec<u8> {
    static LIBRARY: OnceLock<Vec<u8>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| fs::read(bundled::library("plugin-testbench")).unwrap());
    let release = format!("testbench release {release:05}");
    replace(library, b"testbench release 00001", release.as_bytes())
}

/// A library with every occurrence of some bytes replaced by as many others.
pub(crate) fn replace(library: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut library = library.to_vec();
    let places: Vec<_> =
        library.windows(old.len()).enumerate().filter(|(_, it)| *it == old).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        library[at..at + new.len()].copy_from_slice(new);
    }
    library
}
