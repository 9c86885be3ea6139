use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

use server_core::settings::TrustedKey;
use tempfile::TempDir;

use super::*;
use crate::plugin::testing::{patterns, put};

/// Plugin `core` in a folder of plugins, and an installation's key elsewhere.
struct Site {
    root: TempDir,
    installation: Installation,
    settings: PluginSettings,
    today: Date,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("plugins.d/core")).unwrap();
        fs::create_dir(path("keys")).unwrap();
        put(path("keys/bundled.pub"), "RWkey");
        put(path("plugins.d/core/plugin.json"), "{}");
        put(path("plugins.d/core/plugin.json.minisig"), "signed");
        put(path("plugins.d/core/libcore.so"), "code");
        let key = |minisign| TrustedKey {
            minisign,
            plugins: patterns(&["*"]),
            names: None,
            capabilities: [].into(),
            in_process: true,
            not_after: Some("2027-06-30".parse().unwrap()),
            revoked: false,
        };
        let settings = PluginSettings {
            dir: Some(path("plugins.d")),
            bundled_dir: Some(path("none")),
            trusted_keys: [("bundled".parse().unwrap(), key(KeySource::Installed))].into(),
            ..PluginSettings::default()
        };
        let installation = Installation { key: Some(path("keys/bundled.pub")), ..Installation::default() };
        Self { root, installation, settings, today: "2027-06-30".parse().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn inputs(&self) -> PluginInputs {
        PluginInputs::now(&self.installation, &self.settings, self.today)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }
}

/// Writes a file that is there, and not within the same tick of the kernel's clock
/// as whoever wrote it before.
fn overwrite(path: &Path, contents: &str) {
    let changed = || {
        let metadata = fs::metadata(path).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    let before = changed();
    while changed() == before {
        put(path, contents);
    }
}

#[test]
fn whatever_a_load_depends_on_makes_another_input() {
    type Change = fn(&mut Site);
    let changes: [(&str, Change); 16] = [
        ("the manifest", |site| put(site.path("plugins.d/core/plugin.json"), "[]")),
        ("the signature", |site| put(site.path("plugins.d/core/plugin.json.minisig"), "Signed")),
        ("the library", |site| overwrite(&site.path("plugins.d/core/libcore.so"), "Code")),
        ("no library", |site| fs::remove_file(site.path("plugins.d/core/libcore.so")).unwrap()),
        ("a manifest of a pipe", |site| {
            fs::remove_file(site.path("plugins.d/core/plugin.json")).unwrap();
            let pipe = site.path("plugins.d/core/plugin.json");
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }),
        ("a manifest that is too large", |site| {
            put(site.path("plugins.d/core/plugin.json"), vec![b' '; (1 << 20) + 1]);
        }),
        ("another file", |site| put(site.path("plugins.d/core/README.md"), "")),
        ("another plugin", |site| fs::create_dir(site.path("plugins.d/echo")).unwrap()),
        ("a link to a plugin", |site| symlink("core", site.path("plugins.d/echo")).unwrap()),
        ("a library without a folder", |site| put(site.path("plugins.d/libcore.so"), "")),
        ("no plugins", |site| fs::remove_dir_all(site.path("plugins.d")).unwrap()),
        ("who can write the folder of plugins", |site| site.mode("plugins.d", 0o777)),
        ("who can write the plugin's folder", |site| site.mode("plugins.d/core", 0o777)),
        ("who can write the manifest", |site| site.mode("plugins.d/core/plugin.json", 0o666)),
        ("the installed key", |site| put(site.path("keys/bundled.pub"), "RWyek")),
        ("the day after a key's last", |site| site.today = "2027-07-01".parse().unwrap()),
    ];
    for (what, change) in changes {
        let mut site = Site::new();
        let before = site.inputs();
        assert_eq!(site.inputs(), before);
        change(&mut site);
        let after = site.inputs();
        assert_ne!(after, before, "{what}");
        assert_eq!(site.inputs(), after, "{what}");
    }
}

#[test]
fn what_a_load_does_not_depend_on_makes_none() {
    let mut site = Site::new();
    let before = site.inputs();
    put(site.path("plugins.d/core/.plugin.json.swp"), "an editor's");
    put(site.path("plugins.d/README.md"), "Plugins.");
    fs::create_dir(site.path("plugins.d/.git")).unwrap();
    // The same bytes once more, as from a second copy.
    fs::remove_file(site.path("plugins.d/core/plugin.json")).unwrap();
    put(site.path("plugins.d/core/plugin.json"), "{}");
    site.today = "2027-01-01".parse().unwrap();
    assert_eq!(site.inputs(), before);
}

#[test]
fn another_library_shows_whatever_its_size_and_time_say() {
    let site = Site::new();
    let library = site.path("plugins.d/core/libcore.so");
    let before = site.inputs();
    let time = fs::metadata(&library).unwrap().modified().unwrap();
    overwrite(&library, "evil");
    fs::File::options().write(true).open(&library).unwrap().set_modified(time).unwrap();
    assert_eq!(fs::metadata(&library).unwrap().modified().unwrap(), time);
    assert_ne!(site.inputs(), before);
}

#[test]
fn the_folders_to_watch_are_those_that_are_there() {
    let site = Site::new();
    fs::create_dir(site.path("plugins.d/.git")).unwrap();
    symlink("core", site.path("plugins.d/link")).unwrap();
    let folders = ["plugins.d", "plugins.d/core", "keys"].map(|name| site.path(name));
    assert_eq!(site.inputs().folders(), folders);
    fs::remove_dir_all(site.path("plugins.d")).unwrap();
    assert_eq!(site.inputs().folders(), [site.path("keys")]);
}
