//! A subscriber that never reads.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
};

use super::{
    changes::{Stream, narrower},
    *,
};

/// Opens a stream with as little room for what arrives as there can be, and does
/// not read it any more once it has begun.
async fn open(server: &Server, request: reqwest::RequestBuilder) -> TcpStream {
    let request = request.build().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", request.method(), request.url().path());
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    stream
}

/// Whether the server has hung up, without reading anything.
async fn is_over(stream: &TcpStream) -> bool {
    let ready = stream.ready(Interest::WRITABLE).await.unwrap();
    ready.is_write_closed() || stream.try_write(b"x").is_err()
}

/// Both agents' pages; patient with clients for a second.
fn config(config: &str) -> String {
    config
        .replace(r#""127.0.0.1:0" }"#, r#""127.0.0.1:0", client_timeout_seconds: 1 }"#)
        .replace("tools: [\"*\"]", "tools: [\"*\"], resources: [\"demo://*\"]")
        .replace("tools: [\"demo.*\"]", "tools: [\"demo.*\"]\n    resources: [\"demo://*\"]")
        .replace("tools: [\"demo.wait\"]", "tools: [\"demo.wait\"]\n    resources: [\"demo://*\"]")
}

#[tokio::test]
async fn a_subscriber_that_never_reads_delays_nobody_and_is_given_up() {
    let server = Server::start().await;
    let configs = [config(CONFIG), config(&narrower())];
    server.reload(&configs[0]);
    // Long, since megabytes may lie between a client and the server.
    let page = format!("demo://pages/{}", "x".repeat(2000));
    let listen =
        |kinds: Value| server.stateless(LAPTOP, "subscriptions/listen", json!({ "notifications": kinds }));
    let (session, other) = (server.session(LAPTOP).await, server.session(LAPTOP).await);
    let subscribe =
        json!({ "jsonrpc": "2.0", "id": 5, "method": "resources/subscribe", "params": { "uri": page } });
    let subscribed = server.in_session(LAPTOP, &session, &subscribe).send().await.unwrap();
    assert!(events(subscribed).await[0]["result"].is_object());
    let both = json!({ "toolsListChanged": true, "resourceSubscriptions": [page] });
    let stalled = [open(&server, server.get(LAPTOP, &session)).await, open(&server, listen(both)).await];
    let lists = listen(json!({ "toolsListChanged": true }));
    let mut reading = [Stream::open(server.get(LAPTOP, &other)).await, Stream::open(lists).await];
    assert_eq!(reading[1].next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    for config in configs.iter().cycle().skip(1) {
        for _ in 0..50 {
            server.door.0.audience.resource_updated(&page);
        }
        server.reload(config);
        let told = Instant::now();
        for stream in &mut reading {
            assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
        }
        longest = longest.max(told.elapsed());
        // That they are given up says that nothing more fitted in between.
        if is_over(&stalled[0]).await && is_over(&stalled[1]).await {
            break;
        }
        assert!(begun.elapsed() < PATIENCE * 2 / 3, "they are never given up");
    }
    // The one that never reads is waited for a second.
    assert!(longest < Duration::from_millis(900), "somebody was told after {longest:?}");
}
