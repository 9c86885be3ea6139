//! Input that no well-meaning client sends. Whatever it is, the server answers
//! and goes on.

use serde_json::{Value, json};

use super::{answer, in_session, post, request, session};
use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{http, stateless},
};

fn error(code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } })
}

#[tokio::test]
async fn what_is_no_message_is_a_json_rpc_error() {
    let server = Server::start(TWO_AGENTS);
    let deep = |open: &str, close: &str| {
        let params = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    let shape = "the body is no JSON-RPC request, notification or response";
    let batch = "batches are not taken: send one message per request";
    for (case, body, code, message) in [
        (
            "nothing",
            String::new(),
            -32700,
            Some("the body is no JSON: EOF while parsing a value at line 1 column 0"),
        ),
        (
            "half",
            r#"{"jsonrpc":"2.0""#.to_owned(),
            -32700,
            Some("the body is no JSON: EOF while parsing an object at line 1 column 16"),
        ),
        ("words", "hello".to_owned(), -32700, None),
        ("deep arrays", deep("[", "]"), -32700, None),
        ("deep objects", deep(r#"{"a":"#, "}").replace("}}", "1}}"), -32700, None),
        (
            "a number out of range",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":1e999}}"#.to_owned(),
            -32700,
            None,
        ),
        (
            "half a character",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":"\ud800"}}"#.to_owned(),
            -32700,
            None,
        ),
        ("a batch", json!([request("tools/list", json!({}))]).to_string(), -32600, Some(batch)),
        ("an empty batch", "[]".to_owned(), -32600, Some(batch)),
        ("a number", "5".to_owned(), -32600, Some("a message is a JSON object")),
        (
            "no version",
            r#"{"id":1,"method":"tools/list"}"#.to_owned(),
            -32600,
            Some("`jsonrpc` must be \"2.0\""),
        ),
        (
            "no id but null",
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#.to_owned(),
            -32600,
            Some("`id` must be a string or an integer"),
        ),
        (
            "an id that is none",
            r#"{"jsonrpc":"2.0","id":[],"method":"tools/list"}"#.to_owned(),
            -32600,
            Some("`id` must be a string or an integer"),
        ),
        (
            "a method that is none",
            r#"{"jsonrpc":"2.0","id":1,"method":{"a":1}}"#.to_owned(),
            -32600,
            Some(shape),
        ),
        (
            "two ids",
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#.to_owned(),
            -32600,
            Some(shape),
        ),
        (
            "result and error",
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#.to_owned(),
            -32600,
            Some(shape),
        ),
        ("neither of them", r#"{"jsonrpc":"2.0","id":1}"#.to_owned(), -32600, Some(shape)),
    ] {
        let (status, body) = answer(post(&server, LAPTOP, body)).await;
        let message =
            message.map_or_else(|| body["error"]["message"].as_str().unwrap().to_owned(), ToOwned::to_owned);
        assert_eq!((status, body), (400, error(code, &message)), "{case}");
    }
    let (status, body) = answer(post(&server, LAPTOP, vec![0xff, 0xfe, b'{', b'}'])).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(-32700)));
    assert_eq!(answer(stateless(&server, LAPTOP, "tools/list", json!({}))).await.0, 200);
}

#[tokio::test]
async fn a_body_has_at_most_4_mib() {
    let server = Server::start(TWO_AGENTS);
    let expected = (413, error(-32600, "the body has more than 4194304 bytes"));
    for size in [4 * 1024 * 1024 + 1, 12 * 1024 * 1024] {
        assert_eq!(answer(post(&server, LAPTOP, vec![b' '; size])).await, expected);
    }
    let full = format!("{}{}", " ".repeat(4 * 1024 * 1024 - 2), "{}");
    assert_eq!(answer(post(&server, LAPTOP, full)).await, (400, error(-32600, "`jsonrpc` must be \"2.0\"")));
    let stranger = answer(post(&server, "wrong", vec![b' '; 200_000])).await;
    assert_eq!(stranger.0, 401, "the answer comes before the body's end, and arrives");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_by_name() {
    let server = Server::start(TWO_AGENTS);
    let session = session(&server, LAPTOP).await;
    for (case, tool, arguments, expected) in [
        ("a wrong type", "core.sum", json!({ "a": "1", "b": 2 }), "`a`"),
        ("null", "core.sum", json!({ "a": null, "b": 2 }), "`a`"),
        ("a missing one", "core.sum", json!({ "a": 1 }), "`b`"),
        ("none", "core.echo", json!({}), "`text`"),
        ("an unknown one", "core.echo", json!({ "text": "x", "loud": true }), "`loud`"),
    ] {
        let params = json!({ "name": tool, "arguments": arguments });
        for request in [
            stateless(&server, LAPTOP, "tools/call", params.clone()),
            in_session(&server, LAPTOP, &session, &request("tools/call", params.clone())),
        ] {
            let (status, body) = answer(request).await;
            let result = &body["result"];
            assert_eq!((status, &result["isError"]), (200, &json!(true)), "{case}: {body}");
            assert!(result["content"][0]["text"].as_str().unwrap().contains(expected), "{case}: {body}");
            let reasons = result["_meta"]["mcp-universal-server/denial"]["reasons"].as_array().unwrap();
            assert!(reasons.iter().all(|reason| reason["code"] == "invalid_arguments"), "{case}: {body}");
            assert_eq!(result.get("structuredContent"), None);
        }
    }
}

#[tokio::test]
async fn params_that_cannot_be_read_are_invalid_and_not_an_unknown_method() {
    let server = Server::start(TWO_AGENTS);
    let session = session(&server, LAPTOP).await;
    for (method, params) in [
        ("tools/call", json!({ "name": 5 })),
        ("tools/call", json!({ "name": "core.echo", "arguments": ["x"] })),
        ("tools/call", json!({})),
        ("resources/read", json!({ "uri": 5 })),
        ("prompts/get", json!({ "name": "review_pr", "arguments": 5 })),
    ] {
        let message = format!("the params of `{method}` cannot be read");
        let (status, body) =
            answer(in_session(&server, LAPTOP, &session, &request(method, params.clone()))).await;
        assert_eq!(
            (status, &body["error"]),
            (200, &json!({ "code": -32602, "message": message })),
            "{params}"
        );
    }
}

#[tokio::test]
async fn headers_and_body_must_say_the_same() {
    let server = Server::start(TWO_AGENTS);
    let echo = json!({ "name": "core.echo", "arguments": { "text": "x" } });
    let replace = |header: &'static str, value: Option<&'static str>| {
        let mut request = stateless(&server, LAPTOP, "tools/call", echo.clone()).build().unwrap();
        request.headers_mut().remove(header);
        if let Some(value) = value {
            request.headers_mut().insert(header, value.parse().unwrap());
        }
        reqwest::RequestBuilder::from_parts(http(), request)
    };
    for (header, value, status, code) in [
        ("mcp-name", Some("core.sum"), 400, -32020),
        ("mcp-name", None, 400, -32020),
        ("mcp-method", Some("tools/list"), 400, -32020),
        ("mcp-method", None, 400, -32020),
        ("mcp-protocol-version", Some("2025-11-25"), 400, -32020),
        ("mcp-protocol-version", None, 400, -32020),
    ] {
        let (answered, body) = answer(replace(header, value)).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)), "{header}: {value:?}: {body}");
    }
    let mut unknown: Value = serde_json::from_slice(
        stateless(&server, LAPTOP, "tools/list", json!({}))
            .build()
            .unwrap()
            .body()
            .unwrap()
            .as_bytes()
            .unwrap(),
    )
    .unwrap();
    unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
    let unknown = post(&server, LAPTOP, unknown.to_string());
    let unknown = unknown.header("mcp-protocol-version", "2031-01-01").header("mcp-method", "tools/list");
    let (status, body) = answer(unknown).await;
    let error = &body["error"];
    assert_eq!((status, &error["code"]), (400, &json!(-32022)), "{body}");
    assert_eq!(error["data"]["supported"], json!(["2025-06-18", "2025-11-25", "2026-07-28"]));
}

