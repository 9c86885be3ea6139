//! The scripted host of `testing`: what plugins ask of the world, answered by a test.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use plugin_api::{
    ErrorCode, FileEncoding, HttpRequest, HttpResponse, ListFiles, LlmAnswer, LlmQuery, OpError, Query,
    ReadFile, Rows, SearchFiles, prelude::*, testing::Harness,
};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Fetch {
    urls: Vec<String>,
}

fn fetch(call: &Call, input: Fetch) -> Result<String, CallError> {
    let mut statuses = Vec::new();
    for url in input.urls {
        // Whatever goes wrong is only noted.
        statuses.push(match call.http(&HttpRequest::get(url)) {
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        });
    }
    Ok(statuses.join("; "))
}

fn ask(call: &Call, (): ()) -> Result<String, CallError> {
    let query = LlmQuery { model: "fast".to_owned(), prompt: "6 times 7?".to_owned(), ..LlmQuery::default() };
    Ok(call.llm(&query)?.text)
}

fn count(call: &Call, (): ()) -> String {
    let mut rounds = 0;
    while !call.is_cancelled() {
        rounds += 1;
    }
    let left = call.remaining().map(|left| left.as_millis());
    format!("{rounds} rounds, {} ms left", left.unwrap_or_default())
}

#[derive(Deserialize, JsonSchema)]
struct Anything {
    op: String,
    input: Value,
}

/// What the host answers to a part of the world, as JSON.
fn world(call: &Call, asked: Anything) -> Result<String, CallError> {
    fn input<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, CallError> {
        Ok(serde_json::from_value(input)?)
    }
    let Anything { op, input: given } = asked;
    let answer = match op.as_str() {
        "roots" => json!(call.files().roots()?),
        "list" => json!(call.files().list(&input::<ListFiles>(given)?)?),
        "read" => json!(call.files().read(&input::<ReadFile>(given)?)?),
        "search" => json!(call.files().search(&input::<SearchFiles>(given)?)?),
        "databases" => json!(call.databases().list()?),
        _ => json!(call.databases().query(&input::<Query>(given)?)?),
    };
    Ok(answer.to_string())
}

fn plugin() -> Plugin {
    Plugin::new("sample", "1.0.0")
        .tool(Tool::new("sample.fetch", "Fetches.", fetch).needs(Capability::NetworkOutbound))
        .tool(Tool::new("sample.ask", "Asks.", ask).needs(Capability::LlmQuery))
        .tool(Tool::new("sample.count", "Counts.", count))
        .tool(
            Tool::new("sample.world", "Looks around.", world)
                .needs(Capability::FsRead)
                .needs(Capability::DbRead),
        )
}

fn text(harness: &Harness, tool: &str, arguments: Value) -> Result<String, OpError> {
    let result = harness.call_tool(tool, arguments)?;
    let [Content::Text { text, .. }] = result.content.as_slice() else { panic!("one text: {result:?}") };
    Ok(text.clone())
}

fn fetched(harness: &Harness, urls: &[&str]) -> String {
    text(harness, "sample.fetch", json!({ "urls": urls })).unwrap()
}

fn expects(urls: &[&str]) -> Harness {
    urls.iter().fold(Harness::new(plugin()), |harness, url| {
        harness.expect_http(HttpRequest::get(*url), Ok(HttpResponse::new(200, *url)))
    })
}

/// What a test would be told that ends with this harness.
fn complaint(harness: Harness) -> Option<String> {
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(harness)));
    dropped.err().map(|panic| *panic.downcast::<String>().unwrap())
}

#[test]
fn requests_come_as_they_are_expected() {
    let harness = expects(&["https://a/", "https://b/"]);
    assert_eq!(fetched(&harness, &["https://a/", "https://b/"]), "200; 200");
    assert_eq!(
        harness.asked().iter().map(|(op, asked)| (op.as_str(), &asked["url"])).collect::<Vec<_>>(),
        [("http/request", &json!("https://a/")), ("http/request", &json!("https://b/"))]
    );
    assert_eq!(complaint(harness), None);
}

