//! Plugins whose first code fails, or never returns.

use std::{fs, sync::Arc, time::Duration};

use mcp_universal_server::plugin::{Loaded, PluginHost, Terms};
use serde_json::{Value, json};
use server_core::registry::Plugin;

use super::workbench::Workbench;
use crate::support::testbench::{Testbench, build, build_that_hangs};

/// A host that gives up soon. What works must come up in this time on a busy
/// machine all the same.
fn host() -> PluginHost {
    Workbench::host_on(Terms { patience: Duration::from_secs(2), ..Terms::default() })
}

fn load(bench: &Testbench, host: &PluginHost, config: &Value) -> Loaded {
    host.load(&bench.settings(config), &bench.path().join("state"))
}

/// `bench`, if it is loaded, and why not.
fn look(loaded: &Loaded) -> (Option<Arc<Plugin>>, Vec<String>) {
    let bench = loaded.registry().plugins().find(|plugin| plugin.manifest.name.as_str() == "bench");
    let refusals = loaded.refusals().iter().map(|refusal| format!("{} [{}]", refusal.message, refusal.code));
    (bench.cloned(), refusals.collect())
}

#[test]
fn a_plugin_that_cannot_start_says_why_and_the_others_load() {
    for (start, said) in [
        (
            "fails",
            "plugin `bench` does not start: the configuration of plugin `bench` cannot be used: it was told to fail [create_failed]",
        ),
        ("panics", "plugin `bench` does not start: it was told to panic [create_failed]"),
        ("hangs", "plugin `bench` does not start: still busy after 2 s [start_timed_out]"),
    ] {
        let bench = Testbench::new();
        let loaded = load(&bench, &host(), &json!({ "start": start }));
        let (plugin, refusals) = look(&loaded);
        assert!(plugin.is_none());
        assert_eq!(refusals, [said]);
        assert!(loaded.registry().tool("core.echo").is_some());
    }
}

#[test]
fn what_hung_is_tried_again_only_with_another_configuration_or_release() {
    let bench = Testbench::new();
    let host = host();
    let attempts = bench.path().join("attempts");
    let tried = || fs::read_to_string(&attempts).unwrap_or_default().lines().count();
    let hanging = json!({ "start": "hangs", "attempts": attempts });
    for _ in 0..3 {
        let loaded = load(&bench, &host, &hanging);
        assert_eq!(look(&loaded).1.len(), 1);
        loaded.commit();
        assert_eq!(tried(), 1);
    }
    bench.install(&build(2));
    assert!(look(&load(&bench, &host, &hanging)).0.is_none());
    assert_eq!(tried(), 2);
    let (plugin, refusals) = look(&load(&bench, &host, &json!({ "attempts": attempts })));
    assert_eq!((plugin.unwrap().manifest.version.to_string(), refusals), ("1.0.2".to_owned(), vec![]));
    assert_eq!(tried(), 3);
}

#[test]
fn a_release_that_does_not_start_leaves_the_one_before_it_at_work() {
    let bench = Testbench::new();
    let host = host();
    let before = look(&load(&bench, &host, &json!({}))).0;
    assert!(before.is_some());
    let committed = load(&bench, &host, &json!({})).commit();
    let before =
        committed.registry.plugins().find(|it| it.manifest.name.as_str() == "bench").unwrap().clone();

    bench.install_unasked(&build_that_hangs(2), 2);
    for _ in 0..2 {
        let loaded = load(&bench, &host, &json!({}));
        let (after, refusals) = look(&loaded);
        assert!(Arc::ptr_eq(&before.instance, &after.unwrap().instance));
        assert_eq!(
            refusals,
            [
                "plugin `bench` does not start: still busy after 2 s; release 1000001 of `bench` goes on [start_timed_out]"
            ]
        );
        loaded.commit();
    }
    // A hang keeps nothing from being loaded after it.
    bench.install(&build(3));
    let (after, refusals) = look(&load(&bench, &host, &json!({})));
    assert_eq!((after.unwrap().manifest.version.to_string(), refusals), ("1.0.3".to_owned(), vec![]));
}
