//! The bundled plugin `core`: two tools that need nothing, for trying a server out
//! and for checking that an agent reaches it.

use plugin_api::prelude::*;

mod sum;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    /// The text to answer.
    text: String,
}

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("core", env!("CARGO_PKG_VERSION"))
        .title("Core")
        .description("Echoes text and adds numbers.")
        .tool(
            Tool::new(
                "core.echo",
                "Answers the given text unchanged. Use it to check that the server can be reached.",
                |_: &Call, input: Echo| input.text,
            )
            .title("Echo")
            .inline()
            .read_only(true)
            .idempotent(true)
            .open_world(false),
        )
        .tool(
            Tool::new(
                "core.sum",
                "Adds two numbers and answers the sum as decimal text. Integers of up to 64 bits \
                 are added exactly, anything else in double precision.",
                sum::sum,
            )
            .title("Sum")
            .inline()
            .read_only(true)
            .idempotent(true)
            .open_world(false),
        )
}

plugin_api::export!(plugin);

#[cfg(test)]
mod tests {
    use plugin_api::testing::Harness;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn echo_answers_one_block_equal_to_the_text() {
        let harness = Harness::new(plugin());
        for text in ["hello", "", " two\nlines ", "日本語 🦀 \u{0}"] {
            assert_eq!(
                harness.call_tool("core.echo", json!({"text": text})),
                Ok(ToolResult::new(vec![Content::text(text)]))
            );
        }
    }

    #[test]
    fn arguments_that_are_not_known_are_refused() {
        let harness = Harness::new(plugin());
        for (tool, arguments, message) in [
            ("core.echo", json!({"text": "a", "times": 2}), "unknown field `times`, expected `text`"),
            ("core.echo", json!({}), "missing field `text`"),
            ("core.sum", json!({"a": 1, "b": 2, "c": 3}), "unknown field `c`, expected `a` or `b`"),
            ("core.sum", json!({"a": 1}), "missing field `b`"),
        ] {
            assert_eq!(harness.call_tool(tool, arguments).unwrap_err().message, message);
        }
    }

    #[test]
    fn both_tools_are_safe_to_run_without_a_thread_hop() {
        let manifest = plugin().manifest().unwrap();
        assert_eq!(manifest.name.as_str(), "core");
        for tool in manifest.tools {
            assert!(tool.inline, "{}", tool.name);
            assert_eq!(tool.annotations.read_only, Some(true));
            assert_eq!(tool.annotations.idempotent, Some(true));
            assert!(tool.capabilities.is_empty());
            assert_eq!(tool.input_schema.get("additionalProperties"), Some(&Value::Bool(false)));
        }
    }

    #[test]
    fn a_model_sees_that_sum_takes_numbers() {
        let manifest = plugin().manifest().unwrap();
        let [_, sum] = manifest.tools.as_slice() else { panic!("two tools") };
        assert_eq!(
            Value::from(sum.input_schema.clone()),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "a": {"type": "number", "description": "The first number."},
                    "b": {"type": "number", "description": "The second number."},
                },
                "required": ["a", "b"],
                "additionalProperties": false,
            })
        );
    }
}
