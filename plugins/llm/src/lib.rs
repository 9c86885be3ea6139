//! The bundled plugin `llm`: asks the models that the calling agent may ask. Which
//! ones, with whose key and for how much is decided by the host.

use plugin_api::{LlmAnswer, LlmQuery, prelude::*};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// A model, `provider/model`, or an alias or route of this server's.
    /// `about://policies` lists those you may use, with their prices.
    #[schemars(length(min = 1, max = 256))]
    model: String,
    /// The provider, if several have a model of that name.
    #[serde(default)]
    provider: Option<String>,
    /// What to ask. Send what the question needs, not whole files or repositories.
    #[schemars(length(min = 1))]
    prompt: String,
    /// Instructions on how to answer.
    #[serde(default)]
    system: Option<String>,
    /// The most tokens of the answer. 4096 unless given, and never more than you
    /// may have.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000_000))]
    max_tokens: Option<u64>,
    /// How freely to answer, from 0 to 2. The provider's own default unless given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
}

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("llm", env!("CARGO_PKG_VERSION"))
        .title("Language models")
        .description("Asks other models, within the operator's rules and budgets.")
        .tool(
            Tool::new(
                "llm.query",
                "Asks another model and answers what it says, with the tokens it used and what \
                 they cost. Each request counts towards your budget; a refusal says what is \
                 missing, and when to try again.",
                query,
            )
            .title("Ask a model")
            .needs(Capability::LlmQuery)
            .read_only(false)
            .open_world(true),
        )
}

plugin_api::export!(plugin);

fn query(call: &Call, input: Query) -> Result<ToolResult, CallError> {
    let Query { model, provider, prompt, system, max_tokens, temperature } = input;
    let answer = call.llm(&LlmQuery { provider, model, prompt, system, max_tokens, temperature })?;
    let about = about(&answer);
    Ok(ToolResult::new(vec![Content::text(answer.text), Content::text(about)]))
}

/// A line about an answer.
fn about(answer: &LlmAnswer) -> String {
    let LlmAnswer { provider, model, usage, cost_usd, latency_ms, is_cut, .. } = answer;
    let used = match usage {
        Some(usage) => format!(
            "{} tokens in, {} of them cached, {} out; ${cost_usd}",
            usage.input_tokens, usage.cached_input_tokens, usage.output_tokens
        ),
        None => format!("tokens not told; at most ${cost_usd}"),
    };
    let cut = if *is_cut { "; cut short by max_tokens" } else { "" };
    format!("{provider}/{model}: {used}; {:.1} s{cut}", *latency_ms as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use plugin_api::{ErrorCode, LlmUsage, OpError, testing::Harness};
    use serde_json::json;

    use super::*;

    fn answer() -> LlmAnswer {
        LlmAnswer {
            text: "42".to_owned(),
            provider: "anthropic".to_owned(),
            model: "claude-haiku-4-5".to_owned(),
            usage: Some(LlmUsage { input_tokens: 12, cached_input_tokens: 2, output_tokens: 3 }),
            cost_usd: "0.000027".to_owned(),
            latency_ms: 1250,
            is_cut: false,
        }
    }

    fn texts(result: ToolResult) -> Vec<String> {
        let text = |content| match content {
            Content::Text { text, .. } => text,
            other => panic!("{other:?}"),
        };
        result.content.into_iter().map(text).collect()
    }

    #[test]
    fn a_question_goes_to_the_host_as_it_is_and_its_answer_comes_with_what_it_cost() {
        let query = LlmQuery {
            provider: None,
            model: "fast".to_owned(),
            prompt: "6 times 7?".to_owned(),
            system: Some("Be short.".to_owned()),
            max_tokens: Some(10),
            temperature: Some(0.5),
        };
        let harness = Harness::new(plugin()).expect_llm(query, Ok(answer()));
        let arguments = json!({
            "model": "fast", "prompt": "6 times 7?", "system": "Be short.", "max_tokens": 10, "temperature": 0.5
        });
        let result = harness.call_tool("llm.query", arguments).unwrap();
        assert_eq!(
            texts(result),
            ["42", "anthropic/claude-haiku-4-5: 12 tokens in, 2 of them cached, 3 out; $0.000027; 1.2 s"]
        );
    }

    #[test]
    fn an_answer_without_usage_or_end_says_so() {
        let cut = LlmAnswer { usage: None, is_cut: true, ..answer() };
        assert_eq!(
            about(&cut),
            "anthropic/claude-haiku-4-5: tokens not told; at most $0.000027; 1.2 s; cut short by max_tokens"
        );
    }

    #[test]
    fn a_refusal_is_passed_on() {
        let harness = Harness::new(plugin()).llm(|_| Err(OpError::new(ErrorCode::Denied, "no budget left")));
        let refused = harness.call_tool("llm.query", json!({ "model": "fast", "prompt": "?" }));
        assert_eq!(refused, Err(OpError::new(ErrorCode::Denied, "no budget left")));
    }
}
