//! Numbers of bank accounts and payment cards.

use super::{
    Found, Phrase, Text,
    checksums::{is_iban, is_luhn},
};
use crate::redact::boundary;

/// How long an IBAN of each country is, as SWIFT's registry has it.
const COUNTRIES: &str = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18\
    FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25\
    MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27\
    SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

/// An IBAN: two letters, then digits and letters, maybe in groups of four.
pub(super) fn iban(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let digits = phrase.groups.get(at)?;
    let bytes = text.text.as_bytes();
    let start = digits.start.checked_sub(2)?;
    let length = length_in(bytes.get(start..digits.start)?)?;
    let mut characters = Vec::with_capacity(length);
    let mut end = start;
    while characters.len() < length {
        match bytes.get(end)? {
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => characters.push(*byte),
            b' ' | b'-' if characters.len() % 4 == 0 => {}
            _ => return None,
        }
        end += 1;
    }
    let stands_alone = boundary::begins(bytes, start) && boundary::ends(bytes, end);
    (stands_alone && is_iban(&characters)).then(|| ((start..end, "iban"), after(phrase, end)))
}

fn length_in(country: &[u8]) -> Option<usize> {
    let known = COUNTRIES.as_bytes().chunks_exact(4).find(|known| known.starts_with(country))?;
    std::str::from_utf8(known.get(2..)?).ok()?.parse().ok()
}

/// A Polish account without its `PL`: 26 digits, which are an IBAN with it.
pub(super) fn national(_: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let count = match (phrase.lengths(at), phrase.lengths(at)) {
        (Some([26]), _) => 1,
        (_, Some([2, 4, 4, 4, 4, 4, 4])) if phrase.separated(at, 7, b" -") => 7,
        _ => return None,
    };
    let mut characters = b"PL".to_vec();
    characters.extend(phrase.digits(at, count).iter().map(|digit| digit + b'0'));
    is_iban(&characters).then_some(((phrase.span(at, count)?, "iban"), at + count))
}

/// Beginnings of cards' numbers, with how long those are.
const ISSUERS: [(u32, u32, &[usize]); 12] = [
    (4000, 4999, &[16, 19]),
    (5100, 5599, &[16]),
    (2221, 2720, &[16]),
    (3400, 3499, &[15]),
    (3700, 3799, &[15]),
    (6011, 6011, &[16, 19]),
    (6440, 6599, &[16, 19]),
    (3500, 3599, &[16]),
    (3000, 3059, &[14]),
    (3600, 3699, &[14]),
    (3800, 3899, &[14]),
    (6200, 6299, &[16, 19]),
];

/// Those of which it takes a word to tell them from other numbers.
const RARE: [(u32, u32, &[usize]); 4] = [
    (4000, 4999, &[13]),
    (5000, 5099, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (5600, 6999, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (3095, 3095, &[14]),
];

const CARD_WORDS: [&str; 14] = [
    "card",
    "cards",
    "karta",
    "karty",
    "kartą",
    "visa",
    "mastercard",
    "maestro",
    "amex",
    "pan",
    "credit",
    "debit",
    "payment",
    "cc",
];

/// A payment card.
pub(super) fn card(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let count = groups_of_card(phrase, at)?;
    let digits = phrase.digits(at, count);
    let first = digits.iter().take(4).fold(0, |number, digit| number * 10 + u32::from(*digit));
    let is_of = |issuers: &[(u32, u32, &[usize])]| {
        issuers
            .iter()
            .any(|(from, to, lengths)| (*from..=*to).contains(&first) && lengths.contains(&digits.len()))
    };
    let span = phrase.span(at, count)?;
    let is_card = is_of(&ISSUERS) || (is_of(&RARE) && text.nearby(span.start).says(&CARD_WORDS));
    (is_card && is_luhn(&digits)).then_some(((span, "card"), at + count))
}

/// How many groups would be one card.
fn groups_of_card(phrase: &Phrase<'_>, at: usize) -> Option<usize> {
    let together = |count| phrase.separated(at, count, b" -");
    if phrase.lengths(at) == Some([4, 4, 4, 4, 3]) && together(5) {
        return Some(5);
    }
    if phrase.lengths(at) == Some([4, 4, 4, 4]) && together(4) {
        return Some(4);
    }
    if let Some([4, 6, 4 | 5]) = phrase.lengths(at).filter(|_| together(3)) {
        return Some(3);
    }
    matches!(phrase.lengths(at), Some([12..=19])).then_some(1)
}

/// The first group that begins at `end` or later.
fn after(phrase: &Phrase<'_>, end: usize) -> usize {
    phrase.groups.iter().take_while(|group| group.start < end).count()
}
