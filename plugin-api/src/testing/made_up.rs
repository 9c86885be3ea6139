//! A server and an agent that there are not.

use plugin_contract::op::{AgentAbout, FiltersAbout, LimitsAbout, ServerAbout};

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
