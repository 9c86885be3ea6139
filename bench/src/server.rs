//! The server, started on a configuration.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    Failure,
    caller::{Agent, Mode},
    program::Program,
};

/// The token of the agent whose calls are measured.
pub(crate) const CALLER: &str = "caller-token-0123456789-0123456789-abcdef";
/// The operator's.
pub(crate) const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";

/// What every configuration begins with: everything on, and an agent `caller`
/// whose limits are counted and never reached.
pub(crate) const BASE: &str = r#"version: 1
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0", token: "${ADMIN_TOKEN}" }
tenants:
  bench: { tools: ["*"] }
agents:
  caller: { tenant: bench, token: "${CALLER_TOKEN}", tools: ["core.echo"], limits: { concurrency: 64, rate_limit: "1000000/s" } }
"#;

/// A server in a folder of its own, both gone when this is dropped.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) agents: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// Starts it on a configuration.
    pub(crate) fn start(executable: &Path, config: &str) -> Result<Self, Failure> {
        Self::start_with(executable, |_| Ok(config.to_owned()))
    }

    /// Starts it on what `prepare` answers, which may add files to the folder.
    pub(crate) fn start_with(
        executable: &Path,
        prepare: impl FnOnce(&Path) -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        let config = prepare(folder.path())?;
        write(&folder.path().join("config.yaml"), &config)?;
        let mut command = Command::new(executable);
        command.arg("serve").current_dir(folder.path());
        for name in ["MCP_CONFIG", "MCP_TOKEN", "MCP_BUNDLED_DIR", "MCP_BUNDLED_KEY", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.envs([("CALLER_TOKEN", CALLER), ("ADMIN_TOKEN", ADMIN)]);
        let program = Program::start(&mut command)?;
        let (agents, admin) = (program.address("listening")?, program.address("admin listening")?);
        Ok(Self { program, agents, admin, folder })
    }

    /// The agent whose calls are measured.
    pub(crate) fn caller(&self, mode: Mode) -> Agent {
        Agent { address: self.agents, token: CALLER.to_owned(), mode }
    }

    /// A file of its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| format!("cannot write {}: {error}", path.display());
    fs::write(path, text).map_err(failed)
}
