//! What MCP asks of a server beyond what clients show.

use serde_json::{Value, json};

use super::{answer, in_session, post, request, session};
use crate::support::{
    LAPTOP, PATIENCE, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, Era, http, stateless},
};

/// The same request in both eras, and its answer.
async fn in_both(server: &Server, token: &str, method: &str, params: Value) -> [Value; 2] {
    let session = session(server, token).await;
    let (status, older) = answer(in_session(server, token, &session, &request(method, params.clone()))).await;
    assert_eq!(status, 200);
    let (_, newer) = answer(stateless(server, token, method, params)).await;
    [older, newer]
}

#[tokio::test]
async fn a_client_is_told_who_it_is_and_what_the_server_can() {
    let server = Server::start(TWO_AGENTS);
    let mut capabilities = json!({
        "extensions": { "io.modelcontextprotocol/tasks": {} }, "completions": {}, "logging": {}, "prompts": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true }, "tools": { "listChanged": true },
    });
    let instructions = "This server knows you as agent `laptop` of tenant `research`. \
        The resource about://policies and the prompt `tool_usage` say what you may do here. \
        A refused call says why, and what would allow it.";
    let identity = json!({ "name": "mcp-universal-server", "version": env!("CARGO_PKG_VERSION") });

    let (status, discovered) = answer(stateless(&server, LAPTOP, "server/discover", json!({}))).await;
    let expected = json!({
        "resultType": "complete",
        "supportedVersions": ["2025-06-18", "2025-11-25", "2026-07-28"],
        "capabilities": capabilities,
        "instructions": instructions,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { "io.modelcontextprotocol/serverInfo": identity },
    });
    assert_eq!((status, &discovered["result"]), (200, &expected));

    // Tasks are for the revision without sessions.
    capabilities.as_object_mut().unwrap().remove("extensions");
    for (asked, given) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        let (_, initialized) = answer(post(&server, LAPTOP, request("initialize", params).to_string())).await;
        let expected = json!({
            "protocolVersion": given, "capabilities": capabilities, "serverInfo": identity, "instructions": instructions,
        });
        assert_eq!(initialized["result"], expected, "{asked}");
    }
}

#[tokio::test]
async fn instructions_promise_only_what_the_agent_may_use() {
    for (grants, expected) in [
        ("resources: []", " The prompt `tool_usage` says what you may do here."),
        ("prompts: []", " The resource about://policies says what you may do here."),
        ("resources: []\n    prompts: []", ""),
    ] {
        let server = Server::start(&TWO_AGENTS.replace("deny:", &format!("{grants}\n    deny:")));
        let (_, discovered) = answer(stateless(&server, REVIEWER, "server/discover", json!({}))).await;
        let instructions = format!(
            "This server knows you as agent `reviewer` of tenant `research`.{expected} A refused call says why, and what would allow it."
        );
        assert_eq!(discovered["result"]["instructions"], instructions);
    }
}

