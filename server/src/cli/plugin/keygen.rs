//! `plugin keygen`.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;

use super::password::Password;
use crate::{cli::Failure, plugin::signing_key::NewKeys};

/// What to make.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server plugin keygen acme")]
pub struct Arguments {
    /// The files' name, with or without a folder before it
    name: PathBuf,
    /// Leave the secret key unprotected, for machines that sign on their own
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let file = |extension: &str| {
        let mut name = arguments.name.clone().into_os_string();
        name.push(extension);
        PathBuf::from(name)
    };
    let (secret, public) = (file(".key"), file(".pub"));
    let name = arguments.name.file_name().unwrap_or_default().to_string_lossy();
    if let Some(there) = [&secret, &public].into_iter().find(|path| path.exists()) {
        return Err(Failure::Failed(format!(
            "{} is there already: remove it if nothing that it signed is in use, or choose another name",
            there.display()
        )));
    }
    let password = if arguments.no_password { None } else { Some(arguments.password.chosen()?) };
    let keys = NewKeys::generate(password).map_err(Failure::failed)?;
    write(&secret, 0o600, &keys.secret)?;
    write(&public, 0o644, &keys.public)?;
    if arguments.json {
        let json = serde_json::json!({
            "secret": secret, "public": public, "key_id": keys.key_id, "minisign": keys.public_line,
        });
        return writeln!(out, "{json:#}").map_err(Failure::failed);
    }
    writeln!(
        out,
        "{}  signs plugins: keep it secret and safe\n{}  key {}, for servers to trust\n\n\
         In config.yaml, under `plugins.trusted_keys`, with what its owner may sign:\n  \
         {name}: {{ minisign: \"{}\", plugins: [\"{name}\", \"{name}-*\"] }}",
        secret.display(),
        public.display(),
        keys.key_id,
        keys.public_line,
    )
    .map_err(Failure::failed)
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}
