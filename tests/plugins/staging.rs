//! What is loaded is in force only once it is committed.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use mcp_universal_server::plugin::{Change, Committed, Loaded, PluginHost, Retired, Terms};
use serde_json::{Value, json};
use server_core::{
    registry::{Plugin, Registry},
    settings::PluginSettings,
};

use super::workbench::Workbench;
use crate::support::testbench::{Testbench, build};

/// Settings for the one plugin only, so that what is told and counted is its own.
fn settings(bench: &Testbench, config: &Value) -> PluginSettings {
    let mut settings = bench.settings(config);
    settings.bundled_dir = Some(bench.path().join("none"));
    settings.trusted_keys.retain(|name, _| name.as_str() == "acme");
    settings
}

fn load(bench: &Testbench, host: &PluginHost, config: &Value) -> Loaded {
    host.load(&settings(bench, config), &bench.path().join("state"))
}

fn plugin(registry: &Registry) -> Option<Arc<Plugin>> {
    registry.plugins().next().cloned()
}

/// Changes in a word each.
fn said(changes: &[Change]) -> Vec<String> {
    let said = |change: &Change| {
        let version = |plugin: &Arc<Plugin>| plugin.manifest.version.to_string();
        match change {
            Change::Loaded(plugin) => format!("loaded {}", version(plugin)),
            Change::Replaced { from, to } => format!("replaced {} by {}", version(from), version(to)),
            Change::WentOn(plugin) => format!("went on with {}", version(plugin)),
            Change::Removed(plugin) => format!("removed {}", version(plugin)),
        }
    };
    changes.iter().map(said).collect()
}

fn marks(bench: &Testbench) -> Option<Vec<u8>> {
    fs::read(bench.path().join("state/plugin-releases.json")).ok()
}

#[test]
fn what_is_not_committed_leaves_everything_as_it_was() {
    let bench = Testbench::new();
    let host = Workbench::host();
    let staged = load(&bench, &host, &json!({}));
    assert_eq!(said(&staged.changes()), ["loaded 1.0.1"]);
    drop(staged);
    assert_eq!(marks(&bench), None);

    let before = plugin(&load(&bench, &host, &json!({})).commit().registry).unwrap();
    let remembered = marks(&bench);
    assert!(remembered.is_some());
    bench.install(&build(2));
    let staged = load(&bench, &host, &json!({}));
    assert_eq!(said(&staged.changes()), ["replaced 1.0.1 by 1.0.2"]);
    drop(staged);
    assert_eq!(marks(&bench), remembered);

    // So going back is no downgrade.
    bench.install(&build(1));
    let again = load(&bench, &host, &json!({}));
    assert_eq!(again.refusals(), []);
    assert!(Arc::ptr_eq(&before.instance, &plugin(again.registry()).unwrap().instance));
}

#[test]
fn what_a_load_changes_is_told() {
    let bench = Testbench::new();
    let host = Workbench::host();
    let commit = |config: Value| said(&load(&bench, &host, &config).commit().changes);
    assert_eq!(commit(json!({})), ["loaded 1.0.1"]);
    assert_eq!(commit(json!({})), ["went on with 1.0.1"]);
    assert_eq!(commit(json!({ "label": "x" })), ["replaced 1.0.1 by 1.0.1"]);
    bench.install(&build(2));
    assert_eq!(commit(json!({ "label": "x" })), ["replaced 1.0.1 by 1.0.2"]);
    fs::remove_dir_all(bench.folder()).unwrap();
    assert_eq!(commit(json!({ "label": "x" })), ["removed 1.0.2"]);
    assert_eq!(commit(json!({ "label": "x" })), [""; 0]);
}

#[test]
fn a_commit_judges_by_what_was_committed_meanwhile() {
    let bench = Testbench::new();
    let host = Workbench::host();
    let old = load(&bench, &host, &json!({}));
    bench.install(&build(2));
    load(&bench, &host, &json!({})).commit();
    let Committed { registry, refusals, .. } = old.commit();
    assert_eq!(plugin(&registry).unwrap().manifest.version.to_string(), "1.0.2");
    assert_eq!(refusals.iter().map(|it| it.code).collect::<Vec<_>>(), ["downgrade"]);
}

#[test]
fn a_key_that_expires_takes_its_plugins_along_by_itself() {
    let bench = Testbench::new();
    let day = Arc::new(Mutex::new("2027-06-30".parse().unwrap()));
    let today = day.clone();
    let terms = Terms { today: Arc::new(move || *today.lock().unwrap()), ..Terms::default() };
    let host = Workbench::host_on(terms);
    let mut settings = bench.settings(&json!({}));
    settings.trusted_keys.values_mut().for_each(|key| key.not_after = Some("2027-06-30".parse().unwrap()));
    let state = bench.path().join("state");
    let before = host.inputs(&settings);
    let registry = host.load(&settings, &state).commit().registry;
    assert!(registry.tool("bench.version").is_some());
    assert_eq!(host.inputs(&settings), before);

    *day.lock().unwrap() = "2027-07-01".parse().unwrap();
    assert_ne!(host.inputs(&settings), before);
    let committed = host.load(&settings, &state).commit();
    assert_eq!(committed.registry.plugins().count(), 0);
    assert!(committed.refusals.iter().all(|it| it.code == "key_expired"), "{:?}", committed.refusals);
}

#[test]
fn libraries_that_nothing_uses_any_more_are_counted_and_bounded() {
    let bench = Testbench::in_process();
    let host = Workbench::host();
    let bytes = build(1).len() as u64;
    let load = |max: u64| {
        let settings = PluginSettings { max_retired_bytes: max, ..settings(&bench, &json!({})) };
        host.load(&settings, &bench.path().join("state")).commit()
    };
    let version = |it: &Committed| plugin(&it.registry).unwrap().manifest.version.to_string();

    assert_eq!(version(&load(0)), "1.0.1");
    assert_eq!(host.retired(), Retired::default());
    bench.install(&build(2));
    assert_eq!(version(&load(bytes)), "1.0.2");
    assert_eq!(host.retired(), Retired { libraries: 1, bytes });

    bench.install(&build(3));
    let refused = load(2 * bytes - 1);
    assert_eq!(version(&refused), "1.0.2");
    let [refusal] = refused.refusals.as_slice() else { panic!("{:?}", refused.refusals) };
    assert_eq!(
        (refusal.code, refusal.message.as_str(), refusal.help.as_str()),
        (
            "retired_too_large",
            format!(
                "with another library for plugin `bench`, {} bytes of libraries would stay in memory that nothing uses any more, and `plugins.max_retired_bytes` is {}; release 1000002 of `bench` goes on",
                2 * bytes,
                2 * bytes - 1
            )
            .as_str(),
            "restart the server to free it"
        )
    );
    assert_eq!(host.retired(), Retired { libraries: 1, bytes });
    assert_eq!(version(&load(2 * bytes)), "1.0.3");
    assert_eq!(host.retired(), Retired { libraries: 2, bytes: 2 * bytes });

    // One that comes back is in memory already.
    bench.install(&build(3));
    fs::remove_dir_all(bench.folder()).unwrap();
    assert!(plugin(&load(0).registry).is_none());
    assert_eq!(host.retired(), Retired { libraries: 3, bytes: 3 * bytes });
    bench.install(&build(3));
    assert_eq!(version(&load(0)), "1.0.3");
    assert_eq!(host.retired(), Retired { libraries: 2, bytes: 2 * bytes });
}
