//! What Prometheus reads of models and money.

use super::*;
use crate::support::{REVIEWER, client::http};

impl World {
    /// The metrics, once they have this line.
    async fn measures(&self, line: &str) -> String {
        let door = eventually("the admin listener", || {
            self.server.logged(|line| line["message"] == "admin listening")
        });
        let url = format!("http://{}/metrics", door["address"].as_str().unwrap());
        crate::support::eventually_async(line, async || {
            let text = http().get(&url).bearer_auth(REVIEWER).send().await.unwrap().text().await.unwrap();
            text.lines().any(|it| it == line).then_some(text)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_costs_and_budgets_are_measured() {
    let world = World::new();
    world.ask(question("fast", "hello")).await;
    world.ask(question("openai/m", "status 400")).await;
    let model = r#"agent="laptop",provider="local",model="m""#;
    let text = world.measures(&format!("llm_cost_usd_total{{{model}}} 0.00332")).await;
    let address = world.models.address;
    for line in [
        format!(r#"llm_tokens_total{{{model},kind="input"}} 800"#),
        format!(r#"llm_tokens_total{{{model},kind="cached_input"}} 200"#),
        format!(r#"llm_tokens_total{{{model},kind="output"}} 500"#),
        format!(r#"llm_requests_total{{{model},outcome="answered"}} 1"#),
        r#"llm_requests_total{agent="laptop",provider="openai",model="m",outcome="rejected"} 1"#.to_owned(),
        r#"llm_request_seconds_count{provider="local",model="m"} 1"#.to_owned(),
        r#"llm_budget_limit_usd{owner="agent",name="laptop",period="day"} 1.0"#.to_owned(),
        r#"llm_budget_spent_usd{owner="agent",name="laptop",period="day"} 0.00332"#.to_owned(),
        r#"llm_budget_spent_usd{owner="tenant",name="research",period="day"} 0.00332"#.to_owned(),
        "llm_budget_available 1".to_owned(),
        format!(
            r#"egress_requests_total{{agent="laptop",rule="http://{address}",outcome="answered",reason="2xx"}} 1"#
        ),
        format!(
            r#"egress_requests_total{{agent="laptop",rule="http://{address}",outcome="answered",reason="4xx"}} 1"#
        ),
        r#"mcp_tool_calls_limit{agent="laptop"} 8"#.to_owned(),
        r#"mcp_rate_limit_calls{agent="laptop"} 60"#.to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_given_up_is_measured_with_what_it_holds_and_then_costs() {
    let world = World::new();
    let client = world.client().await;
    tokio::select! {
        _ = client.call("llm.query", question("fast", "hang")) => panic!("it hangs"),
        _ = world.measures(r#"llm_budget_reserved_usd{owner="agent",name="laptop",period="day"} 0.005085"#) => {}
    }
    drop(client);
    let model = r#"agent="laptop",provider="local",model="m""#;
    let text = world.measures(&format!("llm_cost_usd_total{{{model}}} 0.005085")).await;
    let cancelled = format!(r#"llm_requests_total{{{model},outcome="cancelled"}} 1"#);
    assert!(text.lines().any(|it| it == cancelled), "{text}");
}

/// Where callers may go anywhere below a name, the rule is what is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_go_out_is_measured_by_its_reason() {
    let world = World::with(|config| {
        let (before, after) = config.rsplit_once("    egress: [\"http://").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        format!("{before}{after}")
    });
    world.ask(question("fast", "hello")).await;
    world
        .measures(
            r#"egress_requests_total{agent="laptop",rule="",outcome="refused",reason="egress_host_not_allowed"} 1"#,
        )
        .await;
}
