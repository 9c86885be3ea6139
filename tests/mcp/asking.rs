//! Questions to the client, and what it may do with them.

use std::time::Duration;

use rmcp::model::{CallToolRequestParams, GetPromptRequestParams};
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server,
    client::{Client, ERAS, Era, only_text, stateless},
    conformance,
    talkative::Talker,
};

#[tokio::test]
async fn a_tool_asks_the_person_the_model_and_for_folders() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let talker = Talker::connect(&server, LAPTOP, era).await;
        for (tool, text) in [
            ("test_input_required_result_elicitation", "Hello, Ada!"),
            ("test_input_required_result_sampling", "Paris"),
            ("test_input_required_result_list_roots", "Found 1 root(s)"),
            ("test_input_required_result_multiple_inputs", "Name: Ada; Greeting: Paris; Roots: 1"),
            ("test_input_required_result_multi_round", "Ada likes blue"),
            ("test_input_required_result_capabilities", "Paris; Hello, Ada!"),
        ] {
            let result = talker.client.call_tool(CallToolRequestParams::new(tool)).await.unwrap();
            assert_eq!(only_text(&result), text, "{era:?} {tool}");
        }
        let prompt = GetPromptRequestParams::new("test_input_required_result_prompt");
        let prompt = serde_json::to_value(talker.client.get_prompt(prompt).await.unwrap()).unwrap();
        assert_eq!(prompt["messages"][0]["content"]["text"], "Prompt with context: Ada", "{era:?}");
    }
}

#[tokio::test]
async fn the_time_that_a_person_thinks_is_not_the_tool_s() {
    let (server, _plugins) = conformance::server(", timeout_seconds: 1");
    for era in ERAS {
        let thinks = Duration::from_millis(1500);
        let talker = Talker::connect_to_one_who_thinks(&server, LAPTOP, era, thinks).await;
        let tool = CallToolRequestParams::new("test_input_required_result_elicitation");
        let result = talker.client.call_tool(tool).await.unwrap();
        assert_eq!(only_text(&result), "Hello, Ada!", "{era:?}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_what_is_missing() {
    let (server, _plugins) = conformance::server("");
    let laptop = Client::connect(&server, LAPTOP, Era::Session).await;
    let refused = laptop.call("test_missing_capability", json!({})).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert_eq!(only_text(&refused), "the client does not offer `sampling`, which this needs");

    let params = json!({ "name": "test_missing_capability" });
    let response = stateless(&server, LAPTOP, "tools/call", params).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], -32021);
    assert_eq!(body["error"]["data"]["requiredCapabilities"], json!({ "sampling": {} }));
}

const TOOL: &str = "test_input_required_result_request_state";

/// A call by a client that can be asked, over bare HTTP.
async fn ask(server: &Server, token: &str, tool: &str, more: Value) -> Value {
    let mut params = json!({ "name": tool, "arguments": {} });
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    let mut request = stateless(server, token, "tools/call", params).build().unwrap();
    let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
    let able = r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}"#;
    let body = body.replace(r#""io.modelcontextprotocol/clientCapabilities":{}"#, able);
    *request.body_mut() = Some(body.into());
    request.headers_mut().remove("content-length");
    crate::support::client::http().execute(request).await.unwrap().json().await.unwrap()
}

fn answered(state: &Value) -> Value {
    json!({
        "inputResponses": { "confirm": { "action": "accept", "content": { "ok": true } } },
        "requestState": state,
    })
}

#[tokio::test]
async fn a_state_is_good_for_its_own_request_and_agent_only() {
    let (server, _plugins) = conformance::server("");
    let asked = ask(&server, LAPTOP, TOOL, json!({})).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert_eq!(asked["result"]["inputRequests"]["confirm"]["method"], "elicitation/create");
    assert_eq!(
        asked["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "mcp-universal-server"
    );
    let state = &asked["result"]["requestState"];
    let answer = ask(&server, LAPTOP, TOOL, answered(state)).await;
    assert_eq!(answer["result"]["content"][0]["text"], "state-ok: you said true", "{answer}");

    let mut tampered = state.as_str().unwrap().to_owned();
    tampered.push('A');
    let mut elsewhere = answered(state);
    elsewhere["arguments"] = json!({ "message": "hello" });
    for (token, tool, more) in [
        (REVIEWER, TOOL, answered(state)),
        (LAPTOP, "test_input_required_result_tampered_state", answered(state)),
        (LAPTOP, "test_elicitation", elsewhere),
        (LAPTOP, TOOL, answered(&json!(tampered))),
        (LAPTOP, TOOL, answered(&json!("made up"))),
    ] {
        let refused = ask(&server, token, tool, more).await;
        assert_eq!(
            refused["error"],
            json!({
                "code": -32602,
                "message": "`requestState` cannot be used, it was not given out for this request: make the request anew, without it",
            }),
            "{tool}"
        );
    }
}

#[tokio::test]
async fn what_is_no_answer_is_asked_again() {
    let (server, _plugins) = conformance::server("");
    for answer in
        [json!(42), json!({ "action": "accept" }), json!({ "action": "accept", "content": { "ok": "yes" } })]
    {
        let again = ask(&server, LAPTOP, TOOL, json!({ "inputResponses": { "confirm": answer } })).await;
        assert_eq!(again["result"]["resultType"], "input_required", "{answer}: {again}");
    }
    let declined = json!({ "inputResponses": { "confirm": { "action": "decline" } } });
    let declined = ask(&server, LAPTOP, TOOL, declined).await;
    assert_eq!(
        (&declined["result"]["isError"], &declined["result"]["content"][0]["text"]),
        (&json!(true), &json!("you did not say"))
    );
    let large = json!({ "inputResponses": { "confirm": "x".repeat(70_000) } });
    let large = ask(&server, LAPTOP, TOOL, large).await;
    assert_eq!(large["error"]["code"], -32602, "{large}");
}

#[tokio::test]
async fn a_tool_cannot_have_questions_noted_without_end() {
    let (server, _plugins) = conformance::server("");
    let talker = Talker::connect(&server, LAPTOP, Era::Stateless).await;
    let call = CallToolRequestParams::new("test_asks_without_end");
    let result = talker.client.call_tool(call).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    assert!(only_text(&result).contains("asks for more and more"), "{result:?}");
}
