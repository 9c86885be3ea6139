//! The segment that is written, and the chain's end in memory. Whoever holds the
//! journal is the only one who writes.

use std::{
    fs::{DirBuilder, File, Metadata},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use super::{
    chain::{Body, Head},
    event::Event,
    record::body,
    segment::Segment,
};

const LOCK: &str = "lock";

/// Where the chain goes on.
pub(crate) struct Journal {
    folder: PathBuf,
    /// Which audit: a name of its own, from its first record on.
    pub(crate) log: String,
    pub(crate) head: Head,
    /// Bytes of all that it has written.
    pub(crate) written: u64,
    /// What is written to. `None` while it cannot be.
    segment: Option<Open>,
    /// Keeps others from writing.
    lock: Option<File>,
    lines: Vec<u8>,
}

struct Open {
    segment: Segment,
    file: Arc<File>,
    /// Bytes of whole lines. What is beyond them is of a write that failed.
    length: u64,
    begun: SystemTime,
    is_torn: bool,
}

/// Why a journal cannot be had at all.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else writes it.
    #[error(
        "another server keeps its audit in {}; stop it, or give this one a `state.dir` of its own", .0.display()
    )]
    Locked(PathBuf),
    /// The operating system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Journal {
    /// A journal that goes on after `head`, and has no segment yet.
    pub(crate) fn new(folder: PathBuf, log: String, head: Head) -> Self {
        Self { folder, log, head, written: 0, segment: None, lock: None, lines: Vec::new() }
    }

    /// Makes the folder, if what it is to lie in is there, and keeps others out.
    pub(crate) fn lock(&mut self) -> Result<(), JournalError> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        let file = lock_file(&self.folder)?;
        if let Some(held) = &self.lock
            && is_same(&file.metadata()?, &held.metadata()?)
        {
            return Ok(());
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.lock = Some(file),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(JournalError::Locked(self.folder.clone())),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        Ok(())
    }

    /// Goes on with a segment that has been found to be whole up to `length`.
    pub(crate) fn go_on(&mut self, segment: Segment, file: File, length: u64, begun: SystemTime) {
        self.segment = Some(Open { segment, file: Arc::new(file), length, begun, is_torn: false });
    }

    /// Begins the next segment: its first record names the audit, and follows on
    /// the last record of the segment before.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        let segment = Segment::new(&self.folder, self.head.seq + 1);
        let file = segment.create()?;
        let before = self.segment.replace(Open {
            segment,
            file: Arc::new(file),
            length: 0,
            begun: SystemTime::now(),
            is_torn: false,
        });
        let header = body(Event::Segment, json!({ "version": 1, "log": self.log }));
        if let Err(error) = self.append(&[&header]) {
            // Another try must find its place free.
            if let Some(failed) = self.segment.take() {
                let _ = std::fs::remove_file(&failed.segment.path);
            }
            self.segment = before;
            return Err(error);
        }
        if let Some(before) = before {
            before.file.sync_data()?;
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Puts records at the end, all of them or none.
    pub(crate) fn append(&mut self, bodies: &[&Body]) -> io::Result<()> {
        let open = self.segment.as_mut().ok_or(io::ErrorKind::NotFound)?;
        open.mend()?;
        self.lines.clear();
        let mut head = self.head;
        bodies.iter().for_each(|body| head.extend(body, &mut self.lines));
        if let Err(error) = (&*open.file).write_all(&self.lines) {
            open.is_torn = true;
            // What cannot be taken back now is before the next line is written.
            let _ = open.mend();
            return Err(error);
        }
        open.length += self.lines.len() as u64;
        self.written += self.lines.len() as u64;
        self.head = head;
        if self.lines.capacity() > 1 << 20 {
            self.lines = Vec::new();
        }
        Ok(())
    }

    /// The open file, to be synchronised without holding the journal.
    pub(crate) fn file(&self) -> Option<Arc<File>> {
        self.segment.as_ref().map(|open| open.file.clone())
    }

    /// The size of the current segment, and since when it is that.
    pub(crate) fn extent(&self) -> Option<(u64, SystemTime)> {
        self.segment.as_ref().map(|open| (open.length, open.begun))
    }

    /// The current segment.
    pub(crate) fn segment(&self) -> Option<&Segment> {
        self.segment.as_ref().map(|open| &open.segment)
    }

    /// Where the segments lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether what is written is where it should be, and nobody else's.
    pub(crate) fn inspect(&self) -> Result<(), Astray> {
        let open = self.segment.as_ref().ok_or(Astray::Gone)?;
        let there = std::fs::symlink_metadata(&open.segment.path).map_err(|_| Astray::Gone)?;
        let here = open.file.metadata().map_err(|_| Astray::Gone)?;
        if !is_same(&there, &here) {
            return Err(Astray::Gone);
        }
        if !open.is_torn && here.len() != open.length {
            return Err(Astray::Changed { found: here.len(), expected: open.length });
        }
        Ok(())
    }

    /// Puts the current segment back to its place, out of the file that is still
    /// open although its name is gone.
    pub(crate) fn put_back(&mut self) -> Result<(), JournalError> {
        self.lock()?;
        let Some(open) = &mut self.segment else { return Ok(()) };
        let mut back = match open.segment.create() {
            Ok(file) => file,
            // Something lies in its place that is not it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::rename(&open.segment.path, open.segment.path.with_extension("foreign"))?;
                open.segment.create()?
            }
            Err(error) => return Err(error.into()),
        };
        let mut from = &*open.file;
        let copied = from
            .rewind()
            .and_then(|()| io::copy(&mut from.take(open.length), &mut back))
            .and_then(|_| back.sync_all());
        if let Err(error) = copied {
            let _ = std::fs::remove_file(&open.segment.path);
            return Err(error.into());
        }
        (open.file, open.is_torn) = (Arc::new(back), false);
        Ok(())
    }
}

impl Open {
    /// Takes back what a write that failed has left.
    fn mend(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.length)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

/// What is not as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// The segment is not in its place any more.
    Gone,
    /// Somebody else wrote to it, or cut it.
    Changed { found: u64, expected: u64 },
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn lock_file(folder: &Path) -> io::Result<File> {
    use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt};
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(folder.join(LOCK))
}
