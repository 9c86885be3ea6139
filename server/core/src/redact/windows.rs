//! Which of many byte strings has these eight bytes at its end, or its beginning.

/// Bytes that are looked up at once.
pub(super) const WINDOW: usize = 8;

/// Bits of the filter for each string. Nearly every window of a text is in none
/// of them, and this is how much it takes to see that at a glance.
const BITS: usize = 32;

/// Two odd numbers without a pattern.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

/// Byte strings, by the first or the last eight bytes of each.
#[derive(Debug, Default)]
pub(super) struct Windows {
    filter: Vec<u64>,
    /// How far a mixed window must be shifted to be the number of a bit.
    shift: u32,
    /// Sorted.
    entries: Vec<(u64, u32)>,
}

impl Windows {
    /// Of strings that are numbered from 0.
    pub(super) fn new<'s>(windows: impl Iterator<Item = &'s [u8; WINDOW]>) -> Self {
        let mut entries: Vec<(u64, u32)> =
            windows.map(|window| u64::from_le_bytes(*window)).zip(0..).collect();
        entries.sort_unstable();
        let bits = (entries.len() * BITS).next_power_of_two().max(1024);
        let mut windows = Self {
            filter: vec![0; bits / 64],
            shift: u64::BITS - bits.trailing_zeros(),
            entries: Vec::new(),
        };
        for (window, _) in &entries {
            for mix in MIX {
                let (word, mask) = windows.bit(*window, mix);
                if let Some(word) = windows.filter.get_mut(word) {
                    *word |= mask;
                }
            }
        }
        windows.entries = entries;
        windows
    }

    /// False: none has it.
    #[inline]
    pub(super) fn may_have(&self, window: u64) -> bool {
        MIX.into_iter().all(|mix| {
            let (word, mask) = self.bit(window, mix);
            self.filter.get(word).is_some_and(|word| word & mask != 0)
        })
    }

    /// The numbers of those that have it.
    pub(super) fn with(&self, window: u64) -> impl Iterator<Item = u32> {
        let first = self.entries.partition_point(|(other, _)| *other < window);
        let rest = self.entries.get(first..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| *other == window).map(|(_, which)| *which)
    }

    #[inline]
    fn bit(&self, window: u64, mix: u64) -> (usize, u64) {
        let bit = window.wrapping_mul(mix) >> (self.shift & 63);
        (usize::try_from(bit / 64).unwrap_or(usize::MAX), 1 << (bit % 64))
    }
}
