//! `deploy/prometheus` and `deploy/grafana`: what they ask for is what the server
//! exports.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{Server, TWO_AGENTS, client::http, eventually};

mod system;

const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

/// The queries of the dashboard, each with its panel.
fn queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy("grafana/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries: Vec<_> = panels
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().into_iter().flatten();
            targets.map(|target| {
                (panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned())
            })
        })
        .collect();
    assert!(queries.len() > 30, "{queries:?}");
    queries
}

/// The metrics of this server that a query names; labels have other names.
fn metrics(query: &str) -> BTreeSet<&str> {
    const OURS: [&str; 7] = ["audit_", "config_", "egress_", "llm_", "mcp_", "plugin_", "server_"];
    let unquoted = query.split('"').step_by(2);
    unquoted
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| OURS.iter().any(|ours| word.starts_with(ours)))
        .collect()
}

fn admin_address(server: &Server) -> String {
    let line =
        eventually("the admin listener", || server.logged(|line| line["message"] == "admin listening"));
    line["address"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_name_metrics_that_the_server_exports() {
    let admin = "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\n";
    let server = Server::start_with(&format!("{TWO_AGENTS}{admin}"), |_, command| {
        command.env("ADMIN_TOKEN", ADMIN);
    });
    let url = format!("http://{}/metrics", admin_address(&server));
    let text = http().get(url).bearer_auth(ADMIN).send().await.unwrap().text().await.unwrap();
    let mut exported = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "histogram" => exported.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}"))),
            _ => _ = exported.insert(name.to_owned()),
        }
    }
    let alerts = fs::read_to_string(deploy("prometheus/alerts.yml")).unwrap();
    let alerts = alerts.split("- alert: ").skip(1).map(|rule| {
        let (name, rest) = rule.split_once('\n').unwrap();
        let rest = &rest[rest.find("expr:").unwrap()..];
        let end = rest.find("\n        for:").or_else(|| rest.find("\n        labels:")).unwrap();
        (name.to_owned(), rest[..end].to_owned())
    });
    for (place, query) in queries().into_iter().chain(alerts) {
        let named = metrics(&query);
        assert!(!named.is_empty() || query.contains("up{"), "{place}: {query}");
        for name in named {
            assert!(exported.contains(name), "{place}: the server exports no `{name}`");
        }
    }
}
