//! Where a token may begin and end: not in the middle of a word.

/// Whether a token can begin at a byte. What is before it may be an escape, which
/// ends in a letter and is no part of a word.
pub(super) fn begins(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    match before {
        [] => true,
        [.., last] if !is_word(*last) => true,
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., b'u', a, b, c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            before.get(before.len().saturating_sub(6)) == Some(&b'\\')
        }
        [.., last] => last.is_ascii_alphabetic() && is_colour(before),
    }
}

/// Whether a token can end before a byte.
pub(super) fn ends(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|next| !is_word(*next))
}

/// Whether a byte is part of a word; of other alphabets too.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether it ends with a terminal's order such as `ESC[31m`, be the `ESC` escaped.
fn is_colour(before: &[u8]) -> bool {
    let is_parameter = |byte: &&u8| byte.is_ascii_digit() || **byte == b';';
    let parameters = before.iter().rev().skip(1).take_while(is_parameter).count();
    let order = before.get(..before.len() - 1 - parameters).unwrap_or_default();
    matches!(order, [.., 0x1b, b'['] | [.., b'\\', b'e', b'['])
        || [r"\u{1b}[", r"\x1b[", r"\x1B[", r"\u001b[", r"\033["]
            .iter()
            .any(|escape| order.ends_with(escape.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_begins_where_no_word_goes_on() {
        for (before, expected) in [
            ("", true),
            (" ", true),
            ("=", true),
            ("\"", true),
            ("x", false),
            ("_", false),
            ("9", false),
            ("ż", false),
            ("\\n", true),
            ("\\t", true),
            ("n", false),
            ("%3D", true),
            ("%20", true),
            ("\\u0022", true),
            ("u0022", false),
            ("\u{1b}[31m", true),
            ("\u{1b}[1;31m", true),
            ("\\u{1b}[0m", true),
            ("\\x1b[0m", true),
            ("[0m", false),
            ("item", false),
        ] {
            assert_eq!(begins(format!("{before}x").as_bytes(), before.len()), expected, "{before:?}");
        }
    }
}
