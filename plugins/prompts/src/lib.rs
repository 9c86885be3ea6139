//! The bundled plugin `prompts`: a code review, and how to use the tools one has.

use plugin_api::prelude::*;

mod review;
mod usage;

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("prompts", env!("CARGO_PKG_VERSION"))
        .title("Prompts")
        .description("A code review, and a guide to the tools that the calling agent has.")
        .prompt(
            Prompt::new(
                "review_pr",
                "Reviews a change: findings by severity, each with file and line.",
                review::review_pr,
            )
            .title("Review a change"),
        )
        .prompt(
            Prompt::new(
                "tool_usage",
                "Says which tools you may use here, within which limits, and what is denied to you.",
                usage::tool_usage,
            )
            .title("Use the tools here"),
        )
}

plugin_api::export!(plugin);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clients_ask_for_the_diff_first() {
        let manifest = plugin().manifest().unwrap();
        let [review, usage] = manifest.prompts.as_slice() else { panic!("two prompts") };
        assert_eq!(
            serde_json::to_value(&review.arguments).unwrap(),
            json!([
                {
                    "name": "diff",
                    "description": "The change as a unified diff, e.g. the output of `git diff main...HEAD`.",
                    "required": true,
                },
                {
                    "name": "focus",
                    "description": "What to look at most closely, e.g. `error handling`.",
                },
                {
                    "name": "language",
                    "description": "The language to write the review in, e.g. `German`; English by default.",
                },
            ])
        );
        assert_eq!(usage.arguments, []);
    }
}