#[tokio::test]
async fn what_rmcp_says_in_plain_words_is_json_too() {
    let server = Server::start(TWO_AGENTS);
    let session = session(&server, LAPTOP).await;
    let list = request("tools/list", json!({}));
    let mut choosy = in_session(&server, LAPTOP, &session, &list).build().unwrap();
    choosy.headers_mut().insert("accept", "application/json".parse().unwrap());
    let (status, body) = answer(reqwest::RequestBuilder::from_parts(http(), choosy)).await;
    let message = "Not Acceptable: Client must accept both application/json and text/event-stream";
    assert_eq!((status, body), (406, json!({ "error": "refused", "message": message })));
    let odd = in_session(&server, LAPTOP, &session, &list).header("mcp-protocol-version", "1999-01-01");
    let (status, body) = answer(odd).await;
    let message = "Bad Request: Unsupported MCP-Protocol-Version: 1999-01-01";
    assert_eq!((status, body), (400, json!({ "error": "refused", "message": message })));
}

#[tokio::test]
async fn a_foreign_session_is_an_unknown_one() {
    let server = Server::start(TWO_AGENTS);
    let session = session(&server, LAPTOP).await;
    let list = request("tools/list", json!({}));
    let foreign = answer(in_session(&server, REVIEWER, &session, &list)).await;
    assert_eq!(foreign.0, 404);
    assert_eq!(foreign, answer(in_session(&server, REVIEWER, "nonsense", &list)).await);
    assert_eq!(answer(in_session(&server, LAPTOP, &session, &list)).await.0, 200);
}
