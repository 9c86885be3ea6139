//! `llm` and `budget`, as written.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Number;

use super::{PATTERN, SECRET, Texts};

const PROVIDER: &str = r"^[a-z][a-z0-9_-]{0,63}$";
const MODEL: &str = r"^[A-Za-z0-9][!-~]{0,127}$";
const ROUTE: &str = r"^[A-Za-z0-9][!-.0-~]{0,127}$";

/// Models of others that agents may ask through this server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLlm {
    /// Services that have models, each under a name of your choice. `anthropic`,
    /// `openai` and `local` know their interface and address by themselves.
    #[schemars(extend("propertyNames" = { "pattern": PROVIDER }, "examples" = [{
        "anthropic": { "api_key": "${ANTHROPIC_API_KEY}", "models": { "claude-haiku-4-5": { "input": 1.00, "output": 5.00 } } }
    }]))]
    pub(in crate::config) providers: BTreeMap<String, RawProvider>,
    /// Your own names for models: `fast: anthropic/claude-haiku-4-5`.
    #[schemars(extend("propertyNames" = { "pattern": ROUTE }, "examples" = [{ "fast": "anthropic/claude-haiku-4-5" }]))]
    pub(in crate::config) aliases: BTreeMap<String, String>,
    /// Names for several models, or aliases, that are asked in turn: the next one
    /// where one before is not to be had.
    #[schemars(extend("propertyNames" = { "pattern": ROUTE }, "examples" = [{ "smart": ["anthropic/claude-haiku-4-5", "local/llama3"] }]))]
    pub(in crate::config) routes: BTreeMap<String, Texts>,
    /// Where the days and months of budgets begin: a name of the IANA time zone
    /// database.
    #[schemars(length(min = 1), extend("default" = "UTC", "examples" = ["Europe/Warsaw"]))]
    pub(in crate::config) time_zone: Option<String>,
    /// Milliseconds that a request waits for money that others have reserved and
    /// may give back. 2000 unless set.
    #[schemars(range(min = 0, max = 60_000), extend("examples" = [2000]))]
    pub(in crate::config) budget_wait_ms: Option<u64>,
    /// What counts as a pasted repository, which is not passed on.
    pub(in crate::config) paste_guard: RawPasteGuard,
}

/// A service that has models.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawProvider {
    /// Which interface it speaks: `anthropic_messages`, `openai_responses` or
    /// `openai_chat`, which Ollama, vLLM and llama.cpp speak too. The default is
    /// that of the provider's name, and `openai_chat` for names of your own.
    #[schemars(extend("examples" = ["openai_chat"]))]
    pub(in crate::config) api: Option<RawApi>,
    /// Where it is. Requests go to paths below it. Only `anthropic`, `openai` and
    /// `local` have a default, which for `local` is an Ollama on this machine.
    #[schemars(length(min = 1), extend("examples" = ["http://127.0.0.1:11434/v1"]))]
    pub(in crate::config) base_url: Option<String>,
    /// The key it knows you by: `${NAME}` of an environment variable or of `.env`,
    /// or `${file:/path}`. It is sent to `base_url`, and nowhere else.
    #[schemars(pattern(SECRET), extend("examples" = ["${ANTHROPIC_API_KEY}"], "writeOnly" = true))]
    pub(in crate::config) api_key: Option<String>,
    /// Its models that agents can be granted, by the names it has for them.
    #[schemars(extend("propertyNames" = { "pattern": MODEL }, "examples" = [{ "claude-haiku-4-5": { "input": 1.00, "output": 5.00 } }]))]
    pub(in crate::config) models: BTreeMap<String, RawModel>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawApi {
    AnthropicMessages,
    #[serde(rename = "openai_responses")]
    OpenAiResponses,
    #[serde(rename = "openai_chat")]
    OpenAiChat,
}

/// A model, and what it costs in US dollars per million tokens. A model without
/// `input` or `output` has no price and is not asked; one that costs nothing has 0.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawModel {
    /// Of input.
    #[schemars(extend("examples" = [1.00]))]
    pub(in crate::config) input: Option<Amount>,
    /// Of output.
    #[schemars(extend("examples" = [5.00]))]
    pub(in crate::config) output: Option<Amount>,
    /// Of input that the provider's cache knows. The price of `input` unless set.
    #[schemars(extend("examples" = [0.10]))]
    pub(in crate::config) cached_input: Option<Amount>,
    /// Of input that is put into the provider's cache. Unless set, the price of
    /// `input`, and a quarter more for `anthropic_messages`.
    #[schemars(extend("examples" = [1.25]))]
    pub(in crate::config) cache_write: Option<Amount>,
    /// Other prices for the whole of requests with much input.
    pub(in crate::config) long_context: Option<Vec<RawTier>>,
    /// The most tokens that it can answer with.
    #[schemars(range(min = 1, max = 10_000_000), extend("examples" = [64_000]))]
    pub(in crate::config) max_output: Option<u64>,
}

