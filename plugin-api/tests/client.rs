//! A plugin that speaks with the clients of its calls, called without a server.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use plugin_api::{
    Ask, ClientAbout, ClientRoots, ErrorCode, Offered, OpError, Sampling,
    prelude::*,
    testing::{Harness, Said},
};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct Total {
    /// All of it.
    total: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Page {
    page: String,
}

fn all_at_once(call: &Call, (): ()) -> Result<String, CallError> {
    let sampling =
        Sampling { messages: vec![PromptMessage::user("Hello")], max_tokens: 9, ..Sampling::default() };
    let answers = call.ask_all([("said", sampling.question()), ("where", ClientRoots.question())])?;
    let said = answers.get::<Sampling>("said")?;
    let roots = answers.get::<ClientRoots>("where")?.roots;
    Ok(format!("{} said {:?} in {}", said.model, said.content, roots.len()))
}

fn name(call: &Call, (): ()) -> Result<String, CallError> {
    match call.ask("name", &Form::<Name>::new("Who are you?"))? {
        Elicited::Accept { content } => Ok(content.name),
        Elicited::Decline => Ok("nobody".to_owned()),
        Elicited::Cancel => Err(CallError::failed("you went away")),
    }
}

fn busy(call: &Call, (): ()) -> Result<String, CallError> {
    call.progress(1.0, 2.0, "half");
    call.client_log(ClientLogLevel::Notice, json!({ "step": 1 }));
    call.resource_updated("sample://index")?;
    call.offer(Offered::Tool("sample.busy".to_owned()), false)?;
    let detached = call.detach()?;
    Ok(format!("{} {} {detached}", call.is_cancelled(), call.remaining()?.as_secs()))
}

fn plugin() -> Plugin {
    Plugin::new("sample", "1.0.0")
        .tool(Tool::new("sample.name", "Asks for a name.", name))
        .tool(Tool::new("sample.all", "Asks much.", all_at_once))
        .tool(
            Tool::new("sample.busy", "Says much.", busy)
                .icon("https://example.com/a.png", "48x48")
                .meta("a/b", 1),
        )
        .tool(Tool::new("sample.alone", "Goes on alone.", |call, (): ()| {
            call.must_detach()?;
            Ok::<_, CallError>("done")
        }))
        .tool(Tool::new("sample.total", "Adds.", |_, (): ()| Json(Total { total: 5 })))
        .tool(Tool::with_schema("sample.raw", "Takes anything.", json!({ "type": "object" }), |_, it| {
            Value::Object(it).to_string()
        }))
        .resource(Resource::new("sample://index", "index", "image/png", |_| vec![1, 2]))
        .resource_template(
            ResourceTemplate::new("sample://{page}", "pages", "text/plain", |_, page: Page| page.page)
                .complete("page", |_, typed| vec![format!("{}1", typed.value)]),
        )
        .prompt(Prompt::new("greet", "Greets.", |_, name: Name| name.name).complete("name", |_, typed| {
            ["Ada", "Alan"].into_iter().filter(|name| name.starts_with(typed.value)).collect::<Vec<_>>()
        }))
}

fn able() -> ClientAbout {
    ClientAbout { elicitation: true, sampling: true, roots: true, ..ClientAbout::default() }
}

fn text(harness: &Harness, tool: &str) -> Result<String, OpError> {
    let result = harness.call_tool(tool, json!({}))?;
    let [Content::Text { text, .. }] = result.content.as_slice() else { panic!("one text: {result:?}") };
    Ok(text.clone())
}

#[test]
fn a_plugin_gets_the_answers_to_its_questions() {
    for (answer, said) in [
        (json!({ "action": "accept", "content": { "name": "Ada" } }), Ok("Ada".to_owned())),
        (json!({ "action": "decline" }), Ok("nobody".to_owned())),
        (json!({ "action": "cancel" }), Err(OpError::new(ErrorCode::Failed, "you went away"))),
    ] {
        let harness = Harness::new(plugin()).client(able()).answer("name", answer);
        assert_eq!(text(&harness, "sample.name"), said);
    }
    let harness = Harness::new(plugin())
        .client(able())
        .answer(
            "said",
            json!({ "role": "assistant", "content": { "type": "text", "text": "hi" }, "model": "m" }),
        )
        .answer("where", json!({ "roots": [{ "uri": "file:///a" }] }));
    assert!(text(&harness, "sample.all").unwrap().starts_with("m said Text { text: \"hi\""));
}

#[test]
fn what_a_client_cannot_be_asked_is_said_with_its_own_code() {
    let unable = Harness::new(plugin());
    let error = |code, message: &str| Err(OpError::new(code, message));
    assert_eq!(
        text(&unable, "sample.name"),
        error(ErrorCode::ClientCannot, "the client does not offer `elicitation`, which this needs")
    );
    assert_eq!(
        text(&unable, "sample.alone"),
        error(ErrorCode::ClientCannot, "the client does not offer tasks, which this needs")
    );
    let silent = Harness::new(plugin()).client(able());
    assert_eq!(
        text(&silent, "sample.name"),
        error(ErrorCode::NoAnswer, "the test's harness has no answer to `name`")
    );
    let senseless = Harness::new(plugin()).client(able()).answer("name", json!(5));
    let error = text(&senseless, "sample.name").unwrap_err();
    assert_eq!(error.code, ErrorCode::NoAnswer);
    assert!(error.message.starts_with("the answer to `name` is not understood: "), "{}", error.message);
}

#[test]
fn a_test_sees_what_a_plugin_says_to_others() {
    let harness = Harness::new(plugin()).client(ClientAbout { tasks: true, ..ClientAbout::default() });
    assert_eq!(text(&harness, "sample.busy"), Ok("false 30 true".to_owned()));
    let said = harness.said();
    let [Said::Progress(progress), Said::Log(log), Said::Updated(uri), Said::Offer(offer)] = said.as_slice()
    else {
        panic!("{said:?}");
    };
    assert_eq!(
        (progress.progress, progress.total, progress.message.as_deref()),
        (1.0, Some(2.0), Some("half"))
    );
    assert_eq!((log.level, &log.data), (ClientLogLevel::Notice, &json!({ "step": 1 })));
    assert_eq!(uri, "sample://index");
    assert_eq!((&offer.thing, offer.available), (&Offered::Tool("sample.busy".to_owned()), false));
    assert_eq!(text(&Harness::new(plugin()).cancelled(), "sample.busy"), Ok("true 30 false".to_owned()));
}

#[test]
fn a_structured_result_comes_with_its_schema_and_as_text() {
    let harness = Harness::new(plugin());
    let result = harness.call_tool("sample.total", json!({})).unwrap();
    assert_eq!(result.structured, Some(json!({ "total": 5 })));
    assert_eq!(result.content, [Content::text("{\"total\":5}")]);
    let tool = harness.manifest().tools.iter().find(|tool| tool.name.as_str() == "sample.total").unwrap();
    let schema = tool.output_schema.as_ref().unwrap();
    assert_eq!(schema["properties"]["total"]["description"], "All of it.");
    assert_eq!(schema["required"], json!(["total"]));
    assert_eq!(text(&harness, "sample.raw"), Ok("{}".to_owned()));
}

#[test]
fn arguments_and_variables_are_completed() {
    let harness = Harness::new(plugin());
    assert_eq!(harness.complete_prompt("greet", "name", "Al").unwrap().values, ["Alan"]);
    assert_eq!(harness.complete_template("sample://{page}", "page", "x").unwrap().values, ["x1"]);
    assert!(harness.complete_prompt("greet", "other", "").unwrap().values.is_empty());
    let manifest = harness.manifest();
    assert!(manifest.prompts[0].arguments[0].completes);
    assert!(manifest.resource_templates[0].completes.contains("page"));
}

#[test]
fn a_resource_may_be_bytes() {
    let read = Harness::new(plugin()).read_resource("sample://index").unwrap();
    assert_eq!(read.contents, [ResourceContent::blob("sample://index", "image/png", [1, 2])]);
}

#[test]
fn what_is_wrong_with_looks_and_completers_is_told_with_the_rest() {
    #[derive(Serialize, JsonSchema)]
    struct Number(u8);

    let problems = Plugin::new("sample", "1.0.0")
        .tool(
            Tool::new("sample.a", "A.", |_, (): ()| Json(Number(1))).icon("http://example.com/a.png", "any"),
        )
        .prompt(Prompt::new("greet", "Greets.", |_, name: Name| name.name).complete("age", |_, _| vec!["1"]))
        .manifest()
        .unwrap_err();
    assert_eq!(
        problems.problems(),
        [
            "the output of tool `sample.a` is no struct with named fields",
            "the icon of tool `sample.a`: `http://example.com/a.png` is no icon source: an `https://` URL of at \
             most 2048 characters, or a `data:image/` URL of at most 32768",
            "prompt `greet` completes `age`, which it does not take",
        ]
    );
}
