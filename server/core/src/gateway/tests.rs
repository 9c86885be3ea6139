use futures::{FutureExt, executor::block_on};
use plugin_contract::op::{Content as Block, ErrorCode, OpError};
use serde_json::json;

use super::*;
use crate::{
    invocation::Invocation,
    limits::Limits,
    registry::InvokeError,
    settings::{Disclosure, Settings},
    testing::{
        Records, Scripted, caller, codes, content, patterns, plugin, principal, settings, tool, unreachable,
    },
};

mod limits;
mod notes;
mod replies;

fn nobody() -> Arc<dyn Conversation> {
    Arc::new(Nobody)
}

pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) records: Arc<Records>,
}

pub(super) fn world(
    change: impl FnOnce(&mut Settings),
    instance: Arc<dyn crate::registry::Instance>,
) -> World {
    let mut settings = settings();
    change(&mut settings);
    let plugin = plugin(&[tool("demo.say", &[]), tool("demo.other", &[])], &[], instance);
    let records = Arc::new(Records::default());
    let live = Arc::new(Live::new(content(settings, plugin)));
    World { gateway: Gateway::new(live, records.clone(), records.clone()), records }
}

/// A plugin that says what it was told.
pub(super) fn echo() -> Arc<dyn crate::registry::Instance> {
    Arc::new(Scripted(|invocation: &Invocation| {
        let input: Value = serde_json::from_slice(&invocation.input).unwrap();
        Ok(json!({ "content": [{ "type": "text", "text": input["arguments"]["text"] }] }))
    }))
}

fn answers(answer: Result<Value, InvokeError>) -> Arc<dyn crate::registry::Instance> {
    Arc::new(Scripted(move |_: &Invocation| answer.clone()))
}

impl World {
    pub(super) fn call(&self, name: &str, arguments: Value) -> Answer<ToolResult> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        block_on(self.gateway.call_tool(&caller(), name, arguments, nobody()))
    }

    fn refused(&self, name: &str, arguments: Value) -> Vec<&'static str> {
        match self.call(name, arguments) {
            Answer::Refused(denial) => codes(&denial.reasons),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn outcomes(&self) -> Vec<(bool, &'static str, String)> {
        let records = self.records.0.lock().unwrap();
        records.iter().map(|r| (r.allowed, r.outcome.as_str(), r.reasons.join(","))).collect()
    }
}

pub(super) fn limits_of(settings: &mut Settings) -> &mut Limits {
    &mut settings.agents.values_mut().next().unwrap().limits
}

#[test]
fn an_allowed_call_reaches_the_plugin_and_its_answer_comes_back() {
    let world = world(|_| {}, echo());
    let Answer::Done(result) = world.call("demo.say", json!({ "text": "hello" })) else { panic!() };
    assert_eq!(result.content, [Block::text("hello")]);
    let records = world.records.0.lock().unwrap();
    let [record] = &records[..] else { panic!("one call, one record") };
    assert_eq!((record.name.as_str(), record.outcome, record.allowed), ("demo.say", Outcome::Ok, true));
    assert!(record.request_bytes > 0 && record.response_bytes > 0);
}

#[test]
fn a_tool_outside_the_allowlist_is_refused_before_the_plugin_sees_it() {
    let only_other = |s: &mut Settings| {
        for agent in s.agents.values_mut() {
            agent.grant.tools = patterns(&["demo.other"]);
        }
    };
    let world = world(only_other, unreachable());
    assert_eq!(world.refused("demo.say", json!({})), ["tool_not_granted_to_agent"]);
    assert_eq!(world.outcomes(), [(false, "refused", "tool_not_granted_to_agent".to_owned())]);
}

#[test]
fn listing_shows_what_calling_would_allow() {
    let world = world(
        |s| {
            for agent in s.agents.values_mut() {
                agent.grant.tools = patterns(&["demo.*"]);
                agent.grant.deny = patterns(&["demo.other"]);
                agent.grant.resources = patterns(&["demo://pages/*"]);
                agent.grant.prompts = patterns(&[]);
            }
        },
        unreachable(),
    );
    let Answer::Done(tools) = world.gateway.tools(&principal()) else { panic!() };
    assert_eq!(tools.iter().map(|tool| tool.spec.name.as_str()).collect::<Vec<_>>(), ["demo.say"]);
    let Answer::Done(resources) = world.gateway.resources(&principal()) else { panic!() };
    let Answer::Done(templates) = world.gateway.templates(&principal()) else { panic!() };
    let Answer::Done(prompts) = world.gateway.prompts(&principal()) else { panic!() };
    assert_eq!((resources.len(), templates.len(), prompts.len()), (0, 1, 0));
}

