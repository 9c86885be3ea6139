//! `plugin new|run|keygen|sign|verify|inspect`.

use std::{io::Write, path::PathBuf, sync::Arc};

use clap::Subcommand;
use server_core::redact::Redaction;

use crate::cli::Failure;

mod inspect;
mod keygen;
mod new;
mod password;
mod run;
mod sign;
mod trial;
mod verify;
mod worker;

/// Write, try, sign and look into plugins
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a plugin to begin with
    ///
    /// A crate with a tool, a resource, a prompt and their tests, and the SDK beside it.
    /// It is built with cargo and crates.io, and needs nothing else.
    New(new::Arguments),
    /// Serve a plugin that is not signed, to its author
    ///
    /// For developing: it listens on this machine alone, and a library that was built
    /// again answers the next call. All else is as on a server, with
    /// FOLDER/development.yaml for its configuration, or the one that --config names:
    /// the plugin runs in a process of its own, and may do what that grants it. What it
    /// asks for beyond that is printed, as the lines that would grant it.
    Run(run::Arguments),
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
pub fn run(
    command: Command,
    config: Option<PathBuf>,
    redaction: Arc<Redaction>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => new::run(&arguments, out),
        Command::Run(arguments) => run::run(&arguments, config, redaction),
        Command::Keygen(arguments) => keygen::run(&arguments, out),
        Command::Sign(arguments) => sign::run(&arguments, out),
        Command::Verify(arguments) => verify::run(&arguments, config, out),
        Command::Inspect(arguments) => inspect::run(&arguments, out),
        Command::Trial => trial::run(),
        Command::Worker => worker::run(),
    }
}
