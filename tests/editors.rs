//! An edit comes into force however it is saved, and so does the one after it.
//!
//! The kernel's file events must tell of it: the poll comes once a minute, later
//! than these tests wait, but where they say otherwise.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use desk::{Desk, Edit, PIECES, Piece};

mod desk;
mod moved;
mod plugin;
mod saved;
mod system;

/// Edits every piece twice by the same means.
async fn everywhere(desk: &mut Desk, means: impl Fn(&Edit)) {
    for _ in 0..2 {
        for piece in PIECES {
            desk.edit(piece, &means).await;
        }
    }
}

/// Runs a line of shell, in which `$1` is the file, `$2` another one that has
/// the new text, and stdin has it too.
fn shell(edit: &Edit, line: &str) {
    let mut command = Command::new("sh");
    command.args(["-euc", line, "sh"]).args([&edit.path, &edit.aside]);
    feed(&mut command, &edit.new);
}

/// Runs a command that must succeed, with a text to read.
fn feed(command: &mut Command, text: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A command may end without having read it.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    assert!(child.wait().unwrap().success(), "{command:?}");
}
