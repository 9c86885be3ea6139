//! The door as a client meets it, over bare HTTP.

use serde_json::{Value, json};

use crate::support::{Server, client::http};

mod entry;
mod hostile;
mod protocol;

/// A POST to `/mcp` with what every one of them needs, and any body.
fn post(server: &Server, token: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    http()
        .post(server.url("/mcp"))
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .body(body)
}

pub(crate) fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The header of a new session.
pub(crate) async fn session(server: &Server, token: &str) -> String {
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    let response = post(server, token, request("initialize", params).to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
}

/// A request in a session.
pub(crate) fn in_session(
    server: &Server,
    token: &str,
    session: &str,
    body: &Value,
) -> reqwest::RequestBuilder {
    post(server, token, body.to_string()).header("mcp-session-id", session)
}

/// Status and JSON, from a JSON body or the one message of an event stream.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let streams = response.headers()["content-type"] == "text/event-stream";
    let text = response.text().await.unwrap();
    let json = if streams {
        let data =
            text.lines().filter_map(|line| line.strip_prefix("data:")).find(|data| !data.trim().is_empty());
        data.unwrap().to_owned()
    } else {
        text
    };
    (status, serde_json::from_str(&json).unwrap())
}