#[test]
fn a_tool_that_exists_nowhere_is_unknown() {
    let world = world(|_| {}, unreachable());
    assert_eq!(world.call("demo.nothing", json!({})), Answer::Unknown);
    assert_eq!(world.outcomes(), [(false, "unknown", String::new())]);
}

#[test]
fn an_opaque_tenant_s_denial_looks_like_an_unknown_tool_and_is_on_record() {
    let world = world(
        |s| {
            s.agents.values_mut().for_each(|agent| agent.grant.tools = patterns(&[]));
            s.tenants.values_mut().for_each(|tenant| tenant.disclosure = Disclosure::Opaque);
        },
        unreachable(),
    );
    assert_eq!(world.call("demo.say", json!({})), Answer::Unknown);
    assert_eq!(world.outcomes(), [(false, "refused", "tool_not_granted_to_agent".to_owned())]);
}

#[test]
fn arguments_that_do_not_fit_the_schema_never_reach_the_plugin() {
    let world = world(|_| {}, unreachable());
    let codes = world.refused("demo.say", json!({ "text": 5, "more": true }));
    assert_eq!(codes, ["invalid_arguments", "invalid_arguments"]);
}

#[test]
fn what_a_plugin_gets_wrong_is_said_and_recorded_as_failed() {
    let error = OpError::new(ErrorCode::Panicked, "tool `demo.say` panicked");
    let senseless = "plugin `demo` answered something that this server does not understand";
    for (answer, said) in [
        (Err(InvokeError::Plugin(error)), Answer::Broken("tool `demo.say` panicked".to_owned())),
        (Ok(json!({ "no": "content" })), Answer::Failed(senseless.to_owned())),
    ] {
        let world = world(|_| {}, answers(answer));
        assert_eq!(world.call("demo.say", json!({})), said);
        assert_eq!(world.outcomes(), [(true, "failed", String::new())]);
    }
}

#[test]
fn a_call_whose_worker_ends_is_refused_and_may_be_made_again() {
    let lost = InvokeError::Lost { plugin: "demo".parse().unwrap(), reason: "it ended".to_owned() };
    let world = world(|_| {}, answers(Err(lost)));
    assert_eq!(world.refused("demo.say", json!({})), ["worker_lost"]);
    assert_eq!(world.outcomes(), [(true, "refused", "worker_lost".to_owned())]);
}

#[test]
fn a_call_whose_caller_goes_away_is_recorded_as_cancelled() {
    struct Never;
    impl crate::registry::Instance for Never {
        fn invoke(&self, _: Invocation) -> futures::future::BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
            Box::pin(futures::future::pending())
        }
    }
    let world = world(|_| {}, Arc::new(Never));
    let call = world.gateway.call_tool(&caller(), "demo.say", Map::new(), nobody()).now_or_never();
    assert_eq!(call, None);
    assert_eq!(world.outcomes(), [(true, "cancelled", String::new())]);
}

#[test]
fn a_call_keeps_the_snapshot_it_began_under() {
    let world = world(|_| {}, echo());
    let mut next = settings();
    next.agents.clear();
    let plugin = plugin(&[tool("demo.say", &[])], &[], echo());
    world.gateway.live().publish(content(next, plugin));
    let Answer::Refused(denial) = world.call("demo.say", json!({})) else { panic!() };
    assert_eq!((denial.generation.0, codes(&denial.reasons)), (2, vec!["agent_removed"]));
}

#[test]
fn a_resource_is_read_by_its_uri_or_its_template() {
    let answer = json!({ "contents": [{ "uri": "demo://pages/one", "text": "page one" }] });
    let world = world(|_| {}, answers(Ok(answer)));
    let read = |uri: &str| block_on(world.gateway.read_resource(&caller(), uri, nobody()));
    assert!(matches!(read("demo://pages/one"), Answer::Done(_)));
    assert!(matches!(read("demo://fixed"), Answer::Done(_)));
    assert_eq!(read("demo://pages/one/two"), Answer::Unknown);
}

#[test]
fn a_prompt_needs_its_required_arguments_and_no_others() {
    let world = world(|_| {}, answers(Ok(json!({ "messages": [] }))));
    let get = |arguments: &[(&str, &str)]| {
        let arguments = arguments.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        block_on(world.gateway.get_prompt(&caller(), "demo_prompt", arguments, nobody()))
    };
    assert!(matches!(get(&[("topic", "rust")]), Answer::Done(_)));
    let Answer::Refused(denial) = get(&[("topyc", "rust")]) else { panic!() };
    let lines: Vec<_> = denial.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["the arguments: `topic` is missing", "the arguments: unknown `topyc`"]);
}

