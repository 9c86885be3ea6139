//! Numbers that states give to people and businesses.

use super::{
    Found, Phrase, Text,
    checksums::{is_identity_card, is_nip, is_pesel, is_regon},
};
use crate::redact::boundary;

const NIP_WORDS: [&str; 6] = ["nip", "vat", "vatin", "tax", "podatnik", "podatkow"];
const REGON_WORDS: [&str; 1] = ["regon"];
const PESEL_WORDS: [&str; 1] = ["pesel"];
const CARD_WORDS: [&str; 8] =
    ["dowód", "dowod", "dowodu", "dow. os", "id card", "identity card", "seria", "id_card"];
const SSN_WORDS: [&str; 3] = ["ssn", "social security", "social_security"];

/// One of them that begins with a group.
pub(super) fn find(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let one = |rule| Some(((phrase.span(at, 1)?, rule), at + 1));
    identity_card(text, phrase, at)
        .or_else(|| vat_number(phrase, at))
        .or_else(|| match phrase.lengths(at)? {
            [11] if is_pesel(&phrase.digits(at, 1)) => one("pesel"),
            [10] if is_nip(&phrase.digits(at, 1)) && says(text, phrase, at, &NIP_WORDS) => one("nip"),
            [9 | 14] if is_regon(&phrase.digits(at, 1)) && says(text, phrase, at, &REGON_WORDS) => {
                one("regon")
            }
            [9] if says(text, phrase, at, &SSN_WORDS) => one("us_ssn"),
            _ => None,
        })
        .or_else(|| in_groups(text, phrase, at))
}

fn in_groups(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    if let Some([6, 5]) = phrase.lengths(at)
        && says(text, phrase, at, &PESEL_WORDS)
        && is_pesel(&phrase.digits(at, 2))
    {
        return Some(((phrase.span(at, 2)?, "pesel"), at + 2));
    }
    if let Some([3, 2, 4]) = phrase.lengths(at)
        && (phrase.separated(at, 3, b"-")
            || (phrase.separated(at, 3, b" ") && says(text, phrase, at, &SSN_WORDS)))
        && is_ssn(&phrase.digits(at, 3))
    {
        return Some(((phrase.span(at, 3)?, "us_ssn"), at + 3));
    }
    let written = matches!(phrase.lengths(at), Some([3, 3, 2, 2] | [3, 2, 2, 3]));
    let separated = phrase.separated(at, 4, b"-")
        || (phrase.separated(at, 4, b" ") && says(text, phrase, at, &NIP_WORDS));
    (written && separated && is_nip(&phrase.digits(at, 4))).then_some(((phrase.span(at, 4)?, "nip"), at + 4))
}

/// `PL` and a NIP, as abroad.
fn vat_number(phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let group = phrase.groups.get(at)?;
    let before = phrase.text.get(..group.start)?;
    let prefix = [&b"PL"[..], b"PL ", b"PL-"].into_iter().find(|prefix| before.ends_with(prefix))?;
    let count = match (phrase.sizes(at), phrase.sizes(at)) {
        (_, Some([3, 3, 2, 2] | [3, 2, 2, 3])) if phrase.separated(at, 4, b"- ") => 4,
        (Some([10]), _) => 1,
        _ => return None,
    };
    let span = phrase.span(at, count)?;
    let stands_alone = boundary::begins(phrase.text, span.start - prefix.len()) && phrase.ends(span.end);
    (stands_alone && is_nip(&phrase.digits(at, count))).then_some(((span, "nip"), at + count))
}

/// Three letters and six digits, where something says that it is a card's number:
/// of all such numbers, one in ten would be.
fn identity_card(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let group = phrase.groups.get(at).filter(|group| group.len() == 6)?;
    let before = phrase.text.get(..group.start)?;
    let space = usize::from(before.ends_with(b" "));
    let start = group.start.checked_sub(3 + space)?;
    let letters = phrase.text.get(start..start + 3)?;
    let is_one = letters.iter().all(u8::is_ascii_uppercase)
        && boundary::begins(phrase.text, start)
        && phrase.ends(group.end)
        && is_identity_card(letters, &phrase.digits(at, 1))
        && text.nearby(start).says(&CARD_WORDS);
    is_one.then(|| ((start..group.end, "polish_id_card"), at + 1))
}

/// Whether it was or could be given out: no area is 000, 666 or 900 and above.
fn is_ssn(digits: &[u8]) -> bool {
    let [a, b, c, group @ .., w, x, y, z] = digits else { return false };
    let area = u32::from(*a) * 100 + u32::from(*b) * 10 + u32::from(*c);
    let zero = |digits: &[u8]| digits.iter().all(|digit| *digit == 0);
    area != 0 && area != 666 && area < 900 && !zero(group) && !zero(&[*w, *x, *y, *z])
}

fn says(text: Text<'_>, phrase: &Phrase<'_>, at: usize, words: &[&str]) -> bool {
    phrase.groups.get(at).is_some_and(|group| text.nearby(group.start).says(words))
}
