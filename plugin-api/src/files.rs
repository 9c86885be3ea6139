//! Files that the agent is granted.

use plugin_contract::op::{
    FileList, FileMatches, FilePart, FileRoot, ListFiles, ReadFile, SearchFiles, host as op,
};

use crate::{Call, HostError};

/// Reads files on behalf of the agent: below the roots that the operator grants it,
/// and nowhere else. Hidden files, symbolic links, devices and other file systems
/// are refused by the host, and its limits hold.
#[derive(Clone, Copy)]
pub struct Files<'c>(&'c Call);

impl<'c> Files<'c> {
    pub(crate) fn new(call: &'c Call) -> Self {
        Self(call)
    }

    /// The roots, by name.
    pub fn roots(&self) -> Result<Vec<FileRoot>, HostError> {
        self.0.host(op::FILE_ROOTS, &())
    }

    /// What is in a folder. For the next page, say the last name as `after`.
    pub fn list(&self, folder: &ListFiles) -> Result<FileList, HostError> {
        self.0.host(op::LIST_FILES, folder)
    }

    /// A part of a file; the next one starts at [`FilePart::next`].
    pub fn read(&self, part: &ReadFile) -> Result<FilePart, HostError> {
        self.0.host(op::READ_FILE, part)
    }

    /// Files by name, and lines of files.
    pub fn search(&self, search: &SearchFiles) -> Result<FileMatches, HostError> {
        self.0.host(op::SEARCH_FILES, search)
    }
}
