//! An agent's client: it sends what a client sends, and believes no answer.

use std::{
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Value, json};

use crate::{Failure, connection::Connection};

const REVISION: &str = "mcp-protocol-version";
const SESSION: &str = "mcp-session-id";

/// How a call is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// 2026-07-28: every request stands alone, the answer is JSON.
    Stateless,
    /// 2025-11-25: in a session, the answer is a stream of events.
    Session,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "2026-07-28",
            Self::Session => "session",
        }
    }
}

/// Whom to call, and as whom.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) mode: Mode,
}

/// A connected client.
pub(crate) struct Caller {
    agent: Agent,
    connection: Connection,
    headers: HeaderMap,
    number: usize,
    calls: u64,
}

impl Caller {
    /// Connects, and opens a session where there are sessions.
    pub(crate) async fn open(agent: &Agent, number: usize) -> Result<Self, Failure> {
        Self::open_from(Ipv4Addr::LOCALHOST, agent, number).await
    }

    /// The same from an address of this machine's own.
    pub(crate) async fn open_from(own: Ipv4Addr, agent: &Agent, number: usize) -> Result<Self, Failure> {
        let connection = Connection::open_from(own, agent.address).await?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value(format!("Bearer {}", agent.token))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let mut caller = Self { agent: agent.clone(), connection, headers, number, calls: 0 };
        if agent.mode == Mode::Session {
            caller.initialize().await?;
        }
        Ok(caller)
    }

    /// The same client, connected anew.
    pub(crate) async fn again(&self) -> Result<Self, Failure> {
        let again = Self::open(&self.agent, self.number).await?;
        Ok(Self { calls: self.calls, ..again })
    }

    /// Uses another token from now on.
    pub(crate) fn with_token(&mut self, token: &str) -> Result<(), Failure> {
        self.headers.insert(AUTHORIZATION, value(format!("Bearer {token}"))?);
        Ok(())
    }

    /// Has 64 bytes echoed that no other call sends. The answer is how long it
    /// took, until the last byte was there.
    pub(crate) async fn echo(&mut self) -> Result<Duration, Failure> {
        self.calls += 1;
        let mut text = format!("client {} call {} ", self.number, self.calls);
        text.extend(std::iter::repeat_n('.', 64_usize.saturating_sub(text.len())));
        let body = self.body("tools/call", json!({ "name": "core.echo", "arguments": { "text": text } }));
        self.named("tools/call", Some("core.echo"))?;
        let begun = Instant::now();
        let response = self.connection.send("POST", "/mcp", &self.headers, body).await?;
        let took = begun.elapsed();
        let answer = message(response.status(), response.headers(), response.body(), self.calls)?;
        let result = answer.get("result").ok_or_else(|| format!("no result: {answer}"))?;
        let is_error = result.get("isError").is_some_and(|it| *it != json!(false));
        if is_error || result.get("content") != Some(&json!([{ "type": "text", "text": text }])) {
            return Err(format!("`{text}` was to be echoed: {answer}"));
        }
        Ok(took)
    }

    /// Asks something else. The answer is the status, and the JSON-RPC message
    /// if it is 200.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        name: Option<&str>,
        params: Value,
    ) -> Result<(StatusCode, Value), Failure> {
        self.calls += 1;
        let body = self.body(method, params);
        self.named(method, name)?;
        let response = self.connection.send("POST", "/mcp", &self.headers, body).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Ok((status, Value::Null));
        }
        Ok((status, message(status, response.headers(), response.body(), self.calls)?))
    }

    async fn initialize(&mut self) -> Result<(), Failure> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "bench", "version": "1" },
        });
        self.calls += 1;
        let body = self.body("initialize", params);
        let response = self.connection.send("POST", "/mcp", &self.headers, body).await?;
        message(response.status(), response.headers(), response.body(), self.calls)?;
        let session = response.headers().get(SESSION).ok_or("the server opened no session")?;
        self.headers.insert(SESSION, session.clone());
        self.headers.insert(REVISION, HeaderValue::from_static("2025-11-25"));
        let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
        let response = self.connection.send("POST", "/mcp", &self.headers, body.into()).await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(()),
            status => Err(format!("the session did not begin: {status}")),
        }
    }

    fn body(&self, method: &str, mut params: Value) -> Bytes {
        if self.agent.mode == Mode::Stateless
            && let Some(params) = params.as_object_mut()
        {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            params.insert("_meta".to_owned(), meta);
        }
        json!({ "jsonrpc": "2.0", "id": self.calls, "method": method, "params": params }).to_string().into()
    }

    fn named(&mut self, method: &str, name: Option<&str>) -> Result<(), Failure> {
        if self.agent.mode == Mode::Stateless {
            self.headers.insert(REVISION, HeaderValue::from_static("2026-07-28"));
            self.headers.insert("mcp-method", value(method)?);
            match name {
                Some(name) => self.headers.insert("mcp-name", value(name)?),
                None => self.headers.remove("mcp-name"),
            };
        }
        Ok(())
    }
}

/// The message in a response that answers the request with this id.
fn message(status: StatusCode, headers: &HeaderMap, body: &[u8], id: u64) -> Result<Value, Failure> {
    let text = String::from_utf8_lossy(body);
    let wrong = |what: &dyn Display| format!("{what}: {status} {text}");
    if status != StatusCode::OK {
        return Err(wrong(&"a refusal"));
    }
    let is_stream =
        headers.get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"));
    let mut messages = if is_stream {
        // The first event of a stream may be an empty one.
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(str::trim).filter(|data| !data.is_empty()).map(serde_json::from_str::<Value>).collect()
    } else {
        serde_json::from_slice(body).map(|message| vec![message])
    }
    .map_err(|error| wrong(&error))?;
    match (messages.pop(), messages.is_empty()) {
        (Some(message), true) if message.get("id") == Some(&json!(id)) => Ok(message),
        _ => Err(wrong(&format!("not just the answer to {id}"))),
    }
}

fn value(text: impl AsRef<str>) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text.as_ref()).map_err(|error| error.to_string())
}
