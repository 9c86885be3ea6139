//! A real Prometheus, from Debian's package, that reads a real server and judges the
//! alerts that are shipped: `cargo xtask test --system` runs these.

use std::{
    io::Write,
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

use serde_json::json;

use super::*;
use crate::support::{
    LAPTOP, REVIEWER,
    client::{Client, Era},
    eventually_async,
    models::Models,
    testbench::Testbench,
};

fn promtool(arguments: &[&str]) -> Output {
    Command::new("promtool").args(arguments).current_dir(deploy("prometheus")).output().unwrap()
}

#[test]
#[ignore = "needs promtool: cargo xtask test --system"]
fn the_alert_rules_are_valid_and_fire_when_they_should() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let output = promtool(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Prometheus, ended when dropped.
struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// One with the configuration that is shipped, but for addresses and times.
    fn reading(address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, REVIEWER).unwrap();
        fs::copy(deploy("prometheus/alerts.yml"), folder.path().join("alerts.yml")).unwrap();
        let shipped = fs::read_to_string(deploy("prometheus/prometheus.yml")).unwrap();
        let mut config = shipped.clone();
        for (from, to) in [
            ("127.0.0.1:8081", address),
            ("/etc/prometheus/mcp-admin-token", token.to_str().unwrap()),
            ("scrape_interval: 15s", "scrape_interval: 500ms"),
            ("evaluation_interval: 15s", "evaluation_interval: 500ms"),
        ] {
            assert!(config.contains(from), "{from}");
            config = config.replace(from, to);
        }
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, _folder: folder }
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let url = url::Url::parse_with_params(&url, query).unwrap();
        http().get(url).send().await.ok()?.json().await.ok()
    }
}

/// A server that does a bit of everything there is to measure.
async fn busy(models: &Models, bench: &Testbench) -> Server {
    let plugins = bench.config("{}");
    let plugins = plugins[plugins.find("plugins:").unwrap()..]
        .replace(r#"plugins: ["bench"], "#, r#"plugins: ["bench"], not_after: 2099-12-31, "#)
        .replace(
            "  entries:\n",
            "  entries:\n    llm: { isolation: in_process, capabilities: [\"llm:query\"] }\n",
        );
    let config = format!("{}{plugins}", crate::llm::config(models));
    let config = config
        .replace(r#""core.echo"]"#, r#""core.echo", "bench.*"]"#)
        .replace("    llm: { models", "    limits: { timeout_seconds: 300 }\n    llm: { models");
    let server = Server::start_with(&config, |_, command| {
        command.env("LLM_KEY", "key-0123456789");
    });
    let laptop = Client::connect(&server, LAPTOP, Era::Session).await;
    laptop.call("llm.query", json!({ "model": "fast", "prompt": "hello" })).await.unwrap();
    laptop.call("bench.version", json!({})).await.unwrap();
    // Not granted.
    laptop.call("core.sum", json!({ "a": 1, "b": 1 })).await.unwrap();
    let stranger = http().post(server.url("/mcp")).bearer_auth("nobody").body("{}");
    assert_eq!(stranger.send().await.unwrap().status(), 401);
    // Its session stays open, with a call under way.
    tokio::spawn(async move {
        let _ = laptop.call("llm.query", json!({ "model": "fast", "prompt": "hang" })).await;
        std::future::pending::<()>().await;
        drop(laptop);
    });
    server
}

/// Names, units and explanations are as Prometheus's own conventions have them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs promtool: cargo xtask test --system"]
async fn promtool_finds_nothing_wrong_with_the_server_s_metrics() {
    let (models, bench) = (Models::start(), Testbench::isolated(server_core::settings::Isolation::Process));
    let server = busy(&models, &bench).await;
    let url = format!("http://{}/metrics", admin_address(&server));
    let text = http().get(url).bearer_auth(REVIEWER).send().await.unwrap().text().await.unwrap();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus: cargo xtask test --system"]
async fn every_query_of_the_dashboard_finds_something_in_the_server_s_own_metrics() {
    let (models, bench) = (Models::start(), Testbench::isolated(server_core::settings::Isolation::Process));
    let server = busy(&models, &bench).await;
    let prometheus = Prometheus::reading(&admin_address(&server));
    for (panel, query) in queries() {
        let query =
            query.replace("$instance", ".*").replace("$agent", ".*").replace("$__rate_interval", "1m");
        eventually_async(&format!("{panel}: {query}"), async || {
            let answer = prometheus.ask("query", &[("query", &query)]).await?;
            assert_eq!(answer["status"], "success", "{panel}: {answer}");
            (!answer["data"]["result"].as_array().unwrap().is_empty()).then_some(())
        })
        .await;
    }
    // The alerts are judged, too, and none fires on a server that is well.
    let rules = eventually_async("the rules to be judged", async || {
        let answer = prometheus.ask("rules", &[]).await?;
        let rules = answer["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    })
    .await;
    for rule in &rules {
        assert_eq!(rule["state"], "inactive", "{rule}");
    }
}
