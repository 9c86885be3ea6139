//! Plugins that run while their files come to harm.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
};

use mcp_universal_server::plugin::{Committed, PluginHost};
use plugin_contract::Capability;
use server_core::registry::{Plugin, Refusal};

use super::workbench::{Workbench, patched};

/// The one plugin, if it runs, and what is refused.
fn look(bench: &Workbench, host: &PluginHost) -> (Option<Arc<Plugin>>, Vec<Refusal>) {
    let (registry, refusals) = bench.load(host);
    (registry.plugins().next().cloned(), refusals)
}

fn codes(refusals: &[Refusal]) -> Vec<&str> {
    refusals.iter().map(|refusal| refusal.code).collect()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn remove(folder: &Path, file: &str) {
    fs::remove_file(folder.join(file)).unwrap();
}

#[test]
fn trouble_with_files_takes_no_running_plugin_away() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 7] = [
        ("manifest_missing", |folder| remove(folder, "plugin.json")),
        ("unsigned", |folder| remove(folder, "plugin.json.minisig")),
        ("library_changed", |folder| remove(folder, "libplugin_core.so")),
        ("library_changed", |folder| fs::write(folder.join("libplugin_core.so"), "half a").unwrap()),
        ("signature_invalid", |folder| fs::write(folder.join("plugin.json"), "{").unwrap()),
        ("writable_by_others", |folder| mode(folder, 0o777)),
        ("writable_by_others", |folder| mode(folder.parent().unwrap(), 0o777)),
    ];
    for (code, harm) in harms {
        let mut bench = Workbench::new();
        let host = Workbench::host();
        let before = look(&bench, &host).0.unwrap();
        harm(&bench.folder());
        for granted in [[Capability::LlmQuery].into(), [].into()] {
            bench.settings.entries.values_mut().next().unwrap().capabilities = granted;
            let (after, refusals) = look(&bench, &host);
            let after = after.unwrap();
            assert!(Arc::ptr_eq(&before.instance, &after.instance), "{code}");
            assert_eq!(before.provenance, after.provenance);
            assert_eq!(after.granted, bench.settings.entries.values().next().unwrap().capabilities);
            assert_eq!(codes(&refusals), [code]);
            let said = &refusals.first().unwrap().message;
            assert!(said.ends_with("; release 1000 of `core` goes on"), "{said}");
        }
        // Whoever starts anew has nothing to go on with.
        assert!(look(&bench, &Workbench::host()).0.is_none());
    }
}

#[test]
fn the_operator_takes_a_running_plugin_away_whatever_its_files_are() {
    type Order = fn(&mut Workbench);
    let orders: [(&[&str], Order); 7] = [
        (&["unsigned", "key_revoked"], |bench| bench.trusted().revoked = true),
        (&["unsigned", "key_expired"], |bench| {
            bench.trusted().not_after = Some("2020-12-31".parse().unwrap());
        }),
        (&["unsigned", "key_unknown"], |bench| bench.settings.trusted_keys.clear()),
        (&["unsigned", "plugin_out_of_scope"], |bench| {
            bench.trusted().plugins = ["other".parse().unwrap()].into_iter().collect();
        }),
        (&["unsigned", "in_process_out_of_scope"], |bench| bench.trusted().in_process = false),
        (&["unsigned", "config_not_taken"], |bench| {
            let entry = bench.settings.entries.values_mut().next().unwrap();
            entry.config.insert("a".to_owned(), 1.into());
        }),
        (&[], |bench| bench.settings.entries.values_mut().next().unwrap().enabled = false),
    ];
    for (expected, order) in orders {
        let mut bench = Workbench::new();
        let host = Workbench::host();
        assert!(look(&bench, &host).0.is_some());
        remove(&bench.folder(), "plugin.json.minisig");
        order(&mut bench);
        let (plugin, refusals) = look(&bench, &host);
        assert!(plugin.is_none(), "{expected:?}");
        assert_eq!(codes(&refusals), expected);
    }
}

#[test]
fn a_plugin_whose_folder_is_gone_is_removed() {
    let bench = Workbench::new();
    let host = Workbench::host();
    assert!(look(&bench, &host).0.is_some());
    fs::remove_dir_all(bench.folder()).unwrap();
    let (plugin, refusals) = look(&bench, &host);
    assert!(plugin.is_none());
    assert_eq!(refusals, []);
}

#[test]
fn another_build_that_is_refused_does_not_take_the_running_one_away() {
    let bench = Workbench::new();
    let host = Workbench::host();
    let before = look(&bench, &host).0.unwrap();
    bench.install(&patched(b"Echoes text and adds numbers.", b"Echoes text and makes coffee."));
    let nowhere = bench.path().join("nowhere");
    symlink(bench.path().join("dangling"), &nowhere).unwrap();
    for (state, code) in [
        (&bench.path().join("state"), "changed_under_same_version"),
        // It runs, and cannot be remembered.
        (&nowhere, "marks_unwritable"),
    ] {
        let Committed { registry, refusals, .. } = host.load(&bench.settings, state).commit();
        let after = registry.plugins().next().unwrap();
        assert!(Arc::ptr_eq(&before.instance, &after.instance));
        assert_eq!(codes(&refusals), [code]);
        let said = &refusals.first().unwrap().message;
        assert!(said.ends_with("; release 1000 of `core` goes on"), "{said}");
    }
    let Committed { registry, refusals, .. } = host.load(&bench.settings, &bench.path().join("new")).commit();
    assert_eq!(refusals, []);
    assert_eq!(registry.plugins().next().unwrap().manifest.description, "Echoes text and makes coffee.");
}
