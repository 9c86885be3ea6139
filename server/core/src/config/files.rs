//! The files of a configuration, as one text.

use std::path::{Path, PathBuf};

use super::{
    Source,
    page::{Page, Position},
};

/// All files, one after another, so that a byte says in which of them it is.
pub(super) struct Files {
    text: String,
    files: Vec<File>,
}

struct File {
    start: usize,
    path: PathBuf,
}

impl Files {
    /// Begins with the file that may include others.
    pub(super) fn new(main: &Source) -> Self {
        let mut files = Self { text: String::new(), files: Vec::new() };
        files.add(main);
        files
    }

    /// Adds a file, and answers where it starts.
    pub(super) fn add(&mut self, source: &Source) -> usize {
        let start = self.text.len();
        self.text.push_str(text_of(source));
        // The end of a file is no part of the next one.
        self.text.push('\n');
        self.files.push(File { start, path: source.path.clone() });
        start
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The byte after the last one of the file that starts at `start`.
    pub(super) fn end(&self, start: usize) -> usize {
        let next = self.files.iter().find(|file| file.start > start).map(|file| file.start);
        next.unwrap_or(self.text.len()).saturating_sub(1)
    }

    /// The file that a byte is in.
    pub(super) fn path(&self, byte: usize) -> &Path {
        self.at(byte).map_or(Path::new(""), |file| &file.path)
    }

    /// Whether two bytes are in the same file.
    pub(super) fn are_together(&self, byte: usize, other: usize) -> bool {
        self.index(byte) == self.index(other)
    }

    /// Whether a byte is in the file that includes the others.
    pub(super) fn is_main(&self, byte: usize) -> bool {
        self.index(byte) <= 1
    }

    /// The file that includes the others.
    pub(super) fn main(&self) -> &Path {
        self.path(0)
    }

    /// Line and column of a byte in its file.
    pub(super) fn position(&self, page: &Page<'_>, byte: usize) -> Position {
        let Position { line, column } = page.position(byte);
        let first = self.at(byte).map_or(1, |file| page.position(file.start).line);
        Position { line: line + 1 - first.min(line), column }
    }

    fn at(&self, byte: usize) -> Option<&File> {
        self.files.get(self.index(byte).saturating_sub(1))
    }

    /// The number, from 1, of the file that a byte is in.
    fn index(&self, byte: usize) -> usize {
        self.files.partition_point(|file| file.start <= byte)
    }
}

/// A file's text without its byte order mark.
pub(super) fn text_of(source: &Source) -> &str {
    source.text.strip_prefix('\u{feff}').unwrap_or(&source.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_says_its_file_line_and_column() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
        let mut files = Files::new(&source("a", "1\n2\n"));
        let starts =
            [files.add(&source("b", "é!")), files.add(&source("c", "")), files.add(&source("d", "4"))];
        assert_eq!(starts, [5, 9, 10]);
        let page = Page::new(files.text());
        for (byte, path, line, column) in [
            (0, "a", 1, 1),
            (2, "a", 2, 1),
            (4, "a", 3, 1),
            (5, "b", 1, 1),
            (7, "b", 1, 2),
            (8, "b", 1, 3),
            (9, "c", 1, 1),
            (10, "d", 1, 1),
            (99, "d", 2, 1),
        ] {
            assert_eq!(files.path(byte), Path::new(path), "byte {byte}");
            assert_eq!(files.position(&page, byte), Position { line, column }, "byte {byte}");
        }
        assert_eq!([0, 5, 9, 10].map(|start| files.end(start)), [4, 8, 9, 11]);
        assert!(files.is_main(4) && !files.is_main(5));
        assert!(files.are_together(5, 8) && !files.are_together(4, 5));
    }
}
