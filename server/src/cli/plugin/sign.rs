//! `plugin sign`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::password::Password;
use crate::{
    cli::Failure,
    plugin::{sign, signing_key::SigningKey},
};

/// What to sign, and with which key.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mcp-universal-server plugin sign target/release/libacme_jira.so --key acme.key --out dist\n  mcp-universal-server plugin sign target/release/libacme_jira.so --unsigned --out dist"
)]
pub struct Arguments {
    /// The `.so`, or a folder with one, which is signed where it is
    #[arg(value_name = "FILE.so|FOLDER")]
    plugin: PathBuf,
    /// The secret key; if it has a password and there is no terminal, the password is read from stdin
    #[arg(long, value_name = "FILE", required_unless_present = "unsigned")]
    key: Option<PathBuf>,
    /// Make the folder without a signature, for minisign to sign its plugin.json
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    #[command(flatten)]
    password: Password,
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
    let key = arguments.key.as_deref().map(|file| SigningKey::read(file, || arguments.password.known()));
    let key = key.transpose().map_err(Failure::failed)?;
    let signed = match &key {
        Some(key) => sign::sign(&library, key, &target),
        None => sign::lay_out(&library, &target),
    };
    let signed = signed.map_err(Failure::failed)?;
    let (manifest, folder) = (&signed.manifest, signed.folder.display());
    let key_id = key.as_ref().map(SigningKey::key_id);
    let written = if arguments.json {
        let json = json!({
            "name": manifest.name,
            "version": manifest.version,
            "release": manifest.release,
            "key_id": key_id,
            "folder": signed.folder,
        });
        writeln!(out, "{json:#}")
    } else {
        let (name, version, release) = (&manifest.name, &manifest.version, manifest.release);
        match key_id {
            Some(id) => writeln!(out, "{folder}: {name} {version}, release {release}, signed with key {id}"),
            None => writeln!(
                out,
                "{folder}: {name} {version}, release {release}, not signed yet; do that with\n  \
                 minisign -S -s KEY -m {folder}/plugin.json -t \"{}\"",
                sign::comment(manifest)
            ),
        }
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
