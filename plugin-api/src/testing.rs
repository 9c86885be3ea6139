//! Call a plugin without a server.
//!
//! ```
//! use plugin_api::{prelude::*, testing::Harness};
//!
//! fn plugin() -> Plugin {
//!     Plugin::new("whoami", "1.0.0").tool(Tool::new(
//!         "whoami.name",
//!         "Tells you your name.",
//!         |call: &Call, (): ()| -> Result<String, CallError> { Ok(call.agent()?.agent) },
//!     ))
//! }
//!
//! let agent = plugin_api::testing::agent();
//! let result = Harness::new(plugin())
//!     .agent(agent)
//!     .call_tool("whoami.name", serde_json::json!({}));
//! assert_eq!(result.unwrap().content, [Content::text("tester")]);
//! ```
//!
//! A plugin that asks finds the answers that a test gives, as in a session:
//!
//! ```
//! use plugin_api::{ClientAbout, prelude::*, testing::Harness};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Name {
//!     name: String,
//! }
//!
//! fn plugin() -> Plugin {
//!     Plugin::new("hello", "1.0.0").tool(Tool::new(
//!         "hello.you",
//!         "Greets the person.",
//!         |call: &Call, (): ()| -> Result<String, CallError> {
//!             match call.ask("name", &Form::<Name>::new("What is your name?"))? {
//!                 Elicited::Accept { content } => Ok(format!("Hello, {}!", content.name)),
//!                 Elicited::Decline | Elicited::Cancel => Ok("Hello, whoever you are!".to_owned()),
//!             }
//!         },
//!     ))
//! }
//!
//! let harness = Harness::new(plugin())
//!     .client(ClientAbout { elicitation: true, ..ClientAbout::default() })
//!     .answer("name", serde_json::json!({"action": "accept", "content": {"name": "Ada"}}));
//! let result = harness.call_tool("hello.you", serde_json::json!({}));
//! assert_eq!(result.unwrap().content, [Content::text("Hello, Ada!")]);
//! ```
//!
//! Requests take the way that they take in a server, as bytes. One thing is
//! missing: the server checks a tool's arguments against its schema first, and
//! that required arguments of a prompt are there. Here only serde does, so that a
//! plugin's tests need no JSON Schema validator.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use plugin_contract::{
    Manifest,
    op::{
        AgentAbout, Answers, Ask, CallState, ClientAbout, ClientLog, Completion, Detach, ErrorCode,
        FiltersAbout, LimitsAbout, LogLine, Offer, OpError, Progress, PromptResult, ResourceContents,
        ServerAbout, ToolResult, Updated, host, plugin as op,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    HttpRequest, HttpResponse, LlmAnswer, LlmQuery, Plugin, call::Services, definition::Definition,
    instance::Instance,
};

/// A plugin with a scripted host.
pub struct Harness {
    instance: Instance,
    manifest: Manifest,
    host: Arc<ScriptedHost>,
}

#[derive(Default)]
struct ScriptedHost(Mutex<Script>);

#[derive(Default)]
struct Script {
    server: Option<ServerAbout>,
    agent: Option<AgentAbout>,
    client: ClientAbout,
    answers: BTreeMap<String, Value>,
    cancelled: bool,
    served: BTreeMap<String, Result<Value, OpError>>,
    asked: Vec<(String, Value)>,
    log: Vec<LogLine>,
    said: Vec<Said>,
    http: Option<Server>,
    models: Option<Models>,
}

/// Answers the requests of a plugin.
type Server = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, OpError> + Send + Sync>;

/// Answers the questions of a plugin.
type Models = Box<dyn Fn(&LlmQuery) -> Result<LlmAnswer, OpError> + Send + Sync>;

/// What a plugin told somebody else than the server's log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Said {
    /// The client, how far it is.
    Progress(Progress),
    /// The client's log.
    Log(ClientLog),
    /// Those who subscribed, that a resource has changed.
    Updated(String),
    /// Everyone, that something is to be had, or is not.
    Offer(Offer),
}

impl Harness {
    /// A plugin whose operator configures nothing.
    ///
    /// # Panics
    /// With everything that is wrong with the plugin's definition.
    pub fn new(plugin: Plugin) -> Self {
        Self::with_config(plugin, &Value::Null).unwrap_or_else(|error| fail(&error))
    }

