//! Base64, base64url, base32 and hexadecimal, found in the middle of a text.

use std::ops::Range;

use super::Mapped;

/// One of the encodings that write so many bits with each character.
struct Alphabet {
    bits: u32,
    /// Characters after which a run's bytes begin anew.
    phases: usize,
    value: fn(u8) -> Option<u32>,
}

const ALPHABETS: [Alphabet; 3] = [
    Alphabet { bits: 6, phases: 4, value: base64 },
    Alphabet { bits: 4, phases: 2, value: hexadecimal },
    Alphabet { bits: 5, phases: 8, value: base32 },
];

/// A part of a text, decoded as if its bytes began at one of its characters.
pub(in crate::redact) struct Run<'b> {
    bytes: &'b [u8],
    bits: usize,
    /// Its first character.
    start: usize,
}

/// Tells every part of `text` that could be an encoding of `shortest` bytes or
/// more, decoded from each character at which the encoding could begin.
pub(in crate::redact) fn runs(text: &[u8], shortest: usize, tell: &mut dyn FnMut(&Run<'_>)) {
    let mut scratch = Vec::new();
    for Alphabet { bits, phases, value } in &ALPHABETS {
        let least = (shortest * 8).div_ceil(*bits as usize);
        let mut start = 0;
        // Every `least` characters, one of a run that is long enough is met.
        while let Some(probe) = text.get(start + least - 1) {
            if value(*probe).is_none() {
                start += least;
                continue;
            }
            let probe = start + least - 1;
            let is_in = |byte: &&u8| value(**byte).is_some();
            let before = text.get(start..probe).unwrap_or_default().iter().rev().take_while(is_in).count();
            let after = text.get(probe..).unwrap_or_default().iter().take_while(is_in).count();
            let (first, end) = (probe - before, probe + after);
            if end - first >= least {
                let characters = text.get(first..end).unwrap_or_default();
                for phase in 0..*phases {
                    decode(characters.get(phase..).unwrap_or_default(), *bits, *value, &mut scratch);
                    tell(&Run { bytes: &scratch, bits: *bits as usize, start: first + phase });
                }
            }
            start = end;
        }
    }
}

fn decode(characters: &[u8], bits: u32, value: fn(u8) -> Option<u32>, bytes: &mut Vec<u8>) {
    bytes.clear();
    let (mut held, mut count) = (0u32, 0);
    for character in characters {
        held = (held << bits) | value(*character).unwrap_or_default();
        count += bits;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((held >> count) & 0xff).unwrap_or_default());
        }
    }
}

impl Run<'_> {
    /// Whether all of it could be read, so that there may be more to decode.
    pub(in crate::redact) fn is_text(&self) -> bool {
        let readable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t' | 0x80..);
        self.bytes.iter().all(readable)
    }
}

impl Mapped for Run<'_> {
    fn bytes(&self) -> &[u8] {
        self.bytes
    }

    fn source(&self, decoded: Range<usize>) -> Range<usize> {
        let first = decoded.start * 8 / self.bits;
        self.start + first..self.start + (decoded.end * 8).div_ceil(self.bits)
    }
}

fn base64(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

fn hexadecimal(character: u8) -> Option<u32> {
    char::from(character).to_digit(16)
}

fn base32(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a',
        b'2'..=b'7' => character - b'2' + 26,
        _ => return None,
    };
    Some(value.into())
}
