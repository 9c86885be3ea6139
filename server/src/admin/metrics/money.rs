//! What models were asked, what that cost, and what is left of budgets.

use std::fmt;

use server_core::{
    id::AgentId,
    llm::{ModelRef, price::Usage},
    money::NanoDollars,
    settings::Settings,
};

use super::Writer;
use crate::{
    budget::{Balance, Unavailable},
    llm::Models,
};

pub(super) fn write(
    to: &mut Writer<'_, '_>,
    settings: &Settings,
    models: &Models,
    balances: Result<Vec<Balance>, Unavailable>,
) -> fmt::Result {
    requests(to, settings, models)?;
    let help = "Whether the books of budgets can be read and written; without them no model is asked";
    to.gauge("llm_budget_available", help, u64::from(balances.is_ok() && models.ledger().can_write()))?;
    budgets(to, &balances.unwrap_or_default())
}

fn requests(to: &mut Writer<'_, '_>, settings: &Settings, models: &Models) -> fmt::Result {
    let asked = models.tally().now(settings);
    let help = "Requests to providers of models, each attempt counted, by how they ended";
    let requests = asked.requests.iter().map(|((agent, model, outcome), count)| {
        let [agent, provider, model] = labels(agent, model);
        ([agent, provider, model, ("outcome", (*outcome).to_owned())], *count)
    });
    to.counters("llm_requests", help, requests)?;
    let seconds = asked.seconds.iter().map(|(model, histogram)| {
        ([("provider", model.provider.to_string()), ("model", model.model.to_string())], histogram)
    });
    to.histograms("llm_request_seconds", "How long requests to providers took", seconds)?;
    let tokens = asked.tokens.iter().flat_map(|((agent, model), usage)| {
        let Usage { input, cached_input, cache_write, output } = *usage;
        let kinds = [
            ("input", input),
            ("cached_input", cached_input),
            ("cache_write", cache_write),
            ("output", output),
        ];
        kinds.map(|(kind, count)| {
            let [agent, provider, model] = labels(agent, model);
            ([agent, provider, model, ("kind", kind.to_owned())], count)
        })
    });
    let help = "Tokens as providers told them; each is of one kind";
    to.counters("llm_tokens", help, tokens)?;
    let charged = models.ledger().charged();
    let costs = charged.iter().filter_map(|((agent, model), cost)| {
        let (agent, model): (AgentId, ModelRef) = (agent.parse().ok()?, model.parse().ok()?);
        let is_known = settings.agents.contains_key(&agent) && settings.llm.model(&model).is_some();
        is_known.then(|| (labels(&agent, &model), dollars(*cost)))
    });
    to.counters("llm_cost_usd", "US dollars that requests to providers were charged at", costs)
}

fn labels(agent: &AgentId, model: &ModelRef) -> [(&'static str, String); 3] {
    let ModelRef { provider, model } = model;
    [("agent", agent.to_string()), ("provider", provider.to_string()), ("model", model.to_string())]
}

fn budgets(to: &mut Writer<'_, '_>, balances: &[Balance]) -> fmt::Result {
    let of = |value: fn(&Balance) -> f64| {
        balances.iter().map(move |it| {
            let labels = [
                ("owner", it.scope.owner.kind().to_owned()),
                ("name", it.scope.owner.name().to_owned()),
                ("period", it.scope.period.as_str().to_owned()),
            ];
            (labels, value(it))
        })
    };
    let limit = of(|it| dollars(it.scope.limit.unwrap_or_default()));
    to.gauges("llm_budget_limit_usd", "US dollars that may be spent in the period", limit)?;
    let help = "US dollars that were spent in the period";
    to.gauges("llm_budget_spent_usd", help, of(|it| dollars(it.standing.spent)))?;
    let help = "US dollars that requests under way hold";
    to.gauges("llm_budget_reserved_usd", help, of(|it| dollars(it.standing.reserved)))
}

#[expect(clippy::cast_precision_loss, reason = "for a graph; the books are exact")]
fn dollars(amount: NanoDollars) -> f64 {
    amount.nanos() as f64 / 1e9
}
