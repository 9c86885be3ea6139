//! Calls that take their time, and calls that are called off.

use super::{changes::Stream, *};

/// Short, so that a slow call need not last for minutes.
const PACE: Duration = Duration::from_millis(20);

fn with_token(mut params: Value) -> Value {
    params["_meta"] = json!({ "progressToken": "p" });
    params
}

fn waiting(id: usize) -> Value {
    let params = with_token(json!({ "name": "demo.wait" }));
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

fn cancelled(id: usize) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

/// Like [`Server::stateless`], with a progress token, and an id that the test knows.
fn stateless(server: &Server, id: usize, token: Option<&str>) -> reqwest::RequestBuilder {
    let mut meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if let Some(token) = token {
        meta["progressToken"] = json!(token);
    }
    let params = json!({ "name": "demo.wait", "_meta": meta });
    newer(server, &json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
        .header("mcp-method", "tools/call")
        .header("mcp-name", "demo.wait")
}

fn newer(server: &Server, body: &Value) -> reqwest::RequestBuilder {
    server.post(LAPTOP, body).header("mcp-protocol-version", "2026-07-28")
}

#[tokio::test]
async fn a_client_that_wants_to_know_hears_that_a_silent_call_still_runs() {
    let server = Server::start_with(PACE).await;
    let session = server.session(LAPTOP).await;
    for request in [server.in_session(LAPTOP, &session, &waiting(7)), stateless(&server, 7, Some("p"))] {
        let mut stream = Stream::open(request).await;
        let mut last = 0.0;
        for _ in 0..5 {
            let progress = stream.next().await.unwrap();
            assert_eq!(progress["method"], "notifications/progress");
            assert_eq!(progress["params"]["progressToken"], "p");
            assert_eq!(progress["params"]["message"], "still running after 0 s");
            let now = progress["params"]["progress"].as_f64().unwrap();
            assert!(now > last, "{now} after {last}");
            last = now;
        }
        server.let_go(1);
        let answer = loop {
            let message = stream.next().await.unwrap();
            if message["method"] != "notifications/progress" {
                break message;
            }
        };
        assert_eq!(answer["result"]["content"][0]["text"], "done");
        assert_eq!(stream.next().await, None, "nothing comes after the answer");
    }
}

#[tokio::test]
async fn without_a_token_the_headers_leave_all_the_same_and_the_answer_follows() {
    let mut server = Server::start_with(PACE).await;
    let mut response = stateless(&server, 7, None).send().await.unwrap();
    server.running(1).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    for _ in 0..3 {
        assert_eq!(response.chunk().await.unwrap().unwrap(), ": the call still runs\n\n");
    }
    server.let_go(1);
    let answers = events(response).await;
    let [answer] = &answers[..] else { panic!("one answer: {answers:?}") };
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(7), &json!("done")));
    assert_eq!(server.end().await, "ok");
}

#[tokio::test]
async fn hanging_up_ends_a_call_whose_headers_have_left() {
    let mut server = Server::start_with(PACE).await;
    for token in [None, Some("p")] {
        let mut response = stateless(&server, 7, token).send().await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        drop(response);
        assert_eq!(server.end().await, "cancelled");
        server.running(0).await;
    }
}

#[tokio::test]
async fn a_call_that_its_client_cancels_ends_in_both_eras() {
    let mut server = Server::start_with(Duration::from_secs(3600)).await;
    let session = server.session(LAPTOP).await;
    let call = server.in_session(LAPTOP, &session, &waiting(7)).send().await.unwrap();
    server.running(1).await;
    let cancel = server.in_session(LAPTOP, &session, &cancelled(7)).send().await.unwrap();
    assert_eq!(cancel.status(), 202);
    assert_eq!(server.end().await, "cancelled");
    assert_eq!(events(call).await, Vec::<Value>::new());

    let call = tokio::spawn(stateless(&server, 7, None).send());
    server.running(1).await;
    let cancel = newer(&server, &cancelled(7)).header("mcp-method", "notifications/cancelled");
    assert_eq!(cancel.send().await.unwrap().status(), 202);
    assert_eq!(server.end().await, "cancelled");
    let answer: Value = call.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(
        answer,
        json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": -32603, "message": "the request was cancelled" } })
    );
}

#[tokio::test]
async fn nobody_cancels_the_call_of_another_agent() {
    let server = Server::start_with(Duration::from_secs(3600)).await;
    let call = tokio::spawn(stateless(&server, 7, None).send());
    server.running(1).await;
    let cancel = server
        .post(REVIEWER, &cancelled(7))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "notifications/cancelled");
    assert_eq!(cancel.send().await.unwrap().status(), 202);
    server.let_go(1);
    let answer: Value = call.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "done");
}
