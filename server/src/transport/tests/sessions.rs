//! Sessions belong to an agent, have an end, and are not cut off before it.

use axum::body::Bytes;
use http_body_util::Full;
use server_core::{principal::Principal, secret::TokenDigest};

use super::*;
use crate::mcp::Caller;

const MINUTES: Duration = Duration::from_secs(60);

async fn status_and_body(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn unknown() -> (u16, String) {
    let body =
        r#"{"error":"unknown_session","message":"there is no such session: send `initialize` for another"}"#;
    (404, body.to_owned())
}

#[tokio::test]
async fn another_agent_s_session_cannot_be_told_from_one_that_does_not_exist() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    for foreign in [session.as_str(), "00000000-0000-0000-0000-000000000000", "nonsense"] {
        let call = server.call("demo.echo");
        assert_eq!(status_and_body(server.in_session(REVIEWER, foreign, &call)).await, unknown());
        assert_eq!(status_and_body(server.get(REVIEWER, foreign)).await, unknown());
        assert_eq!(
            status_and_body(server.get(REVIEWER, foreign).header("last-event-id", "0")).await,
            unknown()
        );
        assert_eq!(status_and_body(server.delete(REVIEWER, foreign)).await, unknown());
    }
    let response = server.in_session(LAPTOP, &session, &call(1, "demo.echo")).send().await.unwrap();
    assert_eq!(events(response).await[0]["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn a_deleted_session_is_gone_with_its_stream() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let stream = server.get(LAPTOP, &session).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(status_and_body(server.delete(LAPTOP, &session)).await, (204, String::new()));
    assert_eq!(events(stream).await, Vec::<Value>::new(), "the stream ends");
    assert_eq!(status_and_body(server.delete(LAPTOP, &session)).await, unknown());
    assert_eq!(status_and_body(server.in_session(LAPTOP, &session, &call(1, "demo.echo"))).await, unknown());
    assert_eq!(server.sessions(), 0);
}

#[tokio::test]
async fn the_revision_without_sessions_ignores_their_header() {
    let server = Server::start().await;
    for session in ["nonsense", &server.session(REVIEWER).await] {
        let echo = server.stateless(LAPTOP, "tools/call", json!({ "name": "demo.echo" }));
        let echo = echo.header("mcp-session-id", session).header("last-event-id", "0").send().await.unwrap();
        assert_eq!(echo.headers().get("mcp-session-id"), None);
        assert_eq!(echo.json::<Value>().await.unwrap()["result"]["content"][0]["text"], "done");
        for request in [server.get(LAPTOP, session), server.delete(LAPTOP, session)] {
            let response = request.header("mcp-protocol-version", "2026-07-28").send().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["allow"]),
                (405, &"POST".parse().unwrap())
            );
        }
    }
    assert_eq!(server.sessions(), 1);
}

#[tokio::test]
async fn a_message_that_needs_a_session_must_name_one() {
    let server = Server::start().await;
    let body = r#"{"error":"no_session","message":"the header `Mcp-Session-Id` is missing"}"#;
    for request in [
        server.post(LAPTOP, &call(1, "demo.echo")),
        server.post(LAPTOP, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })),
        client().get(server.url("/mcp")).bearer_auth(LAPTOP).header("accept", "text/event-stream"),
        client().delete(server.url("/mcp")).bearer_auth(LAPTOP),
    ] {
        assert_eq!(status_and_body(request).await, (400, body.to_owned()));
    }
}

