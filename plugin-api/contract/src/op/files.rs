//! Files below the roots that an agent is granted: folders that the operator
//! names. A path is relative to its root, with `/` between its parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A folder that the agent may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRoot {
    /// How to name it.
    pub name: String,
    /// What the operator says is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which entries of a folder are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListFiles {
    /// Below which root.
    pub root: String,
    /// Which folder; empty is the root itself.
    #[serde(default)]
    pub path: String,
    /// Only those whose names come after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many, at most. The host has a bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Entries of a folder, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileList {
    /// What is in it.
    pub entries: Vec<FileEntry>,
    /// There are more after the last one.
    pub more: bool,
    /// The folder has more entries than the host looks at, so that some are in no
    /// list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_many: bool,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    /// Its name. Bytes that are no UTF-8 are shown as `\xFF`, and such an entry
    /// cannot be opened.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// How large a file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was last changed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// It can be read.
    File,
    /// It can be listed.
    Folder,
    /// It leads somewhere else, and is not followed.
    Symlink,
    /// A device, a pipe or a socket.
    #[serde(other)]
    Other,
}

/// Which part of a file is wanted, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// Below which root.
    pub root: String,
    /// Which file.
    pub path: String,
    /// From which byte on.
    #[serde(default)]
    pub offset: u64,
    /// How many bytes, at most. The host has a bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// How it is to be written.
    #[serde(default)]
    pub encoding: FileEncoding,
}

/// How a part of a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileEncoding {
    /// As it is; the file has to be UTF-8. Only whole characters are read.
    #[default]
    Text,
    /// In base64, whatever it is.
    Base64,
}

/// A part of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FilePart {
    /// The part, as it was asked for.
    pub content: String,
    /// At which byte it starts.
    pub offset: u64,
    /// How many bytes of the file it is.
    pub length: u64,
    /// How large the file is.
    pub size: u64,
}

impl FilePart {
    /// Where the next part starts, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let end = self.offset.saturating_add(self.length);
        (end < self.size).then_some(end)
    }
}

/// What is looked for below a folder: files of a name, lines of files, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchFiles {
    /// Below which root.
    pub root: String,
    /// Below which folder; empty is the root itself.
    #[serde(default)]
    pub path: String,
    /// What a line has to hold. Without it, files are found by their names alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `text` is a regular expression.
    #[serde(default)]
    pub regex: bool,
    /// Upper and lower case are the same in `text`.
    #[serde(default)]
    pub ignore_case: bool,
    /// What the name of a file has to be like; `*`, `?` and `[…]` stand for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many matches, at most. The host has a bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileMatches {
    /// In the order of paths and lines.
    pub matches: Vec<FileMatch>,
    /// How many files were looked at.
    pub files: u64,
    /// How many were left out.
    #[serde(default, skip_serializing_if = "Skipped::is_empty")]
    pub skipped: Skipped,
    /// Why there may be more, if there may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<SearchEnd>,
}

/// A file, or a line of one, that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileMatch {
    /// The file.
    pub path: String,
    /// Which line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// At which byte the line starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The line, or the part of a long one that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a search left out, by the reason why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Files that are no text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub binary: u64,
    /// Files that are too large.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub too_large: u64,
    /// Folders that are too deep.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub too_deep: u64,
    /// What cannot be opened, or has a name that is no UTF-8.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Symbolic links, devices, pipes and sockets.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub special: u64,
}

impl Skipped {
    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a search ended before it had seen everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// As many matches as were wanted.
    Matches,
    /// As many entries as the host looks at.
    Entries,
    /// As many bytes as the host reads.
    Bytes,
    /// Time was nearly up.
    #[serde(other)]
    Time,
}
