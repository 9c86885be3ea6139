//! Behind nginx and Caddy, from Debian's packages: `cargo xtask test --system` runs
//! these.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::certificates::Certificates;
use crate::support::{REVIEWER, Server, eventually, testbench::Testbench};

mod way_out;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// A server behind a proxy that runs on the configuration it is shipped with.
struct Behind {
    server: Server,
    bench: Testbench,
    certificates: Certificates,
    port: u16,
    proxy: Child,
}

impl Drop for Behind {
    fn drop(&mut self) {
        // Politely, or nginx would leave its workers behind.
        let _ = Command::new("kill").arg(self.proxy.id().to_string()).status();
        let _ = self.proxy.wait();
    }
}

/// nginx in a folder, with what Debian's own nginx.conf has around these sites.
fn nginx(folder: &Path, sites: &str) -> Command {
    let main = folder.join("main.conf");
    let text = format!(
        "daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/f;\n\
         uwsgi_temp_path {folder}/u;\nscgi_temp_path {folder}/s;\n{sites}\n}}\n",
        folder = folder.display(),
    );
    fs::write(&main, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(main).arg("-e").arg("stderr").stderr(Stdio::null());
    command
}

impl Behind {
    fn nginx() -> Self {
        Self::start(
            "nginx.conf",
            "listen 443 ssl",
            |port| format!("listen 127.0.0.1:{port} ssl"),
            |folder, site| nginx(folder, &format!("include {};", site.display())),
        )
    }

    fn caddy() -> Self {
        let listen = |port| format!("https://mcp.example.lan:{port}");
        Self::start(
            "Caddyfile",
            "https://mcp.example.lan ",
            |port| format!("{} ", listen(port)),
            |folder, site| {
                let mut command = Command::new("caddy");
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(site);
                command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
                command
            },
        )
    }

    fn start(
        shipped: &str,
        address: &str,
        moved: impl Fn(u16) -> String,
        command: impl FnOnce(&Path, &Path) -> Command,
    ) -> Self {
        let (bench, certificates) = (Testbench::new(), Certificates::new());
        let of_proxy = "server: { listen: \"127.0.0.1:0\", public_url: \"https://mcp.example.lan/mcp\", trusted_proxies: [\"127.0.0.1\"] }";
        let config = bench.config("{}").replace("server: { listen: \"127.0.0.1:0\" }", of_proxy).replace(
            "rate_limit: \"1000/s\"",
            "rate_limit: \"1000/s\", max_payload_bytes: 2097152, max_response_bytes: 4194304",
        );
        let server = Server::start(&config);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut text = fs::read_to_string(Path::new(DEPLOY).join(shipped)).unwrap();
        for (part, other) in [
            (address, moved(port)),
            ("127.0.0.1:8080", server.address.to_string()),
            ("/etc/mcp-universal-server/tls", certificates.folder().display().to_string()),
        ] {
            assert!(text.contains(part), "{shipped} should have {part:?}");
            text = text.replace(part, &other);
        }
        let site = certificates.path("site");
        fs::write(&site, text).unwrap();
        let proxy = command(certificates.folder(), &site).stderr(Stdio::null()).spawn().unwrap();
        let behind = Self { server, bench, certificates, port, proxy };
        eventually("the proxy", || behind.curl(&["/readyz"]).status.success().then_some(()));
        behind
    }

    fn url(&self, path: &str) -> String {
        format!("https://mcp.example.lan:{}{path}", self.port)
    }

    /// `curl` without a client's certificate, from an address that is no proxy's.
    /// The first argument is the path.
    fn stranger(&self, arguments: &[&str]) -> Command {
        let (path, rest) = arguments.split_first().unwrap();
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--no-buffer", "--max-time", "60", "--interface", "127.0.0.2"])
            .arg("--resolve")
            .arg(format!("mcp.example.lan:{}:127.0.0.1", self.port))
            .arg("--cacert")
            .arg(self.certificates.path("server-ca.crt"))
            .args(rest)
            .arg(self.url(path));
        command
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = self.stranger(arguments);
        self.shows(&mut command, "client");
        command
    }

    fn shows(&self, command: &mut Command, name: &str) {
        let path = |extension| self.certificates.path(&format!("{name}.{extension}"));
        command.arg("--cert").arg(path("crt")).arg("--key").arg(path("key"));
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        self.client(arguments).arg("--fail").output().unwrap()
    }

    /// A call in the stateless era; the body is put into a file.
    fn call(&self, token: &str, tool: &str, arguments: &Value) -> Command {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "progressToken": 1,
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }});
        let mut command = self.client(&["/mcp"]);
        for (name, value) in [
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("mcp-protocol-version", "2026-07-28".to_owned()),
            ("mcp-method", "tools/call".to_owned()),
            ("mcp-name", tool.to_owned()),
        ] {
            command.arg("--header").arg(format!("{name}: {value}"));
        }
        command.arg("--data-binary").arg(format!("@{}", self.file(&body.to_string()).display()));
        command
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.certificates.path(&format!("body-{}", text.len()));
        fs::write(&path, text).unwrap();
        path
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Only who shows a certificate of the right authority gets to the server.
fn asks_for_a_certificate(behind: &Behind) {
    let asked = |command: &mut Command| command.arg("--fail").output().unwrap();
    assert!(!asked(&mut behind.stranger(&["/readyz"])).status.success());
    let mut of_another = behind.stranger(&["/readyz"]);
    behind.shows(&mut of_another, "stranger");
    assert!(!asked(&mut of_another).status.success());
    let ready = behind.curl(&["/readyz"]);
    assert!(stdout(&ready).contains("\"ready\":true"), "{}", stdout(&ready));
    assert!(!behind.curl(&["/mcp", "--request", "POST"]).status.success(), "a certificate is no token");
}

