//! Arguments that a client repeats in headers, so that proxies can route by them:
//! a tool's schema says which, with `x-mcp-header`. rmcp compares them, and asks
//! for the schema before there is a request to handle.

use std::sync::Arc;

use plugin_contract::manifest::ToolSpec;
use rmcp::model::Tool;
use serde_json::Value;
use server_core::{gateway::Gateway, principal::Principal};

tokio::task_local! {
    static CALLER: Principal;
}

/// Runs the handling of a request that `principal` sent.
pub async fn on_behalf_of<T>(principal: Principal, handling: impl Future<Output = T>) -> T {
    CALLER.scope(principal, handling).await
}

/// The tool of that name, if its schema mirrors arguments and the caller may use
/// it: whoever may not is to learn nothing of it.
pub(super) fn tool(gateway: &Gateway, name: &str) -> Option<Tool> {
    let principal = CALLER.try_with(Clone::clone).ok()?;
    let tool = gateway.tool_for(&principal, name).filter(|tool| mirrors(&tool.spec))?;
    Some(Tool::new(name.to_owned(), "", Arc::new(tool.spec.input_schema.clone())))
}

fn mirrors(spec: &ToolSpec) -> bool {
    let properties = spec.input_schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| properties.values().any(|it| it.get("x-mcp-header").is_some()))
}
