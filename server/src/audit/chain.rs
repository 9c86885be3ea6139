//! The chain: how a record becomes a line that nobody can change unnoticed.
//!
//! A line is a JSON object whose last three keys are `seq`, one more than that of
//! the line before, `prev`, its hash, and `hash`, the SHA-256 of the line's own
//! bytes up to there. What counts are the bytes as they were written; nothing is
//! parsed and written again to be compared.

use std::fmt;

use serde::Serialize;
use server_core::redact::Redactor;
use sha2::{Digest as _, Sha256};

/// Between the bytes that are hashed and their hash.
const HASH: &[u8] = br#","hash":""#;
const PREV: &[u8] = br#","prev":""#;
const SEQ: &[u8] = br#","seq":"#;
const END: &[u8] = b"\"}";

/// How many digits a hash has.
const DIGITS: usize = 64;

/// A SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) [u8; 32]);

impl Hash {
    /// Its 64 hexadecimal digits, in lower case.
    pub(crate) fn digits(self) -> [u8; DIGITS] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair =
                [byte >> 4, byte & 15].map(|nibble| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
        digits
    }

    /// A hash given as [`Self::digits`], and in no other form.
    pub(crate) fn parse(digits: &[u8]) -> Option<Self> {
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        if pairs.len() != hash.len() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.digits()))
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a record says, ready to be put at the end of the chain: all but its last
/// three keys, hashed as far as that goes, so that little is left to do while
/// everybody else waits.
#[derive(Clone)]
pub(crate) struct Body {
    text: Vec<u8>,
    hashed: Sha256,
}

impl Body {
    /// The body of a record, which must become a JSON object with a key.
    pub(crate) fn of(record: &impl Serialize) -> Self {
        Self::new(json(record))
    }

    /// The same, without secrets and personal data: they must go before the record
    /// is hashed, since nothing goes after that.
    pub(crate) fn redacted(record: &impl Serialize, redactor: &Redactor) -> Self {
        let mut text = json(record);
        redactor.line(&mut text);
        Self::new(text)
    }

    fn new(mut text: Vec<u8>) -> Self {
        // Without the brace that closes it.
        text.pop();
        let hashed = Sha256::new_with_prefix(&text);
        Self { text, hashed }
    }

    /// How long the line will be, or a few bytes less.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + 2 * DIGITS + 64
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    // Text and numbers are always JSON.
    serde_json::to_vec(record).unwrap_or_default()
}

/// Where the chain ends: its last record. The first one follows on seq 0 and a
/// hash of zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

impl Head {
    /// Writes the next line to `lines`, and is its record from then on.
    pub(crate) fn extend(&mut self, body: &Body, lines: &mut Vec<u8>) {
        let seq = self.seq + 1;
        lines.extend_from_slice(&body.text);
        let from = lines.len();
        lines.extend_from_slice(SEQ);
        lines.extend_from_slice(seq.to_string().as_bytes());
        lines.extend_from_slice(PREV);
        lines.extend_from_slice(&self.hash.digits());
        lines.push(b'"');
        let mut hashed = body.hashed.clone();
        hashed.update(lines.get(from..).unwrap_or_default());
        let hash = Hash(hashed.finalize().into());
        lines.extend_from_slice(HASH);
        lines.extend_from_slice(&hash.digits());
        lines.extend_from_slice(END);
        lines.push(b'\n');
        *self = Self { seq, hash };
    }

    /// Follows on to a line, given without its line break.
    pub(crate) fn follow(&mut self, line: &[u8]) -> Result<(), Broken> {
        let Link { seq, prev, head } = Link::of(line)?;
        if seq != self.seq + 1 {
            return Err(Broken::Gap { seq, expected: self.seq + 1 });
        }
        if prev != self.hash {
            return Err(Broken::Prev { seq });
        }
        *self = head;
        Ok(())
    }
}

/// What a line says of its place in the chain, once its hash is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    /// The chain's end with this line.
    pub(crate) head: Head,
}

impl Link {
    /// Of a line without its line break.
    pub(crate) fn of(line: &[u8]) -> Result<Self, Broken> {
        let (seq, prev, hash, hashed) = parts(line).ok_or(Broken::Form)?;
        if Hash(Sha256::digest(hashed).into()) != hash {
            return Err(Broken::Hash { seq });
        }
        Ok(Self { seq, prev, head: Head { seq, hash } })
    }
}

