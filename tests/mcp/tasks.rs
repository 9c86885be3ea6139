//! Calls that go on after their request was answered.

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server,
    client::{Client, ERAS, http, only_text, stateless},
    conformance, eventually, eventually_async,
};

/// A request by a client that can be asked, and come back for results.
async fn request(server: &Server, token: &str, method: &str, params: Value) -> Value {
    let name = params.get("taskId").and_then(Value::as_str).map(ToOwned::to_owned);
    let mut request = stateless(server, token, method, params).build().unwrap();
    let mut body: Value = serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } });
    *request.body_mut() = Some(body.to_string().into());
    request.headers_mut().remove("content-length");
    if let Some(name) = name {
        request.headers_mut().insert("mcp-name", name.parse().unwrap());
    }
    http().execute(request).await.unwrap().json().await.unwrap()
}

/// The id of the task that a call becomes.
async fn detached(server: &Server, tool: &str, arguments: Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    let answer = request(server, LAPTOP, "tools/call", params).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    answer["result"]["taskId"].as_str().unwrap().to_owned()
}

async fn task(server: &Server, token: &str, id: &str) -> Value {
    request(server, token, "tasks/get", json!({ "taskId": id })).await
}

/// The task, once it stands like that.
async fn settled(server: &Server, id: &str, status: &str) -> Value {
    eventually_async(status, || async {
        let task = task(server, LAPTOP, id).await;
        (task["result"]["status"] == status).then(|| task["result"].clone())
    })
    .await
}

#[tokio::test]
async fn the_result_is_there_for_the_agent_that_comes_back_for_it() {
    let (server, _plugins) = conformance::server("");
    let id = detached(&server, "slow_compute", json!({ "seconds": 0.05, "label": "it" })).await;
    let done = settled(&server, &id, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], "computed it");
    assert_eq!(done["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcp-universal-server");

    let unknown = |id: &str| json!({ "code": -32602, "message": format!("unknown task: `{id}`") });
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = |id: &str| json!({ "taskId": id, "inputResponses": {} });
        for (token, id) in [(REVIEWER, id.as_str()), (LAPTOP, "no-such-task")] {
            assert_eq!(request(&server, token, method, params(id)).await["error"], unknown(id), "{method}");
        }
    }
}

#[tokio::test]
async fn a_task_asks_whoever_looks_after_it() {
    let (server, _plugins) = conformance::server("");
    let id = detached(&server, "multi_input", json!({})).await;
    let asks = eventually_async("both questions", || async {
        let task = task(&server, LAPTOP, &id).await["result"].clone();
        (task["inputRequests"].as_object().map(serde_json::Map::len) == Some(2)).then_some(task)
    })
    .await;
    assert_eq!(asks["inputRequests"]["name"]["method"], "elicitation/create");
    for (key, content) in [("name", json!({ "name": "Ada" })), ("confirm", json!({ "confirm": true }))] {
        let responses = json!({ key: { "action": "accept", "content": content } });
        let params = json!({ "taskId": id, "inputResponses": responses });
        assert_eq!(
            request(&server, LAPTOP, "tasks/update", params).await["result"]["resultType"],
            "complete"
        );
    }
    let done = settled(&server, &id, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], "Ada: true");
}

#[tokio::test]
async fn answers_that_are_no_answers_are_no_use_to_a_task() {
    let (server, _plugins) = conformance::server("");
    let form = "the client's answer does not fit: it must be an `action`, which is `accept`, `decline` or \
                `cancel`, and `content` with `accept`";
    let large = json!({ "action": "accept", "content": { "name": "A".repeat(70_000) } });
    for (answer, text) in [(json!(5), form), (large, "the answers have 70107 bytes, more than 65536")] {
        let id = detached(&server, "multi_input", json!({})).await;
        settled(&server, &id, "input_required").await;
        let confirm = json!({ "action": "accept", "content": { "confirm": true } });
        let responses = json!({ "name": answer, "confirm": confirm });
        let params = json!({ "taskId": id, "inputResponses": responses });
        request(&server, LAPTOP, "tasks/update", params).await;
        let done = settled(&server, &id, "completed").await;
        assert_eq!(
            (&done["result"]["isError"], &done["result"]["content"][0]["text"]),
            (&json!(true), &json!(text))
        );
    }
}

