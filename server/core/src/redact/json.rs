//! JSON, in which values are redacted and the rest stays as it is.

use std::{borrow::Cow, ops::Range};

use serde_json::{Map, Value};

use super::{MARK, Redactor};

mod walk;

use walk::{Kind, Token, Tokens};

/// Stands for a value whose field's name says that it is secret.
const NAMED_SECRET: &str = "[REDACTED:named_secret]";

/// Stands for a line that could not be read.
const UNREADABLE: &str = r#"{"level":"ERROR","target":"server","message":"[REDACTED:unreadable_line]"}"#;

/// Fields of the outermost object that the server fills in itself, with times,
/// numbers in a row and digests.
const OWN: [&str; 10] =
    ["timestamp", "ts", "time", "seq", "id", "hash", "prev", "sha256", "config_sha256", "plugin_sha256"];

/// See [`Redactor::value`].
pub(super) fn value(redactor: &Redactor, value: &mut Value) -> bool {
    match value {
        Value::String(text) => string(redactor, text),
        Value::Array(items) => items.iter_mut().fold(false, |any, item| self::value(redactor, item) | any),
        Value::Object(fields) => object(redactor, fields),
        Value::Number(number) => {
            let text = number.to_string();
            let Cow::Owned(redacted) = redactor.text(&text) else { return false };
            *value = Value::String(redacted);
            true
        }
        Value::Null | Value::Bool(_) => false,
    }
}

fn string(redactor: &Redactor, text: &mut String) -> bool {
    let Cow::Owned(redacted) = redactor.text(text) else { return false };
    *text = redacted;
    true
}

fn object(redactor: &Redactor, fields: &mut Map<String, Value>) -> bool {
    let mut any = false;
    let mut renamed = Vec::new();
    for (name, field) in fields.iter_mut() {
        any |= if redactor.rules.names_secret(name) { hide(field) } else { value(redactor, field) };
        if let Cow::Owned(redacted) = redactor.text(name) {
            renamed.push((name.clone(), redacted));
        }
    }
    any |= !renamed.is_empty();
    for (name, mut redacted) in renamed {
        let Some(field) = fields.remove(&name) else { continue };
        while fields.contains_key(&redacted) {
            redacted.push('\'');
        }
        fields.insert(redacted, field);
    }
    any
}

/// Everything that a field under a secret name holds.
fn hide(field: &mut Value) -> bool {
    match field {
        Value::Null | Value::Bool(_) => false,
        Value::String(text) if is_shown(text) => false,
        Value::String(_) | Value::Number(_) => {
            *field = Value::String(NAMED_SECRET.to_owned());
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| hide(item) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| hide(field) | any),
    }
}

/// Whether nothing of it is secret: it is empty, was redacted before, or only says
/// where the secret is.
fn is_shown(text: &str) -> bool {
    text.is_empty()
        || (text.starts_with(MARK) && text.ends_with(']'))
        || (text.starts_with("${") && text.ends_with('}'))
}

/// See [`Redactor::line`].
pub(super) fn line(redactor: &Redactor, line: &mut Vec<u8>) {
    let breaks = line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let text = line.get(..line.len() - breaks).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(text) else {
        return replace(line, UNREADABLE);
    };
    match edits(redactor, text) {
        None => replace(line, UNREADABLE),
        Some(edits) if edits.is_empty() => {}
        Some(edits) => {
            let redacted = edited(text, &edits);
            replace(line, &redacted);
        }
    }
}

/// The line's content, its line break kept.
fn replace(line: &mut Vec<u8>, content: &str) {
    let ends = line.last() == Some(&b'\n');
    line.clear();
    line.extend_from_slice(content.as_bytes());
    line.extend(ends.then_some(b'\n'));
}

type Edit = (Range<usize>, String);

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut edited = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        edited.push_str(text.get(at..range.start).unwrap_or_default());
        edited.push_str(new);
        at = range.end;
    }
    edited.push_str(text.get(at..).unwrap_or_default());
    edited
}

/// What is to be different about a line. `None`: it is no JSON object.
fn edits(redactor: &Redactor, text: &str) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    // The depth at which a field under a secret name was met.
    let mut hidden: Option<usize> = None;
    let mut name: Cow<'_, str> = Cow::Borrowed("");
    for token in Tokens::new(text) {
        let Token { kind, range, depth } = token.ok()?;
        let raw = text.get(range.clone())?;
        if kind == Kind::Name {
            hidden = hidden.filter(|of| *of < depth);
            name = unescaped(raw)?;
            if let Cow::Owned(redacted) = redactor.text(&name) {
                edits.push((range, quoted(&redacted)));
            }
            if hidden.is_none() && redactor.rules.names_secret(&name) {
                hidden = Some(depth);
            }
            continue;
        }
        hidden = hidden.filter(|of| *of <= depth);
        if depth == 1 && is_own(&name, raw) {
            continue;
        }
        let new = match (kind, hidden.is_some()) {
            (Kind::Number, true) => Some(quoted(NAMED_SECRET)),
            (Kind::Number, false) => number(redactor, raw),
            (_, true) => Some(unescaped(raw)?).filter(|text| !is_shown(text)).map(|_| quoted(NAMED_SECRET)),
            (_, false) => match redactor.text(&unescaped(raw)?) {
                Cow::Borrowed(_) => None,
                Cow::Owned(redacted) => Some(quoted(&redacted)),
            },
        };
        edits.extend(new.map(|new| (range, new)));
    }
    Some(edits)
}

/// Numbers of a line are the server's own: sizes, times, counts. Only a secret
/// that it knows is one.
fn number(redactor: &Redactor, raw: &str) -> Option<String> {
    let mut is_known = false;
    redactor.known.find(raw.as_bytes(), &mut |_| is_known = true);
    is_known.then(|| quoted("[REDACTED:known_secret]"))
}

/// Whether a field is one that the server fills in, and looks like it.
fn is_own(name: &str, raw: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_hexdigit() || b"\"TZ:.+-".contains(&byte);
    OWN.contains(&name) && raw.bytes().all(is_plain)
}

/// A string as it was before it became JSON.
fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

/// The same back again. A string is always JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
