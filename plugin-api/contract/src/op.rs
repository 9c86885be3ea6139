//! The operations that cross the ABI and their payloads, all JSON.
//!
//! An operation that a side does not know is answered with
//! [`ErrorCode::Unsupported`], so that old and new mix in both directions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Capability, PromptName, ToolName};

/// Operations of a plugin.
pub mod plugin {
    /// [`super::CallTool`] → [`super::ToolResult`].
    pub const CALL_TOOL: &str = "tools/call";
    /// [`super::ReadResource`] → [`super::ResourceContents`].
    pub const READ_RESOURCE: &str = "resources/read";
    /// [`super::GetPrompt`] → [`super::PromptResult`].
    pub const GET_PROMPT: &str = "prompts/get";
}

/// Operations of the host.
pub mod host {
    /// [`super::LogLine`] → `null`.
    pub const LOG: &str = "log";
    /// `null` → [`super::ServerAbout`].
    pub const ABOUT_SERVER: &str = "about/server";
    /// `null` → [`super::AgentAbout`], for the agent on whose behalf the call runs.
    pub const ABOUT_AGENT: &str = "about/agent";
}

/// Why an operation failed, in either direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct OpError {
    /// For programs.
    pub code: ErrorCode,
    /// For the caller or the model.
    pub message: String,
}

impl OpError {
    /// An error of the given kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The kinds of [`OpError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The input cannot be used; another one could.
    InvalidInput,
    /// There is no such tool, resource or prompt.
    NotFound,
    /// It was tried and did not work.
    Failed,
    /// The plugin panicked.
    Panicked,
    /// The caller lacks a right.
    Denied,
    /// This side does not know the operation.
    Unsupported,
    /// A kind that a newer side knows.
    #[serde(other)]
    Other,
}

/// A tool call. The arguments are valid against the tool's schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallTool {
    /// Which tool.
    pub name: ToolName,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// What a tool answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// For the model.
    pub content: Vec<Content>,
    /// The tool tried and failed, and the content says why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

/// A piece of content, in MCP's own shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Text for the model.
    Text {
        /// The text.
        text: String,
    },
}

impl Content {
    /// A block of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// A request for a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadResource {
    /// The URI as the client gave it: one the manifest lists, or one that
    /// matches a template of it.
    pub uri: String,
}

/// What a resource holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceContents {
    /// Usually one.
    pub contents: Vec<ResourceContent>,
}

/// One piece of a resource, in MCP's own shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceContent {
    /// Where it is.
    pub uri: String,
    /// Its media type.
    #[serde(rename = "mimeType", default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The text.
    pub text: String,
}

/// A request for a prompt. Required arguments are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetPrompt {
    /// Which prompt.
    pub name: PromptName,
    /// Its arguments.
    #[serde(default)]
    pub arguments: std::collections::BTreeMap<String, String>,
}

/// A prompt, filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptResult {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The conversation to put before the model.
    pub messages: Vec<PromptMessage>,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

impl PromptMessage {
    /// What the person says.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: Content::text(text) }
    }

    /// What the model says.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: Content::text(text) }
    }
}

/// Who speaks in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// A line for the server's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What to say. Never secrets or personal data.
    pub message: String,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For whoever debugs the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, and handled.
    Warn,
    /// Broken.
    Error,
}

/// The server, as any agent may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAbout {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which compiled configuration this call sees.
    pub generation: u64,
    /// MCP revisions it speaks, newest first.
    pub protocol_versions: Vec<String>,
    /// The plugin interface it speaks.
    pub plugin_api: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The plugins that are loaded.
    pub plugins: Vec<PluginAbout>,
}

/// A loaded plugin, as any agent may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginAbout {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What the calling agent may do: the tenant's ceiling and the agent's grant,
/// intersected and applied to what is loaded. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentAbout {
    /// The agent's name.
    pub agent: String,
    /// Its tenant's.
    pub tenant: String,
    /// Which compiled configuration this call sees.
    pub generation: u64,
    /// The tools it may call.
    pub tools: Vec<ToolAbout>,
    /// Tools that exist and are denied to it, with the reasons. Empty where the
    /// tenant's `disclosure` is `opaque`.
    pub denied_tools: Vec<DeniedTool>,
    /// Patterns of resources it may read.
    pub resources: Vec<String>,
    /// Patterns of prompts it may use.
    pub prompts: Vec<String>,
    /// Capabilities that its tools may use.
    pub capabilities: Vec<Capability>,
    /// The limits on its calls.
    pub limits: LimitsAbout,
}

/// A tool that the agent may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolAbout {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its arguments: name, type and whether required, one line each.
    pub arguments: Vec<String>,
}

/// A tool that the agent may not call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedTool {
    /// Its name.
    pub name: String,
    /// Every reason, as a sentence.
    pub reasons: Vec<String>,
}

/// The limits on an agent's tool calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsAbout {
    /// Bytes of arguments.
    pub max_payload_bytes: u64,
    /// Bytes of result.
    pub max_response_bytes: u64,
    /// Seconds a call may take.
    pub timeout_seconds: u64,
    /// Calls at the same time.
    pub concurrency: u32,
    /// Calls per time, e.g. `60/min`.
    pub rate_limit: String,
}
