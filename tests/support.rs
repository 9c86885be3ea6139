//! A server of one's own for every test.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use server_core::settings::Isolation;

pub(crate) mod bundled;
pub(crate) mod client;
pub(crate) mod conformance;
pub(crate) mod models;
pub(crate) mod output;
pub(crate) mod outside;
pub(crate) mod talkative;
pub(crate) mod testbench;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-universal-server");

/// Tokens that the configurations of these tests name as `${LAPTOP_TOKEN}` and
/// so on; the server finds them in its environment.
pub(crate) const LAPTOP: &str = "laptop-token-0123456789-0123456789-abcdef";
/// See [`LAPTOP`].
pub(crate) const REVIEWER: &str = "reviewer-token-0123456789-0123456789-abcd";

/// A configuration with two agents: `laptop` may call core.echo and core.sum,
/// `reviewer` every tool but core.sum.
pub(crate) const TWO_AGENTS: &str = r#"version: 1
server: { listen: "127.0.0.1:0" }
tenants:
  research: { tools: ["*"] }
agents:
  laptop:
    tenant: research
    token: "${LAPTOP_TOKEN}"
    tools: ["core.echo", "core.sum"]
  reviewer:
    tenant: research
    token: "${REVIEWER_TOKEN}"
    tools: ["*"]
    deny: ["core.sum"]
"#;

/// Where the plugins of most tests run: in the server's process, or, with
/// `MCP_TEST_ISOLATION=process`, in processes of their own, where all is to be the
/// same.
pub(crate) fn isolation() -> Isolation {
    match std::env::var("MCP_TEST_ISOLATION").as_deref() {
        Err(_) | Ok("in_process") => Isolation::InProcess,
        Ok("process") => Isolation::Process,
        Ok(other) => panic!("MCP_TEST_ISOLATION is `in_process` or `process`, not `{other}`"),
    }
}

/// How long anything may take that a test waits for. Generous: it only matters
/// when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds what the test is after.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The same, for tests that run on a runtime.
pub(crate) async fn eventually_async<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The program, with nothing of this process's environment that could steer it.
pub(crate) fn program() -> Command {
    clean(Command::new(PROGRAM))
}

fn clean(mut command: Command) -> Command {
    for name in [
        "DEVELOPER_TOKEN",
        "MCP_ADMIN_TOKEN",
        "MCP_CONFIG",
        "MCP_LISTEN",
        "MCP_TOKEN",
        "MCP_BUNDLED_KEY",
        "MCP_SIGNING_PASSWORD",
        "RUST_LOG",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        command.env_remove(name);
    }
    command.env("MCP_BUNDLED_DIR", bundled::folder());
    command
}

/// Has a command run there, and what it prints be read.
fn in_folder(command: &mut Command, folder: &Path) {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// A running server in a folder of its own, ended when dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Starts the program on a configuration and waits until it listens.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, |_, _| {})
    }

    /// The same; `prepare` may add files to the folder and change the command.
    pub(crate) fn start_with(config: &str, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        Self::start_as(Path::new(PROGRAM), config, prepare)
    }

    /// The same with a copy of the program that lies elsewhere.
    pub(crate) fn start_as(program: &Path, config: &str, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), config).unwrap();
        let mut command = clean(Command::new(program));
        command.arg("serve").env("LAPTOP_TOKEN", LAPTOP).env("REVIEWER_TOKEN", REVIEWER);
        in_folder(&mut command, folder.path());
        prepare(folder.path(), &mut command);
        Self::spawn(command, folder)
    }

    /// Runs a command that serves, in a folder.
    pub(crate) fn run(mut command: Command, folder: tempfile::TempDir) -> Self {
        in_folder(&mut command, folder.path());
        Self::spawn(command, folder)
    }

    fn spawn(mut command: Command, folder: tempfile::TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let log: Arc<Mutex<Vec<Value>>> = Arc::default();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let sink = log.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                sink.lock().unwrap().push(line);
            }
        });
        let mut server = Self { address: ([127, 0, 0, 1], 0).into(), folder, child, log };
        server.address = eventually("the server to listen", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended at once, {status}: {}", server.stderr());
            }
            let line = server.logged(|line| line["message"] == "listening")?;
            line["address"].as_str()?.parse().ok()
        });
        server
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The folder that it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    /// Every line logged so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// What is read of its stdout. While a test holds it, nothing more is read.
    pub(crate) fn lines(&self) -> Arc<Mutex<Vec<Value>>> {
        self.log.clone()
    }

    /// The first line logged so far of which `wanted` is true.
    pub(crate) fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.log.lock().unwrap().iter().find(|line| wanted(line)).cloned()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The same, where another server has taken its place behind the same log.
    pub(crate) fn at_its_last_address(mut self) -> Self {
        let last = self.log().into_iter().rfind(|line| line["message"] == "listening").unwrap();
        self.address = last["address"].as_str().unwrap().parse().unwrap();
        self
    }

    /// Sends a signal, by number.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as if it had crashed.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("the server to end", || self.child.try_wait().unwrap())
    }

    /// What it wrote to standard error, once it has ended.
    pub(crate) fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
