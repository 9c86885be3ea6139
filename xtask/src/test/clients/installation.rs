//! The clients, installed under `target/` in the versions that `tests/clients` pins.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Failure, cargo};

/// What says which versions; what was installed from the same is used again.
const PINNED: [&str; 2] = ["package-lock.json", "requirements.txt"];

/// A folder with the scripts and all that they import.
pub(super) struct Installation {
    pub(super) folder: PathBuf,
}

impl Installation {
    /// Installs what is not there.
    pub(super) fn complete() -> Result<Self, Failure> {
        let scripts = cargo::root()?.join("tests/clients");
        let folder = cargo::target()?.join("clients");
        copy(&scripts, &folder).map_err(|error| format!("cannot write {}: {error}", folder.display()))?;

        let installed = folder.join("installed");
        let pinned = PINNED
            .iter()
            .map(|name| fs::read_to_string(folder.join(name)))
            .collect::<io::Result<String>>()
            .map_err(|error| format!("cannot read {}: {error}", scripts.display()))?;
        let this = Self { folder };
        if fs::read_to_string(&installed).is_ok_and(|it| it == pinned) {
            return Ok(this);
        }
        let _ = fs::remove_file(&installed);
        // npm is older than what it installs, and needs to run none of it.
        this.run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
        this.run("python3", &["-m", "venv", "--clear", "python"])?;
        let pip =
            ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r", "requirements.txt"];
        this.run("python/bin/python", &pip)?;
        fs::write(&installed, pinned)
            .map_err(|error| format!("cannot write {}: {error}", installed.display()))?;
        Ok(this)
    }

    /// What runs a script with this name.
    pub(super) fn interpreter(&self, script: &str) -> Command {
        let program = if script.ends_with(".py") { "python/bin/python" } else { "node_modules/.bin/node" };
        Command::new(self.folder.join(program))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Failure> {
        let line = format!("{program} {}", arguments.join(" "));
        let path = if program.contains('/') { self.folder.join(program) } else { program.into() };
        let status = Command::new(path)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("cannot run `{line}`: {error}"))?;
        if status.success() {
            return Ok(());
        }
        Err(format!("`{line}` failed in {}, {status}: no client was tried", self.folder.display()))
    }
}

/// The scripts' own folder has no `node_modules`, beside which they must lie.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
