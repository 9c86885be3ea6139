//! The files of an audit: segments, each named by the first record in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The folder of an audit in `state.dir`.
const FOLDER: &str = "audit";
const SUFFIX: &str = ".jsonl";
const DIGITS: usize = 16;

/// The longest line that is read. None is written that comes near it.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// The folder of the audit of a server that keeps its state in `state_dir`.
#[must_use]
pub fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join(FOLDER)
}

/// A file of an audit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The first record in it.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

impl Segment {
    /// The one that begins with this record.
    pub(crate) fn new(folder: &Path, first: u64) -> Self {
        Self { first, path: folder.join(format!("{first:0DIGITS$}{SUFFIX}")) }
    }

    /// All of a folder, in the order of their records.
    pub(crate) fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digits = name.strip_suffix(SUFFIX).filter(|name| name.len() >= DIGITS);
            if let Some(first) = digits.and_then(|digits| digits.parse().ok()) {
                segments.push(Self { first, path });
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Makes the file, for its owner only. It must not be there.
    pub(crate) fn create(&self) -> io::Result<File> {
        options().create_new(true).open(&self.path)
    }

    /// Opens the file to go on with it.
    pub(crate) fn open(&self) -> io::Result<File> {
        options().open(&self.path)
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> io::Result<Lines<BufReader<File>>> {
        Ok(Lines::new(BufReader::with_capacity(1 << 18, File::open(&self.path)?)))
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

/// Lines that have an end, one after the other, and what comes after the last.
pub(crate) struct Lines<R> {
    from: R,
    line: Vec<u8>,
    /// Where the next line begins.
    pub(crate) at: u64,
}

/// One of them.
pub(crate) enum Line<'l> {
    /// Without its line break.
    Whole(&'l [u8]),
    /// It has no end, or none within reason.
    Torn(&'l [u8]),
}

impl<R: BufRead + Seek> Lines<R> {
    /// Goes back to where a line begins.
    pub(crate) fn seek(&mut self, at: u64) -> io::Result<()> {
        self.at = at;
        self.from.seek(SeekFrom::Start(at)).map(drop)
    }
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, line: Vec::new(), at: 0 }
    }

    /// The next one, if there is one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let limit = MAX_LINE as u64 + 1;
        let read = io::Read::take(&mut self.from, limit).read_until(b'\n', &mut self.line)?;
        Ok(match self.line.strip_suffix(b"\n") {
            _ if read == 0 => None,
            Some(line) => {
                self.at += read as u64;
                Some(Line::Whole(line))
            }
            None => Some(Line::Torn(&self.line)),
        })
    }
}
