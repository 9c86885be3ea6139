//! Whether a value is a secret, or a word of a program or of a manual.

use crate::redact::formats::{entropy, is_random};

/// Whether it was drawn by lot, as far as that shows.
pub(super) fn is_opaque(value: &str) -> bool {
    is_mixed(value) && value.len() >= 8 && entropy(value) >= 2.75 && is_random(value)
}

/// Whether a person could have chosen it as a password: no plain word.
pub(super) fn is_chosen(value: &str) -> bool {
    let odd = value.bytes().filter(|byte| !byte.is_ascii_alphabetic() && !b"_-. ".contains(byte)).count();
    value.len() >= 6 && odd > 0 && is_random(&format!("{value}{value}")) && !is_code(value)
}

/// Letters and digits, and not only as in `sha256` or `utf8_name`.
fn is_mixed(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    digits >= 2 && letters >= 2 && !is_code(value) && !value.split(['_', '.', '-', '/', ':']).all(is_word)
}

/// Whether it is letters, maybe numbered.
fn is_word(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is something that a programmer writes: a call, a path, a template,
/// or that something was left out.
fn is_code(value: &str) -> bool {
    ["::", "->", "${", "{{", "://", "…", "..."].iter().any(|mark| value.contains(mark))
        || value.starts_with(['<', '$', '%', '*', '&', '/', '.', '@', '#'])
        || value.contains(['(', ')', '<', '>', '[', ']', '{', '}', '|'])
}