/// Prices for the whole of a request that has much input.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["above_input_tokens", "input", "output"]))]
pub(in crate::config) struct RawTier {
    /// They hold above so many tokens of input, cached ones included.
    #[schemars(range(min = 1, max = 100_000_000), extend("examples" = [200_000]))]
    pub(in crate::config) above_input_tokens: Option<u64>,
    /// Of input.
    #[schemars(extend("examples" = [2.00]))]
    pub(in crate::config) input: Option<Amount>,
    /// Of output.
    #[schemars(extend("examples" = [10.00]))]
    pub(in crate::config) output: Option<Amount>,
    /// Of input that the provider's cache knows.
    #[schemars(extend("examples" = [0.20]))]
    pub(in crate::config) cached_input: Option<Amount>,
    /// Of input that is put into the provider's cache.
    #[schemars(extend("examples" = [2.50]))]
    pub(in crate::config) cache_write: Option<Amount>,
}

/// What counts as a pasted repository.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawPasteGuard {
    /// Bytes of a prompt and its instructions together. 65536 unless set.
    #[schemars(range(min = 1, max = 2_097_152), extend("examples" = [65_536]))]
    pub(in crate::config) max_prompt_bytes: Option<u64>,
    /// The score from which a prompt is noted in the log. 30 unless set.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [30]))]
    pub(in crate::config) warn_score: Option<u32>,
    /// The score from which a prompt is refused: 40 for the banner of a program
    /// that packs repositories, 12 for every file beyond the first, and so on.
    /// 50 unless set.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [50]))]
    pub(in crate::config) deny_score: Option<u32>,
    /// Seconds for which a prompt counts towards the next ones, so that sending a
    /// repository in pieces does not help. 600 unless set.
    #[schemars(range(min = 0, max = 86_400), extend("examples" = [600]))]
    pub(in crate::config) window_seconds: Option<u64>,
}

/// What agents of a tenant may ask of models at most.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawTenantLlm {
    /// Models, by provider, by name or pattern. Without it, what its agents are
    /// granted counts.
    #[schemars(extend("additionalProperties" = model_patterns(), "examples" = [{ "anthropic": ["claude-haiku-4-5"] }]))]
    pub(in crate::config) models: Option<BTreeMap<String, Texts>>,
    /// The most tokens of one answer.
    #[schemars(range(min = 1, max = 10_000_000), extend("examples" = [4096]))]
    pub(in crate::config) max_tokens_per_request: Option<u64>,
}

/// What an agent may ask of models, and spend on them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawAgentLlm {
    /// Models, by provider, by name or pattern. None by default.
    #[schemars(extend("additionalProperties" = model_patterns(), "examples" = [{ "anthropic": ["claude-haiku-4-5"] }]))]
    pub(in crate::config) models: Option<BTreeMap<String, Texts>>,
    /// The most tokens of one answer.
    #[schemars(range(min = 1, max = 10_000_000), extend("examples" = [4096]))]
    pub(in crate::config) max_tokens_per_request: Option<u64>,
    /// US dollars from midnight to midnight in `llm.time_zone`.
    #[schemars(extend("examples" = [2.50]))]
    pub(in crate::config) max_cost_per_day: Option<Amount>,
    /// US dollars of a calendar month.
    #[schemars(extend("examples" = [25.00]))]
    pub(in crate::config) max_cost_per_month: Option<Amount>,
    /// What is reserved for a request until it is known what it cost: the most that
    /// it can (`strict`), or what most of the agent's requests did (`fair`), which
    /// runs more at the same time and may pass the limit by what they cost beyond.
    #[schemars(extend("default" = "strict", "examples" = ["strict"]))]
    pub(in crate::config) mode: Option<RawMode>,
}

/// What all agents of a tenant together may spend on models.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawBudget {
    /// US dollars from midnight to midnight in `llm.time_zone`.
    #[schemars(extend("examples" = [20.00]))]
    pub(in crate::config) max_cost_per_day: Option<Amount>,
    /// US dollars of a calendar month.
    #[schemars(extend("examples" = [200.00]))]
    pub(in crate::config) max_cost_per_month: Option<Amount>,
    /// What is reserved for a request, as in an agent's `llm.mode`.
    #[schemars(extend("default" = "strict", "examples" = ["strict"]))]
    pub(in crate::config) mode: Option<RawMode>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawMode {
    Strict,
    Fair,
}

/// US dollars.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct Amount(pub(in crate::config) Number);

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1_000_000 })
    }
}

fn model_patterns() -> serde_json::Value {
    serde_json::json!({ "type": "array", "items": { "type": "string", "pattern": PATTERN } })
}
