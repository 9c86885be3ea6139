//! `plugin new`.

use std::{fs, io::Write, path::PathBuf};

use clap::Args;
use plugin_contract::PluginName;

use crate::cli::{Failure, token};

mod scaffold;

/// What to write, and where.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server plugin new acme-weather")]
pub struct Arguments {
    /// The plugin's name: a-z, 0-9 and `-`
    #[arg(value_parser = scaffold::name)]
    name: PluginName,
    /// The folder to make the plugin's folder in [default: here]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let Arguments { name, dir, json } = arguments;
    let folder = dir.clone().unwrap_or_default().join(name.as_str());
    let place = folder.display();
    let token = token::new_token().map_err(Failure::failed)?;
    fs::create_dir(&folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Failed(format!(
            "{place} is there already, and nothing is overwritten: choose another name, or another folder with --dir"
        )),
        _ => Failure::Failed(format!("{place} cannot be made: {error}")),
    })?;
    if let Err(error) = scaffold::write(&folder, name, token.expose()) {
        // Half a plugin would be in the way of the next attempt.
        let _ = fs::remove_dir_all(&folder);
        return Err(Failure::Failed(format!("{place} cannot be written: {error}")));
    }
    let written = if *json {
        writeln!(out, "{:#}", serde_json::json!({ "name": name, "folder": folder }))
    } else {
        writeln!(
            out,
            "{place}: a plugin with a tool, a resource and a prompt\n\n  \
             cd {place}\n  \
             cargo test\n  \
             mcp-universal-server plugin run .\n\n\
             The last one builds it and serves it to you. src/lib.rs is where to go on."
        )
    };
    written.map_err(Failure::failed)
}
