//! What an agent sees: tools, resources, prompts, and why not.

use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, only_text},
};

#[tokio::test]
async fn an_agent_lists_and_calls_the_tools_it_is_granted() {
    let server = Server::start(TWO_AGENTS);
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        assert_eq!(laptop.tools().await, ["core.echo", "core.sum"], "{era:?}");
        assert_eq!(laptop.text("core.echo", json!({ "text": "zażółć" })).await, "zażółć");
        assert_eq!(laptop.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
        assert_eq!(laptop.text("core.sum", json!({ "a": 0.1, "b": 0.25 })).await, "0.35");
    }
}

#[tokio::test]
async fn a_denied_tool_is_not_listed_and_says_why_when_called() {
    let server = Server::start(TWO_AGENTS);
    for era in ERAS {
        let reviewer = Client::connect(&server, REVIEWER, era).await;
        assert_eq!(reviewer.tools().await, ["core.echo"], "{era:?}");
        let denied = reviewer.call("core.sum", json!({ "a": 2, "b": 3 })).await.unwrap();
        assert_eq!(denied.is_error, Some(true));
        assert_eq!(denied.structured_content, None);
        let text = only_text(&denied);
        assert!(text.contains("agent `reviewer` is denied tool `core.sum`"), "{text}");
        assert!(text.contains("remove `core.sum` from `agents.reviewer.deny`"), "{text}");
    }
}

#[tokio::test]
async fn every_reason_of_a_denial_reaches_the_client() {
    let config = TWO_AGENTS
        .replace(r#"research: { tools: ["*"] }"#, r#"research: { tools: ["core.echo"] }"#)
        .replace(r#"tools: ["core.echo", "core.sum"]"#, r#"tools: []"#);
    let server = Server::start(&config.replace(r#"tools: []"#, "tools: []\n    deny: [\"*\"]"));
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let denied = laptop.call("core.sum", json!({ "a": 2, "b": 3 })).await.unwrap();
        let denied = serde_json::to_value(&denied).unwrap();
        let denial = &denied["_meta"]["mcp-universal-server/denial"];
        let codes: Vec<_> =
            denial["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].clone()).collect();
        assert_eq!(
            codes,
            ["tool_not_granted_to_agent", "tool_not_granted_to_tenant", "tool_denied_to_agent"],
            "{era:?}"
        );
        assert_eq!(denial["generation"], 1);
        let text = denied["content"][0]["text"].as_str().unwrap();
        for reason in denial["reasons"].as_array().unwrap() {
            assert!(text.contains(reason["message"].as_str().unwrap()), "{text}");
            assert!(!reason["help"].as_str().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn limits_are_refusals_with_reasons_and_the_tenant_s_are_a_ceiling() {
    let tight = r#"research: { tools: ["*"], limits: { max_payload_bytes: 20, rate_limit: "1/day" } }"#;
    let server = Server::start(&TWO_AGENTS.replace(r#"research: { tools: ["*"] }"#, tight));
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
    let refused = laptop.call("core.echo", json!({ "text": "x".repeat(20) })).await.unwrap();
    let refused = serde_json::to_value(&refused).unwrap();
    let reasons = &refused["_meta"]["mcp-universal-server/denial"]["reasons"];
    assert_eq!(
        (&reasons[0]["code"], &reasons[1]["code"]),
        (&json!("payload_too_large"), &json!("rate_limited"))
    );
    assert_eq!(reasons[0]["message"], "the arguments have 31 bytes, and agent `laptop` may send 20");
    assert!(reasons[1]["retry_after_ms"].as_u64() > Some(80_000_000), "{reasons}");
}

#[tokio::test]
async fn a_tool_that_exists_nowhere_is_a_protocol_error() {
    let server = Server::start(TWO_AGENTS);
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let error = laptop.call("core.nothing", json!({})).await.unwrap_err().to_string();
        assert!(error.contains("-32602") && error.contains("core.nothing"), "{era:?}: {error}");
    }
}

#[tokio::test]
async fn the_about_resources_tell_of_the_server_and_of_the_agent_s_own_rights() {
    let server = Server::start(TWO_AGENTS);
    for era in ERAS {
        let reviewer = Client::connect(&server, REVIEWER, era).await;
        let resources = reviewer.0.list_all_resources().await.unwrap();
        let mut uris: Vec<_> = resources.iter().map(|resource| resource.uri.as_str()).collect();
        uris.sort_unstable();
        assert_eq!(uris, ["about://policies", "about://server"], "{era:?}");

        let about = read(&reviewer, "about://server").await;
        assert_eq!(about["name"], "mcp-universal-server");
        assert_eq!(about["generation"], 1);

        let policies = read(&reviewer, "about://policies").await;
        assert_eq!(policies["agent"], "reviewer");
        assert_eq!(policies["tools"][0]["name"], "core.echo");
        assert_eq!(policies["denied_tools"][0]["name"], "core.sum");
        let text = policies.to_string();
        assert!(!text.contains(REVIEWER) && !text.contains("sha256"), "{text}");
    }
}

async fn read(client: &Client, uri: &str) -> Value {
    let contents = client.0.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    let contents = serde_json::to_value(contents).unwrap();
    serde_json::from_str(contents["contents"][0]["text"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_prompts_are_listed_and_filled_in() {
    let server = Server::start(TWO_AGENTS);
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let prompts = laptop.0.list_all_prompts().await.unwrap();
        let names: Vec<_> = prompts.iter().map(|prompt| prompt.name.as_str()).collect();
        assert_eq!(names, ["review_pr", "tool_usage"], "{era:?}");

        let review =
            prompt(&laptop, "review_pr", json!({ "diff": "-a\n+b", "focus": "error handling" })).await;
        assert!(review.contains("-a\n+b") && review.contains("error handling"), "{review}");
        let usage = prompt(&laptop, "tool_usage", json!({})).await;
        assert!(usage.contains("core.echo") && usage.contains("core.sum"), "{usage}");
    }
}

async fn prompt(client: &Client, name: &str, arguments: Value) -> String {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let request = GetPromptRequestParams::new(name).with_arguments(arguments);
    let prompt = serde_json::to_value(client.0.get_prompt(request).await.unwrap()).unwrap();
    prompt["messages"][0]["content"]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_is_one_log_line_with_sizes_and_without_arguments_or_tokens() {
    let server = Server::start(TWO_AGENTS);
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    laptop.text("core.echo", json!({ "text": "a-word-only-said-here" })).await;
    let line =
        crate::support::eventually("the call's log line", || server.logged(|line| line["target"] == "call"));
    for (field, value) in [
        ("agent", json!("laptop")),
        ("tenant", json!("research")),
        ("address", json!("127.0.0.1")),
        ("tool", json!("core.echo")),
        ("decision", json!("allow")),
        ("outcome", json!("ok")),
        ("generation", json!(1)),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert!(line["request_bytes"].as_u64() > Some(0) && line["response_bytes"].as_u64() > Some(0), "{line}");
    let log = format!("{:?}", server.log());
    assert!(!log.contains("a-word-only-said-here") && !log.contains(LAPTOP), "{log}");
}
