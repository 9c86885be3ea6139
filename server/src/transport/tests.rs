//! The door on its own, with a plugin that waits and panics when told to.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use plugin_contract::op::{CallTool, Content, ToolResult};
use serde_json::{Value, json};
use server_core::{
    config::{self, Environment, Included, Source},
    gateway::{CallLog, CallRecord, Gateway},
    invocation::Invocation,
    registry::{Instance, InvokeError, Plugin, Provenance, Registry},
    settings::Isolation,
    snapshot::{Content as SnapshotContent, Live},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{Door, Listeners, serve};
use crate::readiness::Readiness;

mod changes;
mod crowds;
mod endings;
mod moves;
mod revoked;
mod sessions;
mod slow;
mod stalled;

const LAPTOP: &str = "laptop-token-0123456789-0123456789-abcdef";
const REVIEWER: &str = "reviewer-token-0123456789-0123456789-abcd";

/// For an agent that changes its token.
const SPARE: &str = "spare-token-0123456789-0123456789-abcdefg";

const CONFIG: &str = r#"version: 1
server: { listen: "127.0.0.1:0" }
tenants:
  research: { tools: ["*"] }
agents:
  laptop:
    tenant: research
    token: "${LAPTOP}"
    tools: ["demo.*"]
    limits: { concurrency: 1000, rate_limit: 100000/s }
  reviewer:
    tenant: research
    token: "${REVIEWER}"
    tools: ["demo.echo"]
"#;

/// How long anything may take. It only matters when something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

struct Tokens;

impl Environment for Tokens {
    fn variable(&self, name: &str) -> Option<String> {
        let tokens = [("LAPTOP", LAPTOP), ("REVIEWER", REVIEWER), ("SPARE", SPARE)];
        tokens.iter().find(|(known, _)| *known == name).map(|(_, token)| (*token).to_owned())
    }

    fn file(&self, _path: &Path) -> Result<String, String> {
        Err("there are no files".to_owned())
    }

    fn included(&self, _pattern: &Path) -> Result<Vec<Included>, String> {
        Ok(Vec::new())
    }
}

/// `demo.echo` answers at once, `demo.wait` when it is let go, `demo.panic`
/// never.
struct Demo {
    let_go: Arc<Semaphore>,
    running: Arc<watch::Sender<usize>>,
}

struct Running(Arc<watch::Sender<usize>>);

impl Running {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Instance for Demo {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        let call: CallTool = serde_json::from_slice(&invocation.input).unwrap();
        let (let_go, running) = (self.let_go.clone(), self.running.clone());
        Box::pin(async move {
            match call.name.as_str() {
                "demo.panic" => panic!("as told"),
                "demo.wait" => {
                    let _running = Running::new(&running);
                    let_go.acquire().await.unwrap().forget();
                }
                _ => {}
            }
            let result = ToolResult::new(vec![Content::text("done")]);
            Ok(serde_json::to_vec(&result).unwrap())
        })
    }
}

/// Where a test sees how calls ended.
struct Ends(mpsc::UnboundedSender<&'static str>);

impl CallLog for Ends {
    fn record(&self, record: &CallRecord) {
        let _ = self.0.send(record.outcome.as_str());
    }
}

struct Server {
    address: SocketAddr,
    listeners: Listeners,
    live: Arc<Live>,
    door: Door,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    let_go: Arc<Semaphore>,
    running: watch::Receiver<usize>,
    ends: mpsc::UnboundedReceiver<&'static str>,
    demo: Arc<Demo>,
    ids: AtomicUsize,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(crate::mcp::PACE).await
    }

    /// One that is so long silent.
    async fn start_with(pace: Duration) -> Self {
        let (running, is_running) = watch::channel(0);
        let let_go = Arc::new(Semaphore::new(0));
        let demo = Arc::new(Demo { let_go: let_go.clone(), running: Arc::new(running) });
        let live = Arc::new(Live::new(content(CONFIG, demo.clone())));
        let (sender, ends) = mpsc::unbounded_channel();
        let gateway = Arc::new(Gateway::new(live.clone(), Arc::new(Ends(sender))));
        let door = Door::with_pace(gateway, Arc::new(Readiness::default()), pace);
        let listeners = Listeners::new(live.clone(), door.router(), axum::Router::new());
        listeners.prepare(&live.load().settings).await.unwrap().commit();
        let [(_, address)] = listeners.addresses()[..] else { panic!("one address") };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listeners.clone(), door.clone(), shutdown.clone()));
        let ids = AtomicUsize::new(100);
        Self {
            address,
            listeners,
            live,
            door,
            shutdown,
            serving,
            let_go,
            running: is_running,
            ends,
            demo,
            ids,
        }
    }

    /// Another configuration, as a reload brings it into force.
    fn reload(&self, config: &str) {
        self.live.publish(content(config, self.demo.clone()));
        self.door.reloaded();
    }

    fn reap(&self, now: Instant) {
        self.door.0.sessions.reap(now, super::sessions::IDLE);
    }

    fn sessions(&self) -> usize {
        self.door.0.sessions.count()
    }

    /// Waits until that many calls of `demo.wait` run.
    async fn running(&self, count: usize) {
        let mut running = self.running.clone();
        timeout(PATIENCE, running.wait_for(|running| *running == count)).await.unwrap().unwrap();
    }

    /// How the next call ends.
    async fn end(&mut self) -> &'static str {
        timeout(PATIENCE, self.ends.recv()).await.unwrap().unwrap()
    }

    /// Lets so many of them go.
    fn let_go(&self, count: usize) {
        self.let_go.add_permits(count);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn post(&self, token: &str, body: &Value) -> reqwest::RequestBuilder {
        client()
            .post(self.url("/mcp"))
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// A request of 2026-07-28.
    fn stateless(&self, token: &str, method: &str, mut params: Value) -> reqwest::RequestBuilder {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        self.post(token, &json!({ "jsonrpc": "2.0", "id": self.id(), "method": method, "params": params }))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name)
    }

    /// A request or notification in a session of 2025-11-25.
    fn in_session(&self, token: &str, session: &str, body: &Value) -> reqwest::RequestBuilder {
        self.post(token, body).header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25")
    }

    fn call(&self, tool: &str) -> Value {
        call(self.id(), tool)
    }

    fn id(&self) -> usize {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn initialize(&self, token: &str) -> reqwest::RequestBuilder {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        self.post(token, &json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }))
    }

    /// A new session's id.
    async fn session(&self, token: &str) -> String {
        let response = self.initialize(token).send().await.unwrap();
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        assert_eq!(events(response).await[0]["result"]["protocolVersion"], "2025-11-25");
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let response = self.in_session(token, &session, &initialized).send().await.unwrap();
        assert_eq!(response.status(), 202);
        session
    }

    fn get(&self, token: &str, session: &str) -> reqwest::RequestBuilder {
        let get = client().get(self.url("/mcp")).bearer_auth(token).header("accept", "text/event-stream");
        get.header("mcp-session-id", session)
    }

    fn delete(&self, token: &str, session: &str) -> reqwest::RequestBuilder {
        client().delete(self.url("/mcp")).bearer_auth(token).header("mcp-session-id", session)
    }
}

