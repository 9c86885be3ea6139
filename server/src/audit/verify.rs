//! Whether an audit is what the server wrote: every line, every hash, every
//! signature, and the checkpoints that have left the host.

use std::{io, path::Path, thread, time::Duration};

use serde::Serialize;

use super::{
    chain::{Head, Link},
    checkpoint::Checkpoint,
    keys::PublicKey,
    segment::{Line, Segment},
};

mod signatures;
mod walk;

use signatures::Signatures;
use walk::Walk;

/// How many problems are told.
const PROBLEMS: usize = 50;
/// How often, and how soon, it is looked again for the end of the last line, which
/// a running server may just be writing, and for segments that were removed.
const LOOKS: usize = 20;
const AGAIN: Duration = Duration::from_millis(50);

/// What an audit is held to.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The key whose checkpoints count, and those that it vouches for. `None`: the
    /// one that the chain itself begins with.
    pub key: Option<PublicKey>,
    /// Checkpoints that left the host.
    pub outside: Vec<Checkpoint>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// The audit's name.
    pub log: String,
    /// The first record there is.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// How many segments they are in.
    pub segments: usize,
    /// How many checkpoints are right.
    pub checkpoints: u64,
    /// The last record that a checkpoint vouches for.
    pub signed_up_to: u64,
    /// The key that signs at the end, in hexadecimal.
    pub key: Option<String>,
    /// How many of the checkpoints that left the host it was held to.
    pub outside_checkpoints: usize,
    /// What is wrong, the first place first.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are told.
    pub more_problems: usize,
    /// What should be known beside that.
    pub notes: Vec<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Its line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong there.
    pub message: String,
}

/// Verifies the audit in a folder, also while a server writes it.
///
/// # Errors
///
/// If it cannot be read.
pub fn verify(folder: &Path, held: &Held) -> io::Result<Findings> {
    let mut tries = 0;
    loop {
        match Walk::over(folder, held) {
            // A running server has removed a segment meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() && tries < LOOKS => {
                tries += 1;
                thread::sleep(AGAIN);
            }
            other => return other,
        }
    }
}
