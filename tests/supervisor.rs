//! Under a service manager: sockets that it hands over, what it is told, and the
//! units of `deploy/`.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, PATIENCE, PROGRAM, REVIEWER, Server, TWO_AGENTS,
    client::{http, only_text, stateless},
    eventually, eventually_async,
    testbench::Testbench,
};

mod system;

/// Has the program find this socket as systemd would give it.
fn hand_over(command: &mut Command, socket: &TcpListener) {
    let line = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve";
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", line, PROGRAM]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    *command = wrapped;
}

/// A server on a socket that somebody else keeps.
fn start(config: &str, socket: &TcpListener) -> Server {
    let address = socket.local_addr().unwrap().to_string();
    let config = config.replace("127.0.0.1:0", &address);
    Server::start_with(&config, |_, command| hand_over(command, socket))
}

/// Asks again and again, by a connection of its own each time.
struct Crowd {
    stop: Arc<AtomicBool>,
    asking: Vec<tokio::task::JoinHandle<u32>>,
}

impl Crowd {
    fn gather(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = (0..4).map(|_| tokio::spawn(ask(address, stop.clone()))).collect();
        Self { stop, asking }
    }

    /// How often each was answered.
    async fn disperse(self) -> Vec<u32> {
        self.stop.store(true, Ordering::Relaxed);
        let mut answered = Vec::new();
        for asking in self.asking {
            answered.push(asking.await.expect("nobody is refused"));
        }
        answered
    }
}

async fn ask(address: SocketAddr, stop: Arc<AtomicBool>) -> u32 {
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let echo = json!({ "name": "core.echo", "arguments": { "text": "hello" } });
        let request = stateless_at(&client, address, LAPTOP, &echo);
        let answer = request.send().await.expect("a connection");
        let status = answer.status();
        let answer: Value = answer.json().await.expect("an answer");
        assert_eq!(answer["result"]["content"][0]["text"], "hello", "{status} {answer}");
        answered += 1;
    }
    answered
}

fn stateless_at(
    client: &reqwest::Client,
    address: SocketAddr,
    token: &str,
    params: &Value,
) -> reqwest::RequestBuilder {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    client
        .post(format!("http://{address}/mcp"))
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", params["name"].as_str().unwrap().to_owned())
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_way_to_the_next_and_nobody_is_refused() {
    let bench = Testbench::new();
    let config = bench.config("{}").replace(
        "tools: [\"core.echo\", \"core.sum\"]",
        "tools: [\"core.echo\"]\n    limits: { rate_limit: \"100000/s\" }",
    );
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut old = start(&config, &socket);
    assert_eq!(old.address, address);
    let crowd = Crowd::gather(address);

    // A call that is under way is answered by the server that took it.
    let file = bench.path().join("held");
    let hold = json!({ "name": "bench.hold", "arguments": { "file": file } });
    let held = tokio::spawn(stateless(&old, REVIEWER, "tools/call", hold).send());
    eventually_async("the call", || async { file.exists().then_some(()) }).await;
    old.signal("-TERM");
    eventually("the end to begin", || {
        old.logged(|line| line["message"] == "stopping: open calls may finish")
    });
    fs::remove_file(&file).unwrap();
    let held: Value = held.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(only_text(&serde_json::from_value(held["result"].clone()).unwrap()), "1.0.1");

    assert!(tokio::task::block_in_place(|| old.ended()).success());
    let next = start(&config, &socket);
    let before = next.log().iter().filter(|line| line["target"] == "call").count();
    eventually_async("the next server to be asked", || async {
        let calls = next.log().iter().filter(|line| line["target"] == "call").count();
        (calls > before + 20).then_some(())
    })
    .await;
    for answered in crowd.disperse().await {
        assert!(answered > 5, "{answered}");
    }
}

#[tokio::test]
async fn a_socket_that_nothing_is_to_listen_on_is_told() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start_with(TWO_AGENTS, |_, command| hand_over(command, &socket));
    let said = "a socket was handed over that nothing is to listen on";
    let line = eventually("the warning", || server.logged(|line| line["message"] == said));
    assert_eq!(line["address"], socket.local_addr().unwrap().to_string());
    assert_ne!(server.address, socket.local_addr().unwrap());
    assert_eq!(http().get(server.url("/healthz")).send().await.unwrap().status(), 200);
}

/// What the manager hears next that begins like this.
fn hears(manager: &UnixDatagram, start: &str) -> String {
    let mut bytes = [0; 4096];
    loop {
        let length = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("{start}: {error}"));
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text.starts_with(start) {
            return text;
        }
    }
}

#[test]
fn the_manager_is_told_how_the_server_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut server = Server::start_with(TWO_AGENTS, |_, command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    });
    assert_eq!(hears(&manager, "READY=1"), "READY=1\nSTATUS=generation 1 is in force\n");
    hears(&manager, "WATCHDOG=1");
    fs::write(server.config(), TWO_AGENTS.replace("core.sum", "core.*")).unwrap();
    assert_eq!(hears(&manager, "STATUS="), "STATUS=generation 2 is in force\n");
    server.signal("-TERM");
    assert!(hears(&manager, "STOPPING=1").contains("STATUS=stopping: open calls may finish"));
    assert!(server.ended().success());
}
