//! Digits in groups, as people write long numbers.

use std::ops::Range;

use crate::redact::boundary;

/// More groups than any number has.
const MAX_GROUPS: usize = 24;

/// No number by itself has fewer digits.
const LEAST: usize = 9;

/// Groups of digits, with little between them.
pub(super) struct Phrase<'t> {
    pub(super) text: &'t [u8],
    pub(super) groups: Vec<Range<usize>>,
}

/// Tells every phrase of a text that has nine digits or more, or follows letters of
/// a country or a series.
pub(super) fn phrases(text: &[u8], tell: &mut dyn FnMut(&Phrase<'_>)) {
    let mut phrase = Phrase { text, groups: Vec::new() };
    let mut at = 0;
    while let Some(first) = text.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        phrase.groups.clear();
        at += first;
        let mut digits = 0;
        loop {
            let end = at + run(text, at);
            digits += end - at;
            phrase.groups.push(at..end);
            at = end;
            let next = end + separators(text, end);
            if next == end
                || phrase.groups.len() == MAX_GROUPS
                || !text.get(next).is_some_and(u8::is_ascii_digit)
            {
                break;
            }
            at = next;
        }
        if digits >= LEAST || phrase.follows_letters() {
            tell(&phrase);
        }
    }
}

fn run(text: &[u8], at: usize) -> usize {
    text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// How many bytes between two groups keep them together.
fn separators(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    match rest {
        [b')', b' ' | b'-', b'(', ..] => 3,
        [b' ', b'(', ..] | [b')', b' ' | b'-', ..] | [0xc2, 0xa0, ..] => 2,
        [b' ' | b'-' | b'.' | b'/' | b'(' | b')', ..] => 1,
        _ => 0,
    }
}

impl Phrase<'_> {
    fn follows_letters(&self) -> bool {
        let first = self.groups.first().map_or(0, |group| group.start);
        let before = self.text.get(..first).unwrap_or_default();
        let before = before.strip_suffix(b" ").unwrap_or(before);
        matches!(before, [.., a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase())
    }

    /// The lengths of `count` groups from one on. `None`: there are not so many, or
    /// they are part of a word or a fraction.
    pub(super) fn lengths<const N: usize>(&self, at: usize) -> Option<[usize; N]> {
        let span = self.span(at, N)?;
        self.sizes(at).filter(|_| self.begins(span.start) && self.ends(span.end))
    }

    /// The same, wherever they stand.
    pub(super) fn sizes<const N: usize>(&self, at: usize) -> Option<[usize; N]> {
        let mut sizes = [0; N];
        for (size, group) in sizes.iter_mut().zip(self.groups.get(at..at + N)?) {
            *size = group.len();
        }
        Some(sizes)
    }

    /// The bytes from a group to the last of `count`.
    pub(super) fn span(&self, at: usize, count: usize) -> Option<Range<usize>> {
        let last = self.groups.get(at + count.checked_sub(1)?)?;
        Some(self.groups.get(at)?.start..last.end)
    }

    /// The digits of `count` groups.
    pub(super) fn digits(&self, at: usize, count: usize) -> Vec<u8> {
        let groups = self.groups.get(at..at + count).unwrap_or_default();
        let bytes = groups.iter().flat_map(|group| self.text.get(group.clone()).unwrap_or_default());
        bytes.map(|byte| byte - b'0').collect()
    }

    /// Whether the same separator, one of these, stands between all of them.
    pub(super) fn separated(&self, at: usize, count: usize, by: &[u8]) -> bool {
        let groups = self.groups.get(at..at + count).unwrap_or_default();
        let mut between = groups.windows(2).map(|pair| match pair {
            [a, b] => self.text.get(a.end..b.start).unwrap_or_default(),
            _ => &[],
        });
        let Some(first) = between.next() else { return true };
        matches!(first, [one] if by.contains(one)) && between.all(|other| other == first)
    }

    /// Whether a number can begin there: it is neither the end of a word nor what
    /// follows a decimal point.
    pub(super) fn begins(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        let is_fraction = matches!(before, [.., digit, b'.' | b'/'] if digit.is_ascii_digit());
        boundary::begins(self.text, at) && !is_fraction
    }

    /// Whether it can end there.
    pub(super) fn ends(&self, at: usize) -> bool {
        let after = self.text.get(at..).unwrap_or_default();
        let goes_on = matches!(after, [b'.' | b'/' | b':', digit, ..] if digit.is_ascii_digit());
        boundary::ends(self.text, at) && !goes_on
    }
}
