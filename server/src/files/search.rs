//! Files by name, and lines of files.

use std::io::Read;

use glob::{MatchOptions, Pattern};
use plugin_contract::op::{FileKind, FileMatch, FileMatches, SearchEnd, SearchFiles};
use regex::bytes::{Regex, RegexBuilder};

use super::{FileError, Patience, Root, list::Entries, path::Below};

/// How many matches a search has, if nobody says, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1000;

/// How many folders deep it goes.
const MAX_DEPTH: usize = 32;

/// Bytes of a file that is searched, and of all of them.
const MAX_FILE: u64 = 4 << 20;
const MAX_TOTAL: u64 = 64 << 20;

/// How long what is looked for may be.
const MAX_PATTERN: usize = 1000;

/// How much of a line is shown.
const MAX_LINE: usize = 300;

/// What is found below a folder.
pub(crate) fn search(
    root: &Root<'_>,
    asked: &SearchFiles,
    patience: &Patience<'_>,
) -> Result<FileMatches, FileError> {
    let path = root.path(&asked.path)?;
    let mut search = Search {
        root,
        name: asked.name.as_deref().map(name_pattern).transpose()?,
        text: asked.text.as_deref().map(|text| line_pattern(text, asked)).transpose()?,
        limit: asked.limit.unwrap_or(USUAL).clamp(1, MOST) as usize,
        patience,
        entries: 0,
        bytes: 0,
        found: FileMatches::default(),
    };
    if search.name.is_none() && search.text.is_none() {
        return Err(FileError::invalid("say what to look for: `text`, `name` or both"));
    }
    // The folder that was asked for has to be there; what is below may not be.
    let first = search.entries_of(&path)?;
    if let Err(end) = search.folder(&path, first, 1) {
        search.found.stopped = Some(end);
    }
    Ok(search.found)
}

fn name_pattern(text: &str) -> Result<Pattern, FileError> {
    if text.len() > MAX_PATTERN {
        return Err(FileError::invalid(format!("a pattern has at most {MAX_PATTERN} bytes")));
    }
    Pattern::new(text).map_err(|error| FileError::invalid(format!("`name` is no pattern: {}", error.msg)))
}

fn line_pattern(text: &str, asked: &SearchFiles) -> Result<Regex, FileError> {
    if text.is_empty() || text.len() > MAX_PATTERN {
        return Err(FileError::invalid(format!("`text` has 1 to {MAX_PATTERN} bytes")));
    }
    let pattern = if asked.regex { text.to_owned() } else { regex::escape(text) };
    RegexBuilder::new(&pattern)
        .case_insensitive(asked.ignore_case)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .nest_limit(64)
        .build()
        .map_err(|error| FileError::invalid(format!("`text` is no regular expression: {error}")))
}

struct Search<'a> {
    root: &'a Root<'a>,
    name: Option<Pattern>,
    text: Option<Regex>,
    limit: usize,
    patience: &'a Patience<'a>,
    entries: u64,
    bytes: u64,
    found: FileMatches,
}

/// What there is in a folder, in order.
struct Listing {
    entries: Vec<(String, bool, FileKind)>,
    too_many: bool,
}

impl Search<'_> {
    /// Looks through a folder and those in it, until something ends the search.
    fn folder(&mut self, path: &Below, listing: Listing, depth: usize) -> Result<(), SearchEnd> {
        for (name, exact, kind) in listing.entries {
            if self.patience.is_over() {
                return Err(SearchEnd::Time);
            }
            let skipped = &mut self.found.skipped;
            match kind {
                FileKind::Symlink | FileKind::Other => skipped.special += 1,
                FileKind::File | FileKind::Folder if !exact => skipped.unreadable += 1,
                FileKind::Folder if depth == MAX_DEPTH => skipped.too_deep += 1,
                FileKind::Folder => {
                    let path = path.join(&name);
                    match self.entries_of(&path) {
                        Ok(listing) => self.folder(&path, listing, depth + 1)?,
                        Err(_) if self.patience.is_over() => return Err(SearchEnd::Time),
                        Err(_) => self.found.skipped.unreadable += 1,
                    }
                }
                FileKind::File => self.file(&name, path.join(&name))?,
            }
        }
        if listing.too_many { Err(SearchEnd::Entries) } else { Ok(()) }
    }

    fn entries_of(&mut self, path: &Below) -> Result<Listing, FileError> {
        let mut entries = Entries::of(self.root, path)?;
        entries.bound = entries.bound.saturating_sub(self.entries);
        let mut listed = Vec::new();
        while let Some(entry) = entries.next(self.patience)? {
            let kind = entries.kind(&entry);
            listed.push((entry.shown, entry.exact, kind));
        }
        self.entries += entries.seen();
        listed.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(Listing { entries: listed, too_many: entries.too_many })
    }

    fn file(&mut self, name: &str, path: Below) -> Result<(), SearchEnd> {
        let options = MatchOptions { case_sensitive: true, ..MatchOptions::default() };
        if self.name.as_ref().is_some_and(|pattern| !pattern.matches_with(name, options)) {
            return Ok(());
        }
        self.found.files += 1;
        let Some(text) = self.text.clone() else {
            let path = path.into_string();
            return self.add(FileMatch { path, line: None, offset: None, text: None });
        };
        let Some(content) = self.content(&path)? else { return Ok(()) };
        let mut offset = 0;
        for (number, line) in (1..).zip(content.split_inclusive(|byte| *byte == b'\n')) {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
            if let Some(found) = text.find(bare) {
                self.add(FileMatch {
                    path: path.clone().into_string(),
                    line: Some(number),
                    offset: Some(offset),
                    text: Some(clipped(bare, found.start())),
                })?;
            }
            offset += line.len() as u64;
        }
        Ok(())
    }

    /// All of a file that is text, and not too large.
    fn content(&mut self, path: &Below) -> Result<Option<Vec<u8>>, SearchEnd> {
        let skipped = &mut self.found.skipped;
        let Ok((file, size)) = self.root.file(path) else {
            skipped.unreadable += 1;
            return Ok(None);
        };
        if size > MAX_FILE {
            skipped.too_large += 1;
            return Ok(None);
        }
        if self.bytes + size > MAX_TOTAL {
            return Err(SearchEnd::Bytes);
        }
        let mut content = Vec::new();
        if file.take(MAX_FILE).read_to_end(&mut content).is_err() {
            skipped.unreadable += 1;
            return Ok(None);
        }
        self.bytes += content.len() as u64;
        if content.contains(&0) || std::str::from_utf8(&content).is_err() {
            skipped.binary += 1;
            return Ok(None);
        }
        Ok(Some(content))
    }

    fn add(&mut self, found: FileMatch) -> Result<(), SearchEnd> {
        if self.found.matches.len() == self.limit {
            return Err(SearchEnd::Matches);
        }
        self.found.matches.push(found);
        Ok(())
    }
}

/// The part of a line that matches, with what is around it.
fn clipped(line: &[u8], start: usize) -> String {
    let line = String::from_utf8_lossy(line);
    if line.len() <= MAX_LINE {
        return line.into_owned();
    }
    let from = line.floor_char_boundary(start.saturating_sub(MAX_LINE / 4));
    let to = line.floor_char_boundary(from + MAX_LINE);
    let part = line.get(from..to).unwrap_or_default();
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
    format!("{before}{part}{after}")
}