#[test]
fn the_five_limits_are_for_tool_calls_only() {
    let answer = json!({ "messages": [], "contents": [{ "uri": "demo://fixed", "text": "x".repeat(500) }] });
    let tight = |s: &mut Settings| {
        limits_of(s).max_response_bytes = 10;
        limits_of(s).rate = "1/day".parse().unwrap();
    };
    let world = world(tight, answers(Ok(answer)));
    for _ in 0..3 {
        assert!(matches!(
            block_on(world.gateway.read_resource(&caller(), "demo://fixed", nobody())),
            Answer::Done(_)
        ));
        let topic = BTreeMap::from([("topic".to_owned(), "rust".to_owned())]);
        assert!(matches!(
            block_on(world.gateway.get_prompt(&caller(), "demo_prompt", topic, nobody())),
            Answer::Done(_)
        ));
    }
}

#[test]
fn calls_that_no_limit_counts_have_a_bound_too() {
    let opaque = |s: &mut Settings| {
        s.agents.values_mut().for_each(|agent| agent.grant.tools = patterns(&[]));
        s.tenants.values_mut().for_each(|tenant| tenant.disclosure = Disclosure::Opaque);
    };
    for name in ["demo.nothing", "demo.say"] {
        let world = world(opaque, unreachable());
        let bounded = (0..2000).find_map(|_| match world.call(name, json!({})) {
            Answer::Unknown => None,
            Answer::Refused(denial) => Some(codes(&denial.reasons)),
            other => panic!("{other:?}"),
        });
        assert_eq!(bounded, Some(vec!["too_many_requests"]), "{name}");
    }
}

#[test]
fn requests_that_are_answered_elsewhere_share_that_bound() {
    let world = world(|_| {}, unreachable());
    let bounded = (0..2000).find_map(|_| match world.gateway.count(&caller().principal) {
        Answer::Refused(denial) => Some(codes(&denial.reasons)),
        _ => None,
    });
    assert_eq!(bounded, Some(vec!["too_many_requests"]));
    assert!(matches!(world.gateway.tools(&caller().principal), Answer::Refused(_)));
}

#[test]
fn what_a_plugin_says_went_wrong_reaches_the_caller() {
    let error = |code| Err(InvokeError::Plugin(OpError::new(code, "the words of the plugin")));
    for code in [ErrorCode::NotFound, ErrorCode::InvalidInput, ErrorCode::Failed] {
        let world = world(|_| {}, answers(error(code)));
        assert_eq!(world.call("demo.say", json!({})), Answer::Failed("the words of the plugin".to_owned()));
        assert_eq!(world.outcomes(), [(true, "tool_error", String::new())]);
    }
    let world = world(|_| {}, answers(error(ErrorCode::InvalidInput)));
    let topic = BTreeMap::from([("topic".to_owned(), " ".to_owned())]);
    let Answer::Refused(denial) =
        block_on(world.gateway.get_prompt(&caller(), "demo_prompt", topic, nobody()))
    else {
        panic!("a mistake of the caller's is told from a failure")
    };
    assert_eq!(
        (codes(&denial.reasons), denial.reasons[0].to_string().as_str()),
        (vec!["invalid_arguments"], "the words of the plugin")
    );
}

#[test]
fn an_error_of_a_plugin_s_is_no_way_around_the_response_limit() {
    for code in [ErrorCode::Failed, ErrorCode::Panicked] {
        let error = OpError::new(code, "é".repeat(1_000_000));
        let world = world(|_| {}, answers(Err(InvokeError::Plugin(error))));
        let (Answer::Failed(message) | Answer::Broken(message)) = world.call("demo.say", json!({})) else {
            panic!()
        };
        assert_eq!(message.len(), 4096);
        assert_eq!(world.records.0.lock().unwrap()[0].response_bytes, 2_000_000);
    }
}

#[test]
fn complaints_about_a_prompt_s_arguments_are_few_and_short() {
    let world = world(|_| {}, unreachable());
    let many = (0..20_000).map(|n| (format!("{n}{}", "\n".repeat(99)), String::new())).collect();
    let Answer::Refused(denial) =
        block_on(world.gateway.get_prompt(&caller(), "demo_prompt", many, nobody()))
    else {
        panic!()
    };
    assert_eq!(denial.reasons.len(), 16);
    assert!(
        denial
            .reasons
            .iter()
            .all(|reason| reason.to_string().len() < 200 && !reason.to_string().contains('\n'))
    );
}