#[tokio::test]
async fn a_task_that_is_cancelled_ends_its_code_and_gives_its_slot_back() {
    let (server, _plugins) = conformance::server(", concurrency: 1");
    let id = detached(&server, "slow_compute", json!({ "seconds": 600 })).await;
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    let busy = laptop.call("test_simple_text", json!({})).await.unwrap();
    assert!(only_text(&busy).contains("has 1 calls running"), "{busy:?}");
    request(&server, LAPTOP, "tasks/cancel", json!({ "taskId": id })).await;
    settled(&server, &id, "cancelled").await;
    eventually("the plugin to see it", || {
        server.logged(|line| line["message"] == "cancelled, and so it ends")
    });
    eventually_async("the slot to be free", || async {
        laptop.call("test_simple_text", json!({})).await.unwrap().is_error.filter(|error| !error)
    })
    .await;
}

#[tokio::test]
async fn a_task_ends_as_its_call_would_have() {
    let (server, _plugins) = conformance::server("");
    let id = detached(&server, "failing_job", json!({})).await;
    let failed = settled(&server, &id, "completed").await;
    assert_eq!(
        (&failed["result"]["isError"], &failed["result"]["content"][0]["text"]),
        (&json!(true), &json!("the job failed"))
    );
    let id = detached(&server, "protocol_error_job", json!({})).await;
    let broken = settled(&server, &id, "failed").await;
    assert_eq!(
        broken["error"],
        json!({ "code": -32603, "message": "tool `protocol_error_job` panicked: on purpose" })
    );
}

#[tokio::test]
async fn a_client_that_cannot_come_back_waits_or_is_told_what_it_lacks() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let arguments = json!({ "seconds": 0.05, "label": "it" });
        assert_eq!(laptop.text("slow_compute", arguments).await, "computed it", "{era:?}");
    }
    let laptop = Client::connect(&server, LAPTOP, ERAS[0]).await;
    let refused = laptop.call("failing_job", json!({})).await.unwrap();
    assert_eq!(only_text(&refused), "the client does not offer tasks, which this needs");
    let params = json!({ "name": "failing_job" });
    let refused: Value =
        stateless(&server, LAPTOP, "tools/call", params).send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    let needed = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    assert_eq!(refused["error"]["data"]["requiredCapabilities"], needed);
}

#[tokio::test]
async fn an_agent_has_thirty_two_tasks_and_then_its_calls_stay_attached() {
    let (server, _plugins) = conformance::server(", concurrency: 64");
    for _ in 0..32 {
        let id = detached(&server, "failing_job", json!({})).await;
        request(&server, LAPTOP, "tasks/cancel", json!({ "taskId": id })).await;
    }
    let params = |tool: &str, arguments: Value| json!({ "name": tool, "arguments": arguments });
    let arguments = json!({ "seconds": 0, "label": "it" });
    let attached = request(&server, LAPTOP, "tools/call", params("slow_compute", arguments)).await;
    assert_eq!(attached["result"]["content"][0]["text"], "computed it", "{attached}");
    let refused = request(&server, LAPTOP, "tools/call", params("failing_job", json!({}))).await;
    assert_eq!(refused["result"]["content"][0]["text"], "the agent has as many tasks as it may");
    let other = request(&server, REVIEWER, "tools/call", params("failing_job", json!({}))).await;
    assert_eq!(other["result"]["resultType"], "task", "{other}");
}

#[tokio::test]
async fn a_task_leaves_its_requests_id_to_the_client() {
    let (server, _plugins) = conformance::server("");
    // All requests here have the id 1.
    detached(&server, "slow_compute", json!({ "seconds": 600 })).await;
    // What is cancelled has begun, so there is room for it.
    let slow =
        |milliseconds: u32| json!({ "name": "test_slow", "arguments": { "milliseconds": milliseconds } });
    request(&server, LAPTOP, "tools/call", slow(1)).await;
    let params = slow(600_000);
    let cancels = async {
        eventually_async("the call to end", || async {
            let cancel = stateless(&server, LAPTOP, "notifications/cancelled", json!({ "requestId": 1 }));
            let mut request = cancel.build().unwrap();
            let mut body: Value =
                serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
            body.as_object_mut().unwrap().remove("id");
            *request.body_mut() = Some(body.to_string().into());
            request.headers_mut().remove("content-length");
            assert_eq!(http().execute(request).await.unwrap().status(), 202);
            server.logged(|line| line["message"] == "cancelled, and so it ends").map(|_| ())
        })
        .await;
    };
    let (answer, ()) = tokio::join!(request(&server, LAPTOP, "tools/call", params), cancels);
    assert_eq!(answer["error"]["message"], "the request was cancelled");
}
