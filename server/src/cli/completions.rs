//! `completions`.

use std::io::Write;

use clap::Args;
use clap_complete::{Shell, generate};

use crate::cli::{Failure, commands};

/// Print what completes this program's commands in a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-universal-server completions bash > /etc/bash_completion.d/mcp-universal-server
  mcp-universal-server completions fish > ~/.config/fish/completions/mcp-universal-server.fish")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut commands(), env!("CARGO_PKG_NAME"), &mut script);
    out.write_all(&script).map_err(Failure::failed)
}
