//! Many at once: of what one client repeats, and of clients that may not enter.

use futures::future::poll_immediate;

use super::{
    changes::{Stream, narrower},
    *,
};
use crate::transport::bearer::NoAccess;

#[tokio::test]
async fn a_session_is_told_once_however_often_its_client_says_that_it_is_ready() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    for _ in 0..5 {
        let response = server.in_session(LAPTOP, &session, &initialized).send().await.unwrap();
        assert_eq!(response.status(), 202);
    }
    let mut stream = Stream::open(server.get(LAPTOP, &session)).await;
    server.reload(&narrower());
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(server.door.0.audience.count(), 1);
    server.delete(LAPTOP, &session).send().await.unwrap();
    assert_eq!(server.door.0.audience.count(), 0);
}

#[tokio::test]
async fn of_too_many_streams_in_a_session_the_oldest_gives_way() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let mut first = Stream::open(server.get(LAPTOP, &session)).await;
    let mut second = Stream::open(server.get(LAPTOP, &session)).await;
    assert_eq!(poll_immediate(first.next()).await, None, "it goes on");
    let mut third = Stream::open(server.get(LAPTOP, &session)).await;
    assert_eq!(first.next().await, None);
    server.reload(&narrower());
    assert_eq!(third.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(poll_immediate(second.next()).await, None, "it goes on");
    drop((second, third));
}

#[tokio::test]
async fn coming_back_for_an_answer_takes_no_stream_s_place() {
    let server = Server::start().await;
    let session = server.session(LAPTOP).await;
    let mut wait = server.in_session(LAPTOP, &session, &call(1, "demo.wait")).send().await.unwrap();
    let first = wait.chunk().await.unwrap().unwrap();
    let event =
        std::str::from_utf8(&first).unwrap().lines().find_map(|line| line.strip_prefix("id:")).unwrap();
    drop(wait);
    let mut oldest = Stream::open(server.get(LAPTOP, &session)).await;
    let _other = Stream::open(server.get(LAPTOP, &session)).await;
    let mut rest = Stream::open(server.get(LAPTOP, &session).header("last-event-id", event.trim())).await;
    server.let_go(1);
    assert_eq!(rest.next().await.unwrap()["result"]["content"][0]["text"], "done");
    server.reload(&narrower());
    assert_eq!(oldest.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn where_too_many_wait_for_a_refusal_it_comes_at_once_and_ends_the_connection() {
    let server = Server::start().await;
    let home = "127.0.0.1".parse().unwrap();
    let refused = async || server.door.0.throttle.failed(home, "/mcp", NoAccess::UnknownToken).await;
    let mut waiting = Vec::new();
    for _ in 0..10 + 256 {
        let mut answer = Box::pin(refused());
        if poll_immediate(answer.as_mut()).await.is_none() {
            waiting.push(answer);
        }
    }
    assert_eq!(waiting.len(), 256);
    let refused = server.post("nonsense", &server.call("demo.echo")).send().await.unwrap();
    let headers = refused.headers();
    assert_eq!((refused.status().as_u16(), &headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
    assert_eq!(headers["connection"], "close");
    let body = json!({ "error": "unauthorized", "message": "the token is not valid" });
    assert_eq!(refused.json::<Value>().await.unwrap(), body);
    server.session(LAPTOP).await;
    drop(waiting);
    assert!(
        poll_immediate(Box::pin(server.door.0.throttle.failed(home, "/mcp", NoAccess::NoToken)))
            .await
            .is_none()
    );
}
