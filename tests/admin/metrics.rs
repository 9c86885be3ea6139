//! What Prometheus reads.

use prometheus_parse::{Sample, Scrape, Value as Measured};

use super::*;
use crate::{
    reload::{ready, ready_when},
    support::testbench::{Testbench, build},
};

pub(super) async fn scrape(door: &Door) -> Scrape {
    let response = door.get("/metrics").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

/// The samples of a name, each with the labels in the order given.
fn samples<'s>(scrape: &'s Scrape, name: &str) -> Vec<&'s Sample> {
    scrape.samples.iter().filter(|sample| sample.metric == name).collect()
}

pub(super) fn value(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let all = samples(scrape, name);
    let found =
        all.iter().find(|sample| labels.iter().all(|(key, value)| sample.labels.get(key) == Some(value)))?;
    match found.value {
        Measured::Counter(value) | Measured::Gauge(value) | Measured::Untyped(value) => Some(value),
        Measured::Histogram(_) | Measured::Summary(_) => panic!("{name} is no single value"),
    }
}

#[tokio::test]
async fn reloads_are_measured_under_the_names_that_alerts_use() {
    let door = Door::open();
    let before = scrape(&door).await;
    assert_eq!(value(&before, "config_last_reload_successful", &[]), Some(1.0));
    assert!(value(&before, "config_last_reload_success_timestamp_seconds", &[]).is_some_and(|at| at > 1.7e9));
    assert_eq!(value(&before, "config_generation", &[]), Some(1.0));
    assert_eq!(value(&before, "config_file_stale_bind_mount", &[]), Some(0.0));
    assert_eq!(value(&before, "config_watch_errors_total", &[]), Some(0.0));
    assert_eq!(value(&before, "plugin_retired_libraries", &[]), Some(0.0));
    assert_eq!(value(&before, "plugin_retired_bytes", &[]), Some(0.0));
    let sha256 = door.status().await["config"]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(value(&before, "config_info", &[("sha256", &sha256)]), Some(1.0));

    door.write(&config().replace("research\n", "reserch\n"));
    assert_eq!(answer(door.post("/reload")).await.0, 422);
    let after = scrape(&door).await;
    assert_eq!(value(&after, "config_last_reload_successful", &[]), Some(0.0));
    let at = "config_last_reload_success_timestamp_seconds";
    assert_eq!(value(&after, at, &[]), value(&before, at, &[]));
    let refused = [("trigger", "command"), ("result", "refused")];
    assert_eq!(value(&after, "config_reload_total", &refused), Some(1.0));
    let Measured::Histogram(buckets) = &samples(&after, "config_reload_seconds")[0].value else { panic!() };
    assert_eq!(buckets.last().map(|last| (last.less_than, last.count)), Some((f64::INFINITY, 2.0)));
}

/// Whether the alert of a configuration that is not in force is off, and when the
/// files were good the last time.
async fn files_are_good(door: &Door) -> (bool, f64) {
    let scrape = scrape(door).await;
    let good = value(&scrape, "config_last_reload_successful", &[]).unwrap();
    (good == 1.0, value(&scrape, "config_last_reload_success_timestamp_seconds", &[]).unwrap())
}

#[tokio::test]
async fn the_alert_ends_when_a_wrong_edit_is_taken_back() {
    let door = Door::open();
    for result in ["refused", "applied", "refused", "applied"] {
        let text =
            config().replace("research\n", if result == "refused" { "reserch\n" } else { "research\n" });
        fs::write(door.server.config(), text).unwrap();
        ready_when(&door.server, result, |answer| answer["last_reload"]["result"] == result).await;
        assert_eq!(files_are_good(&door).await.0, result == "applied");
    }
}

#[tokio::test]
async fn a_release_that_comes_says_nothing_of_files_that_were_refused() {
    let bench = Testbench::new();
    let admin = "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\n";
    let start = format!("{}{admin}", bench.config("{}"));
    let door = Door::open_with(&start, |_, _| {});
    let (_, since) = files_are_good(&door).await;
    fs::write(door.server.config(), start.replacen("research\n", "reserch\n", 2)).unwrap();
    let refused = |answer: &Value| answer["last_reload"]["result"] == "refused";
    ready_when(&door.server, "the refusal", refused).await;
    bench.install(&build(2));
    let answer = ready_when(&door.server, "the release", |answer| answer["generation"] == 2).await;
    assert!(refused(&answer), "{answer}");
    assert_eq!(files_are_good(&door).await, (false, since));
    fs::write(door.server.config(), &start).unwrap();
    ready_when(&door.server, "the old file", |answer| !refused(answer)).await;
    assert_eq!(
        (ready(&door.server).await["generation"].clone(), files_are_good(&door).await.0),
        (json!(2), true)
    );
}

#[tokio::test]
async fn calls_are_counted_by_what_the_snapshot_has_and_nothing_else() {
    let door = Door::open();
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[0]).await;
    laptop.text("core.sum", json!({ "a": 1, "b": 1 })).await;
    laptop.call("core.sum", json!({ "a": "x" })).await.unwrap();
    for name in ["made.up", "made.up.too"] {
        assert!(laptop.call(name, json!({})).await.is_err());
    }
    let scrape = scrape(&door).await;
    let ended = |name, outcome| {
        let labels = [("agent", "laptop"), ("kind", "tool"), ("name", name), ("outcome", outcome)];
        value(&scrape, "mcp_calls_total", &labels)
    };
    assert_eq!(ended("core.sum", "ok"), Some(1.0));
    assert_eq!(ended("core.sum", "refused"), Some(1.0));
    assert_eq!(ended("", "unknown"), Some(2.0));
    assert!(
        scrape
            .samples
            .iter()
            .all(|sample| sample.labels.get("name").is_none_or(|name| !name.starts_with("made")))
    );
    let invalid = [("agent", "laptop"), ("name", "core.sum"), ("reason", "invalid_arguments")];
    assert_eq!(value(&scrape, "mcp_call_refusals_total", &invalid), Some(1.0));
    assert_eq!(value(&scrape, "mcp_sessions_open", &[("agent", "laptop")]), Some(1.0));
    let seconds = samples(&scrape, "mcp_call_seconds");
    assert_eq!(seconds[0].labels.get("name"), Some("core.sum"));
}

#[tokio::test]
async fn what_is_gone_from_the_configuration_is_gone_from_the_metrics() {
    let door = Door::open();
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[1]).await;
    laptop.text("core.sum", json!({ "a": 1, "b": 1 })).await;
    assert_eq!(value(&scrape(&door).await, "mcp_calls_total", &[("agent", "laptop")]), Some(1.0));
    door.write(&config().replace("  laptop:", "  renamed:"));
    assert_eq!(answer(door.post("/reload")).await.1["result"], "applied");
    assert_eq!(value(&scrape(&door).await, "mcp_calls_total", &[("agent", "laptop")]), None);
}

#[tokio::test]
async fn the_format_is_named_as_it_was_asked_for() {
    let door = Door::open();
    for (accept, kind, counter) in [
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# TYPE config_reload counter",
        ),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "# TYPE config_reload_total counter"),
    ] {
        let response = door.get("/metrics").header("accept", accept).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], kind);
        let text = response.text().await.unwrap();
        assert!(text.lines().any(|line| line == counter), "{text}");
        assert_eq!(text.ends_with("# EOF\n"), kind.starts_with("application"));
    }
}
