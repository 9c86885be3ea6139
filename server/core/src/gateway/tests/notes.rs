//! What the host refused a plugin, and where the plugin went through it.

use plugin_contract::Capability;

use super::*;
use crate::{policy, registry::Instance};

/// A plugin whose code is refused `network:outbound` by a service, which it does
/// not declare, and makes of that what the closure says.
fn refused(
    then: impl Fn(OpError) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> Arc<dyn Instance> {
    Arc::new(Scripted(move |invocation: &Invocation| {
        let reasons = policy::uses(&invocation.permit, Capability::NetworkOutbound).unwrap_err();
        then(invocation.notes.refuse(reasons))
    }))
}

const BOTH: [&str; 2] = ["capability_not_declared", "capability_not_granted_to_plugin"];

fn pass_on(error: OpError) -> Result<Value, InvokeError> {
    Err(InvokeError::Plugin(error))
}

#[test]
fn a_refusal_that_a_plugin_passes_on_is_its_callers_with_every_reason() {
    let world = world(|_| {}, refused(pass_on));
    let Answer::Refused(denial) = world.call("demo.say", json!({})) else { panic!() };
    let said: Vec<_> =
        denial.reasons.iter().map(|reason| (reason.code(), reason.to_string(), reason.help())).collect();
    let expected = [
        (
            BOTH[0],
            "tool `demo.say` of plugin `demo` does not declare capability `network:outbound`",
            "declare `network:outbound` for `demo.say` in the plugin, and sign it again",
        ),
        (
            BOTH[1],
            "tool `demo.say` needs capability `network:outbound`, which plugin `demo` is not granted",
            "add `network:outbound` to `plugins.entries.demo.capabilities`",
        ),
    ];
    assert_eq!(said, expected.map(|(code, message, help)| (code, message.to_owned(), help.to_owned())));
    assert_eq!(world.outcomes(), [(true, "refused", BOTH.join(","))]);
}

#[test]
fn a_prompt_that_is_refused_something_is_refused_too() {
    let world = world(|_| {}, refused(pass_on));
    let topic = BTreeMap::from([("topic".to_owned(), "rust".to_owned())]);
    let answer = block_on(world.gateway.get_prompt(&caller(), "demo_prompt", topic, nobody()));
    let Answer::Refused(denial) = answer else { panic!() };
    assert_eq!(
        denial.reasons[0].to_string(),
        "prompt `demo_prompt` of plugin `demo` does not declare capability `network:outbound`"
    );
    assert_eq!(denial.reasons[0].help(), "only a tool can declare capabilities");
}

#[test]
fn a_plugin_that_adds_words_to_a_refusal_still_passes_it_on() {
    let wrap = |error: OpError| {
        let message = format!("no weather today: {}", error.message);
        pass_on(OpError::new(error.code, message))
    };
    assert_eq!(world(|_| {}, refused(wrap)).refused("demo.say", json!({})), BOTH);
}

#[test]
fn a_plugin_may_go_on_after_a_refusal_which_stays_on_record() {
    let world = world(|_| {}, refused(|_| Ok(json!({ "content": [] }))));
    assert!(matches!(world.call("demo.say", json!({})), Answer::Done(_)));
    assert_eq!(world.outcomes(), [(true, "ok", BOTH.join(","))]);
}

#[test]
fn a_plugins_own_refusal_is_not_taken_for_the_hosts() {
    for error in [
        OpError::new(ErrorCode::Denied, "not on Sundays"),
        OpError::new(
            ErrorCode::Failed,
            "tool `demo.say` of plugin `demo` does not declare capability `network:outbound`",
        ),
    ] {
        let message = error.message.clone();
        let world = world(|_| {}, refused(move |_| pass_on(error.clone())));
        assert_eq!(world.call("demo.say", json!({})), Answer::Failed(message));
    }
}

#[test]
fn what_a_plugin_invents_about_a_refusal_is_not_believed() {
    let invents =
        answers(Err(InvokeError::Plugin(OpError::new(ErrorCode::Denied, "agent `x` may not reach `y:1`"))));
    let world = world(|_| {}, invents);
    assert_eq!(world.call("demo.say", json!({})), Answer::Failed("agent `x` may not reach `y:1`".to_owned()));
    assert_eq!(world.outcomes(), [(true, "tool_error", String::new())]);
}

#[test]
fn destinations_are_on_record_once_each_and_not_without_end() {
    let world = world(
        |_| {},
        Arc::new(Scripted(|invocation: &Invocation| {
            for port in (1..=100).chain([1]) {
                invocation.notes.reached(&format!("jira.lan:{port}"));
            }
            Ok(json!({ "content": [] }))
        })),
    );
    world.call("demo.say", json!({}));
    let records = world.records.0.lock().unwrap();
    let expected: Vec<_> = (1..=32).map(|port| format!("jira.lan:{port}")).collect();
    assert_eq!(records[0].egress, expected);
}
