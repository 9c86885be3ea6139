//! Values after a name that says that they are secret: `password=…`,
//! `"api_key": "…"`, `--token …`, `Authorization: Bearer …`.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Add, values};
use crate::redact::{MARK, boundary};

pub(in crate::redact) const NAMED_SECRET: &str = "named_secret";
pub(super) const AUTHORIZATION: &str = "authorization";

/// Parts of names that say so; the whole name is looked at where one is.
const STEMS: [&str; 20] = [
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "_key",
    "-key",
    "credential",
    "auth",
    "cookie",
    "haslo",
    "hasło",
    "jwt",
    "otp",
    "signature",
    "accesskey",
    "privatekey",
];

/// Ways to say what kind of secret follows in a header.
const SCHEMES: [&str; 5] = ["bearer ", "basic ", "token ", "apikey ", "digest "];

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let stems = STEMS.iter().chain(&["bearer ", "basic "]);
    AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostFirst).build(stems).ok()
});

/// Tells them.
pub(super) fn find(text: &str, names_secret: &dyn Fn(&str) -> bool, add: &mut Add<'_>) {
    let Some(search) = &*SEARCH else { return };
    let mut done = 0;
    for hit in search.find_iter(text).filter(|hit| hit.end() > hit.start()) {
        if hit.start() < done {
            continue;
        }
        if hit.pattern().as_usize() >= STEMS.len() {
            if let Some(end) = credentials(text, hit.start(), hit.end()) {
                add(hit.end()..end, AUTHORIZATION);
                done = end;
            }
            continue;
        }
        let (start, end) = (hit.start() - before(text, hit.start()), hit.end() + after(text, hit.end()));
        let name = text.get(start..end).unwrap_or_default();
        let Some(value) = value_after(text, start, end) else { continue };
        done = end;
        if names_secret(name) && value.is_secret(text, name) {
            let end = value.end;
            add(value.start..end, NAMED_SECRET);
            done = end;
        }
    }
}

/// Tells values after names of the operator's own, whatever they are.
pub(super) fn find_own(text: &str, own: &[String], add: &mut Add<'_>) {
    if own.is_empty() {
        return;
    }
    let lower = text.to_ascii_lowercase();
    for name in own {
        for (start, found) in lower.match_indices(&name.to_ascii_lowercase()) {
            let end = start + found.len();
            if before(text, start) > 0 || after(text, end) > 0 {
                continue;
            }
            let Some(Value { start, end, .. }) = value_after(text, start, end) else { continue };
            let value = text.get(start..end).unwrap_or_default();
            if !value.is_empty() && !is_reference(value) {
                add(start..end, NAMED_SECRET);
            }
        }
    }
}

/// Whether it says where a secret is, instead of being one.
pub(in crate::redact) fn is_reference(text: &str) -> bool {
    text.starts_with(MARK) || ["${", "$(", "{{", "<", "%("].iter().any(|open| text.starts_with(open))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c)
}

fn before(text: &str, at: usize) -> usize {
    let name = text.get(..at).unwrap_or_default().chars().rev().take(48).take_while(|c| is_name(*c));
    name.map(char::len_utf8).sum()
}

fn after(text: &str, at: usize) -> usize {
    text.get(at..).unwrap_or_default().chars().take(48).take_while(|c| is_name(*c)).map(char::len_utf8).sum()
}

/// A value, without its quotes.
struct Value {
    start: usize,
    end: usize,
    quoted: bool,
    /// How it is separated from its name.
    by: By,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Equals,
    Colon,
    /// `--name value`.
    Space,
}

/// What follows a name as its value.
fn value_after(text: &str, start: usize, end: usize) -> Option<Value> {
    let rest = text.get(end..)?;
    let unquoted = rest.trim_start_matches(['"', '\'', '\\', '`', ']']);
    let spaced = unquoted.trim_start_matches(' ');
    let is_option = text.get(start..end)?.starts_with("--");
    let (by, value) = if let Some(value) = spaced.strip_prefix(":=").or_else(|| spaced.strip_prefix("=>")) {
        (By::Equals, value)
    } else if spaced.starts_with("==") || spaced.starts_with("::") {
        return None;
    } else if let Some(value) = spaced.strip_prefix('=') {
        (By::Equals, value)
    } else if let Some(value) = spaced.strip_prefix(':') {
        (By::Colon, value)
    } else if is_option && spaced.len() < unquoted.len() {
        (By::Space, spaced)
    } else {
        return None;
    };
    let value = value.trim_start_matches(' ');
    let inner = value.trim_start_matches('\\');
    let quote = inner.chars().next().filter(|c| "\"'`".contains(*c));
    let (inner, ends): (_, &dyn Fn(char) -> bool) = match quote {
        Some('"') => (inner.get(1..)?, &|c| c == '"' || c == '\n'),
        Some('\'') => (inner.get(1..)?, &|c| c == '\'' || c == '\n'),
        Some(_) => (inner.get(1..)?, &|c| c == '`' || c == '\n'),
        None => (value, &|c| c.is_whitespace() || "\"'`,;&)}]|".contains(c)),
    };
    let from = text.len() - inner.len();
    let length = inner.find(ends).unwrap_or(inner.len());
    let scheme = scheme(inner);
    let bare = quote.is_none() && scheme > 0;
    let length =
        if bare { scheme + inner.get(scheme..)?.find(ends).unwrap_or(inner.len() - scheme) } else { length };
    let value = inner.get(..length)?.trim_end_matches('\\');
    let start = if value.len() > scheme { from + scheme } else { from };
    Some(Value { start, end: from + value.len(), quoted: quote.is_some(), by })
}

/// How long the word is that says what follows.
fn scheme(value: &str) -> usize {
    let is_it =
        |scheme: &&&str| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    SCHEMES.iter().find(is_it).map_or(0, |scheme| scheme.len())
}

impl Value {
    fn is_secret(&self, text: &str, name: &str) -> bool {
        let value = text.get(self.start..self.end).unwrap_or_default();
        if is_reference(value) || value.contains("[REDACTED:") {
            return false;
        }
        let called = text.get(self.end..).unwrap_or_default().starts_with('(');
        let password = ["pass", "pwd", "has"].iter().any(|stem| name.to_lowercase().contains(stem));
        match (password, self.quoted, self.by) {
            _ if called => false,
            (true, true, _) => values::is_chosen(value),
            (true, false, _) => values::is_chosen(value) && value.len() >= 6,
            (false, _, _) => values::is_opaque(value),
        }
    }
}

/// Where the credentials end that follow `Bearer ` or `Basic `.
fn credentials(text: &str, start: usize, from: usize) -> Option<usize> {
    if !boundary::begins(text.as_bytes(), start) {
        return None;
    }
    let rest = text.get(from..)?;
    let length =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/=".contains(c))).unwrap_or(rest.len());
    let value = rest.get(..length)?;
    (value.len() >= 16 && values::is_opaque(value)).then_some(from + length)
}
