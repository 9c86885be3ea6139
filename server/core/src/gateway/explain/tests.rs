use plugin_contract::Capability;
use serde_json::json;

use super::*;
use crate::{
    gateway::{
        Answer,
        tests::{echo, limits_of, world},
    },
    policy::Ground,
    settings::{Grant, Settings},
    testing::{content, patterns, plugin, principal, settings, tool as spec, unreachable},
};

fn question(arguments: Option<Value>) -> Question {
    let arguments = arguments.map(|it| it.as_object().unwrap().clone());
    Question { agent: "laptop".to_owned(), tool: "demo.say".to_owned(), arguments }
}

/// The codes of the reasons that are told.
fn told(gateway: &Gateway, question: &Question) -> Vec<String> {
    let explanation = gateway.explain(&gateway.live().load(), question, None).unwrap();
    explanation.reasons.into_iter().map(|reason| reason.code).collect()
}

fn agent(settings: &mut Settings) -> &mut Grant {
    &mut settings.agents.values_mut().next().unwrap().grant
}

#[test]
fn every_reason_is_told_at_once_where_a_call_hears_of_the_first_ones() {
    let world = world(
        |settings| {
            agent(settings).tools = patterns(&["demo.other"]);
            agent(settings).deny = patterns(&["demo.*"]);
            limits_of(settings).max_payload_bytes = 10;
        },
        unreachable(),
    );
    let arguments = json!({ "text": "longer than ten bytes", "more": 1 });
    assert_eq!(
        told(&world.gateway, &question(Some(arguments))),
        ["tool_not_granted_to_agent", "tool_denied_to_agent", "payload_too_large", "invalid_arguments"]
    );
    assert_eq!(told(&world.gateway, &question(None)), ["tool_not_granted_to_agent", "tool_denied_to_agent"]);
}

#[test]
fn asking_spends_none_of_the_limits() {
    let world = world(|settings| limits_of(settings).rate = "1/h".parse().unwrap(), echo());
    for _ in 0..3 {
        assert_eq!(told(&world.gateway, &question(None)), [""; 0]);
    }
    let answer = world.call("demo.say", json!({ "text": "the first call that counts" }));
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    assert_eq!(told(&world.gateway, &question(None)), ["rate_limited"]);
    assert_eq!(world.records.0.lock().unwrap().len(), 1, "an explanation is no call");
}

#[test]
fn who_and_what_is_not_there_is_told_with_what_was_meant() {
    let world = world(|_| {}, unreachable());
    let snapshot = world.gateway.live().load();
    for (agent, tool, message) in [
        ("lapto", "demo.say", "there is no agent `lapto`; did you mean `laptop`?"),
        ("no agent at all", "demo.say", "there is no agent `no agent at all`"),
        ("laptop", "demo.sya", "no plugin that is loaded offers tool `demo.sya`; did you mean `demo.say`?"),
        ("laptop", "jira.search", "no plugin that is loaded offers tool `jira.search`"),
    ] {
        let question = Question { agent: agent.to_owned(), tool: tool.to_owned(), arguments: None };
        let none = world.gateway.explain(&snapshot, &question, None).unwrap_err();
        assert_eq!(none.to_string(), message);
    }
}

/// What the rights say one by one is what the engine says of the whole, for every
/// combination of them.
#[test]
fn the_rights_that_are_shown_are_those_that_the_engine_asks_for() {
    let network = [Capability::NetworkOutbound];
    for bits in 0..1 << 7 {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let mut settings = settings();
        let tools = |on| patterns(if on { &["demo.*"] } else { &[] });
        let deny = |on| patterns(if on { &["demo.say"] } else { &[] });
        let capabilities = |on| if on { network.into() } else { Default::default() };
        let grant = agent(&mut settings);
        (grant.tools, grant.deny, grant.capabilities) = (tools(on(0)), deny(on(1)), capabilities(on(2)));
        let grant = &mut settings.tenants.values_mut().next().unwrap().grant;
        (grant.tools, grant.deny, grant.capabilities) = (tools(on(3)), deny(on(4)), capabilities(on(5)));
        let granted = if on(6) { &network[..] } else { &[] };
        let plugin = plugin(&[spec("demo.say", &["network:outbound"])], granted, unreachable());
        let snapshot = crate::snapshot::Live::new(content(settings, plugin)).load();
        let tool = snapshot.registry.tool("demo.say").unwrap();
        let decision = policy::tool(&snapshot, &principal(), tool);
        let grounds = grounds(&snapshot, &principal(), tool);
        assert_eq!(grounds.len(), 5);
        assert_eq!(decision.is_ok(), grounds.iter().all(Ground::holds), "{bits:b} {grounds:?}");
        let reasons = decision.err().unwrap_or_default().len();
        let against =
            |it: &Ground| usize::from(it.granted_by.is_none()) + usize::from(it.denied_by.is_some());
        assert_eq!(reasons, grounds.iter().map(against).sum::<usize>(), "{bits:b}");
    }
}
