//! The audit of a running server: what is on it, and that nothing gets past it.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use mcp_universal_server::audit::{self, Findings, Held};
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, Era, http_from_elsewhere, stateless},
    eventually, program,
};

mod crash;
mod follow;
mod keys;
mod system;

/// A configuration under which calls are not held up.
pub(crate) fn config(audit: &str) -> String {
    format!("{TWO_AGENTS}limits: {{ rate_limit: \"100000/s\", concurrency: 512 }}\naudit: {audit}\n")
}

/// The folder of a server's audit.
pub(crate) fn folder(server: &Server) -> PathBuf {
    audit::folder(&server.config().with_file_name("state"))
}

/// All records that are there, in their order.
pub(crate) fn records(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|it| it == "jsonl"));
    let lines = files.flat_map(|file| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    });
    lines.collect()
}

/// What `audit verify` finds, held to nothing.
pub(crate) fn findings(folder: &Path) -> Findings {
    audit::verify(folder, &Held::default()).unwrap()
}

fn events<'r>(records: &'r [Value], event: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

/// Runs `audit …` on a server's configuration.
pub(crate) fn audit_command(server: &Server, arguments: &[&str]) -> Output {
    let config = server.config();
    program().arg("audit").args(arguments).arg("--config").arg(config).output().unwrap()
}

/// `ok`, or the first reason why not.
pub(crate) async fn outcome(server: &Server, token: &str, text: &str) -> String {
    let echo = json!({ "name": "core.echo", "arguments": { "text": text } });
    let response = stateless(server, token, "tools/call", echo).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    let code = &answer["result"]["_meta"]["mcp-universal-server/denial"]["reasons"][0]["code"];
    code.as_str().unwrap_or("ok").to_owned()
}

