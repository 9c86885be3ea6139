//! Files, as far as the call's agent is granted them.

use plugin_contract::op::{
    ErrorCode, FileList, FileMatches, FilePart, FileRoot, ListFiles, OpError, ReadFile, SearchFiles,
};
use server_core::policy;

use super::calls::Work;
use crate::files::{self, FileError, Patience, Root};

/// The roots that it may read below.
pub(super) fn roots(work: &Work) -> Vec<FileRoot> {
    let about = |(name, root): (&server_core::id::RootName, &server_core::settings::FileRoot)| FileRoot {
        name: name.to_string(),
        description: root.description.clone(),
    };
    policy::file_roots(&work.permit).map(about).collect()
}

/// What is in a folder.
pub(super) fn list(work: &Work, asked: &ListFiles) -> Result<FileList, OpError> {
    let is_abandoned = || work.is_abandoned();
    let patience = Patience::new(work.remaining(), &is_abandoned);
    below(work, &asked.root, |root| files::list(root, asked, &patience))
}

/// A part of a file.
pub(super) fn read(work: &Work, asked: &ReadFile) -> Result<FilePart, OpError> {
    below(work, &asked.root, |root| files::read(root, asked))
}

/// Files by name, and lines of files.
pub(super) fn search(work: &Work, asked: &SearchFiles) -> Result<FileMatches, OpError> {
    let is_abandoned = || work.is_abandoned();
    let patience = Patience::new(work.remaining(), &is_abandoned);
    below(work, &asked.root, |root| files::search(root, asked, &patience))
}

fn below<T>(
    work: &Work,
    name: &str,
    read: impl FnOnce(&Root<'_>) -> Result<T, FileError>,
) -> Result<T, OpError> {
    if !work.may_wait {
        let message = "a tool that is `inline` must not wait for files: remove `.inline()`";
        return Err(OpError::new(ErrorCode::InvalidInput, message));
    }
    let found = policy::file_root(&work.permit, name).map_err(|reasons| work.notes.refuse(reasons))?;
    let Some((name, settings)) = found else {
        let roots: Vec<_> = policy::file_roots(&work.permit).map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("there is no such root; there is {}", roots.join(", "));
        return Err(OpError::new(ErrorCode::NotFound, message));
    };
    let done = Root::open(name.as_str(), settings).and_then(|root| read(&root));
    done.map_err(|error| match error {
        FileError::Refused(reason) => work.notes.refuse(vec![reason]),
        FileError::Failed(error) => error,
    })
}
