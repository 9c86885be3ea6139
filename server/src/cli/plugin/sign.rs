//! `plugin sign`.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use crate::{
    cli::Failure,
    plugin::{sign, signing_key::SigningKey},
};

/// What to sign, and with which key.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mcp-universal-server plugin sign target/release/libacme_jira.so --key acme.key --out dist"
)]
pub struct Arguments {
    /// The `.so`, or a folder with one, which is signed where it is
    #[arg(value_name = "FILE.so|FOLDER")]
    plugin: PathBuf,
    /// The secret key; if it has a password and there is no terminal, the password is read from stdin
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The plugin's folder, or the folder to put it into [default: here]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (library, home) = if arguments.plugin.is_dir() {
        let folder = arguments.plugin.canonicalize().map_err(Failure::failed)?;
        (only_library(&folder)?, Some(folder))
    } else {
        (arguments.plugin.clone(), None)
    };
    let target = arguments.out.clone().or(home).unwrap_or_else(|| PathBuf::from("."));
    let key = SigningKey::read(&arguments.key, password).map_err(Failure::failed)?;
    let signed = sign::sign(&library, &key, &target).map_err(Failure::failed)?;
    let (manifest, folder) = (&signed.manifest, signed.folder.display());
    let written = if arguments.json {
        let json = json!({
            "name": manifest.name,
            "version": manifest.version,
            "release": manifest.release,
            "key_id": key.key_id(),
            "folder": signed.folder,
        });
        writeln!(out, "{json:#}")
    } else {
        let (name, version, release) = (&manifest.name, &manifest.version, manifest.release);
        writeln!(out, "{folder}: {name} {version}, release {release}, signed with key {}", key.key_id())
    };
    written.map_err(Failure::failed)
}

fn only_library(folder: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: io::Error| Failure::Failed(format!("{}: {error}", folder.display()));
    let mut libraries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            libraries.push(path);
        }
    }
    match (libraries.pop(), libraries.is_empty()) {
        (Some(library), true) => Ok(library),
        (None, _) => Err(Failure::Failed(format!("{}: there is no `.so` in it", folder.display()))),
        (Some(_), false) => Err(Failure::Failed(format!(
            "{}: there is more than one `.so` in it: name the one to sign, and --out",
            folder.display()
        ))),
    }
}

fn password() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("The key's password: ");
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
