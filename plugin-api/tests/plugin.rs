//! A plugin that uses everything, called without a server.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use plugin_api::{
    ErrorCode, LogLine, OpError, PromptResult, ResourceContent,
    prelude::*,
    testing::{Harness, agent, server},
};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What to say first.
    #[serde(default = "hello")]
    greeting: String,
}

fn hello() -> String {
    "Hello".to_owned()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Page {
    book: String,
    page: String,
}

#[derive(Deserialize, JsonSchema)]
struct Summary {
    book: String,
    tone: Option<String>,
}

fn greet(call: &Call, input: Greet) -> Result<String, CallError> {
    call.log(LogLevel::Info, "greeting somebody");
    let settings: &Settings = call.config()?;
    Ok(format!("{}, {}!", settings.greeting, input.name))
}

fn page(_call: &Call, page: Page) -> Result<String, CallError> {
    if page.page == "missing" {
        return Err(CallError::not_found(format!("`{}` has no such page", page.book)));
    }
    Ok(format!("{}, {}", page.book, page.page))
}

fn summary(_call: &Call, input: Summary) -> Vec<PromptMessage> {
    vec![
        PromptMessage::user(format!("Sum up {}.", input.book)),
        PromptMessage::assistant(input.tone.unwrap_or_else(|| "plain".to_owned())),
    ]
}

fn plugin() -> Plugin {
    Plugin::new("sample", "1.0.0")
        .config::<Settings>()
        .tool(Tool::new("sample.greet", "Greets.", greet))
        .tool(Tool::new("sample.blocks", "Answers two blocks.", |_, (): ()| {
            vec![Content::text("one"), Content::text("two")]
        }))
        .tool(Tool::new("sample.gave_up", "Says that it failed.", |_, (): ()| {
            ToolResult::failed(vec![Content::text("no luck")])
        }))
        .tool(Tool::new("sample.parse", "Fails.", |_, (): ()| -> Result<String, CallError> {
            Ok("x".parse::<u8>()?.to_string())
        }))
        .tool(Tool::new("sample.panic", "Panics.", |_, (): ()| -> String { panic!("on purpose") }))
        .tool(Tool::new("sample.me", "Says who calls.", |call, (): ()| -> Result<_, CallError> {
            Ok(format!("{} on {}", call.agent()?.agent, call.server()?.name))
        }))
        .resource(Resource::new("sample://index", "index", "text/plain", |_| "all".to_owned()))
        .resource(Resource::new("sample://panic", "panic", "text/plain", |_| -> String {
            panic!("on purpose")
        }))
        .resource_template(ResourceTemplate::new("sample://{book}/{page}", "page", "text/plain", page))
        .prompt(Prompt::new("summary", "Sums a book up.", summary))
        .prompt(Prompt::new("panic", "", |_, (): ()| -> String { panic!("on purpose") }))
}

fn error<T>(code: ErrorCode, message: &str) -> Result<T, OpError> {
    Err(OpError::new(code, message))
}

fn text(text: &str) -> Result<ToolResult, OpError> {
    Ok(ToolResult::new(vec![Content::text(text)]))
}

#[test]
fn a_tool_answers_in_the_shape_its_handler_likes() {
    let harness = Harness::new(plugin()).agent(agent()).server(server());
    for (tool, arguments, result) in [
        ("sample.greet", json!({"name": "Ada"}), text("Hello, Ada!")),
        ("sample.me", json!({}), text("tester on mcp-universal-server")),
        ("sample.blocks", json!({}), Ok(ToolResult::new(vec![Content::text("one"), Content::text("two")]))),
        ("sample.gave_up", json!({}), Ok(ToolResult::failed(vec![Content::text("no luck")]))),
    ] {
        assert_eq!(harness.call_tool(tool, arguments), result, "{tool}");
    }
}

#[test]
fn a_tool_that_fails_says_how() {
    let harness = Harness::new(plugin());
    for (tool, arguments, result) in [
        ("sample.parse", json!({}), error(ErrorCode::Failed, "invalid digit found in string")),
        ("sample.panic", json!({}), error(ErrorCode::Panicked, "tool `sample.panic` panicked: on purpose")),
        ("sample.greet", json!({}), error(ErrorCode::InvalidInput, "missing field `name`")),
        (
            "sample.blocks",
            json!({"some": 1}),
            error(ErrorCode::InvalidInput, "there are no arguments to give"),
        ),
        (
            "sample.me",
            json!({}),
            error(
                ErrorCode::Failed,
                "the test's harness has no answer to `about/agent`: give it one with `Harness::agent`",
            ),
        ),
        (
            "sample.nothing",
            json!({}),
            error(ErrorCode::NotFound, "plugin `sample` has no tool `sample.nothing`"),
        ),
        (
            "sample.greet",
            json!("Ada"),
            error(
                ErrorCode::InvalidInput,
                "the request is not understood: invalid type: string \"Ada\", expected a map at line 1 column 18",
            ),
        ),
    ] {
        assert_eq!(harness.call_tool(tool, arguments), result, "{tool}");
    }
}

#[test]
fn a_plugin_goes_on_after_a_panic() {
    let harness = Harness::new(plugin());
    harness.call_tool("sample.panic", json!({})).unwrap_err();
    assert_eq!(harness.call_tool("sample.greet", json!({"name": "Ada"})), text("Hello, Ada!"));
}

#[test]
fn the_operator_configures_a_plugin_or_is_told_why_not() {
    let greeting = |config: Value| {
        let harness = Harness::with_config(plugin(), &config)?;
        let result = harness.call_tool("sample.greet", json!({"name": "Ada"}));
        Ok(result.map_err(|error| error.message))
    };
    assert_eq!(greeting(json!({})), Ok(text("Hello, Ada!").map_err(|error| error.message)));
    assert_eq!(greeting(json!({"greeting": "Hi"})), Ok(text("Hi, Ada!").map_err(|error| error.message)));
    assert_eq!(
        greeting(json!({"greetings": "Hi"})),
        Err("the configuration of plugin `sample` cannot be used: unknown field `greetings`, expected `greeting`".to_owned())
    );
}

#[test]
fn a_plugin_that_takes_no_configuration_says_so() {
    let with_config = |config| Harness::with_config(Plugin::new("plain", "1.0.0"), &config).map(|_| ());
    assert_eq!(with_config(json!(null)), Ok(()));
    assert_eq!(with_config(json!({})), Ok(()));
    assert_eq!(
        with_config(json!({"greeting": "Hi"})),
        Err("plugin `plain` takes no configuration: remove it".to_owned())
    );
}

#[test]
fn a_log_line_reaches_the_host() {
    let harness = Harness::new(plugin());
    harness.call_tool("sample.greet", json!({"name": "Ada"})).unwrap();
    let line = LogLine { level: LogLevel::Info, message: "greeting somebody".to_owned() };
    assert_eq!(harness.log(), [line]);
}

#[test]
fn a_resource_is_read_at_its_uri_or_by_its_template() {
    let harness = Harness::new(plugin());
    for (uri, result) in [
        ("sample://index", Ok("all")),
        ("sample://rust%20book/a%2Fb", Ok("rust book, a/b")),
        ("sample://rust/missing", error(ErrorCode::NotFound, "`rust` has no such page")),
        ("sample://rust/%ff", error(ErrorCode::InvalidInput, "`%ff` is not percent-encoded UTF-8")),
        ("sample://panic", error(ErrorCode::Panicked, "resource `sample://panic` panicked: on purpose")),
        (
            "sample://rust/a/b",
            error(ErrorCode::NotFound, "plugin `sample` has no resource `sample://rust/a/b`"),
        ),
    ] {
        let expected = result.map(|text| vec![ResourceContent::text(uri, "text/plain", text)]);
        assert_eq!(harness.read_resource(uri).map(|read| read.contents), expected, "{uri}");
    }
}

#[test]
fn a_prompt_is_filled_in() {
    let harness = Harness::new(plugin());
    for (arguments, tone) in
        [(json!({"book": "Emma"}), "plain"), (json!({"book": "Emma", "tone": "dry"}), "dry")]
    {
        assert_eq!(
            harness.get_prompt("summary", arguments),
            Ok(PromptResult {
                description: Some("Sums a book up.".to_owned()),
                messages: vec![PromptMessage::user("Sum up Emma."), PromptMessage::assistant(tone)],
                ..PromptResult::default()
            })
        );
    }
    assert_eq!(
        harness.get_prompt("panic", json!({})),
        error(ErrorCode::Panicked, "prompt `panic` panicked: on purpose")
    );
    assert_eq!(
        harness.get_prompt("nothing", json!({})),
        error(ErrorCode::NotFound, "plugin `sample` has no prompt `nothing`")
    );
}

#[test]
#[should_panic(expected = "`Sample` is no plugin name")]
fn a_test_of_an_unsound_definition_fails_with_what_is_wrong() {
    let _ = Harness::new(Plugin::new("Sample", "1.0.0"));
}
