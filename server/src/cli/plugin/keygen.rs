//! `plugin keygen`.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{cli::Failure, plugin::signing_key::NewKeys};

/// What to make.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server plugin keygen acme")]
pub struct Arguments {
    /// The files' name, with or without a folder before it
    name: PathBuf,
    /// Leave the secret key unprotected, for machines that sign on their own
    #[arg(long)]
    no_password: bool,
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
    let password = if arguments.no_password { None } else { Some(new_password()?) };
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

fn new_password() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to read a password from: run it in one, or give --no-password".to_owned(),
        ));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map_err(Failure::failed);
    let password = ask("A password for the secret key: ")?;
    if password.is_empty() {
        return Err(Failure::Usage(
            "an empty password protects nothing: give --no-password if you want none".to_owned(),
        ));
    }
    if ask("The same again: ")? != password {
        return Err(Failure::Failed("these were two passwords: nothing was written".to_owned()));
    }
    Ok(password)
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}