fn call(id: usize, tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } })
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// The messages of an event stream, until it ends.
async fn events(response: reqwest::Response) -> Vec<Value> {
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn content(config: &str, demo: Arc<Demo>) -> SnapshotContent {
    let source = Source { path: "config.yaml".into(), text: config.to_owned() };
    let compiled = config::compile(&source, &Tokens).unwrap();
    let tool = |name: &str| json!({ "name": name, "description": "Does as told.", "input_schema": { "type": "object" } });
    let manifest = serde_json::from_value(json!({
        "name": "demo", "version": "1.0.0", "release": 1, "api": "1.0", "target": "any",
        "tools": [tool("demo.echo"), tool("demo.panic"), tool("demo.wait")],
        "resource_templates": [{ "uri_template": "demo://pages/{page}", "name": "pages" }],
    }))
    .unwrap();
    let provenance = Provenance {
        folder: "plugins.d/demo".into(),
        signer: "acme".parse().unwrap(),
        key_id: "0000000000000000".to_owned(),
        sha256: "0".repeat(64),
    };
    let granted = BTreeSet::new();
    let plugin = Plugin {
        manifest,
        provenance,
        isolation: Isolation::InProcess,
        granted,
        instance: demo,
        prepared: Default::default(),
    };
    let (registry, refusals) = Registry::admit([Arc::new(plugin)]);
    assert_eq!(refusals, []);
    SnapshotContent { config_sha256: compiled.sha256, settings: compiled.settings, registry }
}
