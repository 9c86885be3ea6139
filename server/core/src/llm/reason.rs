//! Why a model is not asked.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{ModelRef, ProviderName};
use crate::{
    budget::{Owner, Period, Shortfall},
    id::{AgentId, TenantId},
    money::NanoDollars,
};

/// When to try again where others only have to finish.
const SOON_MS: u64 = 1000;

/// One reason against asking a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlmReason {
    /// No provider has it under that name, nor is it a name of the operator's.
    #[error("there is no model `{name}`")]
    UnknownModel {
        /// As it was asked for.
        name: String,
        /// Those that the agent may use and that may be meant.
        known: Vec<String>,
    },
    /// Several providers have one of that name.
    #[error("several providers have a model `{name}`")]
    AmbiguousModel {
        /// As it was asked for.
        name: String,
        /// Which they are.
        models: Vec<ModelRef>,
    },
    /// The agent's list does not have it.
    #[error("agent `{agent}` is not granted model `{model}`")]
    ModelNotGrantedToAgent {
        /// Whose list.
        agent: AgentId,
        /// Which model.
        model: ModelRef,
    },
    /// The tenant's list does not have it.
    #[error("tenant `{tenant}` is not granted model `{model}`")]
    ModelNotGrantedToTenant {
        /// Whose list.
        tenant: TenantId,
        /// Which model.
        model: ModelRef,
    },
    /// Nobody knows what it costs.
    #[error("model `{model}` has no price, so nobody can say what it would cost")]
    UnpricedModel {
        /// Which.
        model: ModelRef,
    },
    /// The provider asks for a key, and there is none.
    #[error("provider `{provider}` has no API key")]
    NoApiKey {
        /// Which.
        provider: ProviderName,
        /// What to do about it.
        help: String,
    },
    /// The provider failed so often that it is left alone for a time.
    #[error("provider `{provider}` failed several times in a row and is left alone for a time")]
    ProviderFailing {
        /// Which.
        provider: ProviderName,
        /// When it will be tried again.
        retry_after_ms: u64,
    },
    /// Neither the agent nor its tenant has a limit of a day.
    #[error("agent `{agent}` has no budget, and neither has its tenant `{tenant}`")]
    BudgetNotConfigured {
        /// Who wants to spend.
        agent: AgentId,
        /// And in whose name.
        tenant: TenantId,
    },
    /// The money of a day or month is spent, or does not suffice.
    #[error(
        "{owner} has {remaining} left of {limit} a {period}, and this request may cost {wanted}{}",
        resets(*resets_at)
    )]
    BudgetExceeded {
        /// Whose money.
        owner: Owner,
        /// Of what time.
        period: Period,
        /// How much there is.
        limit: NanoDollars,
        /// How much of it is neither spent nor reserved.
        remaining: NanoDollars,
        /// What the request would have reserved.
        wanted: NanoDollars,
        /// When it starts again.
        resets_at: Option<Timestamp>,
        /// The same, from now. `None` if the request is beyond the whole limit.
        retry_after_ms: Option<u64>,
    },
    /// The money is only reserved by requests that run, and stayed so.
    #[error(
        "{owner} has {remaining} left of {limit} a {period} until requests that run have finished, \
         and this one may cost {wanted}"
    )]
    ReservedByInflight {
        /// Whose money.
        owner: Owner,
        /// Of what time.
        period: Period,
        /// How much there is.
        limit: NanoDollars,
        /// How much of it is neither spent nor reserved.
        remaining: NanoDollars,
        /// What the request would have reserved.
        wanted: NanoDollars,
    },
    /// The books cannot be read or written.
    #[error("the budgets cannot be kept at present, so nothing is spent")]
    BudgetUnavailable,
    /// The prompt is too long.
    #[error("the prompt has {bytes} bytes, and at most {limit} are let through")]
    PromptTooLarge {
        /// How long.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The prompt, perhaps with those before it, looks like a pasted repository.
    #[error("the prompt looks like a pasted repository: {features}{}", if *before { ", with the prompts before it" } else { "" })]
    PastedRepository {
        /// What was found: `14 file headers, 3 hunks, repomix banner`.
        features: String,
        /// Whether earlier prompts count into it.
        before: bool,
        /// When those will count no more.
        retry_after_ms: Option<u64>,
    },
    /// The prompt has secrets or personal data in it. It says by which rules, never
    /// what they found.
    #[error("the prompt holds what must not go to a model: {}", rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", "))]
    SensitivePrompt {
        /// The rules' names, each once.
        rules: BTreeSet<String>,
    },
}

