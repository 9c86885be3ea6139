//! Files that are nowhere but in a test.

use std::collections::BTreeMap;

use plugin_contract::op::{
    ErrorCode, FileEncoding, FileEntry, FileKind, FileList, FileMatch, FileMatches, FilePart, FileRoot,
    ListFiles, OpError, ReadFile, ResourceContent, SearchEnd, SearchFiles, host,
};

use super::script::missing;

/// Every file by root and path.
#[derive(Default)]
pub(super) struct FakeFiles(BTreeMap<String, BTreeMap<String, Vec<u8>>>);

impl FakeFiles {
    pub(super) fn put(&mut self, root: &str, path: &str, content: Vec<u8>) {
        self.0.entry(root.to_owned()).or_default().insert(path.to_owned(), content);
    }

    pub(super) fn roots(&self) -> Vec<FileRoot> {
        self.0.keys().map(|name| FileRoot { name: name.clone(), description: None }).collect()
    }

    pub(super) fn list(&self, wanted: &ListFiles) -> Result<FileList, OpError> {
        let mut entries = BTreeMap::new();
        for (path, content) in self.below(host::LIST_FILES, &wanted.root, &wanted.path)? {
            let (name, kind, bytes) = match path.split_once('/') {
                Some((folder, _)) => (folder, FileKind::Folder, None),
                None => (path, FileKind::File, Some(content.len() as u64)),
            };
            let entry = FileEntry { name: name.to_owned(), kind, bytes, modified: None };
            entries.insert(name.to_owned(), entry);
        }
        if entries.is_empty() && !wanted.path.is_empty() {
            return Err(not_found("folder", &wanted.root, &wanted.path));
        }
        let after = |entry: &FileEntry| wanted.after.as_ref().is_none_or(|after| entry.name > *after);
        let mut entries: Vec<_> = entries.into_values().filter(after).collect();
        let all = entries.len();
        entries.truncate(most(wanted.limit));
        Ok(FileList { more: entries.len() < all, entries, too_many: false })
    }

    pub(super) fn read(&self, wanted: &ReadFile) -> Result<FilePart, OpError> {
        let files = self.root(host::READ_FILE, &wanted.root)?;
        let content = files.get(&wanted.path).ok_or_else(|| not_found("file", &wanted.root, &wanted.path))?;
        let size = content.len();
        let start = usize::try_from(wanted.offset).unwrap_or(size).min(size);
        let length = wanted.length.map_or(size, |it| usize::try_from(it).unwrap_or(size));
        let part = content.get(start..start.saturating_add(length).min(size)).unwrap_or_default();
        let (content, length) = match wanted.encoding {
            FileEncoding::Base64 => (base64(part), part.len()),
            FileEncoding::Text => {
                let text = whole_characters(part).ok_or_else(|| {
                    let message = format!("`{}` is no UTF-8 text: read it as base64", wanted.path);
                    OpError::new(ErrorCode::InvalidInput, message)
                })?;
                (text.to_owned(), text.len())
            }
        };
        Ok(FilePart { content, offset: start as u64, length: length as u64, size: size as u64 })
    }

    pub(super) fn search(&self, wanted: &SearchFiles) -> Result<FileMatches, OpError> {
        if wanted.regex || wanted.name.as_ref().is_some_and(|name| name.contains(['?', '['])) {
            let message =
                "the test's harness has no answer to `files/search`: give it one with `Harness::serve`";
            return Err(OpError::new(ErrorCode::Failed, message));
        }
        let folded = |text: &str| if wanted.ignore_case { text.to_lowercase() } else { text.to_owned() };
        let text = wanted.text.as_deref().map(folded);
        let mut found = FileMatches::default();
        for (path, content) in self.below(host::SEARCH_FILES, &wanted.root, &wanted.path)? {
            let name = path.rsplit('/').next().unwrap_or(path);
            if wanted.name.as_ref().is_some_and(|pattern| !is_like(name, pattern)) {
                continue;
            }
            found.files += 1;
            let whole = match wanted.path.as_str() {
                "" => path.to_owned(),
                folder => format!("{folder}/{path}"),
            };
            let (Some(text), Ok(content)) = (&text, std::str::from_utf8(content)) else {
                if text.is_some() {
                    found.skipped.binary += 1;
                } else {
                    found.matches.push(FileMatch { path: whole, line: None, offset: None, text: None });
                }
                continue;
            };
            let mut offset = 0;
            for (number, line) in (1..).zip(content.split_inclusive('\n')) {
                if folded(line).contains(text.as_str()) {
                    let (path, shown) = (whole.clone(), line.trim_end_matches(['\r', '\n']).to_owned());
                    let (line, offset) = (Some(number), Some(offset));
                    found.matches.push(FileMatch { path, line, offset, text: Some(shown) });
                }
                offset += line.len() as u64;
            }
        }
        if found.matches.len() > most(wanted.limit) {
            found.matches.truncate(most(wanted.limit));
            found.stopped = Some(SearchEnd::Matches);
        }
        Ok(found)
    }

    fn root(&self, op: &str, root: &str) -> Result<&BTreeMap<String, Vec<u8>>, OpError> {
        match self.0.get(root) {
            Some(files) => Ok(files),
            None if self.0.is_empty() => Err(missing(op)),
            None => {
                Err(OpError::new(ErrorCode::Denied, format!("the test's harness has no file root `{root}`")))
            }
        }
    }

    /// The files below a folder, by their paths from there.
    fn below<'f>(
        &'f self,
        op: &str,
        root: &str,
        folder: &str,
    ) -> Result<impl Iterator<Item = (&'f str, &'f Vec<u8>)>, OpError> {
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let files = self.root(op, root)?.iter();
        Ok(files.filter_map(move |(path, content)| Some((path.strip_prefix(&folder)?, content))))
    }
}

fn most(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn not_found(what: &str, root: &str, path: &str) -> OpError {
    OpError::new(ErrorCode::NotFound, format!("file root `{root}` has no {what} `{path}`"))
}

/// Text up to the last character that is whole. `None`: it is no text.
fn whole_characters(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

fn base64(bytes: &[u8]) -> String {
    match ResourceContent::blob("", "", bytes) {
        ResourceContent::Blob { blob, .. } => blob,
        ResourceContent::Text { text, .. } => text,
    }
}

/// Whether `*` in a pattern can stand for something so that it is the name.
fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.filter_map(|at| left.get(at..)).any(|left| is_like(left, rest))
        }),
    }
}
