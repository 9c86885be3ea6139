//! Telephone numbers.

use super::{Found, Phrase, Text};
use crate::redact::boundary;

const WORDS: [&str; 16] = [
    "tel", "telefon", "phone", "mobile", "cell", "kom", "komórk", "komork", "fax", "faks", "call", "dzwoń",
    "zadzwoń", "whatsapp", "sms", "msisdn",
];

/// Country codes that begin with these two digits have three; all others that
/// begin with neither 1 nor 7 have two.
const OF_THREE: [u8; 16] = [21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69];

/// A number that begins with a group.
pub(super) fn find(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let (start, count) =
        international(phrase, at).or_else(|| american(phrase, at)).or_else(|| polish(text, phrase, at))?;
    let end = extension(phrase, phrase.span(at, count)?.end);
    boundary::ends(phrase.text, end).then_some(((start..end, "phone"), at + count))
}

/// `+48 600 700 800`, `0048600700800`.
fn international(phrase: &Phrase<'_>, at: usize) -> Option<(usize, usize)> {
    let first = phrase.groups.get(at)?;
    let before = phrase.text.get(..first.start)?;
    let has_plus = before.ends_with(b"+");
    let start = first.start - usize::from(has_plus);
    let opens = match before.strip_suffix(b"+").unwrap_or(before) {
        [] => true,
        [.., last] => !boundary::is_word(*last) && !b".+".contains(last),
    };
    // A year with a sign is one of five digits or more, and a date goes on.
    let is_date = matches!(phrase.sizes(at), Some([4..=20, 2, 2])) && phrase.separated(at, 3, b"-");
    if !opens || is_date {
        return None;
    }
    // Of what could be several numbers, the longest that is one.
    (1..=7.min(phrase.groups.len() - at))
        .rev()
        .find(|count| {
            let digits = phrase.digits(at, *count);
            let number = if has_plus { Some(&digits[..]) } else { digits.strip_prefix(&[0, 0]) };
            let written = has_plus || *count > 1 || digits.len() > 11;
            written && number.is_some_and(is_international) && are_close(phrase, at, *count)
        })
        .map(|count| (start, count))
}

fn is_international(digits: &[u8]) -> bool {
    let [first, second, ..] = digits else { return false };
    let national = |code: usize, lengths: std::ops::RangeInclusive<usize>| {
        digits.len().checked_sub(code).is_some_and(|rest| lengths.contains(&rest))
    };
    match (first, second) {
        (0, _) => false,
        (1, npa) => *npa > 1 && national(1, 10..=10),
        (7, _) => national(1, 10..=10),
        (4, 8) => national(2, 9..=9),
        _ if OF_THREE.contains(&(first * 10 + second)) => national(3, 6..=11),
        _ => national(2, 7..=12),
    }
}

/// `(212) 555-0123`, `212.555.0123`, `1-212-555-0123`, `001-212-555-0123`.
fn american(phrase: &Phrase<'_>, at: usize) -> Option<(usize, usize)> {
    let first = phrase.groups.get(at)?;
    let is_prefix = matches!(phrase.text.get(first.clone()), Some(b"1" | b"001"));
    // `1.212.555` is a version.
    let is_prefix = is_prefix && phrase.text.get(first.end) != Some(&b'.');
    let from = at + usize::from(is_prefix);
    let digits = phrase.digits(from, 3);
    let [npa, _, _, exchange, ..] = digits.as_slice() else { return None };
    let before = phrase.text.get(..phrase.groups.get(from)?.start)?;
    let is_bracketed = before.ends_with(b"(") && phrase.text.get(phrase.groups.get(from)?.end) == Some(&b')');
    let written = is_bracketed || phrase.separated(from, 3, b"-.");
    let opens = phrase.begins(first.start);
    (phrase.sizes(from) == Some([3, 3, 4]) && *npa > 1 && *exchange > 1 && written && opens)
        .then(|| (first.start - usize::from(is_bracketed && !is_prefix), from + 3 - at))
}

/// Nine digits, where something says that they are a telephone number.
fn polish(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(usize, usize)> {
    let together = |count| phrase.separated(at, count, b" -");
    let count = if matches!(phrase.lengths(at), Some([9] | [10])) {
        1
    } else if phrase.lengths(at) == Some([3, 3, 3]) && together(3) {
        3
    } else if phrase.lengths(at) == Some([2, 3, 2, 2]) {
        4
    } else {
        return None;
    };
    let start = phrase.span(at, count)?.start;
    let bracket = phrase.text.get(..start)?.ends_with(b"(");
    text.nearby(start).says(&WORDS).then_some((start - usize::from(bracket), count))
}

/// Whether no line of dots or slashes makes them something else.
fn are_close(phrase: &Phrase<'_>, at: usize, count: usize) -> bool {
    let Some(span) = phrase.span(at, count) else { return false };
    !phrase.text.get(span).unwrap_or_default().contains(&b'/')
}

/// Where a number ends with its extension, `x123` or ` ext. 123`.
fn extension(phrase: &Phrase<'_>, end: usize) -> usize {
    let rest = phrase.text.get(end..).unwrap_or_default();
    let mark =
        [&b"x"[..], b" x", b" ext. ", b" ext ", b" wew. "].into_iter().find(|mark| rest.starts_with(mark));
    let Some(mark) = mark else { return end };
    let digits = rest.iter().skip(mark.len()).take(6).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { end } else { end + mark.len() + digits }
}
