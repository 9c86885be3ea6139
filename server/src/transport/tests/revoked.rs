//! Calls in flight whose caller or plugin is revoked.

use super::*;

/// `laptop` with both tokens.
fn two_tokens() -> String {
    CONFIG.replace(r#"token: "${LAPTOP}""#, r#"tokens: ["${LAPTOP}", "${SPARE}"]"#)
}

/// `laptop` with the spare token only.
fn one_token() -> String {
    CONFIG.replace(r#"token: "${LAPTOP}""#, r#"token: "${SPARE}""#)
}

fn wait(server: &Server, token: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    tokio::spawn(server.stateless(token, "tools/call", json!({ "name": "demo.wait" })).send())
}

fn denial(answer: &Value) -> (&Value, &Value) {
    let reasons = &answer["result"]["_meta"]["mcp-universal-server/denial"]["reasons"];
    (&answer["result"]["isError"], &reasons[0]["code"])
}

#[tokio::test]
async fn a_call_of_the_newer_revision_ends_with_its_token_and_its_agent_s_others_go_on() {
    let mut server = Server::start().await;
    server.reload(&two_tokens());
    let (cut, goes_on) = (wait(&server, LAPTOP), wait(&server, SPARE));
    server.running(2).await;
    server.reload(&one_token());
    let cut = cut.await.unwrap().unwrap();
    assert_eq!(
        (cut.status().as_u16(), &cut.headers()["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
    let body = json!({ "error": "unauthorized", "message": "the token is not valid" });
    assert_eq!(cut.json::<Value>().await.unwrap(), body);
    assert_eq!(server.end().await, "revoked");
    server.running(1).await;
    server.let_go(1);
    let answer: Value = goes_on.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "done");
    assert_eq!(server.end().await, "ok");
}

#[tokio::test]
async fn a_call_of_an_agent_that_moved_is_told_so() {
    let mut server = Server::start().await;
    let cut = wait(&server, LAPTOP);
    server.running(1).await;
    let moved = CONFIG.replacen("tenant: research", "tenant: sales", 1);
    server.reload(&moved.replace("tenants:\n", "tenants:\n  sales: { tools: [\"*\"] }\n"));
    let answer: Value = cut.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(denial(&answer), (&json!(true), &json!("revoked")));
    assert_eq!(
        answer["result"]["content"][0]["text"],
        "the call was ended: agent `laptop` belongs to another tenant now (call again, with the rights of `agents.laptop.tenant`)"
    );
    assert_eq!(server.end().await, "revoked");
}

#[tokio::test]
async fn a_call_in_a_session_ends_with_its_own_token() {
    let mut server = Server::start().await;
    server.reload(&two_tokens());
    let (closed, stays) = (server.session(LAPTOP).await, server.session(SPARE).await);
    let mut cut = Vec::new();
    for (token, session) in [(LAPTOP, &closed), (SPARE, &closed), (LAPTOP, &stays), (SPARE, &stays)] {
        let call = server.in_session(token, session, &server.call("demo.wait"));
        cut.push(call.send().await.unwrap());
    }
    server.running(4).await;
    server.reload(&one_token());
    let goes_on = cut.pop().unwrap();
    // Its session goes on, so that the call's own answer says what came of it.
    let told = events(cut.pop().unwrap()).await.remove(0);
    assert_eq!(denial(&told), (&json!(true), &json!("revoked")));
    // Of a session that is closed, streams end, with their last words or without.
    for response in cut {
        events(response).await;
    }
    let mut ends = [server.end().await, server.end().await, server.end().await];
    ends.sort_unstable();
    assert_eq!(ends, ["cancelled", "revoked", "revoked"]);
    server.running(1).await;
    assert_eq!(server.sessions(), 1);
    server.let_go(1);
    assert_eq!(events(goes_on).await[0]["result"]["content"][0]["text"], "done");
    assert_eq!(server.end().await, "ok");
}

#[tokio::test]
async fn a_call_of_a_plugin_that_goes_is_refused_in_both_eras() {
    let mut server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let older = server.in_session(LAPTOP, &session, &server.call("demo.wait")).send().await.unwrap();
    let newer = wait(&server, LAPTOP);
    server.running(2).await;
    server
        .live
        .publish(SnapshotContent { registry: Registry::default(), ..content(CONFIG, server.demo.clone()) });
    server.door.reloaded();
    for answer in [events(older).await.remove(0), newer.await.unwrap().unwrap().json().await.unwrap()] {
        assert_eq!(denial(&answer), (&json!(true), &json!("revoked")));
        assert!(answer["result"]["content"][0]["text"].as_str().unwrap().starts_with(
            "the call was ended: plugin `demo` is signed with key `acme`, which is no longer trusted ("
        ));
        assert_eq!(server.end().await, "revoked");
    }
    server.running(0).await;
}
