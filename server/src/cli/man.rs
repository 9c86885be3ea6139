//! `man`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use clap_mangen::Man;

use crate::cli::{Failure, commands};

/// Print the manual page, or write those of all commands
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-universal-server man | man --local-file -
  mcp-universal-server man --out /usr/local/share/man/man1")]
pub(super) struct Arguments {
    /// Write the page of every command into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    match &arguments.out {
        None => Man::new(commands()).render(&mut &mut *out).map_err(Failure::failed),
        Some(folder) => {
            let mut all = commands();
            // Gives every command its whole name.
            all.build();
            pages(&all, folder)
        }
    }
}

/// Writes the page of a command and of those below it.
fn pages(command: &clap::Command, folder: &Path) -> Result<(), Failure> {
    let page = Man::new(command.clone());
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text).map_err(Failure::failed)?;
    fs::write(&path, text).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    shown.into_iter().try_for_each(|command| pages(command, folder))
}
