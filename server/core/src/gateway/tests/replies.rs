//! What becomes of a plugin's answers.

use plugin_contract::op::Offered;

use super::*;
use crate::{
    registry::Instance,
    testing::{named, unreachable as silent},
};

fn with_schema(answer: Value, change: impl FnOnce(&mut Settings)) -> World {
    let mut tool = tool("demo.say", &[]);
    tool["output_schema"] = json!({
        "type": "object", "properties": { "total": { "type": "integer" } }, "required": ["total"],
    });
    let mut settings = settings();
    change(&mut settings);
    let plugin = plugin(&[tool], &[], answers(Ok(answer)));
    let records = Arc::new(Records::default());
    let live = Arc::new(Live::new(content(settings, plugin)));
    World { gateway: Gateway::new(live, records.clone()), records }
}

#[test]
fn a_structured_result_is_checked_and_said_in_text_too() {
    for (content, texts) in [
        (json!([]), vec!["{\"total\":5}"]),
        (json!([{ "type": "text", "text": "{ \"total\": 5 }" }]), vec!["{ \"total\": 5 }"]),
        (json!([{ "type": "text", "text": "five" }]), vec!["five", "{\"total\":5}"]),
    ] {
        let world = with_schema(json!({ "content": content, "structured": { "total": 5 } }), |_| {});
        let Answer::Done(result) = world.call("demo.say", json!({})) else { panic!() };
        assert_eq!(result.structured, Some(json!({ "total": 5 })));
        assert_eq!(result.content, texts.into_iter().map(Block::text).collect::<Vec<_>>());
    }
}

#[test]
fn a_result_that_breaks_its_tools_schema_does_not_reach_the_client() {
    for (structured, complaint) in [
        (json!({ "total": "five" }), "`total`: the value is not of type \"integer\""),
        (json!({}), "the structured result: `total` is missing"),
        (Value::Null, "the structured result is missing"),
    ] {
        let world = with_schema(json!({ "content": [], "structured": structured }), |_| {});
        assert_eq!(
            world.call("demo.say", json!({})),
            Answer::Failed(format!("plugin `demo` breaks its own output schema: {complaint}"))
        );
        assert_eq!(world.outcomes(), [(true, "failed", String::new())]);
    }
}

#[test]
fn a_tool_that_failed_has_no_structured_result() {
    let world = with_schema(json!({ "content": [], "is_error": true, "structured": { "total": 5 } }), |_| {});
    let Answer::Done(result) = world.call("demo.say", json!({})) else { panic!() };
    assert_eq!((result.is_error, result.structured), (true, None));
}

#[test]
fn what_only_the_server_may_say_is_taken_out_of_every_meta() {
    let meta =
        json!({ "mcp-universal-server/denial": 1, "io.modelcontextprotocol/serverInfo": 2, "demo/own": 3 });
    let resource = json!({ "uri": "demo://x", "text": "x", "_meta": meta });
    let world = world(
        |_| {},
        answers(Ok(json!({
            "content": [{ "type": "text", "text": "x", "_meta": meta }, { "type": "resource", "resource": resource }],
            "contents": [resource],
            "messages": [{ "role": "user", "content": { "type": "text", "text": "x", "_meta": meta } }],
            "_meta": meta,
        }))),
    );
    let clean = json!({ "demo/own": 3 });
    let Answer::Done(result) = world.call("demo.say", json!({})) else { panic!() };
    let Answer::Done(read) = block_on(world.gateway.read_resource(&caller(), "demo://fixed", nobody()))
    else {
        panic!()
    };
    let topic = BTreeMap::from([("topic".to_owned(), "rust".to_owned())]);
    let Answer::Done(prompt) = block_on(world.gateway.get_prompt(&caller(), "demo_prompt", topic, nobody()))
    else {
        panic!()
    };
    for answer in [json!(result), json!(read), json!(prompt)] {
        assert!(!answer.to_string().contains("denial"), "{answer}");
        assert!(!answer.to_string().contains("serverInfo"), "{answer}");
        assert_eq!(answer["_meta"], clean);
    }
}

