//! Values that the server knows to be secret, and where a text has them: as they
//! are, in an encoding, or cut off at one of its ends.
//!
//! Ten thousand agents have as many tokens, and a token has dozens of encodings.
//! So not the secrets are encoded, which would take a search automaton of
//! gigabytes and seconds: the text is decoded, and looked through for the eight
//! bytes in which each secret ends.

use std::{collections::BTreeSet, ops::Range};

use url::Url;

use super::{
    encodings::{self, Mapped},
    windows::{WINDOW, Windows},
};
use crate::secret::Secret;

/// A shorter one is a word that stands in many a text.
pub const MIN_BYTES: usize = 8;

/// Of a secret that is cut off at the end of a text, this much is no accident.
const FRAGMENT: usize = 16;

/// Of a secret of several lines or parts, those that are secrets themselves.
const MIN_PART: usize = 16;

/// How often a text may be encoded, one encoding around another.
const DEPTH: u8 = 4;

/// Secrets to look for.
#[derive(Debug, Default)]
pub struct Known {
    secrets: Vec<Secret>,
    tails: Windows,
    heads: Windows,
    longest: usize,
    /// Bytes of the shortest text that could hold one, or enough of one.
    shortest: usize,
}

impl Known {
    /// These, and what of them would do as much harm alone: lines of a key, the
    /// password of a URL. Those with fewer than [`MIN_BYTES`] cannot be looked for.
    #[must_use]
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut all = BTreeSet::new();
        for secret in secrets {
            all.extend(parts(secret.expose()));
        }
        let lengths = || all.iter().map(String::len);
        let longest = lengths().max().unwrap_or_default();
        let shortest = lengths().map(fragment).min().unwrap_or(usize::MAX);
        let secrets: Vec<Secret> = all.into_iter().map(Secret::new).collect();
        let bytes = || secrets.iter().map(|secret| secret.expose().as_bytes());
        let tails = Windows::new(bytes().filter_map(|secret| secret.last_chunk()));
        let heads = Windows::new(bytes().filter_map(|secret| secret.first_chunk()));
        Self { tails, heads, secrets, longest, shortest }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Tells where `text` has one.
    pub(super) fn find(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        if !self.is_empty() && text.len() >= self.shortest {
            self.find_in(text, DEPTH, found);
        }
    }

    fn find_in(&self, text: &[u8], depth: u8, found: &mut dyn FnMut(Range<usize>)) {
        self.whole(text, found);
        self.cut_at_end(text, found);
        let Some(depth) = depth.checked_sub(1) else { return };
        encodings::runs(text, self.shortest, &mut |run| {
            // Of what is no text, nothing can be encoded once more.
            let mut inside = |range: Range<usize>| found(run.source(range));
            if run.is_text() {
                self.find_in(run.bytes(), depth, &mut inside);
            } else {
                self.whole(run.bytes(), &mut inside);
                self.cut_at_end(run.bytes(), &mut inside);
            }
        });
        let views = [encodings::unescaped(text), encodings::unquoted(text), encodings::joined(text)];
        for view in views.iter().flatten() {
            self.find_in(view.bytes(), depth, &mut |range| found(view.source(range)));
        }
    }

    /// Every secret that is whole, or all of which but the beginning stands where
    /// the text begins.
    fn whole(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let mut window = 0;
        for (at, byte) in text.iter().enumerate() {
            window = (window >> 8) | (u64::from(*byte) << 56);
            if at + 1 < WINDOW || !self.tails.may_have(window) {
                continue;
            }
            let end = at + 1;
            let before = text.get(..end).unwrap_or_default();
            for secret in self.tails.with(window).filter_map(|which| self.bytes(which)) {
                let same = secret.iter().rev().zip(before.iter().rev()).take_while(|(a, b)| a == b).count();
                if same == secret.len() || (same == end && same >= fragment(secret.len())) {
                    found(end - same..end);
                }
            }
        }
    }

    /// Every secret of which the text has the beginning, and then ends.
    fn cut_at_end(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let text = without_ellipsis(text);
        let first = text.len().saturating_sub(self.longest);
        let tail = text.get(first..).unwrap_or_default();
        for (at, window) in tail.windows(WINDOW).enumerate() {
            let window = window.try_into().map_or(0, u64::from_le_bytes);
            if !self.heads.may_have(window) {
                continue;
            }
            let rest = tail.get(at..).unwrap_or_default();
            for secret in self.heads.with(window).filter_map(|which| self.bytes(which)) {
                if rest.len() >= fragment(secret.len()) && secret.starts_with(rest) {
                    found(first + at..text.len());
                }
            }
        }
    }

    fn bytes(&self, which: u32) -> Option<&[u8]> {
        self.secrets.get(which as usize).map(|secret| secret.expose().as_bytes())
    }
}

/// How much of a secret of that length gives it away.
fn fragment(length: usize) -> usize {
    length.min(FRAGMENT)
}

/// What is cut off often says so.
fn without_ellipsis(text: &[u8]) -> &[u8] {
    ["…", "...", "\\u2026"].iter().find_map(|end| text.strip_suffix(end.as_bytes())).unwrap_or(text)
}

fn parts(secret: &str) -> Vec<String> {
    let secret = secret.trim_matches(['\r', '\n', ' ']);
    let mut parts = vec![secret.to_owned()];
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= MIN_PART);
    // The first and last lines of a key say what it is.
    parts.extend(lines.filter(|line| !line.starts_with("-----")).map(ToOwned::to_owned));
    if secret.contains("://") {
        let password = Url::parse(secret).ok().and_then(|url| url.password().map(ToOwned::to_owned));
        parts.extend(password);
    }
    parts.retain(|part| part.len() >= MIN_BYTES);
    parts
}

#[cfg(test)]
mod tests;