#[test]
fn a_request_that_is_not_expected_fails_the_test_even_if_the_plugin_goes_on() {
    let other = expects(&["https://a/"]);
    let instead = "the plugin asked `http/request` for\n  {\"method\":\"GET\",\"url\":\"https://b/\"}\n\
                   and the test expects\n  {\"method\":\"GET\",\"url\":\"https://a/\"}";
    assert_eq!(fetched(&other, &["https://b/"]), instead);
    assert_eq!(complaint(other).as_deref(), Some(instead));

    let more = expects(&["https://a/"]);
    fetched(&more, &["https://a/", "https://a/"]);
    assert_eq!(
        complaint(more).as_deref(),
        Some(
            "the plugin asked `http/request` for\n  {\"method\":\"GET\",\"url\":\"https://a/\"}\n\
             and the test expects nothing more"
        )
    );

    let fewer = expects(&["https://a/", "https://b/"]);
    fetched(&fewer, &["https://a/"]);
    assert_eq!(
        complaint(fewer).as_deref(),
        Some(
            "the test expects that the plugin asks `http/request` for\n  \
             {\"method\":\"GET\",\"url\":\"https://b/\"}\nwhich it did not"
        )
    );
}

#[test]
fn what_a_test_forgot_is_told_with_what_to_write() {
    let harness = Harness::new(plugin());
    assert_eq!(
        fetched(&harness, &["https://a/"]),
        "the test's harness has no answer to `http/request`: give it one with `Harness::http` or `Harness::expect_http`"
    );
    assert_eq!(
        text(&harness, "sample.ask", json!({})).unwrap_err().message,
        "the test's harness has no answer to `llm/query`: give it one with `Harness::llm` or `Harness::expect_llm`"
    );
}

#[test]
fn questions_to_models_are_expected_in_the_same_way() {
    let query =
        || LlmQuery { model: "fast".to_owned(), prompt: "6 times 7?".to_owned(), ..LlmQuery::default() };
    let answer = LlmAnswer { text: "42".to_owned(), ..LlmAnswer::default() };
    let refusal = OpError::new(ErrorCode::Denied, "no budget left");
    let harness =
        Harness::new(plugin()).expect_llm(query(), Ok(answer)).expect_llm(query(), Err(refusal.clone()));
    assert_eq!(text(&harness, "sample.ask", json!({})), Ok("42".to_owned()));
    assert_eq!(text(&harness, "sample.ask", json!({})), Err(refusal));
}

#[test]
fn a_call_is_cancelled_after_so_many_looks_and_has_so_much_time() {
    for (looks, told) in [(0, "0 rounds, 250 ms left"), (3, "3 rounds, 250 ms left")] {
        let harness = Harness::new(plugin()).cancelled_after(looks).remaining(Duration::from_millis(250));
        assert_eq!(text(&harness, "sample.count", json!({})), Ok(told.to_owned()));
    }
}

fn asks(harness: &Harness, op: &str, input: Value) -> Result<Value, String> {
    let answer = text(harness, "sample.world", json!({ "op": op, "input": input }));
    answer.map(|answer| serde_json::from_str(&answer).unwrap()).map_err(|error| error.message)
}

