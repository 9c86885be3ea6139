//! `audit …`: reads the audit that a server keeps, whether it runs or not.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use server_core::config;

use crate::{
    audit,
    cli::{Failure, config_path},
    plugin::folder::{Links, look},
};

mod table;
mod tail;
mod verify;

/// Read the audit
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say whether the audit is what the server wrote
    Verify(verify::Arguments),
    /// Show the last records, and those that come
    Tail(tail::Arguments),
}

/// Which audit.
#[derive(Debug, Args)]
struct Place {
    /// The folder with the segments [default: `audit` in `state.dir` of the
    /// configuration]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) fn run(command: &Command, config: Option<PathBuf>, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Verify(arguments) => verify::run(arguments, config, out),
        Command::Tail(arguments) => tail::run(arguments, config, out),
    }
}

impl Place {
    /// The folder of the segments, and `state.dir` if the configuration led there.
    fn find(&self, config: &Option<PathBuf>) -> Result<(PathBuf, Option<PathBuf>), Failure> {
        let (folder, state_dir) = match &self.dir {
            Some(folder) => (folder.clone(), None),
            None => {
                let state_dir = state_dir(&config_path(config.clone()));
                (audit::folder(&state_dir), Some(state_dir))
            }
        };
        if !folder.is_dir() {
            return Err(Failure::Failed(format!(
                "there is no audit in {}: name its folder with --dir, or the configuration with --config",
                folder.display()
            )));
        }
        Ok((folder, state_dir))
    }
}

/// `state.dir` of a configuration, also of one with problems.
fn state_dir(config: &Path) -> PathBuf {
    let text = look(config, 1 << 20, Links::Follow).unwrap_or_default();
    let folder = config.parent().unwrap_or(Path::new(""));
    folder.join(config::state_dir(&String::from_utf8_lossy(&text)))
}
