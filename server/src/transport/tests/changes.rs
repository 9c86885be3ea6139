//! What a reload means for who is connected.

use super::*;

/// A stream on which messages are awaited one by one.
pub(super) struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    pub(super) async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data =
                    event.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_default().trim();
                let message = serde_json::from_str(data).ok();
                self.text = rest.to_owned();
                if message.is_some() {
                    return message;
                }
            } else {
                let chunk = self.response.chunk().await.unwrap()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        }
    }
}

/// A configuration in which a tool is missing from `laptop`'s list.
pub(super) fn narrower() -> String {
    CONFIG.replace(r#"tools: ["demo.*"]"#, r#"tools: ["demo.wait"]"#)
}

fn listen(server: &Server, token: &str, kinds: &[&str]) -> reqwest::RequestBuilder {
    let kinds: Value = kinds.iter().map(|kind| ((*kind).to_owned(), Value::Bool(true))).collect();
    server.stateless(token, "subscriptions/listen", json!({ "notifications": kinds }))
}

#[tokio::test]
async fn clients_hear_of_the_lists_that_changed_for_their_agent() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let mut older = Stream::open(server.get(LAPTOP, &session)).await;
    let mut newer = Stream::open(listen(&server, LAPTOP, &["toolsListChanged", "promptsListChanged"])).await;
    let mut deaf = Stream::open(listen(&server, LAPTOP, &["promptsListChanged"])).await;
    let mut reviewer = Stream::open(listen(&server, REVIEWER, &["toolsListChanged"])).await;
    for stream in [&mut newer, &mut deaf, &mut reviewer] {
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    }

    server.reload(&narrower());
    for stream in [&mut older, &mut newer] {
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    }
    // Had they been told of the first change, they would hear of it first.
    server.reload(&CONFIG.replace(r#"["demo.echo"]"#, "[]").replace(r#"["demo.*"]"#, r#"["demo.wait"]"#));
    assert_eq!(reviewer.next().await.unwrap()["method"], "notifications/tools/list_changed");
    server.shutdown.cancel();
    assert!(deaf.next().await.unwrap()["result"].is_object());
    assert!(newer.next().await.unwrap()["result"].is_object());
    assert!(reviewer.next().await.unwrap()["result"].is_object());
    assert_eq!(older.next().await, None);
}

#[tokio::test]
async fn a_session_hears_of_what_changes_before_it_says_that_it_is_ready() {
    let server = Server::start().await;
    let response = server.initialize(LAPTOP).send().await.unwrap();
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    server.reload(&narrower());
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(server.in_session(LAPTOP, &session, &initialized).send().await.unwrap().status(), 202);
    let mut stream = Stream::open(server.get(LAPTOP, &session)).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_removed_agent_s_sessions_and_streams_end() {
    let server = Server::start().await;
    let session = server.session(REVIEWER).await;
    let mut older = Stream::open(server.get(REVIEWER, &session)).await;
    let mut newer = Stream::open(listen(&server, REVIEWER, &["toolsListChanged"])).await;
    newer.next().await.unwrap();
    let laptop = server.session(LAPTOP).await;

    let end = CONFIG.find("  reviewer:").unwrap();
    server.reload(&CONFIG[..end]);
    assert_eq!(older.next().await, None);
    assert!(newer.next().await.unwrap()["result"].is_object());
    assert_eq!(newer.next().await, None);
    assert_eq!(server.sessions(), 1);
    let refused = server.in_session(REVIEWER, &session, &call(1, "demo.echo")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let call = server.in_session(LAPTOP, &laptop, &call(1, "demo.echo")).send().await.unwrap();
    assert_eq!(events(call).await[0]["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn an_agent_that_moved_to_another_tenant_opens_its_sessions_anew() {
    let server = Server::start().await;
    let (session, laptop) = (server.session(REVIEWER).await, server.session(LAPTOP).await);
    let mut older = Stream::open(server.get(REVIEWER, &session)).await;
    let mut newer = Stream::open(listen(&server, REVIEWER, &["toolsListChanged"])).await;
    newer.next().await.unwrap();

    let (before, reviewer) = CONFIG.split_once("  reviewer:").unwrap();
    let moved = format!("{before}  reviewer:{}", reviewer.replace("tenant: research", "tenant: sales"));
    server.reload(&moved.replace("tenants:\n", "tenants:\n  sales: { tools: [\"*\"] }\n"));
    assert_eq!(older.next().await, None);
    assert!(newer.next().await.unwrap()["result"].is_object());
    let echo = call(1, "demo.echo");
    assert_eq!(server.in_session(REVIEWER, &session, &echo).send().await.unwrap().status(), 404);
    let session = server.session(REVIEWER).await;
    for (token, session) in [(REVIEWER, session), (LAPTOP, laptop)] {
        let answer = server.in_session(token, &session, &echo).send().await.unwrap();
        assert_eq!(events(answer).await[0]["result"]["content"][0]["text"], "done");
    }
}

#[tokio::test]
async fn sessions_and_streams_end_with_the_token_that_opened_them() {
    let server = Server::start().await;
    let (first, second) = (r#"token: "${LAPTOP}""#, r#"tokens: ["${LAPTOP}", "${SPARE}"]"#);
    server.reload(&CONFIG.replace(first, second));
    let (session, spare) = (server.session(LAPTOP).await, server.session(SPARE).await);
    let mut ends = [
        Stream::open(server.get(LAPTOP, &spare)).await,
        Stream::open(server.get(SPARE, &session)).await,
        Stream::open(listen(&server, LAPTOP, &["toolsListChanged"])).await,
    ];
    ends[2].next().await.unwrap();
    let mut goes_on = Stream::open(listen(&server, SPARE, &["toolsListChanged"])).await;
    goes_on.next().await.unwrap();

    server.reload(&CONFIG.replace(first, r#"token: "${SPARE}""#));
    assert!(ends[2].next().await.unwrap()["result"].is_object());
    for stream in &mut ends {
        assert_eq!(stream.next().await, None);
    }
    let echo = call(1, "demo.echo");
    assert_eq!(server.in_session(SPARE, &session, &echo).send().await.unwrap().status(), 404);
    let answer = server.in_session(SPARE, &spare, &echo).send().await.unwrap();
    assert_eq!(events(answer).await[0]["result"]["content"][0]["text"], "done");
    server.reload(&narrower().replace(first, r#"token: "${SPARE}""#));
    assert_eq!(goes_on.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn of_too_many_listening_streams_the_oldest_gives_way() {
    let server = Server::start().await;
    let mut streams = Vec::new();
    for _ in 0..65 {
        let mut stream = Stream::open(listen(&server, LAPTOP, &["toolsListChanged"])).await;
        stream.next().await.unwrap();
        streams.push(stream);
    }
    assert!(streams[0].next().await.unwrap()["result"].is_object());
    server.reload(&narrower());
    for stream in &mut streams[1..] {
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    }
}
