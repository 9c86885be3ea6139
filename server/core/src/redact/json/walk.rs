//! The strings and numbers of a JSON text, one after the other.

use std::ops::Range;

/// Deeper than anything the server writes.
const MAX_DEPTH: usize = 128;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The name of a field.
    Name,
    /// A string that is a value.
    Text,
    Number,
}

/// A string, with its quotes, or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    /// In how many objects and lists it is.
    pub(super) depth: usize,
}

/// The text is no JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Walks over a text. It sees as much of JSON's grammar as it takes to know where
/// strings are: what writes the lines is a JSON library.
pub(super) struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    ended: bool,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text: text.as_bytes(), at: 0, depth: 0, ended: false }
    }

    fn step(&mut self) -> Result<Option<Token>, Malformed> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'{' | b'['
                    if self.depth < MAX_DEPTH && (self.depth > 0 || (self.at == 0 && *byte == b'{')) =>
                {
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                b'"' if self.depth > 0 => return self.string().map(Some),
                b'-' | b'0'..=b'9' if self.depth > 0 => return Ok(Some(self.number())),
                b',' | b':' | b' ' | b'a'..=b'z' if self.depth > 0 => {}
                _ => return Err(Malformed),
            }
            self.at += 1;
        }
        if self.depth == 0 && self.at > 0 { Ok(None) } else { Err(Malformed) }
    }

    fn string(&mut self) -> Result<Token, Malformed> {
        let start = self.at;
        let mut end = start + 1;
        loop {
            let rest = self.text.get(end..).unwrap_or_default();
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
            end += found + 1;
            if rest.get(found) == Some(&b'"') {
                break;
            }
            end += 1;
        }
        self.at = end;
        let kind = if self.text.get(end) == Some(&b':') { Kind::Name } else { Kind::Text };
        Ok(Token { kind, range: start..end, depth: self.depth })
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        self.at = start + rest.iter().take_while(is_part).count();
        Token { kind: Kind::Number, range: start..self.at, depth: self.depth }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
