//! What agents and tenants may ask of models and spend on them.

use std::collections::BTreeMap;

use plugin_contract::Capability;

use super::{Compiler, Place};
use crate::{
    budget::{Budget, Mode},
    config::{
        mask::quoted,
        raw::{RawAgentLlm, RawBudget, RawMode, RawTenantLlm, Texts},
        suggest::{closest, listed},
    },
    id::TenantId,
    llm::{LlmGrant, ModelGrant},
    pattern::{Pattern, Patterns},
    settings::{Grant, Tenant},
};

impl Compiler<'_> {
    pub(super) fn tenant_llm(&mut self, place: &Place, raw: &RawTenantLlm) -> LlmGrant {
        let models = self.model_grant(&place.key("models"), raw.models.as_ref());
        LlmGrant { models, max_tokens_per_request: raw.max_tokens_per_request }
    }

    pub(super) fn agent_llm(&mut self, place: &Place, raw: &RawAgentLlm) -> LlmGrant {
        let models = self.model_grant(&place.key("models"), raw.models.as_ref());
        LlmGrant { models, max_tokens_per_request: raw.max_tokens_per_request }
    }

    pub(super) fn tenant_budget(&mut self, place: &Place, raw: &RawBudget) -> Budget {
        Budget {
            day: self.amount(&place.key("max_cost_per_day"), raw.max_cost_per_day.as_ref()),
            month: self.amount(&place.key("max_cost_per_month"), raw.max_cost_per_month.as_ref()),
            mode: mode(raw.mode),
        }
    }

    pub(super) fn agent_budget(&mut self, place: &Place, raw: &RawAgentLlm) -> Budget {
        Budget {
            day: self.amount(&place.key("max_cost_per_day"), raw.max_cost_per_day.as_ref()),
            month: self.amount(&place.key("max_cost_per_month"), raw.max_cost_per_month.as_ref()),
            mode: mode(raw.mode),
        }
    }

    fn model_grant(&mut self, place: &Place, raw: Option<&BTreeMap<String, Texts>>) -> Option<ModelGrant> {
        let mut grant = BTreeMap::new();
        for (name, texts) in raw? {
            let place = place.key(name.clone());
            let providers = Place::root().key("llm").key("providers");
            if !self.report.has(&providers, name) {
                self.refer_to_no_provider(&place, &providers);
                continue;
            }
            let patterns = self.model_patterns(&place, name, texts);
            grant.extend(name.parse().ok().map(|name| (name, patterns)));
        }
        Some(ModelGrant(grant))
    }

    fn model_patterns(&mut self, place: &Place, provider: &str, texts: &Texts) -> Patterns {
        let models = Place::root().key("llm").key("providers").key(provider.to_owned()).key("models");
        let mut patterns = Vec::new();
        for (item, text) in texts.iter() {
            let place = place.item(item);
            let Some(pattern) = self.parsed::<Pattern>(&place, "invalid_pattern", text) else { continue };
            if !self.report.keys(&models).into_iter().any(|model| pattern.covers(model)) {
                let text = format!("{provider}/{text}");
                self.refer_to_no_model(&place, &text);
            }
            patterns.push(pattern);
        }
        patterns.into_iter().collect()
    }

    fn refer_to_no_provider(&mut self, place: &Place, providers: &Place) {
        let name = self.report.name_at(place);
        let known: Vec<_> =
            self.report.keys(providers).into_iter().map(|key| self.report.name(providers, key)).collect();
        let names = || known.iter().map(String::as_str);
        let help = match (closest(&name, names()), known.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, false) => format!("the providers are {}", listed(names(), "and")),
            (None, true) => "add it below `llm.providers`".to_owned(),
        };
        self.report.key_error(
            place,
            "unknown_provider",
            format!("there is no provider `{name}`"),
            Some(help),
        );
    }

    /// An agent whose every request would be refused, whatever it asks.
    pub(super) fn warn_about_models(
        &mut self,
        place: &Place,
        llm: &LlmGrant,
        budget: &Budget,
        grant: &Grant,
        tenant: &TenantId,
        above: Option<&Tenant>,
    ) {
        let Some(above) = above else { return };
        let place_of_models = place.key("llm").key("models");
        if let (Some(models), Some(ceiling)) = (&llm.models, &above.llm.models) {
            for (provider, patterns) in &models.0 {
                let within = ceiling.0.get(provider).map(|ceiling| patterns.intersection(ceiling));
                if within.is_none_or(|within| within.is_empty()) && !patterns.is_empty() {
                    let place = place_of_models.key(provider.to_string());
                    let message = format!(
                        "this grants no model of {}, because tenant `{tenant}` does not allow it",
                        quoted(provider.as_str())
                    );
                    let help =
                        format!("add it to `tenants.{tenant}.llm.models.{provider}`, or remove it here");
                    self.report.warning(&place, "above_ceiling", message, Some(help));
                }
            }
        }
        let asks = [grant, &above.grant].iter().all(|it| it.capabilities.contains(&Capability::LlmQuery));
        let has_models = llm.models.as_ref().is_some_and(|models| !models.0.is_empty());
        if asks && has_models && budget.day.or(above.budget.day).is_none() {
            let name = self.report.name_at(place);
            let message =
                format!("agent `{name}` has no budget of a day, so every request to a model is refused");
            let help = format!(
                "set `max_cost_per_day` here or in `tenants.{tenant}.budget`, in US dollars; 0 is enough for \
                 models that cost nothing"
            );
            self.report.warning(&place.key("llm"), "budget_not_configured", message, Some(help));
        }
    }
}

fn mode(raw: Option<RawMode>) -> Mode {
    match raw {
        None | Some(RawMode::Strict) => Mode::Strict,
        Some(RawMode::Fair) => Mode::Fair,
    }
}
