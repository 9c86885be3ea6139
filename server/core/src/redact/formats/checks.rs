//! What tells a token from a text that only looks like one.

use serde_json::Value;

/// Words that stand in examples.
const MADE_UP: [&str; 12] = [
    "example",
    "xxxxx",
    "aaaaa",
    "00000000",
    "11111111",
    "12345678901234",
    "abcdefgh",
    "placeholder",
    "your_",
    "your-",
    "redacted",
    "sample",
];

/// Bits of Shannon's entropy in each character of a text.
pub(in crate::redact) fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX).max(1));
    let share = |count: &u32| f64::from(*count) / length;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

/// Whether it was not obviously made up by a person.
pub(in crate::redact) fn is_random(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    !MADE_UP.iter().any(|word| lower.contains(word)) && entropy(token) >= 2.5
}

/// GitHub's and npm's: the last six of the 36 characters are a CRC-32 of the others.
pub(super) fn has_crc(token: &str) -> bool {
    let digits = token.split_once('_').map_or("", |(_, digits)| digits);
    let Some((random, sum)) = digits.split_at_checked(30) else { return false };
    base62(crc32(random.as_bytes())) == sum.as_bytes()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn base62(mut number: u32) -> [u8; 6] {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; 6];
    for digit in text.iter_mut().rev() {
        *digit = digits.get(number as usize % 62).copied().unwrap_or_default();
        number /= 62;
    }
    text
}

/// Whether a JSON Web Token's first part is the header of one.
pub(super) fn is_jwt(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header: Option<Value> = serde_json::from_slice(&base64url(header)).ok();
    header.is_some_and(|header| header.get("alg").is_some() || header.get("enc").is_some())
}

fn base64url(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    crate::redact::encodings::base64(text.as_bytes(), &mut bytes);
    bytes
}

/// Whether there are digits and letters in it, as in all that is drawn by lot.
pub(super) fn is_mixed(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    digits > 0 && digits < token.len() && is_random(token)
}
