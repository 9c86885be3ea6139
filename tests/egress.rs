//! The way out, through the program, the bundled plugin `http` and real sockets.

use std::{fs, io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, Server,
    client::stateless,
    eventually,
    outside::{
        dns::Zone,
        upstream::{Reply, Upstream, moved, ok, with},
    },
};

/// A configuration in which agent and tenant may reach these, and more at its end.
fn config(rules: &[&str], more: &str) -> String {
    let hosts = json!(if rules.is_empty() { &["jira.lan"][..] } else { rules });
    let rules = json!(rules);
    format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
tenants:
  research: {{ tools: ["*"], capabilities: ["network:outbound"], egress: {rules}, secrets: ["jira"] }}
agents:
  laptop: {{ tenant: research, token: "${{LAPTOP_TOKEN}}", tools: ["*"], capabilities: ["network:outbound"],
             egress: {rules}, secrets: ["jira"], limits: {{ rate_limit: "1000/s", timeout_seconds: 2 }} }}
secrets:
  jira: {{ value: "${{JIRA_TOKEN}}", hosts: {hosts}, prefix: "Bearer " }}
plugins:
  entries:
    http: {{ isolation: in_process, capabilities: ["network:outbound"], secrets: ["jira"] }}
{more}"#
    )
}

const JIRA: &str = "jira-0123456789-0123456789-secret";

fn start(rules: &[&str], more: &str) -> Server {
    Server::start_with(&config(rules, more), |_, command| {
        command.env("JIRA_TOKEN", JIRA);
    })
}

async fn fetch(server: &Server, arguments: Value) -> Value {
    let call = json!({ "name": "http.fetch", "arguments": arguments });
    let response = stateless(server, LAPTOP, "tools/call", call).send().await.unwrap();
    response.json::<Value>().await.unwrap()["result"].clone()
}

/// The texts of an answer.
fn texts(result: &Value) -> Vec<&str> {
    result["content"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap()).collect()
}

