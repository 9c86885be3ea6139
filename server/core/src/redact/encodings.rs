//! What a text says once its encodings are undone, and which part of the text
//! says it.

use std::ops::Range;

mod escapes;
mod runs;

pub(super) use escapes::{joined, unescaped, unquoted};
pub(super) use runs::runs;

/// Bytes that were decoded.
pub(super) trait Mapped {
    /// What they are.
    fn bytes(&self) -> &[u8];

    /// Which part of the encoded text some of them stand for.
    fn source(&self, decoded: Range<usize>) -> Range<usize>;
}

/// A text in which escapes are what they stand for.
#[derive(Debug, Default)]
pub(super) struct View {
    bytes: Vec<u8>,
    /// Where the encoding of each begins.
    from: Vec<u32>,
    end: usize,
}

impl View {
    fn push(&mut self, byte: u8, from: usize) {
        self.bytes.push(byte);
        self.from.push(u32::try_from(from).unwrap_or(u32::MAX));
    }

    fn extend(&mut self, character: char, from: usize) {
        let mut bytes = [0; 4];
        character.encode_utf8(&mut bytes).bytes().for_each(|byte| self.push(byte, from));
    }

    /// Of a text of that length. `None`: it is the text itself.
    fn of(mut self, text: &[u8]) -> Option<Self> {
        self.end = text.len();
        (self.bytes != text).then_some(self)
    }

    fn start(&self, decoded: usize) -> usize {
        self.from.get(decoded).map_or(self.end, |from| *from as usize)
    }
}

impl Mapped for View {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn source(&self, decoded: Range<usize>) -> Range<usize> {
        self.start(decoded.start)..self.start(decoded.end)
    }
}
