//! A text by lines.

use std::{cell::OnceCell, ops::Range};

/// A text that knows its lines. A line ends, as YAML has it, with a line feed,
/// a carriage return, or both.
pub(super) struct Page<'a> {
    text: &'a str,
    /// Found when first needed: most texts have no problems.
    starts: OnceCell<Vec<usize>>,
}

/// Line and column in characters, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, starts: OnceCell::new() }
    }

    fn starts(&self) -> &[usize] {
        self.starts.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let ends = |at: &usize| match bytes.get(*at) {
                Some(b'\n') => true,
                Some(b'\r') => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            [0].into_iter().chain((0..bytes.len()).filter(ends).map(|at| at + 1)).collect()
        })
    }

    /// Where the byte at `offset` is.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = self.floor(offset);
        let line = self.starts().partition_point(|start| *start <= offset);
        let start = self.starts().get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.slice(start..offset).chars().count() + 1;
        Position { line, column }
    }

    /// The byte at a line and column; where there is none, the nearest before.
    pub(super) fn offset(&self, position: Position) -> usize {
        let line = self.line(position.line);
        let within = self.slice(line.clone()).char_indices().nth(position.column.saturating_sub(1));
        within.map_or(line.end, |(at, _)| line.start + at)
    }

    /// The bytes of a line without its end.
    pub(super) fn line(&self, line: usize) -> Range<usize> {
        let Some(start) = self.starts().get(line.saturating_sub(1)).copied() else {
            return self.text.len()..self.text.len();
        };
        let end = self.starts().get(line).copied().unwrap_or(self.text.len());
        let content = self.slice(start..end).trim_end_matches(['\r', '\n']);
        start..start + content.len()
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    fn floor(&self, offset: usize) -> usize {
        (0..=offset.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        let page = Page::new("a\nbé\r\n\rc");
        for (offset, line, column) in
            [(0, 1, 1), (1, 1, 2), (2, 2, 1), (5, 2, 3), (7, 3, 1), (8, 4, 1), (99, 4, 2)]
        {
            assert_eq!(page.position(offset), Position { line, column }, "offset {offset}");
        }
        assert_eq!(page.slice(page.line(2)), "bé");
        assert_eq!(page.slice(page.line(3)), "");
        assert_eq!(page.slice(page.line(9)), "");
    }

    #[test]
    fn an_offset_is_found_by_its_position() {
        let page = Page::new("a\nbé!\r\nc");
        for offset in [0, 1, 2, 3, 5, 6, 8] {
            assert_eq!(page.offset(page.position(offset)), offset);
        }
        assert_eq!(page.offset(Position { line: 9, column: 9 }), 9);
    }
}
