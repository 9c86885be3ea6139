//! What a plugin may know of the server and of the agent that it works for.

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
