//! Models of others: what is offered, who may ask which, and for how much.

use super::change::{Change, Subject, What};
use crate::{
    budget::{Budget, Period},
    llm::{LlmGrant, LlmSettings, ModelGrant, ProviderName, ProviderSettings},
    settings::Settings,
};

/// What an agent may ask of models, or a tenant's agents at most.
pub(super) fn grant(was: (&LlmGrant, &Budget), is: (&LlmGrant, &Budget)) -> Vec<What> {
    if was == is {
        return Vec::new();
    }
    let models = |grant: &LlmGrant| grant.models.as_ref().map(ModelGrant::texts).unwrap_or_default();
    let tokens =
        |grant: &LlmGrant| grant.max_tokens_per_request.map_or("unset".to_owned(), |it| it.to_string());
    let limit =
        |budget: &Budget, period| budget.limit(period).map_or("unset".to_owned(), |it| it.to_string());
    let limits = |name, period| What::value(name, limit(was.1, period), limit(is.1, period));
    [
        What::list("models", models(was.0), models(is.0)),
        What::value("max_tokens_per_request", tokens(was.0), tokens(is.0)),
        limits("max_cost_per_day", Period::Day),
        limits("max_cost_per_month", Period::Month),
        What::value("mode", was.1.mode.as_str(), is.1.mode.as_str()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is offered to whoever may ask.
pub(super) fn offered(old: &Settings, new: &Settings) -> Vec<Change> {
    let (was, is) = (&old.llm, &new.llm);
    if was == is {
        return Vec::new();
    }
    let zone = |llm: &LlmSettings| llm.time_zone.iana_name().unwrap_or("UTC").to_owned();
    let routes = was
        .routes
        .keys()
        .chain(is.routes.keys())
        .filter(|name| was.routes.get(*name) != is.routes.get(*name));
    [
        ("llm.providers", What::list("", models(was), models(is))),
        ("llm.providers", terms(was, is).then_some(What::Changed { value: "an address, a key or a price" })),
        ("llm.routes", routes.count().ne(&0).then_some(What::Changed { value: "what a name leads to" })),
        ("llm.time_zone", What::value("", zone(was), zone(is))),
        ("llm.budget_wait_ms", What::value("", was.budget_wait.as_millis(), is.budget_wait.as_millis())),
        (
            "llm.paste_guard",
            (was.paste_guard != is.paste_guard).then_some(What::Changed { value: "a threshold" }),
        ),
    ]
    .into_iter()
    .filter_map(|(key, what)| Some(Change { subject: Subject::Setting { key }, what: what? }))
    .collect()
}

fn models(llm: &LlmSettings) -> Vec<String> {
    let of = |(name, provider): (&ProviderName, &ProviderSettings)| {
        provider.models.keys().map(|model| format!("{name}/{model}")).collect::<Vec<_>>()
    };
    llm.providers.iter().flat_map(of).collect()
}

/// Whether a provider, or a model of it, that stays is another now.
fn terms(was: &LlmSettings, is: &LlmSettings) -> bool {
    was.providers.iter().any(|(name, was)| {
        is.providers.get(name).is_some_and(|is| {
            (was.api, &was.base_url, &was.key) != (is.api, &is.base_url, &is.key)
                || was.models.iter().any(|(model, was)| is.models.get(model).is_some_and(|is| was != is))
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::diff::tests::check;

    const BEFORE: &str = "
llm:
  providers: { local: { models: { m: { input: 1, output: 5 } } } }
  aliases: { fast: local/m }
tenants: { research: { budget: { max_cost_per_day: 20 } } }
agents: { laptop: { tenant: research, token: \"${LAPTOP_TOKEN}\", llm: { models: { local: [m] }, max_cost_per_day: 2.50 } } }
";

    #[test]
    fn what_may_be_asked_and_spent_is_told_by_value() {
        let after = BEFORE
            .replace("{ m: { input: 1, output: 5 } }", "{ m: { input: 2, output: 5 }, n: {} }")
            .replace("fast: local/m", "fast: local/n")
            .replace(
                "local: [m] }, max_cost_per_day: 2.50",
                "local: [\"*\"] }, max_cost_per_day: 5, mode: fair",
            )
            .replace("max_cost_per_day: 20", "max_cost_per_day: 20, max_cost_per_month: 100")
            .replace("llm:\n", "llm:\n  time_zone: Europe/Warsaw\n  paste_guard: { deny_score: 90 }\n");
        check(
            BEFORE,
            &after,
            &[
                "agent laptop: models + local/*, - local/m",
                "agent laptop: max_cost_per_day $2.50 → $5.00",
                "agent laptop: mode strict → fair",
                "tenant research: max_cost_per_month unset → $100.00",
                "llm.providers + local/n",
                "llm.providers: an address, a key or a price changed",
                "llm.routes: what a name leads to changed",
                "llm.time_zone UTC → Europe/Warsaw",
                "llm.paste_guard: a threshold changed",
            ],
        );
    }
}
