//! What a configuration was made from, to see when it would become another one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    file::{self, FileError},
    pattern,
};

/// Files as they were when they were read, also those that could not be; and
/// what the patterns of `include` matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    files: BTreeMap<(PathBuf, Kind), Content>,
    matches: BTreeMap<PathBuf, Result<Vec<PathBuf>, String>>,
}

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A configuration, or a part of one.
    Config,
    /// `.env`.
    Dotenv,
    /// A secret.
    Secret,
}

impl Kind {
    /// How much of it may hold something.
    pub(super) fn max_bytes(self) -> usize {
        match self {
            Self::Config | Self::Dotenv => 1 << 20,
            Self::Secret => 64 << 10,
        }
    }

    /// How much of it is read.
    pub(super) fn read_bytes(self) -> usize {
        match self {
            // So that the compiler sees that it is too large, by more than the
            // character that the cut may spoil.
            Self::Config => self.max_bytes() + 8,
            Self::Dotenv | Self::Secret => self.max_bytes() + 1,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Bytes { sha256: [u8; 32], is_cut: bool },
    Unreadable(String),
}

impl Inputs {
    /// Reads a file and keeps in mind what came of it.
    pub(super) fn read(&mut self, path: &Path, kind: Kind) -> Result<Vec<u8>, FileError> {
        let read = file::beginning(path, kind.read_bytes());
        let content = match &read {
            Ok(bytes) => {
                let is_cut = bytes.last().is_some_and(|last| !b"\r\n".contains(last));
                Content::Bytes { sha256: Sha256::digest(bytes).into(), is_cut }
            }
            Err(error) => Content::Unreadable(error.to_string()),
        };
        self.files.insert((path.to_owned(), kind), content);
        read
    }

    /// Finds what a pattern matches and keeps it in mind.
    pub(super) fn matches(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let matches = pattern::matches(pattern).map_err(|error| error.to_string());
        self.matches.insert(pattern.to_owned(), matches.clone());
        matches
    }

    /// The same files as they are now, and those that the patterns match now.
    #[must_use]
    pub fn now(&self) -> Self {
        let mut now = Self::default();
        let mut files: Vec<_> = self.files.keys().cloned().collect();
        for pattern in self.matches.keys() {
            let matches = now.matches(pattern).unwrap_or_default();
            files.extend(matches.into_iter().map(|path| (path, Kind::Config)));
        }
        files.sort_unstable();
        files.dedup();
        for (path, kind) in files {
            // What came of it is what is kept in mind.
            let _ = now.read(&path, kind);
        }
        now
    }

    /// The files, and the patterns that name some.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.keys().map(|(path, _)| path.as_path());
        files.chain(self.matches.keys().map(PathBuf::as_path))
    }

    /// These and the others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.files.extend(others.files);
        self.matches.extend(others.matches);
        self
    }

    /// These without the files that the others have too.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        self.files.retain(|file, _| !others.files.contains_key(file));
        self.matches.retain(|pattern, _| !others.matches.contains_key(pattern));
        self
    }

    /// Whether `later`, which may have more files, has the same in all of these.
    #[must_use]
    pub fn hold_in(&self, later: &Self) -> bool {
        self.files.iter().all(|(file, content)| later.files.get(file) == Some(content))
            && self.matches.iter().all(|(pattern, files)| later.matches.get(pattern) == Some(files))
    }

    /// The same, of the files of the configuration alone.
    #[must_use]
    pub fn configuration_holds_in(&self, later: &Self) -> bool {
        self.clone().of_configuration().hold_in(later)
    }

    /// The files of the configuration, without those of secrets.
    #[must_use]
    pub fn of_configuration(mut self) -> Self {
        self.files.retain(|(_, kind), _| *kind == Kind::Config);
        self
    }

    /// Whether a file of the configuration has something, and no line break at
    /// its end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.files.iter().any(|((_, kind), content)| {
            *kind == Kind::Config && matches!(content, Content::Bytes { is_cut: true, .. })
        })
    }
}
