//! What is measured of calls under way, plugins and their workers.

use server_core::settings::Isolation;

use super::{
    metrics::{scrape, value},
    *,
};
use crate::support::{
    REVIEWER,
    client::{Era, stateless},
    eventually_async,
    testbench::Testbench,
};

#[tokio::test]
async fn concurrency_is_measured_against_its_limit() {
    let bench = Testbench::in_process();
    let admin = "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\n";
    let door = Door::open_with(&format!("{}{admin}", bench.config("{}")), |_, _| {});
    let file = bench.path().join("held");
    let hold = json!({ "name": "bench.hold", "arguments": { "file": file } });
    let held = tokio::spawn(stateless(&door.server, REVIEWER, "tools/call", hold).send());
    eventually_async("the call", || async { file.exists().then_some(()) }).await;
    let measured = scrape(&door).await;
    let of = |metric, agent| value(&measured, metric, &[("agent", agent)]);
    assert_eq!(
        (of("mcp_tool_calls_running", "reviewer"), of("mcp_tool_calls_running", "laptop")),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(of("mcp_tool_calls_limit", "reviewer"), Some(8.0));
    fs::remove_file(&file).unwrap();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    eventually_async("the end of the call", || async {
        (value(&scrape(&door).await, "mcp_tool_calls_running", &[("agent", "reviewer")]) == Some(0.0))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn plugins_and_their_workers_are_measured() {
    let bench = Testbench::isolated(Isolation::Process);
    let admin = "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\n";
    let door = Door::open_with(&format!("{}{admin}", bench.config("{}")), |_, _| {});
    let reviewer = Client::connect(&door.server, REVIEWER, Era::Stateless).await;
    assert_eq!(reviewer.text("bench.version", json!({})).await, "1.0.1");
    let of_bench = [("plugin", "bench")];
    let measured = scrape(&door).await;
    let states = ["busy", "idle"].map(|state| {
        value(&measured, "plugin_worker_processes", &[("plugin", "bench"), ("state", state)])
            .unwrap_or_default()
    });
    assert_eq!(states.iter().sum::<f64>(), 1.0);
    let about = [("plugin", "bench"), ("version", "1.0.1"), ("signer", "acme"), ("isolation", "process")];
    assert_eq!(value(&measured, "plugin_info", &about), Some(1.0));
    let loaded = measured.samples.iter().filter(|sample| sample.metric == "plugin_info").count();
    assert_eq!(value(&measured, "plugin_loaded_plugins", &[]), Some(loaded as f64));
    assert_eq!(value(&measured, "plugin_worker_losses_total", &of_bench), Some(0.0));
    assert_eq!(value(&measured, "plugin_worker_quarantine_seconds", &of_bench), Some(0.0));
    assert_eq!(value(&measured, "plugin_refused_plugins", &[]), Some(0.0));

    // Nobody's call does it, so it counts against the plugin.
    for round in 1..=5 {
        assert_eq!(reviewer.text("bench.harm", json!({ "way": "exit_unasked" })).await, "later");
        eventually("its worker to end", || {
            let log = door.server.log();
            (log.iter().filter(|line| line["message"] == "worker lost").count() == round).then_some(())
        });
    }
    eventually("the quarantine", || door.server.logged(|line| line["code"] == "plugin_quarantined"));
    bench.install_unasked(b"no library", 2);
    let refused = |answer: &Value| answer["plugins"]["refused"].as_array().is_some_and(|all| !all.is_empty());
    eventually_async("the refusal", || async { refused(&door.status().await).then_some(()) }).await;
    let measured = scrape(&door).await;
    assert_eq!(value(&measured, "plugin_worker_losses_total", &of_bench), Some(5.0));
    let left = value(&measured, "plugin_worker_quarantine_seconds", &of_bench);
    assert!(left.is_some_and(|seconds| seconds > 0.0), "{left:?}");
    assert_eq!(value(&measured, "plugin_refused_plugins", &[]), Some(1.0));
}
