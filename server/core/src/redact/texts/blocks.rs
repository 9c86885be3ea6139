//! Private keys as PEM and PGP write them.

use memchr::memmem;

use super::Add;

pub(super) const PRIVATE_KEY: &str = "private_key";

const BEGIN: &[u8] = b"-----BEGIN ";

/// How long the words between the dashes may be.
const TITLE: usize = 64;

/// Fewer characters are no key, but talk of one.
const LEAST: usize = 32;

/// Tells every private key, be its end missing.
pub(super) fn find(text: &str, add: &mut Add<'_>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(start) = memmem::find(bytes.get(from..).unwrap_or_default(), BEGIN).map(|at| from + at) {
        from = start + BEGIN.len();
        let title = bytes.get(from..).unwrap_or_default();
        let title = title.get(..title.len().min(TITLE)).unwrap_or_default();
        let Some(length) = memmem::find(title, b"-----") else { continue };
        if memmem::find(title.get(..length).unwrap_or_default(), b"PRIVATE KEY").is_none() {
            continue;
        }
        let body_start = from + length + 5;
        let rest = bytes.get(body_start..).unwrap_or_default();
        let body = rest.iter().take_while(|byte| is_body(**byte)).count();
        let body = memmem::find(rest.get(..body).unwrap_or_default(), b"-----END").unwrap_or(body);
        let characters = rest.iter().take(body).filter(|byte| byte.is_ascii_alphanumeric()).count();
        if characters < LEAST {
            continue;
        }
        let end = body_start + body;
        from = end + end_line(bytes.get(end..).unwrap_or_default());
        add(start..from, PRIVATE_KEY);
    }
}

/// What a key is written with, also where its line breaks are escaped and its
/// lines are quoted or headers.
fn is_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=\n\r\t \\:,.-\"'()".contains(&byte)
}

fn end_line(rest: &[u8]) -> usize {
    let Some(title) = rest.strip_prefix(b"-----END") else { return 0 };
    let title = title.get(..title.len().min(TITLE)).unwrap_or_default();
    memmem::find(title, b"-----").map_or(8, |at| 8 + at + 5)
}
