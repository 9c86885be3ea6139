//! Plugins whose first code fails, or never returns.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::Duration,
};

use mcp_universal_server::plugin::{Loaded, PluginHost, Retired, Terms};
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::{Value, json};
use server_core::registry::Plugin;

use super::workbench::{Workbench, library, patched};
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
        (
            "aborts",
            "plugin `bench` does not start: its library ended the process that tried it (signal 6, SIGABRT) [start_crashed]",
        ),
        (
            "exits",
            "plugin `bench` does not start: its library ended the process that tried it (exit code 3) [start_crashed]",
        ),
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
fn what_hung_or_crashed_is_tried_again_only_with_another_configuration_or_release() {
    for start in ["hangs", "aborts"] {
        tried_again(start);
    }
}

fn tried_again(start: &str) {
    let bench = Testbench::in_process();
    let host = host();
    let attempts = bench.path().join("attempts");
    let tried = || fs::read_to_string(&attempts).unwrap_or_default().lines().count();
    let hanging = json!({ "start": start, "attempts": attempts });
    for _ in 0..3 {
        let loaded = load(&bench, &host, &hanging);
        assert_eq!(look(&loaded).1.len(), 1);
        loaded.commit();
        assert_eq!(tried(), 1);
        let process = fs::read_to_string(&attempts).unwrap();
        assert!(!Path::new("/proc").join(process.trim()).exists());
    }
    bench.install(&build(2));
    assert!(look(&load(&bench, &host, &hanging)).0.is_none());
    assert_eq!(tried(), 2);
    let (plugin, refusals) = look(&load(&bench, &host, &json!({ "attempts": attempts })));
    assert_eq!((plugin.unwrap().manifest.version.to_string(), refusals), ("1.0.2".to_owned(), vec![]));
    // Once on trial and once in earnest.
    assert_eq!(tried(), 4);
}

#[test]
fn a_start_that_passed_a_trial_is_not_tried_again() {
    let bench = Testbench::in_process();
    let host = host();
    let attempts = bench.path().join("attempts");
    let tried = || fs::read_to_string(&attempts).unwrap().lines().count();
    let config = |label: &str| json!({ "attempts": attempts, "label": label });
    // Every configuration is tried, and each only once.
    for (label, count) in [("one", 2), ("one", 2), ("other", 4), ("one", 5), ("other", 6)] {
        let loaded = load(&bench, &host, &config(label));
        assert_eq!(look(&loaded).1, [""; 0]);
        loaded.commit();
        assert_eq!(tried(), count, "{label}");
    }
}

#[test]
fn a_trial_has_nothing_of_the_server_but_the_library_and_the_way_to_answer() {
    let bench = Testbench::in_process();
    // Whoever starts a server may leave something open to it and its children.
    let inherited = File::open(bench.path()).unwrap();
    fcntl_setfd(&inherited, FdFlags::empty()).unwrap();
    let loaded = load(&bench, &host(), &json!({ "start": "looks" }));
    assert_eq!(
        look(&loaded).1,
        [
            "plugin `bench` does not start: the configuration of plugin `bench` cannot be used: 0 variables, NoNewPrivs: 1, /dev/null /dev/null /dev/null /memfd socket [create_failed]"
        ]
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_library_that_ends_or_stops_the_process_while_it_is_loaded_is_refused() {
    // What the C runtime puts into every library, to be run by the dynamic linker:
    // test rax, rax; je; call rax; add rsp, 8; ret
    let constructor = b"\x48\x85\xc0\x74\x02\xff\xd0\x48\x83\xc4\x08\xc3";
    for (code, said) in [
        // xor eax, eax; mov eax, [rax]
        (
            b"\x31\xc0\x8b\x00",
            "plugin `core` does not start: its library ended the process that tried it (signal 11, SIGSEGV)",
        ),
        // jmp to itself
        (b"\xeb\xfe\x90\x90", "plugin `core` does not start: still busy after 2 s"),
    ] {
        let bench = Workbench::new();
        let host = host();
        let mut spoilt = *constructor;
        spoilt[..4].copy_from_slice(code);
        bench.replace_library(&patched(constructor, &spoilt));
        let (registry, refusals) = bench.load(&host);
        assert_eq!(registry.plugins().count(), 0);
        assert_eq!(refusals.iter().map(|it| it.message.as_str()).collect::<Vec<_>>(), [said]);
        assert_eq!(host.retired(), Retired::default());
        // The linker is free for the next.
        bench.replace_library(library());
        assert_eq!(bench.load(&host).1, []);
    }
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
