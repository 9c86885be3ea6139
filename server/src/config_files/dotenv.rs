//! The format of `.env`: `NAME=value`, one a line.
//!
//! A line may begin with `export `; empty lines and lines that begin with `#`
//! do not count. A value is taken as it stands, without the white space around
//! it and a comment that begins with ` #`; or in `'…'`, where nothing has a
//! meaning; or in `"…"`, where `\n`, `\t`, `\"` and `\\` have theirs. Nothing is
//! ever replaced by another variable's value.

use std::collections::{HashMap, hash_map::Entry};

/// A line that breaks the format. Its words never quote a value, nor anything
/// that may be part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {wrong}")]
pub struct InvalidLine {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What may be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// No `=`.
    #[error("there is no `=` in this line; write NAME=value, or `#` before a comment")]
    NoEquals,
    /// No name before the `=`.
    #[error(
        "what stands before `=` is no name of a variable; write NAME=value, with letters, digits and `_` in the name"
    )]
    Name,
    /// A name that an earlier line has.
    #[error("`{name}` is set twice, first in line {first}; keep one of the two")]
    Twice {
        /// The name.
        name: String,
        /// The earlier line.
        first: usize,
    },
    /// A quote that is never closed.
    #[error("the value of `{0}` has no closing quote; a value ends in the line in which it begins")]
    Unclosed(String),
    /// A `\` before something else.
    #[error(
        "the value of `{0}` has a `\\` that is none of `\\n`, `\\t`, `\\\"` and `\\\\`; use '…' to have it taken as it is"
    )]
    Escape(String),
    /// More after the closing quote.
    #[error("the value of `{0}` goes on after its closing quote; put all of it between quotes")]
    AfterQuote(String),
}

/// The variables that a text sets.
pub(super) fn parse(text: &str) -> Result<HashMap<String, String>, InvalidLine> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables: HashMap<String, (usize, String)> = HashMap::new();
    for (line, content) in (1..).zip(text.lines()) {
        let invalid = |wrong| InvalidLine { line, wrong };
        let Some((name, value)) = variable(content).map_err(invalid)? else { continue };
        match variables.entry(name) {
            Entry::Vacant(place) => {
                place.insert((line, value));
            }
            Entry::Occupied(place) => {
                return Err(invalid(Wrong::Twice { name: place.key().clone(), first: place.get().0 }));
            }
        }
    }
    Ok(variables.into_iter().map(|(name, (_, value))| (name, value)).collect())
}

fn variable(line: &str) -> Result<Option<(String, String)>, Wrong> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = line.split_once('=').ok_or(Wrong::NoEquals)?;
    let name = match name.trim().split_once(char::is_whitespace) {
        Some(("export", name)) => name.trim_start(),
        _ => name.trim(),
    };
    if !is_name(name) {
        return Err(Wrong::Name);
    }
    Ok(Some((name.to_owned(), value(name, rest)?)))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn value(name: &str, text: &str) -> Result<String, Wrong> {
    let (value, rest) = if let Some(inner) = text.trim_start().strip_prefix('\'') {
        let (value, rest) = inner.split_once('\'').ok_or_else(|| Wrong::Unclosed(name.to_owned()))?;
        (value.to_owned(), rest)
    } else if let Some(inner) = text.trim_start().strip_prefix('"') {
        escaped(name, inner)?
    } else {
        return Ok(without_comment(text).trim().to_owned());
    };
    if without_comment(rest).trim().is_empty() { Ok(value) } else { Err(Wrong::AfterQuote(name.to_owned())) }
}

/// The text up to the closing `"`, and what follows.
fn escaped<'a>(name: &str, text: &'a str) -> Result<(String, &'a str), Wrong> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' => return Ok((value, rest.as_str())),
            '\\' => value.push(match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(same @ ('"' | '\\')) => same,
                _ => return Err(Wrong::Escape(name.to_owned())),
            }),
            other => value.push(other),
        }
    }
    Err(Wrong::Unclosed(name.to_owned()))
}

/// The text before a `#` that follows white space.
fn without_comment(text: &str) -> &str {
    let mut after_space = false;
    for (at, c) in text.char_indices() {
        if c == '#' && after_space {
            return text.get(..at).unwrap_or(text);
        }
        after_space = c.is_whitespace();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_stands_there() {
        for (text, expected) in [
            ("A=b", "b"),
            ("A=", ""),
            ("  A = b c  ", "b c"),
            ("export A=b", "b"),
            ("export\tA=b", "b"),
            ("\u{feff}A=b", "b"),
            ("A=b\r\n", "b"),
            ("# A=c\n\n \nA=b", "b"),
            ("A=S3cret$9x${B}`ls`\\n", "S3cret$9x${B}`ls`\\n"),
            ("A=b=c==", "b=c=="),
            ("A=b#c", "b#c"),
            ("A=#c", "#c"),
            ("A=b # c", "b"),
            ("A=b\t# c", "b"),
            ("A= # c", ""),
            ("A='b # $c \\n \"'  # d", "b # $c \\n \""),
            ("A=\"b # $c \\n\\t\\\"\\\\ '\" # d", "b # $c \n\t\"\\ '"),
            ("A=''", ""),
            ("A=b'c\"", "b'c\""),
            ("A=zażółć", "zażółć"),
        ] {
            assert_eq!(parse(text).unwrap(), HashMap::from([("A".into(), expected.into())]), "{text}");
        }
    }

    #[test]
    fn names_are_those_of_variables() {
        let text = "a=1\n_B2=2\nexport=3\nexported=4";
        let names = ["a", "_B2", "export", "exported"];
        let expected = names.into_iter().zip(1..).map(|(name, value)| (name.to_owned(), value.to_string()));
        assert_eq!(parse(text).unwrap(), expected.collect());
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_without_a_word_of_the_value() {
        for (text, message) in [
            ("B=1\nhunter2", "2: there is no `=` in this line; write NAME=value, or `#` before a comment"),
            ("A: hunter2", "1: there is no `=` in this line; write NAME=value, or `#` before a comment"),
            (
                "A: hunter2=",
                "1: what stands before `=` is no name of a variable; write NAME=value, with letters, digits and `_` in the name",
            ),
            (
                "export hunter 2=x",
                "1: what stands before `=` is no name of a variable; write NAME=value, with letters, digits and `_` in the name",
            ),
            (
                "=hunter2",
                "1: what stands before `=` is no name of a variable; write NAME=value, with letters, digits and `_` in the name",
            ),
            (
                "A=hunter2\n\nB=1\nexport A=hunter2",
                "4: `A` is set twice, first in line 1; keep one of the two",
            ),
            (
                "A='hunter2\nhunter2'",
                "1: the value of `A` has no closing quote; a value ends in the line in which it begins",
            ),
            (
                "A=\"hunter2\\\"",
                "1: the value of `A` has no closing quote; a value ends in the line in which it begins",
            ),
            (
                "A=\"hunter2\\$\"",
                "1: the value of `A` has a `\\` that is none of `\\n`, `\\t`, `\\\"` and `\\\\`; use '…' to have it taken as it is",
            ),
            (
                "A=\"hunter\"2",
                "1: the value of `A` goes on after its closing quote; put all of it between quotes",
            ),
            (
                "A='hunter'#2",
                "1: the value of `A` goes on after its closing quote; put all of it between quotes",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
