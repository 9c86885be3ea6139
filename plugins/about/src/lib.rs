//! The bundled plugin `about`: what the server is, and what the calling agent may
//! do on it, as resources.

use plugin_api::prelude::*;

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("about", env!("CARGO_PKG_VERSION"))
        .title("About")
        .description("Tells agents about the server and their own rights and limits.")
        .resource(
            Resource::new("about://server", "server", "application/json", server)
                .title("This server")
                .description(
                    "Name, version, generation of the configuration, MCP revisions, plugin \
                     interface, uptime in seconds and loaded plugins.",
                ),
        )
        .resource(
            Resource::new("about://policies", "policies", "application/json", policies)
                .title("Your rights and limits")
                .description(
                    "What you may do here: tools, resources, prompts, capabilities and limits, \
                     and the tools that are denied to you with every reason.",
                ),
        )
}

plugin_api::export!(plugin);

fn server(call: &Call) -> Result<String, CallError> {
    Ok(serde_json::to_string_pretty(&call.server()?)?)
}

fn policies(call: &Call) -> Result<String, CallError> {
    Ok(serde_json::to_string_pretty(&call.agent()?)?)
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        AgentAbout, DeniedTool, ErrorCode, OpError, PluginAbout, ServerAbout, ToolAbout,
        testing::{self, Harness},
    };
    use serde_json::{Value, json};

    use super::*;

    fn read(harness: &Harness, uri: &str) -> Value {
        let read = harness.read_resource(uri).unwrap();
        let [content] = read.contents.as_slice() else {
            panic!("one piece, not {read:?}");
        };
        let ResourceContent::Text { uri: at, mime_type, text, .. } = content else { panic!("text") };
        assert_eq!((at.as_str(), mime_type.as_deref()), (uri, Some("application/json")));
        let value = serde_json::from_str(text).unwrap();
        assert!(text.starts_with("{\n  \""), "{text}");
        value
    }

    #[test]
    fn an_agent_reads_what_the_server_is() {
        let harness = Harness::new(plugin()).server(ServerAbout {
            plugins: vec![PluginAbout { name: "core".to_owned(), version: "0.1.0".to_owned() }],
            ..testing::server()
        });
        assert_eq!(
            read(&harness, "about://server"),
            json!({
                "name": "mcp-universal-server",
                "version": "0.1.0",
                "generation": 1,
                "protocol_versions": ["2025-11-25"],
                "plugin_api": "1.0",
                "uptime_seconds": 60,
                "plugins": [{"name": "core", "version": "0.1.0"}],
            })
        );
    }

    #[test]
    fn an_agent_reads_its_own_rights_and_limits() {
        let harness = Harness::new(plugin()).agent(AgentAbout {
            tools: vec![ToolAbout {
                name: "core.echo".to_owned(),
                description: "Echoes.".to_owned(),
                arguments: vec!["text: string, required".to_owned()],
            }],
            denied_tools: vec![DeniedTool {
                name: "llm.query".to_owned(),
                reasons: vec!["the agent's `tools` do not list it".to_owned()],
            }],
            resources: vec!["about://*".to_owned()],
            prompts: vec!["tool_usage".to_owned()],
            capabilities: vec![Capability::LlmQuery],
            ..testing::agent()
        });
        assert_eq!(
            read(&harness, "about://policies"),
            json!({
                "agent": "tester",
                "tenant": "tests",
                "generation": 1,
                "tools": [{
                    "name": "core.echo",
                    "description": "Echoes.",
                    "arguments": ["text: string, required"],
                }],
                "denied_tools": [{
                    "name": "llm.query",
                    "reasons": ["the agent's `tools` do not list it"],
                }],
                "resources": ["about://*"],
                "prompts": ["tool_usage"],
                "capabilities": ["llm:query"],
                "limits": {
                    "max_payload_bytes": 65536,
                    "max_response_bytes": 262_144,
                    "timeout_seconds": 30,
                    "concurrency": 8,
                    "rate_limit": "60/min",
                },
                "filters": { "results": "off", "prompts": "off" },
            })
        );
    }

    #[test]
    fn what_the_host_does_not_tell_is_an_error() {
        let error = Harness::new(plugin()).read_resource("about://policies");
        assert_eq!(
            error,
            Err(OpError::new(
                ErrorCode::Failed,
                "the test's harness has no answer to `about/agent`: give it one with `Harness::agent`"
            ))
        );
    }
}