#[tokio::test]
async fn an_id_cannot_be_used_twice_at_the_same_time() {
    let server = Server::start().await;
    let (session, other) = (server.session(LAPTOP).await, server.session(LAPTOP).await);
    let wait = server.in_session(LAPTOP, &session, &call(7, "demo.wait")).send().await.unwrap();
    server.running(1).await;
    let body = r#"{"error":{"code":-32600,"message":"the id is in use by a request in flight"},"id":7,"jsonrpc":"2.0"}"#;
    let again = server.in_session(LAPTOP, &session, &call(7, "demo.echo"));
    assert_eq!(status_and_body(again).await, (400, body.to_owned()));
    let elsewhere = server.in_session(LAPTOP, &other, &call(7, "demo.echo")).send().await.unwrap();
    assert_eq!(events(elsewhere).await[0]["id"], 7);
    server.let_go(1);
    assert_eq!(events(wait).await[0]["id"], 7);
    let later = server.in_session(LAPTOP, &session, &call(7, "demo.echo")).send().await.unwrap();
    assert_eq!(events(later).await[0]["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn with_one_session_too_many_the_oldest_idle_one_gives_way() {
    let server = Server::start().await;
    let mut sessions = Vec::new();
    for _ in 0..64 {
        sessions.push(server.session(LAPTOP).await);
    }
    let reviewers = server.session(REVIEWER).await;
    // The oldest is busy, the second was used last: the third must go.
    let _wait = server.in_session(LAPTOP, &sessions[0], &call(1, "demo.wait")).send().await.unwrap();
    server.running(1).await;
    let echo = server.in_session(LAPTOP, &sessions[1], &call(1, "demo.echo")).send().await.unwrap();
    events(echo).await;
    sessions.push(server.session(LAPTOP).await);
    assert_eq!(server.sessions(), 65);
    for (n, session) in sessions.iter().enumerate() {
        let (status, _) = status_and_body(server.in_session(LAPTOP, session, &call(2, "demo.echo"))).await;
        assert_eq!(status, if n == 2 { 404 } else { 200 }, "session {n}");
    }
    let (status, _) = status_and_body(server.in_session(REVIEWER, &reviewers, &call(2, "demo.echo"))).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn where_all_sessions_are_busy_another_is_refused() {
    let server = Server::start().await;
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let session = server.session(LAPTOP).await;
        waiting.push(server.in_session(LAPTOP, &session, &call(1, "demo.wait")).send().await.unwrap());
    }
    server.running(64).await;
    let message = "agent `laptop` has 64 sessions and all are busy: end one, or wait for a call";
    let error = json!({ "jsonrpc": "2.0", "id": 0, "error": { "code": -31001, "message": message } });
    let refused = server.initialize(LAPTOP).send().await.unwrap();
    assert_eq!(refused.headers().get("mcp-session-id"), None);
    assert_eq!(refused.json::<Value>().await.unwrap(), error);
    assert_eq!(server.sessions(), 64);
    server.let_go(64);
    for response in waiting {
        assert_eq!(events(response).await.len(), 1);
    }
    server.session(LAPTOP).await;
}

#[tokio::test]
async fn sessions_that_nobody_uses_end_but_never_ones_with_a_call_or_a_stream() {
    let server = Server::start().await;
    let idle = server.session(LAPTOP).await;
    let (calling, listening) = (server.session(LAPTOP).await, server.session(LAPTOP).await);
    let wait = server.in_session(LAPTOP, &calling, &call(1, "demo.wait")).send().await.unwrap();
    let stream = server.get(LAPTOP, &listening).send().await.unwrap();
    server.running(1).await;
    server.reap(Instant::now() + 29 * MINUTES);
    assert_eq!(server.sessions(), 3);
    server.reap(Instant::now() + 31 * MINUTES);
    assert_eq!(server.sessions(), 2);
    assert_eq!(status_and_body(server.in_session(LAPTOP, &idle, &call(1, "demo.echo"))).await, unknown());
    // A client may hang up and come back for the answer. When the server has
    // noticed the former cannot be seen, so it gets some time for it.
    drop(wait);
    for _ in 0..20 {
        assert_eq!(client().get(server.url("/healthz")).send().await.unwrap().status(), 200);
        server.reap(Instant::now() + 31 * MINUTES);
        assert_eq!(server.sessions(), 2);
    }
    server.let_go(1);
    server.running(0).await;
    drop(stream);
    eventually("the sessions to end", || {
        server.reap(Instant::now() + 31 * MINUTES);
        server.sessions() == 0
    })
    .await;
}

#[tokio::test]
async fn a_greeting_that_is_cut_short_leaves_no_session_that_is_not_counted() {
    let server = Server::start().await;
    let shared = &server.door.0;
    let principal = Principal { agent: "laptop".parse().unwrap(), tenant: "research".parse().unwrap() };
    let caller = Caller { principal, token: TokenDigest::of(LAPTOP), address: None };
    for steps in 0..20 {
        let request = server.initialize(LAPTOP).build().unwrap();
        let body = Bytes::copy_from_slice(request.body().unwrap().as_bytes().unwrap());
        let mut greeting =
            http::Request::post("/mcp").header("host", "localhost").body(Full::new(body)).unwrap();
        greeting.headers_mut().extend(request.headers().clone());
        greeting.extensions_mut().insert(caller.clone());
        let mut opening = std::pin::pin!(shared.sessions.opening(&caller, shared.rmcp.handle(greeting)));
        for _ in 0..steps {
            if futures::future::poll_immediate(opening.as_mut()).await.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    assert!(server.sessions() > 0, "none of them came far enough");
    assert_eq!(shared.sessions.known_to_rmcp().await, server.sessions());
}

/// Waits for what another task is about to do.
async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < patience, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
