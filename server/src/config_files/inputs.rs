//! What a configuration was made from, to see when it would become another one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::file::{self, FileError};

/// Files as they were when they were read, also those that could not be; each
/// with how much of it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<(PathBuf, usize), Content>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Bytes { sha256: [u8; 32], is_cut: bool },
    Unreadable(String),
}

impl Inputs {
    /// Keeps in mind what came of reading the first `limit` bytes of `path`.
    pub(super) fn record(&mut self, path: &Path, limit: usize, read: &Result<Vec<u8>, FileError>) {
        let content = match read {
            Ok(bytes) => {
                let is_cut = bytes.last().is_some_and(|last| !b"\r\n".contains(last));
                Content::Bytes { sha256: Sha256::digest(bytes).into(), is_cut }
            }
            Err(error) => Content::Unreadable(error.to_string()),
        };
        self.0.insert((path.to_owned(), limit), content);
    }

    /// The same files as they are now.
    #[must_use]
    pub fn now(&self) -> Self {
        let mut now = Self::default();
        for (path, limit) in self.0.keys() {
            now.record(path, *limit, &file::beginning(path, *limit));
        }
        now
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(|(path, _)| path.as_path())
    }

    /// These and the others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// These without the files that the others have too.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        self.0.retain(|file, _| !others.0.contains_key(file));
        self
    }

    /// Whether `later`, which may have more files, has the same in all of these.
    #[must_use]
    pub fn hold_in(&self, later: &Self) -> bool {
        self.0.iter().all(|(file, content)| later.0.get(file) == Some(content))
    }

    /// Whether what both have is the same.
    #[must_use]
    pub fn agree_with(&self, other: &Self) -> bool {
        self.0.iter().all(|(file, content)| other.0.get(file).is_none_or(|theirs| theirs == content))
    }

    /// Whether a file has something, and no line break at its end.
    #[must_use]
    pub fn is_cut(&self, path: &Path) -> bool {
        self.0.iter().any(|((file, _), content)| {
            file == path && matches!(content, Content::Bytes { is_cut: true, .. })
        })
    }
}
