//! The operations that cross the ABI and their payloads, all JSON.
//!
//! An operation that a side does not know is answered with
//! [`ErrorCode::Unsupported`], so that old and new mix in both directions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{PromptName, ToolName};

mod about;
mod client;
mod content;
mod database;
mod files;
mod http;
mod llm;

pub use about::{
    AgentAbout, BudgetAbout, DeniedTool, FiltersAbout, LimitsAbout, LlmAbout, LongContextAbout, ModelAbout,
    PluginAbout, PriceAbout, ServerAbout, ToolAbout, ToolLimitsAbout,
};
pub use client::{
    Answers, Ask, ClientAbout, ClientLog, ClientLogLevel, Elicitation, Elicited, Form, Progress, Question,
    Root, Roots, Sampled, Sampling,
};
pub use content::{
    Annotations, Content, Icon, IconTheme, Meta, ResourceContent, ResourceLink, Role, is_reserved,
};
pub use database::{Database, ListTables, Query, QueryEnd, Rows, Table, TableColumn, Tables};
pub use files::{
    FileEncoding, FileEntry, FileKind, FileList, FileMatch, FileMatches, FilePart, FileRoot, ListFiles,
    ReadFile, SearchEnd, SearchFiles, Skipped,
};

pub use http::{HttpBody, HttpMethod, HttpRequest, HttpResponse};
pub use llm::{LlmAnswer, LlmQuery, LlmUsage};

/// Operations of a plugin.
pub mod plugin {
    /// [`super::CallTool`] → [`super::ToolResult`].
    pub const CALL_TOOL: &str = "tools/call";
    /// [`super::ReadResource`] → [`super::ResourceContents`].
    pub const READ_RESOURCE: &str = "resources/read";
    /// [`super::GetPrompt`] → [`super::PromptResult`].
    pub const GET_PROMPT: &str = "prompts/get";
    /// [`super::Complete`] → [`super::Completion`].
    pub const COMPLETE: &str = "completion/complete";
}

/// Operations of the host.
pub mod host {
    /// [`super::LogLine`] → `null`.
    pub const LOG: &str = "log";
    /// `null` → [`super::ServerAbout`].
    pub const ABOUT_SERVER: &str = "about/server";
    /// `null` → [`super::AgentAbout`], for the agent on whose behalf the call runs.
    pub const ABOUT_AGENT: &str = "about/agent";
    /// `null` → [`super::ClientAbout`].
    pub const ABOUT_CLIENT: &str = "about/client";
    /// `null` → [`super::CallState`].
    pub const CALL_STATE: &str = "call/state";
    /// [`super::Detach`] → whether the call goes on without its request.
    pub const DETACH: &str = "call/detach";
    /// [`super::Progress`] → `null`.
    pub const PROGRESS: &str = "client/progress";
    /// [`super::ClientLog`] → `null`.
    pub const CLIENT_LOG: &str = "client/log";
    /// [`super::Ask`] → [`super::Answers`], once every question has one.
    pub const ASK: &str = "client/ask";
    /// [`super::Updated`] → `null`.
    pub const RESOURCE_UPDATED: &str = "resources/updated";
    /// [`super::Offer`] → `null`.
    pub const OFFER: &str = "offer";
    /// `null` → a list of [`super::FileRoot`], those that the agent is granted.
    pub const FILE_ROOTS: &str = "files/roots";
    /// [`super::ListFiles`] → [`super::FileList`].
    pub const LIST_FILES: &str = "files/list";
    /// [`super::ReadFile`] → [`super::FilePart`].
    pub const READ_FILE: &str = "files/read";
    /// [`super::SearchFiles`] → [`super::FileMatches`].
    pub const SEARCH_FILES: &str = "files/search";
    /// `null` → a list of [`super::Database`], those that the agent is granted.
    pub const DATABASES: &str = "database/list";
    /// [`super::ListTables`] → [`super::Tables`].
    pub const LIST_TABLES: &str = "database/tables";
    /// [`super::Query`] → [`super::Rows`].
    pub const QUERY: &str = "database/query";
    /// [`super::HttpRequest`] → [`super::HttpResponse`]. Needs `network:outbound`.
    pub const HTTP: &str = "http/request";
    /// [`super::LlmQuery`] → [`super::LlmAnswer`]. Needs `llm:query`.
    pub const LLM_QUERY: &str = "llm/query";
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
    /// The client was asked, and will make the same request again with its answers.
    InputRequired,
    /// The client cannot be asked that: it did not say that it could.
    ClientCannot,
    /// The client was asked, and there was no answer.
    NoAnswer,
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
    /// For programs: valid against the tool's output schema, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
}

impl ToolResult {
    /// A result of that content.
    #[must_use]
    pub fn new(content: Vec<Content>) -> Self {
        Self { content, ..Self::default() }
    }

    /// The tool tried and failed, and the content says why.
    #[must_use]
    pub fn failed(content: Vec<Content>) -> Self {
        Self { is_error: true, ..Self::new(content) }
    }

    /// The same with an entry in `_meta`, under a key such as `example.com/trace`.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
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
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
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
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
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

/// A request for what an argument might be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// Whose argument.
    pub of: Completes,
    /// Which argument of a prompt, or variable of a template.
    pub argument: String,
    /// What is there of it so far.
    pub value: String,
    /// The arguments that are decided already.
    #[serde(default)]
    pub decided: std::collections::BTreeMap<String, String>,
}

/// What has arguments to complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completes {
    /// A prompt.
    Prompt(PromptName),
    /// A resource template, as the manifest has it.
    Template(String),
}

/// What an argument might be, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// A client sees the first 100.
    pub values: Vec<String>,
    /// How many there are, if they are more and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
}

/// How the call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallState {
    /// Nobody waits for the answer any more.
    pub cancelled: bool,
    /// Milliseconds until nobody will.
    pub remaining_ms: u64,
}

/// A call that is to go on after its request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detach {
    /// It makes no sense otherwise.
    pub required: bool,
}

/// A resource of the plugin's that has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// Which one.
    pub uri: String,
}

/// Whether something that the manifest lists is to be had at present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What.
    pub thing: Offered,
    /// It is.
    pub available: bool,
}

/// Something that a manifest lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offered {
    /// A tool, by name.
    Tool(String),
    /// A resource, by URI.
    Resource(String),
    /// A resource template, by template.
    Template(String),
    /// A prompt, by name.
    Prompt(String),
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
