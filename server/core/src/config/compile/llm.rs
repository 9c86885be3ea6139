//! `llm`: providers, their models and prices, and the operator's names for them.

use std::{collections::BTreeMap, time::Duration};

use jiff::tz::TimeZone;

use super::{Compiler, Place};
use crate::{
    config::{
        mask::quoted,
        raw::{RawLlm, RawModel, RawProvider, Texts},
        suggest::{closest, listed},
    },
    llm::{Api, LlmSettings, ModelName, ModelRef, ModelSettings, ProviderName, ProviderSettings, RouteName},
    paste_guard::GuardSettings,
};

impl Compiler<'_> {
    /// The models of others, and what they are called.
    pub(super) fn llm(&mut self, place: &Place, raw: &RawLlm) -> LlmSettings {
        let default = LlmSettings::default();
        let providers = self.providers(&place.key("providers"), &raw.providers);
        let routes = self.routes(place, raw);
        let zone = raw.time_zone.as_deref().and_then(|name| self.time_zone(&place.key("time_zone"), name));
        let paste_guard = self.paste_guard(place, raw);
        LlmSettings {
            providers,
            routes,
            time_zone: zone.unwrap_or(default.time_zone),
            budget_wait: raw.budget_wait_ms.map_or(default.budget_wait, Duration::from_millis),
            paste_guard,
        }
    }

    fn providers(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawProvider>,
    ) -> BTreeMap<ProviderName, ProviderSettings> {
        self.named(place, raw, |compiler, place, raw| {
            let name = compiler.report.name_at(place);
            let api = super::provider::api(&name, raw.api);
            let base_url = compiler.base_url(place, &name, raw);
            let key = compiler.api_key(place, &name, api, raw.api_key.as_deref());
            let models = compiler.models(&place.key("models"), api, &raw.models);
            Some(ProviderSettings { api, base_url: base_url?, key, models })
        })
    }

    fn models(
        &mut self,
        place: &Place,
        api: Api,
        raw: &BTreeMap<String, RawModel>,
    ) -> BTreeMap<ModelName, ModelSettings> {
        self.named(place, raw, |compiler, place, raw| {
            let price = compiler.price(place, api, raw);
            let has = |key| compiler.report.has(place, key);
            if price.is_none() && !(has("input") && has("output")) {
                let message = "this model has no price, so nobody can use it".to_owned();
                let help =
                    "add `input` and `output`, in US dollars per million tokens; 0 if it costs nothing";
                compiler.report.key_warning(place, "unpriced_model", message, Some(help.to_owned()));
            }
            Some(ModelSettings { price, max_output: raw.max_output })
        })
    }

    /// Aliases and routes, of which each has a name of its own.
    fn routes(&mut self, place: &Place, raw: &RawLlm) -> BTreeMap<RouteName, Vec<ModelRef>> {
        let aliases =
            self.named::<RouteName, _, _>(&place.key("aliases"), &raw.aliases, |compiler, place, text| {
                Some(vec![compiler.model_ref(place, text)?])
            });
        let routes =
            self.named::<RouteName, _, _>(&place.key("routes"), &raw.routes, |compiler, place, texts| {
                Some(compiler.route(place, texts, &aliases))
            });
        let mut all = aliases;
        for (name, models) in routes {
            if all.contains_key(&name) {
                let place = place.key("routes").key(name.to_string());
                let name = quoted(name.as_str());
                let message = format!("there is an alias {name} too, and only one of the two can be meant");
                self.report.key_error(
                    &place,
                    "duplicate_name",
                    message,
                    Some("rename one of them".to_owned()),
                );
            }
            all.insert(name, models);
        }
        all
    }

    fn route(
        &mut self,
        place: &Place,
        texts: &Texts,
        aliases: &BTreeMap<RouteName, Vec<ModelRef>>,
    ) -> Vec<ModelRef> {
        let mut models = Vec::new();
        for (item, text) in texts.iter() {
            let alias = text.parse::<RouteName>().ok().and_then(|name| aliases.get(&name));
            match alias {
                Some(alias) => models.extend_from_slice(alias),
                // An alias that is wrong has been reported.
                None if self.report.has(&Place::root().key("llm").key("aliases"), text) => {}
                None => models.extend(self.model_ref(&place.item(item), text)),
            }
        }
        if texts.iter().next().is_none() {
            let message = "this route has no models".to_owned();
            let help = "list some, as in `[anthropic/claude-haiku-4-5]`, or remove it".to_owned();
            self.report.key_error(place, "empty_value", message, Some(help));
        }
        models
    }

    /// A model that is configured, by `provider/model`.
    fn model_ref(&mut self, place: &Place, text: &str) -> Option<ModelRef> {
        let model: ModelRef = self.parsed(place, "invalid_model", text)?;
        let providers = Place::root().key("llm").key("providers");
        let models = providers.key(model.provider.to_string()).key("models");
        let is_known = self.report.has(&models, model.model.as_str());
        if !is_known {
            self.refer_to_no_model(place, text);
        }
        is_known.then_some(model)
    }

    /// Says that there is no such model, and which may be meant.
    pub(super) fn refer_to_no_model(&mut self, place: &Place, text: &str) {
        let known = self.known_models();
        let names = || known.iter().map(String::as_str);
        let help = match (closest(text, names()), known.len()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, 1..=10) => format!("the models are {}", listed(names(), "and")),
            _ => "add it to `models` of a provider below `llm.providers`".to_owned(),
        };
        self.report.error(place, "unknown_model", format!("there is no model {}", quoted(text)), Some(help));
    }

    /// Every model that is configured, as `provider/model`.
    pub(super) fn known_models(&self) -> Vec<String> {
        let providers = Place::root().key("llm").key("providers");
        let mut known = Vec::new();
        for provider in self.report.keys(&providers) {
            let place = providers.key(provider.to_owned());
            let (provider, models) = (self.report.name(&providers, provider), place.key("models"));
            let names = self.report.keys(&models).into_iter().map(|model| self.report.name(&models, model));
            known.extend(names.map(|model| format!("{provider}/{model}")));
        }
        known
    }

    fn time_zone(&mut self, place: &Place, name: &str) -> Option<TimeZone> {
        match TimeZone::get(name) {
            Ok(zone) => Some(zone),
            Err(_) => {
                let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
                let help = closest(name, names.iter().map(String::as_str)).map_or_else(
                    || {
                        "use a name of the IANA time zone database, such as `Europe/Warsaw`, or `UTC`"
                            .to_owned()
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("there is no time zone {}", quoted(name));
                self.report.error(place, "unknown_time_zone", message, Some(help));
                None
            }
        }
    }

    fn paste_guard(&mut self, place: &Place, raw: &RawLlm) -> GuardSettings {
        let (default, raw) = (GuardSettings::default(), &raw.paste_guard);
        let bytes = raw.max_prompt_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let deny_score = raw.deny_score.unwrap_or(default.deny_score);
        if raw.warn_score.is_some_and(|warn| warn > deny_score) {
            let message = format!("prompts are refused from {deny_score} on, so none is noted from here on");
            let help = "set `warn_score` below `deny_score`".to_owned();
            let place = place.key("paste_guard").key("warn_score");
            self.report.warning(&place, "above_ceiling", message, Some(help));
        }
        GuardSettings {
            max_prompt_bytes: bytes.unwrap_or(default.max_prompt_bytes),
            warn_score: raw.warn_score.unwrap_or(default.warn_score).min(deny_score),
            deny_score,
            window: raw.window_seconds.map_or(default.window, Duration::from_secs),
        }
    }
}
