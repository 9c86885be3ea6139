//! What is in a folder.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString},
};

use jiff::Timestamp;
use plugin_contract::op::{FileEntry, FileKind, FileList, ListFiles};
use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};

use super::{
    FileError, Patience, Root,
    path::{Below, is_hidden, shown},
    root::kind,
};

/// How many entries a list has, if nobody says, and at most.
const USUAL: u32 = 200;
const MOST: u32 = 1000;

/// Entries between two looks at the clock.
const STRIDE: u64 = 256;

/// The entries of a folder, as many as were asked for.
pub(crate) fn list(
    root: &Root<'_>,
    asked: &ListFiles,
    patience: &Patience<'_>,
) -> Result<FileList, FileError> {
    let path = root.path(&asked.path)?;
    let after = asked.after.as_deref().unwrap_or_default();
    let limit = asked.limit.unwrap_or(USUAL).clamp(1, MOST) as usize;
    // However many there are, no more are kept than are wanted, and one to know
    // that there are more.
    let mut first = BTreeMap::new();
    let mut entries = Entries::of(root, &path)?;
    while let Some(entry) = entries.next(patience)? {
        if entry.shown.as_str() <= after {
            continue;
        }
        first.insert(entry.shown, entry.name);
        if first.len() > limit + 1 {
            first.pop_last();
        }
    }
    let more = first.len() > limit;
    let listed = first.into_iter().take(limit);
    let entries_of = listed.map(|(shown, name)| entries.describe(shown, &name)).collect();
    Ok(FileList { entries: entries_of, more, too_many: entries.too_many })
}

/// Goes through a folder, but for what its root hides.
pub(super) struct Entries<'r> {
    root: &'r Root<'r>,
    path: &'r Below,
    folder: Dir,
    seen: u64,
    /// How many may be looked at.
    pub(super) bound: u64,
    /// There were more than that.
    pub(super) too_many: bool,
}

/// One entry on the way.
pub(super) struct Entry {
    /// Its name as text.
    pub(super) shown: String,
    /// Whether that is its name.
    pub(super) exact: bool,
    name: CString,
    file_type: FileType,
}

impl<'r> Entries<'r> {
    pub(super) fn of(root: &'r Root<'r>, path: &'r Below) -> Result<Self, FileError> {
        let folder = root.folder(path)?;
        let folder = Dir::new(folder).map_err(|error| root.error(path, error))?;
        Ok(Self { root, path, folder, seen: 0, bound: root.settings.max_entries, too_many: false })
    }

    pub(super) fn next(&mut self, patience: &Patience<'_>) -> Result<Option<Entry>, FileError> {
        loop {
            let entry = match self.folder.read() {
                None => return Ok(None),
                Some(Ok(entry)) => entry,
                Some(Err(error)) => return Err(self.root.error(self.path, error)),
            };
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            if self.seen.is_multiple_of(STRIDE) && patience.is_over() {
                return Err(FileError::failed("time was up before the folder was read"));
            }
            if self.seen == self.bound {
                self.too_many = true;
                return Ok(None);
            }
            self.seen += 1;
            let (shown, exact) = shown(name.to_bytes());
            if is_hidden(&shown) && !self.root.settings.hidden {
                continue;
            }
            return Ok(Some(Entry { shown, exact, name: name.to_owned(), file_type: entry.file_type() }));
        }
    }

    /// How many were looked at.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// What an entry is. Not every file system says so along with the name.
    pub(super) fn kind(&self, entry: &Entry) -> FileKind {
        match entry.file_type {
            FileType::Unknown => self.stat(&entry.name).map_or(FileKind::Other, |stat| kind(&stat)),
            known => super::root::kind_of(known),
        }
    }

    fn stat(&self, name: &CStr) -> Option<Stat> {
        let folder = self.folder.fd().ok()?;
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT).ok()
    }

    /// What a client is told of an entry; it may have gone meanwhile.
    fn describe(&self, shown: String, name: &CStr) -> FileEntry {
        let stat = self.stat(name);
        let kind = stat.as_ref().map_or(FileKind::Other, kind);
        let bytes = stat.as_ref().filter(|_| kind == FileKind::File);
        FileEntry {
            name: shown,
            kind,
            bytes: bytes.and_then(|stat| u64::try_from(stat.st_size).ok()),
            modified: stat
                .and_then(|stat| Timestamp::from_second(stat.st_mtime).ok())
                .map(|time| time.to_string()),
        }
    }
}