    /// A plugin with an operator's configuration, or what the operator is told.
    pub fn with_config(plugin: Plugin, config: &Value) -> Result<Self, String> {
        let definition = Definition::new(plugin).map_err(|error| error.to_string())?;
        let manifest = definition.manifest.clone();
        let host = Arc::new(ScriptedHost::default());
        let instance = Instance::new(definition, host.clone(), &config.to_string())?;
        Ok(Self { instance, manifest, host })
    }

    /// What [`Call::server`](crate::Call::server) answers.
    #[must_use]
    pub fn server(self, server: ServerAbout) -> Self {
        self.host.with(|script| script.server = Some(server));
        self
    }

    /// What [`Call::agent`](crate::Call::agent) answers.
    #[must_use]
    pub fn agent(self, agent: AgentAbout) -> Self {
        self.host.with(|script| script.agent = Some(agent));
        self
    }

    /// What [`Call::client`](crate::Call::client) answers; by default a client that
    /// can be asked nothing.
    #[must_use]
    pub fn client(self, client: ClientAbout) -> Self {
        self.host.with(|script| script.client = client);
        self
    }

    /// What the client answers to the question of that key, in MCP's own shape.
    #[must_use]
    pub fn answer(self, key: &str, answer: Value) -> Self {
        self.host.with(|script| script.answers.insert(key.to_owned(), answer));
        self
    }

    /// What the host answers to an operation of [`plugin_contract::op::host`] that
    /// reaches the world, such as `files/read`, in the operation's own shape; or how
    /// it refuses.
    #[must_use]
    pub fn serve(self, op: &str, answer: Result<Value, OpError>) -> Self {
        self.host.with(|script| script.served.insert(op.to_owned(), answer));
        self
    }

    /// What the plugin has asked such operations for so far.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.host.with(|script| script.asked.clone())
    }

    /// What [`Call::http`](crate::Call::http) answers.
    #[must_use]
    pub fn http(
        self,
        server: impl Fn(&HttpRequest) -> Result<HttpResponse, OpError> + Send + Sync + 'static,
    ) -> Self {
        self.host.with(|script| script.http = Some(Box::new(server)));
        self
    }

    /// What [`Call::llm`](crate::Call::llm) answers.
    #[must_use]
    pub fn llm(
        self,
        models: impl Fn(&LlmQuery) -> Result<LlmAnswer, OpError> + Send + Sync + 'static,
    ) -> Self {
        self.host.with(|script| script.models = Some(Box::new(models)));
        self
    }

    /// Calls from now on are cancelled when they begin.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.host.with(|script| script.cancelled = true);
        self
    }

    /// The plugin's manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Calls a tool.
    pub fn call_tool(&self, name: &str, arguments: Value) -> Result<ToolResult, OpError> {
        self.ask(op::CALL_TOOL, &json!({"name": name, "arguments": arguments}))
    }

    /// Reads a resource.
    pub fn read_resource(&self, uri: &str) -> Result<ResourceContents, OpError> {
        self.ask(op::READ_RESOURCE, &json!({"uri": uri}))
    }

    /// Fills in a prompt.
    pub fn get_prompt(&self, name: &str, arguments: Value) -> Result<PromptResult, OpError> {
        self.ask(op::GET_PROMPT, &json!({"name": name, "arguments": arguments}))
    }

    /// Completes an argument of a prompt.
    pub fn complete_prompt(&self, name: &str, argument: &str, value: &str) -> Result<Completion, OpError> {
        self.ask(op::COMPLETE, &json!({"of": {"prompt": name}, "argument": argument, "value": value}))
    }

    /// Completes a variable of a resource template.
    pub fn complete_template(
        &self,
        uri_template: &str,
        variable: &str,
        value: &str,
    ) -> Result<Completion, OpError> {
        let of = json!({"template": uri_template});
        self.ask(op::COMPLETE, &json!({"of": of, "argument": variable, "value": value}))
    }

    /// What the plugin has told clients so far.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.host.with(|script| script.said.clone())
    }

    /// What the plugin has logged so far.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.host.with(|script| script.log.clone())
    }

    fn ask<O: DeserializeOwned>(&self, op: &str, input: &Value) -> Result<O, OpError> {
        let answer = self.instance.invoke(op, b"test", input.to_string().as_bytes());
        match answer {
            Ok(answer) => Ok(read(&answer)),
            Err(error) => Err(read(&error)),
        }
    }
}

