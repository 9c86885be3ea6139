//! Paths as agents write them.

use std::fmt;

use server_core::{policy::StoreReason, settings::FileRoot};

use super::FileError;

/// How long a path may be, how many parts it may have, and how long they may be.
const MAX_BYTES: usize = 4095;
const MAX_PARTS: usize = 64;
const MAX_PART: usize = 255;

/// A path below a root: parts that are neither `.` nor `..`, joined by `/`. Empty
/// is the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Below(String);

impl Below {
    /// What an agent wrote.
    pub(super) fn parse(text: &str) -> Result<Self, FileError> {
        if text.starts_with('/') {
            return Err(FileError::invalid(
                "a path starts at its root: write it without `/` at the beginning",
            ));
        }
        if text.contains('\0') {
            return Err(FileError::invalid("a path holds no NUL"));
        }
        let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(FileError::invalid("a path goes down from its root, so it has no `..`"));
        }
        if text.len() > MAX_BYTES || parts.len() > MAX_PARTS || parts.iter().any(|part| part.len() > MAX_PART)
        {
            let message = format!(
                "a path has at most {MAX_BYTES} bytes and {MAX_PARTS} parts of at most {MAX_PART} bytes"
            );
            return Err(FileError::invalid(message));
        }
        Ok(Self(parts.join("/")))
    }

    /// The path of an entry in this folder.
    pub(super) fn join(&self, name: &str) -> Self {
        Self(if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }

    /// As the kernel takes it.
    pub(super) fn as_str(&self) -> &str {
        if self.0.is_empty() { "." } else { &self.0 }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Refuses what the root hides.
    pub(super) fn shown_by(&self, name: &str, root: &FileRoot) -> Result<(), FileError> {
        if root.hidden || !self.0.split('/').any(is_hidden) {
            return Ok(());
        }
        // A root that is configured has a valid name.
        match name.parse() {
            Ok(root) => {
                let reason = StoreReason::HiddenFile { root, path: self.0.clone() };
                Err(FileError::Refused(reason.into()))
            }
            Err(_) => Err(FileError::failed("hidden files are not shown")),
        }
    }
}

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a name is that of a hidden file.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// A name as text; and whether it is that text.
pub(super) fn shown(name: &[u8]) -> (String, bool) {
    let mut shown = String::with_capacity(name.len());
    let mut exact = true;
    for chunk in name.utf8_chunks() {
        shown.push_str(chunk.valid());
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02X}"));
            exact = false;
        }
    }
    (shown, exact)
}