fn resets(at: Option<Timestamp>) -> String {
    at.map(|at| format!("; the budget resets at {at}")).unwrap_or_default()
}

impl LlmReason {
    /// What a scope that is too small says.
    #[must_use]
    pub fn shortfall(shortfall: &Shortfall, now: Timestamp) -> Self {
        let Shortfall { scope, limit, standing, wanted } = shortfall;
        let (owner, period, limit) = (scope.owner.clone(), scope.period, *limit);
        let remaining = standing.remaining(limit);
        if shortfall.is_reserved_only() {
            return Self::ReservedByInflight { owner, period, limit, remaining, wanted: *wanted };
        }
        let retry_after_ms = if shortfall.is_hopeless() { None } else { scope.window.resets_in_ms(now) };
        Self::BudgetExceeded {
            owner,
            period,
            limit,
            remaining,
            wanted: *wanted,
            resets_at: scope.window.resets_at,
            retry_after_ms,
        }
    }

    /// A stable name for the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "unknown_model",
            Self::AmbiguousModel { .. } => "ambiguous_model",
            Self::ModelNotGrantedToAgent { .. } => "model_not_granted_to_agent",
            Self::ModelNotGrantedToTenant { .. } => "model_not_granted_to_tenant",
            Self::UnpricedModel { .. } => "unpriced_model",
            Self::NoApiKey { .. } => "no_api_key",
            Self::ProviderFailing { .. } => "provider_failing",
            Self::BudgetNotConfigured { .. } => "budget_not_configured",
            Self::BudgetExceeded { .. } => "budget_exceeded",
            Self::ReservedByInflight { .. } => "reserved_by_inflight",
            Self::BudgetUnavailable => "budget_unavailable",
            Self::PromptTooLarge { .. } => "prompt_too_large",
            Self::PastedRepository { .. } => "pasted_repository",
            Self::SensitivePrompt { .. } => "sensitive_prompt",
        }
    }

    /// What to do about it, and where in the configuration.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownModel { known, .. } if known.is_empty() => {
                "ask the operator which models there are for you".to_owned()
            }
            Self::UnknownModel { known, .. } => match known.as_slice() {
                [only] => format!("did you mean `{only}`?"),
                _ => format!("there are {}", listed(known)),
            },
            Self::AmbiguousModel { models, .. } => {
                let models: Vec<_> = models.iter().map(ToString::to_string).collect();
                format!("say which: {}", listed(&models))
            }
            Self::ModelNotGrantedToAgent { agent, model } => {
                format!("add `{}` to `agents.{agent}.llm.models.{}`", model.model, model.provider)
            }
            Self::ModelNotGrantedToTenant { tenant, model } => {
                format!("add `{}` to `tenants.{tenant}.llm.models.{}`", model.model, model.provider)
            }
            Self::UnpricedModel { model } => format!(
                "add `input` and `output`, in US dollars per million tokens, to \
                 `llm.providers.{}.models.{}`; 0 if it costs nothing",
                model.provider, model.model
            ),
            Self::NoApiKey { help, .. } => help.clone(),
            Self::ProviderFailing { .. } => "wait, or ask for a model of another provider".to_owned(),
            Self::BudgetNotConfigured { agent, tenant } => format!(
                "set `agents.{agent}.llm.max_cost_per_day` or `tenants.{tenant}.budget.max_cost_per_day`"
            ),
            Self::BudgetExceeded { owner, period, retry_after_ms: None, .. } => {
                format!("ask for fewer tokens or a cheaper model, or raise `{}`", owner.key(*period))
            }
            Self::BudgetExceeded { owner, period, .. } => format!(
                "wait for the reset, ask for fewer tokens or a cheaper model, or raise `{}`",
                owner.key(*period)
            ),
            Self::ReservedByInflight { owner, period, .. } => {
                format!("try again when they have finished, or raise `{}`", owner.key(*period))
            }
            Self::BudgetUnavailable => {
                "see the server's log, and whether the disk of `state.dir` is full".to_owned()
            }
            Self::PromptTooLarge { .. } => {
                "send only what the question needs, or raise `llm.paste_guard.max_prompt_bytes`".to_owned()
            }
            Self::PastedRepository { .. } => {
                "send only what the question needs: this server does not pass on whole repositories; \
                 `llm.paste_guard` has the thresholds"
                    .to_owned()
            }
            Self::SensitivePrompt { .. } => {
                "take it out, or say the same without it; `filters.prompts` of the agent, its tenant or \
                 the plugin is `deny`, and `redact` would send the prompt without it"
                    .to_owned()
            }
        }
    }

    /// When the same request may succeed, where that is known.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::BudgetExceeded { retry_after_ms, .. } | Self::PastedRepository { retry_after_ms, .. } => {
                *retry_after_ms
            }
            Self::ProviderFailing { retry_after_ms, .. } => Some(*retry_after_ms),
            Self::ReservedByInflight { .. } => Some(SOON_MS),
            _ => None,
        }
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::budget::{Mode, Scope, Standing, Window};

    fn shortfall(limit: i64, spent: i64, reserved: i64, wanted: i64) -> LlmReason {
        let now: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
        let cents = |cents| NanoDollars::new(cents * 10_000_000);
        let scope = Scope {
            owner: Owner::Agent("laptop".parse().unwrap()),
            period: Period::Day,
            window: Window::at(now, Period::Day, &TimeZone::UTC),
            limit: Some(cents(limit)),
            mode: Mode::Strict,
        };
        let standing = Standing { spent: cents(spent), reserved: cents(reserved) };
        let shortfall = Shortfall { scope, limit: cents(limit), standing, wanted: cents(wanted) };
        LlmReason::shortfall(&shortfall, now)
    }

    #[test]
    fn a_shortfall_says_what_is_left_and_when_there_is_more() {
        for (reason, code, message, help, retry) in [
            (
                shortfall(500, 495, 0, 10),
                "budget_exceeded",
                "agent `laptop` has $0.05 left of $5.00 a day, and this request may cost $0.10; the budget resets at 2026-11-26T00:00:00Z",
                "wait for the reset, ask for fewer tokens or a cheaper model, or raise `agents.laptop.llm.max_cost_per_day`",
                Some(7_200_000),
            ),
            (
                shortfall(500, 0, 0, 501),
                "budget_exceeded",
                "agent `laptop` has $5.00 left of $5.00 a day, and this request may cost $5.01; the budget resets at 2026-11-26T00:00:00Z",
                "ask for fewer tokens or a cheaper model, or raise `agents.laptop.llm.max_cost_per_day`",
                None,
            ),
            (
                shortfall(500, 100, 395, 10),
                "reserved_by_inflight",
                "agent `laptop` has $0.05 left of $5.00 a day until requests that run have finished, and this one may cost $0.10",
                "try again when they have finished, or raise `agents.laptop.llm.max_cost_per_day`",
                Some(1000),
            ),
        ] {
            assert_eq!(
                (reason.code(), reason.to_string().as_str(), reason.help().as_str(), reason.retry_after_ms()),
                (code, message, help, retry)
            );
        }
    }
}
