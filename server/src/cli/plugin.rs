//! `plugin keygen|sign|verify|inspect`.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;

use crate::cli::Failure;

mod inspect;
mod keygen;
mod sign;
mod verify;

/// Make, sign and look into plugins
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a pair of keys to sign plugins with
    Keygen(keygen::Arguments),
    /// Sign a plugin you built
    Sign(sign::Arguments),
    /// Say whether a server would accept a plugin, without running it
    Verify(verify::Arguments),
    /// Show what a plugin says it is, without running or believing it
    Inspect(inspect::Arguments),
}

/// Does what was asked. `config` is the configuration file that was named.
pub fn run(command: Command, config: Option<PathBuf>, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Keygen(arguments) => keygen::run(&arguments, out),
        Command::Sign(arguments) => sign::run(&arguments, out),
        Command::Verify(arguments) => verify::run(&arguments, config, out),
        Command::Inspect(arguments) => inspect::run(&arguments, out),
    }
}
