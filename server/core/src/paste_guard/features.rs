//! What pasted repositories have and questions have little of.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::paths::{is_deep_path, is_path};

mod lines;

use lines::{header_path, is_code, is_hunk, is_import, is_tree, marked_path};

/// Below this share of code lines, a text is prose with code in it.
const CODE_PERCENT: u32 = 35;

/// What was found in a text, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Programs that pack repositories, by what they write first.
    pub(super) banners: BTreeSet<&'static str>,
    /// Files whose contents are announced, each once.
    pub(super) files: BTreeSet<u64>,
    pub(super) hunks: u32,
    pub(super) tree_lines: u32,
    /// Only of a text that is mostly code.
    pub(super) code_lines: u32,
    pub(super) imports: u32,
}

impl Features {
    /// Reads a text, once and line by line.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut reading = Reading::default();
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let mut lines = lines.peekable();
        let mut before = "";
        while let Some(line) = lines.next() {
            reading.line(before, line, lines.peek().copied().unwrap_or_default());
            before = line;
        }
        reading.finish()
    }

    /// What both have, a file that is in both counted once.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.banners.extend(&other.banners);
        self.files.extend(&other.files);
        self.hunks = self.hunks.saturating_add(other.hunks);
        self.tree_lines = self.tree_lines.saturating_add(other.tree_lines);
        self.code_lines = self.code_lines.saturating_add(other.code_lines);
        self.imports = self.imports.saturating_add(other.imports);
        self
    }

    /// Whether there is nothing that counts, not even together with more of it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What has been seen of a text so far.
#[derive(Default)]
struct Reading {
    found: Features,
    lines: u32,
    code_lines: u32,
    in_fence: bool,
    /// A fence has just been opened, or the text has.
    is_first: bool,
    documents: u32,
    announcements: Announcements,
}

/// Lines that only mean something beside others.
#[derive(Default)]
struct Announcements {
    directory_structure: bool,
    ruled_file: bool,
    project_path: bool,
    source_tree: bool,
}

impl Reading {
    fn line(&mut self, before: &str, line: &str, after: &str) {
        let text = line.trim_start();
        self.lines += 1;
        self.banner(text);
        self.header(before, text, after);
        if text.starts_with("```") || text.starts_with("~~~") {
            self.in_fence = !self.in_fence;
            self.is_first = self.in_fence;
            return;
        }
        self.is_first = false;
        self.found.hunks += u32::from(is_hunk(line));
        self.found.tree_lines += u32::from(is_tree(text));
        self.found.imports += u32::from(is_import(text));
        self.code_lines += u32::from(is_code(text));
    }

    fn banner(&mut self, text: &str) {
        let seen = &mut self.announcements;
        match text {
            "<directory_structure>" | "<repository_files>" => {
                self.found.banners.insert("repomix banner");
            }
            "Directory structure:" => seen.directory_structure = true,
            "Source Tree:" => seen.source_tree = true,
            _ if text.starts_with("Project Path: ") => seen.project_path = true,
            _ if text.starts_with("<document index=") => self.documents += 1,
            _ if text.contains("merged representation of") => {
                self.found.banners.insert("repomix banner");
            }
            _ => {}
        }
    }

    fn header(&mut self, before: &str, text: &str, after: &str) {
        let is_ruled = is_rule(before) || is_rule(after);
        let path =
            marked_path(text).or_else(|| header_path(text).filter(|_| after.trim_start().starts_with("```")));
        let ruled = || {
            let named = text.strip_prefix("FILE: ").or_else(|| text.strip_prefix("File: ")).unwrap_or(text);
            (is_ruled && is_path(named)).then_some(named)
        };
        let comment = || {
            let begins = self.is_first || (self.lines == 1 && !self.in_fence);
            let rest =
                ["// ", "# ", "-- ", "/* ", "<!-- "].iter().find_map(|mark| text.strip_prefix(mark))?;
            let path = rest.trim_end_matches("*/").trim_end_matches("-->").trim();
            (begins && is_deep_path(path)).then_some(path)
        };
        if let Some(path) = path.or_else(ruled).or_else(comment) {
            self.announcements.ruled_file |= is_ruled && text.starts_with("FILE: ");
            self.found.files.insert(hash(path));
        }
    }

    fn finish(mut self) -> Features {
        let Announcements { directory_structure, ruled_file, project_path, source_tree } = self.announcements;
        for (is_there, banner) in [
            (directory_structure && ruled_file, "gitingest banner"),
            (project_path && source_tree, "code2prompt banner"),
            (self.documents > 1, "list of documents"),
        ] {
            if is_there {
                self.found.banners.insert(banner);
            }
        }
        if self.code_lines.saturating_mul(100) > self.lines.saturating_mul(CODE_PERCENT) {
            self.found.code_lines = self.code_lines;
        }
        self.found
    }
}

/// A line of nothing but a ruler's strokes.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3
        && ["=", "-", "#", "*"].iter().any(|stroke| line.trim_matches(|c| stroke.contains(c)).is_empty())
}

/// Paths are compared, never shown.
fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.trim_start_matches("./").hash(&mut hasher);
    hasher.finish()
}
