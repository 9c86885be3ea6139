//! `GET /budgets`, `POST /budgets/release` and `POST /budgets/set`: what agents and
//! tenants have spent on models, and the operator's word on it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Value, json};
use server_core::{
    budget::{ChargeId, Owner, Period, Scope, Window, of_owner},
    money::NanoDollars,
    settings::Settings,
    snapshot::Snapshot,
};
use tracing::warn;
use url::form_urlencoded;

use super::{Shared, orders::without_body, problem::Problem};
use crate::budget::{Balance, Stranded, Unavailable};

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    respond(shared.budgets(&shared.sources.live.load()))
}

pub(super) async fn release(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let asked = released(&request);
    let only = match asked {
        Ok(only) => without_body(request.into_body()).await.map(|()| only),
        Err(problem) => Err(problem),
    };
    let only = match only {
        Ok(only) => only,
        Err(problem) => return problem.into_response(),
    };
    let released = shared.sources.ledger.release(only).await;
    respond(released.map(|released| {
        for charge in &released {
            shared.on_record(
                "released",
                &charge.agent,
                &json!({ "charge": charge.id, "reserved": charge.reserved.decimal() }),
            );
        }
        json!({ "released": released.iter().map(stranded).collect::<Vec<_>>() })
    }))
}

pub(super) async fn set(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let asked = asked_to_set(&request);
    let asked = match asked {
        Ok(asked) => without_body(request.into_body()).await.map(|()| asked),
        Err(problem) => Err(problem),
    };
    let (owner, period, spent) = match asked {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let snapshot = shared.sources.live.load();
    if !is_configured(&owner, &snapshot.settings) {
        return Problem::parameter(format!("there is no {owner} in the configuration")).into_response();
    }
    let window = Window::at(Timestamp::now(), period, &snapshot.settings.llm.time_zone);
    let before = shared.sources.ledger.set(owner.clone(), period, &window, spent).await;
    respond(before.map(|before| {
        let (before, spent) = (before.decimal(), spent.decimal());
        let what = json!({ "period": period, "window": window.label, "before": before, "spent": spent });
        shared.on_record("set", owner.name(), &what);
        json!({
            "owner": owner.kind(), "name": owner.name(), "period": period, "window": window.label,
            "before": before, "spent": spent,
        })
    }))
}

impl Shared {
    /// The one place that hears what an operator changed.
    fn on_record(&self, change: &str, name: &str, what: &Value) {
        self.sources.audit.budget(&json!({ "change": change, "name": name, "what": what }));
        warn!(target: "budget", change, name, %what, "the operator changed what counts as spent");
    }

    /// How every budget that is set stands.
    pub(super) fn balances(&self, snapshot: &Snapshot) -> Result<Vec<Balance>, Unavailable> {
        self.sources.ledger.balances(scopes(&snapshot.settings))
    }

    /// Every budget that is set, and how it stands; and what a crash left.
    pub(super) fn budgets(&self, snapshot: &Snapshot) -> Result<Value, Unavailable> {
        let balances = self.balances(snapshot)?;
        let zone = snapshot.settings.llm.time_zone.iana_name().unwrap_or("UTC");
        Ok(json!({
            "time_zone": zone,
            "budgets": balances.iter().map(balance).collect::<Vec<_>>(),
            "stranded": self.sources.ledger.stranded()?.iter().map(stranded).collect::<Vec<_>>(),
        }))
    }
}

/// The scopes that have a limit.
fn scopes(settings: &Settings) -> Vec<Scope> {
    let (now, zone) = (Timestamp::now(), &settings.llm.time_zone);
    let agents = settings.agents.iter().map(|(id, agent)| (Owner::Agent(id.clone()), &agent.budget));
    let tenants = settings.tenants.iter().map(|(id, tenant)| (Owner::Tenant(id.clone()), &tenant.budget));
    let all = agents.chain(tenants).flat_map(|(owner, budget)| of_owner(&owner, budget, now, zone));
    all.filter(|scope| scope.limit.is_some()).collect()
}

fn balance(Balance { scope, standing }: &Balance) -> Value {
    let limit = scope.limit.unwrap_or_default();
    json!({
        "owner": scope.owner.kind(),
        "name": scope.owner.name(),
        "period": scope.period,
        "window": scope.window.label,
        "resets_at": scope.window.resets_at,
        "mode": scope.mode.as_str(),
        "limit": limit.decimal(),
        "spent": standing.spent.decimal(),
        "reserved": standing.reserved.decimal(),
        "remaining": standing.remaining(limit).decimal(),
    })
}

fn stranded(charge: &Stranded) -> Value {
    let Stranded { id, agent, tenant, model, reserved, at } = charge;
    let reserved = reserved.decimal();
    json!({ "id": id, "agent": agent, "tenant": tenant, "model": model, "reserved": reserved, "at": at })
}

fn is_configured(owner: &Owner, settings: &Settings) -> bool {
    match owner {
        Owner::Agent(agent) => settings.agents.contains_key(agent),
        Owner::Tenant(tenant) => settings.tenants.contains_key(tenant),
    }
}

fn respond(done: Result<Value, Unavailable>) -> Response {
    match done {
        Ok(value) => ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response(),
        Err(why) => Problem::books(&why).into_response(),
    }
}

fn parameters(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Which charges, or all of them.
fn released(request: &Request) -> Result<Option<Vec<ChargeId>>, Problem> {
    let (mut only, mut all) = (Vec::new(), false);
    for (name, value) in parameters(request) {
        match (name.as_str(), value.as_str()) {
            ("all", "1" | "true") => all = true,
            ("id", id) => {
                only.push(id.parse().map_err(|_| wrong("id", "a charge, as `budget show` tells them"))?)
            }
            ("all", _) => return Err(wrong("all", "1")),
            _ => return Err(unknown(&name, "`id` and `all`")),
        }
    }
    match (all, only.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(only)),
        _ => Err(Problem::parameter("name charges by `id`, or say `all=1`".to_owned())),
    }
}

fn asked_to_set(request: &Request) -> Result<(Owner, Period, NanoDollars), Problem> {
    let mut given = BTreeMap::new();
    for (name, value) in parameters(request) {
        if !["agent", "tenant", "period", "spent"].contains(&name.as_str()) {
            return Err(unknown(&name, "`agent`, `tenant`, `period` and `spent`"));
        }
        given.insert(name, value);
    }
    let value = |name: &str| given.get(name).map(String::as_str);
    let owner = match (value("agent"), value("tenant")) {
        (Some(agent), None) => Owner::named("agent", agent),
        (None, Some(tenant)) => Owner::named("tenant", tenant),
        _ => return Err(Problem::parameter("name one `agent` or one `tenant`".to_owned())),
    };
    let owner = owner.ok_or_else(|| Problem::parameter("nobody can have such a name".to_owned()))?;
    let period = Period::named(value("period").unwrap_or("day"));
    let period = period.ok_or_else(|| wrong("period", "`day` or `month`"))?;
    let spent = value("spent").and_then(|spent| spent.parse().ok());
    Ok((owner, period, spent.ok_or_else(|| wrong("spent", "US dollars, as in `2.50`"))?))
}

fn wrong(name: &str, wanted: &str) -> Problem {
    Problem::parameter(format!("the parameter `{name}` must be {wanted}"))
}

fn unknown(name: &str, known: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::parameter(format!("there is no parameter `{name}` here, but {known}"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(query: &str) -> Request {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = format!("/budgets/x?{query}").parse().unwrap();
        request
    }

    #[test]
    fn all_charges_or_some_are_released_and_never_by_accident() {
        let ids = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(released(&request("all=1")), Ok(None));
        assert_eq!(released(&request("id=a1&id=b2")), Ok(Some(ids(&["a1", "b2"]))));
        for (query, message) in [
            ("", "name charges by `id`, or say `all=1`"),
            ("all=1&id=a1", "name charges by `id`, or say `all=1`"),
            ("all=yes", "the parameter `all` must be 1"),
            ("id=..%2F", "the parameter `id` must be a charge, as `budget show` tells them"),
            ("agent=laptop", "there is no parameter `agent` here, but `id` and `all`"),
        ] {
            assert_eq!(released(&request(query)), Err(Problem::parameter(message.to_owned())), "{query}");
        }
    }

    #[test]
    fn what_is_set_names_an_owner_a_period_and_an_amount() {
        let spent = |text: &str| text.parse::<NanoDollars>().unwrap();
        let (laptop, research) =
            (Owner::named("agent", "laptop").unwrap(), Owner::named("tenant", "research").unwrap());
        for (query, expected) in [
            ("agent=laptop&spent=0", (laptop.clone(), Period::Day, spent("0"))),
            ("tenant=research&period=month&spent=2.50", (research, Period::Month, spent("2.50"))),
        ] {
            assert_eq!(asked_to_set(&request(query)), Ok(expected));
        }
        for (query, message) in [
            ("spent=1", "name one `agent` or one `tenant`"),
            ("agent=a&tenant=b&spent=1", "name one `agent` or one `tenant`"),
            ("agent=-&spent=1", "nobody can have such a name"),
            ("agent=a&period=week&spent=1", "the parameter `period` must be `day` or `month`"),
            ("agent=a", "the parameter `spent` must be US dollars, as in `2.50`"),
            ("agent=a&spent=-1", "the parameter `spent` must be US dollars, as in `2.50`"),
            (
                "agent=a&limit=1",
                "there is no parameter `limit` here, but `agent`, `tenant`, `period` and `spent`",
            ),
        ] {
            assert_eq!(asked_to_set(&request(query)), Err(Problem::parameter(message.to_owned())), "{query}");
        }
    }
}
