//! The arithmetic by which numbers show that they were not mistyped. Digits are
//! numbers from 0 to 9, not characters.

/// A PESEL: a date of birth whose month says the century, a serial number, a check
/// digit.
pub(super) fn is_pesel(digits: &[u8]) -> bool {
    let [y1, y2, m1, m2, d1, d2, _, _, _, _, check] = digits else { return false };
    let (year, month, day) = (y1 * 10 + y2, m1 * 10 + m2, d1 * 10 + d2);
    let century = [19i16, 20, 21, 22, 18].get(usize::from(month / 20)).copied().unwrap_or_default();
    let year = century * 100 + i16::from(year);
    let date =
        jiff::civil::Date::new(year, i8::try_from(month % 20).unwrap_or(0), i8::try_from(day).unwrap_or(0));
    date.is_ok() && (10 - weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10 == u32::from(*check)
}

/// A NIP, the number of a tax payer.
pub(super) fn is_nip(digits: &[u8]) -> bool {
    let [first, .., check] = digits else { return false };
    let sum = weighted(digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11;
    digits.len() == 10 && *first != 0 && sum == u32::from(*check) && !is_repeated(digits)
}

/// A REGON, the number of a business, or the longer one of one of its places.
pub(super) fn is_regon(digits: &[u8]) -> bool {
    let holds = |digits: &[u8], weights: &[u32]| {
        digits
            .get(weights.len())
            .is_some_and(|check| weighted(digits, weights) % 11 % 10 == u32::from(*check))
    };
    let short = holds(digits, &[8, 9, 2, 3, 4, 5, 6, 7]);
    let long = || holds(digits, &[2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8]);
    !is_repeated(digits)
        && match digits.len() {
            9 => short,
            14 => short && long(),
            _ => false,
        }
}

/// A Polish identity card: three letters, a check digit, five digits.
pub(super) fn is_identity_card(letters: &[u8], digits: &[u8]) -> bool {
    let ([_, _, _], [check, rest @ ..]) = (letters, digits) else { return false };
    let letters: Vec<u8> = letters.iter().map(|letter| letter - b'A' + 10).collect();
    let sum = weighted(&letters, &[7, 3, 1]) + weighted(rest, &[7, 3, 1, 7, 3]);
    rest.len() == 5 && sum % 10 == u32::from(*check)
}

/// Luhn's, of payment cards.
pub(super) fn is_luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10) && !is_repeated(digits)
}

/// ISO 7064 as IBANs have it: country and check digits at the end, letters as two
/// digits, and the whole leaves 1.
pub(super) fn is_iban(characters: &[u8]) -> bool {
    let Some((country, account)) = characters.split_at_checked(4) else { return false };
    let value = |character: &u8| char::from(*character).to_digit(36).unwrap_or_default();
    let all = account.iter().chain(country).map(value);
    all.fold(0, |rest, value| (rest * if value > 9 { 100 } else { 10 } + value) % 97) == 1
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// One digit again and again: nobody has that number.
fn is_repeated(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| pair.first() == pair.last())
}
