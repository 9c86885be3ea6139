//! A server in a folder of its own, for one script.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Failure, cargo::text};

/// The tokens of the agents, for the server and for the scripts.
pub(super) const TOKENS: [(&str, &str); 3] = [
    ("CLIENT_TOKEN", "client-token-0123456789-0123456789-abcdef"),
    ("BRIEF_TOKEN", "brief-token-0123456789-0123456789-abcdefg"),
    ("CONFORMANCE_TOKEN", "conformance-token-0123456789-0123456789-a"),
];

/// What may stand in the environment and would steer this server.
const NOT_MEANT: [&str; 6] =
    ["MCP_BUNDLED_DIR", "MCP_BUNDLED_KEY", "MCP_CONFIG", "MCP_LISTEN", "MCP_TOKEN", "RUST_LOG"];

/// How long it may take to start. Generous: it only matters when something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, ended when dropped.
pub(super) struct Server {
    folder: TempDir,
    child: Child,
    address: String,
}

impl Server {
    /// Starts the program on this configuration and waits until it listens.
    pub(super) fn start(program: &Path, config: &str) -> Result<Self, Failure> {
        let starting = |error: std::io::Error| format!("cannot start the server: {error}");
        let folder = TempDir::new().map_err(starting)?;
        fs::write(folder.path().join("config.yaml"), config).map_err(starting)?;
        let log = folder.path().join("log");
        let mut command = Command::new(program);
        command
            .arg("serve")
            .current_dir(folder.path())
            .envs(TOKENS)
            .stdin(Stdio::null())
            .stdout(File::create(&log).map_err(starting)?);
        for name in NOT_MEANT {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(starting)?;
        let mut server = Self { folder, child, address: String::new() };
        server.address = server.listening(&log)?;
        Ok(server)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Where its config.yaml and its log are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn listening(&mut self, log: &Path) -> Result<String, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(log).unwrap_or_default();
            if let Some(address) = log.lines().find_map(address) {
                return Ok(address);
            }
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                return Err(format!("the server does not listen; its log:\n{log}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line with which the server says that it listens.
fn address(line: &str) -> Option<String> {
    let line = serde_json::from_str::<Value>(line).ok()?;
    if text(&line, "/message") == Some("listening") {
        text(&line, "/address").map(str::to_owned)
    } else {
        None
    }
}
