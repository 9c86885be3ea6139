//! What a plugin may know of the server and of the agent that it works for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Capability;

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
    /// Patterns of file roots below which its tools may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Patterns of databases that its tools may query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// The limits on its calls.
    pub limits: LimitsAbout,
    /// Limits besides, on its calls of some of its tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_limits: Vec<ToolLimitsAbout>,
    /// What is done to what it gets and asks of models, whichever tool it calls.
    #[serde(default)]
    pub filters: FiltersAbout,
    /// What it may ask of models. `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmAbout>,
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

/// Limits on an agent's calls of some tools, all of them together. What is `None` is
/// not limited there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolLimitsAbout {
    /// The pattern of the tools.
    pub tools: String,
    /// See [`LimitsAbout::max_payload_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_payload_bytes: Option<u64>,
    /// See [`LimitsAbout::max_response_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_response_bytes: Option<u64>,
    /// See [`LimitsAbout::timeout_seconds`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// See [`LimitsAbout::concurrency`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// See [`LimitsAbout::rate_limit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<String>,
}

/// What becomes of secrets and personal data that go through the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiltersAbout {
    /// In results: `off`, or `redact`, which takes them out.
    pub results: String,
    /// In prompts to models: `off`, `redact`, or `deny`, which refuses such prompts.
    pub prompts: String,
}

impl Default for FiltersAbout {
    fn default() -> Self {
        Self { results: "off".to_owned(), prompts: "off".to_owned() }
    }
}

/// What an agent may ask of models, and spend on them. Amounts are US dollars, as
/// decimals: `2.50`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmAbout {
    /// The operator's own names, each for the models that are asked in turn.
    pub routes: BTreeMap<String, Vec<String>>,
    /// Those it may ask.
    pub models: Vec<ModelAbout>,
    /// Bytes of a prompt and its instructions together.
    pub max_prompt_bytes: u64,
    /// Milliseconds that a request waits for money that others have reserved.
    pub budget_wait_ms: u64,
    /// What is left to spend, where there is a limit.
    pub budgets: Vec<BudgetAbout>,
}

/// A model that an agent may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAbout {
    /// `provider/model`.
    pub name: String,
    /// The most tokens of one answer, if there is a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// What a million tokens cost.
    pub per_million: PriceAbout,
    /// What they cost instead in requests with much input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContextAbout>,
}

/// What a million tokens cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceAbout {
    /// Of input.
    pub input: String,
    /// Of input that the provider's cache knows.
    pub cached_input: String,
    /// Of input that is put into it.
    pub cache_write: String,
    /// Of output.
    pub output: String,
}

/// What tokens cost in requests with much input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongContextAbout {
    /// Above so many tokens of it.
    pub above_input_tokens: u64,
    /// What a million tokens cost then.
    pub per_million: PriceAbout,
}

/// What is left of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetAbout {
    /// `agent` or `tenant`: whose it is.
    pub owner: String,
    /// `day` or `month`.
    pub period: String,
    /// `strict` or `fair`: what is reserved for a request.
    pub mode: String,
    /// How much there is.
    pub limit: String,
    /// How much of it is neither spent nor reserved by requests that run.
    pub remaining: String,
    /// When it starts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
}