#[test]
fn files_are_listed_read_and_searched() {
    let harness = Harness::new(plugin())
        .file("docs", "guide/a.md", "Grüße\nto all\n")
        .file("docs", "guide/deep/b.txt", "to none")
        .file("docs", "picture", [0xff, 0xd8])
        .file("code", "main.rs", "fn main() {}");
    assert_eq!(asks(&harness, "roots", json!(null)), Ok(json!([{ "name": "code" }, { "name": "docs" }])));
    let guide = json!({ "name": "guide", "kind": "folder" });
    let picture = json!({ "name": "picture", "kind": "file", "bytes": 2 });
    for (asked, answer) in [
        (json!({ "root": "docs" }), json!({ "entries": [guide, picture], "more": false })),
        (json!({ "root": "docs", "limit": 1 }), json!({ "entries": [guide], "more": true })),
        (json!({ "root": "docs", "after": "guide" }), json!({ "entries": [picture], "more": false })),
        (
            json!({ "root": "docs", "path": "guide/deep" }),
            json!({ "entries": [{ "name": "b.txt", "kind": "file", "bytes": 7 }], "more": false }),
        ),
    ] {
        assert_eq!(asks(&harness, "list", asked), Ok(answer));
    }
    let a = |more: Value| {
        let mut asked = json!({ "root": "docs", "path": "guide/a.md" });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asks(&harness, "read", asked)
    };
    let part = |content: &str, offset: u64, length: u64| {
        Ok(json!({ "content": content, "offset": offset, "length": length, "size": 15 }))
    };
    assert_eq!(a(json!({})), part("Grüße\nto all\n", 0, 15));
    assert_eq!(a(json!({ "offset": 8, "length": 6 })), part("to all", 8, 6));
    // Only whole characters.
    assert_eq!(a(json!({ "length": 3 })), part("Gr", 0, 2));
    assert_eq!(a(json!({ "length": 3, "encoding": FileEncoding::Base64 })), part("R3LD", 0, 3));
    let line = |path: &str, line: u64, offset: u64, text: &str| json!({ "path": path, "line": line, "offset": offset, "text": text });
    let (all, none) = (line("guide/a.md", 2, 8, "to all"), line("guide/deep/b.txt", 1, 0, "to none"));
    for (asked, answer) in [
        (
            json!({ "root": "docs", "text": "to" }),
            json!({ "matches": [all, none], "files": 3, "skipped": { "binary": 1 } }),
        ),
        (
            json!({ "root": "docs", "text": "TO", "ignore_case": true, "name": "*.md" }),
            json!({ "matches": [all], "files": 1 }),
        ),
        (
            json!({ "root": "docs", "text": "to", "limit": 1, "path": "guide" }),
            json!({ "matches": [all], "files": 2, "stopped": "matches" }),
        ),
        (
            json!({ "root": "docs", "name": "b*" }),
            json!({ "matches": [{ "path": "guide/deep/b.txt" }], "files": 1 }),
        ),
    ] {
        assert_eq!(asks(&harness, "search", asked.clone()), Ok(answer), "{asked}");
    }
    for (op, asked, error) in [
        ("read", json!({ "root": "docs", "path": "x" }), "file root `docs` has no file `x`"),
        ("list", json!({ "root": "docs", "path": "x" }), "file root `docs` has no folder `x`"),
        ("list", json!({ "root": "x" }), "the test's harness has no file root `x`"),
        (
            "read",
            json!({ "root": "docs", "path": "picture" }),
            "`picture` is no UTF-8 text: read it as base64",
        ),
        (
            "search",
            json!({ "root": "docs", "text": "t.", "regex": true }),
            "the test's harness has no answer to `files/search`: give it one with `Harness::serve`",
        ),
    ] {
        assert_eq!(asks(&harness, op, asked), Err(error.to_owned()));
    }
}

#[test]
fn databases_answer_queries() {
    let harness = Harness::new(plugin()).database("notes", |query| {
        assert_eq!(query.parameters, [json!(7)]);
        Ok(Rows {
            columns: vec!["n".to_owned()],
            rows: vec![vec![json!(query.sql.len())]],
            ..Rows::default()
        })
    });
    assert_eq!(
        asks(&harness, "databases", json!(null)),
        Ok(json!([{ "name": "notes", "dialect": "sqlite" }]))
    );
    let query = |database: &str| {
        asks(&harness, "query", json!({ "database": database, "sql": "select ?", "parameters": [7] }))
    };
    assert_eq!(query("notes"), Ok(json!({ "columns": ["n"], "rows": [[8]] })));
    assert_eq!(query("other"), Err("the test's harness has no database `other`".to_owned()));
}
