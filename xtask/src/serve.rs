//! Runs the server on the checkout's own config.yaml, in the foreground.
//!
//! This program becomes the server, so that signals and the exit code need no
//! passing on. A second process, which the server's output runs through, waits
//! until it is ready and prints how to connect.

use std::{
    env, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Failure,
    cargo::{self, Profile, text},
    stage,
};

pub(crate) mod announce;
mod tokens;

/// Builds, stages, and becomes the server; returns only if that fails.
pub(crate) fn run(profile: Profile, arguments: &[String]) -> Result<(), Failure> {
    let server = stage::run(profile)?;
    let root = cargo::root()?;
    tokens::complete(&root, || new_token(&server))?;
    let output = announcer(&server).map_err(|error| format!("cannot watch the server: {error}"))?;
    let mut serve = Command::new(&server);
    serve
        .arg("serve")
        .arg("--config")
        .arg(root.join("config.yaml"))
        .args(arguments)
        .current_dir(root)
        .stdout(output);
    if let Ok(filter) = env::var("RUST_LOG") {
        serve.env("RUST_LOG", announce::heard(&filter));
    }
    Err(format!("cannot run {}: {}", server.display(), serve.exec()))
}

/// Starts the process that announces the server; what is written to the pipe, it
/// passes on.
fn announcer(server: &Path) -> io::Result<io::PipeWriter> {
    let (output, input) = io::pipe()?;
    Command::new(env::current_exe()?)
        .arg("announce")
        .arg(server)
        .stdin(Stdio::from(output))
        // Ctrl-C is for the server, whose last lines are still to be passed on.
        .process_group(0)
        .spawn()?;
    Ok(input)
}

/// Asks the server for a token: it knows what a good one is.
fn new_token(server: &Path) -> Result<String, Failure> {
    let output = Command::new(server)
        .args(["token", "new", "--json"])
        .output()
        .map_err(|error| format!("cannot make a token: {error}"))?;
    let answer = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default();
    text(&answer, "/token")
        .map(str::to_owned)
        .ok_or_else(|| format!("cannot make a token: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
