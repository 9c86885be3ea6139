//! Asking a model through the host.

use serde::{Deserialize, Serialize};

/// A question for a model. The host decides whether the agent may ask it, attaches
/// the provider's key and counts what it costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LlmQuery {
    /// A provider, if `model` is a model's name and several have one of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// A model, `provider/model`, or a name of the operator's.
    pub model: String,
    /// What to ask.
    pub prompt: String,
    /// How to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The most tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How freely to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// What a model answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmAnswer {
    /// What it says.
    pub text: String,
    /// Which provider it is of.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// What it used, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<LlmUsage>,
    /// What it cost in US dollars, as a decimal. Without `usage`, what it may have
    /// cost at most.
    pub cost_usd: String,
    /// Milliseconds until it was whole, waits and other attempts included.
    pub latency_ms: u64,
    /// It had no more tokens, and stopped in the middle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// The tokens of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmUsage {
    /// All of the input.
    pub input_tokens: u64,
    /// What of it the provider's cache knew.
    pub cached_input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
}
