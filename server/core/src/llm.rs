//! Models of others, as the operator offers them: which there are, what they
//! cost, and who may use which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

use jiff::tz::TimeZone;
use plugin_contract::name;
use url::Url;

use crate::{paste_guard::GuardSettings, pattern::Patterns, secret::Secret};

pub mod breaker;
pub mod choice;
pub mod price;
pub mod provider;
pub mod reason;
pub mod router;

use price::Price;

const PROVIDER_RULE: &str = "use 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter";
const MODEL_RULE: &str = "use 1 to 128 visible ASCII characters, beginning with a letter or digit";
const ROUTE_RULE: &str =
    "use 1 to 128 visible ASCII characters other than `/`, beginning with a letter or digit";

fn is_model(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_graphic())
}

name!(
    /// A service that has models, by the name the operator gave it.
    ProviderName,
    "provider name",
    |text| {
        (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    },
    PROVIDER_RULE
);
name!(
    /// A model, by the name its provider gave it.
    ModelName,
    "model name",
    is_model,
    MODEL_RULE
);
name!(
    /// The operator's name for a model, or for several in order of preference.
    RouteName,
    "route name",
    |text| is_model(text) && !text.contains('/'),
    ROUTE_RULE
);

/// All that the operator decides about models of others.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmSettings {
    /// Who has models.
    pub providers: BTreeMap<ProviderName, ProviderSettings>,
    /// The operator's own names, each for the models to try in turn.
    pub routes: BTreeMap<RouteName, Vec<ModelRef>>,
    /// Where days and months begin.
    pub time_zone: TimeZone,
    /// How long a request waits for money that others have only reserved.
    pub budget_wait: Duration,
    /// What counts as a pasted repository.
    pub paste_guard: GuardSettings,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            providers: BTreeMap::new(),
            routes: BTreeMap::new(),
            time_zone: TimeZone::UTC,
            budget_wait: Duration::from_secs(2),
            paste_guard: GuardSettings::default(),
        }
    }
}

impl LlmSettings {
    /// What is known of a model.
    #[must_use]
    pub fn model(&self, model: &ModelRef) -> Option<(&ProviderSettings, &ModelSettings)> {
        let provider = self.providers.get(&model.provider)?;
        Some((provider, provider.models.get(&model.model)?))
    }
}

/// A service that has models.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSettings {
    /// Which of the interfaces it speaks.
    pub api: Api,
    /// Where it is; requests go below it.
    pub base_url: Url,
    /// What it knows us by.
    pub key: ApiKey,
    /// What it has, as far as anybody may use it.
    pub models: BTreeMap<ModelName, ModelSettings>,
}

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Anthropic's Messages.
    AnthropicMessages,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// OpenAI's Chat Completions, which Ollama, vLLM and llama.cpp speak too.
    OpenAiChat,
}

impl Api {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnthropicMessages => "anthropic_messages",
            Self::OpenAiResponses => "openai_responses",
            Self::OpenAiChat => "openai_chat",
        }
    }
}

/// What a provider knows us by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiKey {
    /// It asks for nothing.
    None,
    /// It asks for one, and there is none.
    Missing {
        /// What to do about it.
        help: String,
    },
    /// This.
    Is(Secret),
}

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSettings {
    /// What it costs. `None`: nobody knows, so nobody uses it.
    pub price: Option<Price>,
    /// The most tokens that it answers with.
    pub max_output: Option<u64>,
}

/// A model of a provider's: `anthropic/claude-haiku-4-5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    /// Whose.
    pub provider: ProviderName,
    /// Which.
    pub model: ModelName,
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// Text that names no provider and model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no model: write `provider/model`, as in `anthropic/claude-haiku-4-5`")]
pub struct InvalidModelRef(String);

impl FromStr for ModelRef {
    type Err = InvalidModelRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let both = text.split_once('/').and_then(|(provider, model)| {
            Some(Self { provider: provider.parse().ok()?, model: model.parse().ok()? })
        });
        both.ok_or_else(|| InvalidModelRef(text.to_owned()))
    }
}

/// Models that somebody may use: patterns of them, by provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelGrant(pub BTreeMap<ProviderName, Patterns>);

impl ModelGrant {
    /// Whether it covers a model.
    #[must_use]
    pub fn covers(&self, model: &ModelRef) -> bool {
        self.0.get(&model.provider).is_some_and(|patterns| patterns.cover(model.model.as_str()))
    }

    /// As it is written: `anthropic/claude-*`.
    #[must_use]
    pub fn texts(&self) -> BTreeSet<String> {
        let all = self.0.iter().flat_map(|(provider, patterns)| {
            patterns.iter().map(move |pattern| format!("{provider}/{pattern}"))
        });
        all.collect()
    }
}

/// What an agent may ask of models. A tenant's is a ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LlmGrant {
    /// Which models. `None`: an agent none, a tenant those of its agents.
    pub models: Option<ModelGrant>,
    /// The most tokens of one answer.
    pub max_tokens_per_request: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_by_its_provider_and_the_rest() {
        let model: ModelRef = "local/meta-llama/Llama-3.1:8b".parse().unwrap();
        assert_eq!((model.provider.as_str(), model.model.as_str()), ("local", "meta-llama/Llama-3.1:8b"));
        assert_eq!(model.to_string(), "local/meta-llama/Llama-3.1:8b");
        for text in ["", "local", "/x", "local/", "Local/x", "local/a b"] {
            assert_eq!(
                text.parse::<ModelRef>().unwrap_err().to_string(),
                format!("`{text}` is no model: write `provider/model`, as in `anthropic/claude-haiku-4-5`")
            );
        }
    }

    #[test]
    fn a_grant_of_one_provider_is_none_of_another() {
        let grant = ModelGrant(
            [("anthropic".parse().unwrap(), ["claude-*".parse().unwrap()].into_iter().collect())].into(),
        );
        for (model, covered) in
            [("anthropic/claude-haiku-4-5", true), ("anthropic/other", false), ("openai/claude-x", false)]
        {
            assert_eq!(grant.covers(&model.parse().unwrap()), covered, "{model}");
        }
    }
}
