//! Results are filtered where that is asked for, whatever they are made of.

use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use super::{EMAIL, GITHUB, leaks};
use crate::support::{
    REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS},
    talkative::{Heard, Talker},
    testbench::Testbench,
};

#[tokio::test]
async fn results_are_filtered_for_whom_it_is_asked_for() {
    let text = format!("of {EMAIL}, {GITHUB}, {REVIEWER}");
    let filtered = "of [REDACTED:email], [REDACTED:github_token], [REDACTED:known_secret]";
    let tenant =
        TWO_AGENTS.replace(r#"{ tools: ["*"] }"#, r#"{ tools: ["*"], filters: { results: redact } }"#);
    let agent = TWO_AGENTS.replace("  reviewer:\n", "  reviewer:\n    filters: { results: redact }\n");
    for (config, expected) in [(TWO_AGENTS, text.as_str()), (&tenant, filtered), (&agent, filtered)] {
        let server = Server::start(config);
        for era in ERAS {
            let reviewer = Client::connect(&server, REVIEWER, era).await;
            assert_eq!(reviewer.text("core.echo", json!({ "text": text })).await, expected, "{era:?}");
        }
    }
}

/// What `reviewer` gets that asks for every kind of content with the secrets in it,
/// and the first that it hears meanwhile.
async fn everything(server: &Server, talker: &mut Talker) -> (Value, String) {
    let text = format!("of {EMAIL}, {GITHUB}, {REVIEWER}");
    let arguments = json!({ "text": text, "end": "everything" });
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let call = CallToolRequestParams::new("bench.leak").with_arguments(arguments);
    let result = talker.client.call_tool(call).await.unwrap();
    let Heard::Progress(_, _, Some(said)) = talker.hears().await else { panic!("it tells of its progress") };
    assert!(server.log().iter().all(Value::is_object));
    (serde_json::to_value(result).unwrap(), said)
}

#[tokio::test]
async fn every_kind_of_content_and_progress_are_filtered() {
    let bench = Testbench::new();
    let text = format!("of {EMAIL}, {GITHUB}, {REVIEWER}");
    let filtered = "of [REDACTED:email], [REDACTED:github_token], [REDACTED:known_secret]";
    let entry = bench.config("{}").replace("config: {} }}", "config: {}, filters: { results: redact } }}");
    let entry = entry.replace("config: {} }", "config: {}, filters: { results: redact } }");
    for (config, said) in [(bench.config("{}"), text.as_str()), (entry, filtered)] {
        let server = Server::start(&config);
        for era in ERAS {
            let mut talker = Talker::connect(&server, REVIEWER, era).await;
            let (result, told) = everything(&server, &mut talker).await;
            assert_eq!(told, said, "{era:?}");
            assert_eq!(result["content"][0]["text"], said, "{era:?}");
            assert_eq!(result["content"][0]["_meta"]["bench.example/said"], said);
            assert_eq!(result["_meta"]["bench.example/said"], said);
            assert_eq!(result["structuredContent"]["said"], said);
            assert_eq!(result["structuredContent"]["deep"][0]["er"], said);
            assert!(result["structuredContent"].get(said).is_some(), "{result}");
            assert_eq!(result["content"][3]["resource"]["text"], said);
            if said == filtered {
                for secret in [EMAIL, GITHUB, REVIEWER] {
                    assert_eq!(leaks(&result.to_string(), secret), None, "{result}");
                }
            } else {
                assert!(leaks(&result["content"][4]["resource"]["blob"].to_string(), REVIEWER).is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_failure_of_a_filtered_plugin_is_filtered_too() {
    let bench = Testbench::new();
    let tenant = bench
        .config("{}")
        .replace(r#"{ tools: ["*"] }"#, r#"{ tools: ["*"], filters: { results: redact } }"#);
    let server = Server::start(&tenant);
    for era in ERAS {
        let reviewer = Client::connect(&server, REVIEWER, era).await;
        for end in ["fail", "panic"] {
            let said = format!("of {EMAIL}, {GITHUB}, {REVIEWER}");
            let result = reviewer.call("bench.leak", json!({ "text": said, "end": end })).await.unwrap();
            let result = serde_json::to_value(result).unwrap().to_string();
            for secret in [EMAIL, GITHUB, REVIEWER] {
                assert_eq!(leaks(&result, secret), None, "{era:?} {end}: {result}");
            }
        }
    }
}
