//! What of a configuration may be shown. Nothing is, unless there is a reason:
//! a value, because the schema knows it and does not mark it as secret; a word
//! of a text that is no YAML, because it is one of the schema's keys.

use std::{collections::BTreeMap, ops::Range};

use super::{
    schema::{KEYS, Known},
    secrets::Reference,
    tree::{Entry, Kind, Node},
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
    /// For a text that was read, whose keys and values are in these trees.
    pub(super) fn of<'a>(trees: impl IntoIterator<Item = &'a Node>, text: &str) -> Self {
        let mut spans = Spans { text, spans: BTreeMap::new() };
        for tree in trees {
            spans.collect(tree, Known::root(), false);
        }
        Self { spans: Some(spans.spans) }
    }

    /// For a text that could not be read.
    pub(super) fn of_unread() -> Self {
        Self { spans: None }
    }

    /// Whether the key or value that begins at a byte may be shown.
    pub(super) fn shows(&self, start: usize) -> bool {
        self.spans.as_ref().and_then(|spans| spans.get(&start)).is_some_and(|(_, shown)| *shown)
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
                for entry in entries.iter() {
                    let is_key = known.is_some_and(|known| known.has(&entry.key) || self.is_key(entry));
                    self.add(&entry.key_span.bytes, is_key && !secret);
                    // A key of the schema's is as secret as the schema says.
                    let known_key = known.is_some_and(|known| known.has(&entry.key));
                    let secret = secret || (!known_key && names_secret(&entry.key));
                    self.collect(&entry.value, known.and_then(|known| known.key(&entry.key)), secret);
                }
            }
            Kind::List(items) => {
                for item in items {
                    self.collect(item, known.and_then(Known::item), secret);
                }
            }
            Kind::Text(text) if secret => {
                self.add(
                    &node.span.bytes,
                    known.is_some_and(Known::is_scalar) && Reference::names_a_source(text),
                );
            }
            _ => self.add(&node.span.bytes, known.is_some_and(Known::is_scalar) && !secret),
        }
    }

    /// Whether a key is one word with a `:` after it. If not, it may be what comes
    /// after a comma in a secret without quotes, or a `token:` without a space.
    fn is_key(&self, entry: &Entry) -> bool {
        let rest = self.text.get(entry.key_span.bytes.end..).unwrap_or_default();
        let word = !entry.key.contains(|c: char| c.is_whitespace() || ":,*\"'".contains(c));
        word && rest.trim_start().starts_with(':')
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

/// What stands between keys and values: punctuation and block headers; names of
/// anchors and comments, which anything may be in; and what the reader dropped,
/// such as a merged key that another one overrides.
fn between(text: &str, range: Range<usize>, parts: &mut Vec<Part>) {
    let gap = text.get(range.clone()).unwrap_or_default();
    let (gap, comment) = gap.split_at(gap.find('#').unwrap_or(gap.len()));
    let mut at = range.start;
    // A line may be long, so what is empty never gets in.
    let mut push = |part: Range<usize>, shown| parts.extend((!part.is_empty()).then_some((part, shown)));
    for word in gap.split_inclusive(is_punctuation) {
        let core = word.trim_end_matches(is_punctuation);
        let end = at + core.len();
        push(at..end, ["<<", "|", ">"].contains(&core));
        push(end..at + word.len(), true);
        at += word.len();
    }
    push(at..at + comment.len(), false);
}

/// Words of a line that is no YAML, by the white space between them.
fn unread_parts(text: &str, line: Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = line.start;
    let (code, comment) = {
        let line = text.get(line).unwrap_or_default();
        line.split_at(line.find('#').unwrap_or(line.len()))
    };
    for word in code.split_inclusive(char::is_whitespace) {
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
    parts.push((at..at + comment.len(), false));
    parts.retain(|(part, _)| !part.is_empty());
    parts
}

fn is_punctuation(character: char) -> bool {
    character.is_whitespace() || "{}[],:-?\"'".contains(character)
}

/// Names of what is secret, in lower case.
const SECRET_NAMES: [&str; 8] =
    ["token", "secret", "password", "passwd", "api_key", "apikey", "authorization", "bearer"];

/// Whether a key says that its value is secret, in whatever mapping it is.
fn names_secret(key: &str) -> bool {
    SECRET_NAMES.contains(&key.to_lowercase().trim_end_matches('s'))
}

/// Whether a text that somebody wrote may be a secret, or hold one: because it
/// names it, as in `token:…` without a space, or because it looks like one.
fn looks_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let names = SECRET_NAMES.iter().flat_map(|name| lower.split(name).skip(1));
    let named = |rest: &str| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-'\"".contains(c));
        rest.starts_with(|c: char| c.is_whitespace() || ":=".contains(c)) && rest.len() > 1
    };
    names.into_iter().any(named) || is_made_up(text)
}

/// Whether a text looks made by a machine to be secret: long, of mixed letters
/// and digits, without the rhythm of words; or like a URL with a password.
fn is_made_up(text: &str) -> bool {
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+=".contains(c)));
    has_password(text) || words.any(is_opaque)
}

/// Whether there is a user before an `@`, or after `//` a `:` without a port.
fn has_password(text: &str) -> bool {
    let user = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    let authority = text.split_once("//").and_then(|(_, rest)| rest.split(['/', '?', '#', '"', '\'']).next());
    let port = authority.and_then(|authority| authority.rsplit_once(':')).map(|(_, port)| port);
    user || port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit() || b"]*".contains(&byte)))
}

/// A value as a message may quote it.
pub(crate) fn quoted(text: &str) -> String {
    if looks_secret(text) { format!("`{HIDDEN}`") } else { format!("`{text}`") }
}

/// The text without the words that look made by a machine to be secret.
pub(super) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "`'\"".contains(c)) {
        if is_made_up(word) {
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
