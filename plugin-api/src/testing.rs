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
//! Requests take the way that they take in a server, as bytes. One thing is
//! missing: the server checks a tool's arguments against its schema first, and
//! that required arguments of a prompt are there. Here only serde does, so that a
//! plugin's tests need no JSON Schema validator.

use std::sync::{Arc, Mutex, PoisonError};

use plugin_contract::{
    Manifest,
    op::{
        AgentAbout, ErrorCode, LimitsAbout, LogLine, OpError, PromptResult, ResourceContents, ServerAbout,
        ToolResult, host, plugin as op,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Plugin, call::Services, definition::Definition, instance::Instance};

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
    log: Vec<LogLine>,
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
        limits: LimitsAbout {
            max_payload_bytes: 65_536,
            max_response_bytes: 262_144,
            timeout_seconds: 30,
            concurrency: 8,
            rate_limit: "60/min".to_owned(),
        },
    }
}

impl ScriptedHost {
    fn with<T>(&self, read: impl FnOnce(&mut Script) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Services for ScriptedHost {
    fn invoke(&self, op: &str, _: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let answer = self.with(|script| match op {
            host::LOG => {
                script.log.push(read(input));
                Ok(write(&()))
            }
            host::ABOUT_SERVER => script.server.as_ref().map(write).ok_or("server"),
            host::ABOUT_AGENT => script.agent.as_ref().map(write).ok_or("agent"),
            _ => Err("such operation"),
        });
        answer.map_err(|missing| {
            let message = format!("the test's harness has no {missing} for `{op}`");
            write(&OpError::new(ErrorCode::Failed, message))
        })
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
