//! The keys about models, prices and budgets.

use serde_json::{Value, json};

use super::super::{
    case::{Case, case},
    look::{Look, ask, known, noted},
};

/// Nobody is there.
const NOWHERE: &str = "http://127.0.0.1:1/v1";
const NOBODY: &str =
    "local/m: it could not be reached: no connection to `127.0.0.1:1`: it refuses connections";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = providers();
    cases.extend(prices("llm.providers.*.models.*", "/llm/models/0/per_million"));
    cases.extend(prices(
        "llm.providers.*.models.*.long_context[]",
        "/llm/models/0/long_context/0/per_million",
    ));
    cases.extend(guard());
    cases.extend(filters());
    cases.extend(grants());
    cases.extend(budgets());
    cases
}

/// A case of an agent that may ask two models that are nowhere.
fn of(key: &str, before: Value, after: Value) -> Case {
    let capabilities = json!(["llm:query"]);
    let price = json!({ "input": 1, "output": 5 });
    let provider = json!({ "base_url": NOWHERE, "models": { "m": price, "n": price } });
    let egress = json!(["http://127.0.0.1:1"]);
    case(key, before, after)
        .with("llm.providers.*", provider)
        .with("tenants.*.capabilities", capabilities.clone())
        .with("tenants.*.egress", egress.clone())
        .with("agents.*.capabilities", capabilities)
        .with("agents.*.egress", egress)
        .with("agents.*.llm", json!({ "models": { "local": ["*"] }, "max_cost_per_day": 1 }))
}

fn providers() -> Vec<Case> {
    let key = json!("${LAPTOP_TOKEN}");
    vec![
        of("llm.providers.*.api", json!("openai_chat"), json!("anthropic_messages"))
            .with("llm.providers.*.api_key", key.clone())
            .shows(known("/llm/models/0/per_million/cache_write"), "1.00", "1.25"),
        of("llm.providers.*.base_url", json!(NOWHERE), json!("http://127.0.0.2:1/v1")).shows(
            ask(vec!["hello".to_owned()]),
            NOBODY,
            "egress_host_not_allowed, egress_host_not_allowed",
        ),
        of("llm.providers.*.api_key", key, json!("${NOT_SET}")).shows(
            known("/llm/models/0/name"),
            "local/m",
            "nothing",
        ),
        of("llm.providers.*.models.*.max_output", json!(null), json!(100)).shows(
            known("/llm/models/0/max_tokens"),
            "nothing",
            "100",
        ),
        of("llm.aliases.*", json!("local/m"), json!("local/n")).shows(
            known("/llm/routes/fast/0"),
            "local/m",
            "local/n",
        ),
        of("llm.routes.*", json!(["local/m"]), json!(["local/n"])).shows(
            known("/llm/routes/smart/0"),
            "local/m",
            "local/n",
        ),
        of("llm.time_zone", json!("UTC"), json!("Asia/Kathmandu")).shows(
            known("/llm/budgets/0/resets_at"),
            "00:00:00Z",
            "18:15:00Z",
        ),
        of("llm.budget_wait_ms", json!(null), json!(50)).shows(known("/llm/budget_wait_ms"), "2000", "50"),
    ]
}

fn prices(level: &str, about: &str) -> Vec<Case> {
    let tier = json!([{ "above_input_tokens": 9, "input": 1, "output": 5 }]);
    let of = |key: &str, before, after| {
        let case = of(&format!("{level}.{key}"), before, after);
        if level.ends_with("[]") {
            case.with("llm.providers.*.models.*.long_context", tier.clone())
        } else {
            case
        }
    };
    let price = |key: &str, before: &str, pointer: &'static str| {
        of(key, json!(before.parse::<f64>().unwrap()), json!(2.5)).shows(known(pointer), before, "2.50")
    };
    let mut cases: Vec<_> = ["input", "output", "cached_input", "cache_write"]
        .into_iter()
        .map(|key| price(key, "1.75", String::leak(format!("{about}/{key}"))))
        .collect();
    if level.ends_with("[]") {
        let pointer = "/llm/models/0/long_context/0/above_input_tokens";
        cases.push(of("above_input_tokens", json!(9), json!(7)).shows(known(pointer), "9", "7"));
    }
    cases
}

