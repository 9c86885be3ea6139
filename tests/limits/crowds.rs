//! A thousand calls at once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, http, stateless_with},
    eventually_async,
    testbench::Testbench,
};

pub(super) const CALLS: usize = 1000;

/// An agent with limits, and what counts besides. However slow the machine is, the
/// server has a place for each call, and as many again.
fn config(limits: &str, rest: &str) -> String {
    let tools = r#"tools: ["core.echo", "core.sum"]"#;
    let limited = TWO_AGENTS.replace(tools, &format!("{tools}\n    limits: {{ {limits} }}"));
    limited.replace("server: {", "server: { max_calls: 4096,") + rest
}

/// The message that answers, which comes as an event where it took its time.
pub(super) async fn answer(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.unwrap().text().await.unwrap();
    let data =
        text.lines().filter_map(|line| line.strip_prefix("data:")).find(|data| !data.trim().is_empty());
    serde_json::from_str(data.unwrap_or(&text)).unwrap()
}

/// What was answered: `served`, or the codes of the reasons against.
pub(super) fn told(body: &Value) -> String {
    match body["result"]["_meta"]["mcp-universal-server/denial"]["reasons"].as_array() {
        None => {
            assert_eq!(body["result"]["isError"], false, "{body}");
            "served".to_owned()
        }
        Some(reasons) => {
            let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["code"].as_str()).collect();
            for reason in reasons {
                let waits = reason["code"] != "payload_too_large" && reason["code"] != "response_too_large";
                assert_eq!(reason["retry_after_ms"].is_u64(), waits, "{reason}");
            }
            codes.join(",")
        }
    }
}

/// How often each answer came, where so many call at once.
async fn answers(
    server: &Server,
    token: &str,
    tool: &str,
    arguments: impl Fn(usize) -> Value,
) -> BTreeMap<String, usize> {
    let client = http();
    let calls: FuturesUnordered<_> = (0..CALLS)
        .map(|number| {
            let params = json!({ "name": tool, "arguments": arguments(number) });
            let request = stateless_with(&client, server, token, "tools/call", params);
            tokio::spawn(answer(request))
        })
        .collect();
    let mut counts = BTreeMap::new();
    for body in calls.collect::<Vec<_>>().await {
        *counts.entry(told(&body.unwrap())).or_default() += 1;
    }
    counts
}

pub(super) fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(told, count)| ((*told).to_owned(), *count)).collect()
}

