//! An installation for the time being: its one plugin is signed with a key that
//! nobody else has.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use plugin_contract::{Manifest, Package};
use rustix::fs::{MemfdFlags, memfd_create};
use tempfile::TempDir;

use crate::plugin::{Installation, PROGRAM, signing_key::NewKeys};

/// How long a plugin may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// What is served where nobody says otherwise: everything, without a capability.
const PLAIN: &str = r#"version: 1
tenants:
  development: { tools: ["*"], resources: ["*"], prompts: ["*"] }
agents:
  developer:
    tenant: development
    token: "${DEVELOPER_TOKEN}"
    tools: ["*"]
    resources: ["*"]
    prompts: ["*"]
"#;

/// The folder, and the key.
pub(super) struct Workshop {
    /// `None` once it is closed.
    folder: Mutex<Option<TempDir>>,
    home: PathBuf,
    /// The secret key, in memory: nothing that was signed with it is worth anything
    /// once this process has ended.
    key: File,
}

impl Workshop {
    pub(super) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("plugin-run-").tempdir()?;
        let home = folder.path().canonicalize()?;
        let keys = NewKeys::generate(None).map_err(io::Error::other)?;
        let mut key = File::from(memfd_create("development.key", MemfdFlags::CLOEXEC)?);
        key.write_all(keys.secret.as_bytes())?;
        let workshop = Self { folder: Mutex::new(Some(folder)), home, key };
        fs::create_dir(workshop.plugins())?;
        fs::write(workshop.public_key(), keys.public)?;
        Ok(workshop)
    }

    /// What the server takes for its own.
    pub(super) fn installation(&self) -> Installation {
        Installation { dir: Some(self.plugins()), key: Some(self.public_key()), program: None }
    }

    /// Where the server keeps its files.
    pub(super) fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    /// Writes the configuration that grants no capability.
    pub(super) fn plain_configuration(&self) -> io::Result<PathBuf> {
        let path = self.home.join("config.yaml");
        fs::write(&path, PLAIN)?;
        Ok(path)
    }

    /// Signs a library in place of what was signed before. To find out what it is its
    /// code has to run, which it does in a process of its own.
    pub(super) fn sign(&self, library: &Path) -> Result<Manifest, String> {
        let failed = |error: io::Error| format!("{}: {error}", library.display());
        let out = tempfile::tempdir_in(&self.home).map_err(failed)?;
        self.sign_into(library, out.path()).map_err(failed)??;
        let folder = fs::read_dir(out.path()).and_then(|mut it| it.next().transpose()).map_err(failed)?;
        let folder = folder.ok_or_else(|| format!("{}: nothing was signed", library.display()))?.path();
        let json = fs::read(folder.join("plugin.json")).map_err(failed)?;
        let package: Package = serde_json::from_slice(&json).map_err(|error| failed(error.into()))?;
        self.replace(&folder).map_err(failed)?;
        Ok(package.manifest)
    }

    fn sign_into(&self, library: &Path, out: &Path) -> io::Result<Result<(), String>> {
        let mut child = Command::new(PROGRAM)
            .args(["plugin", "sign", "--key", "/dev/stdin", "--out"])
            .args([out, library])
            .stdin(self.key.try_clone()?)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                let seconds = PATIENCE.as_secs();
                return Ok(Err(format!(
                    "{}: it has not said what it is for {seconds} seconds; do nothing in its definition that takes long",
                    library.display()
                )));
            }
            thread::sleep(LOOK);
        };
        if status.success() {
            return Ok(Ok(()));
        }
        let said = child.stderr.take().map(io::read_to_string).transpose()?.unwrap_or_default();
        let said = said.trim().trim_start_matches("error: ");
        Ok(Err(if status.code() == Some(1) {
            said.to_owned()
        } else {
            format!("{}: it did not survive being asked what it is: {status}\n{said}", library.display())
        }))
    }

    /// Puts a signed folder in the place of whatever there is.
    fn replace(&self, folder: &Path) -> io::Result<()> {
        let place = self.plugins().join(folder.file_name().unwrap_or_default());
        for entry in fs::read_dir(self.plugins())? {
            fs::remove_dir_all(entry?.path())?;
        }
        fs::rename(folder, place)
    }

    fn plugins(&self) -> PathBuf {
        self.home.join("plugins")
    }

    fn public_key(&self) -> PathBuf {
        self.home.join("development.pub")
    }

    /// Removes the folder.
    pub(super) fn close(&self) {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
