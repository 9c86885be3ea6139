//! A kernel without Landlock: a filter has the system call answer as if there were
//! none, for whatever the test's thread starts.

use std::{collections::BTreeMap, thread};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::json;
use server_core::settings::Isolation;

use super::reviewer;
use crate::{
    audit,
    support::{
        Server,
        client::http,
        eventually,
        testbench::{Testbench, build_that_attacks},
    },
};

const ADMIN: &str = "admin-token-0123456789-0123456789-abcdef";

/// Starts a server for which the kernel has no Landlock.
fn start(bench: &Testbench, plugins: &str) -> Server {
    let config = bench
        .config("{}")
        .replace("server: {", "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\nserver: {")
        .replace("\nplugins:\n", &format!("\nplugins:\n{plugins}"));
    // The filter holds for a thread, and for the processes that it starts.
    let start = move || {
        let unknown = BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]);
        let answer = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let machine = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(unknown, SeccompAction::Allow, answer, machine).unwrap();
        apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
        Server::start_with(&config, |_, command| {
            command.env("ADMIN_TOKEN", ADMIN);
        })
    };
    thread::spawn(start).join().unwrap()
}

#[tokio::test]
async fn without_landlock_no_plugin_starts_in_a_process_of_its_own() {
    let bench = Testbench::isolated(Isolation::Process);
    let server = start(&bench, "");
    let refused = eventually("the refusal", || server.logged(|line| line["code"] == "landlock_unavailable"));
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.starts_with("plugin refused: the kernel does not keep the plugin's process from files: "),
        "{message}"
    );
    assert_eq!(
        refused["help"],
        "enable Landlock (Linux 5.13 or newer, `landlock` in /sys/kernel/security/lsm, allowed by the container's seccomp profile), or set `plugins.require_landlock: false` where the server's user can read nothing that a plugin must not see"
    );
    // The rest of the server runs.
    let client = reviewer(&server).await;
    assert_eq!(client.text("core.echo", json!({ "text": "here" })).await, "here");
    assert!(!client.tools().await.iter().any(|tool| tool.starts_with("bench.")));
}

#[tokio::test]
async fn where_landlock_is_not_required_the_level_is_told_everywhere() {
    let bench = Testbench::isolated(Isolation::Process);
    bench.install_unasked(&build_that_attacks(2), 2);
    let server = start(&bench, "  require_landlock: false\n");
    let client = reviewer(&server).await;
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.2");
    // What seccomp refuses, it still does; what constructors may read, the README says.
    for way in ["read", "connect", "exec", "fork"] {
        let found = client.text("bench.attack", json!({ "way": way })).await;
        assert_eq!(found, "Operation not permitted (os error 1)", "{way}");
    }
    let constructed = client.text("bench.constructed", json!({})).await;
    let refused = ["write", "connect", "udp", "unix", "exec", "fork", "kill"];
    for way in refused {
        let line = format!("{way}: Operation not permitted (os error 1)");
        assert!(constructed.lines().any(|it| it == line), "{line} in\n{constructed}");
    }

    let loaded = |line: &serde_json::Value| line["message"] == "plugin loaded" && line["plugin"] == "bench";
    let line = eventually("the log", || server.logged(loaded));
    assert_eq!((&line["landlock"], &line["seccomp"]), (&json!(null), &json!(true)), "{line}");
    let record = eventually("the audit", || {
        let records = audit::records(&audit::folder(&server));
        records.into_iter().find(|it| it["event"] == "plugin" && it["plugin"] == "bench")
    });
    assert_eq!((&record["landlock"], &record["seccomp"]), (&json!(0), &json!(true)), "{record}");
    let listening = server.logged(|line| line["message"] == "admin listening").unwrap();
    let url = format!("http://{}/status", listening["address"].as_str().unwrap());
    let status: serde_json::Value =
        http().get(url).bearer_auth(ADMIN).send().await.unwrap().json().await.unwrap();
    let plugins = status["plugins"]["loaded"].as_array().unwrap();
    let workers = &plugins.iter().find(|it| it["name"] == "bench").unwrap()["workers"];
    assert_eq!((&workers["landlock"], &workers["seccomp"]), (&json!(null), &json!(true)), "{workers}");
}