/// The codes of the reasons of a refusal.
fn codes(result: &Value) -> Vec<&str> {
    assert_eq!(result["isError"], true, "{result}");
    let reasons = &result["_meta"]["mcp-universal-server/denial"]["reasons"];
    let reasons = reasons.as_array().unwrap_or_else(|| panic!("no refusal: {result}"));
    reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

/// The line of the log about the last call.
fn recorded(server: &Server, calls: usize) -> Value {
    eventually("the call's record", || {
        let log = server.log();
        let mut lines = log.iter().filter(|line| line["message"] == "call" && line["tool"] == "http.fetch");
        lines.nth(calls - 1).cloned()
    })
}

#[tokio::test]
async fn an_agent_fetches_from_where_it_may_and_the_record_says_from_where() {
    let upstream = Upstream::serve(|received| with(200, &[("content-type", "text/plain")], &received.body));
    let host = upstream.address.to_string();
    let server = start(&[&format!("http://{host}")], "");
    let url = format!("http://{host}/x");
    let result = fetch(&server, json!({ "url": url, "method": "POST", "body": "hello" })).await;
    assert_eq!(texts(&result), [&format!("HTTP 200 from {url} (text/plain)"), "hello"]);
    let record = recorded(&server, 1);
    assert_eq!((&record["outcome"], &record["egress"]), (&json!("ok"), &json!([host])));
    assert_eq!(upstream.received()[0].line, "POST /x HTTP/1.1");
}

/// Where it runs makes no difference to where it may go.
#[tokio::test]
async fn a_plugin_in_a_process_of_its_own_goes_the_same_way() {
    let upstream = Upstream::serve(|_| ok("hello"));
    let rule = format!("http://{}", upstream.address);
    let config = config(&[&rule], "").replace("isolation: in_process", "isolation: process");
    let server = Server::start_with(&config, |_, command| {
        command.env("JIRA_TOKEN", JIRA);
    });
    assert_eq!(texts(&fetch(&server, json!({ "url": format!("{rule}/") })).await)[1], "hello");
    let refused = fetch(&server, json!({ "url": "https://evil.example/" })).await;
    assert_eq!(codes(&refused), ["egress_host_not_allowed"; 2]);
    assert_eq!(recorded(&server, 1)["egress"], json!([upstream.address.to_string()]));
}

#[tokio::test]
async fn a_refusal_reaches_the_client_with_every_reason_and_the_record_has_them() {
    let server = start(&["api.example.com"], "");
    let refused = fetch(&server, json!({ "url": "https://evil.example/" })).await;
    let denial = &refused["_meta"]["mcp-universal-server/denial"];
    assert_eq!(
        *denial,
        json!({
            "generation": 1,
            "reasons": [
                {
                    "code": "egress_host_not_allowed",
                    "message": "agent `laptop` may not reach `evil.example:443`",
                    "help": "add `evil.example:443` to `agents.laptop.egress`",
                },
                {
                    "code": "egress_host_not_allowed",
                    "message": "tenant `research` may not reach `evil.example:443`",
                    "help": "add `evil.example:443` to `tenants.research.egress`",
                },
            ],
        })
    );
    assert_eq!(
        texts(&refused),
        [
            "agent `laptop` may not reach `evil.example:443` (add `evil.example:443` to `agents.laptop.egress`)\n\
          tenant `research` may not reach `evil.example:443` (add `evil.example:443` to `tenants.research.egress`)"
        ]
    );
    let record = recorded(&server, 1);
    assert_eq!(
        (&record["decision"], &record["outcome"], &record["reasons"], &record["egress"]),
        (&json!("allow"), &json!("refused"), &json!("egress_host_not_allowed"), &Value::Null)
    );
}

#[tokio::test]
async fn without_a_rule_the_tool_is_not_even_listed() {
    let server = start(&[], "");
    let listed = stateless(&server, LAPTOP, "tools/list", json!({})).send().await.unwrap();
    assert!(!listed.text().await.unwrap().contains("http.fetch"));
    let refused = fetch(&server, json!({ "url": "https://evil.example/" })).await;
    assert_eq!(codes(&refused), ["egress_nothing_allowed"; 2]);
}

#[tokio::test]
async fn every_spelling_of_what_is_not_allowed_is_refused() {
    let upstream = Upstream::serve(|_| ok("secret"));
    let server = start(&["api.example.com"], "");
    let port = upstream.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "api.example.com@127.0.0.1",
        "127.0.0.1%2eapi.example.com",
        "169.254.169.254",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "metadata.google.internal",
    ] {
        let refused = fetch(&server, json!({ "url": format!("http://{host}:{port}/") })).await;
        assert!(codes(&refused).iter().all(|code| code.starts_with("egress_")), "{host}: {refused}");
    }
    for url in ["file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "http:127.0.0.1", "unix:/run/docker.sock"]
    {
        assert_eq!(codes(&fetch(&server, json!({ "url": url })).await), ["egress_url_invalid"], "{url}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_to_another_address_is_refused_and_only_the_operator_sees_which() {
    let (zone, upstream) = (Zone::default(), Upstream::serve(|_| ok("hello")));
    let port = upstream.port();
    let names = format!("egress: {{ dns_servers: [\"{}\"] }}\n", zone.serve());
    let server = start(&[&format!("http://api.test:{port}"), &format!("127.0.0.1:{port}")], &names);
    let arguments = json!({ "url": format!("http://api.test:{port}/") });
    zone.set("api.test", &["127.0.0.1"]);
    assert_eq!(texts(&fetch(&server, arguments.clone()).await)[1], "hello");
    let own_connection = json!({ "url": format!("http://api.test:{port}/"), "method": "POST" });
    zone.alias("api.test", "mixed.test");
    zone.set("mixed.test", &["127.0.0.1", "10.11.12.13"]);
    // The connection that is there may be used again; a new one may not be made.
    upstream.hang_up();
    let refused = eventually_refused(&server, own_connection).await;
    assert_eq!(codes(&refused), ["egress_address_not_public"; 2]);
    assert!(!refused.to_string().contains("10.11.12"), "{refused}");
    eventually("a line for the operator", || {
        server.logged(|line| line["addresses"].to_string().contains("10.11.12.13 (private)"))
    });
}

/// Connections that were open may answer for a moment.
async fn eventually_refused(server: &Server, arguments: Value) -> Value {
    loop {
        let result = fetch(server, arguments.clone()).await;
        if result["_meta"]["mcp-universal-server/denial"].is_object() {
            return result;
        }
    }
}

#[tokio::test]
async fn a_rule_that_goes_counts_at_once_also_for_a_connection_that_is_open() {
    let upstream = Upstream::serve(|_| ok("hello"));
    let rule = format!("http://{}", upstream.address);
    let server = start(&[&rule, "api.example.com"], "");
    let arguments = json!({ "url": format!("{rule}/") });
    for _ in 0..3 {
        assert_eq!(texts(&fetch(&server, arguments.clone()).await)[1], "hello");
    }
    let requests = upstream.received().len();
    fs::write(server.config(), config(&["api.example.com"], "")).unwrap();
    eventually("the edit to be in force", || {
        server.logged(|line| line["message"] == "configuration in force" && line["generation"] == 2)
    });
    assert_eq!(codes(&fetch(&server, arguments).await), ["egress_host_not_allowed"; 2]);
    assert_eq!(upstream.received().len(), requests);
}

#[tokio::test]
async fn a_secret_goes_to_its_host_and_nobody_sees_it() {
    let upstream = Upstream::serve(|received| ok(received.header("authorization").unwrap_or("none")));
    let other = Upstream::serve(|received| ok(received.header("authorization").unwrap_or("none")));
    let rule = format!("http://{}", upstream.address);
    let server = start(&[&rule], &format!("reload: {{ poll_ms: 500 }}\n# {}\n", other.address));
    let result = fetch(&server, json!({ "url": format!("{rule}/"), "secret": "jira" })).await;
    assert_eq!(texts(&result)[1], "Bearer [secret]");
    assert_eq!(upstream.received()[0].header("authorization"), Some(format!("Bearer {JIRA}").as_str()));
    let given =
        json!({ "url": format!("{rule}/"), "headers": { "Authorization": "Bearer mine", "X-Api-Key": "k" } });
    assert_eq!(texts(&fetch(&server, given).await)[1], "none");
    let refused =
        fetch(&server, json!({ "url": format!("http://{}/", other.address), "secret": "jira" })).await;
    assert_eq!(
        codes(&refused),
        ["egress_port_not_allowed", "egress_port_not_allowed", "secret_for_other_hosts"]
    );
    assert_eq!(other.connections(), 0);
    assert!(!server.log().iter().any(|line| line.to_string().contains(JIRA)));
}

#[tokio::test]
async fn a_proxy_of_the_environment_sees_nothing() {
    let (upstream, proxy) = (Upstream::serve(|_| ok("direct")), Upstream::serve(|_| ok("proxied")));
    let rule = format!("http://{}", upstream.address);
    let server = Server::start_with(&config(&[&rule], ""), |_, command| {
        command.env("JIRA_TOKEN", JIRA);
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
            command.env(name, format!("http://{}", proxy.address));
        }
    });
    assert_eq!(texts(&fetch(&server, json!({ "url": format!("{rule}/") })).await)[1], "direct");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn the_server_does_not_reach_itself() {
    let first = start(&["api.example.com"], "");
    let own = first.address.port();
    let rule = format!("http://127.0.0.1:{own}");
    fs::write(first.config(), config(&[&rule], "")).unwrap();
    eventually("the edit to be in force", || {
        first.logged(|line| line["message"] == "configuration in force" && line["generation"] == 2)
    });
    assert_eq!(
        codes(&fetch(&first, json!({ "url": format!("{rule}/healthz") })).await),
        ["egress_own_listener"]
    );
    let upstream = Upstream::serve(move |_| moved(302, &format!("http://127.0.0.1:{own}/readyz")));
    fs::write(first.config(), config(&[&rule, &format!("http://{}", upstream.address)], "")).unwrap();
    eventually("the edit to be in force", || {
        first.logged(|line| line["message"] == "configuration in force" && line["generation"] == 3)
    });
    let redirected = fetch(&first, json!({ "url": format!("http://{}/", upstream.address) })).await;
    assert_eq!(codes(&redirected), ["egress_own_listener"]);
}

#[tokio::test]
async fn a_bomb_is_cut_and_a_slow_answer_ends_with_the_call() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b'x'; 64 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let upstream = Upstream::serve(move |received| match received.path() {
        "/bomb" => with(200, &[("content-type", "text/plain"), ("content-encoding", "gzip")], &bomb),
        _ => Reply::Trickle(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec(),
            Duration::from_millis(50),
        ),
    });
    let rule = format!("http://{}", upstream.address);
    let server = start(&[&rule], "");
    let result = fetch(&server, json!({ "url": format!("{rule}/bomb") })).await;
    assert!(
        texts(&result)[0].ends_with("(text/plain); only the first 65536 bytes, there is more"),
        "{result}"
    );
    assert_eq!(texts(&result)[1].len(), 65_536);
    assert_eq!(codes(&fetch(&server, json!({ "url": format!("{rule}/slow") })).await), ["timed_out"]);
}
