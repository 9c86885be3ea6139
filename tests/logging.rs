//! What is logged, and what becomes of the server when nobody reads it.

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, Server, TWO_AGENTS,
    client::{Client, ERAS, http, stateless},
    eventually, program,
};

/// Targets of lines that the server itself writes.
const OURS: [&str; 7] = ["audit", "auth", "call", "config", "mcp", "plugin", "server"];

/// A server with this `RUST_LOG`.
fn server(asked: &str) -> Server {
    Server::start_with(TWO_AGENTS, |_, command| {
        command.env("RUST_LOG", asked);
    })
}

/// Its log, up to the line of a call of core.echo.
async fn log_of_a_call(server: &Server) -> Vec<Value> {
    let laptop = Client::connect(server, LAPTOP, ERAS[1]).await;
    laptop.text("core.echo", json!({ "text": "a-word-only-said-here" })).await;
    eventually("the call's log line", || server.logged(|line| line["target"] == "call"));
    server.log()
}

#[tokio::test]
async fn a_call_is_logged_whatever_rust_log_says() {
    for (asked, is_config_logged) in [("", true), ("off,server=info", false), ("warn,server=info", false)] {
        let log = log_of_a_call(&server(asked)).await;
        assert_eq!(log.iter().any(|line| line["target"] == "config"), is_config_logged, "{asked}: {log:?}");
    }
}

#[tokio::test]
async fn no_rust_log_brings_arguments_or_tokens_into_the_log() {
    for asked in ["trace", "trace,rmcp=trace,hyper=trace"] {
        let log = log_of_a_call(&server(asked)).await;
        let text = format!("{log:?}");
        assert!(!text.contains("a-word-only-said-here") && !text.contains(LAPTOP), "{text}");
        let foreign = |line: &&Value| !OURS.contains(&line["target"].as_str().unwrap_or_default());
        assert_eq!(log.iter().find(foreign), None);
    }
}

#[test]
fn a_rust_log_that_means_nothing_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), TWO_AGENTS).unwrap();
    let output = program()
        .arg("serve")
        .current_dir(folder.path())
        .env("RUST_LOG", "info,plugin=loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: the variable RUST_LOG cannot be used: `plugin=loud` is no level and no `target=level`; \
         the levels are off, error, warn, info, debug and trace, and several parts are separated by commas\n"
    );
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end() {
    let mut server = Server::start(&format!("{TWO_AGENTS}limits: {{ rate_limit: \"100000/s\" }}\n"));
    let lines = server.lines();
    let unread = lines.lock().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Far more than a pipe and its reader's buffer hold.
        let params = json!({ "name": "core.echo", "arguments": { "text": "x" } });
        for _ in 0..600 {
            let answer = stateless(&server, LAPTOP, "tools/call", params.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let ready: Value = http().get(server.url("/readyz")).send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["ready"], true);
    });
    server.signal("-TERM");
    assert!(server.ended().success());
    drop(unread);
}

#[test]
fn every_line_is_written_before_the_server_ends() {
    let mut server = Server::start(TWO_AGENTS);
    server.signal("-TERM");
    assert!(server.ended().success());
    eventually("the last line", || server.logged(|line| line["message"] == "stopped"));
}
