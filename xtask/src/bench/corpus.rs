//! The corpora on which redaction is scored, made under `target/` by
//! `bench/corpus/generate.py` with the Faker that `requirements.txt` pins.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, cargo};

/// Of the corpus that rules are tuned with, and of the one that counts.
const SEEDS: [&str; 2] = ["20261", "8675309"];

/// Makes both, and answers their folders.
pub(super) fn complete(smoke: bool) -> Result<[PathBuf; 2], Failure> {
    let scripts = cargo::root()?.join("bench/corpus");
    let folder = cargo::target()?.join("redaction");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let python = installed(&scripts, &folder)?;
    let sources = sources()?;
    let corpora = SEEDS.map(|seed| folder.join(if smoke { "smoke" } else { "whole" }).join(seed));
    for (seed, corpus) in SEEDS.iter().zip(&corpora) {
        let mut generate = Command::new(&python);
        generate.env("PYTHONDONTWRITEBYTECODE", "1").arg(scripts.join("generate.py"));
        let size = if smoke { "smoke" } else { "whole" };
        run(generate.arg(seed).args([corpus, &sources]).arg(size))?;
    }
    Ok(corpora)
}

/// Python with what the generator imports; installed once for each of its versions.
fn installed(scripts: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let (requirements, stamp) = (scripts.join("requirements.txt"), folder.join("installed"));
    let python = folder.join("python/bin/python");
    let pinned = fs::read_to_string(&requirements)
        .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
    if fs::read_to_string(&stamp).is_ok_and(|it| it == pinned) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("python")))?;
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r"];
    run(Command::new(&python).args(pip).arg(&requirements))?;
    fs::write(&stamp, pinned).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}

/// Where cargo keeps the sources of what this project is built on.
fn sources() -> Result<PathBuf, Failure> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    home.map(|home| home.join("registry/src")).ok_or_else(|| "nobody says where cargo's home is".to_owned())
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed, {status}")) }
}
