//! The lowest floor: HTTP and JSON-RPC, and nothing that makes it MCP.

use std::io::{self, Write};

use axum::{Router, body::Bytes, routing::post, serve::ListenerExt};
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let line = json!({ "message": "listening", "address": listener.local_addr()?.to_string() });
    writeln!(io::stdout(), "{line}")?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/mcp", post(answer))).await
}

type Json = ([(HeaderName, HeaderValue); 1], String);

async fn answer(body: Bytes) -> Result<Json, StatusCode> {
    let request: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let text = request.pointer("/params/arguments/text").and_then(Value::as_str);
    let (Some(id), Some("tools/call"), Some(text)) =
        (request.get("id"), request.get("method").and_then(Value::as_str), text)
    else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let result = json!({ "content": [{ "type": "text", "text": text }], "isError": false });
    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer.to_string()))
}