/// Why a line is none of the chain, or not at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// It does not end as a record does.
    #[error("it is no record of an audit")]
    Form,
    /// It is not what was written.
    #[error("record {seq} was changed: its hash is that of another text")]
    Hash {
        /// Which, as it says itself.
        seq: u64,
    },
    /// Records are missing before it.
    #[error("record {expected} is missing: record {seq} follows")]
    Gap {
        /// Which one comes.
        seq: u64,
        /// Which one should.
        expected: u64,
    },
    /// The one before it is another one.
    #[error("record {seq} does not follow on the one before it, which was exchanged")]
    Prev {
        /// Which.
        seq: u64,
    },
}

/// A line's `seq`, `prev`, `hash`, and the bytes of which that is the hash.
fn parts(line: &[u8]) -> Option<(u64, Hash, Hash, &[u8])> {
    let (rest, hash) = before(line.strip_suffix(END)?)?;
    let hashed = rest.strip_suffix(HASH)?;
    let (rest, prev) = before(hashed.strip_suffix(b"\"")?)?;
    let rest = rest.strip_suffix(PREV)?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (body, seq) = rest.split_at_checked(rest.len() - digits)?;
    let seq = std::str::from_utf8(seq).ok()?;
    (body.ends_with(SEQ) && !seq.starts_with('0')).then_some(())?;
    Some((seq.parse().ok()?, prev, hash, hashed))
}

/// What stands before the digits of a hash, and the hash.
fn before(text: &[u8]) -> Option<(&[u8], Hash)> {
    let (rest, digits) = text.split_at_checked(text.len().checked_sub(DIGITS)?)?;
    Some((rest, Hash::parse(digits)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lines(count: u64) -> Vec<Vec<u8>> {
        let mut head = Head::default();
        let line = |n| {
            let mut line = Vec::new();
            head.extend(&Body::of(&json!({ "event": "test", "text": format!("no. {n} \"é\"") })), &mut line);
            assert_eq!(line.pop(), Some(b'\n'));
            line
        };
        (1..=count).map(line).collect()
    }

    fn verified(lines: &[Vec<u8>]) -> Result<Head, Broken> {
        let mut head = Head::default();
        lines.iter().try_for_each(|line| head.follow(line)).map(|()| head)
    }

    #[test]
    fn a_line_is_json_that_ends_with_the_hash_of_its_own_bytes() {
        let lines = lines(2);
        let [first, second] =
            [&lines[0], &lines[1]].map(|line| serde_json::from_slice::<Value>(line).unwrap());
        assert_eq!(first["prev"], "0".repeat(64));
        assert_eq!(second["prev"], first["hash"]);
        assert_eq!((first["seq"].as_u64(), second["seq"].as_u64()), (Some(1), Some(2)));
        let hashed = Sha256::digest(&lines[0][..lines[0].len() - 75]);
        assert_eq!(first["hash"], Hash(hashed.into()).to_string());
        assert_eq!(verified(&lines).unwrap().seq, 2);
    }

    #[test]
    fn every_byte_that_is_flipped_in_any_way_is_detected() {
        let lines = lines(3);
        for (at, line) in lines.iter().enumerate() {
            for byte in 0..line.len() {
                for bit in 0..8 {
                    let mut changed = lines.clone();
                    changed[at][byte] ^= 1 << bit;
                    assert!(verified(&changed).is_err(), "line {at}, byte {byte}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn lines_that_are_missing_twice_or_in_another_order_are_named() {
        let all = lines(4);
        let pick = |order: &[usize]| {
            verified(&order.iter().map(|at| all[*at].clone()).collect::<Vec<_>>()).unwrap_err().to_string()
        };
        assert_eq!(pick(&[1]), "record 1 is missing: record 2 follows");
        assert_eq!(pick(&[0, 1, 3]), "record 3 is missing: record 4 follows");
        assert_eq!(pick(&[0, 0]), "record 2 is missing: record 1 follows");
        let other = Body::of(&json!({ "event": "test", "text": "another" }));
        let (mut head, mut forged) = (Head::default(), Vec::new());
        head.extend(&other, &mut forged);
        forged.pop();
        let exchanged = verified(&[forged, all[1].clone()]).unwrap_err().to_string();
        assert_eq!(exchanged, "record 2 does not follow on the one before it, which was exchanged");
    }
}
