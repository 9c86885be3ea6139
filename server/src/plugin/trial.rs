//! Tries a plugin out before it comes into the server: the same program, run once
//! more, loads the library and makes the plugin, and the server reads what came
//! of it. Code that ends its process, or never returns, does so there.
//!
//! What passes here may still behave otherwise afterwards: a trial finds the
//! release that cannot start, not the one that means harm.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{self, ExitStatus},
    time::Duration,
};

use plugin_contract::{Manifest, PluginName};
use serde::{Deserialize, Serialize};

use super::{fault::Fault, in_process::Sealed};

mod child;
mod inside;

pub use inside::{NoTrial, take_part};

use child::End;

/// The longest text of a fault that a trial tells of.
const MAX_TEXT: usize = 4096;

/// What a trial is asked. With it goes the library, as its standard input.
#[derive(Deserialize, Serialize)]
pub(crate) struct Request {
    /// The process that asks. Who finds another parent was left alone.
    server: u32,
    manifest: Manifest,
    /// The operator's configuration, as the plugin gets it.
    config: String,
}

/// What a trial answers, in one line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    Works,
    Fails { code: String, message: String, help: String },
}

/// What came of a trial.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It came up.
    Works,
    /// It did not, this time.
    Fails(Fault),
    /// It took the process along, and would again.
    Crashes(Fault),
    /// It had not come up when the time was over.
    Hangs,
}

impl Request {
    pub(crate) fn new(manifest: &Manifest, config: &str) -> Self {
        Self { server: process::id(), manifest: manifest.clone(), config: config.to_owned() }
    }

    pub(crate) fn plugin(&self) -> &PluginName {
        &self.manifest.name
    }
}

impl Report {
    fn of(result: Result<(), Fault>) -> Self {
        match result {
            Ok(()) => Self::Works,
            Err(fault) => {
                let (code, message, help) = fault.into_parts();
                Self::Fails { code: code.to_owned(), message, help }
            }
        }
    }
}

/// Has `program` try a plugin out, and waits for it no longer than `patience`.
/// Nothing of it is left when this returns.
pub(crate) fn run(program: &Path, library: &Sealed, request: &Request, patience: Duration) -> Outcome {
    let plugin = request.plugin();
    match child::run(program, library, request, patience) {
        Ok(End::Reported(report)) => match serde_json::from_slice(&report) {
            Ok(Report::Works) => Outcome::Works,
            Ok(Report::Fails { code, message, help }) => Outcome::Fails(fails(&code, &message, &help)),
            Err(_) => Outcome::Crashes(crashed(plugin, "the process that tried it reported nonsense")),
        },
        Ok(End::Ended(status)) => ended(plugin, status),
        Ok(End::TimeIsOver) => Outcome::Hangs,
        Err(error) => Outcome::Fails(unavailable(&error)),
    }
}

/// What it means that a process which was to bring a plugin up has ended.
pub(crate) fn ended(plugin: &PluginName, status: ExitStatus) -> Outcome {
    if status.signal() == Some(libc::SIGKILL) {
        return Outcome::Fails(Fault::new(
            "start_crashed",
            format!("plugin `{plugin}` does not start: something killed the process that tried it"),
            "look whether the system ran out of memory; it is tried again at the next reload",
        ));
    }
    let what = format!("its library ended the process that tried it ({})", how(status));
    Outcome::Crashes(crashed(plugin, &what))
}

/// What a process says in which the plugin did not come up. The library could have
/// said it itself.
pub(crate) fn fails(code: &str, message: &str, help: &str) -> Fault {
    Fault::new(known(code), line(message), line(help))
}

pub(crate) fn crashed(plugin: &PluginName, what: &str) -> Fault {
    Fault::new(
        "start_crashed",
        format!("plugin `{plugin}` does not start: {what}"),
        format!(
            "see `plugins.entries.{plugin}.config`, or ask the plugin's author; it is tried again when its configuration or its release is another one"
        ),
    )
}

/// Nothing is loaded untried.
pub(crate) fn unavailable(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        "trial_unavailable",
        format!("it cannot be tried out in a process of its own: {error}"),
        "let the server run its own program, /proc/self/exe, once more",
    )
}

/// How a process ended.
pub(crate) fn how(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exit code {}", status.code().unwrap_or_default());
    };
    let name = match signal {
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal}, {name}")
}

/// The codes that a trial may answer with. The library could have written the
/// answer itself, so it is believed for no others.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 11] = [
        "abi_mismatch",
        "create_failed",
        "definition_invalid",
        "host_panicked",
        "library_unloadable",
        "manifest_differs",
        "mapping_unknown",
        "no_plugin",
        "plugin_panicked",
        "trial_unavailable",
        "wrong_library",
    ];
    CODES.into_iter().find(|it| *it == code).unwrap_or("start_failed")
}

/// The same text, as a part of one line and not endless.
fn line(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    text.get(..end).unwrap_or_default().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