/// A server to answer with, made up.
#[must_use]
pub fn server() -> ServerAbout {
    ServerAbout {
        name: "mcp-universal-server".to_owned(),
        version: "0.1.0".to_owned(),
        generation: 1,
        protocol_versions: vec!["2025-11-25".to_owned()],
        plugin_api: "1.0".to_owned(),
        uptime_seconds: 60,
        plugins: Vec::new(),
    }
}

/// An agent to answer with, made up: it may do nothing yet.
#[must_use]
pub fn agent() -> AgentAbout {
    AgentAbout {
        agent: "tester".to_owned(),
        tenant: "tests".to_owned(),
        generation: 1,
        tools: Vec::new(),
        denied_tools: Vec::new(),
        resources: Vec::new(),
        prompts: Vec::new(),
        capabilities: Vec::new(),
        files: Vec::new(),
        databases: Vec::new(),
        limits: LimitsAbout {
            max_payload_bytes: 65_536,
            max_response_bytes: 262_144,
            timeout_seconds: 30,
            concurrency: 8,
            rate_limit: "60/min".to_owned(),
        },
        tool_limits: Vec::new(),
        filters: FiltersAbout::default(),
        llm: None,
    }
}

impl ScriptedHost {
    fn with<T>(&self, read: impl FnOnce(&mut Script) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Script {
    fn answer(&mut self, op: &str, input: &[u8]) -> Result<Vec<u8>, OpError> {
        let missing = |what: &str| {
            OpError::new(ErrorCode::Failed, format!("the test's harness has no {what} for `{op}`"))
        };
        match op {
            host::LOG => self.log.push(read(input)),
            host::PROGRESS => self.said.push(Said::Progress(read(input))),
            host::CLIENT_LOG => self.said.push(Said::Log(read(input))),
            host::RESOURCE_UPDATED => self.said.push(Said::Updated(read::<Updated>(input).uri)),
            host::OFFER => self.said.push(Said::Offer(read(input))),
            host::ABOUT_SERVER => return self.server.as_ref().map(write).ok_or_else(|| missing("server")),
            host::ABOUT_AGENT => return self.agent.as_ref().map(write).ok_or_else(|| missing("agent")),
            host::ABOUT_CLIENT => return Ok(write(&self.client)),
            host::CALL_STATE => {
                return Ok(write(&CallState { cancelled: self.cancelled, remaining_ms: 30_000 }));
            }
            host::DETACH => return self.detach(read(input)).map(|detached| write(&detached)),
            host::HTTP => {
                let server = self.http.as_ref().ok_or_else(|| missing("server"))?;
                return server(&HttpRequest(read(input))).map(|response| write(&response));
            }
            host::LLM_QUERY => {
                let models = self.models.as_ref().ok_or_else(|| missing("model"))?;
                return models(&read(input)).map(|answer| write(&answer));
            }
            host::ASK => return self.asked(read(input)).map(|answers| write(&answers)),
            _ => return self.serve(op, input).unwrap_or_else(|| Err(missing("answer"))),
        }
        Ok(write(&()))
    }

    fn serve(&mut self, op: &str, input: &[u8]) -> Option<Result<Vec<u8>, OpError>> {
        let answer = self.served.get(op)?.clone();
        self.asked.push((op.to_owned(), read(input)));
        Some(answer.map(|answer| write(&answer)))
    }

    fn detach(&self, detach: Detach) -> Result<bool, OpError> {
        if detach.required && !self.client.tasks {
            let message = "the client does not offer tasks, which this needs";
            return Err(OpError::new(ErrorCode::ClientCannot, message));
        }
        Ok(self.client.tasks)
    }

    fn asked(&self, ask: Ask) -> Result<Answers, OpError> {
        let mut answers = BTreeMap::new();
        for (key, question) in ask.questions {
            if !question.suits(&self.client) {
                let message =
                    format!("the client does not offer `{}`, which this needs", question.capability());
                return Err(OpError::new(ErrorCode::ClientCannot, message));
            }
            let answer = self.answers.get(&key).cloned().ok_or_else(|| {
                OpError::new(ErrorCode::NoAnswer, format!("the test's harness has no answer to `{key}`"))
            })?;
            answers.insert(key, answer);
        }
        Ok(Answers { answers })
    }
}

impl Services for ScriptedHost {
    fn invoke(&self, op: &str, _: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        self.with(|script| script.answer(op, input)).map_err(|error| write(&error))
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_else(|error| fail(&error.to_string()))
}

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| fail(&error.to_string()))
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn fail(message: &str) -> ! {
    panic!("{message}")
}