#[test]
fn text_that_the_server_adds_counts_as_it_goes_out() {
    // Three characters each in the result, and five in a text.
    let structured = json!({ "quotes": vec![""; 100], "total": 5 });
    let answer = json!({ "content": [], "structured": structured });
    let text = json!({ "type": "text", "text": structured.to_string() }).to_string();
    let bytes = answer.to_string().len() + text.len();
    assert!(bytes > 2 * answer.to_string().len() + 200);
    let call = |limit| {
        let world = with_schema(answer.clone(), |settings| limits_of(settings).max_response_bytes = limit);
        world.call("demo.say", json!({}))
    };
    assert!(matches!(call(bytes as u64), Answer::Done(_)));
    let Answer::Refused(denial) = call(bytes as u64 - 1) else { panic!() };
    let refused = format!("the result has {bytes} bytes, and agent `laptop` may receive {}", bytes - 1);
    assert_eq!(denial.reasons[0].to_string(), refused);
}

#[test]
fn a_question_that_is_open_is_no_failure() {
    for code in [ErrorCode::InputRequired, ErrorCode::ClientCannot] {
        let world = world(|_| {}, answers(Err(InvokeError::Plugin(OpError::new(code, "asked")))));
        assert_eq!(world.call("demo.say", json!({})), Answer::Unanswered("asked".to_owned()));
        assert_eq!(world.outcomes(), [(true, "unanswered", String::new())]);
    }
}

/// A plugin that has withdrawn all it lists.
struct Withdrawn;

impl Instance for Withdrawn {
    fn invoke(&self, _: Invocation) -> futures::future::BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        panic!("a refused call reached the plugin")
    }

    fn offers(&self, _: &Offered) -> bool {
        false
    }
}

#[test]
fn what_a_plugin_has_withdrawn_is_not_listed_and_not_to_be_had() {
    let world = world(|_| {}, Arc::new(Withdrawn));
    let who = principal();
    assert_eq!(world.refused("demo.say", json!({})), ["withdrawn"]);
    assert!(matches!(world.gateway.tools(&who), Answer::Done(tools) if tools.is_empty()));
    assert!(matches!(world.gateway.resources(&who), Answer::Done(resources) if resources.is_empty()));
    assert!(matches!(world.gateway.templates(&who), Answer::Done(templates) if templates.is_empty()));
    assert!(matches!(world.gateway.prompts(&who), Answer::Done(prompts) if prompts.is_empty()));
    for uri in ["demo://fixed", "demo://pages/1"] {
        assert!(matches!(world.gateway.watch_resource(&caller(), uri), Answer::Refused(_)), "{uri}");
    }
}

fn complete(world: &World, of: Completes, argument: &str) -> Answer<Completion> {
    let request =
        Complete { of, argument: argument.to_owned(), value: "r".to_owned(), decided: BTreeMap::new() };
    block_on(world.gateway.complete(&caller(), request))
}

#[test]
fn only_an_argument_that_the_plugin_completes_is_asked_of_it() {
    let manifest = json!({
        "name": "demo", "description": "A plugin.", "version": "1.0.0", "release": 1, "api": "1.0", "target": "any",
        "resource_templates": [{ "uri_template": "demo://{a}/{b}", "name": "x", "completes": ["a"] }],
        "prompts": [{ "name": "p", "arguments": [{ "name": "a", "completes": true }, { "name": "b" }] }],
    });
    let world = |instance| {
        let plugin = named(serde_json::from_value(manifest.clone()).unwrap(), &[], instance);
        let live = Arc::new(Live::new(content(settings(), plugin)));
        let records = Arc::new(Records::default());
        World { gateway: Gateway::new(live, records.clone()), records }
    };
    let answering = world(answers(Ok(json!({ "values": ["rust"] }))));
    let silent = world(silent());
    let found = Answer::Done(Completion { values: vec!["rust".to_owned()], total: None });
    for of in [Completes::Prompt("p".parse().unwrap()), Completes::Template("demo://{a}/{b}".to_owned())] {
        assert_eq!(complete(&answering, of.clone(), "a"), found);
        assert_eq!(complete(&silent, of.clone(), "b"), Answer::Done(Completion::default()));
        let Answer::Refused(denial) = complete(&silent, of, "c") else { panic!() };
        assert_eq!(denial.reasons[0].to_string(), "the arguments: unknown `c`");
    }
    for of in [Completes::Prompt("q".parse().unwrap()), Completes::Template("demo://{c}".to_owned())] {
        assert_eq!(complete(&silent, of, "a"), Answer::Unknown);
    }
}
