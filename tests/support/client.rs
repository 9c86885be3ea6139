//! Clients: rmcp's in both eras, and bare HTTP.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicU32, Ordering},
};

use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResult, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};

use super::Server;

/// The two ways to speak MCP over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25: `initialize`, then a session.
    Session,
    /// 2026-07-28: every request stands alone.
    Stateless,
}

/// Both of them.
pub(crate) const ERAS: [Era; 2] = [Era::Session, Era::Stateless];

/// A connected MCP client.
pub(crate) struct Client(pub(crate) RunningService<RoleClient, ()>);

impl Client {
    /// Connects with a token, in the given era.
    pub(crate) async fn connect(server: &Server, token: &str, era: Era) -> Self {
        let config = StreamableHttpClientTransportConfig::with_uri(server.url("/mcp")).auth_header(token);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let lifecycle = match era {
            Era::Session => ClientLifecycleMode::Initialize,
            Era::Stateless => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        };
        Self(().serve_with_lifecycle(transport, lifecycle).await.unwrap())
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        self.0.call_tool(CallToolRequestParams::new(name.to_owned()).with_arguments(arguments)).await
    }

    /// Calls a tool that must answer one text block, and gives the text.
    pub(crate) async fn text(&self, name: &str, arguments: Value) -> String {
        let result = self.call(name, arguments).await.unwrap();
        only_text(&result)
    }

    /// The names of the tools that are listed.
    pub(crate) async fn tools(&self) -> Vec<String> {
        self.0.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.into_owned()).collect()
    }
}

/// The text of a result that has one text block and nothing else.
pub(crate) fn only_text(result: &CallToolResult) -> String {
    let result = serde_json::to_value(result).unwrap();
    assert_eq!(result["content"].as_array().map(Vec::len), Some(1), "{result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

/// A client that sends what a test tells it to.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The same, from a loopback address of its own: whoever fails to enter again and
/// again from the same one is made to wait.
pub(crate) fn http_from_elsewhere() -> reqwest::Client {
    static ADDRESS: AtomicU32 = AtomicU32::new(0x7f00_0100);
    let address = Ipv4Addr::from_bits(ADDRESS.fetch_add(1, Ordering::Relaxed));
    reqwest::Client::builder().no_proxy().local_address(IpAddr::from(address)).build().unwrap()
}

/// A POST to `/mcp` in the stateless era, with all that it demands.
pub(crate) fn stateless(
    server: &Server,
    token: &str,
    method: &str,
    params: Value,
) -> reqwest::RequestBuilder {
    stateless_with(&http(), server, token, method, params)
}

/// The same from a client that others share.
pub(crate) fn stateless_with(
    client: &reqwest::Client,
    server: &Server,
    token: &str,
    method: &str,
    params: Value,
) -> reqwest::RequestBuilder {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name =
        params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(ToOwned::to_owned);
    let mut request = client
        .post(server.url("/mcp"))
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    request.json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}
