//! What agents may read: files and databases, through the bundled plugins.

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, Server,
    client::{Client, ERAS, stateless},
};

mod database;
mod files;
mod system;

/// What a tool answers: its structured result, or its text, or the reasons against
/// and what to do, one line each.
async fn told(server: &Server, tool: &str, arguments: Value) -> Value {
    let request = stateless(server, LAPTOP, "tools/call", json!({ "name": tool, "arguments": arguments }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let result = &answer["result"];
    let denial = &result["_meta"]["mcp-universal-server/denial"]["reasons"];
    if let Some(reasons) = denial.as_array() {
        let line = |reason: &Value| {
            let text = |key: &str| reason[key].as_str().unwrap_or_default().to_owned();
            format!("{}: {}; {}", text("code"), text("message"), text("help"))
        };
        return reasons.iter().map(line).collect::<Vec<_>>().into();
    }
    match &result["structuredContent"] {
        Value::Null if result.is_null() => answer["error"]["message"].clone(),
        Value::Null => {
            let texts = result["content"].as_array().unwrap().iter();
            texts.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n").into()
        }
        structured => structured.clone(),
    }
}