#[tokio::test]
async fn of_a_thousand_calls_at_once_exactly_as_many_are_served_as_may() {
    let fast = r#"rate_limit: "1000/s", concurrency: 1000"#;
    let short = |_| json!({ "text": "hello" });
    // `{"text":""}` has 11 bytes: every other call is one byte too long.
    let sized = |number: usize| json!({ "text": "x".repeat(9 + number % 2) });
    let tenant = |limits: &str| {
        config(fast, "")
            .replace(r#"{ tools: ["*"] }"#, &format!(r#"{{ tools: ["*"], limits: {{ {limits} }} }}"#))
    };
    for (config, arguments, expected) in [
        (
            config(r#"rate_limit: "50/day", concurrency: 1000"#, ""),
            &short as &dyn Fn(usize) -> Value,
            [("served", 50), ("rate_limited", 950)],
        ),
        (
            config(r#"rate_limit: "2/day burst 40", concurrency: 1000"#, ""),
            &short,
            [("served", 40), ("rate_limited", 960)],
        ),
        (tenant(r#"rate_limit: "20/day""#), &short, [("served", 20), ("rate_limited", 980)]),
        (
            config(fast, "tool_limits: { \"core.*\": { rate_limit: \"30/day\" } }\n"),
            &short,
            [("served", 30), ("rate_limited", 970)],
        ),
        (
            // What is refused for its size spends nothing of the 500.
            config(r#"rate_limit: "500/day", concurrency: 1000, max_payload_bytes: 20"#, ""),
            &sized,
            [("served", 500), ("payload_too_large", 500)],
        ),
        (
            config(fast, "tool_limits: { \"core.echo\": { max_response_bytes: 48 } }\n"),
            &sized,
            [("served", 500), ("response_too_large", 500)],
        ),
    ] {
        let server = Server::start(&config);
        let mut seen = answers(&server, LAPTOP, "core.echo", arguments).await;
        // Both reasons count where a call has both.
        if let Some(both) = seen.remove("payload_too_large,rate_limited") {
            *seen.entry("payload_too_large".to_owned()).or_default() += both;
        }
        assert_eq!(seen, counts(&expected));
    }
}

/// Calls that last until their files are gone.
struct Held {
    folder: PathBuf,
    calls: Vec<JoinHandle<Value>>,
}

impl Held {
    /// Begins so many, and waits until all but `run` are answered and those run.
    async fn begin(
        server: &Server,
        folder: &Path,
        token: &str,
        run: usize,
    ) -> (Self, BTreeMap<String, usize>) {
        fs::create_dir(folder).unwrap();
        let client = http();
        let mut calls: Vec<_> = (0..CALLS)
            .map(|number| {
                let file = folder.join(number.to_string());
                let params = json!({ "name": "bench.hold", "arguments": { "file": file } });
                let request = stateless_with(&client, server, token, "tools/call", params);
                tokio::spawn(answer(request))
            })
            .collect();
        eventually_async("all that are refused to be so, and the others to run", || async {
            let done = calls.iter().filter(|call| call.is_finished()).count();
            let running = fs::read_dir(folder).unwrap().count();
            assert!(done + running <= CALLS && done <= CALLS - run, "{done} are done, {running} run");
            (done == CALLS - run && running == run).then_some(())
        })
        .await;
        let mut counts = BTreeMap::new();
        for call in calls.extract_if(.., |call| call.is_finished()) {
            *counts.entry(told(&call.await.unwrap())).or_default() += 1;
        }
        (Self { folder: folder.to_owned(), calls }, counts)
    }

    async fn end(self) {
        for file in fs::read_dir(&self.folder).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        for call in self.calls {
            assert_eq!(told(&call.await.unwrap()), "served");
        }
    }
}

#[tokio::test]
async fn of_a_thousand_calls_that_last_exactly_as_many_run_as_may_and_others_have_room() {
    let bench = Testbench::new();
    let limits = |limits: &str, rest: &str| {
        let config = bench.config("{}").replace(
            r#"limits: { rate_limit: "1000/s" }"#,
            &format!("limits: {{ rate_limit: \"1000/s burst 3000\", {limits} }}"),
        );
        format!("{config}{rest}")
    };
    let most = |most: u32| {
        limits("concurrency: 1000", "")
            .replace("127.0.0.1:0\" }", &format!("127.0.0.1:0\", max_calls: {most} }}"))
    };
    for (name, config, run, reason) in [
        ("agent", limits("concurrency: 7", ""), 7, "too_many_calls"),
        (
            "tool",
            limits("concurrency: 1000", "tool_limits: { \"bench.*\": { concurrency: 3 } }\n"),
            3,
            "too_many_calls",
        ),
        ("server", most(10), 5, "server_overloaded"),
    ] {
        let server = Server::start(&config);
        let (held, refused) = Held::begin(&server, &bench.path().join(name), REVIEWER, run).await;
        assert_eq!(refused, counts(&[(reason, CALLS - run)]), "{name}");
        // Whoever calls once finds room, also where one agent has all it can get.
        let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
        assert_eq!(laptop.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
        held.end().await;
        let (held, _) =
            Held::begin(&server, &bench.path().join(format!("{name}-again")), REVIEWER, run).await;
        held.end().await;
    }
}

#[tokio::test]
async fn what_was_used_survives_a_reload_and_sessions() {
    let config = config(r#"rate_limit: "3/day""#, "");
    let server = Server::start(&config);
    for (served, era) in
        [(true, ERAS[0]), (true, ERAS[1]), (true, ERAS[0]), (false, ERAS[1]), (false, ERAS[0])]
    {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let result = laptop.call("core.echo", json!({ "text": "x" })).await.unwrap();
        assert_eq!(result.is_error, Some(!served));
        let generation = crate::reload::ready(&server).await["generation"].clone();
        fs::write(server.config(), format!("{config}# after {generation}\n")).unwrap();
        eventually_async("the edit to be in force", || async {
            (crate::reload::ready(&server).await["generation"] != generation).then_some(())
        })
        .await;
    }
}
