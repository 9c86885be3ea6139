//! What a reload leaves alone: counts, sessions, streams, and the instances of
//! plugins.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::{
    reload::ready_when,
    support::{
        LAPTOP, REVIEWER, Server, TWO_AGENTS,
        client::{Client, ERAS, Era, http, stateless},
        eventually, eventually_async,
        testbench::{TOOLS, Testbench},
    },
    transport::{in_session, request, session},
};

const LAPTOP_S: &str = r#"tools: ["core.echo", "core.sum"]"#;

async fn edit(server: &Server, generation: u64, config: &str) {
    fs::write(server.config(), config).unwrap();
    ready_when(server, "the edit", |answer| answer["generation"] == generation).await;
}

/// `ok`, or the first reason why not.
async fn outcome(client: &Client, tool: &str, arguments: Value) -> String {
    let result = json!(client.call(tool, arguments).await.unwrap());
    let code = &result["_meta"]["mcp-universal-server/denial"]["reasons"][0]["code"];
    code.as_str().unwrap_or("ok").to_owned()
}

#[tokio::test]
async fn what_an_agent_has_used_of_its_rate_stays_used() {
    let config = format!("{TWO_AGENTS}    limits: {{ rate_limit: \"3/day\" }}\n");
    let server = Server::start(&config);
    let echo = json!({ "text": "x" });
    let mut outcomes = Vec::new();
    for (generation, era) in (2..).zip([ERAS[0], ERAS[1], ERAS[0], ERAS[1]]) {
        let client = Client::connect(&server, REVIEWER, era).await;
        outcomes.push(outcome(&client, "core.echo", echo.clone()).await);
        edit(&server, generation, &format!("# {generation}\n{config}")).await;
    }
    assert_eq!(outcomes, ["ok", "ok", "ok", "rate_limited"]);
}

#[tokio::test]
async fn a_call_under_way_counts_in_the_next_generation() {
    let bench = Testbench::in_process();
    let config = bench.config("{}").replace("rate_limit:", "concurrency: 1, rate_limit:");
    let server = Server::start(&config);
    let file = bench.path().join("held");
    let hold = json!({ "name": "bench.hold", "arguments": { "file": file } });
    let held = tokio::spawn(stateless(&server, REVIEWER, "tools/call", hold).send());
    eventually_async("the call", || async { file.exists().then_some(()) }).await;
    edit(&server, 2, &format!("# Two\n{config}")).await;
    let client = Client::connect(&server, REVIEWER, Era::Session).await;
    assert_eq!(outcome(&client, "bench.version", json!({})).await, "too_many_calls");
    fs::remove_file(&file).unwrap();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    edit(&server, 3, &format!("# Three\n{config}")).await;
    assert_eq!(outcome(&client, "bench.version", json!({})).await, "ok");
}

/// A stream, and how often it has told of a changed list of tools.
struct Stream(reqwest::Response, String);

impl Stream {
    /// A session's, and its own.
    async fn older(server: &Server, token: &str) -> Self {
        let session = session(server, token).await;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        for body in [initialized, request("tools/list", json!({}))] {
            let response = in_session(server, token, &session, &body).send().await.unwrap();
            response.bytes().await.unwrap();
        }
        let get = http().get(server.url("/mcp")).bearer_auth(token).header("accept", "text/event-stream");
        Self(get.header("mcp-session-id", session).send().await.unwrap(), String::new())
    }

    async fn newer(server: &Server, token: &str) -> Self {
        let listen = json!({ "notifications": { "toolsListChanged": true } });
        let response = stateless(server, token, "subscriptions/listen", listen).send().await.unwrap();
        let mut stream = Self(response, String::new());
        stream.until("acknowledged").await;
        stream
    }

