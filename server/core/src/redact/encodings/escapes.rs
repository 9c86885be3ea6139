//! Escapes of single characters, as URLs, JSON, shells, C, HTML and e-mail have
//! them, and what stands between characters without being one.

use super::View;

/// The text without `%61`, `\u0061`, `\u{61}`, `\x61`, `\141`, `\"`, `&#97;`,
/// `&#x61;`, `&amp;` and `'\''`.
pub(in crate::redact) fn unescaped(text: &[u8]) -> Option<View> {
    memchr::memchr3(b'%', b'\\', b'&', text)?;
    let mut view = View::default();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let escape = match byte {
            b'%' => hex(rest.get(1..3)).map(|code| (Decoded::Byte(code), 3)),
            b'\\' => backslash(rest),
            b'&' => entity(rest),
            // A shell's way to write a quote within quotes.
            b'\'' if rest.starts_with(br"'\''") => Some((Decoded::Byte(b'\''), 4)),
            _ => None,
        };
        let (decoded, length) = escape.unwrap_or((Decoded::Byte(*byte), 1));
        match decoded {
            Decoded::Byte(byte) => view.push(byte, at),
            Decoded::Character(character) => view.extend(character, at),
        }
        at += length;
    }
    view.of(text)
}

/// The text without the `=3D` and `=` at line ends of a quoted-printable e-mail.
pub(in crate::redact) fn unquoted(text: &[u8]) -> Option<View> {
    memchr::memchr(b'=', text)?;
    let mut view = View::default();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let code = (*byte == b'=').then(|| hex(rest.get(1..3))).flatten();
        if let Some(code) = code {
            view.push(code, at);
            at += 3;
        } else if rest.starts_with(b"=\r\n") || rest.starts_with(b"=\n") {
            at += 2 + usize::from(rest.starts_with(b"=\r"));
        } else {
            view.push(*byte, at);
            at += 1;
        }
    }
    view.of(text)
}

/// The text without line breaks and what indents the next line, colours of a
/// terminal, and characters that show as nothing.
pub(in crate::redact) fn joined(text: &[u8]) -> Option<View> {
    let is_odd = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0 | 0x1b | 0xc2 | 0xe2 | 0xef);
    text.iter().find(|byte| is_odd(byte))?;
    let mut view = View::default();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let nothing = if is_odd(byte) { nothing(text.get(at..).unwrap_or_default()) } else { 0 };
        if nothing == 0 {
            view.push(*byte, at);
        }
        at += nothing.max(1);
    }
    view.of(text)
}

enum Decoded {
    Byte(u8),
    Character(char),
}

fn backslash(rest: &[u8]) -> Option<(Decoded, usize)> {
    let byte = |byte| Decoded::Byte(byte);
    Some(match rest.get(1)? {
        b'u' if rest.get(2) == Some(&b'{') => {
            let end = rest.iter().take(10).position(|byte| *byte == b'}')?;
            (Decoded::Character(character(number(rest.get(3..end)?, 16)?)?), end + 1)
        }
        b'u' => unicode(rest)?,
        b'x' => (byte(hex(rest.get(2..4))?), 4),
        b'0'..=b'7' => (byte(u8::try_from(number(rest.get(1..4)?, 8)?).ok()?), 4),
        b'n' => (byte(b'\n'), 2),
        b'r' => (byte(b'\r'), 2),
        b't' => (byte(b'\t'), 2),
        letter if letter.is_ascii_alphanumeric() => return None,
        punctuation => (byte(*punctuation), 2),
    })
}

/// `\u0061`, or two of them for a character beyond the first 65,536.
fn unicode(rest: &[u8]) -> Option<(Decoded, usize)> {
    let high = number(rest.get(2..6)?, 16)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((Decoded::Character(character(high)?), 6));
    }
    let low = rest.get(6..12).and_then(|low| low.strip_prefix(b"\\u")).and_then(|low| number(low, 16))?;
    let code = 0x1_0000 + ((high - 0xd800) << 10) + low.checked_sub(0xdc00)?;
    Some((Decoded::Character(character(code)?), 12))
}

fn entity(rest: &[u8]) -> Option<(Decoded, usize)> {
    for (name, character) in
        [("&amp;", b'&'), ("&lt;", b'<'), ("&gt;", b'>'), ("&quot;", b'"'), ("&apos;", b'\'')]
    {
        if rest.starts_with(name.as_bytes()) {
            return Some((Decoded::Byte(character), name.len()));
        }
    }
    let end = rest.iter().take(12).position(|byte| *byte == b';')?;
    let code = rest.get(..end)?.strip_prefix(b"&#")?;
    let code = match code {
        [b'x' | b'X', code @ ..] => number(code, 16),
        code => number(code, 10),
    };
    Some((Decoded::Character(character(code?)?), end + 1))
}

/// How many bytes at the start of `rest` show as nothing.
fn nothing(rest: &[u8]) -> usize {
    match rest {
        [b'\n' | b'\r', after @ ..] => {
            1 + after.iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | b' ' | b'\t')).count()
        }
        [0, ..] => 1,
        [0x1b, b'[', after @ ..] => {
            2 + after.iter().position(|byte| matches!(byte, b'@'..=b'~')).map_or(0, |end| end + 1)
        }
        // Soft hyphen, zero-width characters and joiners, byte order mark.
        [0xc2, 0xad, ..] => 2,
        [0xe2, 0x80, 0x8b..=0x8f, ..] | [0xe2, 0x81, 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

fn character(code: u32) -> Option<char> {
    char::from_u32(code)
}

fn hex(digits: Option<&[u8]>) -> Option<u8> {
    u8::try_from(number(digits?, 16)?).ok()
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0u32, |number, digit| {
        number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })
}