/// So many files, from one on.
fn files(first: usize, count: usize) -> String {
    (first..first + count).map(|file| format!("==> src/{file}.rs <==\n")).collect()
}

fn guard() -> Vec<Case> {
    let (refused, passed) = ("pasted_repository", "budget_exceeded");
    // Whatever the guard lets through has no money.
    let guard = |key: &str, before, after| {
        of(&format!("llm.paste_guard.{key}"), before, after).with("agents.*.llm.max_cost_per_day", json!(0))
    };
    let asks = |prompts: &[String]| -> Look { ask(prompts.to_vec()) };
    vec![
        guard("max_prompt_bytes", json!(1000), json!(2000)).shows(
            known("/llm/max_prompt_bytes"),
            "1000",
            "2000",
        ),
        guard("warn_score", json!(50), json!(12)).shows(noted(files(0, 2)), "not noted", "noted"),
        guard("deny_score", json!(50), json!(12)).shows(asks(&[files(0, 2)]), passed, refused),
        guard("window_seconds", json!(600), json!(0)).shows(
            asks(&[files(0, 7), files(7, 7)]),
            refused,
            passed,
        ),
    ]
}

/// Whoever asks, and whichever of them is strict.
fn filters() -> Vec<Case> {
    let filter = |holder: &str| {
        let asked = ask(vec!["write to ada@example.com".to_owned()]);
        of(&format!("{holder}.filters.prompts"), json!("redact"), json!("deny")).shows(
            asked,
            NOBODY,
            "sensitive_prompt",
        )
    };
    let bundled = json!({
        "minisign": "installed", "plugins": ["*"], "names": ["llm.*"], "capabilities": ["llm:query"],
        "in_process": true,
    });
    let of_plugin = filter("plugins.entries.*")
        .entry("llm")
        .with("plugins.trusted_keys.bundled", bundled)
        .with("plugins.entries.*.isolation", json!("in_process"))
        .with("plugins.entries.*.capabilities", json!(["llm:query"]));
    vec![filter("tenants.*"), filter("agents.*"), of_plugin]
}

fn grants() -> Vec<Case> {
    let first = || known("/llm/models/0/name");
    let tokens = || known("/llm/models/0/max_tokens");
    let mut cases = Vec::new();
    for level in ["agents.*.llm", "tenants.*.llm"] {
        cases.push(of(&format!("{level}.models.*"), json!(["*"]), json!(["n"])).shows(
            first(),
            "local/m",
            "local/n",
        ));
        let key = format!("{level}.max_tokens_per_request");
        cases.push(of(&key, json!(200), json!(100)).shows(tokens(), "200", "100"));
    }
    cases
}

fn budgets() -> Vec<Case> {
    let mut cases = Vec::new();
    for (level, day, month) in [("agents.*.llm", 0, 1), ("tenants.*.budget", 1, 1)] {
        let about = |place: u8, key: &str| known(String::leak(format!("/llm/budgets/{place}/{key}")));
        let of = |key: &str, before, after| of(&format!("{level}.{key}"), before, after);
        cases.push(of("max_cost_per_day", json!(2.5), json!(0.75)).shows(
            about(day, "limit"),
            "2.50",
            "0.75",
        ));
        cases.push(of("max_cost_per_month", json!(9), json!(8.5)).shows(
            about(month, "limit"),
            "9.00",
            "8.50",
        ));
        let mode = of("mode", json!("strict"), json!("fair"));
        let mode = if day == 1 { mode.with("tenants.*.budget.max_cost_per_day", json!(1)) } else { mode };
        cases.push(mode.shows(about(day, "mode"), "strict", "fair"));
    }
    cases
}
