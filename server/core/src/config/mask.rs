//! What of a configuration may be shown. Nothing is, unless there is a reason:
//! a value, because the schema knows it and does not mark it as secret; a word
//! of a text that is no YAML, because it is one of the schema's keys.

use std::{collections::BTreeMap, ops::Range};

use super::{
    schema::{KEYS, Known},
    secrets::Reference,
    tree::{Kind, Node},
};

/// Stands for whatever is not shown.
pub(super) const HIDDEN: char = '…';

/// Says of each byte of a text whether it may be shown.
pub(super) struct Mask {
    /// Keys and values by their first byte: the end, and whether they are shown.
    spans: Option<BTreeMap<usize, (usize, bool)>>,
}

/// A part of a line: bytes, and whether they are shown.
pub(super) type Part = (Range<usize>, bool);

impl Mask {
    /// For a text that was read.
    pub(super) fn of(tree: &Node, text: &str) -> Self {
        let mut spans = Spans { text, spans: BTreeMap::new() };
        spans.collect(tree, Known::root(), false);
        Self { spans: Some(spans.spans) }
    }

    /// For a text that could not be read.
    pub(super) fn of_unread() -> Self {
        Self { spans: None }
    }

    /// The parts of a line, in order and without gaps.
    pub(super) fn parts(&self, text: &str, line: Range<usize>) -> Vec<Part> {
        match &self.spans {
            Some(spans) => read_parts(spans, text, line),
            None => unread_parts(text, line),
        }
    }
}

struct Spans<'a> {
    text: &'a str,
    spans: BTreeMap<usize, (usize, bool)>,
}

impl Spans<'_> {
    fn collect(&mut self, node: &Node, known: Option<Known>, secret: bool) {
        let secret = secret || known.is_some_and(Known::is_secret);
        match &node.kind {
            Kind::Map(entries) => {
                for entry in entries {
                    self.add(&entry.key_span.bytes, known.is_some() && !secret);
                    self.collect(&entry.value, known.and_then(|known| known.key(&entry.key)), secret);
                }
            }
            Kind::List(items) => {
                for item in items {
                    self.collect(item, known.and_then(Known::item), secret);
                }
            }
            Kind::Text(text) if secret => {
                self.add(&node.span.bytes, known.is_some() && Reference::names_a_source(text));
            }
            _ => self.add(&node.span.bytes, known.is_some() && !secret),
        }
    }

    fn add(&mut self, bytes: &Range<usize>, shown: bool) {
        let shown = shown && self.text.get(bytes.clone()).is_some_and(|text| !looks_secret(text));
        // INVARIANT: what is hidden at one of its places, through an alias, say,
        // is hidden.
        let (end, shown_so_far) = self.spans.entry(bytes.start).or_insert((bytes.end, shown));
        *end = bytes.end.max(*end);
        *shown_so_far &= shown;
    }
}

fn read_parts(spans: &BTreeMap<usize, (usize, bool)>, text: &str, line: Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = line.start;
    while at < line.end {
        let around = spans.range(..=at).next_back().filter(|(_, (end, _))| *end > at);
        if let Some((_, (end, shown))) = around {
            let end = line.end.min(*end);
            parts.push((at..end, *shown));
            at = end;
            continue;
        }
        let next = spans.range(at + 1..).next().map_or(line.end, |(start, _)| line.end.min(*start));
        between(text, at..next, &mut parts);
        at = next;
    }
    parts
}

/// What stands between keys and values: punctuation, anchors and comments; and
/// what the reader dropped, such as a merged key that another one overrides.
fn between(text: &str, range: Range<usize>, parts: &mut Vec<Part>) {
    let gap = text.get(range.clone()).unwrap_or_default();
    let (gap, comment) = gap.split_at(gap.find('#').unwrap_or(gap.len()));
    let mut at = range.start;
    for word in gap.split_inclusive(is_punctuation) {
        let core = word.trim_end_matches(is_punctuation).len();
        let shown = matches!(word.as_bytes().first(), Some(b'&' | b'*' | b'<' | b'|' | b'>'));
        parts.extend([(at..at + core, shown), (at + core..at + word.len(), true)]);
        at += word.len();
    }
    parts.push((at..at + comment.len(), false));
    parts.retain(|(part, _)| !part.is_empty());
}

/// Words of a line that is no YAML, by the white space between them.
fn unread_parts(text: &str, line: Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = line.start;
    for word in text.get(line).unwrap_or_default().split_inclusive(char::is_whitespace) {
        let inner = word.trim_start_matches(is_punctuation);
        let source = inner.trim_end_matches(|c| c != '}' && is_punctuation(c));
        let is_source = Reference::names_a_source(source);
        let core = if is_source { source } else { inner.trim_end_matches(is_punctuation) };
        let start = at + word.len() - inner.len();
        let end = start + core.len();
        let shown = is_source || KEYS.binary_search(&core).is_ok();
        parts.extend([(at..start, true), (start..end, shown), (end..at + word.len(), true)]);
        at += word.len();
    }
    parts.retain(|(part, _)| !part.is_empty());
    parts
}

fn is_punctuation(character: char) -> bool {
    character.is_whitespace() || "{}[],:-?\"'".contains(character)
}

/// Whether a text looks made by a machine to be secret: long, of mixed letters
/// and digits, without the rhythm of words; or like a URL with a password.
pub(super) fn looks_secret(text: &str) -> bool {
    let password = text.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
    });
    password || text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+=".contains(c))).any(is_opaque)
}

/// The text without what [`looks_secret`] in it.
pub(super) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "`'\"".contains(c)) {
        if looks_secret(word) {
            masked.push(HIDDEN);
            masked.extend(word.chars().next_back().filter(|c| c.is_whitespace() || "`'\"".contains(*c)));
        } else {
            masked.push_str(word);
        }
    }
    masked
}

fn is_opaque(word: &str) -> bool {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    };
    let hexadecimal = word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let classes: Vec<u8> = word.bytes().filter(u8::is_ascii_alphanumeric).map(class).collect();
    let changes = classes.windows(2).filter(|pair| pair.first() != pair.last()).count();
    let rhythm = if classes.contains(&1) && classes.contains(&2) { 45 } else { 30 };
    hexadecimal || (classes.len() >= 20 && classes.contains(&0) && changes * 100 >= classes.len() * rhythm)
}
