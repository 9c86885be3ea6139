//! `plugin keygen|sign|verify|inspect`.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;

use crate::cli::Failure;

mod inspect;
mod keygen;
mod password;
mod sign;
mod trial;
mod verify;
mod worker;

/// Make, sign and look into plugins
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a pair of keys to sign plugins with
    ///
    /// Writes NAME.key, which signs and must stay secret, and NAME.pub, which servers
    /// trust. Both are in minisign's format.
    Keygen(keygen::Arguments),
    /// Sign a plugin you built
    ///
    /// Loads the library to ask it what it is, so this runs its code: sign your own
    /// plugins only. Makes a folder of the plugin's name, with plugin.json, its
    /// signature and the library, to be put into a server's plugins folder.
    Sign(sign::Arguments),
    /// Say whether a server would accept a plugin, without running it
    ///
    /// Takes every step that the server takes before it loads a plugin, with the keys
    /// and entries of the configuration; or, with --public-key, with that key alone.
    Verify(verify::Arguments),
    /// Show what a plugin says it is, without running or believing it
    Inspect(inspect::Arguments),
    /// Try a plugin out for the server that started this
    #[command(hide = true)]
    Trial,
    /// Run a plugin for the server that started this
    #[command(hide = true)]
    Worker,
}

/// Does what was asked. `config` is the configuration file that was named.
pub fn run(command: Command, config: Option<PathBuf>, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Keygen(arguments) => keygen::run(&arguments, out),
        Command::Sign(arguments) => sign::run(&arguments, out),
        Command::Verify(arguments) => verify::run(&arguments, config, out),
        Command::Inspect(arguments) => inspect::run(&arguments, out),
        Command::Trial => trial::run(),
        Command::Worker => worker::run(),
    }
}