#[tokio::test]
async fn a_call_is_on_record_before_and_after_it_runs_with_all_that_is_known_of_it() {
    let server = Server::start(&config("{}"));
    for era in ERAS {
        let client = Client::connect(&server, LAPTOP, era).await;
        client.text("core.echo", json!({ "text": "hello" })).await;
        client.0.cancel().await.unwrap();
    }
    let records = records(&folder(&server));
    let (decisions, outcomes) = (events(&records, "decision"), events(&records, "outcome"));
    assert_eq!((decisions.len(), outcomes.len()), (2, 2));
    for (decision, outcome) in decisions.into_iter().zip(outcomes) {
        assert!(decision["seq"].as_u64() < outcome["seq"].as_u64());
        for record in [decision, outcome] {
            assert_eq!(record["agent"], "laptop");
            assert_eq!(record["tenant"], "research");
            assert_eq!(record["tool"], "core.echo");
            assert_eq!(record["plugin"], "core");
            assert_eq!(record["plugin_sha256"].as_str().map(str::len), Some(64));
            assert_eq!((&record["generation"], &record["decision"]), (&json!(1), &json!("allow")));
            assert_eq!(record["call"], decision["call"]);
        }
        assert_eq!(decision["request_bytes"], json!(r#"{"text":"hello"}"#.len()));
        assert_eq!(decision.get("outcome"), None);
        assert_eq!(outcome["outcome"], "ok");
        assert!(outcome["response_bytes"].as_u64() > Some(0) && outcome["duration_us"].is_u64());
    }
    assert!(findings(&folder(&server)).sound);
    assert!(!fs::read_to_string(folder(&server).join("0000000000000001.jsonl")).unwrap().contains("hello"));
}

#[tokio::test]
async fn equal_arguments_have_the_same_keyed_hash_and_can_be_found_by_them() {
    let server = Server::start(&config("{}"));
    for text in ["one", "two", "one"] {
        assert_eq!(outcome(&server, LAPTOP, text).await, "ok");
    }
    let records = records(&folder(&server));
    let hashes: Vec<_> = events(&records, "decision").iter().map(|it| it["arguments_hmac"].clone()).collect();
    assert_eq!(hashes[0], hashes[2]);
    assert_ne!(hashes[0], hashes[1]);
    let found = audit_command(&server, &["tail", "--arguments", r#"{ "text": "one" }"#]);
    let lines = String::from_utf8(found.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[tokio::test]
async fn a_refusal_is_on_record_with_every_reason() {
    let server = Server::start(&config("{}"));
    let sum = json!({ "name": "core.sum", "arguments": { "a": 1, "b": 2 } });
    stateless(&server, REVIEWER, "tools/call", sum).send().await.unwrap();
    let echo = json!({ "name": "core.echo", "arguments": { "wrong": 1 } });
    stateless(&server, REVIEWER, "tools/call", echo).send().await.unwrap();
    let unknown = json!({ "name": "core.nothing", "arguments": {} });
    stateless(&server, REVIEWER, "tools/call", unknown).send().await.unwrap();
    let records = records(&folder(&server));
    let decisions = events(&records, "decision");
    let told: Vec<_> = decisions
        .iter()
        .map(|it| (it["tool"].clone(), it["decision"].clone(), it["outcome"].clone(), it["reasons"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!("core.sum"), json!("deny"), json!("refused"), json!(["tool_denied_to_agent"])),
            (json!("core.echo"), json!("deny"), json!("refused"), json!(["invalid_arguments"])),
            (json!("core.nothing"), json!("deny"), json!("unknown"), Value::Null),
        ]
    );
    assert_eq!(decisions[0]["messages"], json!(["agent `reviewer` is denied tool `core.sum`"]));
    assert_eq!(events(&records, "outcome").len(), 0);
}

#[tokio::test]
async fn what_the_server_does_is_on_record() {
    let mut server = Server::start(&config("{}"));
    let edited = config("{}").replace(r#"deny: ["core.sum"]"#, r#"deny: []"#);
    fs::write(server.config(), edited).unwrap();
    eventually("the edit", || server.logged(|line| line["generation"] == 2));
    fs::write(server.config(), "version: 1\n").unwrap();
    eventually("the refusal", || {
        server.logged(|line| line["target"] == "config" && line["level"] == "ERROR")
    });
    server.signal("-TERM");
    server.ended();
    let records = records(&folder(&server));
    let names: Vec<_> = records.iter().filter_map(|it| it["event"].as_str()).collect();
    assert_eq!(names.first(), Some(&"segment"));
    assert_eq!(names[names.len() - 2..], ["stop", "checkpoint"]);
    assert!(events(&records, "plugin").iter().any(|it| it["plugin"] == "core" && it["change"] == "loaded"));
    let reloads = events(&records, "reload");
    let told: Vec<_> = reloads.iter().map(|it| (it["trigger"].clone(), it["result"].clone())).collect();
    let expected = [("start", "applied"), ("file", "applied"), ("file", "refused")];
    assert_eq!(told, expected.map(|(trigger, result)| (json!(trigger), json!(result))));
    assert_eq!(reloads[1]["changes"], json!(["agent reviewer gains core.sum"]));
    assert_eq!(reloads[2]["problems_count"], 2);
    assert!(findings(&folder(&server)).sound);
}

#[tokio::test]
async fn strangers_cannot_fill_the_disk_and_are_all_counted() {
    let mut server = Server::start(&config("{}"));
    let knocks = (0..150).map(|_| http_from_elsewhere().post(server.url("/mcp")).bearer_auth("wrong").send());
    for response in futures::future::join_all(knocks).await {
        assert_eq!(response.unwrap().status(), 401);
    }
    server.signal("-TERM");
    server.ended();
    let records = records(&folder(&server));
    assert_eq!(events(&records, "auth_failure").len(), 60);
    let counted = events(&records, "auth_failures");
    let told: Vec<_> = counted.iter().map(|it| (&it["count"], &it["reasons"]["unknown_token"])).collect();
    assert_eq!(told, [(&json!(90), &json!(90))]);
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_does_not_start() {
    let server = Server::start(&config("{}"));
    let output = program()
        .arg("serve")
        .arg("--config")
        .arg(server.config())
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        told,
        format!(
            "error: the audit cannot be opened: another server keeps its audit in {}; stop it, or give this one a `state.dir` of its own\n",
            folder(&server).display()
        )
    );
    assert_eq!(outcome(&server, LAPTOP, "x").await, "ok");
}

#[tokio::test]
async fn segments_follow_one_another_under_load_and_nothing_is_missing() {
    let server = Server::start(&config("{ segment_bytes: 65536 }"));
    let acknowledged = load(&server, 8, 100).await;
    assert_eq!(acknowledged.len(), 800);
    let folder = folder(&server);
    let found = findings(&folder);
    assert_eq!(found.problems, []);
    assert!(found.segments > 5, "{found:?}");
    let records = records(&folder);
    assert_eq!(events(&records, "outcome").len(), 800);
    let calls: HashSet<_> = events(&records, "decision").iter().map(|it| it["call"].to_string()).collect();
    assert_eq!(calls.len(), 800);
}

/// Calls from so many clients at once, so many each. The texts of those that were
/// answered.
pub(crate) async fn load(server: &Server, clients: usize, calls: usize) -> Vec<String> {
    let client = async |client: usize| {
        let connection = Client::connect(server, LAPTOP, Era::Stateless).await;
        let mut texts = Vec::new();
        for call in 0..calls {
            let text = format!("{client}-{call}");
            assert_eq!(connection.text("core.echo", json!({ "text": text })).await, text);
            texts.push(text);
        }
        texts
    };
    futures::future::join_all((0..clients).map(client)).await.into_iter().flatten().collect()
}
