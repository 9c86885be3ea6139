//! Clients that stop in the middle.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    LAPTOP, PATIENCE, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, http, stateless},
    eventually,
};

/// Patient for one second.
fn impatient() -> String {
    TWO_AGENTS.replace("127.0.0.1:0\" }", "127.0.0.1:0\", client_timeout_seconds: 1 }")
}

fn connect(address: SocketAddr, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// What the server says until it hangs up.
fn said(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it does not hang up: {error}"),
    }
    String::from_utf8(text).unwrap()
}

const HEAD: &str = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[tokio::test]
async fn heads_that_do_not_come_to_an_end_are_given_up_and_keep_nobody_out() {
    let server = Server::start(&impatient());
    let halves: Vec<_> = (0..300).map(|_| connect(server.address, HEAD)).collect();
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
    for half in halves {
        assert_eq!(said(half), "");
    }
    let second = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{HEAD}");
    let (first, half) = second.split_at(second.len() - HEAD.len());
    let mut stream = connect(server.address, first);
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    stream.write_all(half.as_bytes()).unwrap();
    assert!(said(stream).starts_with("TTP/1.1 200"), "the second head is no better than a first");
}

#[tokio::test]
async fn a_body_that_does_not_come_to_an_end_is_given_up_with_a_word() {
    let server = Server::start(&impatient());
    let head = format!("{HEAD}Authorization: Bearer {LAPTOP}\r\nContent-Length: 100\r\n\r\n{{");
    let halves: Vec<_> = (0..100).map(|_| connect(server.address, &head)).collect();
    for half in halves {
        let said = said(half);
        assert!(said.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{said}");
        assert!(
            said.ends_with(r#"{"error":"timeout","message":"the body did not arrive in time"}"#),
            "{said}"
        );
    }
}

/// 400 MB that a hundred bodies would have, of which the last byte never comes.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_that_do_not_come_to_an_end_have_a_room_of_their_own() {
    const BODY: usize = 4 << 20;
    let server = Server::start(TWO_AGENTS);
    let before = server.peak_memory();
    let head = format!("{HEAD}Authorization: Bearer {LAPTOP}\r\nContent-Length: {BODY}\r\n\r\n");
    let almost = " ".repeat(BODY - 1);
    let (tells, told) = mpsc::channel();
    let streams: Vec<_> = (0..100).map(|_| connect(server.address, &head)).collect();
    for mut stream in streams {
        stream.write_all(almost.as_bytes()).unwrap();
        let tells = tells.clone();
        thread::spawn(move || tells.send(said(stream)));
    }
    for number in 0..92 {
        let said = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("only {number} are refused"));
        assert!(said.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{said}");
        assert!(
            said.contains(r#"{"error":"server_overloaded","message":"large messages of this agent"#),
            "{said}"
        );
    }
    assert!(told.try_recv().is_err(), "the others are waited for");
    assert!(server.peak_memory() - before < 150 << 20, "{} bytes more", server.peak_memory() - before);
    // Small ones of the same agent, and large ones of others, have nothing to do with it.
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
    let large = json!({ "name": "core.echo", "arguments": { "text": "x".repeat(BODY - 1000) } });
    let asked = |token| stateless(&server, token, "tools/call", large.clone()).send();
    assert_eq!(asked(REVIEWER).await.unwrap().status(), 200);
    assert_eq!(asked(LAPTOP).await.unwrap().status(), 503);
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let text = "x".repeat(2_000_000);
    let limits = "limits: { max_payload_bytes: 2097152, max_response_bytes: 8388608 }\n";
    let server = Server::start(&(impatient() + limits));
    let arguments = json!({ "name": "core.echo", "arguments": { "text": text }, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": arguments }).to_string();
    let request = format!(
        "{HEAD}Authorization: Bearer {LAPTOP}\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMCP-Method: tools/call\r\nMCP-Name: core.echo\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Answers pile up until the kernel takes no more, and then it is over.
    let mut stream = connect(server.address, "");
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let error = (0..50).find_map(|_| stream.write_all(request.as_bytes()).err()).expect("it took 100 MB");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
}

#[tokio::test]
async fn half_heads_at_the_operator_s_door_let_the_operator_in() {
    const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";
    let admin = "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\n";
    let server = Server::start_with(&format!("{TWO_AGENTS}{admin}"), |_, command| {
        command.env("ADMIN_TOKEN", ADMIN);
    });
    let line = eventually("the door to open", || server.logged(|line| line["message"] == "admin listening"));
    let door: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
    let _halves: Vec<_> = (0..200).map(|_| connect(door, HEAD)).collect();
    let begun = Instant::now();
    for _ in 0..3 {
        let status = http().get(format!("http://{door}/status")).bearer_auth(ADMIN).send().await.unwrap();
        assert_eq!(status.status(), 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    let why = eventually("a word of it", || {
        server.logged(|line| line["message"] == "idle connections give way to new ones")
    });
    assert_eq!((&why["level"], &why["why"]), (&json!("WARN"), &json!("an address has many")));
}

#[test]
fn of_too_many_connections_the_oldest_gives_way() {
    let server =
        Server::start(&TWO_AGENTS.replace(
            "127.0.0.1:0\" }",
            "127.0.0.1:0\", max_connections: 32, max_connections_per_address: 16 }",
        ));
    let strangers: Vec<_> = (0..40).map(|_| connect(server.address, "G")).collect();
    let healthy =
        connect(server.address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(said(healthy).starts_with("HTTP/1.1 200"));
    let open = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    eventually("the oldest to be closed", || {
        let open: Vec<_> = (0..40).filter(|at| open(&strangers[*at])).collect();
        (open == (25..40).collect::<Vec<_>>()).then_some(())
    });
}
