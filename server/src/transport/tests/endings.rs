//! How calls and streams end: always with an answer that somebody may still
//! want.

use super::*;

#[tokio::test]
async fn a_handler_that_panics_still_answers() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let expected = json!({ "code": -32603, "message": "internal error" });
    let panicking = server.in_session(LAPTOP, &session, &call(1, "demo.panic")).send().await.unwrap();
    assert_eq!(events(panicking).await[0]["error"], expected);
    let panicking =
        server.stateless(LAPTOP, "tools/call", json!({ "name": "demo.panic" })).send().await.unwrap();
    assert_eq!(panicking.json::<Value>().await.unwrap()["error"], expected);
}

#[tokio::test]
async fn hanging_up_ends_a_call_of_the_newer_revision_only() {
    let mut server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let older = server.in_session(LAPTOP, &session, &call(1, "demo.wait")).send().await.unwrap();
    server.running(1).await;
    drop(older);
    let newer = server.stateless(LAPTOP, "tools/call", json!({ "name": "demo.wait" }));
    let newer = tokio::spawn(newer.send());
    server.running(2).await;
    newer.abort();
    server.running(1).await;
    assert_eq!(server.end().await, "cancelled");
    server.let_go(1);
    assert_eq!(server.end().await, "ok");
}

#[tokio::test]
async fn a_client_of_the_older_revisions_cancels_in_words() {
    let mut server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let wait = server.in_session(LAPTOP, &session, &call(1, "demo.wait")).send().await.unwrap();
    server.running(1).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(server.in_session(LAPTOP, &session, &cancel).send().await.unwrap().status(), 202);
    assert_eq!(server.end().await, "cancelled");
    assert_eq!(events(wait).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_server_that_stops_finishes_calls_and_ends_streams() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let older = server.in_session(LAPTOP, &session, &call(1, "demo.wait")).send().await.unwrap();
    let newer = tokio::spawn(server.stateless(LAPTOP, "tools/call", json!({ "name": "demo.wait" })).send());
    let stream = server.get(LAPTOP, &session).send().await.unwrap();
    let listening = server.stateless(
        LAPTOP,
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true } }),
    );
    let listening = listening.send().await.unwrap();
    server.running(2).await;

    server.shutdown.cancel();
    let ended = events(listening).await;
    assert_eq!(ended[0]["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(ended[1]["result"]["resultType"], "complete", "{ended:?}");
    assert_eq!(events(stream).await, Vec::<Value>::new());
    let ready = client().get(server.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap()["ready"], false);
    for request in [server.post(LAPTOP, &call(2, "demo.echo")), server.get(LAPTOP, &session)] {
        let refused = request.send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["connection"]),
            (503, &"close".parse().unwrap())
        );
        let body = json!({ "error": "stopping", "message": "the server is stopping: try again soon" });
        assert_eq!(refused.json::<Value>().await.unwrap(), body);
    }
    assert!(!server.serving.is_finished());

    server.let_go(2);
    assert_eq!(events(older).await[0]["result"]["content"][0]["text"], "done");
    let newer: Value = newer.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(newer["result"]["content"][0]["text"], "done");
    server.serving.await.unwrap();
    assert!(client().get(format!("http://{}/healthz", server.address)).send().await.is_err());
}

#[tokio::test]
async fn calls_that_outlast_the_server_hear_that_it_is_stopping() {
    let mut server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let older = server.in_session(LAPTOP, &session, &call(1, "demo.wait")).send().await.unwrap();
    let newer = tokio::spawn(server.stateless(LAPTOP, "tools/call", json!({ "name": "demo.wait" })).send());
    server.running(2).await;
    server.shutdown.cancel();
    // From here on the clock jumps to whatever is due next.
    tokio::time::pause();
    let error = json!({ "code": -32603, "message": "the server is stopping: try again soon" });
    let expected = |id| json!({ "jsonrpc": "2.0", "id": id, "error": error });
    // The headers of both have left long before.
    assert_eq!(events(newer.await.unwrap().unwrap()).await, [expected(100)]);
    assert_eq!(events(older).await, [expected(1)]);
    assert_eq!((server.end().await, server.end().await), ("cancelled", "cancelled"));
    server.serving.await.unwrap();
}
