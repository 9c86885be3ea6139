//! A line of the configuration with a caret below, and no secret in it.

use std::ops::Range;

use super::{
    mask::{HIDDEN, Mask},
    page::Page,
};

/// Characters of a line that are shown.
const WIDTH: usize = 100;

/// The line on which `bytes` begins, under the number that it has in its file,
/// as the mask allows to show it, and carets under them. `None` if there is
/// nothing to show.
pub(super) fn snippet(page: &Page<'_>, mask: &Mask, number: usize, bytes: &Range<usize>) -> Option<String> {
    let line = page.line(page.position(bytes.start).line);
    let mut shown = Shown { text: Vec::new(), caret: None, caret_end: 0 };
    for (part, visible) in mask.parts(page.text(), line.clone()) {
        shown.push(part, visible, page, bytes);
    }
    if shown.text.iter().all(|character| character.is_whitespace()) {
        return None;
    }
    let caret = shown.caret.unwrap_or(shown.text.len()).min(shown.text.len());
    let carets = shown.caret_end.saturating_sub(caret).max(1);
    let (text, caret) = crop(shown.text, caret);
    let carets = carets.min(text.chars().count().saturating_sub(caret).max(1));
    let gutter = number.to_string().len();
    Some(format!(
        "{:gutter$} |\n{number} | {}\n{:gutter$} | {}{}",
        "",
        text.trim_end(),
        "",
        " ".repeat(caret),
        "^".repeat(carets)
    ))
}

struct Shown {
    text: Vec<char>,
    caret: Option<usize>,
    caret_end: usize,
}

impl Shown {
    fn push(&mut self, part: Range<usize>, visible: bool, page: &Page<'_>, caret: &Range<usize>) {
        if visible {
            for (at, character) in page.slice(part.clone()).char_indices() {
                self.put(printable(character), part.start + at..part.start + at + 1, caret);
            }
        } else {
            // A run of hidden words is one: not even their number is shown.
            let blank = |character: &&char| character.is_whitespace();
            let ends = self.text.iter().rev().find(|character| !blank(character)).copied();
            if ends == Some(HIDDEN) {
                self.text.truncate(self.text.len() - self.text.iter().rev().take_while(blank).count() - 1);
            }
            self.put(HIDDEN, part, caret);
        }
    }

    fn put(&mut self, character: char, bytes: Range<usize>, caret: &Range<usize>) {
        if self.caret.is_none() && bytes.end > caret.start {
            self.caret = Some(self.text.len());
        }
        self.text.push(character);
        if bytes.start < caret.end {
            self.caret_end = self.text.len();
        }
    }
}

/// A character that moves no cursor.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        _ if character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character) => {
            char::REPLACEMENT_CHARACTER
        }
        _ => character,
    }
}

/// At most [`WIDTH`] characters around the caret.
fn crop(text: Vec<char>, caret: usize) -> (String, usize) {
    if text.len() <= WIDTH {
        return (text.into_iter().collect(), caret);
    }
    let start = caret.saturating_sub(WIDTH / 2).min(text.len() - WIDTH);
    let more = |is: bool| if is { "..." } else { "" };
    let middle: String = text.iter().skip(start).take(WIDTH).collect();
    let (before, after) = (more(start > 0), more(start + WIDTH < text.len()));
    (format!("{before}{middle}{after}"), caret - start + before.len())
}