    async fn until(&mut self, words: &str) {
        while !self.1.contains(words) {
            let chunk = tokio::time::timeout(Duration::from_secs(30), self.0.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("no {words} in {}", self.1));
            self.1.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
    }

    async fn hears_of_one(&mut self) {
        self.1.clear();
        self.until("notifications/tools/list_changed").await;
        assert_eq!(self.1.matches("list_changed").count(), 1, "{}", self.1);
    }
}

#[tokio::test]
async fn sessions_streams_and_instances_go_on_and_hear_of_their_own_lists_only() {
    let bench = Testbench::new();
    let config = bench.config("{ label: same }");
    let server = Server::start(&config);
    let client = Client::connect(&server, REVIEWER, Era::Session).await;
    let instance = client.text("bench.instance", json!({})).await;
    let mut mine = [Stream::older(&server, REVIEWER).await, Stream::newer(&server, REVIEWER).await];
    let mut laptop = [Stream::older(&server, LAPTOP).await, Stream::newer(&server, LAPTOP).await];
    // Whoever opens a stream and reads nothing keeps nobody waiting.
    let _stalled = [Stream::older(&server, LAPTOP).await, Stream::newer(&server, LAPTOP).await];

    // `laptop` gets other tools, three times.
    let tools = |tool: &str| config.replace(LAPTOP_S, &format!("tools: [\"{tool}\"]"));
    for (generation, tool) in [(2, "core.echo"), (3, "core.sum"), (4, "core.echo")] {
        edit(&server, generation, &tools(tool)).await;
        for stream in &mut laptop {
            stream.hears_of_one().await;
        }
        assert_eq!(client.text("bench.instance", json!({})).await, instance);
        assert_eq!(client.text("bench.count", json!({})).await, (generation - 1).to_string());
    }
    // Then `reviewer` does: had it been told of the others, it would hear of those
    // first, and more than one of them.
    let fewer = tools("core.echo").replace(r#"deny: ["core.sum"]"#, r#"deny: ["core.*"]"#);
    edit(&server, 5, &fewer).await;
    for stream in &mut mine {
        stream.hears_of_one().await;
    }
    // And `laptop` of what comes next.
    edit(&server, 6, &fewer.replace(r#"tools: ["core.echo"]"#, r#"tools: ["core.sum"]"#)).await;
    for stream in &mut laptop {
        stream.hears_of_one().await;
    }
    assert_eq!(client.text("bench.instance", json!({})).await, instance);
}

#[tokio::test]
async fn a_plugin_that_does_not_start_holds_up_an_edit_for_its_own_bound_only() {
    let bench = Testbench::new();
    let server = Server::start(&bench.config("{ label: one }"));
    let laptop = Client::connect(&server, LAPTOP, Era::Session).await;
    let reviewer = Client::connect(&server, REVIEWER, Era::Stateless).await;
    let edited = bench.config("{ label: two, start: hangs }").replace(LAPTOP_S, r#"tools: ["core.sum"]"#);
    edit(&server, 2, &edited).await;
    assert_eq!(laptop.tools().await, ["core.sum"]);
    let refused = eventually("the refusal", || {
        server.logged(|line| line["message"].as_str().is_some_and(|it| it.contains("still busy after 10 s")))
    });
    assert_eq!(refused["target"], "plugin");
    // Made with settings that do not count any more, it is not kept.
    let other = edited.replace(r#"tools: ["core.sum"]"#, r#"tools: ["core.echo"]"#);
    edit(&server, 3, &other.replace("start: hangs", "start: works")).await;
    assert_eq!(reviewer.text("bench.label", json!({})).await, "two");
    assert_eq!(laptop.tools().await, ["core.echo"]);
}

#[tokio::test]
async fn a_key_that_has_expired_by_an_edit_takes_its_plugin_away_and_back() {
    let bench = Testbench::new();
    let config = bench.config("{}");
    let dated = |date: &str| {
        let scope = r#"["bench"], in_process"#;
        assert!(config.contains(scope));
        config.replace(scope, &format!(r#"["bench"], not_after: {date}, in_process"#))
    };
    let server = Server::start(&config);
    let clients = [
        Client::connect(&server, REVIEWER, ERAS[0]).await,
        Client::connect(&server, REVIEWER, ERAS[1]).await,
    ];
    edit(&server, 2, &dated("2001-02-03")).await;
    for client in &clients {
        assert_eq!(client.tools().await, ["core.echo"]);
        assert!(client.call("bench.version", json!({})).await.is_err());
    }
    let line = eventually("the refusal", || server.logged(|line| line["code"] == "key_expired"));
    assert_eq!(line["target"], "plugin");
    edit(&server, 3, &dated("2101-02-03")).await;
    for client in &clients {
        assert_eq!(client.tools().await.len(), TOOLS.len() + 1);
        assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    }
}