/// Progress arrives while the call that reports it still runs, and so does all else.
fn streams(behind: &Behind) {
    let file = behind.bench.path().join("held");
    let mut call = behind.call(REVIEWER, "bench.hold", &json!({ "file": file }));
    let mut call = call.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(call.stdout.take().unwrap()).lines().map_while(Result::ok);
    let progress = lines.find(|line| line.contains("notifications/progress")).expect("progress");
    assert!(progress.contains("\"holding\""), "{progress}");
    // Had the proxy kept it until the answer, it would not be here: only this ends
    // the call.
    assert_eq!(call.try_wait().unwrap(), None);
    eventually("the file", || file.exists().then_some(()));
    fs::remove_file(&file).unwrap();
    assert!(lines.any(|line| line.contains("1.0.1")), "the answer follows");
    assert!(call.wait().unwrap().success());
}

/// What the server takes, the proxy takes too, in both directions.
fn passes_bodies_up_to_the_limit(behind: &Behind) {
    let text = "x".repeat(2_000_000);
    let answer = stdout(&behind.call(REVIEWER, "core.echo", &json!({ "text": text })).output().unwrap());
    assert!(answer.len() > 2_000_000 && answer.contains("xxxx"), "{:.300}", answer);
    let text = "x".repeat(4 << 20);
    let mut larger = behind.call(REVIEWER, "core.echo", &json!({ "text": text }));
    let status = larger.args(["--output", "/dev/null", "--write-out", "%{http_code}"]).output().unwrap();
    assert_eq!(stdout(&status), "413");
}

/// The server hears who the client is, and not what it says of itself.
fn forwards_the_address(behind: &Behind) {
    for spoof in ["x-forwarded-for: 203.0.113.9", "forwarded: for=203.0.113.9", "x-nothing: to say"] {
        let header =
            ["/mcp", "--request", "POST", "--header", "authorization: Bearer wrong", "--header", spoof];
        behind.curl(&header);
    }
    let address = |line: &Value| line["address"].as_str().map(ToOwned::to_owned);
    let told = eventually("three failures", || {
        let lines = behind.server.log();
        let wrong = lines.iter().filter(|line| line["reason"] == "unknown_token").filter_map(address);
        Some(wrong.collect::<Vec<_>>()).filter(|told| told.len() >= 3)
    });
    assert_eq!(told, ["127.0.0.2"; 3]);
}

/// A session's stream stays open, and hears of a change at once.
fn keeps_sessions_streams_open(behind: &Behind) {
    let with_headers = |path: &str, more: &[&str]| {
        let mut command = behind.client(&[path]);
        let token = format!("authorization: Bearer {REVIEWER}");
        for header in [
            token.as_str(),
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            "mcp-protocol-version: 2025-11-25",
        ] {
            command.arg("--header").arg(header);
        }
        command.args(more);
        command
    };
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    }});
    let answer =
        with_headers("/mcp", &["--include", "--data-binary", &initialize.to_string()]).output().unwrap();
    let answer = stdout(&answer);
    let session = answer
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("mcp-session-id: ").map(|id| id.trim().to_owned()));
    let session = format!("mcp-session-id: {}", session.unwrap_or_else(|| panic!("{answer}")));
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let done = with_headers("/mcp", &["--header", &session, "--data-binary", &initialized]).output().unwrap();
    assert!(done.status.success());
    let mut stream = with_headers("/mcp", &["--header", &session]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stream.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.next().is_some(), "the stream begins at once");
    let config = fs::read_to_string(behind.server.config()).unwrap();
    fs::write(behind.server.config(), config.replace("deny: [\"core.sum\"]", "deny: [\"core.echo\"]"))
        .unwrap();
    assert!(lines.any(|line| line.contains("notifications/tools/list_changed")));
    stream.kill().unwrap();
    stream.wait().unwrap();
}

fn everything(behind: &Behind) {
    asks_for_a_certificate(behind);
    streams(behind);
    passes_bodies_up_to_the_limit(behind);
    forwards_the_address(behind);
    keeps_sessions_streams_open(behind);
}

#[test]
#[ignore = "needs nginx, curl and openssl: cargo xtask test --system"]
fn nginx_as_deploy_has_it_is_no_hindrance() {
    everything(&Behind::nginx());
}

#[test]
#[ignore = "needs caddy, curl and openssl: cargo xtask test --system"]
fn caddy_as_deploy_has_it_is_no_hindrance() {
    everything(&Behind::caddy());
}