#[tokio::test]
async fn results_of_the_newer_revision_are_private_and_signed() {
    let server = Server::start(TWO_AGENTS);
    let cached = |value: &Value| (value["ttlMs"].clone(), value["cacheScope"].clone());
    for (method, params) in [
        ("tools/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("prompts/list", json!({})),
        ("resources/read", json!({ "uri": "about://server" })),
        ("prompts/get", json!({ "name": "tool_usage" })),
        ("tools/call", json!({ "name": "core.echo", "arguments": { "text": "x" } })),
        ("tools/call", json!({ "name": "core.echo" })),
    ] {
        let [older, newer] = in_both(&server, LAPTOP, method, params).await;
        let (older, newer) = (&older["result"], &newer["result"]);
        assert_eq!(newer["resultType"], "complete", "{method}");
        assert_eq!(
            newer["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcp-universal-server",
            "{method}"
        );
        if !matches!(method, "tools/call" | "prompts/get") {
            assert_eq!(cached(newer), (json!(0), json!("private")), "{method}");
        }
        assert_eq!(older.get("resultType"), None, "{method}: {older}");
    }
}

#[tokio::test]
async fn a_cursor_that_was_never_given_out_is_named() {
    let server = Server::start(TWO_AGENTS);
    for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        for answer in in_both(&server, LAPTOP, method, json!({ "cursor": "2" })).await {
            assert_eq!(
                answer["error"],
                json!({ "code": -32602, "message": "unknown cursor: `2`" }),
                "{method}"
            );
        }
    }
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_named() {
    let server = Server::start(TWO_AGENTS);
    let [older, newer] = in_both(&server, LAPTOP, "tools/destroy", json!({})).await;
    for answer in [&older, &newer] {
        assert_eq!(answer["error"], json!({ "code": -32601, "message": "unknown method: `tools/destroy`" }));
    }
    // What only sessions have is not there without one, whatever its params.
    for method in [
        "tools/destroy",
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    ] {
        assert_eq!(answer(stateless(&server, LAPTOP, method, json!({}))).await.0, 404, "{method}");
    }
    let session = session(&server, LAPTOP).await;
    let (_, pong) = answer(in_session(&server, LAPTOP, &session, &request("ping", json!({})))).await;
    assert_eq!(pong["result"], json!({}));
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_told_as_its_revision_wants() {
    let server = Server::start(TWO_AGENTS);
    let [older, newer] =
        in_both(&server, LAPTOP, "resources/read", json!({ "uri": "about://nothing" })).await;
    let error = |code: i32| json!({ "code": code, "message": "unknown resource: `about://nothing`", "data": { "uri": "about://nothing" } });
    assert_eq!(older["error"], error(-32002));
    assert_eq!(newer["error"], error(-32602));
    for answer in in_both(&server, LAPTOP, "prompts/get", json!({ "name": "nothing" })).await {
        assert_eq!(answer["error"], json!({ "code": -32602, "message": "unknown prompt: `nothing`" }));
    }
}

#[tokio::test]
async fn a_resource_or_prompt_is_refused_with_reasons_in_an_error() {
    let server = Server::start(&TWO_AGENTS.replace("deny:", "resources: []\n    prompts: []\n    deny:"));
    for (method, params, code, message, help) in [
        (
            "resources/read",
            json!({ "uri": "about://server" }),
            "resource_not_granted_to_agent",
            "agent `reviewer` is not granted resource `about://server`",
            "add `about://server` to `agents.reviewer.resources`",
        ),
        (
            "prompts/get",
            json!({ "name": "tool_usage" }),
            "prompt_not_granted_to_agent",
            "agent `reviewer` is not granted prompt `tool_usage`",
            "add `tool_usage` to `agents.reviewer.prompts`",
        ),
    ] {
        let reasons = [json!({ "code": code, "message": message, "help": help })];
        let expected = json!({
            "code": -31001,
            "message": format!("{message} ({help})"),
            "data": { "mcp-universal-server/denial": { "generation": 1, "reasons": reasons } },
        });
        for answer in in_both(&server, REVIEWER, method, params).await {
            assert_eq!(answer["error"], expected);
        }
    }
}

#[tokio::test]
async fn a_prompt_s_arguments_are_checked() {
    let server = Server::start(TWO_AGENTS);
    for (arguments, message) in [
        (json!({}), "the arguments: `diff` is missing (see the arguments that `review_pr` lists)"),
        (
            json!({ "diff": "x", "mood": "grim" }),
            "the arguments: unknown `mood` (see the arguments that `review_pr` lists)",
        ),
        (json!({ "diff": 5 }), "the arguments: `diff` is not text"),
    ] {
        let params = json!({ "name": "review_pr", "arguments": arguments });
        for answer in in_both(&server, LAPTOP, "prompts/get", params).await {
            assert_eq!(
                (&answer["error"]["code"], &answer["error"]["message"]),
                (&json!(-32602), &json!(message))
            );
        }
    }
}

#[tokio::test]
async fn an_opaque_tenant_s_agents_cannot_tell_denied_from_unknown() {
    let opaque = TWO_AGENTS.replace(r#"{ tools: ["*"] }"#, r#"{ tools: ["*"], disclosure: opaque }"#);
    let server = Server::start(&opaque.replace("deny:", "resources: []\n    prompts: []\n    deny:"));
    for (method, key, denied, unknown) in [
        ("tools/call", "name", "core.sum", "core.none"),
        ("prompts/get", "name", "tool_usage", "no_such_one"),
        ("resources/read", "uri", "about://server", "about://nobody"),
    ] {
        let denied_answers = in_both(&server, REVIEWER, method, json!({ key: denied })).await;
        let unknown_answers = in_both(&server, REVIEWER, method, json!({ key: unknown })).await;
        for (a, b) in denied_answers.iter().zip(&unknown_answers) {
            assert_eq!(a.to_string().replace(denied, unknown), b.to_string(), "{method}");
            assert!(a["error"]["code"].is_number(), "{a}");
        }
    }
}

#[tokio::test]
async fn a_notification_is_accepted_without_an_answer() {
    let server = Server::start(TWO_AGENTS);
    let session = session(&server, LAPTOP).await;
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    for request in [
        in_session(&server, LAPTOP, &session, &notification),
        post(&server, LAPTOP, notification.to_string())
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "notifications/initialized"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (202, String::new()));
    }
}

#[tokio::test]
async fn clients_of_both_eras_hear_of_a_reload_that_changes_their_tools() {
    let server = Server::start(TWO_AGENTS);
    let session = session(&server, REVIEWER).await;
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    in_session(&server, REVIEWER, &session, &initialized).send().await.unwrap();
    // As clients do: whoever never asked for a list need not hear that it changed.
    let (_, tools) = answer(in_session(&server, REVIEWER, &session, &request("tools/list", json!({})))).await;
    assert_eq!(tools["result"]["tools"].as_array().map(Vec::len), Some(1));
    let older = http().get(server.url("/mcp")).bearer_auth(REVIEWER).header("accept", "text/event-stream");
    let mut older = older.header("mcp-session-id", session).send().await.unwrap();
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let mut newer = stateless(&server, REVIEWER, "subscriptions/listen", listen).send().await.unwrap();
    std::fs::write(server.config(), TWO_AGENTS.replace(r#"deny: ["core.sum"]"#, "deny: []")).unwrap();
    for (era, stream) in [("older", &mut older), ("newer", &mut newer)] {
        let mut text = String::new();
        let heard = async {
            while !text.contains("notifications/tools/list_changed") {
                text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
            }
        };
        if tokio::time::timeout(PATIENCE, heard).await.is_err() {
            panic!("the {era} stream did not hear of it, only {text:?}; the log: {:?}", server.log());
        }
    }
    for era in ERAS {
        assert_eq!(Client::connect(&server, REVIEWER, era).await.tools().await, ["core.echo", "core.sum"]);
    }
}

#[tokio::test]
async fn sigterm_ends_streams_and_the_program() {
    let mut server = Server::start(TWO_AGENTS);
    let _older = Client::connect(&server, LAPTOP, Era::Session).await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let newer = stateless(&server, LAPTOP, "subscriptions/listen", listen).send().await.unwrap();
    server.signal("-TERM");
    let text = newer.text().await.unwrap();
    assert!(text.contains(r#""resultType":"complete""#), "{text}");
    assert_eq!(server.ended().code(), Some(0));
}

#[tokio::test]
async fn a_request_of_the_older_revisions_is_in_a_session() {
    let server = Server::start(TWO_AGENTS);
    let calls = json!({ "name": "core.echo", "arguments": { "text": "hello" } });
    for (method, params) in [("tools/call", calls), ("tools/list", json!({}))] {
        let mut request = stateless(&server, LAPTOP, method, params).build().unwrap();
        let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
        *request.body_mut() = Some(body.replace("2026-07-28", "2025-11-25").into());
        request.headers_mut().insert("mcp-protocol-version", "2025-11-25".parse().unwrap());
        let answer: Value = http().execute(request).await.unwrap().json().await.unwrap();
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("send `initialize`"), "{answer}");
    }
}
