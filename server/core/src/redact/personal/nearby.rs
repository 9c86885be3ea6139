//! Words that say what a number is.

/// How far before a number.
const REACH: usize = 48;

/// What stands shortly before a number, or names its field, in lower case.
pub(super) struct Nearby<'t> {
    label: &'t str,
    before: &'t [u8],
}

impl<'t> Nearby<'t> {
    pub(super) fn new(label: &'t str, text: &'t str, at: usize) -> Self {
        let before = text.as_bytes().get(at.saturating_sub(REACH)..at).unwrap_or_default();
        // What is said of another line's number does not count.
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        Self { label, before: line }
    }

    /// Whether one of these words is there; whole ones, if they are short.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        [self.label.as_bytes(), self.before].into_iter().any(|text| {
            let text = text.to_ascii_lowercase();
            words.iter().any(|word| has(&text, word.as_bytes()))
        })
    }
}

fn has(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find_iter(text, word).any(|at| {
        let is_letter =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
        let (before, after) = (at.checked_sub(1).and_then(|at| text.get(at)), text.get(at + word.len()));
        !is_letter(before) && (word.len() > 4 || !is_letter(after))
    })
}
