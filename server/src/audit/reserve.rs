//! Room that is kept for what must be written on a disk that is full: that the
//! server started, stopped, and that it refuses calls.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

const NAME: &str = "reserve";

/// Room for thousands of records.
const SIZE: u64 = 1 << 20;
/// How much of it is given up at a time, for one of them.
const PART: u64 = 64 << 10;

/// A file that takes room until it is needed.
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join(NAME) }
    }

    /// Takes all of the room, if it can be had and some more is left for others:
    /// on a disk that is full but for the reserve, nothing but that can be written.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let file = self.open()?;
        match fallocate(&file, FallocateFlags::empty(), 0, SIZE + PART) {
            // A file system that cannot promise room.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&file)?,
            other => other?,
        }
        file.set_len(SIZE)
    }

    /// Gives up a part of the room. Says whether there was any.
    pub(crate) fn give_up(&self) -> bool {
        let give_up = || {
            let file = self.open()?;
            let left = file.metadata()?.len();
            file.set_len(left.saturating_sub(PART))?;
            io::Result::Ok(left > 0)
        };
        give_up().unwrap_or(false)
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        options.open(&self.path)
    }
}

fn fill(mut file: &File) -> io::Result<()> {
    file.seek(io::SeekFrom::End(0))?;
    let missing = (SIZE + PART).saturating_sub(file.metadata()?.len());
    io::copy(&mut io::Read::take(io::repeat(b' '), missing), &mut file)?;
    file.sync_data()
}
